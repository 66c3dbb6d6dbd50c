"""Splitting lines of delimited text into fields, and naming the fields.

The csv module is not used: it lets a stray quote eat the lines that follow, and refuses NUL and fields
above a limit that is global to the process. Splitting at the quotes is also faster: 530,000 against
380,000 lines/s for ALB lines of 700 characters, on one core.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice

log = logging.getLogger(__name__)

ColumnBatch = Mapping[str, Sequence[str]]
"""Events that are strings under the same names, by column: what is done for a column takes no loop of ours."""

_ROWS = 64
"""With so many, all messages of a batch are usually shorter than the longest that Wazuh takes: none is measured."""

_LONGEST_RECORD = 1 << 20
"""Characters above which lines are no more taken as one record: its quote is a stray one."""


def named(rows: Iterable[list[str]], names: Sequence[str], key: str) -> Iterator[dict[str, str]]:
    """Yield each row as an event: its fields under `names`, those that it lacks left out.

    Fields beyond the names are columns that AWS added since: they are dropped, and told once for the
    object `key`, at its end.
    """
    longer = most = 0
    for fields in rows:
        # Rows may be shorter or longer than the names; saying so takes a fifth of the time.
        yield dict(zip(names, fields))  # noqa: B905
        if len(fields) > len(names):
            longer += 1
            most = max(most, len(fields))
    _tell_dropped(longer, most, len(names), key)


def column_batches(
    blocks: Iterable[Iterable[list[str]]], names: Sequence[str], key: str
) -> Iterator[dict[str, Sequence[str]]]:
    """Yield the rows as `named` does, in tables: a few of a block's that follow each other and are as long."""
    longer = most = 0
    for length, alike in chain.from_iterable(map(_alike, blocks)):
        # Names and rows may be of different lengths: what has no counterpart is left out.
        batch: dict[str, Sequence[str]] = dict(zip(names, zip(*alike)))  # noqa: B905
        if length > len(names):
            longer += len(batch[names[0]])
            most = max(most, length)
        yield batch
    _tell_dropped(longer, most, len(names), key)


def _alike(rows: Iterable[list[str]]) -> Iterator[tuple[int, Iterator[list[str]]]]:
    """Yield rows that are as long, with their length."""
    rows = iter(rows)
    while several := list(islice(rows, _ROWS)):
        yield from groupby(several, len)


def _tell_dropped(lines: int, most: int, columns: int, key: str) -> None:
    if lines:
        log.debug("Dropped what %d lines of %s hold after column %d (up to %d)", lines, key, columns, most)


def batch_events(batch: ColumnBatch) -> Iterator[dict[str, str]]:
    """Yield the rows of a batch."""
    for row in zip(*batch.values(), strict=True):
        yield dict(zip(batch, row, strict=True))


def spaced_fields(line: str) -> list[str]:
    r"""Return the fields of a line that single spaces separate, without the quotes around them.

    What is inside quotes stays as it is, with its spaces and backslashes (`\"`, `\x22`). AWS does not
    say how it writes a quote inside quotes: one closes the field only if a space follows and the next
    quote opens a field. A field that is never closed is the rest of the line.
    """
    line = line.rstrip(" ")
    return _regular(line, " ") or [quoted or plain for quoted, plain in _SPACED.findall(line)]


def comma_fields(record: str) -> list[str]:
    """Return the fields of a CSV record (RFC 4180): a quote inside quotes is written twice.

    A single quote inside quotes stays; a field that is never closed is the rest of the record.
    """
    return separated_fields(record, ",")


def separated_fields(record: str, delimiter: str) -> list[str]:
    """Return the fields of a record like those of CSV, with one of `,` `;` `|` or a tab between them."""
    regular = _regular(record, delimiter)
    return regular or [quoted.replace('""', '"') or plain for quoted, plain in _SEPARATED[delimiter].findall(record)]


def csv_records(lines: Iterable[str], starts: re.Pattern[str]) -> Iterator[str]:
    """Yield CSV records: lines, and lines joined where a quoted field goes on in the next one.

    No line is eaten by another's stray quote: when a line begins as `starts` says, or the quote is
    not closed within a million characters, each of the lines is a record of its own.
    """
    held: list[str] = []
    length = 0
    for line in lines:
        if held and (length > _LONGEST_RECORD or starts.match(line)):
            yield from held
            held.clear()
        closes = line.count('"') % 2 == bool(held)
        length = len(line) + (length if held else 0)
        held.append(line)
        if closes:
            yield "\n".join(held)
            held.clear()
    yield from held


def _regular(line: str, delimiter: str) -> list[str] | None:
    """Return the fields of a line whose quotes all stand around whole fields; None for another."""
    fields: list[str] = []
    outside = True
    for part in f"{delimiter}{line}{delimiter}".split('"'):
        if not outside:
            fields.append(part)
        elif part != delimiter:
            if part[:1] != delimiter or part[-1] != delimiter:
                return None
            fields += part[1:-1].split(delimiter)
        outside = not outside
    return None if outside else fields


def _irregular(delimiter: str, closed_before: str, doubled: str = "") -> re.Pattern[str]:
    """Return what finds every field of any line, as its quoted or its plain text; it never backtracks."""
    content = rf'[^"]*(?:(?:{doubled}"(?!{closed_before}))[^"]*)*'
    return re.compile(rf'(?:\A|{delimiter})(?:"({content})(?:"|\Z)|([^{delimiter}]*))')


_SPACED = _irregular(" ", closed_before=r' [^"]*(?:(?<= )"|\Z)|\Z')
_SEPARATED = {
    mark: _irregular(re.escape(mark), closed_before=rf"{re.escape(mark)}|\Z", doubled='""|') for mark in ",;\t|"
}
