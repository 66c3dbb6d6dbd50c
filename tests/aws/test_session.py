"""Access to AWS: what users configure takes effect on the requests that leave."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest

from aws_s3.aws.botocore_internals import FirstContact
from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.error_table import FAILURES, translate
from aws_s3.aws.s3 import S3Bucket
from aws_s3.aws.service_data import ServiceData
from aws_s3.aws.session import Session, aws_partition_of, known_regions
from aws_s3.errors import (
    CollectorError,
    ConfigFileError,
    CredentialsError,
    EndpointError,
    ThrottledError,
    UnknownProfileError,
    UnknownRegionError,
)
from aws_s3.settings import Access
from tests.aws.test_config_file import DOCUMENTED
from tests.harness.aws_server import EMPTY_LISTING, Answer, Certificate, Request, Server, make_certificate, xml_error
from tests.harness.emulator import ACCOUNT, Emulator
from tests.harness.expiring_sts import ExpiringAws
from tests.harness.proxy import Proxy

ROLE = "arn:aws:iam::123456789012:role/wazuh"

Configure = Callable[[str], Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any configuration, on a machine that is not AWS's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / ".aws").mkdir()
    return tmp_path


@pytest.fixture(autouse=True)
def _data_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests' sessions share botocore's descriptions of services: reading them takes the longest."""
    monkeypatch.setattr("aws_s3.aws.session.ServiceData", _shared_data)


_shared_data = cache(ServiceData)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")


@pytest.fixture
def config(home: Path) -> Configure:
    """Return what writes `~/.aws/config`."""

    def write(text: str) -> Path:
        path = home / ".aws" / "config"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def credentials(home: Path) -> Configure:
    """Return what writes `~/.aws/credentials`."""

    def write(text: str) -> Path:
        path = home / ".aws" / "credentials"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore not wait between attempts."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda bucket, amount=1, block=True: True)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "endpoint")


class Sent(Exception):
    """A request that was about to leave."""

    def __init__(self, request: Any) -> None:
        self.url = urlsplit(request.url)
        self.headers = {name.lower(): value for name, value in request.headers.items()}
        self.scope = _text(self.headers.get("authorization", ""))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def leaving(client: Any, operation: str = "list_objects_v2", **parameters: Any) -> Sent:
    """Return the request that the operation would send."""

    def stop(request: Any, **_: Any) -> None:
        raise Sent(request)

    client.meta.events.register("before-send", stop)
    if operation == "list_objects_v2":
        parameters.setdefault("Bucket", "acme-logs")
    with pytest.raises(Sent) as caught:
        getattr(client, operation)(**parameters)
    client.meta.events.unregister("before-send", stop)
    return caught.value


def host(client: Any, operation: str = "list_objects_v2", **parameters: Any) -> str:
    return str(leaving(client, operation, **parameters).url.hostname)


def list_bucket(session: Session) -> None:
    session.client("s3").list_objects_v2(Bucket="acme-logs")


def failure(call: Callable[[], object]) -> CollectorError:
    """Return the call's failure as the program tells it."""
    try:
        call()
    except CollectorError as error:
        return error
    except FAILURES as error:
        return translate(error, "bucket acme-logs")
    raise AssertionError("nothing failed")


class TestProfile:
    def test_neither_file_knows_it(self, config: Configure, credentials: Configure) -> None:
        paths = config("[profile dev]\n"), credentials("[dev]\n")
        with pytest.raises(UnknownProfileError) as caught:
            Session(Access(profile="ghost"))
        assert caught.value.exit_code == 23
        assert all(text in str(caught.value) for text in ("ghost", *map(str, paths)))

    def test_profile_of_the_environment_that_neither_file_knows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "ghost")
        with pytest.raises(UnknownProfileError, match="ghost"):
            Session(Access())

    def test_only_in_the_credentials_file(self, credentials: Configure) -> None:
        credentials("[dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = secret\n")
        assert "AKIADEV" in leaving(Session(Access(profile="dev")).client("s3")).scope

    @pytest.mark.parametrize(
        ("header", "name"),
        [("profile dev", "dev"), ("dev", "dev"), ("Default", "default"), ("DEFAULT", "Default"), ("default", None)],
    )
    def test_credentials_and_region_of_the_configuration_file(
        self, config: Configure, header: str, name: str | None
    ) -> None:
        config(f"[{header}]\naws_access_key_id = AKIADEV\naws_secret_access_key = secret\nregion = eu-west-3\n")
        scope = leaving(Session(Access(profile=name)).client("s3")).scope
        assert "Credential=AKIADEV/" in scope and "/eu-west-3/s3/" in scope

    def test_files_named_by_the_environment(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, config: Configure, credentials: Configure
    ) -> None:
        config("[profile wrong]\n")
        credentials("[wrong]\n")
        (home / "mine").write_text("[profile dev]\nregion = eu-west-3\n")
        (home / "secrets").write_text("[dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = secret\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", "~/mine")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "secrets"))
        scope = leaving(Session(Access(profile="dev")).client("s3")).scope
        assert "Credential=AKIADEV/" in scope and "/eu-west-3/s3/" in scope
        with pytest.raises(UnknownProfileError, match="mine"):
            Session(Access(profile="wrong"))

    def test_default_sections_role_is_not_another_profiles(self, config: Configure, credentials: Configure) -> None:
        config(f"[default]\nregion = eu-west-3\nrole_arn = {ROLE}\nsource_profile = default\n")
        credentials("[dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = secret\n")
        scope = leaving(Session(Access(profile="dev")).client("s3")).scope
        assert "Credential=AKIADEV/" in scope and "/eu-west-3/s3/" in scope

    def test_wrong_value_is_told_before_anything_is_sent(self, config: Configure) -> None:
        path = config("[profile dev]\ndev.s3.max_queue_size = many\n")
        with pytest.raises(ConfigFileError) as caught:
            Session(Access(profile="dev"))
        assert str(caught.value).startswith(f"{path}, section [profile dev], dev.s3.max_queue_size: ")

    def test_broken_credentials_file_shows_nothing_of_it(self, credentials: Configure) -> None:
        path = credentials("[dev]\naws_secret_access_key s3cret\n")
        with pytest.raises(ConfigFileError) as caught:
            Session(Access())
        assert str(caught.value).startswith(f"{path}: line 2 ") and "s3cret" not in str(caught.value)

    def test_downloads_are_the_profiles(self, config: Configure, keys: None) -> None:
        config("[default]\ndefault.s3.max_concurrent_requests = 40\ndefault.s3.max_bandwidth = 1MB/s\n")
        session = Session(Access())
        assert session.downloads == TransferConfig(max_concurrent_requests=40, max_bandwidth=1 << 20)
        assert session.client("s3").meta.config.max_pool_connections > 40


class TestKeys:
    def test_are_used_and_deprecated_once_without_being_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        session = Session(Access(access_key="AKIAGIVEN", secret_key="s3cret"))
        assert "Credential=AKIAGIVEN/" in leaving(session.client("s3")).scope
        session.client("sts")
        warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(warnings) == 1
        assert all(text in warnings[0] for text in ("--aws_profile", "--iam_role_arn", "environment"))
        assert "AKIAGIVEN" not in caplog.text and "s3cret" not in caplog.text

    @pytest.mark.parametrize("access", [Access(access_key="AKIA"), Access(secret_key="s3cret")])
    def test_half_a_pair_is_refused(self, access: Access) -> None:
        with pytest.raises(CredentialsError, match="together") as caught:
            Session(access)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.usefixtures("keys")
    def test_go_before_the_environment(self) -> None:
        session = Session(Access(access_key="AKIAGIVEN", secret_key="s3cret"))
        assert "Credential=AKIAGIVEN/" in leaving(session.client("s3")).scope

    def test_profile_goes_before_the_environment(self, credentials: Configure, keys: None) -> None:
        credentials("[dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = secret\n")
        assert "Credential=AKIADEV/" in leaving(Session(Access(profile="dev")).client("s3")).scope

    def test_none_at_all_is_told(self) -> None:
        session = Session(Access())
        error = failure(lambda: list_bucket(session))
        assert error.exit_code == 3 and "--aws_profile" in str(error)

    def test_none_to_assume_a_role_with_is_told(self) -> None:
        assert failure(lambda: Session(Access(role_arn=ROLE)).client("s3")).exit_code == 3


@pytest.mark.usefixtures("keys")
class TestRegion:
    @pytest.mark.parametrize(
        ("asked", "profile", "environment", "expected"),
        [
            ((), None, None, "us-east-1"),
            ((), None, "eu-west-1", "eu-west-1"),
            ((), "eu-west-2", "eu-west-1", "eu-west-2"),
            (("us-gov-west-1",), None, None, "us-gov-west-1"),
            (("us-gov-east-1", "us-gov-west-1"), "us-east-1", "eu-west-1", "us-gov-east-1"),
            (("cn-north-1",), "us-east-1", None, "cn-north-1"),
            (("us-gov-east-1",), "us-gov-west-1", None, "us-gov-east-1"),
            (("us-west-2",), "eu-west-1", None, "us-west-2"),
            (("ap-east-1", "us-west-2"), "eu-west-1", None, "eu-west-1"),
            (("us-iso-east-1",), None, "us-gov-west-1", "us-iso-east-1"),
        ],
    )
    def test_of_the_s3_client(
        self,
        config: Configure,
        monkeypatch: pytest.MonkeyPatch,
        asked: tuple[str, ...],
        profile: str | None,
        environment: str | None,
        expected: str,
    ) -> None:
        if profile:
            config(f"[default]\nregion = {profile}\n")
        if environment:
            monkeypatch.setenv("AWS_DEFAULT_REGION", environment)
        client = Session(Access(), asked).client("s3")
        assert f"/{expected}/s3/" in leaving(client).scope

    def test_key_of_boto3_in_the_file(self, config: Configure) -> None:
        config("[default]\nregion_name = eu-west-2\n")
        assert Session(Access()).region == "eu-west-2"

    def test_explicit_one_is_never_overridden_by_the_file(self, config: Configure) -> None:
        config("[default]\nregion = eu-west-1\n")
        session = Session(Access(), ("us-west-2",))
        for service, call in (("logs", "describe_log_groups"), ("s3", "list_objects_v2"), ("sqs", "list_queues")):
            sent = leaving(session.client(service, "us-west-2"), call)
            assert f"/us-west-2/{service}/" in sent.scope
            assert "us-west-2" in str(sent.url.hostname)

    def test_role_of_another_partition_makes_its_home_the_region(self) -> None:
        session = Session(Access(role_arn="arn:aws-us-gov:iam::123456789012:role/wazuh"))
        assert session.region is None
        assert session.service_regions("logs") == ["us-gov-east-1", "us-gov-west-1"]

    def test_missing_for_a_service_that_needs_one_is_told(self) -> None:
        with pytest.raises(UnknownRegionError, match="--regions"):
            Session(Access()).client("logs")

    def test_services_regions_are_those_of_the_partition(self, config: Configure) -> None:
        config("[default]\nregion = us-gov-west-1\n")
        assert Session(Access()).service_regions("inspector2") == ["us-gov-east-1", "us-gov-west-1"]
        config("[default]\nregion = eu-west-1\n")
        regions = Session(Access()).service_regions("logs")
        assert "us-east-1" in regions and not any(region.startswith(("us-gov", "cn-")) for region in regions)
        assert regions == sorted(regions)

    def test_every_region_of_every_partition_is_known(self) -> None:
        session = botocore.session.Session()
        for partition in session.get_available_partitions():
            for service in ("s3", "logs", "sqs", "sts"):
                assert known_regions() >= set(session.get_available_regions(service, partition))
        assert {"us-east-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1"} <= known_regions()
        assert not {"us-east-9", "aws-global", "aws-cn-global", ""} & known_regions()

    @pytest.mark.parametrize(
        ("region", "partition"),
        [
            ("us-east-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("cn-north-1", "aws-cn"),
            ("eu-west-99", "aws"),
            ("us-gov-north-7", "aws-us-gov"),
            ("mars", "aws"),
        ],
    )
    def test_partition(self, region: str, partition: str) -> None:
        assert aws_partition_of(region) == partition


@pytest.mark.usefixtures("keys")
class TestEndpoint:
    @pytest.mark.parametrize(
        ("service", "call", "endpoint", "url"),
        [
            ("s3", "list_objects_v2", "localhost:4566", "https://localhost:4566/acme-logs"),
            ("s3", "list_objects_v2", "http://127.0.0.1:9000", "http://127.0.0.1:9000/acme-logs"),
            ("s3", "list_objects_v2", "https://[::1]:9000", "https://[::1]:9000/acme-logs"),
            (
                *("s3", "list_objects_v2", "https://bucket.xxxxxx.s3.us-east-2.vpce.amazonaws.com"),
                "https://bucket.xxxxxx.s3.us-east-2.vpce.amazonaws.com/acme-logs",
            ),
            (
                *("logs", "describe_log_groups", "https://xxxxxx.logs.us-east-2.vpce.amazonaws.com"),
                "https://xxxxxx.logs.us-east-2.vpce.amazonaws.com/",
            ),
            (
                *("logs", "describe_log_groups", "logs-fips.us-east-2.amazonaws.com"),
                "https://logs-fips.us-east-2.amazonaws.com/",
            ),
            (
                *("inspector2", "list_findings", "inspector2-fips.us-east-2.amazonaws.com"),
                "https://inspector2-fips.us-east-2.amazonaws.com/findings/list",
            ),
            ("sqs", "list_queues", "sqs.us-east-2.amazonaws.com", "https://sqs.us-east-2.amazonaws.com/"),
        ],
    )
    def test_requests_reach_the_host_named(self, service: str, call: str, endpoint: str, url: str) -> None:
        client = Session(Access(service_endpoint=endpoint)).client(service, "us-east-2")
        assert leaving(client, call).url._replace(query="").geturl() == url

    @pytest.mark.parametrize("endpoint", ["xxxxxx.sts.us-east-2.vpce.amazonaws.com", "https://sts.example:8443"])
    def test_of_sts(self, endpoint: str) -> None:
        client = Session(Access(sts_endpoint=endpoint, service_endpoint="s3.example")).client("sts")
        sent = leaving(client, "get_caller_identity")
        assert sent.url.scheme == "https" and sent.url.netloc == endpoint.removeprefix("https://")

    def test_each_is_for_its_service_only(self) -> None:
        session = Session(Access(service_endpoint="logs.example", sts_endpoint="sts.example"), ("eu-west-1",))
        assert host(session.client("logs", "eu-west-1"), "describe_log_groups") == "logs.example"
        assert host(session.client("sts", log_source=True), "get_caller_identity") == "sts.example"
        queue = session.client("sqs", "eu-west-1", log_source=False)
        assert host(queue, "list_queues") == "sqs.eu-west-1.amazonaws.com"

    def test_signing_is_for_the_region_that_the_host_names(self, config: Configure) -> None:
        config("[default]\nregion = eu-west-1\n")
        sts, s3 = "x.sts.us-east-2.vpce.amazonaws.com", "x.s3.us-west-1.vpce.amazonaws.com"
        session = Session(Access(sts_endpoint=sts, service_endpoint=s3))
        assert "/us-east-2/sts/" in leaving(session.client("sts"), "get_caller_identity").scope
        assert "/us-west-1/s3/" in leaving(session.client("s3")).scope

    def test_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all.example")
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://sqs.example")
        session = Session(Access(service_endpoint="mine.example"), ("eu-west-1",))
        assert host(session.client("s3")) == "mine.example"
        assert host(session.client("sts"), "get_caller_identity") == "all.example"
        queue = session.client("sqs", "eu-west-1", log_source=False)
        assert host(queue, "list_queues") == "sqs.example"

    @pytest.mark.parametrize(
        "endpoint", ["ftp://s3.example", "http://", "s3.example:port", "s3 example", "http://[::1"]
    )
    def test_what_is_no_url_is_told(self, endpoint: str) -> None:
        error = failure(lambda: Session(Access(service_endpoint=endpoint)).client("s3"))
        assert error.exit_code == 15 and endpoint in str(error)
        assert failure(lambda: Session(Access(sts_endpoint=endpoint)).client("sts")).exit_code == 15


@pytest.mark.usefixtures("keys")
class TestFirstContact:
    @pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
    def test_gives_up_after_three_attempts(self, config: Configure, mode: str) -> None:
        config(f"[default]\nretry_mode = {mode}\nmax_attempts = 10\n")
        client = Session(Access(service_endpoint=f"http://127.0.0.1:{closed_port()}")).client("s3")
        attempts = count_attempts(client)
        error = failure(lambda: client.list_objects_v2(Bucket="acme-logs"))
        assert isinstance(error, EndpointError) and error.exit_code == 15
        assert len(attempts) == 3

    def test_of_a_role_gives_up_too(self, config: Configure) -> None:
        config("[default]\nretry_mode = standard\nmax_attempts = 10\n")
        access = Access(role_arn=ROLE, sts_endpoint=f"http://127.0.0.1:{closed_port()}")
        error = failure(lambda: Session(access).client("s3"))
        assert error.exit_code == 15 and ROLE in str(error)

    def test_host_without_address_is_told(self) -> None:
        access = Access(service_endpoint="http://no-such-host.invalid")
        assert failure(lambda: list_bucket(Session(access))).exit_code == 15

    @pytest.mark.usefixtures("no_pauses")
    def test_later_requests_are_tried_as_configured(self, config: Configure) -> None:
        config("[default]\nmax_attempts = 6\n")
        with Server(lambda request: EMPTY_LISTING) as server:
            client = Session(Access(service_endpoint=server.url)).client("s3")
            client.list_objects_v2(Bucket="acme-logs")
            server.close()
            client._endpoint.http_session.close()
            attempts = count_attempts(client)
            assert failure(lambda: client.list_objects_v2(Bucket="acme-logs")).exit_code == 15
        assert len(attempts) == 6

    @pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<ListBucket"])
    @pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
    def test_silent_endpoint_is_given_up_at_the_first_time_out(
        self, config: Configure, monkeypatch: pytest.MonkeyPatch, mode: str, begin: bytes
    ) -> None:
        config(f"[default]\nretry_mode = {mode}\nmax_attempts = 10\n")
        monkeypatch.setattr(FirstContact, "read_timeout", 0.5)
        with silent_after(begin) as url:
            client = Session(Access(service_endpoint=url)).client("s3")
            attempts = count_attempts(client)
            error = failure(lambda: client.list_objects_v2(Bucket="acme-logs"))
        assert (error.exit_code, len(attempts)) == (15, 1)
        assert "stopped answering" in str(error) and "None" not in str(error)

    def test_silent_endpoint_has_less_than_thirty_seconds_and_long_polling_enough(self) -> None:
        assert 20 < Session(Access()).client("s3").meta.config.read_timeout < 30 - 3

    def test_endpoint_that_answered_once_has_a_minute(self) -> None:
        with Server(lambda request: EMPTY_LISTING) as server:
            client = Session(Access(service_endpoint=server.url)).client("s3")
            for _ in range(2):
                client.list_objects_v2(Bucket="acme-logs")
            http_session = client._endpoint.http_session
            pool = http_session._manager.connection_from_url(server.url)
            assert (http_session._timeout.read_timeout, pool.timeout.read_timeout) == (60, 60)
            assert pool.timeout.connect_timeout == 5

    def test_connecting_has_five_seconds(self) -> None:
        assert Session(Access()).client("s3").meta.config.connect_timeout == 5


def closed_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def silent_after(begin: bytes) -> Iterator[str]:
    """Give the URL of a server that accepts every connection, answers so much, and then nothing more."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    kept.append(connection)
                    connection.sendall(begin)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    for connection in kept:
        connection.close()


def count_attempts(client: Any) -> list[str]:
    """Return a list that grows by each request the client is about to send."""
    attempts: list[str] = []
    client.meta.events.register("before-send", lambda request, **_: attempts.append(request.url))
    return attempts


@pytest.mark.usefixtures("keys", "no_pauses")
class TestRetries:
    @pytest.mark.parametrize(
        ("lines", "attempts"),
        [
            ("", 10),
            ("max_attempts = 5", 5),
            ("max_attempts = 1", 1),
            *((f"retry_mode = {mode}\nmax_attempts = 5", 5) for mode in ("legacy", "standard", "adaptive")),
            ("retry_mode = legacy", 5),
            ("retry_mode = standard", 3),
            ("retry_mode = adaptive", 3),
        ],
    )
    def test_throttled_requests_are_tried_as_often_as_configured(
        self, config: Configure, lines: str, attempts: int
    ) -> None:
        config(f"[default]\n{lines}\n")
        with Server(lambda request: xml_error("SlowDown", status=503)) as server:
            error = failure(lambda: list_bucket(Session(Access(service_endpoint=server.url))))
            assert len(server.requests) == attempts
        assert isinstance(error, ThrottledError) and "max_attempts" in str(error)

    def test_request_succeeds_at_the_last_attempt(self, config: Configure) -> None:
        config("[default]\nmax_attempts = 5\n")
        answers = iter([xml_error("SlowDown", status=503)] * 4 + [EMPTY_LISTING])
        with Server(lambda request: next(answers)) as server:
            list_bucket(Session(Access(service_endpoint=server.url)))
            assert len(server.requests) == 5

    def test_no_file_gives_standard_and_ten(self) -> None:
        retries = Session(Access()).client("s3").meta.config.retries
        assert retries == {"mode": "standard", "total_max_attempts": 10}

    def test_apply_to_every_service(self, config: Configure) -> None:
        config("[default]\nretry_mode = adaptive\nmax_attempts = 4\n")
        session = Session(Access(), ("eu-west-1",))
        for service in ("sts", "logs", "sqs", "inspector2"):
            retries = session.client(service, "eu-west-1").meta.config.retries
            assert retries == {"mode": "adaptive", "total_max_attempts": 4}


@pytest.mark.usefixtures("keys")
class TestS3Settings:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ("default.s3.addressing_style = path", "https://s3.eu-west-1.amazonaws.com/acme-logs"),
            ("default.s3.addressing_style = virtual", "https://acme-logs.s3.eu-west-1.amazonaws.com"),
            ("s3 =\n  addressing_style = path", "https://s3.eu-west-1.amazonaws.com/acme-logs"),
            ("default.s3.use_accelerate_endpoint = true", "https://acme-logs.s3-accelerate.amazonaws.com"),
            ("s3 =\n  use_accelerate_endpoint = true", "https://acme-logs.s3-accelerate.amazonaws.com"),
            ("default.s3.use_accelerate_endpoint = false", "https://acme-logs.s3.eu-west-1.amazonaws.com"),
        ],
    )
    def test_take_effect(self, config: Configure, lines: str, expected: str) -> None:
        config(f"[default]\nregion = eu-west-1\n{lines}\n")
        sent = leaving(Session(Access()).client("s3"), "get_object", Bucket="acme-logs", Key="a")
        assert sent.url.geturl() == f"{expected}/a"

    @pytest.mark.parametrize(
        ("access", "environment", "lines"),
        [
            (Access(service_endpoint="s3.example"), {}, ""),
            (Access(), {"AWS_ENDPOINT_URL": "https://s3.example"}, ""),
            (Access(), {"AWS_ENDPOINT_URL_S3": "https://s3.example"}, ""),
            (Access(), {}, "endpoint_url = https://s3.example"),
            (Access(), {}, "services = mine\n[services mine]\ns3 =\n  endpoint_url = https://s3.example"),
        ],
    )
    def test_accelerate_beside_an_endpoint_is_ignored_with_a_warning(
        self,
        config: Configure,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        access: Access,
        environment: dict[str, str],
        lines: str,
    ) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        config(f"[default]\ndefault.s3.use_accelerate_endpoint = true\n{lines}\n")
        assert host(Session(access).client("s3")) == "s3.example"
        assert "use_accelerate_endpoint is ignored" in caplog.text

    def test_signature_version_is_for_the_services_that_have_it(self, config: Configure) -> None:
        config("[default]\nregion = eu-west-1\nsignature_version = s3\n")
        session = Session(Access())
        assert leaving(session.client("s3")).scope.startswith("AWS testing:")
        assert leaving(session.client("sts"), "get_caller_identity").scope.startswith("AWS4-HMAC-SHA256 ")

    def test_bodies_are_not_hashed_again(self) -> None:
        sent = leaving(Session(Access()).client("s3"), "get_object", Bucket="acme-logs", Key="a")
        assert "x-amz-checksum-mode" not in sent.headers


class TestRole:
    @pytest.mark.usefixtures("keys")
    def test_is_assumed_with_its_options_and_used_for_every_service(self) -> None:
        aws = ExpiringAws(3600)
        with Server(aws) as server:
            session = Session(
                Access(
                    role_arn=ROLE,
                    external_id="ext-1",
                    role_duration=43200,
                    service_endpoint=server.url,
                    sts_endpoint=server.url,
                )
            )
            assert aws.assumed == []
            list_bucket(session)
            assert (session.account(), session.account()) == (ACCOUNT, ACCOUNT)
            queues = session.client("sqs", "eu-west-1", log_source=False)
            assert "Credential=ASIAtoken-1/" in leaving(queues, "list_queues").scope
        assert len(aws.assumed) == 1 and aws.callers == ["token-1"]
        wanted = {"RoleArn": ROLE, "RoleSessionName": "WazuhLogParsing", "ExternalId": "ext-1"}
        assert (wanted | {"DurationSeconds": "43200"}).items() <= aws.assumed[0].items()

    @pytest.mark.usefixtures("keys")
    def test_options_not_given_are_not_sent(self) -> None:
        aws = ExpiringAws(3600)
        with Server(aws) as server:
            Session(Access(role_arn=ROLE, sts_endpoint=server.url)).client("s3")
        assert not {"ExternalId", "DurationSeconds"} & set(aws.assumed[0])

    @pytest.mark.slow
    @pytest.mark.usefixtures("keys")
    def test_run_longer_than_its_credentials_completes(self) -> None:
        aws = ExpiringAws(3)
        with Server(aws) as server:
            session = Session(Access(role_arn=ROLE, sts_endpoint=server.url, service_endpoint=server.url))
            client = session.client("s3")
            requests = 0
            while len(aws.assumed) < 3:
                client.list_objects_v2(Bucket="acme-logs")
                requests += 1
                time.sleep(0.05)
        # Renewed, but not for each request.
        assert requests > 3

    def test_given_keys_assume_it(self) -> None:
        with Server(ExpiringAws(3600)) as server:
            access = Access(access_key="AKIAGIVEN", secret_key="s3cret", role_arn=ROLE, sts_endpoint=server.url)
            Session(access).client("s3")
            assert "Credential=AKIAGIVEN/" in server.requests[0].headers["authorization"]

    @pytest.mark.usefixtures("keys")
    @pytest.mark.parametrize(
        ("code", "exit_code"), [("AccessDenied", 3), ("ValidationError", 3), ("ExpiredToken", 3), ("Throttling", 16)]
    )
    def test_that_cannot_be_assumed_is_named(self, no_pauses: None, code: str, exit_code: int) -> None:
        def refuse(request: Request) -> Answer:
            text = f"<ErrorResponse><Error><Code>{code}</Code><Message>told by AWS</Message></Error></ErrorResponse>"
            return Answer(403, text.encode())

        with Server(refuse) as server:
            access = Access(role_arn=ROLE, external_id="ext-s3cret", sts_endpoint=server.url)
            error = failure(lambda: Session(access).client("s3"))
        assert error.exit_code == exit_code
        assert f"Role {ROLE}: {code}: told by AWS. " in str(error) and "s3cret" not in str(error)

    def test_of_the_profile_is_assumed_at_the_sts_endpoint(self, config: Configure, credentials: Configure) -> None:
        config(f"[profile dev]\nrole_arn = {ROLE}\nsource_profile = base\n")
        credentials("[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = secret\n")
        aws = ExpiringAws(3600)
        with Server(aws) as server:
            session = Session(Access(profile="dev", sts_endpoint=server.url, service_endpoint=server.url))
            list_bucket(session)
        assert [parameters["RoleArn"] for parameters in aws.assumed] == [ROLE]

    def test_secrets_are_in_no_repr(self) -> None:
        session = Session(Access(access_key="AKIAGIVEN", secret_key="s3cret", external_id="ext-s3cret"))
        assert "s3cret" not in repr(vars(session)["_access"]) and "AKIAGIVEN" not in repr(session)


class TestEmulatedAws:
    """moto answers S3 and STS as AWS does."""

    @pytest.mark.usefixtures("keys")
    def test_role_reads_a_bucket_and_tells_its_account(self, emulator: Emulator) -> None:
        emulator.client("s3").create_bucket(Bucket="acme-logs")
        emulator.client("s3").put_object(Bucket="acme-logs", Key="a/1", Body=b"x")
        session = Session(Access(role_arn=ROLE, service_endpoint=emulator.url, sts_endpoint=emulator.url))
        assert session.client("s3").get_object(Bucket="acme-logs", Key="a/1")["Body"].read() == b"x"
        assert session.account() == ACCOUNT

    @pytest.mark.usefixtures("keys")
    def test_server_that_does_not_serve_sts_is_told(self) -> None:
        refusal = Answer(405, b"<Error><Code>MethodNotAllowed</Code></Error>", {"x-amz-request-id": "1"})
        with Server(lambda request: refusal) as server:
            for access in (Access(sts_endpoint=server.url), Access(sts_endpoint=server.url, role_arn=ROLE)):
                error = failure(Session(access).account)
                assert error.exit_code == 15 and "does not serve STS" in str(error)
                assert "Unknown" not in str(error) and "no message" not in str(error)

    @pytest.mark.usefixtures("keys")
    def test_missing_bucket_is_told(self, emulator: Emulator) -> None:
        error = failure(lambda: list_bucket(Session(Access(service_endpoint=emulator.url))))
        assert error.exit_code == 7 and "Bucket acme-logs: NoSuchBucket: " in str(error)


PROXY_KEYS = """\
dev.proxy.host = {host}
dev.proxy.port = {port}
dev.proxy.username = user name
dev.proxy.password = p@ss/w:rd
"""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy("user name", "p@ss/w:rd") as running:
        yield running


@pytest.mark.usefixtures("keys")
class TestProxy:
    def test_documented_example_sends_every_request_through_it(
        self, home: Path, config: Configure, credentials: Configure, emulator: Emulator, certificate: Certificate
    ) -> None:
        text = DOCUMENTED.format(folder=home).replace("proxy.example.com", "127.0.0.1")
        for name in ("ca_bundle.pem", "client_cert.pem"):
            (home / name).write_bytes(certificate.pem.read_bytes())
        credentials("[dev]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
        emulator.client("s3").create_bucket(Bucket="acme-logs")
        with Proxy("your-proxy-username", "your-proxy-password") as proxy:
            config(text.replace("8080", str(proxy.port)))
            session = Session(
                Access(profile="dev", service_endpoint=emulator.url, sts_endpoint=emulator.url, role_arn=ROLE)
            )
            client = session.client("s3")
            sent = count_attempts(client)
            client.put_object(Bucket="acme-logs", Key="a b", Body=b"x" * 100_000)
            assert client.get_object(Bucket="acme-logs", Key="a b")["Body"].read() == b"x" * 100_000
            assert client.list_objects_v2(Bucket="acme-logs")["KeyCount"] == 1
            client.delete_objects(Bucket="acme-logs", Delete={"Objects": [{"Key": "a b"}]})
            assert session.account() == ACCOUNT
        s3_log = [line for line in proxy.log if "/acme-logs" in line]
        assert [line.split()[1] for line in s3_log] == sent and len(sent) == 4
        assert proxy.log.count(f"POST {emulator.url}/") == 2 and len(proxy.log) == 6

    def test_https_is_tunnelled_to_an_endpoint_whose_issuer_ca_bundle_holds(
        self, config: Configure, credentials: Configure, proxy: Proxy, certificate: Certificate
    ) -> None:
        credentials("[dev]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
        keys = PROXY_KEYS.format(host="127.0.0.1", port=proxy.port)
        config(f"[profile dev]\n{keys}dev.proxy.ca_bundle = {certificate.pem}\n")
        with Server(lambda request: EMPTY_LISTING, certificate.server_context()) as endpoint:
            list_bucket(Session(Access(profile="dev", service_endpoint=f"127.0.0.1:{endpoint.port}")))
            assert proxy.log == [f"CONNECT 127.0.0.1:{endpoint.port}"]
            assert "proxy-authorization" not in endpoint.requests[0].headers

    @pytest.mark.filterwarnings("ignore:Passing ssl_context:FutureWarning")  # botocore's, to urllib3
    def test_tls_with_the_proxy_itself(
        self, config: Configure, tmp_path: Path, certificate: Certificate, credentials: Configure
    ) -> None:
        credentials("[dev]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
        client = make_certificate(tmp_path, "client")
        files = f"dev.proxy.ca_bundle = {certificate.pem}\ndev.proxy.client_cert = {client.pem}\n"
        with (
            Server(lambda request: EMPTY_LISTING, certificate.server_context()) as endpoint,
            Proxy("user name", "p@ss/w:rd", certificate.server_context(clients=client)) as proxy,
        ):
            keys = PROXY_KEYS.format(host="https://127.0.0.1", port=proxy.port)
            config(f"[profile dev]\n{keys}{files}dev.proxy.use_forwarding_for_https = true\n")
            access = Access(profile="dev", service_endpoint=endpoint.url)
            list_bucket(Session(access))
            assert [line.split("?")[0] for line in proxy.log] == [f"GET {endpoint.url}/acme-logs"]
            config(f"[profile dev]\n{keys}dev.proxy.ca_bundle = {certificate.pem}\n")
            assert failure(lambda: list_bucket(Session(access))).exit_code == 15

    def test_role_is_assumed_through_it_at_the_documented_vpc_endpoint(self, config: Configure, proxy: Proxy) -> None:
        config(f"[default]\n{PROXY_KEYS.format(host='127.0.0.1', port=proxy.port)}".replace("dev.", "default."))
        access = Access(role_arn=ROLE, sts_endpoint="xxxxxx.sts.us-east-2.vpce.amazonaws.com")
        error = failure(lambda: Session(access).client("s3"))
        assert error.exit_code == 15 and ROLE in str(error)
        assert proxy.log == ["CONNECT xxxxxx.sts.us-east-2.vpce.amazonaws.com:443"] * 3

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_that_refuses_the_password_is_told_without_it(
        self, config: Configure, proxy: Proxy, caplog: pytest.LogCaptureFixture, scheme: str
    ) -> None:
        keys = PROXY_KEYS.format(host="127.0.0.1", port=proxy.port).replace("w:rd", "wr0ng")
        config(f"[default]\n{keys}".replace("dev.", "default."))
        error = failure(lambda: list_bucket(Session(Access(service_endpoint=f"{scheme}://s3.example"))))
        assert error.exit_code == 15 and "proxy.password" in str(error)
        assert proxy.refused and not proxy.log
        assert "wr0ng" not in str(error) + caplog.text

    @pytest.mark.parametrize(
        ("answer", "told", "advice"),
        [
            (407, "407 Proxy Authentication Required", "proxy.password"),
            (403, "403 Forbidden", "administrator"),
            (502, "502 Bad Gateway", "cannot reach the endpoint"),
            (None, "Connection refused", "proxy.port"),
        ],
    )
    def test_that_opens_no_tunnel_says_why(self, config: Configure, answer: int | None, told: str, advice: str) -> None:
        with Server(lambda request: Answer()) as proxy:
            proxy.refuse_tunnels(answer or 403)
            keys = PROXY_KEYS.format(host="127.0.0.1", port=proxy.port if answer else closed_port())
            config(f"[default]\n{keys}".replace("dev.", "default."))
            error = failure(lambda: list_bucket(Session(Access())))
        assert (error.exit_code, "\n" in str(error)) == (15, False)
        assert told in str(error) and advice in str(error) and "page of the proxy" not in str(error)

    @pytest.mark.parametrize("status", [403, 404, 200])
    def test_page_of_an_http_proxy_is_no_answer_of_awss(self, config: Configure, status: int) -> None:
        page = Answer(status, b"<html><body>Blocked</body></html>", {"Content-Type": "text/html"})
        with Server(lambda request: page) as proxy:
            config(f"[default]\ndefault.proxy.host = 127.0.0.1\ndefault.proxy.port = {proxy.port}\n")
            session = Session(Access(service_endpoint="http://s3.example", sts_endpoint="http://sts.example"))
            bucket = S3Bucket(session.client("s3"), "acme-logs", session.downloads)
            for call in (lambda: bucket.holds(""), session.account):
                error = failure(call)
                assert error.exit_code in (7, 15) and "Blocked" not in str(error)
                assert "ermission" not in str(error) and ("does not come from" in str(error) or "STS" in str(error))

    def test_that_does_not_answer_is_told_without_the_password(self, config: Configure) -> None:
        keys = PROXY_KEYS.format(host="127.0.0.1", port=closed_port())
        config(f"[default]\n{keys}".replace("dev.", "default."))
        error = failure(lambda: list_bucket(Session(Access(service_endpoint="http://s3.example"))))
        assert error.exit_code == 15 and "w:rd" not in str(error) and "w%3Ard" not in str(error)


@pytest.mark.usefixtures("keys")
class TestCertificates:
    @pytest.fixture
    def endpoint(self, certificate: Certificate) -> Iterator[Server]:
        with Server(lambda request: EMPTY_LISTING, certificate.server_context()) as running:
            yield running

    def test_endpoint_that_is_not_trusted_is_told(self, endpoint: Server) -> None:
        error = failure(lambda: list_bucket(Session(Access(service_endpoint=endpoint.url))))
        assert error.exit_code == 15 and "ca_bundle" in str(error)
        assert endpoint.requests == []

    def test_bundle_of_the_profile(self, config: Configure, endpoint: Server, certificate: Certificate) -> None:
        config(f"[default]\nca_bundle = {certificate.pem}\n")
        list_bucket(Session(Access(service_endpoint=endpoint.url)))

    def test_bundle_of_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, endpoint: Server, certificate: Certificate
    ) -> None:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.pem))
        list_bucket(Session(Access(service_endpoint=endpoint.url)))

    @pytest.mark.parametrize("place", ["environment", "profile"])
    def test_bundle_that_is_missing_is_named(
        self, config: Configure, monkeypatch: pytest.MonkeyPatch, home: Path, place: str
    ) -> None:
        if place == "environment":
            monkeypatch.setenv("AWS_CA_BUNDLE", f"{home}/missing.pem")
        else:
            config(f"[default]\nca_bundle = {home}/missing.pem\n")
        error = failure(lambda: Session(Access()))
        assert error.exit_code == 17 and ("missing.pem" in str(error) or "ca_bundle" in str(error))

    def test_tls_spoken_to_a_port_without_is_told_so(self) -> None:
        with Server(lambda request: EMPTY_LISTING) as plain:
            error = failure(lambda: list_bucket(Session(Access(service_endpoint=f"127.0.0.1:{plain.port}"))))
        assert error.exit_code == 15 and "http://" in str(error) and "ca_bundle" not in str(error)

    def test_bundle_that_is_none_is_told(self, config: Configure, home: Path, endpoint: Server) -> None:
        (home / "empty.pem").touch()
        config(f"[default]\nca_bundle = {home}/empty.pem\n")
        assert failure(lambda: list_bucket(Session(Access(service_endpoint=endpoint.url)))).exit_code == 15
