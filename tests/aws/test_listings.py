"""Listings read by us: what botocore makes of the same answers."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit
from xml.sax.saxutils import escape

import boto3
import pytest
from botocore.config import Config
from botocore.handlers import decode_list_object_v2
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.listings import Listing, parse_early
from aws_s3.aws.s3 import S3Bucket
from tests.harness.aws_server import Answer, Request, Server, xml_error

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
END = "<IsTruncated>false</IsTruncated>"
SPACES = ("", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"')
OBJECT = (
    "<Key>{}</Key><LastModified>2024-01-03T00:00:00.000Z</LastModified><ETag>{}</ETag><Size>{}</Size>"
    "<StorageClass>{}</StorageClass>"
)
CLASSES = st.sampled_from(("STANDARD", "GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING"))

TEXT = st.text(st.characters(min_codepoint=0x20, codec="utf-8", exclude_characters="\ufffe\uffff"))
OBJECTS = st.lists(st.tuples(TEXT.filter(bool), TEXT, st.integers(0, 1 << 42), CLASSES), max_size=5)


@cache
def shape() -> Any:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    return client.meta.service_model.operation_model("ListObjectsV2").output_shape


def theirs(body: str) -> Listing | None:
    """Return what botocore makes of the answer."""
    found = create_parser("rest-xml").parse({"headers": {}, "body": body.encode(), "status_code": 200}, shape())
    decode_list_object_v2(found, {"encoding_type_auto_set": True})
    return Listing.of_page(found)


def answer(objects: str, space: str = "", rest: str = "") -> str:
    return f"{HEAD}<ListBucketResult{space}><Name>logs</Name>{objects}{rest}</ListBucketResult>"


# Servers write a space as `+` or as `%20`.
WAYS: dict[str, Callable[[str], str]] = {
    "plain": escape,
    "percent": lambda text: quote(text, safe="/"),
    "form": lambda text: quote_plus(text, safe="/"),
}


@given(OBJECTS, st.sampled_from(SPACES), st.booleans(), st.sampled_from(sorted(WAYS)), st.lists(TEXT.filter(bool)))
def test_listings_are_as_botocore_reads_them(
    objects: list[tuple[str, str, int, str]], space: str, truncated: bool, way: str, folders: list[str]
) -> None:
    write, encoded = WAYS[way], way != "plain"
    contents = [OBJECT.format(write(key), escape(etag), size, storage) for key, etag, size, storage in objects]
    token = "<NextContinuationToken>t&amp;</NextContinuationToken>" if truncated else ""
    encoding = "<EncodingType>url</EncodingType>" if encoded else ""
    prefixes = "".join(f"<CommonPrefixes><Prefix>{write(folder)}</Prefix></CommonPrefixes>" for folder in folders)
    rest = f"<IsTruncated>{str(truncated).lower()}</IsTruncated>{token}{prefixes}{encoding}"
    body = answer("".join(f"<Contents>{each}</Contents>" for each in contents), space, rest)
    mine = Listing.parsed(body.encode())
    assert mine == theirs(body)
    assert mine is not None and (len(mine.objects), mine.folders) == (len(objects), folders)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no XML",
        "<ListBucketResult><Contents>",
        "<Error><Code>AccessDenied</Code></Error>",
        answer(""),
        answer("", rest="<IsTruncated>true</IsTruncated>"),
        answer("", rest="<IsTruncated>perhaps</IsTruncated>"),
        answer("<CommonPrefixes/>", rest=END),
        *(
            answer(f"<Contents>{contents}</Contents>", rest=END)
            for contents in ("", "<Size>1</Size>", "<Key>k</Key>", "<Key/><Size>1</Size>", "<Key>k</Key><Size>x</Size>")
        ),
    ],
)
def test_what_lacks_something_is_no_listing(body: str) -> None:
    assert Listing.parsed(body.encode()) is None
    for status in (200, 503):
        response: dict[str, Any] = {"headers": {}, "body": body.encode(), "status_code": status}
        ours: dict[str, Any] = {}
        parse_early(response, ours)
        assert (response["body"], ours) == (body.encode(), {})


def test_failure_with_the_form_of_a_listing_stays_as_it_is() -> None:
    body = answer("", rest=END).encode()
    response: dict[str, Any] = {"headers": {}, "body": body, "status_code": 503}
    parse_early(response, {})
    assert response["body"] == body


class Bucket:
    """A bucket with one key a page; `refusals` are answered first."""

    def __init__(self) -> None:
        self.refusals: list[Answer] = []
        self.ways: Counter[str] = Counter()

    def __call__(self, request: Request) -> Answer:
        self.ways["client" if "amz-sdk-invocation-id" in request.headers else "direct"] += 1
        if self.refusals:
            return self.refusals.pop(0)
        asked = dict(parse_qsl(urlsplit(request.target).query))
        assert (asked["list-type"], asked["encoding-type"], asked.get("prefix")) == ("2", "url", "p +/")
        number = int(asked.get("continuation-token", "0"))
        more = f"<NextContinuationToken>{number + 1}</NextContinuationToken>" if number < 5 else ""
        end = f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}<EncodingType>url</EncodingType>"
        return Answer(body=answer(f"<Contents><Key>p%20%2B/{number}</Key><Size>1</Size></Contents>", rest=end).encode())


ALL = [f"p +/{number}" for number in range(6)]


def listed(server: Server, *, direct: bool = True, **config: Any) -> list[str]:
    s3 = boto3.client(
        *("s3", "eu-west-1"),
        endpoint_url=server.url,
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(**{"proxies": {}, "retries": {"mode": "standard", "total_max_attempts": 3}} | config),
    )
    pages = S3Bucket(s3, "logs", TransferConfig(direct_get=direct)).pages("p +/")
    return [item.key for page in pages for item in page]


def test_pages_after_the_first_come_past_the_client() -> None:
    with Server(bucket := Bucket()) as server:
        assert listed(server) == ALL
        assert bucket.ways == {"client": 1, "direct": 5}


def test_pages_of_unknown_length_come_past_the_client() -> None:
    bucket = Bucket()
    with Server(lambda request: replace(bucket(request), headers={"Transfer-Encoding": "chunked"})) as server:
        assert listed(server) == ALL
        assert bucket.ways == {"client": 1, "direct": 5}


@pytest.mark.parametrize("off", [{"direct": False}, {"retries": {"mode": "adaptive"}}])
def test_pages_come_through_the_client_where_the_direct_way_is_off(off: dict[str, Any]) -> None:
    with Server(bucket := Bucket()) as server:
        assert listed(server, **off) == ALL
        assert bucket.ways == {"client": 6}


@pytest.mark.parametrize(
    "refusal",
    [
        xml_error("SlowDown", status=503),
        xml_error("RequestTimeTooSkewed", status=403),
        Answer(body=b"<html>Welcome to our WLAN</html>"),
        Answer(body=answer("<Contents><Key>x</Key></Contents>", rest=END).encode()),
    ],
)
def test_client_asks_again_where_the_direct_way_gets_no_listing(refusal: Answer) -> None:
    with Server(bucket := Bucket()) as server:
        bucket.refusals = [Answer(body=Bucket()(first(server)).body), refusal]
        assert listed(server) == ALL
        assert bucket.ways == {"client": 2, "direct": 5}


def first(server: Server) -> Request:
    return Request("GET", f"{server.url}/logs?list-type=2&encoding-type=url&prefix=p%20%2B/", {}, b"")
