"""One limit on requests or bytes a second, for all threads together."""

import threading
import time


class RateLimiter:
    """Lets threads take no more than `rate` units a second together: requests, or bytes.

    `credit` is in seconds: after a pause, that many seconds' units may be taken at once.
    """

    def __init__(self, rate: float, credit: float = 0.0) -> None:
        self._seconds = 1 / rate
        self._credit = credit
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self, units: int = 1) -> None:
        """Return when it is the turn of the next `units`."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now - self._credit)
            self._next = turn + units * self._seconds
        if turn > now:
            time.sleep(turn - now)
