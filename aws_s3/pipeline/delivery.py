"""Handing encoded events to the receiver: the one place through which every source sends.

Events go out in parts. Before each part the delivery asks a `Pacer` how much the receiver has room for;
signals interrupt that wait. The part itself is sent while signals are held back, so that the count of
accepted events is exact when something ends the run.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from aws_s3.errors import LimitReached
from aws_s3.pipeline.levels import DEBUG_3
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import Sink
from aws_s3.pipeline.stats import RunStats

log = logging.getLogger(__name__)


class Pacer(Protocol):
    """Decides how fast a receiver is sent events."""

    def permit(self, events: Sequence[bytes]) -> AbstractContextManager[int]:
        """Wait until the receiver has room; give how many of the events, from the first on, may be sent now.

        The number is at least 1; `events` are those of one part. The context is left when they were
        sent, or when sending failed, so that a pacer may hold a lock meanwhile. A pacer waits with
        `StopRequest.wait`, which raises Interrupted.
        """


class Unpaced:
    """Permits everything at once: the receiver takes all that it is sent, or makes the sender wait."""

    def permit(self, events: Sequence[bytes]) -> AbstractContextManager[int]:
        """Permit all of the events."""
        return nullcontext(len(events))


class Limited:
    """Permits as much as another pacer, until `limit` events were permitted: then it raises LimitReached."""

    def __init__(self, pacer: Pacer, limit: int) -> None:
        self._pacer = pacer
        self._limit = limit
        self._left = limit

    @contextmanager
    def permit(self, events: Sequence[bytes]) -> Iterator[int]:
        """Permit some of the events."""
        if not self._left:
            raise LimitReached(self._limit)
        with self._pacer.permit(events[: self._left]) as count:
            self._left -= count
            yield count


def limited(pacer: Pacer, limit: int | None) -> Pacer:
    """Return the pacer, with a limit of events if there is any."""
    return pacer if limit is None else Limited(pacer, limit)


_EVENTS_A_PART = 1000
"""Events sent before a signal that asks to stop is looked at again, a fast receiver provided: a few milliseconds."""


def _no_record(accepted: int) -> None:
    """Leave the record to the caller."""


@dataclass
class Delivery:
    """Sends encoded events to the sink. `accepted` counts every event that the sink accepted so far.

    A part has at most `events_a_part` events, and no more than the pacer permits of them.
    """

    sink: Sink
    stop_request: StopRequest
    stats: RunStats
    pacer: Pacer = field(default_factory=Unpaced)
    events_a_part: int = _EVENTS_A_PART
    accepted: int = 0

    @property
    def receiver(self) -> str:
        """The name of the receiver in log lines."""
        return self.sink.receiver

    @property
    def limit(self) -> int | None:
        """The largest encoded event in bytes; None without limit."""
        return self.sink.limit

    def send(self, events: Sequence[bytes], record: Callable[[int], None] = _no_record) -> None:
        """Send the events in order.

        `record` gets the number of events accepted since the call began: after each part, also after one
        that failed midway, and before any signal can end the run. Raises SinkConnectError or
        SinkSendError for the first event that was not accepted, Interrupted when a signal asked to stop.
        """
        first = self.accepted
        while (accepted := self.accepted - first) < len(events):
            part = events[accepted : accepted + self.events_a_part]
            with self.pacer.permit(part) as count, self.stop_request.deferred(), self.stats.sending:
                try:
                    self._send_part(part[:count])
                finally:
                    record(self.accepted - first)

    def _send_part(self, part: Sequence[bytes]) -> None:
        before = self.sink.accepted
        try:
            self.sink.send_all(part)
        finally:
            accepted = self.sink.accepted - before
            self.accepted += accepted
            self.stats.events += accepted
            if log.isEnabledFor(DEBUG_3):
                for event in part[:accepted]:
                    log.log(DEBUG_3, "%s", event.decode("utf-8", "replace"))
