"""The bucket loop: partition → keys → download → messages → sink → state → deletion.

It knows interfaces and no log type. It alone decides what a failure means for the rest of the run.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date

from aws_s3.aws.s3 import Bucket
from aws_s3.buckets.discovery import Discovery
from aws_s3.buckets.reader import Reader
from aws_s3.buckets.retry_failed import RetryFailed
from aws_s3.buckets.worklist import Inventory, Wanted, Worklist
from aws_s3.errors import (
    CollectorError,
    EmptyBucketError,
    MalformedError,
    NoAccountsError,
    ObjectError,
    StorageError,
    UnavailableError,
)
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.decode import Batches, messages_in
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import BucketJob
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.failed_objects import FailedObject
from aws_s3.state.locks import Locks
from aws_s3.state.start_day import StartRequest

log = logging.getLogger(__name__)

_DELETIONS_AT_ONCE = 1000
_LOST_AT_ONCE = 100


Load = Callable[[Iterable[Wanted]], Iterator[tuple[Wanted, Batches]]]


@dataclass(frozen=True)
class Context:
    """What a collection works with.

    `load` gives each object its messages, in order; `reader` makes those that stand for unreadable
    ones. `account` asks AWS for the caller's account, once.
    """

    store: Bucket
    reader: Reader
    state: BucketState
    locks: Locks
    delivery: Delivery
    listings: Executor
    load: Load
    stop_request: StopRequest
    account: Callable[[], str]
    known_regions: Callable[[], frozenset[str]]
    stats: RunStats = field(default_factory=RunStats)


class Collector:
    """Collects one source once. `today` is the UTC day on which the run began."""

    def __init__(self, job: BucketJob, bucket: LogType, context: Context, today: date) -> None:
        self._job = job
        self._bucket = bucket
        self._context = context
        self._state = context.state
        self._stats = context.stats
        self._failures: list[CollectorError] = []
        self._to_delete: dict[str, None] = {}
        inventory = Inventory(
            context.store,
            context.state,
            context.locks,
            context.listings,
            self._delete if job.remove else None,
            context.stats,
        )
        asked = StartRequest(today, job.only_logs_after, job.lookback_days, job.reparse)
        self._worklist = RetryFailed(inventory) if job.retry_failed else Worklist(bucket, inventory, asked, self._fail)
        self._account = ""

    def run(self) -> int:
        """Collect what is new; return 0, or the exit code of the first failure.

        Raises what ends the whole run, after recording what was accepted until then.
        """
        with self._stats.listing:
            partitions = self._partitions()
        if not all(partition.account for partition in partitions):
            self._account = self._context.account()
        try:
            self._collect_all(partitions)
        except CollectorError:
            # A later run may start behind these.
            self._delete_now()
            raise
        self._finish(partitions)
        return self._failures[0].exit_code if self._failures else 0

    def _partitions(self) -> list[Partition]:
        """Return the partitions; none where all is gone from a source that something was collected from."""
        try:
            return self._found()
        except (EmptyBucketError, NoAccountsError) as error:
            if self._state.is_empty():
                raise
            log.info("%s", error)
            return []

    def _found(self) -> list[Partition]:
        source = self._job.source
        # Asked while the folders are listed.
        holds = self._context.listings.submit(self._context.store.holds, source.path)
        regions = self._context.known_regions() if self._job.regions else frozenset[str]()
        discovery = Discovery(self._job, self._bucket, self._context.store, self._context.listings, regions)
        found: list[Partition] = []
        try:
            found = discovery.partitions()
        except CollectorError:
            if holds.result():
                raise
        if not holds.result():
            raise EmptyBucketError(
                f"No files were found in '{source.bucket}/{source.path}'. No logs will be processed."
            )
        return found

    def _collect_all(self, partitions: Iterable[Partition]) -> None:
        for wanted, messages in self._context.load(self._worklist.objects(partitions)):
            if not self._worklist.is_stopped(wanted.partition):
                self._collect(wanted, messages)
                self._stats.notify()

    def _collect(self, wanted: Wanted, messages: Batches) -> None:
        try:
            sent = self._send(wanted, messages)
        except ObjectError as error:
            return self._pass_over(wanted, error)
        log.debug("+++ Sent %d events of %s to Analysisd", sent, wanted.object.key)
        self._stats.collected(wanted.object.size)
        self._advance(wanted)
        if self._job.remove:
            self._delete([wanted.object.key])
        return None

    def _send(self, wanted: Wanted, messages: Batches) -> int:
        """Send the messages and record it: all of them, or how many when something ends the run."""
        key = wanted.object.key
        self._state.ensure_writable()
        version = f"{wanted.object.etag} {self._job.discard}"
        delivery = self._context.delivery
        earlier = 0 if self._job.reparse else self._state.failed_objects.messages_sent(key, version)
        before = delivery.accepted - earlier
        read, is_recorded = 0, False
        try:
            for batch in self._stats.downloading.around(messages):
                several = messages_in(batch)
                delivery.send(several[max(earlier - read, 0) :])
                read += len(several)
            with self._context.stop_request.deferred():
                self._state.mark_done(wanted.partition, key, self._account)
                is_recorded = True
        finally:
            accepted = delivery.accepted - before
            if accepted and not is_recorded and not self._job.reparse:
                self._state.failed_objects.mark_partial(key, version, accepted)
        return read

    def _pass_over(self, wanted: Wanted, error: ObjectError) -> None:
        """Decide what becomes of an object that cannot be collected, and of its partition.

        One that was left to this run by another stops nothing.
        """
        self._stats.count(error)
        is_skipped = self._job.skip_on_error
        if not is_skipped:
            self._failures.append(error)
        if wanted.malformed:
            log.error("%s", error)
            self._state.keep_malformed(_failed(wanted), error)
        elif is_skipped and isinstance(error, MalformedError):
            self._skip_malformed(wanted, error)
        elif wanted.again or (is_skipped and not wanted.settled):
            self._put_off(_failed(wanted), error)
        else:
            log.error("%s", error)
            if not is_skipped:
                self._worklist.stop(wanted.partition)

    def _put_off(self, failed: FailedObject, error: ObjectError) -> None:
        """Leave the object to a later run."""
        attempts = self._state.failed_objects.schedule_retry(failed, error)
        if not attempts:
            log.error("%s It has been gone for a day and is given up.", error)
        elif attempts > 1 and isinstance(error, UnavailableError) and error.gone:
            log.info("%s", error)
        else:
            log.error("%s It will be tried again by a later run.", error)

    def _skip_malformed(self, wanted: Wanted, error: MalformedError) -> None:
        """Send an error event in the object's place."""
        log.error("%s", error)
        message = self._context.reader.error_message(wanted.object.key, wanted.partition, error)

        def record(accepted: int) -> None:
            if accepted and not wanted.settled:
                self._state.mark_malformed(wanted.partition, _failed(wanted), self._account, error)

        self._context.delivery.send([message], record)
        self._advance(wanted)

    def _advance(self, wanted: Wanted) -> None:
        """Let the partition's place follow what is processed in its turn."""
        if not wanted.again and not wanted.settled:
            self._state.advance(wanted.partition, wanted.object.key)
            if day := wanted.partition.day(wanted.object.key):
                self._stats.note_newest_day(day)

    def _fail(self, error: CollectorError) -> None:
        """Remember a failure that does not end the run."""
        self._failures.append(error)
        log.error("%s", error)

    def _delete(self, keys: Iterable[str]) -> None:
        self._to_delete.update(dict.fromkeys(keys))
        if len(self._to_delete) >= _DELETIONS_AT_ONCE:
            self._delete_now()

    def _delete_now(self) -> None:
        for key in self._to_delete:
            log.debug("+++ Remove file from S3 Bucket:%s", key)
        for failure in self._context.store.delete(list(self._to_delete)):
            log.error("%s", failure)
        self._to_delete.clear()

    def _finish(self, partitions: Collection[Partition]) -> None:
        self._delete_now()
        if not (self._job.accounts or self._job.regions or self._job.reparse):
            self._put_off_lost(partitions)
        if waiting := self._state.failed_objects.count_pending():
            log.warning("%d objects could not be fetched and are waiting to be tried again", waiting)
        if not self._failures and not self._worklist.left_out:
            self._state.complete()

    def _put_off_lost(self, partitions: Collection[Partition]) -> None:
        """Let objects that wait count as gone where their folder is, too: no partition leads to them."""
        for failed in self._state.failed_objects.due_for_retry_outside(partitions, _LOST_AT_ONCE):
            if not self._context.store.holds(failed.key):
                name = f"Object s3://{self._job.source.bucket}/{failed.key}"
                self._put_off(failed, UnavailableError(StorageError(f"{name}: its folder is gone."), gone=True))


def _failed(wanted: Wanted) -> FailedObject:
    return FailedObject(wanted.object.key, wanted.object.size, wanted.object.etag)
