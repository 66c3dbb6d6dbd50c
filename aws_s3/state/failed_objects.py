"""Objects of a source that are not simply done: failed ones, and ones of which a part was sent (SPEC 10)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from aws_s3.errors import CollectorError, UnavailableError
from aws_s3.log_types.layout import Partition
from aws_s3.state.database import AFTER_ANY_KEY, Database, Execute

_FIRST_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=24)
_GONE_FOR_GOOD = timedelta(hours=24)

MIGRATIONS = (
    (
        "failed objects",
        """CREATE TABLE collection_failed (
            source INTEGER NOT NULL, log_key TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
            malformed INTEGER NOT NULL, reason TEXT NOT NULL, exit_code INTEGER NOT NULL, attempts INTEGER NOT NULL,
            next_attempt TEXT NOT NULL, gone_since TEXT, PRIMARY KEY (source, log_key))""",
    ),
    (
        "partial objects",
        """CREATE TABLE collection_partial (
            source INTEGER NOT NULL, log_key TEXT NOT NULL, version TEXT NOT NULL, messages INTEGER NOT NULL,
            PRIMARY KEY (source, log_key))""",
    ),
)


@dataclass(frozen=True)
class FailedObject:
    """An object that could not be collected; `size` in bytes."""

    key: str
    size: int
    etag: str


class FailedObjects:
    """The failed and the partly sent objects of one source. `now` is when the run began, UTC."""

    def __init__(self, database: Database, source: int, now: datetime) -> None:
        self._database = database
        self._source = source
        self._now = now

    def due_for_retry(self, partition: Partition, limit: int) -> list[FailedObject]:
        """Return, in their order, up to `limit` unavailable objects whose time to be tried again has come."""
        rows = self._database.iterate(
            "SELECT log_key, size, etag FROM collection_failed WHERE source = ? AND NOT malformed "
            "AND next_attempt <= ? AND log_key BETWEEN ? AND ? ORDER BY next_attempt, log_key",
            (self._source, _text(self._now), partition.prefix, partition.prefix + AFTER_ANY_KEY),
        )
        longest_due = islice((FailedObject(*row) for row in rows if partition.day(row[0])), limit)
        return sorted(longest_due, key=lambda failed: partition.order(failed.key))

    def of_partition(self, partition: Partition) -> list[tuple[FailedObject, bool]]:
        """Return, in their order, all objects that failed, each with whether it is malformed."""
        rows = self._database.query(
            "SELECT log_key, size, etag, malformed FROM collection_failed WHERE source = ? AND log_key BETWEEN ? AND ?",
            (self._source, partition.prefix, partition.prefix + AFTER_ANY_KEY),
        )
        found = ((FailedObject(*row[:3]), bool(row[3])) for row in rows if partition.day(row[0]))
        return sorted(found, key=lambda each: partition.order(each[0].key))

    def due_for_retry_outside(self, partitions: Collection[Partition], limit: int) -> list[FailedObject]:
        """Return up to `limit` such objects that lie in none of the partitions."""
        rows = self._database.iterate(
            "SELECT log_key, size, etag FROM collection_failed WHERE source = ? AND NOT malformed "
            "AND next_attempt <= ? ORDER BY next_attempt, log_key",
            (self._source, _text(self._now)),
        )
        outside = (row for row in rows if not any(partition.day(row[0]) for partition in partitions))
        return [FailedObject(*row) for row in islice(outside, limit)]

    def failed_keys(self, keys: Sequence[str]) -> set[str]:
        """Return the keys between the first and the last of `keys` whose objects failed."""
        sql = "SELECT log_key FROM collection_failed WHERE source = ? AND log_key BETWEEN ? AND ?"
        return {key for (key,) in self._database.query(sql, (self._source, min(keys), max(keys)))}

    def count_pending(self) -> int:
        """Return how many unavailable objects are waiting to be tried again."""
        sql = "SELECT count(*) FROM collection_failed WHERE source = ? AND NOT malformed"
        return int(self._database.query(sql, (self._source,))[0][0])

    def schedule_retry(self, failed: FailedObject, error: CollectorError) -> int:
        """Record that the object is to be tried again, later after each attempt; return how many there were.

        Return 0 when it has been gone from the bucket for a day: then it is forgotten.
        """
        is_gone = isinstance(error, UnavailableError) and error.gone
        with self._database.transaction() as execute:
            attempts, gone_since = self._history(execute, failed.key)
            if is_gone and gone_since and datetime.fromisoformat(gone_since) <= self._now - _GONE_FOR_GOOD:
                self.forget(execute, failed.key)
                return 0
            gone_since = (gone_since or _text(self._now)) if is_gone else None
            pause = min(_FIRST_PAUSE * 2 ** min(attempts - 1, 16), _LONGEST_PAUSE) if attempts else timedelta()
            self._put(execute, failed, error, attempts + 1, _text(self._now + pause), gone_since)
        return attempts + 1

    def put_malformed(self, execute: Execute, failed: FailedObject, error: CollectorError) -> None:
        """Remember, in the caller's transaction, that the object cannot be read at all."""
        attempts, _ = self._history(execute, failed.key)
        self._put(execute, failed, error, attempts + 1, _text(self._now), None, malformed=True)

    def forget(self, execute: Execute, key: str) -> None:
        """Forget, in the caller's transaction, what is known of the object here."""
        for table in ("collection_failed", "collection_partial"):
            execute(f"DELETE FROM {table} WHERE source = ? AND log_key = ?", (self._source, key))

    def messages_sent(self, key: str, version: str) -> int:
        """Return how many messages of this version of the object were accepted before a run ended early."""
        rows = self._database.query(
            "SELECT messages FROM collection_partial WHERE source = ? AND log_key = ? AND version = ?",
            (self._source, key, version),
        )
        return int(rows[0][0]) if rows else 0

    def mark_partial(self, key: str, version: str, messages: int) -> None:
        """Remember that the first `messages` of the object were accepted, and no more."""
        with self._database.transaction() as execute:
            parameters = (self._source, key, version, messages)
            execute("INSERT OR REPLACE INTO collection_partial VALUES (?, ?, ?, ?)", parameters)

    def _history(self, execute: Execute, key: str) -> tuple[int, str | None]:
        sql = "SELECT attempts, gone_since FROM collection_failed WHERE source = ? AND log_key = ?"
        row = execute(sql, (self._source, key)).fetchone()
        return (row[0], row[1]) if row else (0, None)

    def _put(
        self,
        execute: Execute,
        failed: FailedObject,
        error: CollectorError,
        attempts: int,
        next_attempt: str,
        gone_since: str | None,
        *,
        malformed: bool = False,
    ) -> None:
        execute(
            "INSERT OR REPLACE INTO collection_failed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._source, failed.key, failed.size, failed.etag, malformed, str(error), error.exit_code, attempts,
                next_attempt, gone_since,
            ),
        )  # fmt: skip


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
