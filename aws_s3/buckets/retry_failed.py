"""What `--retry-failed` has to collect: the failed objects, all of them, and nothing else (SPEC 10, 15)."""

import logging
from collections.abc import Iterable, Iterator

from aws_s3.aws.s3 import S3Object
from aws_s3.buckets.worklist import Inventory, Wanted, WorkOrder
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.levels import DEBUG_2

log = logging.getLogger(__name__)


class RetryFailed(WorkOrder):
    """Unavailable objects, also those whose time has not come, and malformed ones."""

    def __init__(self, inventory: Inventory) -> None:
        super().__init__()
        self._inventory = inventory
        # What is new is left to other runs.
        self.left_out = True

    def objects(self, partitions: Iterable[Partition]) -> Iterator[Wanted]:
        """Yield the failed objects of the partitions; those that another run holds are passed over."""
        state, tried = self._inventory.state, 0
        for partition in partitions:
            if not self._inventory.locks.acquire(state.lock_name(partition)):
                log.info("Another run is working on %s: it is passed over", partition.label)
                continue
            for failed, is_malformed in state.failed_objects.of_partition(partition):
                log.log(DEBUG_2, "++ Trying again: %s", failed.key)
                tried += 1
                self._inventory.stats.listed += 1
                item = S3Object(failed.key, failed.size, failed.etag)
                yield Wanted(partition, item, again=True, malformed=is_malformed)
        log.debug("+++ Tried %d failed objects again", tried)
