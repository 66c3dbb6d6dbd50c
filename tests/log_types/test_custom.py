"""Tests of what Firehose delivers: events of EventBridge in every arrangement, Macie's alerts, lines of text."""

import io
import json
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec.records import BadRecord, Event
from aws_s3.errors import ParseError
from aws_s3.log_types.custom import Custom
from aws_s3.log_types.layout import Partition

KEY = "kms/2021/06/10/01/stream-1-2021-06-10-01-15-00-rand"
FLOW_LOG = "2 123456789012 eni-1 10.0.0.1 10.0.0.2 443 80 6 1 40 1623286800 1623286860 ACCEPT OK"


def record(detail: Any, source: str = "aws.kms") -> dict[str, Any]:
    """Return an event as EventBridge writes it."""
    return {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "KMS CMK Rotation",
        "source": source,
        "account": "123456789012",
        "time": "2021-06-10T01:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
    }


def parse(body: bytes | str) -> list[Event | BadRecord]:
    return list(Custom().parse(io.BytesIO(body.encode() if isinstance(body, str) else body), KEY))


def sent(*records: Any) -> list[Event]:
    """Return the events of the records as they are sent."""
    events: list[Event] = []
    for event in parse("".join(map(json.dumps, records))):
        assert not isinstance(event, BadRecord)
        events += Custom().reshape(event)
    return events


def one_a_line(values: Iterable[Any]) -> str:
    return "\n".join(map(json.dumps, values)) + "\n"


ARRANGEMENTS: dict[str, Callable[[list[Any]], str]] = {
    "nothing between": lambda values: "".join(map(json.dumps, values)),
    "spaces between": lambda values: "  ".join(map(json.dumps, values)),
    "one a line": one_a_line,
    "pretty-printed": lambda values: "\r\n".join(json.dumps(value, indent=2) for value in values),
    "pretty-printed, nothing between": lambda values: "".join(json.dumps(value, indent="\t") for value in values),
    "an array": json.dumps,
    "a pretty-printed array": lambda values: json.dumps(values, indent=4),
    "an array a line": lambda values: one_a_line([[], values[:1], values[1:]]),
    "arrays with nothing between": lambda values: json.dumps(values[:2]) + json.dumps(values[2:]),
    "blank lines before and after": lambda values: "\n \n" + one_a_line(values) + "\n\n",
    "byte order mark": lambda values: "\ufeff" + one_a_line(values),
}


@pytest.mark.parametrize("arrange", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_details_are_the_events_in_every_arrangement(arrange: Callable[[list[Any]], str]) -> None:
    records = [record({"eventID": number, "text": "}{ ][ \n"}) for number in range(3)]

    assert parse(arrange(records)) == [{"eventID": number, "text": "}{ ][ \n", "source": "kms"} for number in range(3)]


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("aws.trustedadvisor", "trustedadvisor"),
        ("aws.partner/example.com/1", "partner/example.com/1"),
        ("com.example.shop", "com.example.shop"),
        ("kms", "kms"),
    ],
)
def test_source_is_the_record_s_without_aws(written: str, source: str) -> None:
    assert parse(json.dumps(record({"source": "inner"}, written))) == [{"source": source}]


@pytest.mark.parametrize(
    ("written", "event"),
    [
        ({"no": "detail"}, {"no": "detail", "source": "custom"}),
        ({"no": "detail", "source": "aws.mine"}, {"no": "detail", "source": "aws.mine"}),
        ({"no": "detail", "source": None}, {"no": "detail", "source": "custom"}),
        ({"detail": "a text", "source": "app"}, {"detail": "a text", "source": "app"}),
        ({"detail": None}, {"detail": None, "source": "custom"}),
        ({"detail": {"a": 1}}, {"a": 1, "source": "custom"}),
        ({"detail": {"a": 1, "source": "inner"}}, {"a": 1, "source": "inner"}),
        ({}, {"source": "custom"}),
        ({"source": ""}, {"source": ""}),
    ],
)
def test_record_that_eventbridge_did_not_write_is_not_dropped(written: Any, event: Event) -> None:
    assert parse(json.dumps(written)) == [event]


@pytest.mark.parametrize("scalar", ["null", "7", '"text"', "true", "[[1]]"])
def test_value_that_is_no_object_is_told_and_the_others_are_read(scalar: str) -> None:
    first, bad, last = parse(f'{{"a": 1}} {scalar if scalar[0] == "[" else f"[{scalar}]"} {{"b": 2}}')

    assert (first, last) == ({"a": 1, "source": "custom"}, {"b": 2, "source": "custom"})
    assert isinstance(bad, BadRecord)
    assert bad.event is None


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1',
        '{"a": 1}}',
        '{"a": 1}{"b"',
        '{"a": 1} text',
        '[{"a": 1}',
        '[{"a": 1},]',
        "{broken",
        "[{broken}]",
        "[",
        f'{{\n"a": 1}}\n{FLOW_LOG}\n',
        '{"a": 1}\n{"b"\n{"c": 1}',
    ],
)
def test_broken_json_is_not_taken_for_text(text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


def test_text_keeps_its_first_character_and_its_times() -> None:
    first, second = parse(f"{FLOW_LOG}\n{FLOW_LOG}\n")

    assert first == second
    assert isinstance(first, dict)
    assert (first["version"], first["account_id"], first["log_status"]) == ("2", "123456789012", "OK")
    assert (first["start"], first["end"], first["source"]) == ("1623286800", "1623286860", "vpc")


@pytest.mark.parametrize("first", ["-", "5", "null", "true", '"2"', "-1.5", "version", "NaN", "[2021-06-10]"])
def test_text_is_text_also_where_it_begins_like_json(first: str) -> None:
    line = f"{first} 123456789012 eni-1"
    assert parse(f"{line}\n{FLOW_LOG}\n") == [
        {"full_log": line, "source": "custom"},
        {"full_log": FLOW_LOG, "source": "custom"},
    ]


@pytest.mark.parametrize("body", ["", "\n", " \r\n\t", "\ufeff", "[]", " [] []\n"])
def test_nothing_gives_nothing(body: str) -> None:
    assert parse(body) == []


def test_large_array_is_not_read_as_a_whole() -> None:
    body = io.BytesIO(json.dumps([record({"eventID": number}) for number in range(20_000)]).encode())

    assert next(Custom().parse(body, KEY)) == {"eventID": 0, "source": "kms"}
    assert body.tell() < len(body.getvalue()) / 4


MACIE = """{
  "notification-type": "ALERT_CREATED",
  "tags": ["Anonymized access", "Data Compliance"],
  "trigger": {"rule-arn": "arn:aws:macie:us-east-1:123456789012:trigger/1", "alert-type": "basic"},
  "summary": {
    "Description": "An object was read",
    "Bucket": {"secret-bucket": 1},
    "DLP risk": {"3": 2, "9": {"high": 1}},
    "IP": {"34.199.185.34": 121},
    "Location": {"us-east-1": 2, "eu": {"west-1": 3, "unknown": null}},
    "Object": {"ssn.csv": {"owner": {"a": 1}}, "empty": {}},
    "Owner": "nobody",
    "Themes": {},
    "Timestamps": {"2017-04-17T23:00:00.000Z": 2},
    "Record Count": {"kept": 1},
    "recipientAccountId": {"123456789012": 3},
    "Place": {"lat":00012.5,"lon":-004.25, "text": "\\":007,"},
    "Events": {
      "GetObject": {
        "count": 3,
        "ISP": {"Amazon": 3},
        "Error Code": {"AccessDenied": {"GetObject": 2}, "NoSuchKey": 1},
        "isRoot": false
      },
      "ListBuckets": {"count": 1},
      "Other": "text"
    }
  }
}"""


def test_macie_s_counts_become_names() -> None:
    text = json.dumps(record(None, "aws.macie")).replace('"detail": null', f'"detail": {MACIE}')
    [event] = parse(text * 2)[1:]
    assert isinstance(event, dict)

    [shaped] = Custom().reshape(event)

    assert shaped == {
        "notification-type": "ALERT_CREATED",
        "tags": {"value": ["Anonymized access", "Data Compliance"]},
        "source": "macie",
        "summary": {
            "Description": "An object was read",
            "Bucket": ["secret-bucket"],
            "DLP risk": ["3", "9.high"],
            "IP": ["34.199.185.34"],
            "Location": ["us-east-1", "eu.west-1"],
            "Object": ["ssn.csv.owner.a", "empty"],
            "Owner": "nobody",
            "Themes": [],
            "Timestamps": ["2017-04-17T23:00:00.000Z"],
            "Record Count": {"kept": 1},
            "recipientAccountId": ["123456789012"],
            "Place": {"lat": 12.5, "lon": -4.25, "text": '":007,'},
            "Events": {
                "GetObject": {
                    "count": ["3"],
                    "ISP": ["Amazon"],
                    "Error Code": ["AccessDenied.GetObject", "NoSuchKey"],
                    "isRoot": False,
                },
                "ListBuckets": {"count": ["1"]},
                "Other": "text",
            },
        },
    }


@pytest.mark.parametrize("summary", [None, "text", {"Events": "text"}, {"Events": {"a": {"count": None}}}])
def test_macie_s_alert_of_another_shape_is_sent(summary: Any) -> None:
    [event] = sent(record({"trigger": "x", "summary": summary, "n": 1}, "aws.macie"))

    assert event["n"] == 1
    assert "trigger" not in event


def test_alerts_of_others_are_not_reshaped_like_macie_s() -> None:
    [event] = sent(record({"trigger": "x", "summary": {"IP": {"1.1.1.1": 1}}}, "aws.kms"))

    assert event == {"trigger": "x", "summary": {"IP": {"1.1.1.1": 1}}, "source": "kms"}


@pytest.mark.parametrize(
    ("unusual", "shaped"),
    [
        ("abc", {"value": "abc"}),
        (["abc"], {"value": "abc"}),
        (["a", "b"], {"value": ["a", "b"]}),
        (7, {"value": 7}),
        ({"asn": 1}, {"asn": 1}),
        ([{"asn": 1}], {"asn": 1}),
    ],
)
def test_unusual_is_an_object(unusual: Any, shaped: Any) -> None:
    [event] = sent(record({"service": {"additionalInfo": {"unusual": unusual, "n": 1}}}, "aws.guardduty"))

    assert event["service"] == {"additionalInfo": {"unusual": shaped, "n": 1}}


@pytest.mark.parametrize("detail", [{"service": "x"}, {"service": {"additionalInfo": "unusual"}}, {"service": {}}])
def test_event_without_unusual_stays_as_it_is(detail: dict[str, Any]) -> None:
    assert sent(record(detail)) == [{**detail, "source": "kms"}]


def test_nulls_and_short_lists_go() -> None:
    detail = {"a": None, "b": {"c": None, "d": ["x"]}, "sourceIPAddress": "10.0.0.1", "tags": "t"}

    assert sent(record(detail)) == [
        {
            "b": {"d": "x"},
            "sourceIPAddress": "10.0.0.1",
            "source_ip_address": "10.0.0.1",
            "tags": {"value": "t"},
            "source": "kms",
        }
    ]


def test_event_is_not_changed_when_it_is_reshaped() -> None:
    [event] = parse(MACIE.replace("{", '{"service": [{"additionalInfo": [{"unusual": 1}]}], "source": "macie",', 1))
    assert isinstance(event, dict)
    before = json.dumps(event)

    assert list(Custom().reshape(event)) == list(Custom().reshape(event))
    assert json.dumps(event) == before


@pytest.mark.parametrize(
    ("key", "day"),
    [
        (KEY, date(2021, 6, 10)),
        ("kms/2021/06/10/name", date(2021, 6, 10)),
        ("kms/sub/2021/06/10/01/name", None),
        ("kms/nodate.json", None),
        ("2021/06/10/01/name", None),
    ],
)
def test_date_stands_at_the_end_of_the_path(key: str, day: date | None) -> None:
    [layout] = Custom.layouts

    assert not layout.levels
    assert Partition("kms/", layout.dates).day(key) == day


MEMBERS = st.sampled_from(
    ["detail", "source", "service", "additionalInfo", "unusual", "summary", "Events", "IP", "count"]
)
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just("macie"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, max_size=5))
def test_every_value_of_json_gives_an_event_or_is_told(values: list[Any]) -> None:
    events = parse("[]" + one_a_line([value] for value in values))

    assert [isinstance(event, dict) for event in events] == [isinstance(value, dict) for value in values]
    for event in events:
        if isinstance(event, dict):
            [shaped] = Custom().reshape(event)
            assert "source" in shaped


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=100) | st.text(alphabet='{}[]":,0 1a\n', max_size=40).map(str.encode))
def test_any_bytes_give_events_or_a_parse_error(body: bytes) -> None:
    try:
        events = parse(body)
    except ParseError:
        return
    for event in events:
        if isinstance(event, dict):
            assert list(Custom().reshape(event))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(alphabet='{}[]":,a.-', min_size=1, max_size=30), max_size=6))
def test_every_line_of_text_gives_an_event(texts: list[str]) -> None:
    lines = [f"2 {text}" for text in texts]

    assert len(parse("\n".join(lines))) == len(lines)
