"""Splitting lines of delimited text into fields, and naming the fields.

The csv module is not used: it lets a stray quote eat the lines that follow, and refuses NUL and fields
above a limit that is global to the process. Splitting at the quotes is also faster: 530,000 against
380,000 lines/s for ALB lines of 700 characters, on one core.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice
from urllib.parse import unquote

log = logging.getLogger(__name__)

ColumnBatch = Mapping[str, Sequence[str]]
"""Events of string values under the same names, by column, so that operations on a column run in C."""

_ROWS = 64
"""Rows of a batch: so few that the whole batch usually fits Wazuh's limit and no message is measured alone."""

_LONGEST_RECORD = 1 << 20
"""Characters above which lines are not joined to one record any more, because its quote must be a stray one."""

_MOST_COLUMNS = 1000
"""Columns that an event has at most, so that a line of blanks does not become an event of millions of members."""


@dataclass(frozen=True)
class SurplusColumns:
    """Lines of a type that have more columns than have names: how many lines and objects, and their most columns."""

    kind: str
    first_key: str
    lines: int
    known: int
    most: int
    objects: int = 1

    def plus(self, other: "SurplusColumns") -> "SurplusColumns":
        """Return both together."""
        return replace(
            self,
            lines=self.lines + other.lines,
            known=min(self.known, other.known),
            most=max(self.most, other.most),
            objects=self.objects + other.objects,
        )

    def __str__(self) -> str:
        place = f"{self.objects} objects, {self.first_key} first," if self.objects > 1 else self.first_key
        lines = f"{self.lines} lines of type {self.kind} in {place}"
        return f"{lines} have up to {self.most} columns instead of {self.known}"


class Columns:
    """The columns of one object's lines: the known `names`, and `column_N` for those behind them.

    N counts from 1. AWS appends columns to its formats: they are sent under their position until they are known.
    """

    def __init__(self, names: Sequence[str], kind: str, key: str) -> None:
        self._names = tuple(names)
        self._known = len(self._names)
        self._kind = kind
        self._key = key
        self._longer = 0

    def for_lines(self, count: int, length: int) -> Sequence[str]:
        """Return the names of `length` columns or more, for `count` lines that have so many."""
        if length > self._known:
            self._longer += count
            if length > len(self._names):
                positions = range(len(self._names), length)
                self._names += tuple(f"column_{position + 1}" for position in positions)
        return self._names

    def for_line(self, fields: list[str]) -> Sequence[str]:
        """Return the names of a line's fields; behind a number that no format reaches, fields are joined into one."""
        if len(fields) <= self._known:
            return self._names
        return self.for_lines(1, _limit(fields))

    def warn(self) -> None:
        """Log a WARNING if lines had more columns than have names; the console adds those of a run up to one.

        Without any names, as in a folder of a new kind, positions are all that can be told.
        """
        if self._longer and self._known:
            log.warning(
                "%s known columns; the others are sent as column_N",
                SurplusColumns(self._kind, self._key, self._longer, self._known, len(self._names)),
                extra={"adds_up": self._kind, "is_standing": True},
            )


def named(rows: Iterable[list[str]], names: Sequence[str], kind: str, key: str) -> Iterator[dict[str, str]]:
    """Yield each row as an event: its fields under `names`, those that it lacks left out, others as `column_N`.

    `kind` (a type of logs) and `key` (of the object) are for the WARNING about unknown columns.
    """
    columns = Columns(names, kind, key)
    known = len(names)
    for fields in rows:
        if len(fields) > known:
            names = columns.for_lines(1, _limit(fields))
        # Rows may be shorter or longer than the names; saying so takes a fifth of the time.
        yield dict(zip(names, fields))  # noqa: B905
    columns.warn()


def _limit(fields: list[str]) -> int:
    """Join the fields behind a number that no format reaches into one, and return how many are left."""
    if len(fields) > _MOST_COLUMNS:
        fields[_MOST_COLUMNS - 1 :] = [" ".join(fields[_MOST_COLUMNS - 1 :])]
    return len(fields)


def column_batches(
    blocks: Iterable[Iterable[list[str]]], names: Sequence[str], kind: str, key: str
) -> Iterator[dict[str, Sequence[str]]]:
    """Yield the rows as `named` does, in batches: a few rows of a block that follow each other and are as long."""
    columns = Columns(names, kind, key)
    known = len(names)
    for length, alike in chain.from_iterable(map(_alike, blocks)):
        if length > known:
            rows = list(alike)
            names, alike = columns.for_lines(len(rows), max(map(_limit, rows))), iter(rows)
        # Names and rows may be of different lengths: a name or field without counterpart is left out.
        yield dict(zip(names, zip(*alike)))  # noqa: B905
    columns.warn()


def _alike(rows: Iterable[list[str]]) -> Iterator[tuple[int, Iterator[list[str]]]]:
    """Yield rows that are as long, with their length."""
    rows = iter(rows)
    while several := list(islice(rows, _ROWS)):
        yield from groupby(several, len)


def batch_events(batch: ColumnBatch) -> Iterator[dict[str, str]]:
    """Yield the rows of a batch."""
    for row in zip(*batch.values(), strict=True):
        yield dict(zip(batch, row, strict=True))


def spaced_fields(line: str) -> list[str]:
    r"""Return the fields of a line that single spaces separate, without the quotes around them.

    Text inside quotes stays as it is, with its spaces and backslashes (`\"`, `\x22`). AWS does not
    say how it writes a quote inside quotes: one closes the field only if a space follows and the next
    quote opens a field. A field that is never closed is the rest of the line.
    """
    line = line.rstrip(" ")
    return regular_fields(line) or [quoted or plain for quoted, plain in _SPACED.findall(line)]


def comma_fields(record: str) -> list[str]:
    """Return the fields of a CSV record (RFC 4180): a quote inside quotes is written twice.

    A single quote inside quotes stays; a field that is never closed is the rest of the record.
    """
    return separated_fields(record, ",")


def separated_fields(record: str, delimiter: str) -> list[str]:
    """Return the fields of a record like those of CSV, with one of `,` `;` `|` or a tab between them."""
    regular = regular_fields(record, delimiter)
    return regular or [quoted.replace('""', '"') or plain for quoted, plain in _SEPARATED[delimiter].findall(record)]


def spaced_columns(lines: Sequence[str]) -> list[Sequence[str]] | None:
    """Return the fields of lines by column, as `spaced_fields` finds them; None if the lines are not alike.

    They are alike where their quotes all stand around whole fields, and they have as many fields. All of them are
    split at once: that takes a third of the time.
    """
    text = "\n".join(lines)
    if _HELD in text or "\r" in text or " \n" in text or text[-1:] in ("", " ") or text.count("\n") != len(lines) - 1:
        return None
    parts = text.split('"')
    if len(parts) > 1:
        outside = set(parts[2:-1:2]) - {" "}
        if len(parts) % 2 == 0 or parts[0][-1:] not in _AROUND or parts[-1][:1] not in _AROUND:
            return None
        if not all(part and part[0] in _AROUND and part[-1] in _AROUND for part in outside):
            return None
        parts[1::2] = [part.replace(" ", _HELD) for part in parts[1::2]]
        if parts[1::2] and "\n" in "".join(parts[1::2]):
            return None
        text = "".join(parts)
    columns = _columns(text.replace("\n", " \n ").split(" "), len(lines), "\n")
    return None if columns is None else list(map(_with_blanks, columns))


def blank_columns(lines: Sequence[str]) -> list[list[str]] | None:
    """Return the fields of lines by column, between blanks as `str.split` finds them; None if they are not as many."""
    text = "\n".join(lines)
    if not lines or _HELD in text:
        return None
    return _columns(text.replace("\n", f" {_HELD} ").split(), len(lines), _HELD)


def _columns(fields: list[str], lines: int, end: str) -> list[list[str]] | None:
    """Return the columns of fields of so many lines with `end` between them; None if these are not as long."""
    length = (len(fields) + 1) // lines
    if len(fields) + 1 != length * lines or fields[length - 1 :: length].count(end) != lines - 1:
        return None
    return [fields[at::length] for at in range(length - 1)]


_HELD = "\0"
"""Stands for a blank within quotes, or for a line's end, while the fields are split at blanks."""

_AROUND = (" ", "\n", "")
"""The characters around a quoted field; none at the ends of the text."""


def _with_blanks(column: Sequence[str]) -> Sequence[str]:
    text = "\n".join(column)
    return text.replace(_HELD, " ").split("\n") if _HELD in text else column


def percent_decoded(text: str) -> str:
    """Return the text with `%20` and the like replaced once; bytes that are not UTF-8 become U+FFFD."""
    return unquote(text, errors="replace")


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


def regular_fields(line: str, delimiter: str = " ") -> list[str] | None:
    """Return the fields of a line whose quotes all stand around whole fields; None for another."""
    fields: list[str] = []
    outside = True
    blanks = delimiter != " " and f"{delimiter} " in line
    for part in f"{delimiter}{line}{delimiter}".split('"'):
        if not outside:
            fields.append(part)
        elif part != delimiter:
            if blanks and part.endswith(" "):
                part = part.rstrip(" ")
            if part[:1] != delimiter or part[-1] != delimiter:
                return None
            if part != delimiter:
                fields += part[1:-1].split(delimiter)
        outside = not outside
    return None if outside else fields


def _irregular(mark: str, blank: str, closes: str, doubled: str) -> re.Pattern[str]:
    """Return what finds each field of any line, as its quoted or its plain text.

    No position is tried twice, so that a hostile line takes no longer than its length.
    """
    return re.compile(
        rf"""
        (?: \A | [{mark}] )                # a field begins the line, or follows a delimiter
        (?:
            {blank}"                       # a quoted field
            (
                [^"]*
                (?:
                    (?: {doubled} | "(?! {closes} ) )  # a quote that belongs to the text
                    [^"]*
                )*
            )
            (?: " | \Z )                   # its end, or that of the line if it is never closed
        |
            ( [^{mark}]* )                 # a plain field
        )
        """,
        re.VERBOSE,
    )


# `"GET /a "b" c" 200 "-"`: a quote closes if a blank follows and the next quote opens a field, or the line ends.
_SPACED = _irregular(" ", "", r'[ ][^"]*(?:(?<=[ ])"|\Z)|\Z', doubled="(?!)")
# `a,"b ""c"" d", "e"`: a quote closes if a delimiter follows or the record ends; two quotes stand for one.
_SEPARATED = {mark: _irregular(mark, "[ ]*", rf"[{mark}]|\Z", doubled='""') for mark in ",;\t|"}
