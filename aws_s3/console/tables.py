"""Reports on stdout, for the actions that print a result instead of log lines."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from aws_s3.console.terminal import STDOUT
from aws_s3.secrets_mask import Secrets

_SHOWN = 20


def print_report(text: str, secrets: Secrets | None = None) -> None:
    """Write the text and a newline, without the `secrets` (None: those of the environment).

    A closed stdout (`| head`) is ignored.
    """
    masked = (secrets or Secrets.of_environment(os.environ)).mask(text)
    report = f"{masked}\n".encode("utf-8", "backslashreplace")
    with suppress(OSError):
        while report:
            report = report[os.write(STDOUT, report) :]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield an aligned table, limited to the first 20 rows."""
    shown = [head, *rows[:_SHOWN]]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        yield f"    {'  '.join(value.ljust(width) for value, width in zip(row, widths, strict=True))}".rstrip()
    if len(rows) > _SHOWN:
        yield f"    … and {len(rows) - _SHOWN} more: --json shows all"
