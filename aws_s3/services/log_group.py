"""One log group in one run: which of its streams are read, from where, and what becomes of their events."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timezone
from functools import partial

from aws_s3.errors import CollectorError, ExpiredTokenError, MissingError, RequestError
from aws_s3.services.base import Context
from aws_s3.services.interleave import interleave
from aws_s3.services.log_group_api import LogEvent, LogGroupApi, LogStream, Page
from aws_s3.services.log_messages import LogMessages
from aws_s3.settings import ServiceJob
from aws_s3.state.log_streams import EventFingerprint, Group
from aws_s3.state.read_ranges import (
    ReadInterval,
    ReadRequest,
    StreamCheckpoint,
    TimeRange,
    merge,
    prefer_token,
    unread_ranges,
)

log = logging.getLogger(__name__)

STREAMS_AT_ONCE = 8
_DORMANT_A_RUN = 1000
_ROUNDS = 4
_DAY = 24 * 60 * 60 * 1000


@dataclass
class _Reading:
    """A stream being read.

    `is_final_check`: it is to be deleted, if nothing more is found. `passed` counts the events of the last
    page that can be on the next one too, `newest` is their time; `resent` are those that reparse has
    sent before its token expired. `found`: how many events were new.
    """

    stream: LogStream
    known: StreamCheckpoint
    ranges: Sequence[TimeRange]
    intervals: tuple[ReadInterval, ...]
    is_final_check: bool = False
    passed: dict[EventFingerprint, int] = field(default_factory=dict)
    newest: int = 0
    resent: Mapping[EventFingerprint, int] = field(default_factory=dict)
    found: int = 0

    def is_dormant(self, now: int) -> bool:
        """Tell whether, as far as AWS knows, there is nothing to read, and has not been for a day."""
        unchanged = self.known.read_at > 0 and self.known.last_ingested == self.stream.ingested
        nothing = len(self.ranges) == 1 and (unchanged or self.stream.quiet_since < self.ranges[0].start)
        return nothing and self.stream.quiet_since < now - _DAY


@dataclass(frozen=True)
class _Judged:
    """An event, how many such there were up to it, and whether it is to be sent."""

    event: LogEvent
    number: int
    is_new: bool


class LogGroupCollector:
    """Collects the streams of one group, several at once."""

    def __init__(self, job: ServiceJob, context: Context, logs: LogGroupApi, group: Group) -> None:
        self._job = job
        self._context = context
        self._state = context.state.streams
        self._logs = logs
        self._group = group
        self._stats = context.stats
        self._messages = LogMessages(group, context.rules(job), job.envelope)
        since = _milliseconds(job.only_logs_after) if job.only_logs_after else None
        self._asked = ReadRequest(int(context.began.timestamp() * 1000), since, job.reparse)
        self._sent = 0
        self._failed = False

    def run(self) -> None:
        """Collect what is new. A stream that fails is told, and the others go on.

        Raises what ends the group, or more, after recording what was accepted until then.
        """
        if not self._asked.is_in_future:
            self._state.note_request(self._group, self._asked.first_start(None))
        with self._stats.listing:
            streams = self._logs.streams()
        account = streams[0].account if streams else self._account_of_empty_group()
        if account is None or self._asked.is_in_future:
            return
        if not self._context.locks.acquire(f"{account} {self._group.region} {self._group.name}"):
            log.info("Another run is working on log group %s: it is passed over", self._group.name)
            return
        self._collect(account, streams)

    def _account_of_empty_group(self) -> str | None:
        """Return whose group it is, if that matters: which streams are gone, only their account tells."""
        return self._logs.account() if self._state.accounts(self._group) else None

    def _collect(self, account: str, streams: Sequence[LogStream]) -> None:
        names = [stream.name for stream in streams]
        start = self._asked.first_start(self._state.last_read(self._group, account))
        self._state.begin(self._group, account, names, start)
        known = self._state.checkpoints(self._group, account)
        self._purge(known, set(names))
        self._read(self._awake([self._reading(stream, known[stream.name]) for stream in streams]))
        if self._sent:
            log.debug("+++ Sent %d events to Analysisd", self._sent)
        else:
            log.debug('There are no new events in the "%s" group', self._group.name)
        if not self._failed:
            self._state.complete(self._group, account, self._asked.now)

    def _reading(self, stream: LogStream, known: StreamCheckpoint) -> _Reading:
        ranges = prefer_token(unread_ranges(known.intervals, self._asked), known, stream.ingested, self._asked.now)
        return _Reading(stream, known, ranges, known.intervals)

    def _purge(self, known: Mapping[str, StreamCheckpoint], names: set[str]) -> None:
        """Forget the streams that the listing, of which all pages came, does not show any more."""
        gone = [name for name in known if name.startswith(self._group.prefix) and name not in names]
        for name in gone:
            log.debug("+++ DB Maintenance: log stream %s of %s is gone", name, self._group.name)
        self._state.forget(known[name].id for name in gone)

    def _awake(self, readings: list[_Reading]) -> list[_Reading]:
        """Leave out most of the dormant streams where there are thousands: they take turns."""
        if self._job.remove_log_streams:
            return readings
        dormant = [reading for reading in readings if reading.is_dormant(self._asked.now)]
        dormant.sort(key=lambda reading: reading.known.read_at)
        resting = {reading.stream.name for reading in dormant[_DORMANT_A_RUN:]}
        return [reading for reading in readings if reading.stream.name not in resting]

    def _read(self, readings: Sequence[_Reading]) -> None:
        """Read the streams; those again whose token expired, or that are to be deleted."""
        for _ in range(_ROUNDS):
            sources = ((each, self._logs.pages(each.stream, each.ranges, self._asked.now)) for each in readings)
            pages = interleave(sources, self._context.requests, STREAMS_AT_ONCE)
            waited = self._stats.downloading.around(pages)
            readings = [again for reading, page in waited if (again := self._step(reading, page))]
        for reading in readings:
            if not reading.is_final_check:
                self._fail(RequestError(f"The tokens of log stream {reading.stream.name} expire again and again."))

    def _step(self, reading: _Reading, page: Future[Page]) -> _Reading | None:
        """Take a page of a stream; return how the stream is to be read again, if it is."""
        try:
            return self._take(reading, page.result())
        except MissingError:
            log.debug("Log stream %s of %s is gone", reading.stream.name, self._group.name)
        except ExpiredTokenError as error:
            log.debug("%s Reading goes on from the time recorded", error)
            return self._replanned(reading, self._asked)
        except RequestError as error:
            self._fail(error)
        return None

    def _take(self, reading: _Reading, page: Page) -> _Reading | None:
        judged = self._judged(reading, page)
        sent = self._context.deliver(judged, partial(self._message, reading), partial(self._record, reading, page))
        self._sent += sent
        found = sum(each.is_new for each in judged)
        reading.found += found
        self._stats.known += len(judged) - found
        if page.events:
            self._stats.note_newest(page.events[-1].time / 1000)
        if not page.is_last or page.range is not reading.ranges[-1]:
            return None
        self._finish(reading, page)
        return self._remove(reading) if self._job.remove_log_streams else None

    def _finish(self, reading: _Reading, page: Page) -> None:
        now = self._asked.now
        checked_by_time_at = reading.known.checked_by_time_at if page.range.token else now
        reading.known = replace(
            reading.known,
            token=page.token,
            token_start=page.range.start,
            read_at=now,
            checked_by_time_at=checked_by_time_at,
            last_ingested=reading.stream.ingested,
        )
        self._state.finish(reading.known)
        self._stats.collected(0)

    def _judged(self, reading: _Reading, page: Page) -> list[_Judged]:
        """Tell the events that were not seen before from those that were: as many are new as there are more."""
        if not page.events:
            return []
        newest = page.events[-1].time
        seen = self._state.seen(reading.known.id, page.events[0].time, newest)
        judged = []
        for event in page.events:
            number = reading.passed.get(event.fingerprint, 0) + 1
            reading.passed[event.fingerprint] = number
            before = (reading.resent if page.range.resend else seen).get(event.fingerprint, 0)
            judged.append(_Judged(event, max(number, seen.get(event.fingerprint, 0)), number > before))
        reading.passed = {each: count for each, count in reading.passed.items() if each[0] >= newest}
        reading.newest = newest
        return judged

    def _message(self, reading: _Reading, judged: _Judged) -> bytes | None:
        return self._messages.encode(reading.stream, judged.event) if judged.is_new else None

    def _record(self, reading: _Reading, page: Page, accepted: Sequence[_Judged]) -> None:
        end = accepted[-1].event.time if accepted else page.range.start
        if page.is_last and page.range.end is not None and len(accepted) == len(page.events):
            end = page.range.end - 1
        intervals = merge(reading.intervals, ReadInterval(page.range.start, end, page.range.start))
        if accepted or intervals != reading.intervals:
            fingerprints = {each.event.fingerprint: each.number for each in accepted if each.is_new}
            self._state.record(reading.known.id, intervals, fingerprints)
            reading.intervals = intervals

    def _replanned(self, reading: _Reading, asked: ReadRequest) -> _Reading:
        """Return the reading from what is recorded on; reparse goes on where it was."""
        ranges = unread_ranges(reading.intervals, asked)
        again = _Reading(reading.stream, reading.known, ranges, reading.intervals)
        if asked.reparse:
            ahead = (wanted for wanted in ranges if wanted.end is None or wanted.end > reading.newest)
            again.ranges = [replace(wanted, start=max(wanted.start, reading.newest)) for wanted in ahead]
            again.newest, again.resent = reading.newest, reading.passed or reading.resent
        return again

    def _remove(self, reading: _Reading) -> _Reading | None:
        """Delete the stream, if one more look found nothing new; nothing of which was accepted stays."""
        if reading.is_final_check and not reading.found:
            self._delete(reading)
        elif reading.known.has_events or reading.found or reading.is_final_check:
            return replace(self._replanned(reading, replace(self._asked, reparse=False)), is_final_check=True)
        return None

    def _delete(self, reading: _Reading) -> None:
        log.debug("+++ Remove log stream %s of %s", reading.stream.name, self._group.name)
        try:
            self._logs.delete(reading.stream)
        except MissingError:
            pass
        except CollectorError as error:
            log.error("%s", error)
            return
        self._state.forget([reading.known.id])

    def _fail(self, error: CollectorError) -> None:
        self._failed = True
        self._context.fail(error)


def _milliseconds(day: date) -> int:
    return int(datetime.combine(day, time(), timezone.utc).timestamp()) * 1000
