"""The objects that a run has to collect, as its loop meets them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import Bucket
from aws_s3.errors import CollectorError
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.stats import RunStats
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.locks import Locks


class Origin(Enum):
    """Why an object is collected."""

    NEW = auto()
    """The listing shows it, and no run has processed it. Only these objects advance their partition."""

    REPARSE = auto()
    """It was processed or failed before, and `--reparse` sends it again; its state stays as it is."""

    RETRY = auto()
    """An earlier run could not have it."""

    RETRY_MALFORMED = auto()
    """An earlier run could not read it, and counts it as processed."""


@dataclass(frozen=True)
class WorkItem:
    """An object to collect."""

    partition: Partition
    object: S3Object
    origin: Origin = Origin.NEW

    @property
    def size(self) -> int:
        """Its bytes as stored."""
        return self.object.size


@dataclass(frozen=True)
class ListingFailed:
    """A partition cannot be listed, or not to its end; the other partitions go on."""

    error: CollectorError


@dataclass(frozen=True)
class AlreadyProcessed:
    """Keys of objects that were processed, did not fail, and are still in the bucket."""

    keys: Sequence[str]


Found: TypeAlias = WorkItem | ListingFailed | AlreadyProcessed


@dataclass(frozen=True)
class ListingContext:
    """The parts that an object source works with. `executor` lists partitions side by side."""

    bucket: Bucket
    state: BucketState
    locks: Locks
    executor: Executor
    stats: RunStats = field(default_factory=RunStats)


class ObjectSource(ABC):
    """The objects that a run has to collect, in processing order."""

    def __init__(self, context: ListingContext) -> None:
        self._context = context
        self._stopped: set[Partition] = set()
        self.is_partial = False
        """Whether the run leaves out objects: another run works on them, or days were skipped."""

    def stop(self, partition: Partition) -> None:
        """Yield no more objects of the partition."""
        self._stopped.add(partition)

    def is_stopped(self, partition: Partition) -> bool:
        """Tell whether the partition was stopped."""
        return partition in self._stopped

    @abstractmethod
    def objects(self, partitions: Iterable[Partition]) -> Iterator[Found]:
        """Yield the objects of the partitions, but for those that another run works on.

        Raises a failure that all partitions share, such as an unreachable endpoint.
        """
