"""The objects of a partition from its start day on, in processing order."""

from collections.abc import Iterator
from datetime import date

from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import Bucket
from aws_s3.log_types.layout import Partition

_LAST_DATE_CHARACTER = "9"
_FIRST_YEAR = 2006
"""The year in which S3 began: no key is older."""


def list_partition(bucket: Bucket, partition: Partition, start: date, today: date) -> Iterator[list[S3Object]]:
    """Yield the partition's objects of `start` and later, by the page, without its other keys.

    The order is that of the keys; where month and day are unpadded, it is that of the dates, then of the keys.
    """
    if partition.dates.unpadded:
        pages = _by_day(bucket, partition, start)
    elif partition.dates.by_year:
        pages = _by_year(bucket, partition, start, today)
    else:
        pages = bucket.pages(partition.prefix, partition.prefix + partition.dates.before(start))
    for page in pages:
        # Yield an empty page too: it shows that the listing goes on.
        yield [item for item in page if (day := partition.day(item.key)) is not None and day >= start]
        if page and _is_beyond_dates(page[-1].key, partition):
            return


def _is_beyond_dates(key: str, partition: Partition) -> bool:
    """Tell whether no later key can begin with a date: a listing at the bucket's root must not run on into others."""
    return key[len(partition.prefix) : len(partition.prefix) + 1] > _LAST_DATE_CHARACTER


def _by_year(bucket: Bucket, partition: Partition, start: date, today: date) -> Iterator[list[S3Object]]:
    """List each year alone, the next year included because clocks differ."""
    separator = partition.dates.text[2]
    first = partition.prefix + partition.dates.before(start)
    for year in range(max(start.year, _FIRST_YEAR), today.year + 2):
        yield from bucket.pages(f"{partition.prefix}{year:04}{separator}", first)


def _by_day(bucket: Bucket, partition: Partition, start: date) -> Iterator[list[S3Object]]:
    for folder in _day_folders(bucket, partition.prefix, (start.year, start.month, start.day)):
        yield from bucket.pages(folder)


def _day_folders(bucket: Bucket, prefix: str, first: tuple[int, ...]) -> Iterator[str]:
    """Yield the folders of days in the order of their numbers, from the year, month and day `first` on."""
    if not first:
        yield prefix
        return
    names = [name for name in bucket.folders(prefix) if name.isascii() and name.isdigit()]
    for name in sorted(names, key=int):
        if int(name) >= first[0]:
            rest = first[1:] if int(name) == first[0] else (1,) * len(first[1:])
            yield from _day_folders(bucket, f"{prefix}{name}/", rest)
