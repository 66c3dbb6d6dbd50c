"""Runs again and again, on the schedule of ossec.conf, until SIGTERM (SPEC 13)."""

import logging
import signal
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Protocol

from aws_s3.config.ossec_conf import Wodle
from aws_s3.errors import CollectorError, Interrupted

log = logging.getLogger(__name__)

_TERMINATED = 143
_SLICE = timedelta(seconds=30)
"""The longest wait: then the clock is looked at again, which may have been set, or have gone on in a suspend."""

_STEP = timedelta(minutes=1)
"""From here on a clock has been set back, or a run begins late, and not just about in time."""

_NOW = timedelta()
_WAKING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Clock(Protocol):
    """The time, and how it passes."""

    def now(self) -> datetime:
        """Return what the clock shows, in UTC."""

    def wait(self, longest: timedelta) -> bool:
        """Wait so long; return at once, and True, when the file is to be read again."""


class SystemClock:
    """The system's clock; SIGHUP asks to read the file again, also one that came while nobody waited."""

    def __init__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
        # What is ignored may be lost, also while it is blocked.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def now(self) -> datetime:
        """Return what the clock shows, in UTC."""
        return datetime.now(timezone.utc)

    def wait(self, longest: timedelta) -> bool:
        """Wait so long, or until a signal; those that ask to stop go to their handlers."""
        # Blocked, none can come between the last look for it and the wait.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAKING)
        try:
            received = signal.sigtimedwait(_WAKING, longest.total_seconds())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if received and received.si_signo != signal.SIGHUP:
            signal.raise_signal(received.si_signo)
        return received is not None


class Daemon:
    """Runs what `load` reads. A run that takes longer than its interval is followed by the next at once.

    `load` raises CollectorError for a file that cannot be run: at the start this ends the daemon, later
    what was read before stays in force. `zone` is where the schedule is local, None for the system's.
    """

    def __init__(
        self, load: Callable[[], Wodle], run: Callable[[Wodle], int], clock: Clock, zone: tzinfo | None = None
    ) -> None:
        self._load = load
        self._run = run
        self._clock = clock
        self._zone = zone

    def run(self) -> int:
        """Run until SIGTERM, or until the file disables it; return the exit code, 0."""
        try:
            self._wodle = self._load()
            self._last = self._clock.now()
            self._due = self._last if self._wodle.run_on_start else self._next()
            while not self._wodle.disabled:
                self._wait()
        except Interrupted as request:
            if request.exit_code != _TERMINATED:
                raise
            log.info("%s", request)
        return 0

    def _next(self) -> datetime:
        return self._wodle.schedule.after(self._last, self._zone)

    def _wait(self) -> None:
        """Wait for what comes first: the time to run, a request to read the file again, or a look at the clock."""
        now = self._clock.now()
        if self._last - now > _STEP:
            log.warning(
                "The clock was set back: it is %s, and the last run began at %s", _shown(now), _shown(self._last)
            )
            self._last = now
            self._due = self._next()
        if self._clock.wait(min(max(self._due - now, _NOW), _SLICE)):
            self._read_again()
        elif self._clock.now() >= self._due:
            self._run_now()

    def _run_now(self) -> None:
        now = self._clock.now()
        # From when it was due, else each run would begin a little later than the last.
        self._last = now if now - self._due > _STEP else self._due
        self._run(self._wodle)
        self._due = self._next()
        now = self._clock.now()
        if self._due <= now:
            log.warning("The run of %s took longer than its interval: the next begins at once", _shown(self._last))
            self._due = now
        else:
            log.info("The next run begins at %s", _shown(self._due))

    def _read_again(self) -> None:
        try:
            self._wodle = self._load()
        except CollectorError as error:
            log.error("%s What was read before stays in force.", error)
            return
        if self._due > self._clock.now():
            self._due = self._next()
        log.info("The configuration was read again; the next run begins at %s", _shown(self._due))


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %z}"
