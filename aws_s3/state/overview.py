"""What the state files tell, read without changing or locking anything: `--status` (SPEC 15).

Times and days are texts, UTC, as the files hold them: `2021-06-10T01:00:00+00:00`, `2021-06-10`.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aws_s3.errors import StateError
from aws_s3.log_types import LOG_TYPES
from aws_s3.settings import BucketLocation
from aws_s3.state import bucket_state as buckets
from aws_s3.state import service_state as services
from aws_s3.state.database import AFTER_ANY_KEY


@dataclass(frozen=True)
class PartitionStatus:
    """A partition: the first day asked for, the newest day collected, and the rows of its objects."""

    prefix: str
    floor: str | None
    newest_day: str | None
    rows: int
    last_object: str | None
    last_processed: str | None


@dataclass(frozen=True)
class FailedStatus:
    """An object that could not be read. One that is malformed is tried again by `--retry-failed` only."""

    key: str
    malformed: bool
    reason: str
    attempts: int
    next_attempt: str


@dataclass(frozen=True)
class SourceStatus:
    """A source. `last_complete_run` is when the last run began that failed nowhere."""

    source: BucketLocation
    last_complete_run: str | None
    partitions: Sequence[PartitionStatus]
    failed: Sequence[FailedStatus]
    partly_sent: Sequence[str]


@dataclass(frozen=True)
class StreamStatus:
    """A log stream, and the time of the newest event that was read of it."""

    account: str
    region: str
    group: str
    stream: str
    read_until: str | None


@dataclass(frozen=True)
class ScanStatus:
    """A place that is scanned for findings, and when it last was."""

    service: str
    account: str
    region: str
    last_scan: str


@dataclass(frozen=True)
class Overview:
    """All that the state files of a folder tell."""

    sources: Sequence[SourceStatus]
    log_streams: Sequence[StreamStatus]
    scans: Sequence[ScanStatus]


def overview(folder: Path) -> Overview:
    """Return what the folder's state files tell; of one that is missing, nothing. Raises StateError."""
    sources: list[SourceStatus] = []
    streams: list[StreamStatus] = []
    scans: list[ScanStatus] = []
    with _opened(folder / buckets.FILE) as database:
        if database:
            sources = [*_sources(database), *_foreign_sources(database)]
    with _opened(folder / services.FILE) as database:
        if database:
            streams, scans = _streams(database), _scans(database)
    return Overview(sources, streams, scans)


@contextmanager
def copied(folder: Path, to: Path) -> Iterator[Path]:
    """Give the folder `to`, with a copy of the state of buckets in it if there is one. Raises StateError."""
    with _opened(folder / buckets.FILE) as database:
        if database:
            with closing(sqlite3.connect(to / buckets.FILE)) as copy:
                database.connection.backup(copy)
    yield to


class _Reader:
    """A state file open for reading, and which tables it has."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def rows(self, table: str, sql: str, parameters: Sequence[object] = ()) -> Iterator[Any]:
        """Return what the SELECT gives; nothing where the table is missing."""
        return self.connection.execute(sql, parameters) if table in self._tables else iter(())


@contextmanager
def _opened(path: Path) -> Iterator[_Reader | None]:
    try:
        if not path.exists():
            yield None
            return
        # Without a journal beside it, no run is at work: then nothing need be created to read it.
        mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
        with closing(sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True)) as connection:
            yield _Reader(connection)
    except (sqlite3.Error, OSError) as error:
        raise StateError(f"The state database {path} cannot be read: {error}. Check its permissions.") from error


def _sources(database: _Reader) -> Iterator[SourceStatus]:
    found = database.rows(
        "collection_source", "SELECT id, last_run, type, bucket, path, suffix, organization FROM collection_source"
    )
    partial = "SELECT log_key FROM collection_partial WHERE source = ? ORDER BY 1"
    for id_, last_run, *names in [row for row in found if row[2] in LOG_TYPES]:
        source = BucketLocation(*names)
        partitions = [_partition(database, source, *row) for row in _partition_rows(database, id_)]
        partly_sent = [key for (key,) in database.rows("collection_partial", partial, (id_,))]
        yield SourceStatus(source, last_run, partitions, _failed(database, id_), partly_sent)


def _partition_rows(database: _Reader, source: int) -> list[Any]:
    sql = "SELECT prefix, floor, place FROM collection_partition WHERE source = ? ORDER BY prefix, dates"
    return list(database.rows("collection_partition", sql, (source,)))


def _partition(
    database: _Reader, source: BucketLocation, prefix: str, floor: str | None, place: str | None
) -> PartitionStatus:
    bucket = LOG_TYPES[source.type]
    bucket_path = f"{source.bucket}/{source.path}{source.suffix if bucket.suffix_in_bucket_path else ''}"
    where = "bucket_path = ? AND log_key BETWEEN ? AND ?"
    rows, last, processed = _of_rows(database, bucket.table, where, (bucket_path, prefix, prefix + AFTER_ANY_KEY))
    return PartitionStatus(prefix, floor, place, rows, last, processed)


def _of_rows(
    database: _Reader, table: str, where: str, parameters: Sequence[object]
) -> tuple[int, str | None, str | None]:
    """Return how many rows there are, the key of the newest object, and when the last one was processed."""
    counted = database.rows(table, f"SELECT count(*), max(processed_date) FROM {table} WHERE {where}", parameters)
    count, processed = next(counted, (0, None))
    newest = f"SELECT log_key FROM {table} WHERE {where} ORDER BY created_date DESC, log_key DESC LIMIT 1"
    (last,) = next(database.rows(table, newest, parameters), (None,))
    return count, last, processed


def _failed(database: _Reader, source: int) -> list[FailedStatus]:
    rows = database.rows(
        "collection_failed",
        "SELECT log_key, malformed, reason, attempts, next_attempt FROM collection_failed WHERE source = ? "
        "ORDER BY malformed, log_key",
        (source,),
    )
    return [FailedStatus(key, bool(malformed), *rest) for key, malformed, *rest in rows]


def _foreign_sources(database: _Reader) -> Iterator[SourceStatus]:
    """Yield what the existing module collected and we never did: its rows tell of no more than bucket and path."""
    ours = {
        (kind, f"{bucket}/{path}{suffix if LOG_TYPES[kind].suffix_in_bucket_path else ''}")
        for kind, bucket, path, suffix in database.rows(
            "collection_source", "SELECT type, bucket, path, suffix FROM collection_source"
        )
        if kind in LOG_TYPES
    }
    for kind, bucket_type in LOG_TYPES.items():
        table = bucket_type.table
        paths = [path for (path,) in database.rows(table, f"SELECT DISTINCT bucket_path FROM {table} ORDER BY 1")]
        for bucket_path in paths:
            if (kind, bucket_path) not in ours:
                bucket, _, path = bucket_path.partition("/")
                rows, last, processed = _of_rows(database, table, "bucket_path = ?", (bucket_path,))
                all_of_it = PartitionStatus("", None, None, rows, last, processed)
                yield SourceStatus(BucketLocation(kind, bucket, path), None, [all_of_it], [], [])


def _streams(database: _Reader) -> list[StreamStatus]:
    rows = database.rows(
        "collection_log_span",
        "SELECT account, region, log_group, log_stream, max(last) FROM collection_log_stream "
        "LEFT JOIN collection_log_span ON stream = id GROUP BY id ORDER BY 1, 2, 3, 4",
    )
    ours = [
        StreamStatus(account, region, group, stream, _moment(until)) for account, region, group, stream, until in rows
    ]
    known = {(status.region, status.group, status.stream) for status in ours}
    theirs = database.rows(
        "cloudwatch_logs",
        "SELECT aws_region, aws_log_group, aws_log_stream, end_time FROM cloudwatch_logs ORDER BY 1, 2, 3",
    )
    return ours + [
        StreamStatus("", region, group, stream, _moment(until))
        for region, group, stream, until in theirs
        if (region, group, stream) not in known
    ]


def _scans(database: _Reader) -> list[ScanStatus]:
    sql = (
        "SELECT service_name, aws_account_id, aws_region, max(scan_date) FROM aws_services "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    return [ScanStatus(*row) for row in database.rows("aws_services", sql)]


def _moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat(timespec="milliseconds")
