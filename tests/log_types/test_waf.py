"""Tests of WAF's records: headers, several a line, and lines that are broken while the others are not."""

import io
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.aws.listings import S3Object
from aws_s3.buckets.object_source import WorkItem
from aws_s3.buckets.reader import BucketReader
from aws_s3.codec.records import BadRecord, Event
from aws_s3.errors import ParseError
from aws_s3.log_types.layout import Account, AnyFolder, Partition, Region
from aws_s3.log_types.waf import Waf
from aws_s3.pipeline.event_rules import EventRules
from tests.harness.fakes import MemoryStore

KEY = "waf/2021/06/10/01/stream-1-2021-06-10-01-15-00-rand"
DELIVERED = (
    "AWSLogs/123456789012/WAFLogs/cloudfront/acl-1/2021/06/10/01/15/"
    "123456789012_waflogs_cloudfront_acl-1_20210610T0115Z_1c3a9b.log.gz"
)
HEADERS = [
    {"name": "Host", "value": "example.com"},
    {"name": "user-agent", "value": "curl/8"},
    {"name": "X-FORWARDED-FOR", "value": "203.0.113.7"},
    {"name": "X-Custom", "value": "secret"},
]
STANDARD = (
    "a-im accept accept-charset accept-encoding accept-language access-control-request-method "
    "access-control-request-headers authorization cache-control connection content-encoding content-length "
    "content-type cookie date expect forwarded from host http2-settings if-match if-modified-since if-none-match "
    "if-range if-unmodified-since max-forwards origin pragma prefer proxy-authorization range referer te trailer "
    "transfer-encoding user-agent upgrade via warning x-requested-with x-forwarded-for x-forwarded-host "
    "x-forwarded-proto"
)


def record(number: int = 1, headers: Any = HEADERS) -> dict[str, Any]:
    """Return a record as WAF writes it."""
    return {
        "timestamp": number,
        "formatVersion": 1,
        "webaclId": "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/acl-1/7f2a",
        "action": "BLOCK",
        "terminatingRuleMatchDetails": [],
        "ruleGroupList": [{"ruleGroupId": "g", "terminatingRule": None}],
        "httpRequest": {"clientIp": "198.51.100.3", "headers": headers, "uri": "/a\n{}", "args": ""},
        "labels": None,
    }


def parse(body: bytes | str) -> list[Event | BadRecord]:
    return list(Waf().parse(io.BytesIO(body.encode() if isinstance(body, str) else body), KEY))


def numbers(events: list[Event | BadRecord]) -> list[int | None]:
    """Return the number of each record's event, None for what is broken."""
    return [event["timestamp"] if isinstance(event, dict) else None for event in events]


LINE = json.dumps(record())


def test_headers_become_an_object_of_the_standard_ones_under_the_names_as_written() -> None:
    [event] = parse(LINE)

    assert isinstance(event, dict)
    assert event["httpRequest"] == {
        "clientIp": "198.51.100.3",
        "headers": {"Host": "example.com", "user-agent": "curl/8", "X-FORWARDED-FOR": "203.0.113.7"},
        "uri": "/a\n{}",
        "args": "",
    }
    assert event["source"] == "waf"


@pytest.mark.parametrize("name", STANDARD.split())
def test_every_standard_header_is_kept(name: str) -> None:
    [event] = parse(json.dumps(record(headers=[{"name": name.title(), "value": "x"}])))

    assert isinstance(event, dict)
    assert event["httpRequest"]["headers"] == {name.title(): "x"}


def test_values_of_a_header_sent_twice_are_joined() -> None:
    headers = [{"name": "Via", "value": "1.1 a"}, {"name": "Via", "value": "1.1 b"}, {"name": "via", "value": "c"}]

    [event] = parse(json.dumps(record(headers=headers)))

    assert isinstance(event, dict)
    assert event["httpRequest"]["headers"] == {"Via": "1.1 a, 1.1 b", "via": "c"}


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(record(number)) for number in range(4)),
        "".join(json.dumps(record(number)) for number in range(4)),
        f"{json.dumps(record(0))}{json.dumps(record(1))}\r\n\r\n{json.dumps(record(2))} {json.dumps(record(3))}\r\n",
        "\n".join(json.dumps(record(number), indent=2) for number in range(4)),
        json.dumps([record(number) for number in range(4)]),
    ],
)
def test_records_come_one_or_more_a_line(text: str) -> None:
    assert numbers(parse(text)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "bad",
    [
        "not json",
        LINE[:-1],
        LINE[:-2],
        LINE[: LINE.index('"httpRequest"')],
        LINE[: LINE.index("[")],
        LINE[: LINE.index(":")],
        LINE[: LINE.index("acl-1")],
        LINE[1:],
        "{",
        "[",
        "]",
        '"',
        "\\",
        "}",
        "nul",
        "7",
        "null",
        '{"a": [' * 50_000,
        '{"a": "' + "x" * 1_000_000,
    ],
    ids=lambda bad: bad[:20],
)
def test_bad_line_swallows_no_other(bad: str) -> None:
    lines = [json.dumps(record(0)), bad, json.dumps(record(1)), json.dumps(record(2)), bad, json.dumps(record(3))]

    events = parse("\n".join(lines) + "\n")

    assert [number for number in numbers(events) if number is not None] == [0, 1, 2, 3]
    assert numbers(events).count(None) >= 2
    assert all(event.event is None for event in events if isinstance(event, BadRecord))


def test_records_before_what_is_broken_in_a_line_are_read() -> None:
    text = f"{json.dumps(record(0))}{json.dumps(record(1))}broken{json.dumps(record(2))}\n{json.dumps(record(3))}"

    assert numbers(parse(text)) == [0, 1, None, 3]


@pytest.mark.parametrize(
    "headers",
    [
        None,
        "Host: x",
        {"Host": "x"},
        ["Host"],
        [None],
        [{"name": "Host"}],
        [{"value": "x"}],
        [{"name": 1, "value": "x"}],
    ],
)
def test_record_with_other_headers_is_broken_and_keeps_them(headers: Any) -> None:
    bad, good = parse(json.dumps(record(7, headers)) + json.dumps(record(8)))

    assert bad == BadRecord(
        "its httpRequest.headers are not a list of names and values", {**record(7, headers), "source": "waf"}
    )
    assert numbers([good]) == [8]


@pytest.mark.parametrize("written", [{"timestamp": 1}, {"httpRequest": None}, {"httpRequest": {}}, {}])
def test_record_without_headers_is_broken_and_kept(written: dict[str, Any]) -> None:
    [bad] = parse(json.dumps(written))

    assert isinstance(bad, BadRecord)
    assert bad.event == {**written, "source": "waf"}


def messages(body: str, *, skip_on_error: bool) -> list[Any]:
    reader = BucketReader(MemoryStore(), Waf(), "bucket", "", skip_on_error, EventRules())
    item = WorkItem(Partition("waf/", Waf.layouts[1].dates), S3Object(KEY, len(body), ""))
    found = b"".join(reader.decode(item, io.BytesIO(body.encode()))).splitlines()
    return [json.loads(message)["aws"] for message in found]


def test_broken_line_stops_the_object_or_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    body = f"{json.dumps(record(0))}\nbroken\n{json.dumps(record(1, headers='x'))}\n{json.dumps(record(2))}\n"

    with pytest.raises(ParseError):
        messages(body, skip_on_error=False)
    sent = messages(body, skip_on_error=True)

    assert [event["timestamp"] for event in sent] == [0, 1, 2]
    assert sent[1]["httpRequest"]["headers"] == "x"
    assert [told.levelname for told in caplog.records] == ["ERROR", "ERROR"]


def test_record_is_reshaped() -> None:
    [event] = messages(LINE, skip_on_error=False)

    assert event["ruleGroupList"] == {"ruleGroupId": "g", "terminatingRule": None}
    assert event["terminatingRuleMatchDetails"] == []
    assert "labels" not in event


def test_large_file_without_newlines_is_not_read_as_a_whole() -> None:
    body = io.BytesIO(LINE.encode() * 20_000)

    assert numbers([next(Waf().parse(body, KEY))]) == [1]
    assert body.tell() < len(body.getvalue()) / 4


def test_records_lie_at_the_end_of_the_path_and_where_aws_delivers_them() -> None:
    delivered, firehose = Waf.layouts

    assert Waf.every_layout
    assert delivered.in_awslogs
    assert delivered.levels == (Account(), "WAFLogs", Region(also=("cloudfront",)), AnyFolder())
    assert not firehose.levels
    for layout, prefix, key in (
        (delivered, DELIVERED.partition("2021")[0], DELIVERED),
        (firehose, "waf/", KEY),
    ):
        assert Partition(prefix, layout.dates).day(key) == date(2021, 6, 10)


@pytest.mark.parametrize("body", ["", "\n", " \r\n", "\ufeff"])
def test_nothing_gives_nothing(body: str) -> None:
    assert parse(body) == []


BAD_TEXTS = st.sampled_from(["x", '"', "{", "[", "\\", "nul", "-", "1", "\ufeff", LINE[:100], LINE[-9:], LINE[:-1]])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | BAD_TEXTS, max_size=8))
def test_every_good_record_arrives_and_every_bad_line_is_told(lines: list[str | None]) -> None:
    texts = [json.dumps(record(number)) if line is None else line for number, line in enumerate(lines)]

    events = parse("\n".join(texts))

    assert [number for number in numbers(events) if number is not None] == [
        number for number, line in enumerate(lines) if line is None
    ]
    told = sum(isinstance(event, BadRecord) for event in events)
    assert told == sum(line is not None for line in lines) - bool(texts and texts[0] == "\ufeff")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100) | st.text(alphabet='{}[]":,0 1a\n', max_size=40).map(str.encode))
def test_any_bytes_give_events_or_are_told_to_be_broken(body: bytes) -> None:
    events = parse(body)

    assert bool(events) or not body.strip(b"[] \t\r\n\xef\xbb\xbf")
    for event in events:
        kept = event.event if isinstance(event, BadRecord) else event
        assert kept is None or list(Waf().reshape(kept))
