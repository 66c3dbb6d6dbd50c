"""What a run has to collect: of each partition the failed objects that are due, then what is new (SPEC 4)."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field

from aws_s3.aws.s3 import Bucket, S3Object
from aws_s3.buckets.listing import list_partition
from aws_s3.errors import CollectorError, CredentialsError, StorageError, ThrottledError
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.levels import DEBUG_2, DEBUG_3
from aws_s3.pipeline.prefetch import ahead, prefetch
from aws_s3.pipeline.stats import RunStats
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.locks import Locks
from aws_s3.state.start_day import History, StartRequest, choose_start_day

log = logging.getLogger(__name__)

Pages = Iterator[list[S3Object]]

_PARTITIONS_AHEAD = 32
_RETRIES_A_RUN = 1000


@dataclass(frozen=True)
class Wanted:
    """An object to collect.

    `again`: an earlier run failed to collect it, and with `malformed` counts it as processed.
    `settled`: it was done with before, and is only sent again; the state stays as it is. None of them has
    its turn.
    """

    partition: Partition
    object: S3Object
    again: bool = False
    settled: bool = False
    malformed: bool = False


@dataclass(frozen=True)
class Inventory:
    """Where a worklist looks: what there is, what is done, and what other runs are working on.

    `removed` are told the keys that are processed already and still there, if the run removes such.
    """

    store: Bucket
    state: BucketState
    locks: Locks
    executor: Executor
    removed: Callable[[Iterable[str]], None] | None = None
    stats: RunStats = field(default_factory=RunStats)


class WorkOrder(ABC):
    """What a run has to collect, in the order it is to be processed in."""

    def __init__(self) -> None:
        self._stopped: set[Partition] = set()
        self.left_out = False
        """Whether another run, or a later start than usual, took something out of the run."""

    def stop(self, partition: Partition) -> None:
        """Give out no more objects of the partition."""
        self._stopped.add(partition)

    def is_stopped(self, partition: Partition) -> bool:
        """Tell whether the partition was stopped."""
        return partition in self._stopped

    @abstractmethod
    def objects(self, partitions: Iterable[Partition]) -> Iterator[Wanted]:
        """Yield the objects of the partitions; those that another run holds are passed over."""


class Worklist(WorkOrder):
    """What is new, and before it the failed objects that are due.

    Several partitions are listed ahead. A partition that cannot be listed is told to `fail`, and
    the others go on.
    """

    def __init__(
        self, bucket: LogType, inventory: Inventory, asked: StartRequest, fail: Callable[[CollectorError], None]
    ) -> None:
        super().__init__()
        self._bucket = bucket
        self._inventory = inventory
        self._state = inventory.state
        self._asked = asked
        self._fail = fail
        self._stats = inventory.stats
        self._retries_left = _RETRIES_A_RUN

    def objects(self, partitions: Iterable[Partition]) -> Iterator[Wanted]:
        """Yield the objects of the partitions; those that another run holds are passed over."""
        for partition, pages in ahead(self._listings(partitions), _PARTITIONS_AHEAD):
            log.debug("+++ Working on %s", partition.label.replace("/", " - ", 1))
            found = 0
            for wanted in self._due(partition):
                found += 1
                yield wanted
            try:
                for wanted in self._new(partition, pages):
                    found += 1
                    yield wanted
            except (StorageError, CredentialsError, ThrottledError) as error:
                self._fail(error)
            if not found:
                log.debug("+++ No logs to process in bucket: %s", partition.label)

    def _listings(self, partitions: Iterable[Partition]) -> Iterator[tuple[Partition, Pages]]:
        """Decide where each partition starts, and begin to list it."""
        history = self._state.history()
        for partition in partitions:
            if self._inventory.locks.acquire(self._state.lock_name(partition)):
                yield partition, self._begin(partition, history)
            else:
                self.left_out = True
                log.info("Another run is working on %s: it is passed over", partition.label)

    def _begin(self, partition: Partition, history: History) -> Pages:
        start = choose_start_day(self._state.checkpoint(partition), history, self._asked)
        self._state.begin(partition, start)
        self.left_out |= start.skips_days
        log.log(DEBUG_2, "+++ Marker: %s%s", partition.prefix, partition.dates.written(start.day))
        pages = list_partition(self._inventory.store, partition, start.day, self._asked.today)
        return prefetch(pages, self._inventory.executor)

    def _due(self, partition: Partition) -> Iterator[Wanted]:
        if self._asked.reparse:
            return
        for failed in self._state.failed_objects.due_for_retry(partition, self._retries_left):
            self._retries_left -= 1
            self._stats.listed += 1
            log.log(DEBUG_2, "++ Trying again: %s", failed.key)
            yield Wanted(partition, S3Object(failed.key, failed.size, failed.etag), again=True)

    def _new(self, partition: Partition, pages: Pages) -> Iterator[Wanted]:
        for page in self._stats.listing.around(pages):
            items = [item for item in page if self._accepts(item.key, partition)]
            keys = [item.key for item in items]
            settled = self._state.done_or_waiting(partition, keys)
            passed_over = 0 if self._asked.reparse else len(settled)
            self._stats.known += passed_over
            self._stats.listed += len(keys) - passed_over
            if self._inventory.removed and settled and not self._asked.reparse:
                self._inventory.removed(sorted(self._state.removable(keys)))
            for item in items:
                if partition in self._stopped:
                    return
                if self._is_wanted(item.key, settled):
                    yield Wanted(partition, item, settled=item.key in settled)

    def _accepts(self, key: str, partition: Partition) -> bool:
        accepted = self._bucket.accepts(key, partition)
        if not accepted:
            log.log(DEBUG_3, "++ Passing over another kind of object: %s", key)
        return accepted

    def _is_wanted(self, key: str, settled: set[str]) -> bool:
        if key not in settled:
            log.log(DEBUG_2, "++ Found new log: %s", key)
        elif self._asked.reparse:
            log.debug("++ File previously processed, but reparse flag set: %s", key)
        else:
            log.debug("++ Skipping previously processed file: %s", key)
        return key not in settled or self._asked.reparse
