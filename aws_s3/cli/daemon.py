"""Runs again and again, on the schedules of ossec.conf, until SIGTERM."""

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Protocol

from aws_s3.config.ossec_conf import Block, Wodle
from aws_s3.config.schedule import Schedule
from aws_s3.errors import TERMINATED, CollectorError, Interrupted

log = logging.getLogger(__name__)

_SLICE = timedelta(seconds=30)
"""The longest wait before the clock is read again: it may be set, or the system suspended, meanwhile."""

_STEP = timedelta(minutes=1)
"""Tolerance: larger differences mean that the clock was set back or the run is late."""

_NOW = timedelta()
_WAKING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Clock(Protocol):
    """The time, and how it passes."""

    def now(self) -> datetime:
        """Return the time in UTC."""

    def wait(self, longest: timedelta) -> bool:
        """Wait so long; return True at once if the file must be read again."""


class SystemClock:
    """The system's clock. SIGHUP asks to read the file again, even if it came while nobody waited."""

    def __init__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
        # A blocked signal whose disposition is SIG_IGN may be discarded; reset it to SIG_DFL.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(timezone.utc)

    def wait(self, longest: timedelta) -> bool:
        """Wait so long, or until a signal; SIGINT and SIGTERM go to their handlers."""
        # Blocked signals cannot arrive between the last check and the wait.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAKING)
        try:
            received = signal.sigtimedwait(_WAKING, longest.total_seconds())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if received and received.si_signo != signal.SIGHUP:
            signal.raise_signal(received.si_signo)
        return received is not None


@dataclass
class _Turn:
    """Blocks that run together on one schedule: when their last run began, and when the next is due.

    `words` tells the turn of one block from others when the file is read again; empty for the file's schedule.
    """

    schedule: Schedule
    blocks: tuple[Block, ...]
    words: tuple[str, ...]
    last: datetime
    due: datetime

    def plan(self, zone: tzinfo | None) -> None:
        """Let the next run begin after the last one, on the schedule."""
        self.due = self.schedule.after(self.last, zone)


class Daemon:
    """Runs the file that `read` gives, each block on its own schedule or the file's. Runs never overlap.

    A run that takes longer than its interval is followed by the next at once. `read` raises
    CollectorError for a file that cannot be run: at the start this ends the daemon, later the previous
    configuration stays in force. `zone` is where the schedule is local, None for the system's.
    """

    def __init__(
        self,
        read: Callable[[], Wodle],
        run: Callable[[Wodle, Sequence[Block]], int],
        clock: Clock,
        zone: tzinfo | None = None,
    ) -> None:
        self._read = read
        self._run = run
        self._clock = clock
        self._zone = zone
        self._turns: list[_Turn] = []

    def run(self) -> int:
        """Run until SIGTERM, or until the file disables it; return the exit code, 0."""
        try:
            self._wodle = self._read()
            self._turns = self._new_turns()
            while not self._wodle.disabled:
                self._wait()
        except Interrupted as request:
            if request.exit_code != TERMINATED:
                raise
            log.info("%s", request)
        return 0

    def _new_turns(self) -> list[_Turn]:
        """Return the turns of the file as it was read last; those that it had before go on from their last runs."""
        now, before = self._clock.now(), {turn.words: turn for turn in self._turns}
        turns = []
        for schedule, blocks, words in _by_schedule(self._wodle):
            known = before.get(words)
            turn = _Turn(schedule, blocks, words, known.last if known else now, known.due if known else now)
            if known.due > now if known else not self._wodle.run_on_start:
                turn.plan(self._zone)
            turns.append(turn)
        return turns

    def _wait(self) -> None:
        """Wait for the first of these: the time to run, a request to read the file again, or a look at the clock."""
        now = self._clock.now()
        for turn in self._turns:
            if turn.last - now > _STEP:
                shown = (_shown(now), _shown(turn.last))
                log.warning("The clock was set back: it is %s, and the last run began at %s", *shown)
                turn.last = now
                turn.plan(self._zone)
        if self._clock.wait(min(max(self._next_due() - now, _NOW), _SLICE)):
            self._read_again()
            return
        now = self._clock.now()
        if ready := [turn for turn in self._turns if turn.due <= now]:
            self._run_now(ready, now)

    def _run_now(self, turns: Sequence[_Turn], now: datetime) -> None:
        """Run the turns in the order of the file, and plan their next runs."""
        for turn in turns:
            # From when it was due, else each run would begin a little later than the last.
            turn.last = now if now - turn.due > _STEP else turn.due
        due_now = [block for block in self._wodle.blocks if any(block in turn.blocks for turn in turns)]
        self._run(self._wodle, due_now)
        now = self._clock.now()
        for turn in turns:
            turn.plan(self._zone)
            if turn.due <= now:
                log.warning("The run of %s took longer than its interval: the next begins at once", _shown(turn.last))
                turn.due = now
        log.info("The next run begins at %s", _shown(self._next_due()))

    def _read_again(self) -> None:
        try:
            self._wodle = self._read()
        except CollectorError as error:
            log.error("%s Keeping the previous configuration.", error)
            return
        self._turns = self._new_turns()
        log.info("The configuration was read again; the next run begins at %s", _shown(self._next_due()))

    def _next_due(self) -> datetime:
        return min(turn.due for turn in self._turns)


def _by_schedule(wodle: Wodle) -> Iterator[tuple[Schedule, tuple[Block, ...], tuple[str, ...]]]:
    """Yield the file's schedule with its blocks, then each other block with its own, and its words."""
    shared = tuple(block for block in wodle.blocks if block.schedule is None)
    if shared or not wodle.blocks:
        yield wodle.schedule, shared, ()
    yield from ((block.schedule, (block,), block.words) for block in wodle.blocks if block.schedule is not None)


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %z}"
