"""The state files of Wazuh's daemons: lines of `name='value'`, written anew every few seconds."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(r"^(\w+)='([^'\n]*)'$", re.MULTILINE)
_LARGEST = 1 << 20


@dataclass(frozen=True)
class StateFile:
    """One writing of a state file. `identity` differs between two writings; `written` is in seconds since 1970."""

    values: dict[str, str]
    identity: str
    written: float

    @classmethod
    def read(cls, path: Path) -> "StateFile | None":
        """Return the file's values; None if it cannot be read."""
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                text = (file.read(_LARGEST) or b"").decode(errors="replace")
                found = os.fstat(descriptor)
            identity = f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
            return cls(dict(_LINE.findall(text)), identity, found.st_mtime)
        return None

    def number(self, name: str) -> float | None:
        """Return a value that is a number of 0 or more; None where it is empty, missing or something else."""
        with suppress(KeyError, ValueError):
            value = float(self.values[name])
            return value if 0 <= value < float("inf") else None
        return None


@dataclass(frozen=True)
class AgentState:
    """Figures of an agent. `held`: events that wait in its buffer; None where the agent does not tell.

    `unaccounted`: events that came, were not sent and do not wait: the agent dropped them. None where the
    agent does not tell.
    """

    is_connected: bool
    held: float | None
    received: float | None
    unaccounted: float | None

    @classmethod
    def of(cls, file: StateFile) -> "AgentState | None":
        """Return the figures; None for a file that is only half written."""
        if "status" not in file.values or "msg_buffer" not in file.values:
            return None
        held, received, sent = (file.number(name) for name in ("msg_buffer", "msg_count", "msg_sent"))
        known = held is not None and received is not None and sent is not None
        unaccounted = received - sent - held if known else None  # type: ignore[operator]
        return cls(file.values["status"] == "connected", held, received, unaccounted)


@dataclass(frozen=True)
class EventQueue:
    """A manager's queue of events: how many it holds at most, and the part of it that is in use (0 to 1)."""

    size: float
    usage: float

    @property
    def free(self) -> float:
        """How many more events it has room for."""
        return self.size * (1 - self.usage)

    @classmethod
    def of(cls, size: float | None, usage: float | None) -> "EventQueue | None":
        """Return the queue of these figures; None where they make no sense."""
        if size is None or usage is None or not 1 <= size < 1e12 or not 0 <= usage <= 1:
            return None
        return cls(size, usage)
