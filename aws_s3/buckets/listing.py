"""The objects of a partition from its start day on, in the order they are processed in (SPEC 4)."""

from collections.abc import Iterator
from datetime import date

from aws_s3.aws.s3 import Bucket, S3Object
from aws_s3.log_types.layout import Partition

_LAST_DATE_CHARACTER = "9"
_FIRST_YEAR = 2006
"""No key is older: S3 began then."""


def list_partition(store: Bucket, partition: Partition, start: date, today: date) -> Iterator[list[S3Object]]:
    """Yield the partition's objects of `start` and later, by the page; its other keys are left out.

    In key order; where month and day are unpadded, in date order, then key order.
    """
    if partition.dates.unpadded:
        pages = _by_day(store, partition, start)
    elif partition.dates.by_year:
        pages = _by_year(store, partition, start, today)
    else:
        pages = store.pages(partition.prefix, partition.prefix + partition.dates.written(start))
    for page in pages:
        # A page without new objects is passed on too: it shows that the listing goes on.
        yield [item for item in page if (day := partition.day(item.key)) is not None and day >= start]
        if page and _is_beyond_dates(page[-1].key, partition):
            return


def _is_beyond_dates(key: str, partition: Partition) -> bool:
    """Tell whether no later key can begin with a date: a path at the root must not run on into others."""
    return key[len(partition.prefix) : len(partition.prefix) + 1] > _LAST_DATE_CHARACTER


def _by_year(store: Bucket, partition: Partition, start: date, today: date) -> Iterator[list[S3Object]]:
    """List each year alone; the next year too, since clocks differ."""
    separator = partition.dates.text[2]
    first = partition.prefix + partition.dates.written(start)
    for year in range(max(start.year, _FIRST_YEAR), today.year + 2):
        yield from store.pages(f"{partition.prefix}{year:04}{separator}", first)


def _by_day(store: Bucket, partition: Partition, start: date) -> Iterator[list[S3Object]]:
    for folder in _day_folders(store, partition.prefix, (start.year, start.month, start.day)):
        yield from store.pages(folder)


def _day_folders(store: Bucket, prefix: str, first: tuple[int, ...]) -> Iterator[str]:
    """Yield the folders of days in the order of their numbers, from the year, month and day `first` on."""
    if not first:
        yield prefix
        return
    names = [name for name in store.folders(prefix) if name.isascii() and name.isdigit()]
    for name in sorted(names, key=int):
        if int(name) >= first[0]:
            rest = first[1:] if int(name) == first[0] else (1,) * len(first[1:])
            yield from _day_folders(store, f"{prefix}{name}/", rest)
