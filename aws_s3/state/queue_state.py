"""The state of queues: the objects of undeleted messages whose events were accepted, all of them or the first ones.

A run that ends in the middle of a message records them, so that the next run on this machine sends only the
rest when the message comes back.
"""

from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

from aws_s3.state.database import Database

FILE = "aws_queues.db"

Writing = tuple[str, str, str]
"""One writing of an object: its bucket, its key, and its version as the notification tells it."""

MIGRATIONS = (
    (
        "partial queue objects",
        """CREATE TABLE collection_queue_partial (
            queue TEXT NOT NULL, bucket TEXT NOT NULL, log_key TEXT NOT NULL, version TEXT NOT NULL,
            rules TEXT NOT NULL, events INTEGER NOT NULL, recorded TEXT NOT NULL,
            PRIMARY KEY (queue, bucket, log_key, version)) WITHOUT ROWID""",
    ),
)

_LONGEST_RETENTION = timedelta(days=14)
"""SQS keeps no message for longer."""


class QueueState:
    """The record for one queue. The file is created when there is something to record. Methods raise StateError.

    `rules` identifies the options that decide which event of an object has which number; a record made under
    other rules does not count.
    """

    def __init__(self, folder: Path, queue: str, rules: str) -> None:
        self._path = folder / FILE
        self._queue = queue
        self._rules = rules

    def accepted_events(self) -> dict[Writing, int]:
        """Return how many events of which objects were accepted: the first ones of each."""
        if not self._path.exists():
            return {}
        with closing(self._open()) as database:
            rows = database.query(
                "SELECT bucket, log_key, version, events FROM collection_queue_partial WHERE queue = ? AND rules = ?",
                (self._queue, self._rules),
            )
            return {(bucket, key, version): events for bucket, key, version, events in rows}

    def record(self, accepted: Mapping[Writing, int], done: Collection[Writing]) -> None:
        """Record how many events of objects were accepted, and forget the objects that are done."""
        if not accepted and not done:
            return
        now = datetime.now(timezone.utc)
        with closing(self._open()) as database, database.transaction() as execute:
            for writing in done:
                execute(
                    "DELETE FROM collection_queue_partial "
                    "WHERE queue = ? AND bucket = ? AND log_key = ? AND version = ?",
                    (self._queue, *writing),
                )
            for writing, events in accepted.items():
                execute(
                    "INSERT OR REPLACE INTO collection_queue_partial "
                    "(queue, bucket, log_key, version, rules, events, recorded) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (self._queue, *writing, self._rules, events, now.isoformat(timespec="seconds")),
                )
            oldest = (now - _LONGEST_RETENTION).isoformat(timespec="seconds")
            execute("DELETE FROM collection_queue_partial WHERE recorded < ?", (oldest,))

    def _open(self) -> Database:
        return Database(self._path, MIGRATIONS)
