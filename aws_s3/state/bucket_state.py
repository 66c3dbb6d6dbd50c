"""The state of one source: which objects are done, where each partition stands, what failed (SPEC 4, 9)."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from aws_s3.errors import CollectorError, UnavailableError
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Partition
from aws_s3.settings import BucketLocation
from aws_s3.state import failed_objects, partitions
from aws_s3.state.database import Database, Execute
from aws_s3.state.failed_objects import FailedObject, FailedObjects
from aws_s3.state.partitions import Entry, Partitions
from aws_s3.state.processed_objects import ProcessedObjects
from aws_s3.state.start_day import History, PartitionCheckpoint, StartDay, days_before

log = logging.getLogger(__name__)

FILE = "s3_cloudtrail.db"

_MIGRATIONS = (
    (
        "sources",
        """CREATE TABLE collection_source (
            id INTEGER PRIMARY KEY, type TEXT NOT NULL, bucket TEXT NOT NULL, path TEXT NOT NULL,
            suffix TEXT NOT NULL, organization TEXT NOT NULL, last_run TEXT,
            UNIQUE (type, bucket, path, suffix, organization))""",
    ),
    *partitions.MIGRATIONS,
    *failed_objects.MIGRATIONS,
)


class BucketState:
    """The state of one source. All methods raise StateError.

    `began` is when the run began, UTC. Rows older than `keep_days` before a partition's place are
    pruned, with None nothing is.
    """

    def __init__(
        self, folder: Path, log_type: LogType, source: BucketLocation, began: datetime, keep_days: int | None
    ) -> None:
        self._log_type = log_type
        self._began = began
        self._keep_days = keep_days
        self._entries: dict[Partition, Entry] = {}
        self._gaps: set[Partition] = set()
        self._database = Database(folder / FILE, _MIGRATIONS, (partitions.FORGET_ADOPTION,))
        self._processed = ProcessedObjects(self._database, log_type, source)
        with self._database.transaction() as execute:
            self._processed.create(execute)
            self._source = self._find_source(execute, source)
        self._partitions = Partitions(self._database, self._source)
        self.failed_objects = FailedObjects(self._database, self._source, began)

    def close(self) -> None:
        """Close the state file."""
        self._database.close()

    def is_empty(self) -> bool:
        """Tell whether nothing was ever collected from the source."""
        return not self._partitions.any() and self._processed.last_processed() is None

    def history(self) -> History:
        """Return what is known of the source as a whole."""
        [(last_run,)] = self._database.query("SELECT last_run FROM collection_source WHERE id = ?", (self._source,))
        return History(_day(last_run), self._partitions.earliest_floor())

    def complete(self) -> None:
        """Remember that a run over the whole source, from `began` on, failed nowhere."""
        with self._database.transaction() as execute:
            parameters = (self._began.isoformat(timespec="seconds"), self._source)
            execute("UPDATE collection_source SET last_run = ? WHERE id = ?", parameters)

    def checkpoint(self, partition: Partition) -> PartitionCheckpoint:
        """Return what is known of the partition; rows of the existing module are taken over."""
        return self._entry(partition).known

    def begin(self, partition: Partition, start: StartDay) -> None:
        """Remember, before listing, where the partition starts."""
        entry = self._entry(partition)
        known = replace(entry.known, floor=start.floor, skipped_to=start.skipped_to)
        if known != entry.known:
            self._remember(partition, replace(entry, known=known))
        if start.skips_days:
            self._gaps.add(partition)

    def done_or_waiting(self, partition: Partition, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that listing is done with: processed, or waiting to be tried again."""
        if not keys:
            return set()
        settled = self._processed.among(keys) | self.failed_objects.failed_keys(keys) | self._forgotten(partition, keys)
        return settled.intersection(keys)

    def removable(self, keys: Sequence[str]) -> set[str]:
        """Return those of the keys whose objects were processed and did not fail."""
        if not keys:
            return set()
        return self._processed.among(keys).intersection(keys) - self.failed_objects.failed_keys(keys)

    def ensure_writable(self) -> None:
        """Raise StateError when `mark_done` would, for want of space."""
        self._database.ensure_writable()

    def mark_done(self, partition: Partition, key: str, account: str) -> None:
        """Record that all events of the object were accepted, in one committed transaction.

        `account` stands in the row where the key holds none.
        """
        with self._database.transaction() as execute:
            self._processed.add(execute, partition, key, account)
            self.failed_objects.forget(execute, key)

    def mark_malformed(self, partition: Partition, failed: FailedObject, account: str, error: CollectorError) -> None:
        """Record that the object counts as processed although it cannot be read."""
        with self._database.transaction() as execute:
            self._processed.add(execute, partition, failed.key, account)
            self.failed_objects.put_malformed(execute, failed, error)

    def keep_malformed(self, failed: FailedObject, error: CollectorError) -> None:
        """Record why an object that is remembered as malformed still cannot be had; one that is gone is forgotten."""
        with self._database.transaction() as execute:
            if isinstance(error, UnavailableError) and error.gone:
                self.failed_objects.forget(execute, failed.key)
            else:
                self.failed_objects.put_malformed(execute, failed, error)

    def advance(self, partition: Partition, key: str) -> None:
        """Move the partition's place on to the day of an object that was processed in its turn.

        Rows that are behind it by more than the days to keep are pruned: what they tell has been
        asked by then, if objects are processed in the order of the listing. A day in the future
        moves nothing, nor does one behind a gap.
        """
        entry = self._entry(partition)
        newest_day, day = entry.known.newest_day, partition.day(key)
        if day is None or day > self._began.date() or (newest_day and day <= newest_day) or partition in self._gaps:
            return
        with self._database.transaction() as execute:
            pruned = self._prune(execute, partition, day)
            moved = replace(entry, known=replace(entry.known, newest_day=day, pruned=pruned))
            self._partitions.put(execute, partition, moved)
        self._entries[partition] = moved

    def lock_name(self, partition: Partition) -> str:
        """Return what identifies the partition among all runs on this state."""
        return f"{self._source} {partition.prefix} {partition.dates.text}"

    def _find_source(self, execute: Execute, source: BucketLocation) -> int:
        names = (source.type, source.bucket, source.path, source.suffix, source.organization)
        found = execute(
            "SELECT id FROM collection_source "
            "WHERE type = ? AND bucket = ? AND path = ? AND suffix = ? AND organization = ?",
            names,
        ).fetchone()
        if found:
            return int(found[0])
        # The existing module's last run is known by its rows only.
        added = execute(
            "INSERT INTO collection_source (type, bucket, path, suffix, organization, last_run) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (*names, self._processed.last_processed()),
        )
        return int(added.lastrowid or 0)

    def _entry(self, partition: Partition) -> Entry:
        if partition not in self._entries:
            entry, is_adopted = self._partitions.get(partition)
            if is_adopted:
                self._entries[partition] = entry
            else:
                self._remember(partition, self._adopted(partition, entry))
        return self._entries[partition]

    def _adopted(self, partition: Partition, entry: Entry) -> Entry:
        """Take over the rows of the existing module: what sorts before the oldest counts as done (SPEC 9)."""
        oldest: dict[str, str] = {}
        newest = entry.known.newest_day
        for key in self._processed.keys_of(partition):
            day, group = partition.order(key)[0], self._group(key)
            # One key of the future says nothing of the days until then.
            if day <= self._began.date():
                oldest[group] = min(key, oldest.get(group, key), key=partition.order)
                newest = max(day, newest or day)
        if not oldest:
            return entry
        floor = entry.known.floor or min(map(partition.order, oldest.values()))[0]
        for group, key in entry.done_before.items():
            oldest[group] = max(key, oldest.get(group, key), key=partition.order)
        return Entry(replace(entry.known, floor=floor, newest_day=newest), oldest)

    def _forgotten(self, partition: Partition, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that count as done because the existing module forgets such rows."""
        done_before = {group: partition.order(key) for group, key in self._entry(partition).done_before.items()}
        if not done_before:
            return set()
        limits = ((key, done_before.get(self._group(key))) for key in keys)
        return {key for key, limit in limits if limit and partition.order(key) < limit}

    def _group(self, key: str) -> str:
        """Return what the existing module counts the rows to keep by, beside the folders of a partition."""
        return "/".join(self._log_type.extra_columns(key).values())

    def _remember(self, partition: Partition, entry: Entry) -> None:
        with self._database.transaction() as execute:
            self._partitions.put(execute, partition, entry)
        self._entries[partition] = entry

    def _prune(self, execute: Execute, partition: Partition, newest_day: date) -> date | None:
        """Forget rows that a later run cannot ask for; return the day before which any were forgotten so far."""
        pruned = self._entry(partition).known.pruned
        if self._keep_days is None:
            return pruned
        before = days_before(newest_day, self._keep_days)
        count = self._processed.prune(execute, partition, before)
        if not count:
            return pruned
        log.debug("+++ DB Maintenance: %d rows of %s forgotten", count, partition.label)
        # A run that looked back less may have forgotten more.
        return max(before, pruned or before)


def _day(text: str | None) -> date | None:
    """Return the day of a time in the state, None for what is no time: another program wrote it."""
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None
