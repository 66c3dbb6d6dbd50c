"""The objects that an ordinary run collects: of each partition the failed objects that are due, then the new ones."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from aws_s3.aws.listings import S3Object
from aws_s3.buckets.listing import list_partition
from aws_s3.buckets.object_source import (
    AlreadyProcessed,
    Found,
    ListingContext,
    ListingFailed,
    ObjectSource,
    Origin,
    WorkItem,
)
from aws_s3.errors import CredentialsError, StorageError, ThrottledError
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Partition
from aws_s3.log_types.strays import is_stray
from aws_s3.pipeline.levels import DEBUG_2, DEBUG_3, about
from aws_s3.pipeline.prefetch import ahead, prefetch
from aws_s3.state.start_day import History, StartRequest, choose_start_day

log = logging.getLogger(__name__)

Pages = Iterator[list[S3Object]]

_PARTITIONS_AHEAD = 32
_RETRIES_A_RUN = 1000


class NewObjects(ObjectSource):
    """The objects of each partition from its start day on that no run has processed.

    With `removes` it also yields AlreadyProcessed, for a run that deletes processed objects.
    """

    def __init__(
        self, log_type: LogType, context: ListingContext, request: StartRequest, *, removes: bool = False
    ) -> None:
        super().__init__(context)
        self._log_type = log_type
        self._state = context.state
        self._stats = context.stats
        self._request = request
        self._removes = removes and not request.reparse
        self._retries_left = _RETRIES_A_RUN

    def objects(self, partitions: Iterable[Partition]) -> Iterator[Found]:
        """Yield the objects of the partitions, several of which are listed ahead of their turn."""
        for partition, pages in ahead(self._listings(partitions), _PARTITIONS_AHEAD):
            log.debug("+++ Working on %s", partition.label.replace("/", " - ", 1))
            count = 0
            for found in self._of_partition(partition, pages):
                count += isinstance(found, WorkItem)
                yield found
            if not count:
                log.debug("+++ No logs to process in bucket: %s", partition.label)

    def _listings(self, partitions: Iterable[Partition]) -> Iterator[tuple[Partition, Pages]]:
        """Decide on the start of each partition, and begin to list it."""
        history = self._state.history()
        for partition in partitions:
            name = self._state.lock_name(partition)
            if self._context.locks.acquire(name):
                self._stats.taken += 1
                yield partition, self._begin(partition, history)
            else:
                self.is_partial = True
                self._stats.held += 1
                self._context.locks.report_holder(name, partition.label)

    def _begin(self, partition: Partition, history: History) -> Pages:
        start = choose_start_day(self._state.checkpoint(partition), history, self._request)
        self._state.begin(partition, start)
        self.is_partial |= start.skips_days
        log.debug("+++ Marker: %s%s", partition.prefix, partition.dates.written(start.day))
        until = self._request.until or date.max
        pages = list_partition(self._context.bucket, partition, start.day, self._request.today, until)
        return prefetch(pages, self._context.executor)

    def _of_partition(self, partition: Partition, pages: Pages) -> Iterator[Found]:
        yield from self._due(partition)
        try:
            yield from self._new(partition, pages)
        except (StorageError, CredentialsError, ThrottledError) as error:
            yield ListingFailed(error)

    def _due(self, partition: Partition) -> Iterator[WorkItem]:
        if self._request.reparse:
            return
        for failed in self._state.failed_objects.due_for_retry(partition, self._retries_left):
            self._retries_left -= 1
            self._stats.listed += 1
            log.log(DEBUG_2, "++ Trying again: %s", failed.key, extra=about(failed.key))
            yield WorkItem(partition, S3Object(failed.key, failed.size, failed.etag), Origin.RETRY)

    def _new(self, partition: Partition, pages: Pages) -> Iterator[Found]:
        for page in self._stats.listing.around(pages):
            items = [each for each in page if self._accepts(each.key, partition) and self._is_readable(each, partition)]
            known = self._state.done_or_waiting(partition, [item.key for item in items])
            self._count(len(items), len(known))
            if known and self._removes:
                yield AlreadyProcessed(self._removable(items))
            for item in items:
                if partition in self._stopped:
                    return
                if self._is_wanted(item.key, known):
                    yield WorkItem(partition, item, Origin.REPARSE if item.key in known else Origin.NEW)

    def _count(self, items: int, known: int) -> None:
        passed_over = 0 if self._request.reparse else known
        self._stats.known += passed_over
        self._stats.listed += items - passed_over

    def _removable(self, items: Sequence[S3Object]) -> Sequence[str]:
        return sorted(self._state.removable([item.key for item in items]))

    def _accepts(self, key: str, partition: Partition) -> bool:
        if is_stray(key):
            self._stats.strays += not key.endswith("/")
        elif self._log_type.accepts(key, partition):
            return True
        log.log(DEBUG_3, "++ Passing over another kind of object: %s", key, extra=about(key))
        return False

    def _is_readable(self, item: S3Object, partition: Partition) -> bool:
        """Tell whether the object is in no archive; a reparse asks for all, because some may be restored."""
        if item.is_archived and not self._request.reparse:
            self._stats.archived.add(partition.day(item.key) or self._request.today)
            return False
        return True

    def _is_wanted(self, key: str, known: set[str]) -> bool:
        if key not in known:
            log.log(DEBUG_2, "++ Found new log: %s", key, extra=about(key))
        elif self._request.reparse:
            log.log(DEBUG_2, "++ File previously processed, but reparse flag set: %s", key, extra=about(key))
        else:
            log.log(DEBUG_2, "++ Skipping previously processed file: %s", key, extra=about(key))
        return key not in known or self._request.reparse
