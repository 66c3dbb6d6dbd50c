"""The progress bar on stderr, which is a terminal. Needs tqdm, an optional extra: without it there is none."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Any

from aws_s3.console.terminal import STDERR, ConsoleHandler
from aws_s3.pipeline.sinks import writable
from aws_s3.pipeline.stats import RunStats
from aws_s3.wazuh.extras import needs

log = logging.getLogger(__name__)

_INTERVAL = 0.1
"""Seconds between two drawings."""

_FORMAT = "{n_fmt}/{total_fmt} objects{postfix} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left, {rate_noinv_fmt}"
_FORMAT_WITHOUT_TOTAL = "{n_fmt} log streams or regions{postfix}, {elapsed}"


@contextmanager
def shown_progress(stats: RunStats, terminal: ConsoleHandler) -> Iterator[None]:
    """Show on stderr how far the run is, beside the lines of `terminal`, until the block ends."""
    try:
        from tqdm.std import tqdm
    except ImportError as error:
        log.info("%s", needs("The progress bar", "tqdm", error))
        yield
        return
    # No thread of its own: processes are forked later.
    tqdm.monitor_interval = 0
    tqdm.set_lock(RLock())
    bar = _Bar(tqdm, stats, terminal)
    stats.observers.append(bar.update)
    terminal.make_room = bar.clear
    try:
        yield
    finally:
        bar.close()


class _Bar:
    """Draws the tally now and then, with the terminal's lock held, from the first thing there is to show."""

    def __init__(self, tqdm: Any, stats: RunStats, terminal: ConsoleHandler) -> None:
        self._tqdm = tqdm
        self._stats = stats
        self._terminal = terminal
        self._began = time.time()
        self._next = 0.0
        self._meter: Any = None
        self._is_drawn = False

    def update(self) -> None:
        """Draw, unless it was drawn a moment ago."""
        if time.monotonic() >= self._next:
            with self._locked():
                self._draw()
            self._next = time.monotonic() + _INTERVAL

    def clear(self) -> None:
        """Make room for a line; the caller holds the lock."""
        if self._is_drawn:
            self._meter.clear(nolock=True)
            self._is_drawn = False

    def close(self) -> None:
        """Leave the last state on a line of its own, if there was any."""
        if self._meter is not None:
            with self._locked():
                self._set()
                self._meter.n = self._stats.objects
                self._meter.close()
                self._is_drawn = False

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._terminal.acquire()
        try:
            yield
        finally:
            self._terminal.release()

    def _draw(self) -> None:
        if self._meter is None:
            self._meter = self._tqdm(
                file=_Screen(), dynamic_ncols=True, unit=" objects", mininterval=0, miniters=1, delay=1e-9
            )
            self._meter.start_t = self._meter.last_print_t = self._began
        self._set()
        self._meter.update(self._stats.objects - self._meter.n)
        self._is_drawn = True

    def _set(self) -> None:
        self._meter.total = self._stats.listed or None
        self._meter.bar_format = _FORMAT if self._stats.listed else _FORMAT_WITHOUT_TOTAL
        waited = self._stats.waiting.seconds
        wait = f", waited {waited:.0f} s for Wazuh" if waited >= 1 else ""
        self._meter.set_postfix_str(f"{self._stats.events} events{wait}", refresh=False)


class _Screen:
    """Stderr, a terminal, written to without waiting: a terminal that is stopped stops no run."""

    encoding = getattr(sys.stderr, "encoding", "ascii")

    def write(self, text: str) -> None:
        """Write the text, or lose it."""
        with suppress(OSError):
            if writable(STDERR, 0):
                os.write(STDERR, text.encode(self.encoding, "replace"))

    def flush(self) -> None:
        """Do nothing: what was written has left."""

    def fileno(self) -> int:
        """Return the descriptor, of which the width is asked."""
        return STDERR
