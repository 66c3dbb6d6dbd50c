"""Content that is read in blocks gives what it gives read from its start to its end, whatever it holds."""

import io
import json
import time
from collections.abc import Iterator
from typing import IO
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec import blocks as module
from aws_s3.codec import json_and_lines
from aws_s3.codec.blocks import Block, IrregularError, list_blocks
from aws_s3.codec.decoder import Decoder
from aws_s3.codec.messages import Envelope
from aws_s3.errors import CollectorError
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.config import Config
from aws_s3.log_types.custom import Custom
from aws_s3.log_types.load_balancers import Alb, Clb, Nlb
from aws_s3.log_types.vpcflow import VpcFlow
from aws_s3.pipeline.decode import ObjectDecoder
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.subscribers.any_object import AnyObject

FORMATS: list[type[Decoder]] = [CloudTrail, Config, Custom, AnyObject]


def without_blocks(kind: type[Decoder]) -> Decoder:
    def none(self: Decoder, body: IO[bytes], key: str) -> Iterator[Block]:
        raise IrregularError(0)

    made: Decoder = type(kind.__name__, (kind,), {"blocks": none})()
    return made


def read(decoder: Decoder, body: bytes) -> object:
    """Return the events and the counts, or the error."""
    rules = EventRules(limit=300)
    try:
        batches = ObjectDecoder(decoder, False, rules).messages("k", io.BytesIO(body), Envelope({"log_file": "k"}))
        return b"".join(batches).splitlines(), rules.counts
    except CollectorError as error:
        return type(error)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
records = st.dictionaries(
    st.sampled_from(["eventVersion", "eventID", "eventSource", "source", "Records", "tags", "a"]),
    scalars
    | st.lists(scalars | st.dictionaries(st.just("eventVersion"), scalars, max_size=1), max_size=3)
    | st.dictionaries(st.sampled_from(["eventVersion", "a"]), scalars, max_size=2),
    max_size=4,
).map(lambda members: {"eventVersion": "1.0"} | members)
odd = st.sampled_from(
    [
        *("1", '"x"', "[]", "{}", "NaN", '{"eventVersion":01}', '{"eventVersion":1e999}', '{"eventVersion":"\\ud800"}'),
        *('{"eventVersion":123456789012345678901}', '{"eventVersion":-18446744073709551617}', '{"a"', '{"a":1},', ""),
        *(
            '{"eventVersion":"},{\\"eventVersion\\":"}',
            '{"eventVersion":"\udcff"}',
            '{"eventVersion":"%s"}' % ("x" * 500),
        ),
    ]
)
arounds = st.sampled_from(
    [
        *('{"%s":[%s]}', ' { "%s" : [ %s ] } \n', '{"a":"b","%s":[%s]}', '{"%s":[%s],"a":1}', '{"%s":[%s]}{"a":1}'),
        *(
            '\ufeff{"%s":[%s]}',
            '{"%s":[%s]',
            '{"%s":[%s]]',
            '{"%s":[%s]}\nx',
            '{"a":1,"%s":[%s]}',
            '{"Records":[],"%s":[%s]}',
        ),
        *('{"detail":"x","source":"y","%s":[%s]}', '{"findings":"x","%s":[%s]}', '{"a":"\\u00e9","%s":[%s]}'),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(FORMATS),
    arounds,
    st.lists(records.map(lambda record: json.dumps(record, separators=(",", ":"))) | odd, max_size=12),
    st.sampled_from([",", " , ", ",\n\t"]),
    st.integers(1, 200),
    st.booleans(),
)
def test_blocks_give_what_the_whole_gives(
    kind: type[Decoder], around: str, values: list[str], comma: str, size: int, fast: bool
) -> None:
    field = "configurationItems" if kind is Config else "Records"
    body = (around % (field, comma.join(values))).encode("utf-8", "surrogateescape")
    whole = read(without_blocks(kind), body)
    with (
        patch.object(module, "SIZE", size),
        patch.object(module, "_LARGEST", 4 * size),
        patch.object(json_and_lines, "_fast_decode", json_and_lines._fast_decode if fast else None),
    ):
        assert read(kind(), body) == whole


fields = st.sampled_from(
    [
        *(
            "-",
            "-",
            "a",
            "10.0.0.1:80",
            "[::1]:443",
            "10.0.0.1:80 10.0.0.2:81",
            "198.51.100.7:1",
            "x:",
            ":1",
            "1:2:3",
            "",
        ),
        *(
            '"a b"',
            '"-"',
            '""',
            '"a',
            'a"',
            '"a" "b"',
            '"a"b',
            '"GET / \\"x\\""',
            "\0",
            "\r",
            "\u2028",
            "\u0661:\u0662",
        ),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([Alb, Clb, Nlb]),
    st.lists(st.lists(fields, min_size=1, max_size=36).map(" ".join), max_size=9),
    st.lists(fields, min_size=30, max_size=33),
    st.integers(0, 9),
    st.sampled_from(["\n", "\r\n", "\n\n", " \n", "\n \t\r\n", "\n#Version: 1\n"]),
    st.integers(1, 3000),
)
def test_lines_in_blocks_give_what_the_whole_gives(
    kind: type[Decoder], odd_lines: list[str], usual: list[str], count: int, end: str, size: int
) -> None:
    body = ("\ufeff" + end.join([" ".join(usual)] * count + odd_lines + [" ".join(usual)] * count)).encode()
    whole = read(without_blocks(kind), body)
    with patch.object(module, "SIZE", size):
        assert read(kind(), body) == whole


HEADERS = ["", "version account-id interface-id start", "start srcaddr dstaddr end action", "a-b start"]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(HEADERS),
    st.lists(
        st.lists(st.sampled_from(["2", "1704153600", "-", "eni-1", "99999999999", 'x"y']), max_size=16).map(" ".join)
        | st.sampled_from(HEADERS),
        max_size=12,
    ),
    st.integers(1, 3),
    st.sampled_from(["\n", "\r\n", "\n#Version: 1\n", " \n", "\n \t\r\n"]),
    st.integers(1, 500),
)
def test_flow_logs_in_blocks_give_what_the_whole_gives(
    header: str, lines: list[str], times: int, end: str, size: int
) -> None:
    body = end.join([header, *lines * times]).encode()
    whole = read(without_blocks(VpcFlow), body)
    with patch.object(module, "SIZE", size):
        assert read(VpcFlow(), body) == whole


def test_what_is_cut_is_the_inside_of_the_list() -> None:
    records = [{"eventVersion": "1", "n": number, "more": [{"n": 1}, {"n": 2}]} for number in range(5000)]
    body = json.dumps({"Records": records}).encode()
    cut = list(list_blocks(io.BytesIO(body), "Records"))
    assert len(cut) > 3
    assert all(body[block.start :].startswith(block.data) for block in cut)
    assert json.loads(b"[" + b",".join(block.data for block in cut) + b"]") == records


@pytest.mark.parametrize("body", [b'{"a" : "b"' + b" " * 60_000, b"{" + b'"a":"b",' * 8000, b" " * 65_000 + b"x"])
def test_a_hostile_beginning_takes_no_longer_than_its_length(body: bytes) -> None:
    began = time.process_time()
    with pytest.raises(IrregularError):
        list(list_blocks(io.BytesIO(body), "Records"))
    assert time.process_time() - began < 10
