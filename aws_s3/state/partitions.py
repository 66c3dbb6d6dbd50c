"""Our own table of partitions: where each partition of a source stands."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from aws_s3.log_types.layout import Partition
from aws_s3.state.database import Database, Execute, InvalidValueError, Row, insert
from aws_s3.state.sources import SourceRecord
from aws_s3.state.start_day import PartitionCheckpoint

MIGRATIONS = (
    (
        "partitions",
        """CREATE TABLE collection_partition (
            source INTEGER NOT NULL, prefix TEXT NOT NULL, dates TEXT NOT NULL, floor TEXT, place TEXT,
            resume TEXT, pruned TEXT, done_before TEXT NOT NULL, adopted INTEGER NOT NULL,
            PRIMARY KEY (source, prefix, dates))""",
    ),
    ("newest key of a partition", "ALTER TABLE collection_partition ADD COLUMN newest_key TEXT"),
    ("key up to which all is done", "ALTER TABLE collection_partition ADD COLUMN done_through TEXT"),
    ("runs of Wazuh's own module", "CREATE TABLE collection_foreign (run TEXT NOT NULL)"),
    (
        "discoveries",
        """CREATE TABLE collection_discovery (
            source INTEGER NOT NULL, selection TEXT NOT NULL, at TEXT NOT NULL, found TEXT NOT NULL,
            PRIMARY KEY (source, selection))""",
    ),
)

ON_FOREIGN_WRITE = (
    # Each partition takes its rows over again, because Wazuh's own module changed them.
    "UPDATE collection_partition SET adopted = 0",
    # A file that is new, or that only we wrote, has none of that module's tables yet.
    "INSERT INTO collection_foreign (run) SELECT datetime('now') WHERE EXISTS (SELECT 1 FROM sqlite_master "
    "WHERE type = 'table' AND name NOT LIKE 'collection%' AND name != 'metadata')",
)

_DISCOVERY_LASTS = timedelta(hours=1)
_IS_PARTITION = "source = ? AND prefix = ? AND dates = ?"


@dataclass(frozen=True)
class Entry:
    """A partition as the state remembers it.

    Keys that sort before those of `done_before`, and keys up to `done_through`, count as done without a
    row, because Wazuh's own module forgets rows. It counts the rows to keep by the values of its key
    columns: for `vpcflow` by flow log. These values are the names in `done_before`. `newest_key` is the
    newest key that was processed in its turn. `is_adopted`: the rows of Wazuh's own module were taken over.
    `has_foreign_rows`: that module may have changed them since.
    """

    checkpoint: PartitionCheckpoint = field(default_factory=PartitionCheckpoint)
    done_before: Mapping[str, str] = field(default_factory=dict)
    done_through: str | None = None
    newest_key: str | None = None
    is_adopted: bool = False
    has_foreign_rows: bool = False


class Partitions:
    """The partitions of one source. Days are UTC, in the table as `2021-06-10`."""

    def __init__(self, database: Database, source: SourceRecord) -> None:
        self._database = database
        self._source = source

    def get(self, partition: Partition) -> Entry:
        """Return the partition's entry; an empty one if the partition was never begun."""
        sql = f"SELECT * FROM collection_partition WHERE {_IS_PARTITION}"
        key = (self._source.id, partition.prefix, partition.dates.text)
        # Wazuh's own module may have collected a partition that we never began, if it ever ran.
        return next(self._database.select(_entry, sql, key), None) or Entry(has_foreign_rows=self._has_foreign_run())

    def put(self, execute: Execute, partition: Partition, entry: Entry) -> None:
        """Remember the entry, in the caller's transaction."""
        checkpoint = entry.checkpoint
        values = {
            "source": self._source.id,
            "prefix": partition.prefix,
            "dates": partition.dates.text,
            "floor": _text(checkpoint.floor),
            "place": _text(checkpoint.newest_day),
            "resume": _text(checkpoint.skipped_to),
            "pruned": _text(checkpoint.pruned),
            "done_before": json.dumps(dict(entry.done_before)),
            "done_through": entry.done_through,
            "newest_key": entry.newest_key,
            "adopted": 1,
        }
        insert(execute, "collection_partition", values, verb="INSERT OR REPLACE")

    def _has_foreign_run(self) -> bool:
        return self._database.first("SELECT 1 FROM collection_foreign LIMIT 1") is not None

    def any_object(self) -> bool:
        """Tell whether an object of any partition was ever processed in its turn."""
        sql = "SELECT 1 FROM collection_partition WHERE source = ? AND place IS NOT NULL LIMIT 1"
        return self._database.first(sql, (self._source.id,)) is not None

    def any(self) -> bool:
        """Tell whether any partition was ever begun."""
        sql = "SELECT 1 FROM collection_partition WHERE source = ? LIMIT 1"
        return self._database.first(sql, (self._source.id,)) is not None

    def earliest_floor(self) -> date | None:
        """Return the earliest floor of all partitions, None without any."""
        sql = "SELECT min(floor) AS floor FROM collection_partition WHERE source = ?"
        [floor] = self._database.select(lambda row: row.day("floor"), sql, (self._source.id,))
        return floor

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the prefix and the date format of each partition that was ever begun."""
        sql = "SELECT prefix, dates FROM collection_partition WHERE source = ? ORDER BY prefix, dates"
        return self._database.select(lambda row: (row.text("prefix"), row.text("dates")), sql, (self._source.id,))

    def discovered(self, selection: str, now: datetime) -> list[tuple[str, str]] | None:
        """Return the names of the partitions that a discovery of the last hour found; None without one.

        `selection` says for which of the source's accounts and regions. After a clock was wrong there is none.
        """
        sql = "SELECT at, found FROM collection_discovery WHERE source = ? AND selection = ?"
        for at, found in self._database.select(_discovery, sql, (self._source.id, selection)):
            if timedelta() <= now - at < _DISCOVERY_LASTS:
                return found
        return None

    def note_discovered(self, selection: str, now: datetime, found: Iterable[Partition]) -> None:
        """Remember the partitions that a discovery found."""
        names = [(partition.prefix, partition.dates.text) for partition in found]
        values = {
            "source": self._source.id,
            "selection": selection,
            "at": now.isoformat(timespec="seconds"),
            "found": json.dumps(names),
        }
        with self._database.transaction() as execute:
            insert(execute, "collection_discovery", values, verb="INSERT OR REPLACE")

    def forget_discoveries(self, execute: Execute) -> None:
        """Forget what was discovered of the source, in the caller's transaction."""
        execute("DELETE FROM collection_discovery WHERE source = ?", (self._source.id,))

    def forget(self, execute: Execute, partition: Partition) -> None:
        """Forget the partition, in the caller's transaction."""
        key = (self._source.id, partition.prefix, partition.dates.text)
        execute(f"DELETE FROM collection_partition WHERE {_IS_PARTITION}", key)


def _entry(row: Row) -> Entry:
    checkpoint = PartitionCheckpoint(
        floor=row.day("floor"),
        newest_day=row.day("place"),
        skipped_to=row.day("resume"),
        pruned=row.day("pruned"),
    )
    is_adopted = bool(row.integer("adopted"))
    return Entry(
        checkpoint,
        is_adopted=is_adopted,
        has_foreign_rows=not is_adopted,
        done_before=row.parsed("done_before", _keys),
        done_through=row.optional_text("done_through"),
        newest_key=row.optional_text("newest_key"),
    )


def _discovery(row: Row) -> tuple[datetime, list[tuple[str, str]]]:
    return row.parsed("at", _moment), row.parsed("found", _names)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


def _names(text: str) -> list[tuple[str, str]]:
    names = json.loads(text)
    if not isinstance(names, list) or not all(
        isinstance(each, list) and list(map(type, each)) == [str, str] for each in names
    ):
        raise InvalidValueError(text)
    return [(prefix, dates) for prefix, dates in names]


def _keys(text: str) -> dict[str, str]:
    keys = json.loads(text)
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        raise InvalidValueError(text)
    return keys


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None
