"""The state of log streams: what was read of each, and the events seen lately (SPEC 9, 11).

The table `cloudwatch_logs` of the existing module is kept up, but not believed: it has no account. What
that module wrote into it is taken over by the first account that reads the stream.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from aws_s3.state.database import Database, Execute
from aws_s3.state.read_ranges import LATE, ReadInterval, StreamCheckpoint, merge

EventFingerprint = tuple[int, bytes]
"""What tells an event from others of its stream: its time, and a digest of all else."""

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
)

# A row that says what we know already is one of ours: with two accounts, of no one knows which.
TAKE_OVER = (
    """INSERT OR REPLACE INTO collection_log_adoptable
        SELECT aws_region, aws_log_group, aws_log_stream, coalesce(start_time, end_time), end_time
        FROM cloudwatch_logs WHERE end_time IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM collection_log_stream JOIN collection_log_span ON stream = id
            WHERE region = aws_region AND log_group = aws_log_group AND log_stream = aws_log_stream
            AND last >= end_time)""",
)

_STREAM = "id, read_any, token, token_start, read, looked, ingested"
_NOBODY = ""
"""Stands for the account as long as none is known: only a stream's ARN tells it."""


@dataclass(frozen=True)
class Group:
    """A log group, or those of its streams whose names begin with `prefix`."""

    region: str
    name: str
    prefix: str = ""


class LogStreams:
    """What is known of log streams. Times are milliseconds since 1970, UTC."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note_request(self, group: Group, start: int) -> None:
        """Remember that the group is asked for from `start` on, until a run has read all of it."""
        with self._database.transaction() as execute:
            parameters = (_NOBODY, group.region, group.name, group.prefix, start + LATE)
            execute("INSERT OR IGNORE INTO collection_log_group VALUES (?, ?, ?, ?, ?)", parameters)

    def last_read(self, group: Group, account: str) -> int | None:
        """Return when a run last began that read all of the group, or more of it; None when there was none.

        For a group that was never read it is when it was first asked for; for one that only the existing
        module has read, the time of its newest event.
        """
        sql = (
            "SELECT max(read) FROM collection_log_group WHERE region = ? AND log_group = ? AND account = ? "
            "AND substr(?, 1, length(stream_prefix)) = stream_prefix"
        )
        newest = (
            "SELECT max(last) FROM collection_log_adoptable WHERE region = ? AND log_group = ? AND NOT EXISTS ("
            "SELECT 1 FROM collection_log_group WHERE region = ? AND log_group = ? AND account != ?)"
        )
        place = (group.region, group.name)
        for query, parameters in (
            (sql, (*place, account, group.prefix)),
            (newest, (*place, *place, _NOBODY)),
            (sql, (*place, _NOBODY, group.prefix)),
        ):
            [(read,)] = self._database.query(query, parameters)
            if read is not None:
                return int(read)
        return None

    def complete(self, group: Group, account: str, began: int) -> None:
        """Remember that a run that began at `began` read all of the group, and failed nowhere."""
        place = (group.region, group.name, group.prefix)
        with self._database.transaction() as execute:
            execute("INSERT OR REPLACE INTO collection_log_group VALUES (?, ?, ?, ?, ?)", (account, *place, began))
            execute(
                "DELETE FROM collection_log_group WHERE account = ? AND region = ? AND log_group = ? "
                "AND stream_prefix = ?",
                (_NOBODY, *place),
            )

    def checkpoints(self, group: Group, account: str) -> dict[str, StreamCheckpoint]:
        """Return what is known of the group's streams, by name."""
        where = "region = ? AND log_group = ? AND account = ?"
        place = (group.region, group.name, account)
        intervals: dict[int, list[ReadInterval]] = {}
        for stream, *interval in self._database.query(
            "SELECT stream, first, last, settled FROM collection_log_span JOIN collection_log_stream ON id = stream "
            f"WHERE {where} ORDER BY stream, first",
            place,
        ):
            intervals.setdefault(stream, []).append(ReadInterval(*interval))
        sql = f"SELECT log_stream, {_STREAM} FROM collection_log_stream WHERE {where}"
        return {
            name: StreamCheckpoint(identity, tuple(intervals[identity]), bool(has_events), *rest)
            for name, identity, has_events, *rest in self._database.query(sql, place)
        }

    def accounts(self, group: Group) -> set[str]:
        """Return the accounts that streams of the group are known of."""
        sql = "SELECT DISTINCT account FROM collection_log_stream WHERE region = ? AND log_group = ?"
        return {account for (account,) in self._database.query(sql, (group.region, group.name))}

    def begin(self, group: Group, account: str, names: Collection[str], start: int) -> None:
        """Remember, before they are read, that the streams not known yet are asked for from `start` on.

        What the existing module has read of the group's streams counts as read from now on.
        """
        with self._database.transaction() as execute:
            adopted = _adoptable(execute, group, names)
            known = self.checkpoints(group, account)
            for name in names:
                interval = adopted.get(name)
                if name not in known:
                    self._insert(
                        execute,
                        group,
                        account,
                        name,
                        interval or ReadInterval(start, start, start),
                        interval is not None,
                    )
                elif interval is not None:
                    stream = known[name]
                    _put_intervals(execute, stream.id, merge(stream.intervals, interval))
                    execute("UPDATE collection_log_stream SET token = NULL WHERE id = ?", (stream.id,))

    def seen(self, stream: int, first: int, last: int) -> dict[EventFingerprint, int]:
        """Return the events seen of those from `first` to `last`, and how many of each there were."""
        sql = "SELECT time, digest, count FROM collection_log_seen WHERE stream = ? AND time BETWEEN ? AND ?"
        return {(time, digest): count for time, digest, count in self._database.query(sql, (stream, first, last))}

    def record(
        self, stream: int, intervals: tuple[ReadInterval, ...], fingerprints: Mapping[EventFingerprint, int]
    ) -> None:
        """Remember what was read of the stream, and the events by `fingerprints`, as far as they may come again."""
        late = [(interval.read_on_from, interval.end) for interval in intervals]
        with self._database.transaction() as execute:
            _put_intervals(execute, stream, intervals)
            for fingerprint, count in fingerprints.items():
                if any(first <= fingerprint[0] <= last for first, last in late):
                    row = (stream, *fingerprint, count)
                    execute("INSERT OR REPLACE INTO collection_log_seen VALUES (?, ?, ?, ?)", row)
            kept = " OR ".join(["time BETWEEN ? AND ?"] * len(late))
            limits = (time for limit in late for time in limit)
            execute(f"DELETE FROM collection_log_seen WHERE stream = ? AND NOT ({kept})", (stream, *limits))
            if fingerprints:
                execute("UPDATE collection_log_stream SET read_any = 1 WHERE id = ?", (stream,))
                _put_compatible(execute, stream, intervals[-1])

    def finish(self, stream: StreamCheckpoint) -> None:
        """Remember how the stream was read to its end: all that is known of it but what was read."""
        with self._database.transaction() as execute:
            execute(
                "UPDATE collection_log_stream SET token = ?, token_start = ?, read = ?, looked = ?, ingested = ? "
                "WHERE id = ?",
                (
                    stream.token,
                    stream.token_start,
                    stream.read_at,
                    stream.checked_by_time_at,
                    stream.last_ingested,
                    stream.id,
                ),
            )
            execute(f"UPDATE cloudwatch_logs SET next_token = ? WHERE {_SAME_STREAM}", (stream.token, stream.id))

    def forget(self, streams: Iterable[int]) -> None:
        """Forget streams that are gone."""
        with self._database.transaction() as execute:
            for stream in streams:
                execute(f"DELETE FROM cloudwatch_logs WHERE {_SAME_STREAM} AND NOT {_SHARED}", (stream, stream))
                execute("DELETE FROM collection_log_seen WHERE stream = ?", (stream,))
                execute("DELETE FROM collection_log_span WHERE stream = ?", (stream,))
                execute("DELETE FROM collection_log_stream WHERE id = ?", (stream,))

    def _insert(
        self,
        execute: Execute,
        group: Group,
        account: str,
        name: str,
        interval: ReadInterval,
        has_events: bool,  # noqa: FBT001
    ) -> None:
        cursor = execute(
            "INSERT INTO collection_log_stream (account, region, log_group, log_stream, read_any, "
            "token_start, read, looked) VALUES (?, ?, ?, ?, ?, 0, 0, 0)",
            (account, group.region, group.name, name, has_events),
        )
        assert cursor.lastrowid is not None
        _put_intervals(execute, cursor.lastrowid, (interval,))


_SAME_STREAM = (
    "(aws_region, aws_log_group, aws_log_stream) = "
    "(SELECT region, log_group, log_stream FROM collection_log_stream WHERE id = ?)"
)
_SHARED = (
    "EXISTS (SELECT 1 FROM collection_log_stream WHERE id != ? "
    "AND region = aws_region AND log_group = aws_log_group AND log_stream = aws_log_stream)"
)
"""Whether another account has a stream of that name: then the row of the existing module is also its."""


def _adoptable(execute: Execute, group: Group, names: Collection[str]) -> dict[str, ReadInterval]:
    """Take what the existing module has read of the streams: no other account gets it (SPEC 9)."""
    place = (group.region, group.name)
    rows = execute(
        "SELECT log_stream, first, last FROM collection_log_adoptable WHERE region = ? AND log_group = ?", place
    ).fetchall()
    asked = set(names)
    # Which events of its last millisecond it has sent, nobody knows: it asks for none of them again.
    intervals = {name: ReadInterval(min(first, last), last, last + 1) for name, first, last in rows if name in asked}
    for name in intervals:
        execute(
            "DELETE FROM collection_log_adoptable WHERE region = ? AND log_group = ? AND log_stream = ?",
            (*place, name),
        )
    return intervals


def _put_intervals(execute: Execute, stream: int, intervals: Iterable[ReadInterval]) -> None:
    execute("DELETE FROM collection_log_span WHERE stream = ?", (stream,))
    for interval in intervals:
        row = (stream, interval.start, interval.end, interval.complete_from)
        execute("INSERT INTO collection_log_span VALUES (?, ?, ?, ?)", row)


def _put_compatible(execute: Execute, stream: int, interval: ReadInterval) -> None:
    times = (interval.start, interval.end, stream)
    if not execute(f"UPDATE cloudwatch_logs SET start_time = ?, end_time = ? WHERE {_SAME_STREAM}", times).rowcount:
        execute(
            "INSERT INTO cloudwatch_logs (aws_region, aws_log_group, aws_log_stream, start_time, end_time) "
            "SELECT region, log_group, log_stream, ?, ? FROM collection_log_stream WHERE id = ?",
            times,
        )
