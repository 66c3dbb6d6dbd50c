"""The state of queues: the objects of undeleted messages whose events were accepted, and each queue as a whole.

A run that ends in the middle of a message records the objects, so that the next run on this machine sends only
the rest when the message comes back.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

from aws_s3.errors import CollectorError
from aws_s3.secrets_mask import mask_patterns
from aws_s3.state.database import Database, insert

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
    (
        "queues",
        """CREATE TABLE collection_queue (
            queue TEXT NOT NULL, type TEXT NOT NULL, found TEXT, last_run TEXT, last_error TEXT, last_error_at TEXT,
            PRIMARY KEY (queue, type))""",
    ),
)

_LONGEST_RETENTION = timedelta(days=14)
"""SQS keeps no message for longer."""


class QueueState:
    """The record for one queue. The file is created when there is something to record. Methods raise StateError.

    `rules` identifies the options that decide which event of an object has which number; a record made under
    other rules does not count. `mask` takes the secrets out of the texts of errors.
    """

    def __init__(self, folder: Path, queue: str, rules: str, mask: Callable[[str], str] = mask_patterns) -> None:
        self._path = folder / FILE
        self._queue = queue
        self._rules = rules
        self._mask = mask

    def accepted_events(self) -> dict[Writing, int]:
        """Return how many events of which objects were accepted: the first ones of each."""
        if not self._path.exists():
            return {}
        with closing(self._open()) as database:
            found = database.select(
                lambda row: ((row.text("bucket"), row.text("log_key"), row.text("version")), row.integer("events")),
                "SELECT bucket, log_key, version, events FROM collection_queue_partial WHERE queue = ? AND rules = ?",
                (self._queue, self._rules),
            )
            return dict(found)

    def record(self, accepted: Mapping[Writing, int], done: Collection[Writing]) -> None:
        """Record how many events of objects were accepted, and forget the objects that are done."""
        if not accepted and not done:
            return
        now = datetime.now(timezone.utc)
        with closing(self._open()) as database, database.transaction(of_sent_events=True) as execute:
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

    def has_found(self, log_type: str) -> bool:
        """Tell whether the queue ever gave an object of the type: a value of `--type`, else of `--subscriber`."""
        return self._holds(log_type, "found IS NOT NULL")

    def is_known(self, log_type: str) -> bool:
        """Tell whether a run ever read the queue as the type."""
        return self._holds(log_type, "TRUE")

    def note_found(self, log_type: str, began: datetime) -> None:
        """Remember that the run that began at `began` got an object of the type. An earlier run's note stays."""
        if not self.has_found(log_type):
            self._set(log_type, {"found": began.isoformat(timespec="seconds")})

    def complete(self, log_type: str, began: datetime) -> None:
        """Remember that the run that began at `began` emptied the queue and failed nowhere."""
        self._set(log_type, {"last_run": began.isoformat(timespec="seconds")})

    def note_error(self, log_type: str, error: CollectorError, began: datetime) -> None:
        """Remember an error of the run that began at `began`, in the place of an earlier run's."""
        self._set(
            log_type, {"last_error": self._mask(str(error)), "last_error_at": began.isoformat(timespec="seconds")}
        )

    def forget(self, log_type: str) -> int:
        """Forget the queue as it is read as the type, and the objects of it that were sent in part; return how many."""
        if not self._path.exists():
            return 0
        with closing(self._open()) as database, database.transaction() as execute:
            sql = "DELETE FROM collection_queue_partial WHERE queue = ? AND rules = ?"
            count = execute(sql, (self._queue, self._rules)).rowcount
            execute("DELETE FROM collection_queue WHERE queue = ? AND type = ?", (self._queue, log_type))
            return count

    def _holds(self, log_type: str, condition: str) -> bool:
        if not self._path.exists():
            return False
        sql = f"SELECT 1 FROM collection_queue WHERE queue = ? AND type = ? AND {condition}"
        with closing(self._open()) as database:
            return database.first(sql, (self._queue, log_type)) is not None

    def _set(self, log_type: str, values: Mapping[str, str]) -> None:
        columns = ", ".join(f"{column} = ?" for column in values)
        key = {"queue": self._queue, "type": log_type}
        with closing(self._open()) as database, database.transaction() as execute:
            insert(execute, "collection_queue", key, verb="INSERT OR IGNORE")
            where = "queue = ? AND type = ?"
            execute(f"UPDATE collection_queue SET {columns} WHERE {where}", (*values.values(), *key.values()))

    def _open(self) -> Database:
        return Database(self._path, MIGRATIONS)
