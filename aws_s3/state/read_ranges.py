"""What of a log stream was read and what is still to be: the functions that decide it (SPEC 11).

Times are milliseconds since 1970, UTC, as CloudWatch Logs has them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

LATE = 5 * 60 * 1000
"""How late an event may arrive behind the newest one that was read."""

_DAY = 24 * 60 * 60 * 1000
_TOKEN_LASTS = 20 * 60 * 60 * 1000
"""AWS's tokens expire after 24 hours."""


@dataclass(frozen=True)
class ReadInterval:
    """The events from `start` to `end`, both included, were read.

    Reading goes on a little before `end`, for what arrived late, but not before `settled`.
    """

    start: int
    end: int
    settled: int

    @property
    def resume(self) -> int:
        """Where reading goes on behind the span; what was read from there on is remembered event by event."""
        return max(self.settled, self.end - LATE)


@dataclass(frozen=True)
class TimeRange:
    """Events to read: from `start` on, and before `end` if there is one.

    `again`: those that were sent before, too. With `token`, what AWS has behind the position that it
    stands for.
    """

    start: int
    end: int | None = None
    again: bool = False
    token: str | None = None


@dataclass(frozen=True)
class StreamCheckpoint:
    """What the state knows of a stream.

    `token` stands for the end of what was read of the range from `token_start` on. `read` is when a run
    began that read it to its end, `looked` when one did so by time rather than by token; `ingested` is
    when, by AWS's listing before that, an event last came in.
    """

    id: int
    spans: tuple[ReadInterval, ...]
    read_any: bool = False
    token: str | None = None
    token_start: int = 0
    read: int = 0
    looked: int = 0
    ingested: int | None = None


@dataclass(frozen=True)
class ReadRequest:
    """What a run asks for. `now` is when it began; `since` the start of the day of `--only_logs_after`."""

    now: int
    since: int | None = None
    reparse: bool = False

    @property
    def today(self) -> int:
        """The start of the UTC day on which the run began."""
        return self.now - self.now % _DAY

    @property
    def is_in_future(self) -> bool:
        """Tell whether nothing can be there yet; a mistyped year is not remembered."""
        return self.since is not None and self.since > self.now

    def first_start(self, group_read: int | None) -> int:
        """Return where a stream begins that was never read; `group_read` is when its group last was."""
        if self.since is not None:
            return self.since
        return self.today if group_read is None else group_read - LATE


def unread_ranges(spans: Sequence[ReadInterval], asked: ReadRequest) -> list[TimeRange]:
    """Return what is to be read of a stream of which `spans` were read, in the order of time.

    From the end of what was read; with `since`, whatever is not read yet from there on. With
    `reparse`, everything from `since` on, else from today on.
    """
    behind = spans[-1].resume if asked.since is None else asked.since
    ranges = list(_gaps(spans, behind))
    if not asked.reparse:
        return ranges
    start = asked.today if asked.since is None else asked.since
    before = [replace(gap, end=min(start, gap.end or start)) for gap in ranges if gap.start < start]
    return [*before, TimeRange(start, again=True)]


def _gaps(spans: Sequence[ReadInterval], start: int) -> Iterator[TimeRange]:
    for span in spans:
        if start < span.start:
            yield TimeRange(start, span.start)
        start = max(start, span.resume)
    yield TimeRange(start)


def prefer_token(
    ranges: Sequence[TimeRange], known: StreamCheckpoint, ingested: int | None, now: int
) -> Sequence[TimeRange]:
    """Return the ranges, by token where only the stream's end is asked for and nothing can be before it.

    One request then tells that nothing is new, instead of two. What arrives late is before the
    token's position: it must be too old by now to still arrive, and AWS must know of nothing that came in
    since, though that alone would not do: what AWS tells of a stream lags behind.
    """
    if len(ranges) != 1 or ranges[0] != TimeRange(known.spans[-1].resume) or not known.token:
        return ranges
    settled = known.looked > known.spans[-1].end + LATE and known.ingested == ingested
    if not settled or now - known.looked > _TOKEN_LASTS:
        return ranges
    return [TimeRange(known.token_start, token=known.token)]


def merge(spans: Sequence[ReadInterval], new: ReadInterval) -> tuple[ReadInterval, ...]:
    """Return the spans with `new` among them, those that overlap or touch made one; in order."""
    apart = [span for span in spans if span.end + 1 < new.start or new.end + 1 < span.start]
    joined = [new, *(span for span in spans if span not in apart)]
    last = max(joined, key=lambda span: (span.end, span.settled))
    whole = ReadInterval(min(span.start for span in joined), last.end, last.settled)
    return tuple(sorted([*apart, whole], key=lambda span: span.start))
