"""One record of a file: an event, a line of text, or the report that it is broken."""

from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]


class TextLine(Event):
    """The event of a line of plain text, as `full_log`."""

    def __init__(self, line: str) -> None:
        super().__init__(full_log=line, source="custom")


@dataclass(frozen=True)
class BadRecord:
    """One record of an object that is broken while the others are not.

    Without skip_on_error it breaks the object; with it, `event` is sent as it is, or nothing.
    """

    reason: str
    event: Event | None = None


def set_source(event: Event, source: str) -> None:
    """Give the event a `source`, which is always a string; what it had as another value goes to `source_value`."""
    own = event.get("source")
    if own is not None and not isinstance(own, str):
        event["source_value"] = own
    event["source"] = source
