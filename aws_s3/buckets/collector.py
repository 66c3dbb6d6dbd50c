"""The collection of one bucket: its partitions, the order of its objects, the meaning of a failure, the record.

It knows interfaces and no log type. `pipeline` fetches, decodes and delivers.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.s3 import KEYS_A_DELETION, Bucket
from aws_s3.buckets.discovery import Discovery
from aws_s3.buckets.new_objects import NewObjects
from aws_s3.buckets.nothing_found import hint, tell_nothing_found
from aws_s3.buckets.object_source import (
    AlreadyProcessed,
    Found,
    ListingContext,
    ListingFailed,
    ObjectSource,
    Origin,
    WorkItem,
)
from aws_s3.buckets.reader import BucketReader
from aws_s3.buckets.retry_failed import FailedObjectSource
from aws_s3.codec.libraries import MissingLibraries
from aws_s3.errors import (
    CollectorError,
    EmptyBucketError,
    MalformedError,
    NoAccountsError,
    ObjectError,
    StateError,
    StorageError,
    UnavailableError,
)
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Account, Partition
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.levels import DEBUG_2, STANDING, about
from aws_s3.pipeline.source import Loading, run_source
from aws_s3.pipeline.stats import RunStats, counted
from aws_s3.settings import BucketJob
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.failed_objects import FailedObject, content_version
from aws_s3.state.locks import Locks
from aws_s3.state.start_day import StartRequest

log = logging.getLogger(__name__)

_LOST_AT_ONCE = 100

_STOPS = "%s No later object of its folder is collected meanwhile: --skip_on_error passes over it."
_STOPS_MALFORMED = "%s. No later object of its folder is collected: remove it, or pass over it with --skip_on_error."


@dataclass(frozen=True)
class Context:
    """The parts that a collection works with.

    `loading` fetches and decodes objects with `reader`. `account` asks AWS for the caller's account, once.
    `remembered_from`: of a source with so many partitions or more, a discovery serves for an hour; never without one.
    """

    bucket: Bucket
    reader: BucketReader
    state: BucketState
    locks: Locks
    delivery: Delivery
    listings: Executor
    loading: Loading[WorkItem]
    account: Callable[[], str]
    known_regions: Callable[[], frozenset[str]]
    remembered_from: int | None = None
    downloads: TransferConfig = field(default_factory=TransferConfig)
    stats: RunStats = field(default_factory=RunStats)


class Collector:
    """Collects one source once, as a Source of the pipeline. `today` is the UTC day on which the run began."""

    def __init__(self, job: BucketJob, log_type: LogType, context: Context, today: date) -> None:
        self._job = job
        self._log_type = log_type
        self._context = context
        self._state = context.state
        self._stats = context.stats
        self._failures: list[CollectorError] = []
        self._to_delete: dict[str, None] = {}
        self._today = today
        self._objects = self._object_source(today)
        self._found: Iterator[Found] = iter(())
        self._account = ""
        self._newly_discovered: Sequence[Partition] = ()
        self._has_failed_to_list = False
        self._libraries = MissingLibraries(log_type.kinds)

    def run(self) -> int:
        """Collect the new objects; return 0, or the exit code of the first failure.

        Raises the error that ends the whole run, after recording the events accepted until then. The state
        keeps either error, for `--status`.
        """
        try:
            self._collect()
        except CollectorError as error:
            self._has_failed_to_list = True
            with suppress(StateError):
                self._remember_discovery()
            self._note(error)
            raise
        if not self._failures:
            return 0
        self._note(self._failures[0])
        return self._failures[0].exit_code

    def _collect(self) -> None:
        self._stats.pending = self._state.failed_objects.count_pending()
        with self._stats.listing:
            partitions = self._partitions()
        if not all(partition.account for partition in partitions):
            self._warn_of_unselected()
            self._account = self._state.own_account = self._context.account()
        self._found = self._objects.objects(partitions)
        try:
            run_source(self, self._context.loading, self._context.delivery)
        except CollectorError:
            # The next run may start after these keys, and never list them again.
            self._delete_now()
            raise
        self._finish(partitions)

    def _note(self, error: CollectorError) -> None:
        # The error itself is reported; a state that cannot be written is perhaps its reason.
        with suppress(StateError):
            self._state.source.note_error(error)

    def poll(self, *, block: bool) -> WorkItem | None:
        """Return the next object of the listings, which wait for AWS whether or not `block` is set."""
        del block
        if len(self._to_delete) >= KEYS_A_DELETION:
            self._delete_now()
        for found in self._found:
            match found:
                case WorkItem():
                    self._libraries.look_at(found.object.key)
                    self._stats.requests.add("GET", self._context.downloads.requests_for(found.size))
                    return found
                case ListingFailed(error):
                    self._failures.append(error)
                    self._has_failed_to_list = True
                    log.error("%s", error)
                case AlreadyProcessed(keys):
                    self._delete_later(keys)
        return None

    def wants(self, item: WorkItem) -> bool:
        """Tell whether no earlier object stopped the partition."""
        return not self._objects.is_stopped(item.partition)

    def begin(self, item: WorkItem) -> int:
        """Make sure that the object can be recorded; return how many of its events a run sent that ended midway."""
        self._state.ensure_writable()
        if self._job.reparse:
            return 0
        return self._state.failed_objects.messages_sent(item.object.key, self._version(item))

    def accepted(self, item: WorkItem, count: int, *, complete: bool) -> None:
        """Record the object as done, or where the run ends midway how many of its events were accepted."""
        key = item.object.key
        if not complete:
            if not self._job.reparse:
                self._state.failed_objects.mark_partial(key, self._version(item), count)
            return
        self._state.mark_done(item.partition, key, self._account)
        receiver = self._context.delivery.receiver
        log.log(DEBUG_2, "+++ Sent %d events of %s to %s", count, key, receiver, extra=about(key))
        self._stats.collected(item.size)
        self._advance(item)
        if self._job.remove:
            self._delete_later([key])

    def failed(self, item: WorkItem, error: ObjectError) -> None:
        """Decide about an object that cannot be collected, and about its partition.

        A retried object never stops its partition, nor does one that somebody else put there.
        """
        if isinstance(error, UnavailableError) and error.archived:
            self._leave_archived(item)
            return
        self._stats.count(error)
        if isinstance(error, MalformedError) and item.origin is Origin.NEW and self._is_stranger(item):
            self._leave_stranger(item, error)
            return
        is_skipped = self._job.skip_on_error
        if not is_skipped:
            self._failures.append(error)
        match item.origin, error, is_skipped:
            case Origin.RETRY_MALFORMED, _, _:
                self._tell(item.object.key, error)
                self._state.keep_malformed(_failed(item), error)
            case _, MalformedError(), True:
                self._skip_malformed(item, error)
            case (Origin.RETRY, _, _) | (Origin.NEW, _, True):
                self._schedule_retry(_failed(item), error)
            case Origin.REPARSE, _, True:
                self._tell(item.object.key, error)
            case _:
                self._tell(item.object.key, error, _STOPS_MALFORMED if isinstance(error, MalformedError) else _STOPS)
                self._objects.stop(item.partition)

    def _leave_archived(self, item: WorkItem) -> None:
        """Count an object that is in an archive: it is nobody's failure, and no run tries it again."""
        self._stats.archived.add(item.partition.day(item.object.key) or self._today)
        if item.origin is not Origin.REPARSE:
            self._state.forget_failed(item.object.key)

    def _is_stranger(self, item: WorkItem) -> bool:
        """Tell whether the object has no name as the type's objects do, so that its content may be anybody's."""
        return not self._job.skip_on_error and not self._log_type.is_typical(item.object.key, item.partition)

    def _leave_stranger(self, item: WorkItem, error: ObjectError) -> None:
        text = "%s It is passed over, because its name is none of %s."
        log.warning(text, error, self._log_type.name, extra=about(item.object.key))
        self._state.mark_malformed(item.partition, _failed(item), self._account, error)

    def _object_source(self, today: date) -> ObjectSource:
        job, context = self._job, self._context
        listing = ListingContext(context.bucket, context.state, context.locks, context.listings, context.stats)
        if job.retry_failed:
            return FailedObjectSource(listing)
        request = StartRequest(today, job.only_logs_after, job.lookback_days, job.reparse, job.until)
        source = NewObjects(self._log_type, listing, request, removes=job.remove)
        # A run with a limit or a last day leaves something out on purpose.
        source.is_partial = job.limit is not None or job.until is not None
        return source

    def _partitions(self) -> list[Partition]:
        """Return the partitions; none if everything was removed from a source that objects were collected from."""
        try:
            return self._discovered()
        except (EmptyBucketError, NoAccountsError) as error:
            if self._state.is_empty():
                raise type(error)(f"{str(error).rstrip('.')}. {self._hint()}".rstrip()) from error
            log.info("%s", error)
            return []

    def _discovered(self) -> list[Partition]:
        """Return the partitions as they were discovered in the last hour, else as the bucket has them now."""
        job = self._job
        are_known = not job.regions or self._context.known_regions().issuperset(job.regions)
        if self._remembers_discovery and are_known and not job.discover:
            remembered = self._state.discovered(job.accounts, job.regions)
            if remembered is not None:
                return remembered
        return self._discover()

    @property
    def _remembers_discovery(self) -> bool:
        """Whether a discovery may serve for an hour. Where objects are deleted, their folders come and go."""
        job = self._job
        return self._context.remembered_from is not None and not (job.reparse or job.retry_failed or job.remove)

    def _remember_discovery(self) -> None:
        """Remember what was discovered, or nothing where a listing failed: the next run asks anew."""
        if not self._remembers_discovery:
            return
        if self._has_failed_to_list:
            self._state.forget_discoveries()
        elif self._newly_discovered and self._state.ever_found():
            self._state.note_discovered(self._job.accounts, self._job.regions, self._newly_discovered)

    def _discover(self) -> list[Partition]:
        source, bucket = self._job.source, self._context.bucket
        # This request runs while the folders are listed.
        holds = self._context.listings.submit(bucket.holds, source.path)
        regions = self._context.known_regions() if self._job.regions else frozenset[str]()
        discovery = Discovery(self._job, self._log_type, bucket, self._context.listings, regions)
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
        is_remembered = discovery.may_serve_again and len(found) >= (self._context.remembered_from or 0)
        self._newly_discovered = found if is_remembered else ()
        return found

    def _version(self, item: WorkItem) -> str:
        """Return the text on which the number of an event within the object depends."""
        return content_version(item.object.etag, self._job.discard)

    def _schedule_retry(self, failed: FailedObject, error: ObjectError) -> None:
        """Leave the object to a later run."""
        attempts = self._state.failed_objects.schedule_retry(failed, error)
        if not attempts:
            self._tell(failed.key, error, "%s It has been gone for a day and is given up.")
        elif attempts > 1 and isinstance(error, UnavailableError) and error.gone:
            log.info("%s", error, extra=about(failed.key))
        else:
            self._tell(failed.key, error, "%s It will be tried again by a later run.")

    def _tell(self, key: str, error: ObjectError, text: str = "%s") -> None:
        """Write the line of an object that failed; a missing library, which concerns many objects, has one line."""
        if not self._libraries.tell(error):
            log.error(text, error, extra=about(key))

    def _skip_malformed(self, item: WorkItem, error: ObjectError) -> None:
        """Send an error event in the object's place."""
        self._tell(item.object.key, error)
        self._state.ensure_writable()

        def record(accepted: int) -> None:
            if accepted and item.origin is not Origin.REPARSE:
                self._state.mark_malformed(item.partition, _failed(item), self._account, error)

        self._context.delivery.send([self._context.reader.error_event(item, error)], record)
        self._advance(item)

    def _advance(self, item: WorkItem) -> None:
        """Move the partition's newest day on to that of an object which was processed in its turn."""
        if item.origin is Origin.NEW:
            self._state.advance(item.partition, item.object.key)
            if day := item.partition.day(item.object.key):
                self._stats.note_newest_day(day)

    def _delete_later(self, keys: Iterable[str]) -> None:
        self._to_delete.update(dict.fromkeys(keys))

    def _delete_now(self) -> None:
        for key in self._to_delete:
            log.log(DEBUG_2, "+++ Remove file from S3 Bucket:%s", key, extra=about(key))
        for failure in self._context.bucket.delete(list(self._to_delete)):
            log.error("%s", failure)
        self._to_delete.clear()

    def _hint(self) -> str:
        return hint(self._job, self._log_type, self._context.bucket)

    def _tell_nothing_found(self, partitions: Sequence[Partition]) -> None:
        """Tell where a source that never found an object looks, unless something kept this run from finding one."""
        source, stats = self._state.source, self._stats
        if stats.listed or stats.known or stats.archived.count:
            source.note_found()
        elif self._failures or self._objects.is_partial or self._state.ever_found():
            return
        elif older := tell_nothing_found(self._job, self._log_type, self._context.bucket, partitions):
            stats.older = older
            source.note_found()

    def _warn_of_unselected(self) -> None:
        """Say that all objects are collected of a layout without accounts, though the type has one with accounts."""
        levels = (level for layout in self._log_type.layouts for level in layout.levels)
        if self._job.accounts and any(isinstance(level, Account) for level in levels):
            log.warning(
                "%s (%s): --aws_account_id does not select among objects that lie in no account folder: all are "
                "collected.",
                self._job.source.bucket,
                self._job.source.type,
                extra=STANDING,
            )

    def _tell_archived(self) -> None:
        archived = self._stats.archived
        if not self._objects.is_partial:
            self._state.source.note_archived(archived.count)
        if archived.count:
            log.warning(
                "%s (%s): an archive holds %s from %s to %s, which this run passes over. To collect them, restore "
                "them, then run once with --reparse --only_logs_after %s.",
                self._job.source.bucket,
                self._job.source.type,
                counted(archived.count, "object"),
                archived.first,
                archived.last,
                f"{archived.first:%Y-%b-%d}".upper(),
                extra=STANDING,
            )

    def _finish(self, partitions: Sequence[Partition]) -> None:
        self._delete_now()
        self._tell_nothing_found(partitions)
        self._remember_discovery()
        self._tell_archived()
        if not (self._job.accounts or self._job.regions or self._job.reparse):
            self._retry_lost(partitions)
        self._stats.pending = self._state.failed_objects.count_pending()
        if self._stats.pending:
            log.warning("%s could not be fetched: later runs try again", counted(self._stats.pending, "object"))
        if not self._failures and not self._objects.is_partial:
            self._state.complete()

    def _retry_lost(self, partitions: Collection[Partition]) -> None:
        """Count pending objects as gone whose folder is gone: no partition leads to them any longer."""
        for failed in self._state.failed_objects.due_for_retry_outside(partitions, _LOST_AT_ONCE):
            if not self._context.bucket.holds(failed.key):
                name = f"Object s3://{self._job.source.bucket}/{failed.key}"
                error = UnavailableError(StorageError(f"{name}: its folder is gone."), gone=True)
                self._schedule_retry(failed, error)


def _failed(item: WorkItem) -> FailedObject:
    return FailedObject(item.object.key, item.object.size, item.object.etag)
