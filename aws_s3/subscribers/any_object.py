"""Objects of any origin that S3 notifies of: JSON in any arrangement, flow logs, CSV, or lines of text."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from aws_s3.codec.any_content import block_events, json_events, record_blocks, text_events
from aws_s3.codec.blocks import Block, IrregularError
from aws_s3.codec.containers import TrailRecord
from aws_s3.codec.delimited import csv_records, named, regular_fields, separated_fields
from aws_s3.codec.flow_logs import LINES_TO_RECOGNISE, is_flow_log
from aws_s3.codec.json_and_lines import first_lines, text_lines, values_and_lines
from aws_s3.codec.records import BadRecord, Event, TextLine, set_source
from aws_s3.errors import ParseError
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.pipeline.event_rules import discards, matches
from aws_s3.settings import DiscardRule
from aws_s3.subscribers.base import ContentFormat

_SOURCE = "custom"
_TRAIL = CloudTrail()
_JSON_LINES = re.compile(r"\.jsonl(\.gz)?\Z", re.IGNORECASE)
# A line of text may begin with a bracket too: `[2021-06-10] …`.
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:[\"}]|\Z)|\[\s*[{\]])")
_HEAD = 4096
_DELIMITERS = ",;\t|"
_DIGIT = re.compile(r"\d")
_NOTHING = re.compile(r"(?!)")
_WORD = re.compile(r"[\w.:@/()-]+")
_LINES = 20
"""How many lines decide whether a file is CSV."""

_NO_OBJECT = "it holds a JSON value that is not an object"


class AnyObject(ContentFormat):
    """Objects of any origin: their name and their first bytes tell how they are read."""

    name = "buckets"

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield the events, with `source` = `custom` but for JSON lines by name, and records that have a type."""
        if _JSON_LINES.search(key):
            return _json_lines(body)
        head = body.read(_HEAD)
        body.seek(0)
        return _json_events(body) if _JSON.match(head) else _text_events(body, key)

    def blocks(self, body: IO[bytes], key: str) -> Iterator[Block]:
        """Cut a container of records between these."""
        if _JSON_LINES.search(key):
            raise IrregularError(0)
        return record_blocks(body)

    def block_events(self, block: Block) -> Iterable[Event]:
        """Return the events of a block, with the sources that `parse` gives them."""
        return map(_with_source, block_events(block, _SOURCE))

    def discards(self, rule: DiscardRule, event: Event) -> bool:
        """Match the whole of a line of text, and the rule's field of another event."""
        return matches(rule.regex, event["full_log"]) if isinstance(event, TextLine) else discards(rule, event)

    def reshape(self, event: Event) -> Iterable[Event]:
        """Return the event as it is sent: without nulls, a record of CloudTrail as that type's."""
        return _TRAIL.reshape(event) if isinstance(event, TrailRecord) else super().reshape(event)

    def reshape_block_event(self, event: Event) -> Iterable[Event]:
        """Do the same; a record of CloudTrail itself may be changed."""
        return _TRAIL.reshape_block_event(event) if isinstance(event, TrailRecord) else super().reshape(event)


def _json_lines(body: IO[bytes]) -> Iterator[Event]:
    """Yield the objects as they are, but for a `source` that is not a string."""
    for value in values_and_lines(body):
        if not isinstance(value, dict):
            raise ParseError(_NO_OBJECT)
        if not isinstance(value.get("source", ""), str):
            set_source(value, _SOURCE)
        yield value


def _json_events(body: IO[bytes]) -> Iterator[Event]:
    for event in json_events(body, _SOURCE):
        if isinstance(event, BadRecord):
            raise ParseError(_NO_OBJECT)
        yield _with_source(event)


def _with_source(event: Event) -> Event:
    if type(event) is dict:
        event["source"] = _SOURCE
    return event


def _text_events(body: IO[bytes], key: str) -> Iterator[Event]:
    table = None if is_flow_log(first_lines(body, LINES_TO_RECOGNISE)) else _table(body)
    if table is None:
        yield from text_events(body, key)
        return
    for row in named(table.rows(text_lines(body)), table.columns, "buckets", key):
        yield {**row, "source": _SOURCE}


@dataclass(frozen=True)
class _CsvTable:
    """A CSV file's delimiter and the columns that its header names."""

    delimiter: str
    columns: list[str]

    def fits(self, lines: Sequence[str]) -> bool:
        """Tell whether a file that begins with these lines, the first one the header, is CSV and not prose with commas.

        The first row is as long as the header; or the names are single words, and rows have two columns or more.
        """
        columns = self.columns
        # Columns without names of their own could not all be sent.
        if len(columns) < 2 or not all(columns) or len(set(columns)) < len(columns):
            return False
        lengths = [len(fields) for fields in self.rows(lines)]
        if lengths[:1] == [len(columns)]:
            return True
        return all(map(_WORD.fullmatch, columns)) and all(1 < length <= len(columns) for length in lengths)

    def rows(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Yield the fields of each row but the header; a quoted field may go on in the next line."""
        for record in csv_records(lines, _NOTHING):
            fields = separated_fields(record, self.delimiter)
            if fields == self.columns:
                continue
            if "\n" in record and self._is_joined_by_mistake(record, fields):
                yield from (separated_fields(line, self.delimiter) for line in record.split("\n"))
            else:
                yield fields

    def _is_joined_by_mistake(self, record: str, fields: Sequence[str]) -> bool:
        """Tell whether a stray quote made one record of several lines."""
        if len(fields) == len(self.columns):
            return False
        return len(fields) > len(self.columns) or regular_fields(record, self.delimiter) is None


def _table(body: IO[bytes]) -> _CsvTable | None:
    """Return the table that the content begins with, None if it is not CSV; `body` is at its start again."""
    lines = first_lines(body, _LINES)
    if len(lines) < 2 or _DIGIT.search(lines[0]):
        return None
    tables = (_CsvTable(mark, separated_fields(lines[0], mark)) for mark in _DELIMITERS)
    fitting = [table for table in tables if table.fits(lines)]
    return max(fitting, key=lambda table: len(table.columns), default=None)
