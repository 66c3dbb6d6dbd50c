"""The state of log streams: the intervals read of each, and the events seen lately.

The table `cloudwatch_logs` of Wazuh's own module is updated for compatibility but never read back, because
it has no account column. The first account that reads a stream takes over that module's row.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aws_s3.state.database import Database, Execute, InvalidValueError, Row, insert, insert_all
from aws_s3.state.read_ranges import LATE, ReadInterval, StreamCheckpoint, merge

EventFingerprint = tuple[int, bytes]
"""Identifies an event within its stream: its time in milliseconds, and a digest of message and ingestion time."""

MIGRATIONS = (
    (
        "cloudwatch_logs",
        """CREATE TABLE IF NOT EXISTS cloudwatch_logs (
            aws_region TEXT NOT NULL, aws_log_group TEXT NOT NULL, aws_log_stream TEXT NOT NULL, next_token TEXT,
            start_time INTEGER, end_time INTEGER, PRIMARY KEY (aws_region, aws_log_group, aws_log_stream))""",
    ),
    (
        "log streams",
        """CREATE TABLE collection_log_stream (
            id INTEGER PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, log_group TEXT NOT NULL,
            log_stream TEXT NOT NULL, read_any INTEGER NOT NULL, token TEXT, token_start INTEGER NOT NULL,
            read INTEGER NOT NULL, looked INTEGER NOT NULL, ingested INTEGER,
            UNIQUE (region, log_group, log_stream, account))""",
    ),
    (
        "log spans",
        """CREATE TABLE collection_log_span (
            stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, settled INTEGER NOT NULL,
            PRIMARY KEY (stream, first)) WITHOUT ROWID""",
    ),
    (
        "log events seen",
        """CREATE TABLE collection_log_seen (
            stream INTEGER NOT NULL, time INTEGER NOT NULL, digest BLOB NOT NULL, count INTEGER NOT NULL,
            PRIMARY KEY (stream, time, digest)) WITHOUT ROWID""",
    ),
    (
        "log groups",
        """CREATE TABLE collection_log_group (
            account TEXT NOT NULL, region TEXT NOT NULL, log_group TEXT NOT NULL, stream_prefix TEXT NOT NULL,
            read INTEGER NOT NULL, PRIMARY KEY (region, log_group, stream_prefix, account)) WITHOUT ROWID""",
    ),
    (
        "log streams to take over",
        """CREATE TABLE collection_log_adoptable (
            region TEXT NOT NULL, log_group TEXT NOT NULL, log_stream TEXT NOT NULL,
            first INTEGER NOT NULL, last INTEGER NOT NULL,
            PRIMARY KEY (region, log_group, log_stream)) WITHOUT ROWID""",
    ),
    ("start of a stream taken over", "ALTER TABLE collection_log_stream ADD COLUMN adopted_start INTEGER"),
    ("end of a stream taken over", "ALTER TABLE collection_log_stream ADD COLUMN adopted_end INTEGER"),
    ("ingestion of a stream taken over", "ALTER TABLE collection_log_stream ADD COLUMN adopted_ingested INTEGER"),
)

# Rows that we wrote ourselves are skipped: with two accounts, their account cannot be determined.
TAKE_OVER = (
    """INSERT OR REPLACE INTO collection_log_adoptable (region, log_group, log_stream, first, last)
        SELECT aws_region, aws_log_group, aws_log_stream, coalesce(start_time, end_time), end_time
        FROM cloudwatch_logs WHERE end_time IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM collection_log_stream JOIN collection_log_span ON stream = id
            WHERE region = aws_region AND log_group = aws_log_group AND log_stream = aws_log_stream
            AND last >= end_time)""",
)

_NOBODY = ""
"""Stands for the account as long as it is unknown: only a stream's ARN holds it."""

_IN_GROUP = "region = ? AND log_group = ?"
_IN_ACCOUNT = f"{_IN_GROUP} AND account = ?"
_SAME_STREAM = (
    "(aws_region, aws_log_group, aws_log_stream) = "
    "(SELECT region, log_group, log_stream FROM collection_log_stream WHERE id = ?)"
)
# Another account has a stream of that name, and the row in the table of Wazuh's own module stands for both.
_SHARED = (
    "EXISTS (SELECT 1 FROM collection_log_stream WHERE id != ? "
    "AND region = aws_region AND log_group = aws_log_group AND log_stream = aws_log_stream)"
)


@dataclass(frozen=True)
class Group:
    """A log group, or those of its streams whose names begin with `prefix`."""

    region: str
    name: str
    prefix: str = ""

    def lock_name(self, account: str) -> str:
        """Return the text that identifies the account's group among all runs on this state."""
        return f"{account} {self.region} {self.name}"


class LogStreams:
    """The state of log streams. Times are milliseconds since 1970, UTC. Every method raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note_request(self, group: Group, start: int) -> None:
        """Remember that the group is asked for from `start` on, until a run has read all of it."""
        with self._database.transaction() as execute:
            values = {**_group_columns(group, _NOBODY), "read": start + LATE}
            insert(execute, "collection_log_group", values, verb="INSERT OR IGNORE")

    def last_read(self, group: Group, account: str) -> int | None:
        """Return the start of the last run that read all of the group, or more than the group; None without any.

        For a group that was never read, it is the time it was first asked for; for a group that only Wazuh's
        own module has read, the time of its newest event.
        """
        ours = (
            f"SELECT max(read) AS read FROM collection_log_group WHERE {_IN_ACCOUNT} "
            "AND substr(?, 1, length(stream_prefix)) = stream_prefix"
        )
        newest = (
            f"SELECT max(last) AS read FROM collection_log_adoptable WHERE {_IN_GROUP} AND NOT EXISTS ("
            f"SELECT 1 FROM collection_log_group WHERE {_IN_GROUP} AND account != ?)"
        )
        names = (group.region, group.name)
        for sql, parameters in (
            (ours, (*names, account, group.prefix)),
            (newest, (*names, *names, _NOBODY)),
            (ours, (*names, _NOBODY, group.prefix)),
        ):
            [read] = self._database.select(lambda row: row.optional_integer("read"), sql, parameters)
            if read is not None:
                return read
        return None

    def complete(self, group: Group, account: str, began: int) -> None:
        """Remember that the run that began at `began` read all of the group, and failed nowhere."""
        with self._database.transaction() as execute:
            values = {**_group_columns(group, account), "read": began}
            insert(execute, "collection_log_group", values, verb="INSERT OR REPLACE")
            execute(
                f"DELETE FROM collection_log_group WHERE {_IN_ACCOUNT} AND stream_prefix = ?",
                (group.region, group.name, _NOBODY, group.prefix),
            )

    def checkpoints(self, group: Group, account: str) -> dict[str, StreamCheckpoint]:
        """Return the state of the group's streams, by name."""
        names = (group.region, group.name, account)
        intervals: dict[int, list[ReadInterval]] = {}
        for stream, interval in self._database.select(
            lambda row: (row.integer("stream"), _interval(row)),
            "SELECT stream, first, last, settled FROM collection_log_span JOIN collection_log_stream ON id = stream "
            f"WHERE {_IN_ACCOUNT} ORDER BY stream, first",
            names,
        ):
            intervals.setdefault(stream, []).append(interval)
        checkpoints = self._database.select(
            lambda row: (row.text("log_stream"), _checkpoint(row, intervals.get(row.integer("id"), ()))),
            f"SELECT * FROM collection_log_stream WHERE {_IN_ACCOUNT}",
            names,
        )
        return dict(checkpoints)

    def accounts(self, group: Group) -> set[str]:
        """Return the accounts of which the state holds streams of the group."""
        sql = f"SELECT DISTINCT account FROM collection_log_stream WHERE {_IN_GROUP}"
        return set(self._database.select(lambda row: row.text("account"), sql, (group.region, group.name)))

    def begin(self, group: Group, account: str, names: Collection[str], start: int) -> None:
        """Remember, before they are read, that new streams are asked for from `start` on.

        The group's streams take over the rows of Wazuh's own module.
        """
        with self._database.transaction() as execute:
            adopted = _take_adoptable(execute, group, names)
            checkpoints = self.checkpoints(group, account)
            for name in names:
                interval = adopted.get(name)
                if name not in checkpoints:
                    stream = _insert(execute, group, account, name)
                    _put_intervals(execute, stream, (interval or ReadInterval(start, start, start),))
                    if interval is not None:
                        _mark_adopted(execute, stream, interval)
                elif interval is not None:
                    checkpoint = checkpoints[name]
                    _put_intervals(execute, checkpoint.id, merge(checkpoint.intervals, interval))
                    _mark_adopted(execute, checkpoint.id, interval)

    def note_adopted_ingestion(self, stream: int, ingested: int) -> None:
        """Remember when the first event at `adopted_end` came in: Wazuh's own module has read until then, at least."""
        with self._database.transaction() as execute:
            execute("UPDATE collection_log_stream SET adopted_ingested = ? WHERE id = ?", (ingested, stream))

    def seen(self, stream: int, first: int, last: int) -> dict[EventFingerprint, int]:
        """Return the events from `first` to `last` that were sent, each with how many of it there were."""
        found = self._database.select(
            lambda row: ((row.integer("time"), row.blob("digest")), row.integer("count")),
            "SELECT time, digest, count FROM collection_log_seen WHERE stream = ? AND time BETWEEN ? AND ?",
            (stream, first, last),
        )
        return dict(found)

    def record(
        self,
        stream: int,
        intervals: tuple[ReadInterval, ...],
        fingerprints: Mapping[EventFingerprint, int],
        *,
        has_sent: bool = True,
    ) -> None:
        """Remember the stream's read intervals, and events that were sent, each with how many of it there were.

        Events are remembered only where reading may come upon them again; `has_sent`: there were any, also others.
        """
        late = [(interval.read_on_from, interval.end) for interval in intervals]
        rows = ((stream, time, digest, count) for (time, digest), count in fingerprints.items())
        with self._database.transaction(of_sent_events=True) as execute:
            _put_intervals(execute, stream, intervals)
            insert_all(execute, "collection_log_seen", ("stream", "time", "digest", "count"), rows)
            kept = " OR ".join(["time BETWEEN ? AND ?"] * len(late))
            limits = (time for limit in late for time in limit)
            execute(f"DELETE FROM collection_log_seen WHERE stream = ? AND NOT ({kept})", (stream, *limits))
            if has_sent:
                execute("UPDATE collection_log_stream SET read_any = 1 WHERE id = ?", (stream,))
                _put_compatible(execute, stream, intervals[-1])

    def finish(self, stream: StreamCheckpoint) -> None:
        """Remember that the stream was read to its end: all of the checkpoint but its intervals."""
        values = {
            "token": stream.token,
            "token_start": stream.token_start,
            "read": stream.read_at,
            "looked": stream.checked_by_time_at,
            "ingested": stream.last_ingested,
        }
        columns = ", ".join(f"{column} = ?" for column in values)
        with self._database.transaction() as execute:
            execute(f"UPDATE collection_log_stream SET {columns} WHERE id = ?", (*values.values(), stream.id))
            execute(f"UPDATE cloudwatch_logs SET next_token = ? WHERE {_SAME_STREAM}", (stream.token, stream.id))

    def forget(self, streams: Iterable[int]) -> None:
        """Forget streams, because they are gone, or because the user asks for it."""
        with self._database.transaction() as execute:
            for stream in streams:
                execute(f"DELETE FROM cloudwatch_logs WHERE {_SAME_STREAM} AND NOT {_SHARED}", (stream, stream))
                execute("DELETE FROM collection_log_seen WHERE stream = ?", (stream,))
                execute("DELETE FROM collection_log_span WHERE stream = ?", (stream,))
                execute("DELETE FROM collection_log_stream WHERE id = ?", (stream,))

    def forget_group(self, group: Group) -> int:
        """Take all that the state knows of the group out of it; return how many streams there were.

        The caller holds the lock of the group for each of its `accounts`.
        """
        found = self._database.select(
            lambda row: (row.integer("id"), row.text("log_stream")),
            f"SELECT id, log_stream FROM collection_log_stream WHERE {_IN_GROUP}",
            (group.region, group.name),
        )
        streams = [identity for identity, name in found if name.startswith(group.prefix)]
        self.forget(streams)
        key = (group.region, group.name, group.prefix)
        with self._database.transaction() as execute:
            execute("DELETE FROM collection_log_group WHERE region = ? AND log_group = ? AND stream_prefix = ?", key)
            for table, prefix in (("collection_log_adoptable", ""), ("cloudwatch_logs", "aws_")):
                execute(
                    f"DELETE FROM {table} WHERE {prefix}region = ?1 AND {prefix}log_group = ?2 "
                    f"AND substr({prefix}log_stream, 1, length(?3)) = ?3",
                    key,
                )
        return len(streams)


def _group_columns(group: Group, account: str) -> dict[str, object]:
    return {"account": account, "region": group.region, "log_group": group.name, "stream_prefix": group.prefix}


def _interval(row: Row) -> ReadInterval:
    return ReadInterval(start=row.integer("first"), end=row.integer("last"), complete_from=row.integer("settled"))


def _checkpoint(row: Row, intervals: Sequence[ReadInterval]) -> StreamCheckpoint:
    if not intervals:
        raise InvalidValueError(f"log stream {row.text('log_stream')} has no interval in collection_log_span")
    return StreamCheckpoint(
        id=row.integer("id"),
        intervals=tuple(intervals),
        has_events=bool(row.integer("read_any")),
        token=row.optional_text("token"),
        token_start=row.integer("token_start"),
        read_at=row.integer("read"),
        checked_by_time_at=row.integer("looked"),
        last_ingested=row.optional_integer("ingested"),
        adopted_start=row.optional_integer("adopted_start"),
        adopted_end=row.optional_integer("adopted_end"),
        adopted_ingested=row.optional_integer("adopted_ingested"),
    )


def _take_adoptable(execute: Execute, group: Group, names: Collection[str]) -> dict[str, ReadInterval]:
    """Take over the rows of Wazuh's own module for the streams: no other account gets them.

    Its last 5 minutes are read again, for late events: their ingestion time shows which of them it has sent.
    """
    rows = execute(
        f"SELECT log_stream, first, last FROM collection_log_adoptable WHERE {_IN_GROUP}", (group.region, group.name)
    ).fetchall()
    wanted = set(names)
    intervals: dict[str, ReadInterval] = {}
    for row in rows:
        name, end = row.text("log_stream"), row.integer("last")
        if name in wanted:
            start = min(row.integer("first"), end)
            intervals[name] = ReadInterval(start, end, max(start, end - LATE))
            execute(
                f"DELETE FROM collection_log_adoptable WHERE {_IN_GROUP} AND log_stream = ?",
                (group.region, group.name, name),
            )
    return intervals


def _insert(execute: Execute, group: Group, account: str, name: str) -> int:
    """Insert a stream that was never read, and return its id."""
    values = {
        "account": account,
        "region": group.region,
        "log_group": group.name,
        "log_stream": name,
        "read_any": 0,
        "token_start": 0,
        "read": 0,
        "looked": 0,
    }
    stream = insert(execute, "collection_log_stream", values).lastrowid
    assert stream is not None
    return stream


def _mark_adopted(execute: Execute, stream: int, interval: ReadInterval) -> None:
    execute(
        "UPDATE collection_log_stream SET read_any = 1, token = NULL, adopted_start = ?, adopted_end = ?, "
        "adopted_ingested = NULL WHERE id = ?",
        (interval.complete_from, interval.end, stream),
    )


def _put_intervals(execute: Execute, stream: int, intervals: Iterable[ReadInterval]) -> None:
    execute("DELETE FROM collection_log_span WHERE stream = ?", (stream,))
    for interval in intervals:
        values = {
            "stream": stream,
            "first": interval.start,
            "last": interval.end,
            "settled": interval.complete_from,
        }
        insert(execute, "collection_log_span", values)


def _put_compatible(execute: Execute, stream: int, interval: ReadInterval) -> None:
    times = (interval.start, interval.end, stream)
    if not execute(f"UPDATE cloudwatch_logs SET start_time = ?, end_time = ? WHERE {_SAME_STREAM}", times).rowcount:
        execute(
            "INSERT INTO cloudwatch_logs (aws_region, aws_log_group, aws_log_stream, start_time, end_time) "
            "SELECT region, log_group, log_stream, ?, ? FROM collection_log_stream WHERE id = ?",
            times,
        )
