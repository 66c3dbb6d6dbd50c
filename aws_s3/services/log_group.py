"""One log group in one run: the choice of its streams, and the steps of each stream's state machine."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import date, datetime, time, timezone
from functools import partial

from aws_s3.errors import CollectorError, ExpiredTokenError, MissingError, RequestError
from aws_s3.services.base import Context
from aws_s3.services.interleave import Slots, interleave
from aws_s3.services.log_group_api import LogGroupApi, LogStream, Page
from aws_s3.services.log_messages import LogMessages
from aws_s3.services.stream_read import ClassifiedEvent, Phase, StreamRead
from aws_s3.settings import ServiceJob
from aws_s3.state.log_streams import Group
from aws_s3.state.read_ranges import ReadRequest, StreamCheckpoint, TimeRange

log = logging.getLogger(__name__)

STREAMS_AT_ONCE = 8
"""Streams of all groups of a region that are read at once: a page of each, of up to 1 MB, is in memory."""

_DORMANT_A_RUN = 1000
_EVENTS_A_PART = 1000
_PASSES = 4
"""The most passes over a stream in one run: READ, RECHECK, and again where tokens expire or events come in."""


class LogGroupCollector:
    """Collects the streams of one group, several at once: as many as there are `slots`.

    Its streams are listed from the beginning on, in another thread.
    """

    def __init__(self, job: ServiceJob, context: Context, logs: LogGroupApi, group: Group, slots: Slots) -> None:
        self._job = job
        self._context = context
        self._state = context.state.streams
        self._logs = logs
        self._group = group
        self._slots = slots
        self._listing = context.requests.submit(logs.streams)
        self._stats = context.stats
        self._messages = LogMessages(group, context.rules(job), job.envelope)
        since = _milliseconds(job.only_logs_after) if job.only_logs_after else None
        self._request = ReadRequest(int(context.began.timestamp() * 1000), since, job.reparse)
        self._sent = 0
        self._has_failed = False

    @property
    def is_listed(self) -> bool:
        """Whether the streams are known, so that reading begins without a wait."""
        return self._listing.done()

    def steps(self) -> Iterator[None]:
        """Begin to read, then collect the new events, a page at each step.

        A stream that fails is logged, and the others go on.

        Raises the failure that ends the group, or the region, or the run, after recording the events
        accepted until then.
        """
        if not self._request.is_in_future:
            self._state.note_request(self._group, self._request.first_start(None))
        with self._stats.listing:
            streams = self._listing.result()
        account = streams[0].account if streams else self._account_of_empty_group()
        if account is None or self._request.is_in_future:
            return
        name = self._group.lock_name(account)
        if not self._context.locks.acquire(name):
            self._context.stats.held += 1
            self._context.locks.report_holder(name, f"log group {self._group.name}")
            return
        self._context.stats.taken += 1
        yield from self._collect(account, streams)

    def _account_of_empty_group(self) -> str | None:
        """Return the group's account where streams of it are known: without streams, only a request tells it."""
        return self._logs.account() if self._state.accounts(self._group) else None

    def _collect(self, account: str, streams: Sequence[LogStream]) -> Iterator[None]:
        names = [stream.name for stream in streams]
        start = self._request.first_start(self._state.last_read(self._group, account))
        self._state.begin(self._group, account, names, start)
        self._date_taken_over(streams, self._state.checkpoints(self._group, account))
        known = self._state.checkpoints(self._group, account)
        self._purge(known, set(names))
        reads = [StreamRead.first(stream, known[stream.name], self._request) for stream in streams]
        yield from self._read(self._skip_dormant(reads))
        if self._sent:
            log.debug("+++ Sent %d events to %s", self._sent, self._context.delivery.receiver)
        else:
            log.debug('There are no new events in the "%s" group', self._group.name)
        if not self._has_failed:
            self._state.complete(self._group, account, self._request.now)

    def _date_taken_over(self, streams: Sequence[LogStream], known: Mapping[str, StreamCheckpoint]) -> None:
        """Ask when the newest event came in that Wazuh's own module has sent of each stream taken over from it.

        Late events came in after it: that tells them from the events that were sent.
        """
        undated = [
            (stream, end)
            for stream in streams
            if (end := known[stream.name].adopted_end) is not None and known[stream.name].adopted_ingested is None
        ]
        for (stream, _), ingested in zip(undated, self._context.requests.map(self._ingested, undated), strict=True):
            if ingested is not None:
                self._state.note_adopted_ingestion(known[stream.name].id, ingested)

    def _ingested(self, event: tuple[LogStream, int]) -> int | None:
        """Return when the first event of a time came in; the time itself if there is none, None on a failure."""
        stream, moment = event
        try:
            pages = self._logs.pages(stream, [TimeRange(moment, moment + 1)], self._request.now)
            return min((each.ingested for page in pages for each in page.events), default=moment)
        except RequestError:
            # The reading that follows meets the failure again, and logs it.
            return None

    def _purge(self, known: Mapping[str, StreamCheckpoint], names: set[str]) -> None:
        """Forget the streams that are not in the listing any longer; every page of the listing came."""
        gone = [name for name in known if name.startswith(self._group.prefix) and name not in names]
        for name in gone:
            log.debug("+++ DB Maintenance: log stream %s of %s is gone", name, self._group.name)
        self._state.forget(known[name].id for name in gone)

    def _skip_dormant(self, reads: list[StreamRead]) -> list[StreamRead]:
        """Skip most of the dormant streams where there are thousands: they take turns from run to run."""
        if self._job.remove_log_streams:
            return reads
        dormant = sorted((read for read in reads if read.is_dormant), key=lambda read: read.checkpoint.read_at)
        skipped = {read.stream.name for read in dormant[_DORMANT_A_RUN:]}
        return [read for read in reads if read.stream.name not in skipped]

    def _read(self, reads: Sequence[StreamRead]) -> Iterator[None]:
        """Read the streams side by side, in passes: a stream that needs a further pass waits for the next round."""
        for _ in range(_PASSES):
            sources = ((read, self._logs.pages(read.stream, read.ranges, read.request.now)) for read in reads)
            pages = interleave(sources, self._context.requests, self._slots)
            yield
            reads = []
            for read, page in self._stats.downloading.around(pages):
                if further := self._step(read, page):
                    reads.append(further)
                yield
        for read in reads:
            if read.phase is Phase.READ:
                self._fail(RequestError(f"The tokens of log stream {read.stream.name} expire again and again."))

    def _step(self, read: StreamRead, page: Future[Page]) -> StreamRead | None:
        """Take a page of a stream; return the stream's next pass if it needs one."""
        try:
            return self._take(read, page.result())
        except MissingError:
            log.debug("Log stream %s of %s is gone", read.stream.name, self._group.name)
        except ExpiredTokenError as error:
            log.debug("%s Reading goes on from the time recorded", error)
            return read.after_expiry()
        except RequestError as error:
            self._fail(error)
        return None

    def _take(self, read: StreamRead, page: Page) -> StreamRead | None:
        self._send(read, page)
        if not read.ends_with(page):
            return None
        self._state.finish(read.finished(page))
        if read.phase is Phase.READ:
            self._stats.collected(0)
        match read.phase_after(removes=self._job.remove_log_streams):
            case Phase.RECHECK:
                return read.recheck()
            case Phase.DELETE:
                self._delete(read)
        return None

    def _send(self, read: StreamRead, page: Page) -> None:
        first, last = (page.events[0].time, page.events[-1].time) if page.events else (0, 0)
        seen = self._state.seen(read.checkpoint.id, first, last) if page.events else {}
        found_before = read.found
        classified = read.classify(page, seen)
        # Each part is recorded before the next is sent: a page may hold more events than there is room to record.
        for first in range(0, max(len(classified), 1), _EVENTS_A_PART):
            part = classified[first : first + _EVENTS_A_PART]
            record = partial(self._record, read, page, first)
            self._sent += self._context.deliver(part, partial(self._encode, read.stream), record)
        self._stats.known += len(classified) - (read.found - found_before)
        if page.events:
            self._stats.note_newest(last / 1000)

    def _encode(self, stream: LogStream, classified: ClassifiedEvent) -> bytes | None:
        return self._messages.encode(stream, classified.event) if classified.is_new else None

    def _record(
        self, read: StreamRead, page: Page, first: int, accepted: Sequence[ClassifiedEvent], count: int
    ) -> None:
        """Record the events of a page accepted last; `count` from the `first` on were until now."""
        intervals = read.read_until(page, first + count)
        if accepted or intervals != read.intervals:
            new = [each for each in accepted if each.is_new]
            # Earlier events cannot come again. A fingerprint takes as long as the rest of an event.
            late_from = min(interval.read_on_from for interval in intervals)
            fingerprints = {each.event.fingerprint: each.number for each in new if each.event.time >= late_from}
            self._state.record(read.checkpoint.id, intervals, fingerprints, has_sent=bool(new))
            read.intervals = intervals

    def _delete(self, read: StreamRead) -> None:
        log.debug("+++ Remove log stream %s of %s", read.stream.name, self._group.name)
        try:
            self._logs.delete(read.stream)
        except MissingError:
            pass
        except CollectorError as error:
            log.error("%s", error)
            return
        self._state.forget([read.checkpoint.id])

    def _fail(self, error: CollectorError) -> None:
        self._has_failed = True
        self._context.fail(error)


def _milliseconds(day: date) -> int:
    return int(datetime.combine(day, time(), timezone.utc).timestamp()) * 1000
