"""Asking a manager of Wazuh 4.x how full its queue is: its analysis engine answers on a stream socket.

One connection for each request. Request and answer are JSON, each preceded by its length in bytes: four
bytes, little endian.
"""

import json
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_s3.wazuh.state_file import EventQueue

_REQUEST = b'{"command":"getstats"}'
_LENGTH = struct.Struct("<I")
_SECONDS = 1.0
_LARGEST = 16 << 20


@dataclass(frozen=True)
class Analysis:
    """A manager's answer. `dropped`: events of AWS that it dropped since it started; None if it does not tell."""

    queue: EventQueue
    dropped: int | None

    @classmethod
    def ask(cls, path: Path) -> "Analysis | None":
        """Ask the manager; None if none answers within a second."""
        with suppress(OSError, ValueError, struct.error, RecursionError):
            return cls.of(json.loads(_answer(path)))
        return None

    @classmethod
    def of(cls, answer: Any) -> "Analysis | None":
        """Return the answer's figures; None if it lacks the fill level of the queue."""
        metrics = _at(answer, "data", "metrics")
        size, usage = (_number(_at(metrics, "queues", "others", name)) for name in ("size", "usage"))
        queue = EventQueue.of(size, usage)
        if queue is None:
            return None
        dropped = _number(_at(metrics, "events", "received_breakdown", "dropped_breakdown", "modules_breakdown", "aws"))
        return cls(queue, None if dropped is None else int(dropped))


def _answer(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(str(path))
        connection.sendall(_LENGTH.pack(len(_REQUEST)) + _REQUEST)
        with connection.makefile("rb") as stream:
            [length] = _LENGTH.unpack(stream.read(_LENGTH.size))
            return stream.read(min(length, _LARGEST))


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < float("inf") else None
