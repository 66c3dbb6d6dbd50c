"""Content that nothing but its bytes tells: which event each value and each line becomes."""

import io
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec.any_content import json_events, text_events
from aws_s3.codec.json_and_lines import holds_json
from aws_s3.codec.records import BadRecord, TextLine
from aws_s3.errors import ParseError

FLOW_LOG = "2 123456789012 eni-1 10.0.0.1 10.0.0.2 443 80 6 1 40 1623286800 1623286860 ACCEPT OK"


def read(text: str | bytes) -> list[Any]:
    body = io.BytesIO(text.encode() if isinstance(text, str) else text)
    return list(json_events(body, "custom") if holds_json(body) else text_events(body, "key"))


def lines(text: str) -> list[str | None]:
    """Return the text of each event that is a line of text, None for the others."""
    return [event["full_log"] if isinstance(event, TextLine) else None for event in read(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}\nServer restarted\n{"a": 2}\n', [None, "Server restarted", None]),
        ('{"a": 1}\r\n  at com.foo.Bar (x:1)\r\n\r\n\tat y\r\n', [None, "  at com.foo.Bar (x:1)", "\tat y"]),
        (
            '\ufeff{"a": 1}\n[2021-06-10] text\n[{"b": 1}]\n"quoted" text\n7',
            [None, "[2021-06-10] text", None, '"quoted" text', "7"],
        ),
        ('{"a": 1}\n#Version: 1.0\n# comment', [None, "# comment"]),
        ('{"a": 1}\n{\n"b": 2\n}\ntext', [None, None, "text"]),
        ('{"a": 1}\n' + " " * 300_000 + "x\n" + "y" * 300_000, [None, " " * 300_000 + "x", "y" * 300_000]),
    ],
)
def test_lines_of_text_among_lines_of_json(text: str, found: list[str | None]) -> None:
    assert lines(text) == found


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}\n{"b"\n',
        '{"a": 1}\n{broken}\n',
        '{"a": 1}\n{"b": 1} text\n',
        '{"a": 1} {"b": 1}\ntext\n',
        '{\n"a": 1}\ntext\n',
        '[{"a": 1}]\ntext\n',
    ],
)
def test_broken_lines_are_malformed(text: str) -> None:
    with pytest.raises(ParseError):
        read(text)


_LINES = st.lists(
    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), min_size=1).filter(
        lambda line: line.strip(" \t")[:1] not in ("", "{", "[", "#")
    )
)


@given(_LINES, st.booleans())
@settings(deadline=None)
def test_no_byte_of_a_line_of_text_is_lost(texts: list[str], with_json: bool) -> None:
    written = [line for line in texts if not line.isspace()]
    if with_json:
        text = "".join(f'{line}\n{{"a": 1}}\n' for line in ['{"a": 0}', *texts])
        assert [line for line in lines(text) if line is not None] == written
    else:
        first = "\ufefffirst 1"
        assert lines("\n".join([first, *texts])) == ["first 1", *written]


@given(st.binary(max_size=200) | st.text('{}[]"a: 1\n\\,', max_size=200).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_events_or_a_malformed_object(body: bytes) -> None:
    try:
        events = read(body)
    except ParseError:
        return
    for event in events:
        assert isinstance(event, BadRecord) or isinstance(event.get("source"), str)


@pytest.mark.parametrize(
    "text",
    [
        "2021-06-10T01:00:00Z host app[1]: w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 user root deleted everything",
        "the action at the start and the end of the protocol version",
        "a b c d",
        f"{FLOW_LOG}\nnot a flow log",
        f"1{FLOW_LOG}",
        "2 words",
    ],
)
def test_text_that_is_no_flow_log_is_text(text: str) -> None:
    assert lines(text) == text.split("\n")


@pytest.mark.parametrize(
    "text",
    [
        FLOW_LOG,
        f"version account-id srcaddr dstaddr new-field\n2 1 {FLOW_LOG}",
        "srcaddr dstaddr pkt-srcaddr pkt-dstaddr\n1.1.1.1 2.2.2.2 - -",
        "\n".join([FLOW_LOG] * 10 + ["short 2"]),
    ],
)
def test_flow_logs_have_fields(text: str) -> None:
    assert all(event["source"] == "vpc" and "srcaddr" in event for event in read(text)[:10])


def test_directives_are_no_events() -> None:
    assert lines("#Version: 1.0\n#Fields: a b\n# x 1\n#Date: 2021\n#Software: y\nline #Date") == ["# x 1", "line #Date"]


def test_events_of_containers_in_details() -> None:
    event = {"source": "aws.securityhub", "detail": {"findings": [{"Id": "1"}, {"Id": "2"}]}}
    assert read(json.dumps(event)) == [
        {"findings": {"Id": "1"}, "source": "securityhub"},
        {"findings": {"Id": "2"}, "source": "securityhub"},
    ]


@pytest.mark.parametrize("own", [{"ip": "1"}, ["x"], 7, True])
def test_a_source_is_always_a_string(own: Any) -> None:
    assert read(json.dumps({"source": own, "a": 1})) == [{"source": "custom", "source_value": own, "a": 1}]
    detail = {"source": "aws.kms", "detail": {"source": own}}
    assert read(json.dumps(detail)) == [{"source": "kms", "source_value": own}]


def test_a_container_too_large_to_be_held_is_read_in_parts() -> None:
    record = {"eventID": "x", "text": "y" * 100_000, "list": [{"a": 1}]}
    body = json.dumps({"fileVersion": "1", "Records": [record] * 300, "count": 300}).encode()
    assert len(body) > 16 << 20
    assert read(body) == [{**record, "source": "custom"}] * 300
    many = {"eventID": "x", "list": list(range(100))}
    assert len(read(json.dumps({"Records": [many] * 20_000}))) == 20_000
    with pytest.raises(ParseError, match="longer than 16 MiB"):
        read(json.dumps({"other": [{"b": 1}], "Records": [record] * 300}))
    with pytest.raises(ParseError, match="longer than 16 MiB"):
        read(json.dumps({"a": ["y" * 100_000] * 300}))


_HOSTILE = """
import io, re, sys
from aws_s3.codec.json_and_lines import values_and_lines
from aws_s3.errors import ParseError
around, element = sys.argv[1:]
text = (around % (element * ((12 << 20) // len(element)))).encode()
try:
    list(values_and_lines(io.BytesIO(text), {"Records"}))
except ParseError as error:
    print(error)
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) >> 10)
"""


@pytest.mark.parametrize("element", ["[],", '{"":0},', '{"":{"":[]}},'])
@pytest.mark.parametrize("around", ["[[%s0]]", '{"Records": [{"a": [%s0]}]}'])
def test_a_value_of_endless_members_is_malformed_and_takes_little_memory(element: str, around: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", _HOSTILE, around, element], capture_output=True, text=True, check=True
    )
    reason, megabytes = child.stdout.splitlines()
    assert reason == "a JSON value has more than 250,000 members"
    assert int(megabytes) < 250


def test_a_large_value_with_few_members_is_read() -> None:
    value = {"a": ["x,[{" * 50] * 50_000, "b": 'quote " \\ ,' * 100_000}
    assert read(json.dumps(value)) == [{**value, "source": "custom"}]
