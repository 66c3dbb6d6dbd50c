"""The state of one source: which objects are done, where each partition stands, which objects failed."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from aws_s3.errors import CollectorError, StateError, UnavailableError
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Layout, Partition
from aws_s3.secrets_mask import mask_patterns
from aws_s3.settings import BucketLocation
from aws_s3.state import failed_objects, partitions, sources
from aws_s3.state.database import Database, Execute
from aws_s3.state.failed_objects import FailedObject, FailedObjects
from aws_s3.state.partitions import Entry, Partitions
from aws_s3.state.processed_objects import ProcessedObjects
from aws_s3.state.sources import SourceRecord
from aws_s3.state.start_day import History, PartitionCheckpoint, StartDay, days_before

log = logging.getLogger(__name__)

FILE = "s3_cloudtrail.db"

_MIGRATIONS = (*sources.MIGRATIONS, *partitions.MIGRATIONS, *failed_objects.MIGRATIONS)

Stopping = Callable[[], bool]


@dataclass(frozen=True)
class RecordedPartition:
    """A partition of which the state knows, without its account and region, and the name of its lock."""

    partition: Partition
    lock_name: str


class BucketState:
    """The state of one source. All methods raise StateError.

    `began` is the start of the run, UTC. Rows older than `keep_days` before a partition's newest day are
    forgotten; None keeps them all. `is_stopping` tells whether a signal asked the process to stop: then
    another program's lock is not waited for. `mask` takes the secrets out of the texts of errors: whoever asks for
    the status knows none of them. The source gets its record when its first partition begins.
    """

    def __init__(
        self,
        folder: Path,
        log_type: LogType,
        location: BucketLocation,
        began: datetime,
        keep_days: int | None,
        *,
        is_stopping: Stopping = lambda: False,
        mask: Callable[[str], str] = mask_patterns,
    ) -> None:
        self._log_type = log_type
        self._location = location
        self._began = began
        self._keep_days = keep_days
        self._entries: dict[Partition, Entry] = {}
        self._behind_gap: set[Partition] = set()
        self._newest_keys: dict[Partition, str] = {}
        self._pruning: dict[Partition, Iterator[list[str]]] = {}
        self._database = _open(folder, is_stopping)
        self._processed = ProcessedObjects(self._database, log_type, location)
        with self._database.transaction() as execute:
            self._processed.create(execute)
        self.own_account = ""
        """The account in rows of ours whose keys hold none; empty while it is unknown."""
        self.source = SourceRecord(self._database, location, began, self._processed.last_processed, mask)
        """The source as a whole: whether it ever found an object, and its last error."""
        self._partitions = Partitions(self._database, self.source)
        self.failed_objects = FailedObjects(self._database, self.source, began, mask)
        """The objects that failed, and those of which only a part was sent."""

    def close(self) -> None:
        """Close the state file, after the newest key of each partition is written."""
        # A failure to write them repeats no object.
        with suppress(StateError):
            self._remember_newest_keys()
        self._database.close()

    def is_empty(self) -> bool:
        """Tell whether no object of the source was ever collected."""
        return not self._partitions.any() and not self._processed.any()

    def ever_found(self) -> bool:
        """Tell whether any run, also of an earlier version or of Wazuh's own module, found an object of the source."""
        return self.source.ever_found() or self._partitions.any_object() or self._processed.any()

    def history(self) -> History:
        """Return the state of the source as a whole."""
        return History(self.source.last_run(), self._partitions.earliest_floor())

    def complete(self) -> None:
        """Remember that this run went over the whole source and failed nowhere."""
        self.source.complete()

    def checkpoint(self, partition: Partition) -> PartitionCheckpoint:
        """Return the state of the partition, after the rows of Wazuh's own module are taken over."""
        entry = self._entry(partition)
        return replace(entry.checkpoint, is_bound=self._is_bound(partition, entry))

    def begin(self, partition: Partition, start: StartDay) -> None:
        """Remember, before listing, where the partition starts."""
        entry = self._entry(partition)
        checkpoint = replace(entry.checkpoint, floor=start.floor, skipped_to=start.skipped_to)
        if checkpoint != entry.checkpoint or not self.source.id:
            self._remember(partition, replace(entry, checkpoint=checkpoint))
        if start.skips_days:
            self._behind_gap.add(partition)

    def done_or_waiting(self, partition: Partition, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that need no listing again: processed, or waiting for another attempt."""
        if not keys:
            return set()
        found = self._processed.among(keys) | self.failed_objects.failed_keys(keys)
        return (found | self._done_without_row(partition, keys)).intersection(keys)

    def removable(self, keys: Sequence[str]) -> set[str]:
        """Return those of the keys whose objects were processed and did not fail."""
        if not keys:
            return set()
        return self._processed.among(keys).intersection(keys) - self.failed_objects.failed_keys(keys)

    def ensure_writable(self) -> None:
        """Raise StateError unless the next events can be recorded: call it before each object is sent."""
        self._database.ensure_writable()

    def mark_done(self, partition: Partition, key: str, account: str) -> None:
        """Record that all events of the object were accepted, in one committed transaction.

        `account` stands in the row where the key holds none.
        """
        with self._recording(of_sent_events=True) as execute:
            self._processed.add(execute, partition, key, account)
            self.failed_objects.forget(execute, key)

    def mark_malformed(self, partition: Partition, failed: FailedObject, account: str, error: CollectorError) -> None:
        """Record that the object counts as processed although it cannot be read."""
        with self._recording(of_sent_events=True) as execute:
            self._processed.add(execute, partition, failed.key, account)
            self.failed_objects.put_malformed(execute, failed, error)

    def keep_malformed(self, failed: FailedObject, error: CollectorError) -> None:
        """Record why a malformed object still cannot be read; an object that is gone is forgotten."""
        with self._database.transaction() as execute:
            if isinstance(error, UnavailableError) and error.gone:
                self.failed_objects.forget(execute, failed.key)
            else:
                self.failed_objects.put_malformed(execute, failed, error)

    def forget_failed(self, key: str) -> None:
        """Forget that the object failed: it is in an archive, and no run tries it again."""
        with self._database.transaction() as execute:
            self.failed_objects.forget(execute, key)

    def advance(self, partition: Partition, key: str) -> None:
        """Move the partition's newest day on to the day of an object that was processed in its turn.

        Rows that are older by more than the days to keep are forgotten, a slice of them for each object:
        other runs wait for one slice only. A day in the future moves nothing, nor does a day behind a gap.
        """
        day = partition.day(key)
        if day is None or day > self._began.date() or partition in self._behind_gap:
            return
        newest_key = self._newest_keys.get(partition) or self._entry(partition).newest_key
        if newest_key is None or partition.order(key) > partition.order(newest_key):
            self._newest_keys[partition] = key
        newest_day = self._entry(partition).checkpoint.newest_day
        if newest_day is None or day > newest_day:
            self._advance_to(partition, day)
        self._forget_a_slice(partition)

    def lock_name(self, partition: Partition) -> str:
        """Return the text that identifies the partition among all runs on this state."""
        return self._lock_name(partition.prefix, partition.dates.text)

    def recorded_partitions(self) -> list[RecordedPartition]:
        """Return the partitions that the state holds of the source: `forget` takes them one by one."""
        formats = {layout.dates.text: layout.dates for layout in self._log_type.layouts}
        return [
            RecordedPartition(Partition(prefix, formats[dates]), self._lock_name(prefix, dates))
            for prefix, dates in self._partitions.names()
            if dates in formats
        ]

    def discovered(self, accounts: Sequence[str], regions: Sequence[str]) -> list[Partition] | None:
        """Return the partitions that a discovery of the last hour found for the accounts and regions; None without one.

        Those that the state knows follow, also where their folder was gone: new objects may have brought it back.
        """
        names = self._partitions.discovered(_selection(accounts, regions), self._began)
        found = [self._of_layout(prefix, dates) for prefix, dates in names or ()]
        if not found or None in found:
            return None
        layouts = {each[0] for each in found if each}
        partitions = dict.fromkeys(each[1] for each in found if each)
        for prefix, dates in self._partitions.names():
            known = self._of_layout(prefix, dates)
            if known and known[0] in layouts and known[0].selects(known[1], accounts, regions):
                partitions.setdefault(known[1])
        return list(partitions)

    def note_discovered(self, accounts: Sequence[str], regions: Sequence[str], found: Sequence[Partition]) -> None:
        """Remember for an hour the partitions that were discovered for the accounts and regions, if there are any."""
        if self.source.id and found:
            self._partitions.note_discovered(_selection(accounts, regions), self._began, found)

    def forget_discoveries(self) -> None:
        """Let the next run discover the partitions anew."""
        with self._database.transaction() as execute:
            self._partitions.forget_discoveries(execute)

    def _of_layout(self, prefix: str, dates: str) -> tuple[Layout, Partition] | None:
        for layout in self._log_type.layouts:
            if layout.dates.text == dates and (found := layout.partition(prefix, self._location)):
                return layout, found
        return None

    def forget(self, partition: Partition) -> int:
        """Take all that the state knows of the partition out of it; return how many objects had rows.

        The caller holds the partition's lock.
        """
        count = self._delete_rows(self._processed.slices_of(partition), lambda key: bool(partition.day(key)))
        with self._database.transaction() as execute:
            self.failed_objects.forget_where(execute, lambda key: bool(partition.day(key)))
            self._partitions.forget(execute, partition)
        self._entries.pop(partition, None)
        return count

    def forget_source(self) -> int:
        """Take out the rest of the source: its record, and rows that no partition of ours holds.

        Return how many objects had rows. The caller holds the locks of all recorded partitions.
        """
        count = self._delete_rows(self._processed.slices(), bool)
        with self._database.transaction() as execute:
            self.failed_objects.forget_where(execute, bool)
            self._partitions.forget_discoveries(execute)
            self.source.forget(execute)
        return count

    def _lock_name(self, prefix: str, dates: str) -> str:
        return f"{self.source.name} {prefix} {dates}"

    def _delete_rows(self, slices: Iterator[list[str]], is_forgotten: Callable[[str], bool]) -> int:
        count = 0
        for keys in slices:
            forgotten = list(filter(is_forgotten, keys))
            with self._database.transaction() as execute:
                self._processed.delete(execute, forgotten)
            count += len(forgotten)
        return count

    def _is_bound(self, partition: Partition, entry: Entry) -> bool:
        checkpoint = entry.checkpoint
        return (
            checkpoint.newest_day is not None
            or checkpoint.pruned is not None
            or bool(entry.done_before or entry.done_through)
            or next(self._processed.keys_of(partition), None) is not None
            or self.failed_objects.any_of(partition)
        )

    def _entry(self, partition: Partition) -> Entry:
        if partition not in self._entries:
            entry = self._partitions.get(partition)
            self._entries[partition] = entry if entry.is_adopted else self._adopted(partition, entry)
            if not entry.is_adopted and self.source.id:
                self._remember(partition, self._entries[partition])
        return self._entries[partition]

    def _adopted(self, partition: Partition, entry: Entry) -> Entry:
        """Take over the rows of Wazuh's own module: keys that sort before its oldest row count as done."""
        oldest: dict[str, str] = {}
        newest = entry.checkpoint.newest_day
        for key in self._processed.keys_of(partition):
            day, group = partition.order(key)[0], self._group(key)
            # A key of the future says nothing of the days until then.
            if day <= self._began.date():
                oldest[group] = min(key, oldest.get(group, key), key=partition.order)
                newest = max(day, newest or day)
        if not oldest:
            return self._adopted_without_rows(partition, entry)
        floor = entry.checkpoint.floor or min(map(partition.order, oldest.values()))[0]
        if self.own_account and (theirs := self._processed.oldest_of_another_account(partition, self.own_account)):
            group = self._group(theirs)
            oldest[group] = max(theirs, oldest.get(group, theirs), key=partition.order)
        for group, key in entry.done_before.items():
            oldest[group] = max(key, oldest.get(group, key), key=partition.order)
        checkpoint = replace(entry.checkpoint, floor=floor, newest_day=newest)
        return replace(entry, checkpoint=checkpoint, done_before=oldest)

    def _adopted_without_rows(self, partition: Partition, entry: Entry) -> Entry:
        """Take over a partition whose rows other partitions pushed out of a table partition that they share.

        With a newest day of ours, everything up to the newest key counts as done. Without, nothing tells
        which objects were sent: the day of the oldest row that is left is the start.
        """
        oldest_day = self._processed.oldest_day_if_pruned(partition) if entry.has_foreign_rows else None
        if oldest_day is None:
            return entry
        checkpoint = entry.checkpoint
        if checkpoint.newest_day:
            return replace(entry, done_through=entry.newest_key or entry.done_through)
        day = max(min(oldest_day, self._began.date()), checkpoint.pruned or oldest_day)
        return replace(entry, checkpoint=replace(checkpoint, floor=checkpoint.floor or day, pruned=day))

    def _done_without_row(self, partition: Partition, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that count as done because Wazuh's own module forgets rows."""
        entry = self._entry(partition)
        done = set()
        if entry.done_through:
            through = partition.order(entry.done_through)
            done = {key for key in keys if partition.order(key) <= through}
        if entry.done_before:
            before = {group: partition.order(key) for group, key in entry.done_before.items()}
            limits = ((key, before.get(self._group(key))) for key in keys)
            done |= {key for key, limit in limits if limit and partition.order(key) < limit}
        return done

    def _group(self, key: str) -> str:
        """Return the values by which Wazuh's own module counts rows to keep, beside the folders of a partition."""
        return "/".join(self._log_type.extra_columns(key).values())

    def _remember(self, partition: Partition, entry: Entry) -> None:
        with self._recording() as execute:
            self._partitions.put(execute, partition, entry)
        self._entries[partition] = entry

    @contextmanager
    def _recording(self, *, of_sent_events: bool = False) -> Iterator[Execute]:
        """Give a transaction in which the source has its record."""
        with self._database.transaction(of_sent_events=of_sent_events) as execute:
            self.source.ensure(execute)
            yield execute

    def _remember_newest_keys(self) -> None:
        """Write the newest keys: they tell which objects are done if Wazuh's own module prunes the partition's rows."""
        if not self._newest_keys:
            return
        with self._recording() as execute:
            for partition, key in self._newest_keys.items():
                self._partitions.put(execute, partition, replace(self._entry(partition), newest_key=key))

    def _advance_to(self, partition: Partition, day: date) -> None:
        entry = self._entry(partition)
        checkpoint = replace(entry.checkpoint, newest_day=day)
        if self._keep_days is not None:
            before = days_before(day, self._keep_days)
            slices = self._processed.slices_before(partition, before)
            first = next(slices, None)
            if first is not None:
                # A run that looked back less may have forgotten more.
                checkpoint = replace(checkpoint, pruned=max(before, checkpoint.pruned or before))
                self._pruning[partition] = _with_first(first, slices)
        self._remember(partition, replace(entry, checkpoint=checkpoint, newest_key=self._newest_keys[partition]))

    def _forget_a_slice(self, partition: Partition) -> None:
        """Delete rows that no later run can ask for, because its start is never before the pruned day."""
        keys = next(self._pruning.get(partition, iter(())), None)
        if keys is None:
            self._pruning.pop(partition, None)
            return
        with self._database.transaction() as execute:
            self._processed.delete(execute, keys)
        log.debug("+++ DB Maintenance: %d rows of %s forgotten", len(keys), partition.label)


def _selection(accounts: Sequence[str], regions: Sequence[str]) -> str:
    return json.dumps([sorted(accounts), sorted(regions)])


def _with_first(first: list[str], rest: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rest


def _open(folder: Path, is_stopping: Stopping) -> Database:
    return Database(folder / FILE, _MIGRATIONS, partitions.ON_FOREIGN_WRITE, is_stopping=is_stopping)
