"""Signatures: those of botocore, whatever is signed."""

from calendar import timegm
from time import strptime, time

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.utils import percent_encode
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.aws.sigv4 import signed_headers, signed_post_headers

TIME = "%Y%m%dT%H%M%SZ"
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=-", min_size=1)
HOSTS = st.sampled_from(["logs.s3.eu-west-1.amazonaws.com", "localhost:9000", "[::1]:4566"])


def signed_by_botocore(url: str, region: str, credentials: ReadOnlyCredentials) -> dict[str, str]:
    request = AWSRequest("GET", url)
    S3SigV4Auth(credentials, "s3", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(HOSTS, st.text(min_size=1), NAMES, NAMES, NAMES, st.none() | NAMES)
def test_headers_are_those_of_botocore(
    host: str, key: str, region: str, access: str, secret: str, token: str | None
) -> None:
    path = "/" + percent_encode(key.encode("utf-8", "replace"), safe="/~")
    credentials = ReadOnlyCredentials(access, secret, token)
    theirs = signed_by_botocore(f"https://{host}{path}", region, credentials)
    now = strptime(theirs["x-amz-date"], TIME)
    assert signed_headers(host, path, region, credentials, now) == {"host": host, **theirs}


@given(HOSTS, st.dictionaries(st.sampled_from(["prefix", "delimiter", "start-after", "list-type"]), st.text()))
def test_query_is_signed_as_by_botocore(host: str, given: dict[str, str]) -> None:
    pairs = sorted((name, percent_encode(value.encode("utf-8", "replace"))) for name, value in given.items())
    query = "&".join("=".join(pair) for pair in pairs)
    credentials = ReadOnlyCredentials("a", "s", None)
    theirs = signed_by_botocore(f"https://{host}/logs?{query}", "eu-west-1", credentials)
    now = strptime(theirs["x-amz-date"], TIME)
    assert signed_headers(host, "/logs", "eu-west-1", credentials, now, query=query) == {"host": host, **theirs}


@given(HOSTS, NAMES, st.binary(), st.none() | NAMES)
def test_post_is_signed_as_by_botocore(host: str, region: str, body: bytes, token: str | None) -> None:
    credentials = ReadOnlyCredentials("a", "s", token)
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.ReceiveMessage"}
    request = AWSRequest("POST", f"https://{host}/", headers, body)
    SigV4Auth(credentials, "sqs", region).add_auth(request)
    theirs = {name.lower(): value for name, value in request.headers.items()}
    now = strptime(theirs["x-amz-date"], TIME)
    given = {"host": host, **headers}
    assert signed_post_headers(given, body, (region, "sqs"), credentials, now) == {"host": host, **theirs}


def test_requests_are_signed_for_the_present_time_in_utc() -> None:
    headers = signed_headers("h", "/k", "r", ReadOnlyCredentials("a", "s", None))
    assert 0 <= time() - timegm(strptime(headers["x-amz-date"], TIME)) < 10
