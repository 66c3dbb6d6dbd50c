"""Objects of a source that failed, and objects of which only a part was sent."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from aws_s3.codec import DECODING_REVISION
from aws_s3.errors import CollectorError, UnavailableError
from aws_s3.log_types.layout import Partition
from aws_s3.settings import DiscardRule
from aws_s3.state.database import AFTER_ANY_KEY, Database, Execute, Row, insert
from aws_s3.state.sources import SourceRecord

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

# A clock that was ahead once must not put an object off for longer than any pause.
_IS_DUE = "source = ? AND NOT malformed AND (next_attempt <= ? OR next_attempt > ?)"


def content_version(etag: str, discard: DiscardRule | None) -> str:
    """Return a text that changes with an object's content, and with everything that decides which messages it becomes.

    After another decoding, or another rule for discarding, the messages that were sent cannot be skipped by
    their number.
    """
    rule = f"{discard.field} {discard.regex.flags} {discard.regex.pattern}" if discard else "-"
    return f"{DECODING_REVISION} {etag} {rule}"


@dataclass(frozen=True)
class FailedObject:
    """An object that could not be collected; `size` in bytes."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True)
class _Attempts:
    """The failed attempts at one object: how many, when the next is due, since when it has been gone from the bucket.

    The times are ISO, UTC.
    """

    count: int = 0
    next_at: str = ""
    gone_since: str | None = None


class FailedObjects:
    """The failed and the partly sent objects of one source.

    `now` is the start of the run, UTC. `mask` takes the secrets out of the texts of errors.
    """

    def __init__(self, database: Database, source: SourceRecord, now: datetime, mask: Callable[[str], str]) -> None:
        self._mask = mask
        self._database = database
        self._source = source
        self._now = now
        self._any: bool | None = None

    def due_for_retry(self, partition: Partition, limit: int) -> list[FailedObject]:
        """Return up to `limit` unavailable objects whose next attempt is due, the longest due, in key order."""
        if not self._has_any():
            return []
        found = self._database.select(
            _failed_object,
            f"SELECT log_key, size, etag FROM collection_failed WHERE {_IS_DUE} AND log_key BETWEEN ? AND ? "
            "ORDER BY next_attempt, log_key",
            (*self._due_by(), partition.prefix, partition.prefix + AFTER_ANY_KEY),
        )
        longest_due = islice((failed for failed in found if partition.day(failed.key)), limit)
        return sorted(longest_due, key=lambda failed: partition.order(failed.key))

    def due_for_retry_outside(self, partitions: Collection[Partition], limit: int) -> list[FailedObject]:
        """Return up to `limit` unavailable objects whose next attempt is due and that no partition holds."""
        found = self._database.select(
            _failed_object,
            f"SELECT log_key, size, etag FROM collection_failed WHERE {_IS_DUE} ORDER BY next_attempt, log_key",
            self._due_by(),
        )
        outside = (failed for failed in found if not any(partition.day(failed.key) for partition in partitions))
        return list(islice(outside, limit))

    def of_partition(self, partition: Partition) -> list[tuple[FailedObject, bool]]:
        """Return all failed objects of the partition in key order, each with whether it is malformed."""
        found = self._database.select(
            lambda row: (_failed_object(row), bool(row.integer("malformed"))),
            "SELECT log_key, size, etag, malformed FROM collection_failed WHERE source = ? AND log_key BETWEEN ? AND ?",
            (self._source.id, partition.prefix, partition.prefix + AFTER_ANY_KEY),
        )
        inside = (each for each in found if partition.day(each[0].key))
        return sorted(inside, key=lambda each: partition.order(each[0].key))

    def failed_keys(self, keys: Sequence[str]) -> set[str]:
        """Return the keys between the first and the last of `keys` whose objects failed."""
        if not self._has_any():
            return set()
        sql = "SELECT log_key FROM collection_failed WHERE source = ? AND log_key BETWEEN ? AND ?"
        return set(self._database.select(_log_key, sql, (self._source.id, min(keys), max(keys))))

    def any_of(self, partition: Partition) -> bool:
        """Tell whether an object of the partition failed."""
        sql = "SELECT log_key FROM collection_failed WHERE source = ? AND log_key BETWEEN ? AND ?"
        limits = (self._source.id, partition.prefix, partition.prefix + AFTER_ANY_KEY)
        return any(partition.day(key) for key in self._database.select(_log_key, sql, limits))

    def count_pending(self) -> int:
        """Return how many unavailable objects wait for another attempt."""
        sql = "SELECT count(*) AS pending FROM collection_failed WHERE source = ? AND NOT malformed"
        [pending] = self._database.select(lambda row: row.integer("pending"), sql, (self._source.id,))
        return pending

    def schedule_retry(self, failed: FailedObject, error: CollectorError) -> int:
        """Record that the object waits for another attempt, longer after each; return the number of attempts.

        Return 0, and forget the object, when it has been gone from the bucket for a day.
        """
        is_gone = isinstance(error, UnavailableError) and error.gone
        with self._database.transaction() as execute:
            self._source.ensure(execute)
            earlier = self._attempts(execute, failed.key)
            if is_gone and earlier.gone_since and self._has_been_gone(earlier.gone_since):
                self.forget(execute, failed.key)
                return 0
            count = earlier.count
            pause = min(_FIRST_PAUSE * 2 ** min(count - 1, 16), _LONGEST_PAUSE) if count else timedelta()
            # A clock that was ahead once does not make it gone for longer, nor later.
            gone_since = min(earlier.gone_since or _text(self._now), _text(self._now)) if is_gone else None
            attempts = _Attempts(count + 1, _text(self._now + pause), gone_since)
            self._put(execute, failed, error, attempts, malformed=False)
        return attempts.count

    def put_malformed(self, execute: Execute, failed: FailedObject, error: CollectorError) -> None:
        """Remember, in the caller's transaction, that the object cannot be read at all."""
        count = self._attempts(execute, failed.key).count
        self._put(execute, failed, error, _Attempts(count + 1, _text(self._now)), malformed=True)

    def forget(self, execute: Execute, key: str) -> None:
        """Forget, in the caller's transaction, that the object failed or was sent in part."""
        for table in ("collection_failed", "collection_partial"):
            execute(f"DELETE FROM {table} WHERE source = ? AND log_key = ?", (self._source.id, key))

    def forget_where(self, execute: Execute, is_forgotten: Callable[[str], bool]) -> None:
        """Forget, in the caller's transaction, all objects whose key `is_forgotten`."""
        for table in ("collection_failed", "collection_partial"):
            rows = execute(f"SELECT log_key FROM {table} WHERE source = ?", (self._source.id,)).fetchall()
            for key in filter(is_forgotten, map(_log_key, rows)):
                execute(f"DELETE FROM {table} WHERE source = ? AND log_key = ?", (self._source.id, key))

    def messages_sent(self, key: str, version: str) -> int:
        """Return how many messages of this `content_version` of the object were accepted before a run ended early."""
        sent = self._database.select(
            lambda row: row.integer("messages"),
            "SELECT messages FROM collection_partial WHERE source = ? AND log_key = ? AND version = ?",
            (self._source.id, key, version),
        )
        return next(sent, 0)

    def mark_partial(self, key: str, version: str, messages: int) -> None:
        """Remember that the first `messages` of this `content_version` of the object were accepted, and no more."""
        with self._database.transaction(of_sent_events=True) as execute:
            self._source.ensure(execute)
            values = {"source": self._source.id, "log_key": key, "version": version, "messages": messages}
            insert(execute, "collection_partial", values, verb="INSERT OR REPLACE")

    def _has_any(self) -> bool:
        """Tell whether an object of the source failed before this run, or in it: thousands of partitions ask.

        One that fails in another run meanwhile is new to this run, which collects it.
        """
        if self._any is None:
            sql = "SELECT 1 FROM collection_failed WHERE source = ? LIMIT 1"
            self._any = self._database.first(sql, (self._source.id,)) is not None
        return self._any

    def _due_by(self) -> tuple[int, str, str]:
        return (self._source.id, _text(self._now), _text(self._now + _LONGEST_PAUSE))

    def _has_been_gone(self, since: str) -> bool:
        return datetime.fromisoformat(since) <= self._now - _GONE_FOR_GOOD

    def _attempts(self, execute: Execute, key: str) -> _Attempts:
        sql = "SELECT attempts, next_attempt, gone_since FROM collection_failed WHERE source = ? AND log_key = ?"
        row: Row | None = execute(sql, (self._source.id, key)).fetchone()
        if row is None:
            return _Attempts()
        gone_since = row.parsed("gone_since", _checked_time) if row["gone_since"] is not None else None
        return _Attempts(row.integer("attempts"), row.text("next_attempt"), gone_since)

    def _put(
        self, execute: Execute, failed: FailedObject, error: CollectorError, attempts: _Attempts, *, malformed: bool
    ) -> None:
        values = {
            "source": self._source.id,
            "log_key": failed.key,
            "size": failed.size,
            "etag": failed.etag,
            "malformed": malformed,
            "reason": self._mask(str(error)),
            "exit_code": error.exit_code,
            "attempts": attempts.count,
            "next_attempt": attempts.next_at,
            "gone_since": attempts.gone_since,
        }
        insert(execute, "collection_failed", values, verb="INSERT OR REPLACE")
        self._any = True


def _failed_object(row: Row) -> FailedObject:
    return FailedObject(key=row.text("log_key"), size=row.integer("size"), etag=row.text("etag"))


def _log_key(row: Row) -> str:
    return row.text("log_key")


def _checked_time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(text)
    return text


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
