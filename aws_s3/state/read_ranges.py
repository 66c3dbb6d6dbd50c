"""Which events of a log stream were read, and which are still to be read: pure functions.

Times are milliseconds since 1970, UTC, as CloudWatch Logs has them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

LATE = 5 * 60 * 1000
"""How late an event may arrive behind the newest event that was read."""

_DAY = 24 * 60 * 60 * 1000
_TOKEN_LASTS = 20 * 60 * 60 * 1000
"""AWS's tokens expire after 24 hours."""


@dataclass(frozen=True)
class ReadInterval:
    """The events from `start` to `end`, both included, were read.

    Reading goes on a little before `end`, to find late events, but never before `complete_from`.
    """

    start: int
    end: int
    complete_from: int

    @property
    def read_on_from(self) -> int:
        """The time from which reading goes on; the state remembers each event from there on."""
        return max(self.complete_from, self.end - LATE)


@dataclass(frozen=True)
class TimeRange:
    """Events to read: from `start` on, and before `end` if it is given.

    `resend` includes events that were sent before. `token` is AWS's position to read on from.
    """

    start: int
    end: int | None = None
    resend: bool = False
    token: str | None = None


@dataclass(frozen=True)
class StreamCheckpoint:
    """The state of a stream.

    `has_events`: at least one event was sent. `token` is AWS's position behind all that was read of the
    range from `token_start` on. `read_at` is the start of the last run that read the stream to its end,
    `checked_by_time_at` of the last such run that read by time and not by token. `last_ingested` is the
    time of the stream's last ingestion, as AWS's listing gave it before that reading.

    If the stream was taken over from Wazuh's own module, `adopted_end` is the time of the newest event that
    the module read, `adopted_start` the time from which late events are looked for, and `adopted_ingested`
    when the first event at `adopted_end` came in, once that is known.
    """

    id: int
    intervals: tuple[ReadInterval, ...]
    has_events: bool = False
    token: str | None = None
    token_start: int = 0
    read_at: int = 0
    checked_by_time_at: int = 0
    last_ingested: int | None = None
    adopted_start: int | None = None
    adopted_end: int | None = None
    adopted_ingested: int | None = None

    def was_sent_by_wazuh(self, time: int, ingested: int) -> bool:
        """Tell whether Wazuh's own module has sent the event, as far as its time and ingestion time show.

        That module remembers only the time of its newest event. An event from before that time was sent if
        it came in no later than the newest; else it is late, and perhaps was never seen.
        """
        if self.adopted_start is None or self.adopted_end is None:
            return False
        if not self.adopted_start <= time <= self.adopted_end:
            return False
        return ingested <= (self.adopted_end if self.adopted_ingested is None else self.adopted_ingested)


@dataclass(frozen=True)
class ReadRequest:
    """The times that a run asks for. `now` is its start; `since` the start of the day of `--only_logs_after`."""

    now: int
    since: int | None = None
    reparse: bool = False

    @property
    def today(self) -> int:
        """The start of the UTC day on which the run began."""
        return self.now - self.now % _DAY

    @property
    def is_in_future(self) -> bool:
        """Tell whether no event can exist yet; the state does not remember a mistyped year."""
        return self.since is not None and self.since > self.now

    def first_start(self, group_read_at: int | None) -> int:
        """Return the start of a stream that was never read; `group_read_at` is its group's last complete read."""
        if self.since is not None:
            return self.since
        return self.today if group_read_at is None else group_read_at - LATE


def unread_ranges(intervals: Sequence[ReadInterval], request: ReadRequest) -> list[TimeRange]:
    """Return the ranges to read of a stream of which `intervals` were read, in the order of time.

    The first range begins at the end of the last interval; with `since`, at the first unread time from
    there on. With `reparse`, everything from `since` on, or from today on, is read again.
    """
    start = intervals[-1].read_on_from if request.since is None else request.since
    ranges = list(_gaps(intervals, start))
    if not request.reparse:
        return ranges
    resend_from = request.today if request.since is None else request.since
    before = [replace(gap, end=min(resend_from, gap.end or resend_from)) for gap in ranges if gap.start < resend_from]
    return [*before, TimeRange(resend_from, resend=True)]


def _gaps(intervals: Sequence[ReadInterval], start: int) -> Iterator[TimeRange]:
    for interval in intervals:
        if start < interval.start:
            yield TimeRange(start, interval.start)
        start = max(start, interval.read_on_from)
    yield TimeRange(start)


def prefer_token(
    ranges: Sequence[TimeRange], checkpoint: StreamCheckpoint, last_ingested: int | None, now: int
) -> Sequence[TimeRange]:
    """Return the ranges, by token if only the stream's end is asked for and no event can lie before the token.

    By token one request shows that nothing is new; by time it takes two. Late events lie before the
    token's position. So events there must be too old by now to arrive, and AWS must list no ingestion
    since then. The listing alone does not suffice, because it lags behind.
    """
    end = checkpoint.intervals[-1]
    if len(ranges) != 1 or ranges[0] != TimeRange(end.read_on_from) or not checkpoint.token:
        return ranges
    is_settled = checkpoint.checked_by_time_at > end.end + LATE and checkpoint.last_ingested == last_ingested
    if not is_settled or now - checkpoint.checked_by_time_at > _TOKEN_LASTS:
        return ranges
    return [TimeRange(checkpoint.token_start, token=checkpoint.token)]


def merge(intervals: Sequence[ReadInterval], new: ReadInterval) -> tuple[ReadInterval, ...]:
    """Return the intervals with `new` added, in order; intervals that overlap or touch become one."""
    apart = [each for each in intervals if each.end + 1 < new.start or new.end + 1 < each.start]
    joined = [new, *(each for each in intervals if each not in apart)]
    last = max(joined, key=lambda each: (each.end, each.complete_from))
    whole = ReadInterval(min(each.start for each in joined), last.end, last.complete_from)
    return tuple(sorted([*apart, whole], key=lambda each: each.start))
