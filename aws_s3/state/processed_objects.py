"""The existing module's table of one bucket type: a row for each object that is done (SPEC 9)."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timezone
from itertools import islice

from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Partition
from aws_s3.settings import BucketLocation
from aws_s3.state.database import AFTER_ANY_KEY, Database, Execute

_NEWEST_KEPT = 500


class ProcessedObjects:
    """The rows of one location. Those that change anything do it in the caller's transaction."""

    def __init__(self, database: Database, log_type: LogType, location: BucketLocation) -> None:
        self._database = database
        self._log_type = log_type
        self._table = log_type.table
        self._bucket_path = f"{location.bucket}/{location.path}"
        if log_type.suffix_in_bucket_path:
            self._bucket_path += location.suffix
        # An organization's trail and an account's can share a bucket_path.
        self._bases = sorted({layout.base(location) for layout in log_type.layouts})

    def create(self, execute: Execute) -> None:
        """Create the table if it is missing, and an index on what a key is looked up by."""
        key = ", ".join(self._log_type.key_columns)
        columns = ", ".join(f"{column} TEXT NOT NULL" for column in self._log_type.key_columns)
        execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} ({columns}, processed_date TEXT NOT NULL, "
            f"created_date INTEGER NOT NULL, PRIMARY KEY ({key}))"
        )
        execute(f"CREATE INDEX IF NOT EXISTS collection_{self._table}_keys ON {self._table} (bucket_path, log_key)")

    def last_processed(self) -> str | None:
        """Return the latest `processed_date` of the source's rows, None without any."""
        sql = f"SELECT max(processed_date) FROM {self._table} WHERE bucket_path = ? AND log_key BETWEEN ? AND ?"
        # Behind the base comes an account or a date: a folder with another name is another source's.
        limits = ((f"{base}0", f"{base}9{AFTER_ANY_KEY}") for base in self._bases)
        latest = [self._database.query(sql, (self._bucket_path, *both))[0][0] for both in limits]
        return max(filter(None, latest), default=None)

    def among(self, keys: Sequence[str]) -> set[str]:
        """Return the keys between the first and the last of `keys` that have rows."""
        sql = f"SELECT log_key FROM {self._table} WHERE bucket_path = ? AND log_key BETWEEN ? AND ?"
        return {key for (key,) in self._database.query(sql, (self._bucket_path, min(keys), max(keys)))}

    def keys_of(self, partition: Partition) -> Iterator[str]:
        """Yield the keys of the partition that have rows, in key order: below its prefix may lie others."""
        return self._of(partition, "")

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
        # A row counts whatever its account is (SPEC 9): the key alone decides whether there is one.
        execute(
            f"INSERT INTO {self._table} ({', '.join(columns)}, processed_date, created_date) "
            f"SELECT {marks} WHERE NOT EXISTS (SELECT 1 FROM {self._table} WHERE bucket_path = ? AND log_key = ?)",
            (
                *(values[column] for column in columns),
                f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}",
                _number(partition.day(key)),
                self._bucket_path,
                key,
            ),
        )

    def prune(self, execute: Execute, partition: Partition, before: date) -> int:
        """Delete the partition's rows of days before `before`, but not its newest 500; return how many."""
        newer = islice(self._of(partition, "AND created_date >= ?", _number(before)), _NEWEST_KEPT)
        kept = _NEWEST_KEPT - len(list(newer))
        older = sorted(map(partition.order, self._of(partition, "AND created_date < ?", _number(before))))
        deleted = [key for day, key in older[: max(len(older) - kept, 0)] if day < before]
        for key in deleted:
            execute(f"DELETE FROM {self._table} WHERE bucket_path = ? AND log_key = ?", (self._bucket_path, key))
        return len(deleted)

    def _of(self, partition: Partition, condition: str, *parameters: object) -> Iterator[str]:
        rows = self._database.iterate(
            f"SELECT log_key FROM {self._table} WHERE bucket_path = ? AND log_key BETWEEN ? AND ? {condition}",
            (self._bucket_path, partition.prefix, partition.prefix + AFTER_ANY_KEY, *parameters),
        )
        return (key for (key,) in rows if partition.day(key))


def _number(day: date | None) -> int:
    """Return the day as `created_date` holds it: 20210610."""
    return int(day.isoformat().replace("-", "")) if day else 0
