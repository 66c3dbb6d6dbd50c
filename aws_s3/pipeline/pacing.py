"""Sending no faster than Wazuh takes events: its agents and managers drop everything that they have no room for.

`pacing` gives the pacer of a run. The facts about receivers, and the arithmetic, are in `aws_s3.wazuh`.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import accumulate

from aws_s3.errors import SinkConnectError
from aws_s3.pipeline.delivery import Pacer, Unpaced
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.stats import RunStats, counted
from aws_s3.settings import Output
from aws_s3.wazuh.budget import OVERLAP
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.ledger import Entries, Ledger, LedgerBusyError
from aws_s3.wazuh.receivers import FixedRate, Grant, Receiver, Request, Wait, recognise

log = logging.getLogger(__name__)

_PATIENCE = 300.0
"""Seconds for which a receiver that nothing leaves is waited for; then the run ends."""

_LONG_WAIT = 300.0
_SHORTEST_PAUSE = 0.01
_LONGEST_PAUSE = 0.5
_GROWTH = 1.3
_BUSY = Wait(0.05, "another run draws from its room")
_LONGEST_BUSY = 10.0
_LEAST_DROPPED = 2
"""Events: an agent's figures are not of quite the same moment, so that one alone means nothing."""


@contextmanager
def pacing(output: Output, max_events: int | None, stop_request: StopRequest, stats: RunStats) -> Iterator[Pacer]:
    """Give the pacer for an output until the block ends; then report how many events the receiver dropped.

    `max_events`: how many events a second at most, 0 for no limit; None for as many as the receiver has room
    for. Nothing that goes to a file, stdout, or a socket outside of a Wazuh home waits, but for a socket
    with `max_events`.
    """
    home = WazuhHome.of_socket(output.path) if output.kind == "unix" and output.path else None
    if max_events == 0 or output.kind != "unix" or (home is None and max_events is None):
        yield Unpaced()
        return

    def find() -> Receiver | None:
        return recognise(home) if home and max_events is None else FixedRate(max_events or 1)

    # Where no socket is, sending fails and says so: the line about the receiver would hide it.
    pacer = WazuhPacer(find, Ledger(home), stop_request, stats, has_socket=lambda: home is None or home.events.exists())
    try:
        yield pacer
    finally:
        pacer.finish()


class WazuhPacer:
    """Permits no more than the receiver has room for, all runs before it together.

    `find` says which receiver there is, when there is something to send; it may be unknown, and then
    everything is permitted. After `patience` seconds in which nothing leaves the receiver, such as an agent
    without connection, `permit` raises SinkConnectError. `has_socket` tells whether there is anything to warn of.
    """

    def __init__(
        self,
        find: Callable[[], Receiver | None],
        ledger: Ledger,
        stop_request: StopRequest,
        stats: RunStats,
        patience: float = _PATIENCE,
        has_socket: Callable[[], bool] = lambda: True,
    ) -> None:
        self._find = find
        self._has_socket = has_socket
        self._ledger = ledger
        self._stop_request = stop_request
        self._stats = stats
        self._patience = patience
        self._run = f"{os.getpid()}-{time.time_ns()}"
        self._is_found = False
        self._receiver: Receiver | None = None
        self._dropped_before: float | None = None
        self._reserve = 0.0
        self._reserved_until = 0.0
        self._late = 0.0

    def permit(self, events: Sequence[bytes]) -> AbstractContextManager[int]:
        """Wait until there is room; give for how many of the events, from the first on: at least 1."""
        if not self._is_found:
            self._recognise()
        return nullcontext(len(events)) if self._receiver is None else self._permit(self._receiver, events)

    def finish(self) -> None:
        """Tell how many events the receiver dropped during this run, and note for how long the run waited."""
        if self._receiver is not None:
            self._tell_dropped(self._receiver)
            self._note_wait()
        self._ledger.close()

    def _recognise(self) -> None:
        self._is_found = True
        self._receiver = self._find()
        if self._receiver is None:
            if self._has_socket():
                self._warn_once()
            return
        log.info("Behind the socket is %s; the pace is set by %s", self._receiver.name, self._receiver.limits)
        self._dropped_before = self._receiver.dropped()

    @contextmanager
    def _permit(self, receiver: Receiver, events: Sequence[bytes]) -> Iterator[int]:
        weights = list(accumulate(map(receiver.weigh, events)))
        if self._reserve < weights[0] or time.monotonic() >= self._reserved_until:
            self._reserve = self._room(receiver, Request(self._run, weights[0], weights[-1]))
        count = sum(weight <= self._reserve for weight in weights)
        amount = weights[count - 1]
        self._reserve -= amount
        began = time.monotonic()
        try:
            yield count
        finally:
            # A part that took long was counted too early: the receiver may have told figures before it came.
            self._late = amount if time.monotonic() - began > OVERLAP / 2 else 0.0

    def _room(self, receiver: Receiver, request: Request) -> float:
        """Wait until the receiver has room for the first event at least, and return for how much."""
        wait = _Waiting(self._patience)
        while True:
            answer = self._ask(receiver, request)
            if isinstance(answer, Grant):
                self._reserved_until = time.monotonic() + answer.seconds
                return answer.amount
            if answer is _BUSY and wait.seconds > _LONGEST_BUSY:
                self._ledger.keep_own("another run holds its lock")
            with self._stats.waiting:
                self._stop_request.wait(wait.pause(receiver, answer))
            self._stats.notify()

    def _ask(self, receiver: Receiver, request: Request) -> Grant | Wait:
        def ask(entries: Entries) -> Grant | Wait:
            book, now = entries.book(receiver.name), time.monotonic()
            if self._late:
                book.draw(self._late, now)
                self._late = 0.0
            return receiver.ask(book, request.of(self._ledger.share), now)

        try:
            return self._ledger.update(ask)
        except LedgerBusyError:
            return _BUSY

    def _warn_once(self) -> None:
        def is_new(entries: Entries) -> bool:
            was_warned, entries.is_warned = entries.is_warned, True
            return not was_warned

        if self._updated(is_new):
            log.warning(
                "It is not known what is behind Wazuh's socket, because its home holds neither a manager nor an agent. "
                "Events are sent as fast as possible; a receiver that is slower drops them. Set a limit with --max-eps."
            )

    def _tell_dropped(self, receiver: Receiver) -> None:
        before, now = self._dropped_before, receiver.dropped()
        dropped = 0 if before is None or now is None else int(now - before)
        if dropped >= _LEAST_DROPPED:
            self._stats.dropped = dropped
            log.warning(
                "Wazuh dropped at least %s during this run: %s received more than it has room for. "
                "Other programs send there, too. Set a lower pace with --max-eps.",
                counted(dropped, "event"),
                receiver.name,
            )

    def _note_wait(self) -> None:
        def note(entries: Entries) -> None:
            entries.last_wait = self._stats.waiting.seconds
            entries.waited += entries.last_wait
            entries.ended = time.time()

        self._updated(note)

    def _updated(self, change: Callable[[Entries], bool | None]) -> bool | None:
        """Change values that do not matter for the room; skipped while another run holds the ledger."""
        try:
            return self._ledger.update(change)
        except LedgerBusyError:
            return None


class _Waiting:
    """One wait for room: how long so far, and how long for nothing at all to leave the receiver."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._began = time.monotonic()
        self._away_since: float | None = None
        self._pauses = 0
        self._told = ""
        self._is_warned = False

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self._began

    def pause(self, receiver: Receiver, answer: Wait) -> float:
        """Return for how many seconds to wait now. Raises SinkConnectError when it lasted too long."""
        self._count_absence(receiver, answer)
        if answer.is_away and answer.reason != self._told:
            log.info("Waiting for %s: %s", receiver.name, answer.reason)
            self._told = answer.reason
        if self.seconds > _LONG_WAIT and not answer.is_away and not self._is_warned:
            log.warning(
                "Wazuh has had no room for events for 5 minutes: there is %s, and %s", receiver.name, answer.reason
            )
            self._is_warned = True
        self._pauses += 1
        grown = max(answer.seconds, _SHORTEST_PAUSE) * _GROWTH ** min(self._pauses - 1, 20)
        return min(grown, _LONGEST_PAUSE)

    def _count_absence(self, receiver: Receiver, answer: Wait) -> None:
        now = time.monotonic()
        if not answer.is_away:
            self._away_since = None
            return
        self._away_since = now if self._away_since is None else self._away_since
        if now - self._away_since >= self._patience:
            raise SinkConnectError(
                f"Wazuh took no events for {self._patience:.0f} s: there is {receiver.name}, and {answer.reason}. "
                "Everything that was sent is recorded, and the next run goes on. See ossec.log for the reason."
            )
