"""One limit on requests or bytes a second, for all threads together."""

import threading
import time

_SLOWEST = 1.0
_GROWTH = 0.98
"""With each unit taken, a rate that was halved grows by so much: 35 units undo one halving."""


class RateLimiter:
    """Lets threads take no more than `rate` units a second together: requests, or bytes.

    `credit` is in seconds: after a pause, that many seconds' units may be taken at once. After `slow_down` the rate
    is half of what it was, one a second at least, and grows back with each wait.
    """

    def __init__(self, rate: float, credit: float = 0.0) -> None:
        self._seconds = self._usual_seconds = 1 / rate
        self._credit = credit
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self, units: int = 1) -> None:
        """Return when it is the turn of the next `units`."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now - self._credit)
            self._next = turn + units * self._seconds
            self._seconds = max(self._usual_seconds, self._seconds * _GROWTH)
        if turn > now:
            time.sleep(turn - now)

    def slow_down(self) -> None:
        """Halve the rate: more was asked for than is allowed."""
        with self._lock:
            self._seconds = max(self._usual_seconds, min(2 * self._seconds, _SLOWEST))

    @property
    def rate(self) -> float:
        """The units a second that are let through now."""
        return 1 / self._seconds
