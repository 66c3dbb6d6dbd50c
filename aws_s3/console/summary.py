"""The line that sums up what a run collected from its source."""

import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone

from aws_s3.console.prices import priced
from aws_s3.pipeline.stats import RunStats, counted
from aws_s3.settings import BucketJob, CollectJob, ServiceJob, ServiceName

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def source_name(job: CollectJob) -> str:
    """Return the name of the job's source, as lines and summaries have it: `acme-logs/path (cloudtrail)`."""
    if isinstance(job, BucketJob):
        place = f"{job.source.bucket}/{job.source.path}".rstrip("/")
        return f"{place} ({job.source.type})"
    if isinstance(job, ServiceJob):
        return f"{','.join(job.log_groups)} ({job.name})" if job.log_groups else job.name
    return f"{job.queue} ({job.type or job.name})"


_EVERY = 3600.0
"""Seconds between two lines of a run that goes on for ever."""


class RunSummary:
    """Sums up a run from its beginning, which is when this is made."""

    def __init__(self, job: CollectJob, stats: RunStats, clock: Callable[[], float] = time.monotonic) -> None:
        self._job = job
        self._stats = stats
        self._clock = clock
        self._began = self._told = clock()

    def tell_hourly(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with the summary so far if an hour has passed since the beginning, or the last time."""
        if (now := self._clock()) - self._told >= _EVERY:
            self._told = now
            tell(self.text(0))

    def text(self, exit_code: int) -> str:
        """Return `acme-logs (cloudtrail): 20 objects, 100 events, 4 kB in 1.7 s, newest 2026-11-26`, and failures."""
        return f"{source_name(self._job)}: {', '.join(self._parts(exit_code))}"

    def _parts(self, exit_code: int) -> Iterator[str]:
        stats, took = self._stats, _duration(self._clock() - self._began)
        if stats.objects or stats.events:
            objects = counted(stats.objects, self._noun())
            size = f", {_size(stats.bytes)}" if stats.bytes else ""
            yield f"{objects}, {counted(stats.events, 'event')}{size} in {took}"
        else:
            older = f" ({about_older(stats.older)})" if stats.older else ""
            yield f"nothing {'collected' if exit_code else 'new'} in {took}{older}"
        if stats.newest is not None:
            yield f"newest {_moment(stats.newest, self._job)}"
        if requests := priced(stats.requests.by_kind()):
            yield requests
        for count, text in (
            (stats.failed, "could not be read"),
            (stats.malformed, "malformed"),
            (stats.held, "left to another run"),
        ):
            if count:
                yield f"{count} {text}"
        if stats.dropped:
            yield f"{stats.dropped} dropped by Wazuh"
        if stats.waiting.seconds >= 1:
            yield f"waited {_duration(stats.waiting.seconds)} for Wazuh"
        if exit_code:
            yield f"exit code {exit_code}"

    def _noun(self) -> str:
        if not isinstance(self._job, ServiceJob):
            return "object"
        return "log stream" if self._job.name == ServiceName.CLOUDWATCH_LOGS else "region"


def about_older(day: date) -> str:
    """Return why a source gives nothing whose objects are all too old, and the next step; one is of this day."""
    since = f"{day:%Y-%b-%d}".upper()
    return f"all objects are older than the first day to collect; --only_logs_after {since} collects one of them"


def _size(number: float) -> str:
    """Return bytes with the unit that leaves at most three digits before the point."""
    unit = 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if number >= 10 or unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _moment(seconds: float, job: CollectJob) -> str:
    """Return the UTC day of a bucket's newest object, else the UTC time of the newest event."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%d}" if isinstance(job, BucketJob) else f"{moment:%Y-%m-%d %H:%M}Z"
