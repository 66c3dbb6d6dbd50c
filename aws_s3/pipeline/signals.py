"""SIGINT and SIGTERM: the process ends soon, with what was accepted recorded (SPEC 10)."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from aws_s3.errors import Interrupted

_EXIT_CODES = {signal.SIGINT: 2, signal.SIGTERM: 143}


class StopRequest:
    """Whether a signal asked to stop. Outside `deferred` the first signal raises Interrupted at once.

    Signals after it change nothing: what the first one set off, such as recording, is not cut short.
    """

    def __init__(self) -> None:
        self._request: Interrupted | None = None
        self._shields = 0

    def install(self) -> None:
        """Handle the signals from now on; only the main thread may. A terminal that goes away ends nothing."""
        for number in _EXIT_CODES:
            signal.signal(number, self._handle)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # Those that came before are taken now; a parent may have held them back, too.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _EXIT_CODES)

    def end(self) -> None:
        """Let no signal do anything from now on: the run is over, and Python is about to end."""
        self._shields += 1
        for number in _EXIT_CODES:
            # Python gives our handlers up before it ends, and then a signal would kill it.
            signal.signal(number, signal.SIG_IGN)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Hold a request back until the block ends, or calls `check`."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if not self._shields:
            self.check()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a request raise Interrupted at once within the block, although `deferred` is around it."""
        shields, self._shields = self._shields, 0
        try:
            self.check()
            yield
        finally:
            self._shields = shields

    def wait(self, seconds: float) -> None:
        """Sleep; a signal that asks to stop raises Interrupted at once, also within `deferred`."""
        with self.interruptible():
            time.sleep(seconds)

    def check(self) -> None:
        """Raise Interrupted when a signal has asked to stop."""
        if self._request is not None:
            raise self._request

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._request is None:
            received = signal.Signals(number)
            self._request = Interrupted(received.name, _EXIT_CODES[received])
            if not self._shields:
                raise self._request
