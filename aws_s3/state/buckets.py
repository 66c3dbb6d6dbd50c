"""The state of one source: which objects are done, where each partition stands, what failed (SPEC 4, 9)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from aws_s3.buckets.base import Bucket
from aws_s3.buckets.layout import Partition
from aws_s3.errors import CollectorError
from aws_s3.place import History, Known, Start
from aws_s3.settings import Source
from aws_s3.state.database import AFTER_ANY_KEY, Database, Execute
from aws_s3.state.leftovers import MIGRATIONS, FailedObject, Leftovers

log = logging.getLogger(__name__)

FILE = "s3_cloudtrail.db"

_NEWEST_KEPT = 500

_MIGRATIONS = (
    (
        "sources",
        """CREATE TABLE collection_source (
            id INTEGER PRIMARY KEY, type TEXT NOT NULL, bucket TEXT NOT NULL, path TEXT NOT NULL,
            suffix TEXT NOT NULL, organization TEXT NOT NULL, last_run TEXT,
            UNIQUE (type, bucket, path, suffix, organization))""",
    ),
    (
        "partitions",
        """CREATE TABLE collection_partition (
            source INTEGER NOT NULL, prefix TEXT NOT NULL, dates TEXT NOT NULL, floor TEXT, place TEXT,
            resume TEXT, pruned TEXT, done_before TEXT, adopted INTEGER NOT NULL,
            PRIMARY KEY (source, prefix, dates))""",
    ),
    *MIGRATIONS,
)
_TAKE_OVER = ("UPDATE collection_partition SET adopted = 0",)


@dataclass(frozen=True)
class _Entry:
    """A partition as remembered; everything that sorts before `done_before` counts as done."""

    known: Known
    done_before: str | None = None


class BucketState:
    """The state of one source.

    `began` is when the run began, UTC. Rows older than `keep_days` before a partition's place are
    pruned, with None nothing is. All methods raise StateError.
    """

    def __init__(self, folder: Path, bucket: Bucket, source: Source, began: datetime, keep_days: int | None) -> None:
        self._bucket = bucket
        self._table = bucket.table
        self._bucket_path = f"{source.bucket}/{source.path}"
        if bucket.suffix_in_bucket_path:
            self._bucket_path += source.suffix
        self._began = began
        self._keep_days = keep_days
        self._entries: dict[Partition, _Entry] = {}
        self._database = Database(folder / FILE, _MIGRATIONS, _TAKE_OVER)
        with self._database.transaction() as execute:
            self._create_table(execute)
            self._source = self._find_source(execute, source)
        self.leftovers = Leftovers(self._database, self._source, began)

    def close(self) -> None:
        """Close the state file."""
        self._database.close()

    def is_empty(self) -> bool:
        """Tell whether nothing was ever collected from the source."""
        partitions = "SELECT 1 FROM collection_partition WHERE source = ? LIMIT 1"
        rows = f"SELECT 1 FROM {self._table} WHERE bucket_path = ? LIMIT 1"
        return not (self._query(partitions, self._source) or self._query(rows, self._bucket_path))

    def history(self) -> History:
        """Return what is known of the source as a whole."""
        [(last_run,)] = self._query("SELECT last_run FROM collection_source WHERE id = ?", self._source)
        [(floor,)] = self._query("SELECT min(floor) FROM collection_partition WHERE source = ?", self._source)
        return History(_day(last_run and last_run[:10]), _day(floor))

    def complete(self) -> None:
        """Remember that a run over the whole source, from `began` on, failed nowhere."""
        with self._database.transaction() as execute:
            parameters = (self._began.isoformat(timespec="seconds"), self._source)
            execute("UPDATE collection_source SET last_run = ? WHERE id = ?", parameters)

    def known(self, partition: Partition) -> Known:
        """Return what is known of the partition; rows of the existing module are taken over."""
        return self._entry(partition).known

    def begin(self, partition: Partition, start: Start) -> None:
        """Remember, before listing, where the partition starts."""
        entry = self._entry(partition)
        known = replace(entry.known, floor=start.floor, resume=start.resume)
        if known != entry.known:
            with self._database.transaction() as execute:
                self._save(execute, partition, replace(entry, known=known))

    def settled(self, partition: Partition, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that listing is done with: processed, or waiting to be tried again."""
        if not keys:
            return set()
        settled = self._processed(keys) | self.leftovers.failed(keys).keys()
        done_before = self._entry(partition).done_before
        if done_before is not None:
            settled.update(key for key in keys if partition.order(key) < partition.order(done_before))
        return settled

    def removable(self, keys: Sequence[str]) -> set[str]:
        """Return those of the keys whose objects were processed and did not fail."""
        return self._processed(keys) - self.leftovers.failed(keys).keys()

    def mark_done(self, partition: Partition, key: str, account: str) -> None:
        """Record that all events of the object were accepted, in one committed transaction.

        `account` stands in the row where the key holds none.
        """
        with self._database.transaction() as execute:
            self._insert_row(execute, partition, key, account)
            self.leftovers.forget(execute, key)
            self._move_place(execute, partition, partition.day(key))

    def mark_malformed(self, partition: Partition, wanted: FailedObject, account: str, error: CollectorError) -> None:
        """Record that the object counts as processed although it cannot be read."""
        with self._database.transaction() as execute:
            self._insert_row(execute, partition, wanted.key, account)
            self.leftovers.put_malformed(execute, wanted, error)
            self._move_place(execute, partition, partition.day(wanted.key))

    def lock_name(self, partition: Partition) -> str:
        """Return what identifies the partition among all runs on this state."""
        return f"{self._source} {partition.prefix} {partition.dates.text}"

    def _processed(self, keys: Sequence[str]) -> set[str]:
        rows = self._query(
            f"SELECT log_key FROM {self._table} WHERE bucket_path = ? AND log_key BETWEEN ? AND ?",
            self._bucket_path, min(keys), max(keys),
        )  # fmt: skip
        return {key for (key,) in rows}

    def _query(self, sql: str, *parameters: object) -> list[Any]:
        return self._database.query(sql, parameters)

    def _create_table(self, execute: Execute) -> None:
        key = ", ".join(self._bucket.key_columns)
        columns = ", ".join(f"{column} TEXT NOT NULL" for column in self._bucket.key_columns)
        execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} ({columns}, processed_date TEXT NOT NULL, "
            f"created_date INTEGER NOT NULL, PRIMARY KEY ({key}))"
        )
        execute(f"CREATE INDEX IF NOT EXISTS collection_{self._table}_keys ON {self._table} (bucket_path, log_key)")

    def _find_source(self, execute: Execute, source: Source) -> int:
        names = (source.type, source.bucket, source.path, source.suffix, source.organization)
        columns = "type, bucket, path, suffix, organization"
        # The existing module's last run is known by its rows only.
        execute(
            f"INSERT OR IGNORE INTO collection_source ({columns}, last_run) VALUES (?, ?, ?, ?, ?, "
            f"(SELECT max(processed_date) FROM {self._table} WHERE bucket_path = ?))",
            (*names, self._bucket_path),
        )
        matching = " AND ".join(f"{column} = ?" for column in columns.split(", "))
        return int(execute(f"SELECT id FROM collection_source WHERE {matching}", names).fetchone()[0])

    def _entry(self, partition: Partition) -> _Entry:
        if partition not in self._entries:
            rows = self._query(
                "SELECT floor, place, resume, pruned, done_before, adopted FROM collection_partition "
                "WHERE source = ? AND prefix = ? AND dates = ?",
                self._source, partition.prefix, partition.dates.text,
            )  # fmt: skip
            *days, done_before, adopted = rows[0] if rows else (None, None, None, None, None, False)
            entry = _Entry(Known(*map(_day, days)), done_before)
            self._entries[partition] = entry if adopted else self._adopted(partition, entry)
        return self._entries[partition]

    def _adopted(self, partition: Partition, entry: _Entry) -> _Entry:
        """Take over the rows of the existing module: what sorts before the oldest counts as done (SPEC 9)."""
        rows = self._query(
            f"SELECT log_key FROM {self._table} WHERE bucket_path = ? AND log_key BETWEEN ? AND ?",
            self._bucket_path, partition.prefix, partition.prefix + AFTER_ANY_KEY,
        )  # fmt: skip
        keys = [key for (key,) in rows if partition.day(key)]
        if not keys:
            return entry
        oldest = min(keys, key=partition.order)
        days = [day for key in keys if (day := partition.day(key)) and day <= self._began.date()]
        known = replace(
            entry.known,
            floor=entry.known.floor or partition.day(oldest),
            place=max(filter(None, (*days, entry.known.place)), default=None),
        )
        adopted = _Entry(known, oldest)
        with self._database.transaction() as execute:
            self._save(execute, partition, adopted)
        return adopted

    def _save(self, execute: Execute, partition: Partition, entry: _Entry) -> None:
        known = entry.known
        days = (day and day.isoformat() for day in (known.floor, known.place, known.resume, known.pruned))
        execute(
            "INSERT OR REPLACE INTO collection_partition VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (self._source, partition.prefix, partition.dates.text, *days, entry.done_before),
        )
        self._entries[partition] = entry

    def _insert_row(self, execute: Execute, partition: Partition, key: str, account: str) -> None:
        values = {
            "bucket_path": self._bucket_path,
            "aws_account_id": partition.account or account,
            "aws_region": partition.region,
            "log_key": key,
            **self._bucket.extra_columns(key),
        }
        day = partition.day(key)
        columns = self._bucket.key_columns
        marks = ", ".join("?" * (len(columns) + 2))
        # A row counts whatever its account is (SPEC 9): the key alone decides whether there is one.
        execute(
            f"INSERT INTO {self._table} ({', '.join(columns)}, processed_date, created_date) "
            f"SELECT {marks} WHERE NOT EXISTS "
            f"(SELECT 1 FROM {self._table} WHERE bucket_path = ? AND log_key = ?)",
            (
                *(values[column] for column in columns),
                _seconds(datetime.now(timezone.utc)),
                int(f"{day:%Y%m%d}") if day else 0,
                self._bucket_path,
                key,
            ),
        )

    def _move_place(self, execute: Execute, partition: Partition, day: date | None) -> None:
        """Move the place on to `day`, if it is newer and not in the future, and prune behind it."""
        entry = self._entry(partition)
        place = entry.known.place
        if day is None or day > self._began.date() or (place is not None and day <= place):
            return
        pruned = entry.known.pruned
        if self._keep_days is not None and place is not None:
            pruned = self._prune(execute, partition, day - timedelta(days=self._keep_days)) or pruned
        self._save(execute, partition, replace(entry, known=replace(entry.known, place=day, pruned=pruned)))

    def _prune(self, execute: Execute, partition: Partition, before: date) -> date | None:
        """Forget rows of days before `before`, but not the newest 500; return it if any were forgotten."""
        limits = (self._bucket_path, partition.prefix, partition.prefix + AFTER_ANY_KEY)
        where = "bucket_path = ? AND log_key BETWEEN ? AND ?"
        cursor = execute(
            f"DELETE FROM {self._table} WHERE {where} AND created_date < ? AND log_key NOT IN "
            f"(SELECT log_key FROM {self._table} WHERE {where} "
            f"ORDER BY created_date DESC, log_key DESC LIMIT {_NEWEST_KEPT})",
            (*limits, int(f"{before:%Y%m%d}"), *limits),
        )
        if not cursor.rowcount:
            return None
        log.debug("+++ DB Maintenance: %d rows of %s forgotten", cursor.rowcount, partition.label)
        return before


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _seconds(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
