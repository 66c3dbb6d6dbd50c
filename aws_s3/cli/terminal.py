"""The lines on the terminal: levels, wording, and what level 0 holds back (SPEC 14)."""

import logging
import os
import re
import select
from collections.abc import Callable
from contextlib import suppress

from aws_s3.pipeline.levels import DEBUG_2, DEBUG_3
from aws_s3.pipeline.sinks import writable

STDOUT = 1
STDERR = 2

_PATIENCE = 2.0
_THRESHOLDS = (logging.WARNING, logging.DEBUG, DEBUG_2, DEBUG_3)
_CONTROLS = (*range(32), *range(127, 160))
_BREAKS_AND_DIRECTIONS = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\x{code:02x}" for code in _CONTROLS}
_ESCAPES |= {code: f"\\u{code:04x}" for code in _BREAKS_AND_DIRECTIONS}
_ARGUMENT = re.compile(r"%[sd]")

Kind = tuple[str, type | None]


class NonBlockingWriter:
    """A descriptor that lines are written to without ever stopping the program.

    Where it is closed or its reader is gone, lines are lost. Where it is full, it is waited for once,
    `patience` seconds, and from then on lines are lost until it was read from.
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
        """Write what there is, as far as that needs no waiting: a begun line is ended before the next."""
        while self._unwritten and self._is_ready():
            written = os.write(self._descriptor, self._unwritten[: select.PIPE_BUF])
            self._unwritten = self._unwritten[written:]

    def _is_ready(self) -> bool:
        ready = writable(self._descriptor, self._wait)
        self._wait = self._patience if ready else 0
        return ready


class ConsoleHandler(logging.Handler):
    """Writes `LEVEL: message` lines. At level 0 each kind of line is written once, and counted.

    `make_room` is called before each line: something else may be on the screen, drawn with the lock held.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = NonBlockingWriter(STDOUT)
        self._debug = 0
        self._every = False
        self._counts: dict[Kind, int] = {}
        self.make_room: Callable[[], None] = lambda: None

    def attach(self, lines: NonBlockingWriter, debug: int, *, every: bool = False) -> None:
        """Write what all the program's loggers say to `lines` from now on, and nothing of the libraries'.

        `every`: hold no line back, as is right for the few that many runs share.
        """
        self._lines = lines
        self._debug = debug
        self._every = every or debug > 0
        logger = logging.getLogger("aws_s3")
        logger.handlers = [self]
        logger.setLevel(_THRESHOLDS[debug])
        logger.propagate = False
        # Without any handler, logging writes the libraries' warnings to stderr.
        root = logging.getLogger()
        root.handlers = root.handlers or [logging.NullHandler()]

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as one line; its traceback follows, indented, at debug 2 and above."""
        kind = _kind(record)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if not self._every and self._counts[kind] > 1:
            return
        self.make_room()
        level = record.levelname if record.levelno >= logging.INFO else "DEBUG"
        self._lines.write(f"{level}: {printable(record.getMessage())}")
        if record.exc_info and self._debug >= 2:
            for line in logging.Formatter().formatException(record.exc_info).splitlines():
                self._lines.write(f"  {printable(line)}")

    def finish(self) -> None:
        """Say how many lines were held back or lost."""
        for (text, error), count in list(self._counts.items()):
            if not self._every and count > 1:
                text = _ARGUMENT.sub("…", text.replace("%s", error.__name__, 1) if error else text)
                self._lines.write(f'WARNING: {count - 1} more lines like "{text}": --debug 1 shows them.')
        if self._lines.lost:
            self._lines.write(f"WARNING: Lines that were lost because nobody read them: {self._lines.lost}")


def printable(text: str) -> str:
    """Return `text` with control, line-break and direction characters escaped: no key can forge a line."""
    return text.translate(_ESCAPES)


def _kind(record: logging.LogRecord) -> Kind:
    """Return what lines have in common that say the same of different things: wording, or class of error."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    error = next((type(argument) for argument in arguments if isinstance(argument, BaseException)), None)
    return (str(record.msg), error)


def open_standard_streams() -> None:
    """Open what of stdin, stdout and stderr is closed, so that no other file gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(descriptor)
