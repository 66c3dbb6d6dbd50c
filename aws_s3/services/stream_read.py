"""One log stream in one run, as a state machine. It does no I/O.

                 ┌─ token expired ─┐
                 v                 │
    ─────────> READ ───────────────┘
                 │ last page
                 ├── streams stay, or nothing of this stream was ever accepted ──> DONE
                 v
              RECHECK <─┐ last page with new events, or token expired
                 │ │    │
                 │ └────┘
                 v last page without new events
              DELETE ──> DONE

A stream that is gone, or whose requests fail, ends in every state. RECHECK exists because events may come
in while the stream is read: only a stream that showed nothing new right before is deleted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import NamedTuple

from aws_s3.services.log_group_api import LogEvent, LogStream, Page
from aws_s3.state.log_streams import EventFingerprint
from aws_s3.state.read_ranges import (
    ReadInterval,
    ReadRequest,
    StreamCheckpoint,
    TimeRange,
    merge,
    prefer_token,
    unread_ranges,
)

_DAY = 24 * 60 * 60 * 1000


class Phase(Enum):
    """The states of the diagram."""

    READ = auto()
    RECHECK = auto()
    DELETE = auto()
    DONE = auto()


class ClassifiedEvent(NamedTuple):
    """An event, its number among equal events of the stream, and whether it is new and to be sent."""

    event: LogEvent
    number: int
    is_new: bool


@dataclass
class StreamRead:
    """One pass over a stream's unread ranges, in phase READ or RECHECK. Times are milliseconds since 1970.

    `intervals` are the intervals that the state records as read, this pass included. `found` counts the new
    events of the pass. `newest` is the time of the newest event so far, and `at_newest` counts the events of
    that time: only these can be on the next page too. `resent` counts the events of time `newest` that
    `--reparse` sent again before the token expired.
    """

    stream: LogStream
    checkpoint: StreamCheckpoint
    request: ReadRequest
    ranges: Sequence[TimeRange]
    intervals: tuple[ReadInterval, ...]
    phase: Phase = Phase.READ
    found: int = 0
    newest: int = 0
    at_newest: dict[LogEvent, int] = field(default_factory=dict)
    resent: Mapping[LogEvent, int] = field(default_factory=dict)

    @classmethod
    def first(cls, stream: LogStream, checkpoint: StreamCheckpoint, request: ReadRequest) -> "StreamRead":
        """Return the first pass of the run."""
        unread = unread_ranges(checkpoint.intervals, request)
        ranges = prefer_token(unread, checkpoint, stream.ingested, request.now)
        return cls(stream, checkpoint, request, ranges, checkpoint.intervals)

    @property
    def is_dormant(self) -> bool:
        """Tell whether AWS lists nothing to read, and has listed nothing for a day."""
        unchanged = self.checkpoint.read_at > 0 and self.checkpoint.last_ingested == self.stream.ingested
        nothing = len(self.ranges) == 1 and (unchanged or self.stream.quiet_since < self.ranges[0].start)
        return nothing and self.stream.quiet_since < self.request.now - _DAY

    def classify(self, page: Page, seen: Mapping[EventFingerprint, int]) -> list[ClassifiedEvent]:
        """Tell new events from events that were sent before. `seen` counts the events that the state remembers.

        Equal events cannot be told apart, so they are counted: of three equal events on the pages where the
        state remembers two, the third is new. A resent range compares with `resent` instead. Right after a
        take-over, events that Wazuh's own module has sent are not new either.
        """
        if not page.events:
            return []
        counts = self.at_newest
        was_sent = self.checkpoint.was_sent_by_wazuh if self.checkpoint.adopted_end is not None else None
        classified = []
        for event in page.events:
            number = counts[event] = counts.get(event, 0) + 1
            remembered = seen.get(event.fingerprint, 0) if seen else 0
            if page.range.resend:
                is_new = number > self.resent.get(event, 0)
            else:
                is_new = number > remembered and not (was_sent and was_sent(event.time, event.ingested))
            # The state never counts fewer events than it did.
            classified.append(ClassifiedEvent(event, max(number, remembered), is_new))
        self.newest = page.events[-1].time
        self.at_newest = {each: count for each, count in counts.items() if each.time >= self.newest}
        self.found += sum(each.is_new for each in classified)
        return classified

    def read_until(self, page: Page, accepted: int) -> tuple[ReadInterval, ...]:
        """Return the intervals read once so many events of the page, from the first on, were accepted."""
        end = page.events[accepted - 1].time if accepted else page.range.start
        if page.is_last and page.range.end is not None and accepted == len(page.events):
            end = page.range.end - 1
        return merge(self.intervals, ReadInterval(page.range.start, end, page.range.start))

    def ends_with(self, page: Page) -> bool:
        """Tell whether the page is the last of the last range."""
        return page.is_last and page.range is self.ranges[-1]

    def finished(self, page: Page) -> StreamCheckpoint:
        """Return the checkpoint after the last page."""
        by_time_at = self.checkpoint.checked_by_time_at if page.range.token else self.request.now
        self.checkpoint = replace(
            self.checkpoint,
            token=page.token,
            token_start=page.range.start,
            read_at=self.request.now,
            checked_by_time_at=by_time_at,
            last_ingested=self.stream.ingested,
        )
        return self.checkpoint

    def phase_after(self, *, removes: bool) -> Phase:
        """Return the phase that follows the last page; `removes`: streams are deleted once they were read."""
        match self.phase:
            case Phase.READ if removes and (self.checkpoint.has_events or self.found):
                return Phase.RECHECK
            case Phase.RECHECK:
                return Phase.RECHECK if self.found else Phase.DELETE
            case _:
                return Phase.DONE

    def recheck(self) -> "StreamRead":
        """Return a pass over the events behind the recorded ones, which sends nothing again."""
        request = replace(self.request, reparse=False)
        ranges = unread_ranges(self.intervals, request)
        return StreamRead(self.stream, self.checkpoint, request, ranges, self.intervals, Phase.RECHECK)

    def after_expiry(self) -> "StreamRead":
        """Return the rest of the pass, by time: AWS does not take its token any longer."""
        ranges: Sequence[TimeRange] = unread_ranges(self.intervals, self.request)
        rest = replace(self, ranges=ranges, at_newest={}, newest=0)
        if self.request.reparse:
            # The recorded intervals do not say how far a resent range was sent: `newest` does.
            ahead = (each for each in ranges if each.end is None or each.end > self.newest)
            rest.ranges = [replace(each, start=max(each.start, self.newest)) for each in ahead]
            rest.newest, rest.resent = self.newest, self.at_newest or self.resent
        return rest
