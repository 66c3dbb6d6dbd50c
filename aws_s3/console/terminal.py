"""The lines on the terminal: their levels and form, and the repeated lines that level 0 holds back."""

import logging
import os
import re
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from typing import Any

from aws_s3.console.daily_warnings import DailyWarnings
from aws_s3.console.line_format import LineFormat, TextFormat, shortened
from aws_s3.pipeline.levels import DEBUG_2, DEBUG_3
from aws_s3.pipeline.sinks import writable
from aws_s3.pipeline.stats import counted
from aws_s3.secrets_mask import Secrets

STDOUT = 1
STDERR = 2

_PATIENCE = 2.0
_EXAMPLE = 120
_THRESHOLDS = (logging.WARNING, logging.DEBUG, DEBUG_2, DEBUG_3)
_ARGUMENT = re.compile(r"%[sd]")

Kind = tuple[str, type | None]


class NonBlockingWriter:
    """Writes lines to a descriptor without ever stopping the program.

    If it is closed or its reader is gone, lines are lost. If it is full, the writer waits for it once,
    `patience` seconds, and from then on loses lines until somebody reads again.
    """

    def __init__(self, descriptor: int, patience: float = _PATIENCE) -> None:
        self._descriptor = descriptor
        self._patience = patience
        self._wait = patience
        self._unwritten = b""
        self.lost = 0

    def write(self, line: str) -> None:
        """Write the line, or lose it."""
        with suppress(OSError):
            self._write_on()
            if self._unwritten:
                self.lost += 1
                return
            self._unwritten = f"{line}\n".encode("utf-8", "backslashreplace")
            self._write_on()

    def _write_on(self) -> None:
        """Write the rest of the begun line as far as that needs no waiting: it is ended before the next line."""
        while self._unwritten and self._is_ready():
            written = os.write(self._descriptor, self._unwritten[: select.PIPE_BUF])
            self._unwritten = self._unwritten[written:]

    def _is_ready(self) -> bool:
        ready = writable(self._descriptor, self._wait)
        self._wait = self._patience if ready else 0
        return ready


class ConsoleHandler(logging.Handler):
    """Writes log records as lines. At level 0 each kind of line is written once, and counted.

    `make_room` is called before each line: a progress bar may be on screen; it is drawn under the same lock.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = NonBlockingWriter(STDOUT)
        self._debug = 0
        self._deduplicate = True
        self._format: LineFormat = TextFormat()
        self._daily: DailyWarnings | None = None
        self._secrets = Secrets()
        self._counts: dict[Kind, int] = {}
        self._first: dict[Kind, str] = {}
        self._add_up = True
        self._sums: dict[str, logging.LogRecord] = {}
        self.make_room: Callable[[], None] = lambda: None

    def attach(
        self,
        lines: NonBlockingWriter,
        debug: int,
        *,
        deduplicate: bool = True,
        add_up: bool = True,
        line_format: LineFormat | None = None,
        daily: DailyWarnings | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        """Write the lines of all the program's loggers to `lines` from now on, and none of the libraries'.

        `deduplicate` writes each kind of line once at level 0. `add_up` writes lines that are parts of a sum at the
        end, as one. `daily`, if given, decides whether a WARNING
        that says the same in each run is written. `secrets` masks lines and tracebacks.
        """
        self._lines = lines
        self._debug = debug
        self._format = line_format or TextFormat()
        self._daily = daily
        self._secrets = secrets or self._secrets
        self._deduplicate = deduplicate and debug == 0
        self._add_up = add_up
        logger = logging.getLogger("aws_s3")
        logger.handlers = [self]
        logger.setLevel(_THRESHOLDS[debug])
        logger.propagate = False
        # Without any handler, logging writes the libraries' warnings to stderr.
        root = logging.getLogger()
        root.handlers = root.handlers or [logging.NullHandler()]

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as one line; its traceback follows, indented, at debug 2 and above."""
        if self._add_up and getattr(record, "adds_up", False):
            self._take_part(record)
            return
        kind = _kind(record)
        self._first.setdefault(kind, record.getMessage())
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._deduplicate and self._counts[kind] > 1:
            return
        if self._is_due(record):
            self._write(record)

    def _take_part(self, record: logging.LogRecord) -> None:
        """Add the record's argument, which has `plus`, to those of the same wording about the same."""
        part: Any = record.args
        about = f"{record.msg} {record.__dict__['adds_up']}"
        if about in self._sums:
            total: Any = self._sums[about].args
            self._sums[about].args = (total[0].plus(part[0]),)
        else:
            self._sums[about] = record

    def _is_due(self, record: logging.LogRecord) -> bool:
        return not (self._daily and getattr(record, "is_standing", False)) or self._daily.is_due(str(record.msg))

    def announce(self, text: str) -> None:
        """Write an INFO line at any level of detail."""
        self.acquire()
        try:
            self._write(_record(logging.INFO, text))
        finally:
            self.release()

    def _write(self, record: logging.LogRecord) -> None:
        self.make_room()
        traceback: list[str] = []
        if record.exc_info and self._debug >= 2:
            traceback = logging.Formatter().formatException(record.exc_info).splitlines()
        mask = self._secrets.mask
        for line in self._format.lines(_masked(record, self._secrets), [mask(line) for line in traceback]):
            self._lines.write(line)

    def finish(self) -> None:
        """Write the sums, and how many lines were held back or lost."""
        for record in self._sums.values():
            if self._is_due(record):
                self._write(record)
        self._sums.clear()
        for kind, count in list(self._counts.items()):
            if self._deduplicate and count > 1:
                like = self._example(kind)
                self._write(
                    _record(logging.WARNING, f'{counted(count - 1, "more line")} like "{like}": --debug 1 shows them.')
                )
        if self._lines.lost:
            self._write(_record(logging.WARNING, f"Nobody read {counted(self._lines.lost, 'line')}: lost."))

    def _example(self, kind: Kind) -> str:
        """Return the wording of the lines, or the beginning of the first one where an error is all the wording."""
        wording, _ = kind
        return shortened(self._first[kind], _EXAMPLE) if wording.startswith("%s") else _ARGUMENT.sub("…", wording)


def _record(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, level, "", 0, "%s", (text,), None)


def _masked(record: logging.LogRecord, secrets: Secrets) -> logging.LogRecord:
    """Return the record without secrets in its text and its key."""
    masked = copy(record)
    masked.msg, masked.args = "%s", (secrets.mask(record.getMessage()),)
    if key := getattr(record, "key", ""):
        masked.key = secrets.mask(key)
    return masked


def _kind(record: logging.LogRecord) -> Kind:
    """Return the wording, or the class of the error: lines of one kind say the same about different things."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    error = next((type(argument) for argument in arguments if isinstance(argument, BaseException)), None)
    return (str(record.msg), error)


def is_stdin_closed() -> bool:
    """Tell whether this process was started with stdin closed, as Wazuh's daemon does."""
    return sys.stdin is None


def open_standard_streams() -> None:
    """Open each of stdin, stdout and stderr that is closed, so that no other file gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(descriptor)
