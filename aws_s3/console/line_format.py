"""How a log record becomes lines on the console: text, text with time stamps, or JSON."""

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

_CONTROLS = (*range(32), *range(127, 160))
_BREAKS_AND_DIRECTIONS = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\x{code:02x}" for code in _CONTROLS}
_ESCAPES |= {code: f"\\u{code:04x}" for code in _BREAKS_AND_DIRECTIONS}


def printable(text: str) -> str:
    """Return `text` with control, line-break and direction characters escaped: no key can forge a line."""
    return text.translate(_ESCAPES)


def shortened(text: str, longest: int) -> str:
    """Return the text in at most `longest` characters, without its middle if it is longer."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[1 - half :]}"


class TextFormat:
    """`LEVEL: message`, with the traceback in indented lines below it."""

    def lines(self, record: logging.LogRecord, traceback: Sequence[str]) -> Iterator[str]:
        """Yield the lines of the record."""
        yield f"{self._stamp(record)}{level_name(record)}: {printable(record.getMessage())}"
        yield from (f"  {printable(line)}" for line in traceback)

    def _stamp(self, record: logging.LogRecord) -> str:
        del record
        return ""


class StampedFormat(TextFormat):
    """TextFormat, preceded by the time in UTC: `2026-11-27T03:04:05Z INFO: message`."""

    def _stamp(self, record: logging.LogRecord) -> str:
        return f"{_utc(record):%Y-%m-%dT%H:%M:%SZ} "


class JsonFormat:
    """One JSON object a line: time (ISO, UTC), level, message, source, and key if the line is about an object.

    `source` names the source of the run, empty before it is known. The key is that of `levels.about`.
    """

    def __init__(self, source: str = "") -> None:
        self._source = source

    def lines(self, record: logging.LogRecord, traceback: Sequence[str]) -> Iterator[str]:
        """Yield the line of the record."""
        entry = {
            "time": _utc(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": level_name(record),
            "message": record.getMessage(),
            "source": self._source,
        }
        if key := getattr(record, "key", ""):
            entry["key"] = key
        if traceback:
            entry["traceback"] = "\n".join(traceback)
        yield json.dumps(entry)


LineFormat = TextFormat | JsonFormat


def level_name(record: logging.LogRecord) -> str:
    """Return the name of the record's level; all levels below INFO are called DEBUG."""
    return record.levelname if record.levelno >= logging.INFO else "DEBUG"


def _utc(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, timezone.utc)
