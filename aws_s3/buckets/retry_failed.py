"""The objects that `--retry-failed` collects: all failed objects of the source, and nothing else."""

import logging
from collections.abc import Iterable, Iterator

from aws_s3.aws.listings import S3Object
from aws_s3.buckets.object_source import Found, ListingContext, ObjectSource, Origin, WorkItem
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.levels import DEBUG_2, about

log = logging.getLogger(__name__)


class FailedObjectSource(ObjectSource):
    """Unavailable objects, whether or not they are due, and malformed objects."""

    def __init__(self, context: ListingContext) -> None:
        super().__init__(context)
        # New objects are left to other runs.
        self.is_partial = True

    def objects(self, partitions: Iterable[Partition]) -> Iterator[Found]:
        """Yield the failed objects of the partitions, but for those that another run works on."""
        state, tried = self._context.state, 0
        for partition in partitions:
            if not self._context.locks.acquire(state.lock_name(partition)):
                self._context.stats.held += 1
                self._context.locks.report_holder(state.lock_name(partition), partition.label)
                continue
            self._context.stats.taken += 1
            for failed, is_malformed in state.failed_objects.of_partition(partition):
                log.log(DEBUG_2, "++ Trying again: %s", failed.key, extra=about(failed.key))
                tried += 1
                self._context.stats.listed += 1
                item = S3Object(failed.key, failed.size, failed.etag)
                yield WorkItem(partition, item, Origin.RETRY_MALFORMED if is_malformed else Origin.RETRY)
        log.debug("+++ Tried %d failed objects again", tried)
