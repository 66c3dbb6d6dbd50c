"""Tests of objects of any origin."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.errors import ParseError
from aws_s3.settings import DiscardRule
from aws_s3.subscribers.any_object import AnyObject
from aws_s3.subscribers.notifications import NotifiedObject

SUBSCRIBER = AnyObject()


def parse(text: str | bytes, key: str = "a/k") -> list[Any]:
    return list(_events(text.encode() if isinstance(text, str) else text, key))


def _events(body: bytes, key: str) -> Iterator[Any]:
    for event in SUBSCRIBER.parse(io.BytesIO(body), key):
        yield from SUBSCRIBER.reshape(event)


def texts(text: str) -> list[str]:
    events = parse(text)
    assert all(event.keys() == {"full_log", "source"} and event["source"] == "custom" for event in events)
    return [event["full_log"] for event in events]


@pytest.mark.parametrize("key", ["a.jsonl", "a.jsonl.gz", "a.JSONL"])
def test_json_lines_are_sent_as_they_are(key: str) -> None:
    assert parse('{"x": 1, "detail": {"y": 2}}\n\n{"source": "s"}\n', key) == [
        {"x": 1, "detail": {"y": 2}},
        {"source": "s"},
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}{"a": 2}',
        '{"a": 1} {"a": 2}',
        '{"a": 1}\n{"a": 2}\n',
        '[{"a": 1}, {"a": 2}]',
        '\ufeff\n {\n "a":\n 1}\r\n\r\n[{"a": 2}]',
    ],
)
def test_json_in_any_arrangement_has_a_source(text: str) -> None:
    assert parse(text) == [{"a": 1, "source": "custom"}, {"a": 2, "source": "custom"}]


def test_detail_is_the_event_if_there_is_one() -> None:
    text = '{"source": "aws.ec2", "detail": {"b": 2, "source": "x"}}{"detail": "text"}'
    assert parse(text) == [{"b": 2, "source": "custom"}, {"detail": "text", "source": "custom"}]


def test_nulls_are_removed_and_nothing_else_is_reshaped() -> None:
    assert parse('{"n": null, "o": {"n": null, "l": [1]}, "l": [{"n": null}], "tags": "t"}') == [
        {"o": {"l": [1]}, "l": [{"n": None}], "tags": "t", "source": "custom"}
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a": 1}\n{"a": ', "a.json"),
        ('{"a": 1', "a.json"),
        ('{"a": 1} and text', "a.json"),
        ('[{"a": 1}, 7]', "a.json"),
        ('{"a": 1}\n{"a": \n', "a.jsonl"),
        ('{"a": 1}\n{plain}\n', "a.jsonl"),
        ('{\n"a": 1}\nplain\n', "a.jsonl"),
    ],
)
def test_broken_json_is_no_text(text: str, key: str) -> None:
    with pytest.raises(ParseError):
        parse(text, key)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_gives_an_event_for_each_row(delimiter: str) -> None:
    rows = [["name", "value"], ["ana", "5"], ["bob", f'"a {delimiter} ""b"""'], ["only"], ["", "x"]]
    assert parse("\n".join(map(delimiter.join, rows))) == [
        {"name": "ana", "value": "5", "source": "custom"},
        {"name": "bob", "value": f'a {delimiter} "b"', "source": "custom"},
        {"name": "only", "source": "custom"},
        {"name": "", "value": "x", "source": "custom"},
    ]


def test_delimiter_is_that_with_most_columns() -> None:
    assert parse("a;b, c;d\n1;2, 3;4\n") == [{"a": "1", "b, c": "2, 3", "d": "4", "source": "custom"}]


def test_quoted_field_goes_on_in_the_next_line() -> None:
    assert parse('name,text\nana,x\nbob,"two\nlines"\ncarl,y') == [
        {"name": "ana", "text": "x", "source": "custom"},
        {"name": "bob", "text": "two\nlines", "source": "custom"},
        {"name": "carl", "text": "y", "source": "custom"},
    ]


def test_stray_quotes_eat_no_row() -> None:
    events = parse('size,name\n5" disk,a\n7" disk,b\nplain,c')
    assert [event["name"] for event in events] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "text",
    [
        "name,value",
        "name1,value\nana,5",
        "name,value\nana",
        "name,value\nana,5,6",
        "name,name\nana,5",
        "name,\nana,5",
        "name value\nana 5",
    ],
)
def test_lines_without_a_header_that_fits_are_text(text: str) -> None:
    assert texts(text) == text.splitlines()


@pytest.mark.parametrize(
    "text",
    ["line 1\nline 2", "[2021-06-10 01:00] started\n[2021-06-10 01:01] ended", "{name} started", "7", "a\n\nb", ""],
)
def test_everything_else_is_text(text: str) -> None:
    assert texts(text) == list(filter(None, text.splitlines()))


def test_bytes_that_are_no_text_stop_nothing() -> None:
    assert parse(b"caf\xe9\n") == [{"full_log": "caf�", "source": "custom"}]


def test_regex_matches_the_whole_line_of_text_and_the_field_of_others() -> None:
    rule = DiscardRule("a", re.compile("dro"))
    [line, other] = SUBSCRIBER.parse(io.BytesIO(b"drop it\nkeep it"), "k")
    [event, plain] = SUBSCRIBER.parse(io.BytesIO(b'{"a": "drop"}{"full_log": "drop"}'), "k")

    assert SUBSCRIBER.discards(rule, line)
    assert not SUBSCRIBER.discards(rule, other)
    assert SUBSCRIBER.discards(rule, event)
    assert not SUBSCRIBER.discards(rule, plain)


def test_envelope_has_no_alias() -> None:
    assert SUBSCRIBER.envelope(NotifiedObject("b", "a/k"), "q").message({"x": 1}) == {
        "integration": "aws",
        "aws": {"log_info": {"log_file": "a/k", "s3bucket": "b"}, "x": 1},
    }


_EVENTS = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), min_size=1, max_size=3)


@given(st.lists(_EVENTS, min_size=1, max_size=4), st.sampled_from(["", " ", "\n", "\r\n\r\n"]))
@settings(max_examples=50, deadline=None)
def test_no_event_of_any_json_is_lost(events: list[dict[str, Any]], between: str) -> None:
    expected = [{**event, "source": "custom"} for event in events if event.get("detail") is None]
    assert parse(between.join(map(json.dumps, events))) == expected


@given(st.binary(max_size=60) | st.text("ab,;|\t\"'\n{}[]1", max_size=60).map(str.encode))
@settings(max_examples=150, deadline=None)
def test_any_content_is_parsed_or_malformed(body: bytes) -> None:
    try:
        events = parse(body)
    except ParseError:
        return
    assert all(isinstance(name, str) for event in events for name in event)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1), max_size=8))
@settings(max_examples=100, deadline=None)
def test_no_line_of_text_is_lost(lines: list[str]) -> None:
    text = "\n".join(["first line of text 1", *lines])
    assert texts(text) == [line for line in text.split("\n") if not line.isspace()]
