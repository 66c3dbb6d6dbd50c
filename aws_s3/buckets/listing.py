"""The objects of a partition from its start day on, in processing order."""

from collections.abc import Iterator
from datetime import date, timedelta

from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import Bucket
from aws_s3.log_types.layout import Partition

_LAST_DATE_CHARACTER = "9"
_LAST_NUMBERS = (9999, 12, 31)
_FIRST_YEAR = 2006
"""The year in which S3 began: no key is older."""


def list_partition(
    bucket: Bucket, partition: Partition, start: date, today: date, until: date = date.max
) -> Iterator[list[S3Object]]:
    """Yield the partition's objects of the days from `start` to `until`, by the page, without its other keys.

    The order is that of the keys; where month and day are unpadded, it is that of the dates, then of the keys. The
    listing ends with the page that holds a later day's key.
    """
    if partition.dates.unpadded:
        pages = _by_day(bucket, partition, start, until)
    elif partition.dates.by_year:
        # Clocks differ: on its last day, a year's successor is listed too.
        last = max(today + timedelta(days=1), start)
        pages = _by_year(bucket, partition, start, min(last.year, until.year))
    else:
        pages = bucket.pages(partition.prefix, partition.prefix + partition.dates.before(start))
    for page in pages:
        # Yield an empty page too: it shows that the listing goes on.
        yield [item for item in page if (day := partition.day(item.key)) is not None and start <= day <= until]
        if page and (_is_beyond_dates(page[-1].key, partition) or _is_later(page[-1].key, partition, until)):
            return


def _is_beyond_dates(key: str, partition: Partition) -> bool:
    """Tell whether no later key can begin with a date: a listing at the bucket's root must not run on into others."""
    return key[len(partition.prefix) : len(partition.prefix) + 1] > _LAST_DATE_CHARACTER


def _is_later(key: str, partition: Partition, until: date) -> bool:
    """Tell whether no later key is of the day or an earlier one."""
    if until == date.max or partition.dates.unpadded:
        return False
    return key >= partition.prefix + partition.dates.written(until + timedelta(days=1))


def _by_year(bucket: Bucket, partition: Partition, start: date, last_year: int) -> Iterator[list[S3Object]]:
    """List each year alone."""
    separator = partition.dates.text[2]
    first = partition.prefix + partition.dates.before(start)
    for year in range(max(start.year, _FIRST_YEAR), last_year + 1):
        yield from bucket.pages(f"{partition.prefix}{year:04}{separator}", first)


def _by_day(bucket: Bucket, partition: Partition, start: date, until: date) -> Iterator[list[S3Object]]:
    for folder in _day_folders(bucket, partition.prefix, _numbers(start), _numbers(until)):
        yield from bucket.pages(folder)


def _numbers(day: date) -> tuple[int, ...]:
    return day.year, day.month, day.day


def _day_folders(bucket: Bucket, prefix: str, first: tuple[int, ...], last: tuple[int, ...]) -> Iterator[str]:
    """Yield the folders of days in the order of their numbers, from the year, month and day `first` to `last`."""
    if not first:
        yield prefix
        return
    names = [name for name in bucket.folders(prefix) if name.isascii() and name.isdigit()]
    for name in sorted(names, key=int):
        number = int(name)
        if first[0] <= number <= last[0]:
            rest = first[1:] if number == first[0] else (1,) * len(first[1:])
            end = last[1:] if number == last[0] else _LAST_NUMBERS[-len(rest) :]
            yield from _day_folders(bucket, f"{prefix}{name}/", rest, end)
