"""Which events are sent, and how large they may be: the same rules, counts and log lines for every source."""

import atexit
import json
import logging
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
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


class _TooLong(Exception):
    """An evaluation of the user's rule takes too long."""


class RuleTimer:
    """Ends an evaluation of the user's rule that takes over a second of processor time, two at most.

    The pattern is the operator's, but the value is anybody's, and matching can take exponential time. `re` looks
    at signals while it matches, so one timer of the process suffices: it ticks once a second of processor time,
    never while the process waits. A tick ends the evaluation that ran at the tick before, too.

    It is used in the main thread, where alone signals are handled, and in one process: a timer is not inherited.
    """

    def __init__(self) -> None:
        self._evaluation = 0
        self._at_last_tick = 0
        self._is_running = False
        self._is_started = False

    def evaluate(self, discards: Callable[[DiscardRule, E], bool], rule: DiscardRule, event: E) -> bool | None:
        """Return what `discards` returns for the rule and the event; None if it takes too long."""
        if not self._is_started:
            self._start()
        self._evaluation += 1
        try:
            self._is_running = True
            try:
                return discards(rule, event)
            finally:
                self._is_running = False
        except _TooLong:
            return None

    def _start(self) -> None:
        self._is_started = True
        signal.signal(signal.SIGVTALRM, self._tick)
        signal.siginterrupt(signal.SIGVTALRM, False)  # noqa: FBT003 - it takes no keyword
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGVTALRM})
        signal.setitimer(signal.ITIMER_VIRTUAL, 1, 1)
        # At its end Python restores the signal's default action, which is to kill the process.
        atexit.register(signal.setitimer, signal.ITIMER_VIRTUAL, 0)

    def _tick(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._is_running and self._at_last_tick == self._evaluation:
            raise _TooLong
        self._at_last_tick = self._evaluation if self._is_running else 0


@dataclass(frozen=True)
class EventRules:
    """Applies `discard`, the user's rule, and `limit`, the largest encoded event in bytes. `counts` counts both."""

    discard: DiscardRule | None = None
    limit: int | None = None
    counts: EventCounts = field(default_factory=EventCounts)
    timer: RuleTimer = field(default_factory=RuleTimer)

    def keeps(self, event: E, discards: Callable[[DiscardRule, E], bool]) -> bool:
        """Tell whether the event is sent; `discards` applies the user's rule to an event of its kind.

        An event on which the rule takes too long is sent, with a WARNING. Only the main thread may call this.
        """
        if self.discard is None:
            return True
        is_discarded = self.timer.evaluate(discards, self.discard, event)
        if is_discarded is None:
            log.warning(
                'The "%s" regex ran for over a second on one event: the event is sent. '
                "Rewrite the regex without a repetition inside a repetition.",
                self.discard.regex.pattern,
            )
        if not is_discarded:
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
