"""Where each partition of a source stands (SPEC 4): the table of our own beside the existing module's rows."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from datetime import date

from aws_s3.log_types.layout import Partition
from aws_s3.state.database import Database, Execute
from aws_s3.state.start_day import PartitionCheckpoint

MIGRATIONS = (
    (
        "partitions",
        """CREATE TABLE collection_partition (
            source INTEGER NOT NULL, prefix TEXT NOT NULL, dates TEXT NOT NULL, floor TEXT, place TEXT,
            resume TEXT, pruned TEXT, done_before TEXT NOT NULL, adopted INTEGER NOT NULL,
            PRIMARY KEY (source, prefix, dates))""",
    ),
)

FORGET_ADOPTION = "UPDATE collection_partition SET adopted = 0"
"""Has each partition's rows looked at again: the existing module changed them."""


@dataclass(frozen=True)
class Entry:
    """A partition as remembered. What sorts before `done_before` counts as done, without a row.

    The existing module forgets rows by values of its key columns (of `vpcflow` by flow log): these
    are the names in `done_before`; its values are keys.
    """

    known: PartitionCheckpoint = field(default_factory=PartitionCheckpoint)
    done_before: Mapping[str, str] = field(default_factory=dict)


class Partitions:
    """The partitions of one source."""

    def __init__(self, database: Database, source: int) -> None:
        self._database = database
        self._source = source

    def get(self, partition: Partition) -> tuple[Entry, bool]:
        """Return what is remembered, and whether the existing module's rows are taken over already."""
        rows = self._database.query(
            "SELECT floor, place, resume, pruned, done_before, adopted FROM collection_partition "
            "WHERE source = ? AND prefix = ? AND dates = ?",
            (self._source, partition.prefix, partition.dates.text),
        )
        if not rows:
            return Entry(), False
        *days, done_before, adopted = rows[0]
        return Entry(
            PartitionCheckpoint(*(day and date.fromisoformat(day) for day in days)), json.loads(done_before)
        ), bool(adopted)

    def put(self, execute: Execute, partition: Partition, entry: Entry) -> None:
        """Remember the entry, in the caller's transaction."""
        days = (day and day.isoformat() for day in astuple(entry.known))
        execute(
            "INSERT OR REPLACE INTO collection_partition VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (self._source, partition.prefix, partition.dates.text, *days, json.dumps(entry.done_before)),
        )

    def any(self) -> bool:
        """Tell whether any partition was ever begun."""
        return bool(
            self._database.query("SELECT 1 FROM collection_partition WHERE source = ? LIMIT 1", (self._source,))
        )

    def earliest_floor(self) -> date | None:
        """Return the earliest floor of all partitions."""
        sql = "SELECT min(floor) FROM collection_partition WHERE source = ?"
        [(floor,)] = self._database.query(sql, (self._source,))
        return date.fromisoformat(floor) if floor else None
