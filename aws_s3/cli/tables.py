"""Reports on stdout: what was asked for, and no line of a log."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from aws_s3.cli.terminal import STDOUT

_SHOWN = 20


def write(text: str) -> None:
    """Write the text and a newline; a reader that has gone is nobody's failure."""
    report = f"{text}\n".encode("utf-8", "backslashreplace")
    with suppress(OSError):
        while report:
            report = report[os.write(STDOUT, report) :]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield aligned lines, of many rows the first."""
    shown = [head, *rows[:_SHOWN]]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        yield f"    {'  '.join(value.ljust(width) for value, width in zip(row, widths, strict=True))}".rstrip()
    if len(rows) > _SHOWN:
        yield f"    … and {len(rows) - _SHOWN} more: --json shows all"


def shortened(text: str, longest: int) -> str:
    """Return the text in at most `longest` characters, without its middle if it is longer."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[1 - half :]}"
