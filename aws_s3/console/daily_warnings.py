"""Warnings that say the same in each run: under Wazuh's daemon they are written once a day for a source."""

import contextlib
import json
import os
from datetime import date
from pathlib import Path

from aws_s3.wazuh.home import read_bytes

_NAME = "aws-s3.warnings"
_KEPT_DAYS = 30


class DailyWarnings:
    """Remembers in a small file of the state's folder on which UTC day each warning was written last.

    A file that cannot be read or written only has the effect that warnings come again.
    """

    def __init__(self, folder: Path, source: str, today: date) -> None:
        self._path = folder / _NAME
        self._source = source
        self._today = today

    def is_due(self, wording: str) -> bool:
        """Tell whether the warning was not written today yet, and remember that it is now."""
        written = self._read()
        name, today = f"{self._source}: {wording}", self._today.isoformat()
        if written.get(name) == today:
            return False
        oldest = date.fromordinal(self._today.toordinal() - _KEPT_DAYS).isoformat()
        self._write({**{name: day for name, day in written.items() if day >= oldest}, name: today})
        return True

    def _read(self) -> dict[str, str]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(read_bytes(self._path))
            if isinstance(found, dict):
                return {name: day for name, day in found.items() if isinstance(day, str)}
        return {}

    def _write(self, written: dict[str, str]) -> None:
        new = self._path.with_name(f"{_NAME}.{os.getpid()}.new")
        with contextlib.suppress(OSError):
            with new.open("x", encoding="utf-8") as file:
                json.dump(written, file)
            new.chmod(0o660)
            new.replace(self._path)
