"""Reports on stdout: what was asked for, and no line of a log."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from aws_s3.terminal import STDOUT

_SHOWN = 20
_LONGEST = 72


def write(text: str) -> None:
    """Write the text and a newline; a reader that has gone is nobody's failure."""
    report = f"{text}\n".encode("utf-8", "backslashreplace")
    with suppress(OSError):
        while report:
            report = report[os.write(STDOUT, report) :]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield aligned lines, long values shortened in their middle, and of many rows the first."""
    shown = [head, *([_shortened(value) for value in row] for row in rows[:_SHOWN])]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        yield f"    {'  '.join(value.ljust(width) for value, width in zip(row, widths, strict=True))}".rstrip()
    if len(rows) > _SHOWN:
        yield f"    … and {len(rows) - _SHOWN} more: --json shows all"


def _shortened(value: str) -> str:
    half = _LONGEST // 2
    return value if len(value) <= _LONGEST else f"{value[:half]}…{value[1 - half :]}"
