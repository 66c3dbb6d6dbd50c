"""Which events are sent, and how large they may be: the same rules, counts and log lines for every source."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aws_s3.pipeline.stats import EventCounts
from aws_s3.settings import DiscardRule

log = logging.getLogger(__name__)

E = TypeVar("E")


def discards(rule: DiscardRule, event: dict[str, Any]) -> bool:
    """Tell whether the rule's regex matches the start of the field's value in the parsed event.

    The field is a path of names joined with dots and goes through lists at any level: one matching
    element is enough. Numbers and booleans are matched as their JSON text.
    """
    return any(matches(rule.regex, text) for text in _texts(event, rule.field.split(".")))


def matches(regex: re.Pattern[str], text: str) -> bool:
    """Tell whether `regex` matches the start of `text`."""
    return regex.match(text) is not None


@dataclass(frozen=True)
class EventRules:
    """Applies `discard`, the user's rule, and `limit`, the largest encoded event in bytes. `counts` counts both."""

    discard: DiscardRule | None = None
    limit: int | None = None
    counts: EventCounts = field(default_factory=EventCounts)

    def keeps(self, event: E, discards: Callable[[DiscardRule, E], bool]) -> bool:
        """Tell whether the event is sent; `discards` applies the user's rule to an event of its kind."""
        if self.discard is None or not discards(self.discard, event):
            return True
        self.counts.discarded += 1
        log.debug(
            'The "%s" regex found a match in the "%s" field. The event will be skipped.',
            self.discard.regex.pattern,
            self.discard.field,
        )
        return False

    def fits(self, encoded: bytes) -> bool:
        """Tell whether the encoded event is no larger than the limit."""
        return self.limit is None or len(encoded) <= self.limit

    def fit(self, encoded: bytes, origin: str, shrink: Callable[[int], bytes]) -> bytes:
        """Return the encoded event, or where it is too large the event that `shrink` makes for the limit.

        `origin` names in the WARNING where the event came from.
        """
        if self.limit is None or len(encoded) <= self.limit:
            return encoded
        self.counts.truncated += 1
        log.warning("An event of %s has %d bytes and is truncated to %d", origin, len(encoded), self.limit)
        return shrink(self.limit)


def _texts(value: Any, path: list[str]) -> Iterator[str]:
    if isinstance(value, list):
        for element in value:
            yield from _texts(element, path)
    elif path:
        if isinstance(value, dict) and path[0] in value:
            yield from _texts(value[path[0]], path[1:])
    elif isinstance(value, str):
        yield value
    elif isinstance(value, (bool, int, float)):
        yield json.dumps(value)
