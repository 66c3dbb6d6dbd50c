"""Objects of any origin that S3 notifies of: JSON in any arrangement, CSV, or lines of text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO

from aws_s3.codec.delimited import csv_records, named, separated_fields
from aws_s3.codec.json_and_lines import json_values, text_lines
from aws_s3.codec.records import Event
from aws_s3.errors import ParseError
from aws_s3.pipeline.event_rules import discards, matches
from aws_s3.settings import DiscardRule
from aws_s3.subscribers.base import ContentFormat

_SOURCE = "custom"
_JSON_LINES = re.compile(r"\.jsonl(\.gz)?\Z", re.IGNORECASE)
# A line of text may begin with a bracket too: `[2021-06-10] …`.
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:[\"}]|\Z)|\[\s*[{\]])")
_HEAD = 4096
_DELIMITERS = ",;\t|"
_DIGIT = re.compile(r"\d")
_NOTHING = re.compile(r"(?!)")


class TextLine(Event):
    """The event of a line of plain text, as `full_log`."""


class AnyObject(ContentFormat):
    """What is in an object is told by its name and its beginning."""

    name = "buckets"

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield the events; each but those of JSON lines has `source` = `custom`."""
        if _JSON_LINES.search(key):
            return _objects(body)
        head = body.read(_HEAD)
        body.seek(0)
        return _json_events(body) if _JSON.match(head) else _text_events(body, key)

    def discards(self, rule: DiscardRule, event: Event) -> bool:
        """Match the whole of a line of text, and the rule's field of another event."""
        return matches(rule.regex, event["full_log"]) if isinstance(event, TextLine) else discards(rule, event)


def _objects(body: IO[bytes]) -> Iterator[Event]:
    for value in json_values(body):
        if not isinstance(value, dict):
            raise ParseError("it holds a JSON value that is not an object")
        yield value


def _json_events(body: IO[bytes]) -> Iterator[Event]:
    for value in _objects(body):
        event: Event = value["detail"] if isinstance(value.get("detail"), dict) else value
        event["source"] = _SOURCE
        yield event


def _text_events(body: IO[bytes], key: str) -> Iterator[Event]:
    rest = text_lines(body)
    first = list(islice(rest, 2))
    table = _table(first)
    if table is None:
        for line in chain(first, rest):
            yield TextLine(full_log=line, source=_SOURCE)
    else:
        for row in named(table.rows(chain(first[1:], rest)), table.columns, key):
            yield {**row, "source": _SOURCE}


@dataclass(frozen=True)
class _CsvTable:
    """A CSV file's delimiter and the columns that its header names."""

    delimiter: str
    columns: Sequence[str]

    def rows(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """Yield the fields of each row; a quoted field may go on in the next line."""
        for record in csv_records(lines, _NOTHING):
            fields = separated_fields(record, self.delimiter)
            if "\n" in record and len(fields) != len(self.columns):
                # What joined the lines was a stray quote.
                yield from (separated_fields(line, self.delimiter) for line in record.split("\n"))
            else:
                yield fields


def _table(first: Sequence[str]) -> _CsvTable | None:
    """Return the table that the first two lines begin, None when they are no CSV."""
    if len(first) < 2 or _DIGIT.search(first[0]):
        return None
    tables = (_CsvTable(delimiter, separated_fields(first[0], delimiter)) for delimiter in _DELIMITERS)
    fitting = [table for table in tables if _fits(table, first[1])]
    return max(fitting, key=lambda table: len(table.columns), default=None)


def _fits(table: _CsvTable, row: str) -> bool:
    columns = table.columns
    if len(columns) < 2 or len(columns) != len(separated_fields(row, table.delimiter)):
        return False
    # Columns without names of their own could not all be sent.
    return all(columns) and len(set(columns)) == len(columns)
