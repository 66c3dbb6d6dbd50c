"""Rows are read by the names of their columns, and every value is checked: the order of anything means nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields, make_dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from aws_s3.errors import StateError, StorageError, UnavailableError
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import SLASHED, Partition
from aws_s3.state import bucket_state, queue_state, service_state
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.failed_objects import FailedObject
from aws_s3.state.log_streams import Group
from aws_s3.state.overview import overview
from aws_s3.state.queue_state import QueueState
from aws_s3.state.read_ranges import ReadInterval
from aws_s3.state.scans import ScanTarget
from aws_s3.state.service_state import ServiceState
from aws_s3.state.start_day import PartitionCheckpoint, StartDay
from tests.harness.collecting import ACCOUNT, DAY, NOW, REGION, SOURCE, trail_key

TRAIL = Partition(f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/", SLASHED, ACCOUNT, REGION)
KEY, FAILED, PARTIAL = trail_key("a"), trail_key("b"), trail_key("c")
GROUP = Group(REGION, "g")
TARGET = ScanTarget("inspector", ACCOUNT, REGION)
ERROR = UnavailableError(StorageError("gone"), gone=True)
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/q"


def fill(folder: Path) -> None:
    """Write a row into every table of ours."""
    with closing(BucketState(folder, CloudTrail(), SOURCE, NOW, 1)) as state:
        state.begin(TRAIL, StartDay(DAY, floor=DAY, skipped_to=DAY + timedelta(1)))
        state.mark_done(TRAIL, KEY, "")
        state.advance(TRAIL, KEY)
        state.failed_objects.schedule_retry(FailedObject(FAILED, 12, "etag"), ERROR)
        state.failed_objects.mark_partial(PARTIAL, "version", 3)
        state.source.note_found()
        state.note_discovered((), (), [TRAIL])
        state.source.note_error(ERROR)
        state.complete()
    queue = QueueState(folder, QUEUE, "rules")
    queue.record({("bucket", KEY, "version"): 3}, ())
    queue.note_found("cloudtrail", NOW)
    queue.note_error("cloudtrail", ERROR, NOW)
    queue.complete("cloudtrail", NOW)
    with closing(ServiceState(folder)) as services:
        services.streams.note_request(GROUP, 1000)
        services.streams.begin(GROUP, ACCOUNT, ["s"], 1000)
        [stream] = services.streams.checkpoints(GROUP, ACCOUNT).values()
        services.streams.record(stream.id, (ReadInterval(1000, 2000, 1000),), {(2000, b"digest"): 2})
        services.streams.finish(stream)
        services.scans.begin(TARGET, NOW)
        services.scans.record(TARGET, [("arn", "2021-06-20T00:00:00.000000+00:00")])


def read_buckets(folder: Path) -> None:
    """Read everything that a run reads."""
    with closing(BucketState(folder, CloudTrail(), SOURCE, NOW, 1)) as state:
        state.history()
        state.discovered((), ())
        state.checkpoint(TRAIL)
        state.begin(TRAIL, StartDay(DAY))
        state.done_or_waiting(TRAIL, [KEY, FAILED])
        state.failed_objects.due_for_retry(TRAIL, 10)
        state.failed_objects.of_partition(TRAIL)
        state.failed_objects.messages_sent(PARTIAL, "version")
        state.failed_objects.schedule_retry(FailedObject(FAILED, 12, "etag"), ERROR)
        state.source.ever_found()
        state.source.last_error()
        state.recorded_partitions()
    overview(folder)


def read_queues(folder: Path) -> None:
    queue = QueueState(folder, QUEUE, "rules")
    queue.has_found("cloudtrail")
    queue.accepted_events()
    overview(folder)


def read_services(folder: Path) -> None:
    with closing(ServiceState(folder)) as services:
        services.streams.last_read(GROUP, ACCOUNT)
        services.streams.last_read(GROUP, "")
        for stream in services.streams.checkpoints(GROUP, ACCOUNT).values():
            services.streams.seen(stream.id, 0, 9000)
        services.scans.last(TARGET)
        services.scans.begin(TARGET, NOW)
    overview(folder)


RUBBISH = {
    "collection_source": ("last_run", "found", "last_error"),
    "collection_partition": ("floor", "place", "resume", "pruned", "done_before", "adopted", "newest_key"),
    "collection_discovery": ("at", "found"),
    "collection_failed": ("size", "etag", "malformed", "attempts", "gone_since"),
    "collection_partial": ("messages",),
    "collection_queue": ("found", "last_run", "last_error"),
    "collection_queue_partial": ("events",),
    "collection_log_stream": ("read_any", "token", "token_start", "read", "looked", "ingested"),
    "collection_log_span": ("first", "last", "settled"),
    "collection_log_seen": ("count", "digest"),
    "collection_log_group": ("read",),
    "collection_scan_start": ("start",),
}
CASES = [(table, column) for table, columns in RUBBISH.items() for column in columns]


def files() -> Iterator[tuple[str, Callable[[Path], None]]]:
    yield bucket_state.FILE, read_buckets
    yield service_state.FILE, read_services
    yield queue_state.FILE, read_queues


@pytest.mark.parametrize("rubbish", ["rubbish", b"\xff\x00"], ids=["text", "bytes"])
@pytest.mark.parametrize(("table", "column"), CASES)
def test_rubbish_in_a_column_of_ours_is_told_with_the_files_name(
    tmp_path: Path, table: str, column: str, rubbish: object
) -> None:
    fill(tmp_path)
    for name, read in files():
        with closing(sqlite3.connect(tmp_path / name)) as other, other:
            types = {row[1]: row[2] for row in other.execute(f"PRAGMA table_info({table})")}
            if not types:
                continue
            if types[column] == "TEXT" and column not in {"floor", "place", "resume", "pruned", "done_before"}:
                rubbish = b"\xff\x00"
            assert other.execute(f"UPDATE {table} SET {column} = ?", (rubbish,)).rowcount
        if types[column] == "BLOB" and isinstance(rubbish, bytes):
            return
        with pytest.raises(StateError, match=str(tmp_path / name)) as told:
            read(tmp_path)
        assert told.value.exit_code == 5
        assert "\n" not in str(told.value)


def test_order_of_a_tables_columns_means_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    before = known(tmp_path)
    for name, _ in files():
        with closing(sqlite3.connect(tmp_path / name)) as other, other:
            for table in [row[0] for row in other.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]:
                turn_round(other, table)
    assert known(tmp_path) == before
    fill(tmp_path)
    assert known(tmp_path) == before


def turn_round(other: sqlite3.Connection, table: str) -> None:
    """Rewrite the table with its columns the other way round."""
    columns = [row[1:3] + row[5:6] for row in other.execute(f"PRAGMA table_info({table})")]
    names = ", ".join(name for name, _, _ in columns)
    key = ", ".join(name for name, _, number in sorted(columns, key=lambda column: column[2]) if number)
    written = ", ".join(f"{name} {kind}" for name, kind, _ in reversed(columns))
    written += f", PRIMARY KEY ({key})" if key else ""
    if key == "id":
        written = written.replace("id INTEGER", "id INTEGER PRIMARY KEY").replace(", PRIMARY KEY (id)", "")
    other.execute(f"ALTER TABLE {table} RENAME TO old")
    other.execute(f"CREATE TABLE {table} ({written})")
    other.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM old")
    other.execute("DROP TABLE old")


def known(folder: Path) -> list[Any]:
    with closing(BucketState(folder, CloudTrail(), SOURCE, NOW, 1)) as state:
        buckets = [
            state.checkpoint(TRAIL),
            state.history(),
            state.failed_objects.of_partition(TRAIL),
            state.failed_objects.messages_sent(PARTIAL, "version"),
            state.source.last_error(),
        ]
    with closing(ServiceState(folder)) as services:
        streams = services.streams.checkpoints(GROUP, ACCOUNT)
        seen = services.streams.seen(streams["s"].id, 0, 9000)
        return [*buckets, streams, seen, services.scans.begin(TARGET, NOW + timedelta(1))]


def test_order_of_a_checkpoints_fields_means_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that was written with the fields in one order is read with them in another."""
    days = {"floor": DAY, "newest_day": DAY + timedelta(3), "skipped_to": DAY + timedelta(1)}
    with closing(BucketState(tmp_path, CloudTrail(), SOURCE, NOW, 1)) as state:
        state.begin(TRAIL, StartDay(DAY, floor=days["floor"], skipped_to=days["skipped_to"]))
        state.advance(TRAIL, trail_key("a", days["newest_day"]))
    reordered = make_dataclass(
        "Reordered",
        [(each.name, date | None, each) for each in reversed(fields(PartitionCheckpoint))],
        frozen=True,
    )
    monkeypatch.setattr("aws_s3.state.partitions.PartitionCheckpoint", reordered)
    with closing(BucketState(tmp_path, CloudTrail(), SOURCE, NOW, 1)) as state:
        checkpoint: Any = state.checkpoint(TRAIL)
    assert {name: getattr(checkpoint, name) for name in days} == days
