"""Telling that a source found nothing, and which options would: silence looks like success for weeks."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from difflib import get_close_matches
from itertools import chain, islice

from aws_s3.aws.s3 import Bucket
from aws_s3.config.advice import advice, where
from aws_s3.errors import CollectorError
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import AWS_LOGS, Partition
from aws_s3.log_types.recognition import readings
from aws_s3.log_types.strays import is_stray
from aws_s3.pipeline.levels import STANDING
from aws_s3.settings import BucketJob

log = logging.getLogger(__name__)

_FIRST_DAY = date(2006, 1, 1)
"""No key is older: S3 began then."""

_PARTITIONS = 50
_PAGES = 2


def tell_nothing_found(
    job: BucketJob, log_type: LogType, bucket: Bucket, partitions: Sequence[Partition]
) -> date | None:
    """Tell with a WARNING that a source that never had an object found none of any day.

    Return the day of an object where all are older than the run collects, which is no fault: the summary tells it.
    It costs a request or two for each partition, and a few for the path.
    """
    older = next(_days(log_type, bucket, partitions), None)
    if older is None:
        name = f"{job.source.bucket} ({job.source.type})"
        next_step = hint(job, log_type, bucket)
        log.warning("%s: %s. %s", name, nothing_of_any_day(job, log_type, partitions), next_step, extra=STANDING)
    return older


def nothing_of_any_day(job: BucketJob, log_type: LogType, partitions: Sequence[Partition]) -> str:
    """Return the text that says where, as patterns, no object was found."""
    applied = {partition.dates for partition in partitions}
    layouts = [layout for layout in log_type.layouts if not applied or layout.dates in applied]
    return f"no object of any day lies under {where(job, layouts)}"


def hint(job: BucketJob, log_type: LogType, bucket: Bucket) -> str:
    """Return the next step for a source that finds nothing: a key of the bucket, and the options that collect it.

    It is empty where the bucket may be listed under the path only.
    """
    try:
        key = nearest_key(job, log_type, bucket)
    except CollectorError:
        return ""
    return about_key(job, key) if key else "The bucket holds no log. Check --bucket."


def nearest_key(job: BucketJob, log_type: LogType, bucket: Bucket) -> str:
    """Return a key of the bucket, of which the job's options collect the most; empty where the bucket holds no log.

    Raises CollectorError where the bucket may be listed under the path only.
    """
    keys = next(filter(None, _samples(job, log_type, bucket)), [])
    return min(keys, key=lambda key: _distance(job, key), default="")


def about_key(job: BucketJob, key: str) -> str:
    """Return a sentence that names the key and the options that collect it."""
    if options := advice(job, key):
        return f"The bucket holds {key}, which these options collect: {options}."
    return f"The bucket holds {key}, which fits no known type and layout. Check --type and --trail_prefix."


def _days(log_type: LogType, bucket: Bucket, partitions: Iterable[Partition]) -> Iterator[date]:
    """Yield the days of the partitions' first objects."""
    for partition in islice(partitions, _PARTITIONS):
        pages = bucket.pages(partition.prefix, partition.prefix + partition.dates.before(_FIRST_DAY))
        for item in chain.from_iterable(islice(pages, _PAGES)):
            day = partition.day(item.key)
            if day and log_type.accepts(item.key, partition) and not is_stray(item.key):
                yield day


def _samples(job: BucketJob, log_type: LogType, bucket: Bucket) -> Iterator[list[str]]:
    """Yield keys that lie where the job looks, then those nearest to it; of each folder one."""
    path = job.source.path
    if any(layout.in_awslogs for layout in log_type.layouts):
        yield _keys(bucket, path + AWS_LOGS)
    yield _keys(bucket, path)
    while path:
        parent, _, name = path.removesuffix("/").rpartition("/")
        path = f"{parent}/" if parent else ""
        for folder in get_close_matches(name, bucket.folders(path), 1):
            yield _keys(bucket, f"{path}{folder}/")
        yield _keys(bucket, path)


def _keys(bucket: Bucket, prefix: str) -> list[str]:
    """Return keys of the first page under the prefix, of each folder one."""
    by_folder = {item.key.rpartition("/")[0]: item.key for item in next(bucket.pages(prefix), [])}
    return [key for key in by_folder.values() if not is_stray(key)]


def _distance(job: BucketJob, key: str) -> tuple[bool, ...]:
    """Return how little the key's options are like the job's: the least is the best example."""
    best = next(iter(readings(key, job.source.type)), None)
    if best is None:
        return (True,)
    source = job.source
    return (False, best.type != source.type, best.path != source.path, bool(best.layout))
