"""The AWS configuration file: which section counts, what its keys mean, and how a wrong value is told."""

import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.aws.config_file import ConfigFile, Profile, Proxy, RetryConfig, TransferConfig
from aws_s3.errors import ConfigFileError

MB = 1024**2

DOCUMENTED = """\
[profile dev]
region = us-east-1
output = json
max_attempts = 5
retry_mode = standard

dev.s3.max_concurrent_requests = 10
dev.s3.max_queue_size = 1000
dev.s3.multipart_threshold = 64MB
dev.s3.multipart_chunksize = 16MB
dev.s3.max_bandwidth = 50MB/s
dev.s3.use_accelerate_endpoint = true
dev.s3.addressing_style = virtual

dev.proxy.host = proxy.example.com
dev.proxy.port = 8080
dev.proxy.username = your-proxy-username
dev.proxy.password = your-proxy-password

dev.proxy.ca_bundle = {folder}/ca_bundle.pem
dev.proxy.client_cert = {folder}/client_cert.pem
dev.proxy.use_forwarding_for_https = true

signature_version = s3v4
"""
"""The example of the users' documentation, with files that exist."""


def read(folder: Path, text: str) -> ConfigFile:
    path = folder / "config"
    path.write_text(text, encoding="utf-8")
    return ConfigFile.read(path)


def profile(folder: Path, text: str, name: str = "dev") -> Profile:
    return read(folder, text).profile(name, {})


def with_key(key: str, value: str) -> str:
    return f"[profile dev]\n{key} = {value}\n"


def test_documented_example_is_read(tmp_path: Path) -> None:
    for name in ("ca_bundle.pem", "client_cert.pem"):
        (tmp_path / name).touch()
    found = profile(tmp_path, DOCUMENTED.format(folder=tmp_path))
    assert found.region == "us-east-1"
    assert found.signature_version == "s3v4"
    assert found.retries == RetryConfig("standard", 5)
    assert found.downloads == TransferConfig(10, 1000, 64 * MB, 16 * MB, 50 * MB)
    assert found.s3 == {"use_accelerate_endpoint": True, "addressing_style": "virtual"}
    assert found.proxy == Proxy("http://your-proxy-username:your-proxy-password@proxy.example.com:8080", {})
    assert found.section["ca_bundle"] == f"{tmp_path}/ca_bundle.pem"


def test_no_file_gives_defaults(tmp_path: Path) -> None:
    found = ConfigFile.read(tmp_path / "none").profile("default", {})
    assert (found.retries, found.downloads) == (RetryConfig("standard", 10), TransferConfig())
    assert (found.region, found.proxy, found.s3) == (None, None, {})


def test_default_sizes_are_those_of_boto3() -> None:
    assert TransferConfig() == TransferConfig(None, 1000, 8 * MB, 8 * MB, None)


@pytest.mark.parametrize("header", ["profile dev", "dev", 'profile "dev"', "profile  dev"])
def test_section_of_a_profile(tmp_path: Path, header: str) -> None:
    assert profile(tmp_path, f"[{header}]\nregion = eu-west-1\n").region == "eu-west-1"


def test_profile_prefix_goes_before_plain_name(tmp_path: Path) -> None:
    text = "[profile dev]\nregion = eu-west-1\n[dev]\nregion = eu-west-2\n"
    assert profile(tmp_path, text).region == "eu-west-1"


@pytest.mark.parametrize("header", ["default", "Default", "DEFAULT", "profile default"])
def test_default_section_in_any_case(tmp_path: Path, header: str) -> None:
    text = f"[{header}]\nregion = eu-west-1\ndefault.s3.max_queue_size = 7\n[profile other]\n"
    found = profile(tmp_path, text, "default")
    assert (found.region, found.downloads.max_queue_size) == ("eu-west-1", 7)
    assert profile(tmp_path, text, "other").region is None


def test_profile_without_section_takes_the_default_ones_settings_not_its_credentials(tmp_path: Path) -> None:
    text = """[default]
region = eu-west-1
retry_mode = adaptive
default.s3.max_concurrent_requests = 3
role_arn = arn:aws:iam::123456789012:role/other
source_profile = other
aws_access_key_id = AKIAOTHER
"""
    file = read(tmp_path, text)
    assert "dev" not in file
    found = file.profile("dev", {})
    assert (found.region, found.retries) == ("eu-west-1", RetryConfig("adaptive", 3))
    assert found.downloads.max_concurrent_requests == 3
    assert not {"role_arn", "source_profile", "aws_access_key_id"} & set(found.section)


def test_profile_with_section_takes_nothing_from_default(tmp_path: Path) -> None:
    assert profile(tmp_path, "[default]\nregion = eu-west-1\n[profile dev]\noutput = json\n").region is None


def test_sections_of_other_kinds_are_no_profiles(tmp_path: Path) -> None:
    file = read(tmp_path, "[sso-session dev]\nx = 1\n[services web]\nx = 1\n[profile 'open]\nx = 1\n")
    assert not any(name in file for name in ("dev", "web", "open", "'open", ""))


def test_nested_form_of_the_command_line_interface(tmp_path: Path) -> None:
    found = profile(
        tmp_path,
        """[profile dev]
s3 =
  max_concurrent_requests = 4
  max_bandwidth = 1MB/s
  addressing_style = path
  payload_signing_enabled = true
region = eu-west-1
""",
    )
    assert found.downloads == TransferConfig(max_concurrent_requests=4, max_bandwidth=MB)
    assert found.s3 == {"addressing_style": "path"}
    assert found.section["s3"]["payload_signing_enabled"] == "true"
    assert found.region == "eu-west-1"


@pytest.mark.parametrize("dotted_first", [True, False])
def test_dotted_key_goes_before_nested(tmp_path: Path, dotted_first: bool) -> None:
    parts = ["dev.s3.max_queue_size = 5\n", "s3 =\n  max_queue_size = 6\n"]
    text = "[profile dev]\n" + "".join(parts if dotted_first else reversed(parts))
    assert profile(tmp_path, text).downloads.max_queue_size == 5


def test_prefix_of_a_profile_in_capitals(tmp_path: Path) -> None:
    assert profile(tmp_path, "[profile Dev]\nDev.s3.max_queue_size = 5\n", "Dev").downloads.max_queue_size == 5


@pytest.mark.parametrize(
    "key",
    ["other.s3.max_queue_size", "dev.s3.max_queue_sise", "dev.proxy.hots", "dev.max_attempts", "dev.retries.mode"],
)
def test_key_without_effect_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str) -> None:
    caplog.set_level(logging.WARNING)
    assert profile(tmp_path, with_key(key, "5")).downloads == TransferConfig()
    assert f"section [profile dev], {key} has no effect: " in caplog.text


@pytest.mark.parametrize("key", ["retries", "proxies", "proxies_config"])
@pytest.mark.parametrize("value", ["3", "\n  max_attempts = 3\n  https = http://127.0.0.1:1", "\n  http://127.0.0.1:1"])
def test_group_of_boto3_names_the_keys_to_write(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str, value: str
) -> None:
    caplog.set_level(logging.WARNING)
    assert profile(tmp_path, with_key(key, value)).retries == RetryConfig()
    assert f"section [profile dev], {key} has no effect: write " in caplog.text


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("retry_mode = legacy", RetryConfig("legacy", 5)),
        ("retry_mode = standard", RetryConfig("standard", 3)),
        ("retry_mode = adaptive", RetryConfig("adaptive", 3)),
        ("retry_mode = Adaptive\nmax_attempts = 7", RetryConfig("adaptive", 7)),
        ("max_attempts = 7", RetryConfig("standard", 7)),
        ("max_attempts =", RetryConfig("standard", 10)),
        ("", RetryConfig("standard", 10)),
    ],
)
def test_retries(tmp_path: Path, lines: str, expected: RetryConfig) -> None:
    assert profile(tmp_path, f"[profile dev]\n{lines}\n").retries == expected


def test_environment_goes_before_the_file_for_retries(tmp_path: Path) -> None:
    file = read(tmp_path, "[profile dev]\nretry_mode = legacy\nmax_attempts = 7\n")
    environ = {"AWS_RETRY_MODE": "adaptive", "AWS_MAX_ATTEMPTS": "2"}
    assert file.profile("dev", environ).retries == RetryConfig("adaptive", 2)
    with pytest.raises(ConfigFileError, match="AWS_MAX_ATTEMPTS"):
        file.profile("dev", {"AWS_MAX_ATTEMPTS": "many"})


@pytest.mark.parametrize(("environ", "expected"), [({}, True), ({"AWS_S3_DIRECT_GET": "0"}, False)])
def test_environment_switches_the_direct_get(tmp_path: Path, environ: dict[str, str], expected: bool) -> None:
    assert read(tmp_path, "").profile("default", environ).downloads.direct_get is expected
    with pytest.raises(ConfigFileError, match="AWS_S3_DIRECT_GET: the value is not 0 or 1"):
        read(tmp_path, "").profile("default", {"AWS_S3_DIRECT_GET": "off"})


@pytest.mark.parametrize(
    ("downloads", "size", "requests"),
    [
        (TransferConfig(), -1, 1),
        (TransferConfig(), 8 * MB - 1, 1),
        (TransferConfig(), 8 * MB, 1),
        (TransferConfig(), 8 * MB + 1, 2),
        (TransferConfig(multipart_chunksize=MB), 8 * MB, 8),
        (TransferConfig(max_bandwidth=MB), 100 * MB, 1),
    ],
)
def test_objects_above_the_threshold_take_a_request_a_chunk(
    downloads: TransferConfig, size: int, requests: int
) -> None:
    assert downloads.requests_for(size) == requests


@pytest.mark.parametrize(
    ("text", "size"),
    [("8388608", 8 * MB), ("8MB", 8 * MB), ("8mb", 8 * MB), ("64KB", 65536), ("1GB", 1024 * MB), ("5 MB", 5 * MB)],
)
def test_sizes(tmp_path: Path, text: str, size: int) -> None:
    found = profile(tmp_path, with_key("dev.s3.multipart_chunksize", text))
    assert found.downloads.multipart_chunksize == size


@pytest.mark.parametrize(
    ("text", "rate"),
    [("50MB/s", 50 * MB), ("1048576", MB), ("512KB/s", 524288), ("1GB/s", 1024 * MB), ("8Mb/s", MB), ("8b/s", 1)],
)
def test_rates(tmp_path: Path, text: str, rate: int) -> None:
    assert profile(tmp_path, with_key("dev.s3.max_bandwidth", text)).downloads.max_bandwidth == rate


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ({"host": "p.example"}, "http://p.example"),
        ({"host": "p.example", "port": "8080"}, "http://p.example:8080"),
        ({"host": "https://p.example/", "port": "443"}, "https://p.example:443"),
        ({"host": "[::1]", "port": "3128"}, "http://[::1]:3128"),
        ({"host": "10.0.0.1", "username": "a b", "password": "p@:/%ss"}, "http://a%20b:p%40%3A%2F%25ss@10.0.0.1"),
        ({"port": ""}, None),
    ],
)
def test_proxy_url(tmp_path: Path, keys: dict[str, str], url: str | None) -> None:
    text = "[profile dev]\n" + "".join(f"dev.proxy.{key} = {value}\n" for key, value in keys.items())
    proxy = profile(tmp_path, text).proxy
    assert (proxy.url if proxy else None) == url


def test_files_and_forwarding_are_for_tls_with_the_proxy(tmp_path: Path) -> None:
    pem = tmp_path / "some.pem"
    pem.touch()
    keys = f"dev.proxy.ca_bundle = {pem}\ndev.proxy.client_cert = {pem}\ndev.proxy.use_forwarding_for_https = True\n"
    found = profile(tmp_path, f"[profile dev]\ndev.proxy.host = https://p.example\n{keys}")
    assert found.proxy is not None
    assert found.proxy.settings == {
        "proxy_ca_bundle": str(pem),
        "proxy_client_cert": str(pem),
        "proxy_use_forwarding_for_https": True,
    }
    assert (found.proxy.client_cert, found.section["ca_bundle"]) == (str(pem), str(pem))


def test_files_of_a_proxy_that_tunnels_are_not_the_endpoints(tmp_path: Path) -> None:
    pem = tmp_path / "some.pem"
    pem.touch()
    keys = f"dev.proxy.ca_bundle = {pem}\ndev.proxy.client_cert = {pem}\n"
    found = profile(tmp_path, f"[profile dev]\ndev.proxy.host = https://p.example\n{keys}")
    assert found.proxy is not None and found.proxy.client_cert is None
    assert "ca_bundle" not in found.section


def test_ca_bundle_of_the_profile_goes_before_the_proxys(tmp_path: Path) -> None:
    for name in ("own.pem", "proxy.pem"):
        (tmp_path / name).touch()
    keys = f"dev.proxy.ca_bundle = {tmp_path}/proxy.pem\nca_bundle = {tmp_path}/own.pem\n"
    found = profile(tmp_path, f"[profile dev]\ndev.proxy.host = p.example\n{keys}")
    assert found.section["ca_bundle"] == f"{tmp_path}/own.pem"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("region", "us east"),
        ("region_name", "US-EAST-1"),
        ("signature_version", "s5"),
        ("retry_mode", "often"),
        ("max_attempts", "0"),
        ("max_attempts", "five"),
        ("max_attempts", "5 # five"),
        ("ca_bundle", "/nowhere/ca.pem"),
        ("dev.s3.max_concurrent_requests", "0"),
        ("dev.s3.max_concurrent_requests", "-1"),
        ("dev.s3.max_queue_size", "1.5"),
        ("dev.s3.max_queue_size", "²"),
        ("dev.s3.multipart_threshold", "64XB"),
        ("dev.s3.multipart_threshold", "MB"),
        ("dev.s3.multipart_chunksize", "0"),
        ("dev.s3.multipart_chunksize", "16MB/s"),
        ("dev.s3.max_bandwidth", "fast"),
        ("dev.s3.max_bandwidth", "0MB/s"),
        ("dev.s3.max_bandwidth", "1b/s"),
        ("dev.s3.use_accelerate_endpoint", "1"),
        ("dev.s3.addressing_style", "both"),
        ("dev.proxy.host", "http://user:secret@p.example"),
        ("dev.proxy.host", "p.example:8080"),
        ("dev.proxy.port", "http"),
        ("dev.proxy.port", "65536"),
        ("dev.proxy.password", "sécret"),
        ("dev.proxy.ca_bundle", "/nowhere/ca.pem"),
        ("dev.proxy.client_cert", "/nowhere/ca.pem"),
        ("dev.proxy.use_forwarding_for_https", "yes"),
    ],
)
def test_wrong_value_names_file_section_and_key(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigFileError) as caught:
        profile(tmp_path, with_key(key, value))
    message = str(caught.value)
    assert caught.value.exit_code == 17
    assert f"{tmp_path}/config, section [profile dev], {key}: " in message
    assert "secret" not in message and "sécret" not in message
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_wrong_nested_value_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"section \[profile dev\], s3: max_queue_size: "):
        profile(tmp_path, "[profile dev]\ns3 =\n  max_queue_size = many\n")


def test_nested_block_without_keys_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"section \[profile dev\], s3: "):
        profile(tmp_path, "[profile dev]\ns3 =\n  max_queue_size\n")


@pytest.mark.parametrize("key", ["port = 8080", "username = user", "password = secret"])
def test_proxy_without_host_is_told(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigFileError, match=r"proxy\.host"):
        profile(tmp_path, f"[profile dev]\ndev.proxy.{key}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("region = x\n", "line 1 is neither"),
        ("[default]\ndev.proxy.password s3cret\n", "line 2 is neither"),
        ("[default]\nregion = x\nregion = y\n", "line 3 sets region in section [default] a second time"),
        ("[default]\nregion = x\n[default]\n", "line 3 begins section [default] a second time"),
    ],
)
def test_broken_file_names_the_line_and_shows_nothing_of_it(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigFileError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/config: {expected}")
    assert "s3cret" not in str(caught.value)


def test_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"[default]\nregion = \xff\xfe\n")
    with pytest.raises(ConfigFileError, match="UTF-8"):
        ConfigFile.read(tmp_path / "config")


def test_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    # A name that is too long fails for root too, whom permissions do not stop.
    with pytest.raises(ConfigFileError, match="cannot be read"):
        ConfigFile.read(tmp_path / ("x" * 300))


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    text = "[profile dev]\ndev.proxy.host = p\ndev.proxy.username = user\ndev.proxy.password = s3cret\n"
    assert "s3cret" not in repr(profile(tmp_path, text))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("[]= \n\tdevs3.proxyhost'\"%#:0123é"), max_size=80))
def test_any_text_is_read_or_refused_as_our_error(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            profile(Path(folder), text)
        except ConfigFileError as error:
            assert "config" in str(error)
