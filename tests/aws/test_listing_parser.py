"""Listings read by us: what botocore makes of the same answers."""

from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import boto3
import pytest
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.aws.listing_parser import parse_contents

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
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


def parsed(body: str, *, taken: bool) -> dict[str, Any]:
    """Return what the client makes of the answer."""
    response: dict[str, Any] = {"headers": {}, "body": body.encode(), "status_code": 200}
    ours: dict[str, Any] = {}
    if taken:
        parse_contents(response, ours)
    found: dict[str, Any] = create_parser("rest-xml").parse(response, shape())
    return found | ours


def answer(objects: str, space: str = "", rest: str = "") -> str:
    return f"{HEAD}<ListBucketResult{space}><Name>logs</Name>{objects}{rest}</ListBucketResult>"


@given(OBJECTS, st.sampled_from(SPACES), st.booleans(), st.lists(TEXT, max_size=3))
def test_objects_and_all_else_are_as_botocore_reads_them(
    objects: list[tuple[str, str, int, str]], space: str, truncated: bool, folders: list[str]
) -> None:
    contents = [OBJECT.format(escape(key), escape(etag), size, storage) for key, etag, size, storage in objects]
    token = "<NextContinuationToken>t&amp;</NextContinuationToken>" if truncated else ""
    prefixes = "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders)
    rest = f"<IsTruncated>{str(truncated).lower()}</IsTruncated>{token}{prefixes}"
    body = answer("".join(f"<Contents>{each}</Contents>" for each in contents), space, rest)
    theirs, mine = parsed(body, taken=False), parsed(body, taken=True)
    for item in theirs.get("Contents", ()):
        del item["LastModified"]
    assert mine == theirs


@pytest.mark.parametrize(
    "contents",
    [
        "<Contents><Size>1</Size></Contents>",
        "<Contents><Key>k</Key></Contents>",
        "<Contents><Key></Key><Size>1</Size></Contents>",
        "<Contents/>",
    ],
)
def test_object_that_lacks_something_is_left_to_botocore(contents: str) -> None:
    assert parsed(answer(contents), taken=True) == parsed(answer(contents), taken=False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, ""),
        (200, "no XML"),
        (200, "<ListBucketResult><Contents>"),
        (200, answer("<Contents><Key>k</Key><Size>x</Size></Contents>")),
        (200, answer("<Contents><Key>k</Key><Size/></Contents>")),
        (503, answer("<Contents><Key>k</Key><Size>1</Size></Contents>")),
    ],
)
def test_what_is_no_listing_stays_as_it_is(status: int, body: str) -> None:
    response: dict[str, Any] = {"headers": {}, "body": body.encode(), "status_code": status}
    ours: dict[str, Any] = {}
    parse_contents(response, ours)
    assert (response["body"], ours) == (body.encode(), {})
