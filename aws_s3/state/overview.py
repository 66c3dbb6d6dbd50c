"""The contents of the state files, read without changing or locking anything: for `--status`.

Times and days are texts, UTC, as the files hold them: `2021-06-10T01:00:00+00:00`, `2021-06-10`.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from aws_s3.errors import StateError
from aws_s3.log_types import LOG_TYPES, log_type_of
from aws_s3.settings import BucketLocation
from aws_s3.state import bucket_state as buckets
from aws_s3.state import queue_state
from aws_s3.state import service_state as services
from aws_s3.state.database import AFTER_ANY_KEY, InvalidValueError, Row
from aws_s3.state.sources import LastError, last_error

T = TypeVar("T")


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
    """An object that could not be read. A malformed object is tried again by `--retry-failed` only."""

    key: str
    malformed: bool
    reason: str
    attempts: int
    next_attempt: str


@dataclass(frozen=True)
class SourceStatus:
    """A source. `last_complete_run` is the start of the last run that failed nowhere.

    `ever_found` tells whether any run found an object of its layout, of any day. `archived`: the objects that the last
    run passed over because they are in an archive.
    """

    source: BucketLocation
    last_complete_run: str | None
    partitions: Sequence[PartitionStatus]
    failed: Sequence[FailedStatus] = ()
    partly_sent: Sequence[str] = ()
    last_error: LastError | None = None
    ever_found: bool = True
    archived: int = 0


@dataclass(frozen=True)
class QueueStatus:
    """A queue, `NAME in REGION`, read as one log type or by one subscriber; whether it ever gave an object of that."""

    queue: str
    type: str
    last_complete_run: str | None
    last_error: LastError | None
    ever_found: bool

    @property
    def name(self) -> str:
        """The queue's name without its region."""
        return self.queue.partition(" ")[0]


@dataclass(frozen=True)
class StreamStatus:
    """A log stream, and the time of the newest event read."""

    account: str
    region: str
    group: str
    stream: str
    read_until: str | None


@dataclass(frozen=True)
class ScanStatus:
    """A service that is scanned for findings, and the start of its last scan."""

    service: str
    account: str
    region: str
    last_scan: str


@dataclass(frozen=True)
class Overview:
    """The content of a folder's state files."""

    sources: Sequence[SourceStatus]
    log_streams: Sequence[StreamStatus]
    scans: Sequence[ScanStatus]
    queues: Sequence[QueueStatus] = ()


def overview(folder: Path) -> Overview:
    """Return the content of the folder's state files; nothing for a file that is missing. Raises StateError."""
    sources: list[SourceStatus] = []
    queues: list[QueueStatus] = []
    streams: list[StreamStatus] = []
    scans: list[ScanStatus] = []
    with _opened(folder / buckets.FILE) as database:
        if database:
            sources = [*_sources(database), *_foreign_sources(database)]
    with _opened(folder / queue_state.FILE) as database:
        if database:
            queues = _queues(database)
    with _opened(folder / services.FILE) as database:
        if database:
            streams, scans = _streams(database), _scans(database)
    return Overview(sources, streams, scans, queues)


@contextmanager
def copied(folder: Path, to: Path) -> Iterator[Path]:
    """Give the folder `to`, with a copy of the state of buckets in it if there is one. Raises StateError."""
    with _opened(folder / buckets.FILE) as database:
        if database:
            with closing(sqlite3.connect(to / buckets.FILE)) as copy:
                database.connection.backup(copy)
    yield to


class _Reader:
    """A state file open for reading, and the tables and columns that it has."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.row_factory = Row
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._tables = {row["name"] for row in tables}

    def rows(self, table: str, sql: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of the SELECT; nothing where the table is missing."""
        return self.connection.execute(sql, parameters) if table in self._tables else iter(())


@contextmanager
def _opened(path: Path) -> Iterator[_Reader | None]:
    try:
        if not path.exists():
            yield None
            return
        # Without a journal beside it no run is at work, and reading needs no file beside it either.
        mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
        with closing(sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True)) as connection:
            yield _Reader(connection)
    except (sqlite3.Error, OSError, InvalidValueError) as error:
        raise StateError(f"The state database {path} cannot be read: {error}. Check its permissions.") from error


def _sources(database: _Reader) -> Iterator[SourceStatus]:
    partial = "SELECT log_key FROM collection_partial WHERE source = ? ORDER BY log_key"
    for row in list(database.rows("collection_source", "SELECT * FROM collection_source")):
        if row.text("type") in LOG_TYPES:
            key, location = row.integer("id"), _location(row)
            partitions = [_partition(database, location, each) for each in _partition_rows(database, key)]
            partly_sent = [each.text("log_key") for each in database.rows("collection_partial", partial, (key,))]
            yield SourceStatus(
                location,
                last_complete_run=row.optional_text("last_run"),
                partitions=partitions,
                failed=_failed(database, key),
                partly_sent=partly_sent,
                last_error=_if_there(row, "last_error", last_error),
                ever_found=_ever_found(row, partitions),
                archived=_if_there(row, "archived", lambda row: row.integer("archived")) or 0,
            )


def _location(row: Row) -> BucketLocation:
    names = ("bucket", "path", "suffix", "organization")
    kind, _, layout = row.text("type").partition(" ")
    return BucketLocation(kind, **{name: row.text(name) for name in names}, layout=layout)


def _if_there(row: Row, column: str, read: Callable[[Row], T]) -> T | None:
    """Return the result of `read`; None if the file is of a version without the column."""
    return read(row) if column in row.keys() else None  # noqa: SIM118 - a Row is no mapping


def _ever_found(row: Row, partitions: Sequence[PartitionStatus]) -> bool:
    found = _if_there(row, "found", lambda row: row.optional_text("found"))
    return found is not None or any(partition.newest_day or partition.rows for partition in partitions)


def _partition_rows(database: _Reader, source: int) -> list[Row]:
    sql = "SELECT prefix, dates, floor, place FROM collection_partition WHERE source = ? ORDER BY prefix, dates"
    return list(database.rows("collection_partition", sql, (source,)))


def _partition(database: _Reader, location: BucketLocation, row: Row) -> PartitionStatus:
    log_type = log_type_of(location)
    bucket_path = f"{location.bucket}/{location.path}{location.suffix if log_type.suffix_in_bucket_path else ''}"
    prefix = row.text("prefix")
    where = "bucket_path = ? AND log_key BETWEEN ? AND ?"
    limits = (bucket_path, prefix, prefix + AFTER_ANY_KEY)
    floor, newest_day = row.day("floor"), row.day("place")
    dates = row.text("dates")
    formats = {layout.dates.text: layout.dates for layout in log_type.layouts}
    table = log_type.table_of(formats[dates]) if dates in formats else log_type.table
    return _with_rows(
        database, table, where, limits, PartitionStatus(prefix, _day(floor), _day(newest_day), 0, None, None)
    )


def _with_rows(
    database: _Reader, table: str, where: str, parameters: Sequence[object], status: PartitionStatus
) -> PartitionStatus:
    """Return the status with how many rows there are, the key of the newest, and when the last was processed."""
    counts = f"SELECT count(*) AS count, max(processed_date) AS processed FROM {table} WHERE {where}"
    newest = f"SELECT log_key FROM {table} WHERE {where} ORDER BY created_date DESC, log_key DESC LIMIT 1"
    for row in database.rows(table, counts, parameters):
        status = replace(status, rows=row.integer("count"), last_processed=row["processed"])
    for row in database.rows(table, newest, parameters):
        status = replace(status, last_object=row.text("log_key"))
    return status


def _failed(database: _Reader, source: int) -> list[FailedStatus]:
    rows = database.rows(
        "collection_failed",
        "SELECT log_key, malformed, reason, attempts, next_attempt FROM collection_failed WHERE source = ? "
        "ORDER BY malformed, log_key",
        (source,),
    )
    return [
        FailedStatus(
            key=row.text("log_key"),
            malformed=bool(row.integer("malformed")),
            reason=row.text("reason"),
            attempts=row.integer("attempts"),
            next_attempt=row.text("next_attempt"),
        )
        for row in rows
    ]


def _foreign_sources(database: _Reader) -> Iterator[SourceStatus]:
    """Yield the sources that only Wazuh's own module collected: its rows hold no more than bucket and path."""
    rows = database.rows("collection_source", "SELECT type, bucket, path, suffix, organization FROM collection_source")
    ours = {
        (location.type, f"{location.bucket}/{location.path}{location.suffix if log_type.suffix_in_bucket_path else ''}")
        for location in map(_location, rows)
        if (log_type := LOG_TYPES.get(location.type))
    }
    for kind, log_type in LOG_TYPES.items():
        table = log_type.table
        paths = database.rows(table, f"SELECT DISTINCT bucket_path FROM {table} ORDER BY bucket_path")
        for bucket_path in [row.text("bucket_path") for row in paths]:
            if (kind, bucket_path) not in ours:
                bucket, _, path = bucket_path.partition("/")
                empty = PartitionStatus("", None, None, 0, None, None)
                all_of_it = _with_rows(database, table, "bucket_path = ?", (bucket_path,), empty)
                yield SourceStatus(BucketLocation(kind, bucket, path), None, [all_of_it])


def _queues(database: _Reader) -> list[QueueStatus]:
    rows = database.rows("collection_queue", "SELECT * FROM collection_queue ORDER BY queue, type")
    return [
        QueueStatus(
            queue=row.text("queue"),
            type=row.text("type"),
            last_complete_run=row.optional_text("last_run"),
            last_error=last_error(row),
            ever_found=row.optional_text("found") is not None,
        )
        for row in rows
    ]


def _streams(database: _Reader) -> list[StreamStatus]:
    rows = database.rows(
        "collection_log_span",
        "SELECT account, region, log_group, log_stream, max(last) AS until FROM collection_log_stream "
        "LEFT JOIN collection_log_span ON stream = id GROUP BY id ORDER BY account, region, log_group, log_stream",
    )
    ours = [_stream(row, row.text("account")) for row in rows]
    known = {(status.region, status.group, status.stream) for status in ours}
    theirs = database.rows(
        "cloudwatch_logs",
        "SELECT aws_region AS region, aws_log_group AS log_group, aws_log_stream AS log_stream, end_time AS until "
        "FROM cloudwatch_logs ORDER BY region, log_group, log_stream",
    )
    others = [_stream(row, "") for row in theirs]
    return ours + [each for each in others if (each.region, each.group, each.stream) not in known]


def _stream(row: Row, account: str) -> StreamStatus:
    return StreamStatus(
        account=account,
        region=row.text("region"),
        group=row.text("log_group"),
        stream=row.text("log_stream"),
        read_until=_moment(row.optional_integer("until")),
    )


def _scans(database: _Reader) -> list[ScanStatus]:
    sql = (
        "SELECT service_name, aws_account_id, aws_region, max(scan_date) AS last FROM aws_services "
        "GROUP BY service_name, aws_account_id, aws_region ORDER BY service_name, aws_account_id, aws_region"
    )
    return [
        ScanStatus(
            service=row.text("service_name"),
            account=row.text("aws_account_id"),
            region=row.text("aws_region"),
            last_scan=row.text("last"),
        )
        for row in database.rows("aws_services", sql)
    ]


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError) as error:
        raise InvalidValueError(f"{milliseconds} is no time in milliseconds") from error
