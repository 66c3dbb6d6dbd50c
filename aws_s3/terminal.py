"""The lines on the terminal: levels, wording, and what level 0 holds back (SPEC 14)."""

import logging
import os
from contextlib import suppress
from typing import TextIO

from aws_s3.levels import DEBUG_2, DEBUG_3

_THRESHOLDS = (logging.WARNING, logging.DEBUG, DEBUG_2, DEBUG_3)
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_ESCAPES |= {code: f"\\u{code:04x}" for code in (0x2028, 0x2029)}
_STDERR = 2

Kind = tuple[str, type | None]


class Terminal(logging.Handler):
    """Writes `LEVEL: message` lines. At level 0 each kind of line is written once, and counted.

    A stream that is closed or gone never stops the program: the lines are lost, nothing else.
    """

    def __init__(self, stream: TextIO | None, debug: int) -> None:
        super().__init__(_THRESHOLDS[debug])
        self._stream = stream
        self._debug = debug
        self._counts: dict[Kind, int] = {}

    def install(self) -> None:
        """Write the lines of all the program's loggers from now on."""
        logger = logging.getLogger("aws_s3")
        logger.handlers = [self]
        logger.setLevel(self.level)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as one line; its traceback follows at debug 2 and above."""
        kind = _kind(record)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._debug or self._counts[kind] == 1:
            level = record.levelname if record.levelno >= logging.INFO else "DEBUG"
            self._write(f"{level}: {printable(record.getMessage())}")
            if record.exc_info and self._debug >= 2:
                self._write(logging.Formatter().formatException(record.exc_info))

    def finish(self) -> None:
        """Say how many lines were held back, and leave nothing unwritten."""
        for (text, error), count in self._counts.items():
            if not self._debug and count > 1:
                name = error.__name__ if error else text.split("%")[0].strip()
                self._write(f"WARNING: {count - 1} more like the above were held back: {name}")
        self._close_if_gone()

    def _write(self, line: str) -> None:
        with suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.write(line + "\n")
                self._stream.flush()

    def _close_if_gone(self) -> None:
        """Keep the interpreter from complaining, at its end, about lines that nobody reads."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())  # type: ignore[union-attr]


def printable(text: str) -> str:
    """Return `text` with its control characters escaped: no key can forge a line."""
    return text.translate(_ESCAPES).encode("utf-8", "backslashreplace").decode()


def _kind(record: logging.LogRecord) -> Kind:
    arguments = record.args if isinstance(record.args, tuple) else ()
    error = next((type(argument) for argument in arguments if isinstance(argument, Exception)), None)
    return (str(record.msg), error)


def open_standard_streams() -> None:
    """Open what of stdin, stdout and stderr is closed, so that no other file gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)
