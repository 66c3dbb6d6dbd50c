"""One record of a file: an event, or the report that it is broken."""

from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class BadRecord:
    """One record of an object that is broken while the others are not.

    Without skip_on_error it breaks the object; with it, `event` is sent as it is, or nothing.
    """

    reason: str
    event: Event | None = None
