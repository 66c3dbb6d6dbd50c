"""The mask: every value that it knows, in every form, and the forms of secrets that it was not given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.secrets_mask import Secrets

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjE" + "A" * 60


def masked(text: str, *values: str) -> str:
    secrets = Secrets()
    secrets.add_keys(*values)
    return secrets.mask(text)


@given(st.text(min_size=8).filter(lambda text: len(text.strip()) >= 8), st.text("ab: =/", max_size=9))
def test_value_that_stands_alone_is_never_shown(value: str, around: str) -> None:
    assert value.strip() not in masked(f"{around} {value.strip()} {around}", value) or "***" in value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Credential=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY/20260101/x", "Credential=***/20260101/x"),
        ("http://user:pa55@proxy:8080: refused", "http://***@proxy:8080: refused"),
        ('{"url":"https://a:b@c","x":"d@e"}', '{"url":"https://***@c","x":"d@e"}'),
        ('{"a":"s3://bucket/key","mail":"x@y"}', '{"a":"s3://bucket/key","mail":"x@y"}'),
        ("AKIAIOSFODNN7EXAMPLE does not exist", "*** does not exist"),
        (f"token {TOKEN}.", "token ***."),
        ("Proxy-Authorization: Basic dXNlcjpwYXNz", "Proxy-Authorization: Basic ***"),
        ("Value 'ext-1' at 'externalId' failed", "Value '***' at 'externalId' failed"),
        (
            "AWSLogs/123456789012/CloudTrail/us-east-1/2021/06/10/",
            "AWSLogs/123456789012/CloudTrail/us-east-1/2021/06/10/",
        ),
    ],
)
def test_secrets_become_stars_and_other_text_stays(text: str, expected: str) -> None:
    assert masked(text, SECRET) == expected


def test_values_of_test_environments_do_not_mask_ordinary_words() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "test", "HTTP_PROXY": "http://a:b@c"}
    assert Secrets.of_environment(environ).mask("testing the test of a bucket") == "testing the test of a bucket"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_password_of_a_url_in_the_environment_is_masked_in_both_forms(name: str) -> None:
    secrets = Secrets.of_environment({name: "http://user:p%40ss%2Fword@host:1"})
    assert secrets.mask("p@ss/word p%40ss%2Fword passwords") == "*** *** passwords"


@pytest.mark.parametrize(
    "words",
    [
        ["-k", SECRET],
        [f"-k{SECRET}"],
        ["--secret_key", SECRET],
        ["--secret-key", SECRET],
        [f"--secret_key={SECRET}"],
        ["--external_id", SECRET],
        ["-a", SECRET, "-k"],
        ["-b", f"https://user:{SECRET.replace('/', '%2F')}@host/"],
    ],
)
def test_secrets_of_a_command_line_are_known_before_it_is_understood(words: list[str]) -> None:
    secrets = Secrets()
    secrets.add_arguments(words)
    assert secrets.mask(f"x {SECRET} y") == "x *** y"


def test_longer_value_goes_before_its_part() -> None:
    assert masked("abcdefgh-ijklmnop", "abcdefgh", "abcdefgh-ijklmnop") == "***"


def test_broken_url_is_no_error() -> None:
    secrets = Secrets()
    for url in (None, "", "http://[::1", "http://u:password@[x", "u:password@host"):
        secrets.add_url(url)
    assert secrets.mask("password") == "***"
