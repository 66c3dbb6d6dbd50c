"""The table of one bucket type, shared with Wazuh's own module: a row for each object that is done."""

import heapq
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timezone
from itertools import islice

from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Partition
from aws_s3.settings import BucketLocation
from aws_s3.state.database import AFTER_ANY_KEY, Database, Execute, Row

_NEWEST_KEPT = 500
"""Wazuh's own module keeps so many of the newest rows of a table partition; so do we, at least, of a partition."""

_ROWS_A_SLICE = 1000
"""Rows forgotten in one transaction: some 20 ms, in which other runs wait."""


class ProcessedObjects:
    """The rows of one source. Methods that take `execute` work in the caller's transaction."""

    def __init__(self, database: Database, log_type: LogType, location: BucketLocation) -> None:
        self._database = database
        self._log_type = log_type
        self._bucket_path = f"{location.bucket}/{location.path}"
        if log_type.suffix_in_bucket_path:
            self._bucket_path += location.suffix
        # An organization's trail and an account's can share a bucket_path.
        layouts = log_type.layouts
        self._ranges = sorted({(log_type.table_of(layout.dates), *layout.key_range(location)) for layout in layouts})
        self._tables = sorted({table for table, _, _ in self._ranges})

    def create(self, execute: Execute) -> None:
        """Create the tables that are missing, and an index of each for looking keys up."""
        key = ", ".join(self._log_type.key_columns)
        columns = ", ".join(f"{column} TEXT NOT NULL" for column in self._log_type.key_columns)
        for table in self._tables:
            execute(
                f"CREATE TABLE IF NOT EXISTS {table} ({columns}, processed_date TEXT NOT NULL, "
                f"created_date INTEGER NOT NULL, PRIMARY KEY ({key}))"
            )
            execute(f"CREATE INDEX IF NOT EXISTS collection_{table}_keys ON {table} (bucket_path, log_key)")

    def last_processed(self) -> str | None:
        """Return the latest `processed_date` of the source's rows, None without any that is a date."""
        sql = "SELECT max(processed_date) AS last FROM {} WHERE bucket_path = ? AND log_key BETWEEN ? AND ?"
        latest = [
            row["last"]
            for table, *limits in self._ranges
            for row in self._database.query(sql.format(table), (self._bucket_path, *limits))
        ]
        return max((text for text in latest if _is_date(text)), default=None)

    def any(self) -> bool:
        """Tell whether the source has a row."""
        sql = "SELECT 1 FROM {} WHERE bucket_path = ? AND log_key BETWEEN ? AND ? LIMIT 1"
        return any(
            self._database.first(sql.format(table), (self._bucket_path, *limits)) for table, *limits in self._ranges
        )

    def among(self, keys: Sequence[str]) -> set[str]:
        """Return the keys between the first and the last of `keys` that have rows."""
        sql = "SELECT log_key FROM {} WHERE bucket_path = ? AND log_key BETWEEN ? AND ?"
        limits = (self._bucket_path, min(keys), max(keys))
        return {key for table in self._tables for key in self._database.select(_log_key, sql.format(table), limits)}

    def keys_of(self, partition: Partition) -> Iterator[str]:
        """Yield the keys of the partition that have rows, in key order; rows below its prefix may be another's."""
        return self._keys(partition, "ORDER BY log_key")

    def add(self, execute: Execute, partition: Partition, key: str, account: str) -> None:
        """Add the row of an object if there is none; `account` stands in it where the key holds none."""
        values = {
            "bucket_path": self._bucket_path,
            "aws_account_id": partition.account or account,
            "aws_region": partition.region,
            "log_key": key,
            **self._log_type.extra_columns(key),
        }
        columns = self._log_type.key_columns
        marks = ", ".join("?" * (len(columns) + 2))
        # A row counts whatever its account is: the key alone decides whether there is one.
        table = self._log_type.table_of(partition.dates)
        execute(
            f"INSERT INTO {table} ({', '.join(columns)}, processed_date, created_date) "
            f"SELECT {marks} WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE bucket_path = ? AND log_key = ?)",
            (
                *(values[column] for column in columns),
                f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}",
                _number(partition.day(key)),
                self._bucket_path,
                key,
            ),
        )

    def oldest_day_if_pruned(self, partition: Partition) -> date | None:
        """Return the day of the oldest row in the partition's table partition, if rows may be missing there.

        Wazuh's own module prunes by bucket_path, and by account and region where the table has them. So a
        busy region pushes another region's rows out of a table without regions, and an organization's trail
        those of an account's trail. That happens only where so many rows as it keeps are left.
        """
        if partition.dates.own_rows:
            return None
        columns = {"bucket_path": self._bucket_path}
        if partition.account:
            columns["aws_account_id"] = partition.account
        if "aws_region" in self._log_type.key_columns:
            columns["aws_region"] = partition.region
        where = " AND ".join(f"{column} = ?" for column in columns)
        # A created_date that is no day tells nothing.
        day = "CASE WHEN created_date BETWEEN 10000101 AND 99991231 THEN created_date END"
        table = self._log_type.table_of(partition.dates)
        sql = f"SELECT count(*) AS rows, min({day}) AS oldest FROM {table} WHERE {where}"
        [row] = self._database.query(sql, tuple(columns.values()))
        return _day(row["oldest"]) if row["rows"] >= _NEWEST_KEPT else None

    def oldest_of_another_account(self, partition: Partition, own_account: str) -> str | None:
        """Return the oldest key of the partition in the rows of another account that holds as many as are kept.

        Wazuh's own module asks for its own account, without the role, where the key holds none. It counts the rows to
        keep by that account: rows of ours, which may be older, do not tell which of its rows it has pruned.
        """
        if partition.account or partition.dates.own_rows:
            return None
        table = self._log_type.table_of(partition.dates)
        others = self._database.query(
            f"SELECT aws_account_id FROM {table} WHERE bucket_path = ? AND aws_account_id != ? "
            "GROUP BY aws_account_id HAVING count(*) >= ?",
            (self._bucket_path, own_account, _NEWEST_KEPT),
        )
        sql = f"SELECT log_key FROM {table} WHERE bucket_path = ? AND aws_account_id = ? AND log_key BETWEEN ? AND ?"
        limits = (partition.prefix, partition.prefix + AFTER_ANY_KEY)
        oldest = [
            min(filter(partition.day, keys), key=partition.order, default=None)
            for row in others
            if (keys := list(self._database.select(_log_key, sql, (self._bucket_path, row["aws_account_id"], *limits))))
        ]
        return max(filter(None, oldest), key=partition.order, default=None)

    def slices_before(self, partition: Partition, before: date) -> Iterator[list[str]]:
        """Yield, in slices, the keys of the partition's rows of days before `before`, but not its newest 500.

        The caller may delete the rows of a slice before it asks for the next. No slice is empty.
        """
        newest = self._newest(partition)
        if len(newest) < _NEWEST_KEPT:
            return
        limit = min(*map(partition.order, newest), (before, ""))
        for keys in self.slices_of(partition):
            orders = [partition.order(key) for key in keys if partition.day(key)]
            older = [key for day, key in orders if (day, key) < limit]
            if older:
                yield older
            if orders and orders[-1] >= limit and not partition.dates.unpadded:
                return

    def delete(self, execute: Execute, keys: Sequence[str]) -> None:
        """Delete the rows of the keys."""
        for table in self._tables:
            for key in keys:
                execute(f"DELETE FROM {table} WHERE bucket_path = ? AND log_key = ?", (self._bucket_path, key))

    def slices_of(self, partition: Partition) -> Iterator[list[str]]:
        """Yield, in slices, the keys of all rows below the partition's prefix; the caller may delete them meanwhile."""
        table = self._log_type.table_of(partition.dates)
        yield from self._slices(table, partition.prefix, partition.prefix + AFTER_ANY_KEY)

    def slices(self) -> Iterator[list[str]]:
        """Yield, in slices, the keys of all rows of the source; the caller may delete them meanwhile."""
        for table, first, end in self._ranges:
            yield from self._slices(table, first, end)

    def _slices(self, table: str, first: str, end: str) -> Iterator[list[str]]:
        """Yield the keys that have rows in slices; no cursor is open between two of them."""
        sql = (
            f"SELECT log_key FROM {table} WHERE bucket_path = ? AND log_key BETWEEN ? AND ? AND log_key > ? "
            f"ORDER BY log_key LIMIT {_ROWS_A_SLICE}"
        )
        last = ""
        while keys := list(self._database.select(_log_key, sql, (self._bucket_path, max(first, last), end, last))):
            yield keys
            last = keys[-1]

    def _newest(self, partition: Partition) -> list[str]:
        """Return the newest keys of the partition that have rows, up to 500."""
        if partition.dates.unpadded:
            return heapq.nlargest(_NEWEST_KEPT, self.keys_of(partition), key=partition.order)
        return list(islice(self._keys(partition, "ORDER BY log_key DESC"), _NEWEST_KEPT))

    def _keys(self, partition: Partition, order: str) -> Iterator[str]:
        table = self._log_type.table_of(partition.dates)
        keys = self._database.select(
            _log_key,
            f"SELECT log_key FROM {table} WHERE bucket_path = ? AND log_key BETWEEN ? AND ? {order}",
            (self._bucket_path, partition.prefix, partition.prefix + AFTER_ANY_KEY),
        )
        return (key for key in keys if partition.day(key))


def _log_key(row: Row) -> str:
    return row.text("log_key")


def _number(day: date | None) -> int:
    """Return the day as `created_date` holds it: 20210610."""
    return int(day.isoformat().replace("-", "")) if day else 0


def _day(number: object) -> date | None:
    """Return the day of a `created_date`, None for a value that is no day."""
    text = str(number)
    with suppress(ValueError):
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    return None


def _is_date(text: object) -> bool:
    with suppress(ValueError):
        return isinstance(text, str) and bool(date.fromisoformat(text[:10]))
    return False
