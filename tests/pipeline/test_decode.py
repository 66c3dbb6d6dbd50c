"""Tests of the way of an object's content."""

import gzip
import io
import json
import re
import tempfile
import tracemalloc
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from aws_s3.codec.decoder import Decoder
from aws_s3.codec.json_and_lines import json_values
from aws_s3.codec.messages import Envelope, PlainEncoder
from aws_s3.codec.records import BadRecord, Event
from aws_s3.errors import DecompressError, ParseError
from aws_s3.pipeline import decode as module
from aws_s3.pipeline.decode import ObjectDecoder, messages_in
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.settings import DiscardRule
from aws_s3.subscribers.security_lake import SecurityLake


class Values(Decoder):
    """JSON values; text stands for a bad record. It counts how often it parsed."""

    def __init__(self) -> None:
        self.parsed = 0

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        self.parsed += 1
        for value in json_values(body):
            yield BadRecord(value) if isinstance(value, str) else value

    def reshape(self, event: Event) -> list[Event]:
        return [event] * event.get("times", 1)


def reader(values: Any, discard: DiscardRule | None = None, *, skip: bool = False) -> ObjectDecoder:
    return ObjectDecoder(values, skip, EventRules(discard, 1000))


def read(body: bytes, values: Any = None, **options: Any) -> list[Any]:
    made = reader(values or Values(), **options).messages("k", io.BytesIO(body), Envelope({"log_file": "k"}))
    events = [json.loads(message)["aws"] for message in b"".join(made).splitlines()]
    assert all(event.pop("log_info") == {"log_file": "k"} for event in events)
    return events


def test_events_are_discarded_then_reshaped_then_wrapped() -> None:
    rule = DiscardRule("n", re.compile("1"))
    assert read(b'{"n": 1}{"n": 2, "times": 2}{"n": 3, "times": 0}', discard=rule) == [{"n": 2, "times": 2}] * 2


def test_an_object_is_parsed_once_and_a_very_large_one_proved_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEW_BATCHES", 2)
    monkeypatch.setattr(module, "_IN_MEMORY", 100_000)
    monkeypatch.setattr(module, "_KEPT", 200_000)
    for count, times in ((3, 1), (3000, 1), (9000, 2)):
        values = Values()
        events = [{"n": number} for number in range(count)]
        assert read("".join(map(json.dumps, events)).encode(), values) == events
        assert values.parsed == times


@pytest.mark.parametrize("end", [b"{", b'"bad"'])
def test_no_message_leaves_an_object_that_breaks_at_its_end(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    monkeypatch.setattr(module, "_KEPT", 100)
    body = b'{"n": 1}' * 50_000 + end
    with pytest.raises(ParseError, match=r"^Failed to parse file k: "):
        reader(Values()).messages("k", io.BytesIO(body), PlainEncoder())


def test_bad_record_is_left_out_where_errors_are_skipped() -> None:
    assert read(b'{"n": 1} "bad" {"n": 2}', skip=True) == [{"n": 1}, {"n": 2}]


def test_broken_gzip_is_malformed() -> None:
    with pytest.raises(DecompressError, match=r"^Failed to decompress file k: "):
        reader(Values()).messages("k", io.BytesIO(gzip.compress(b'{"n": 1}', mtime=0)[:-9]), PlainEncoder())


def test_nesting_without_end_is_malformed() -> None:
    body = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    with pytest.raises(ParseError, match="nested too deeply"):
        reader(Values()).messages("k", io.BytesIO(body), PlainEncoder())


def test_too_large_message_is_cut_to_the_limit() -> None:
    [batch] = reader(Values()).messages("k", io.BytesIO(b'{"a": "%s"}' % (b"x" * 5000)), PlainEncoder())
    [message] = messages_in(batch)

    assert len(message) <= 1000
    assert json.loads(message)["a"].endswith("…[truncated]")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows_of_a_parquet_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IN_MEMORY", 1 << 20)
    rows = 20_000
    table = pa.table({"n": list(range(rows)), "text": ["the same text, which packs well, " * 10] * rows})
    with tempfile.TemporaryFile() as file:
        parquet.write_table(table, file)
        file.seek(0)
        del table
        tracemalloc.start()
        made = ObjectDecoder(SecurityLake(), False, EventRules()).messages("k", file, PlainEncoder())
        assert [json.loads(message)["n"] for batch in made for message in batch.splitlines()] == list(range(rows))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 5 << 20
