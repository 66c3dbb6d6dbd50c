"""SIGINT and SIGTERM: the process ends soon, after recording the accepted events."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from aws_s3.errors import TERMINATED, Interrupted

_EXIT_CODES = {signal.SIGINT: 2, signal.SIGTERM: TERMINATED}


class StopRequest:
    """A signal's request to stop. Outside `deferred` the first signal raises Interrupted at once.

    Later signals are ignored, so that work which the first signal caused, such as recording, is not cut short.
    """

    def __init__(self) -> None:
        self._request: Interrupted | None = None
        self._shields = 0

    def install(self) -> None:
        """Handle SIGINT and SIGTERM from now on, and ignore SIGHUP. Only the main thread may call this."""
        for number in _EXIT_CODES:
            signal.signal(number, self._handle)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # Signals that came before are delivered now; a parent may have blocked them, too.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _EXIT_CODES)

    def end(self) -> None:
        """Ignore signals from now on: the run is over, and Python is about to end."""
        self._shields += 1
        for number in _EXIT_CODES:
            # Python restores the default handlers before it ends: a signal would then kill the process.
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

    @property
    def is_set(self) -> bool:
        """Tell whether a signal has asked to stop."""
        return self._request is not None

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
