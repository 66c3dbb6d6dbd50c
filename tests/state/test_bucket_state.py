import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from aws_s3.errors import ParseError, StorageError, UnavailableError
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.base import LogType
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.config import Config
from aws_s3.log_types.custom import Custom
from aws_s3.log_types.layout import SLASHED, UNPADDED, Partition
from aws_s3.log_types.server_access import FLAT, SLASHED_BY_YEAR, ServerAccess
from aws_s3.settings import BucketLocation
from aws_s3.state.bucket_state import FILE, BucketState
from aws_s3.state.failed_objects import FailedObject
from aws_s3.state.start_day import History, PartitionCheckpoint, StartDay
from tests.harness.collecting import ACCOUNT, BUCKET, DAY, NOW, REGION, SOURCE, trail_key

TRAIL = Partition(f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/", SLASHED, ACCOUNT, REGION)
START = StartDay(DAY, floor=DAY)
BROKEN = ParseError("it is broken")
UNAVAILABLE = UnavailableError(StorageError("later"))


def open_state(
    folder: Path,
    bucket: LogType | None = None,
    source: BucketLocation = SOURCE,
    now: datetime = NOW,
    keep_days: int | None = 1,
) -> BucketState:
    return BucketState(folder, bucket or CloudTrail(), source, now, keep_days)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[BucketState]:
    with closing(open_state(tmp_path)) as opened:
        yield opened


def table(folder: Path, sql: str) -> list[Any]:
    """Query the file as another program does."""
    with closing(sqlite3.connect(folder / FILE)) as other:
        return other.execute(sql).fetchall()


def process(state: BucketState, partition: Partition, keys: Iterable[str]) -> None:
    for key in keys:
        state.mark_done(partition, key, "")
        state.advance(partition, key)


def keys_of(day: date, count: int) -> list[str]:
    return [trail_key(f"{number:05}", day) for number in range(count)]


def failed(key: str) -> FailedObject:
    return FailedObject(key, 1, "etag")


ROWS = [
    (
        "cloudtrail",
        BucketLocation("cloudtrail", BUCKET, "logs/", "ct/"),
        Partition(f"logs/AWSLogs/ct/{ACCOUNT}/CloudTrail/{REGION}/", SLASHED, ACCOUNT, REGION),
        "2021/06/10/a.json.gz",
        ("acme-logs/logs/ct/", ACCOUNT, REGION),
    ),
    (
        "config",
        BucketLocation("config", BUCKET),
        Partition(f"AWSLogs/{ACCOUNT}/Config/{REGION}/", UNPADDED, ACCOUNT, REGION),
        "2021/6/10/ConfigHistory/a.json.gz",
        ("acme-logs/", ACCOUNT, REGION),
    ),
    (
        "vpcflow",
        BucketLocation("vpcflow", BUCKET),
        Partition(f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/", SLASHED, ACCOUNT, REGION),
        f"2021/06/10/{ACCOUNT}_vpcflowlogs_{REGION}_fl-0123456789abcdef0_20210610T0115Z_hash.log.gz",
        ("acme-logs/", ACCOUNT, REGION, "fl-0123456789abcdef0"),
    ),
    (
        "alb",
        BucketLocation("alb", BUCKET, "lb/", "suffix/"),
        Partition(f"lb/AWSLogs/suffix/{ACCOUNT}/elasticloadbalancing/{REGION}/", SLASHED, ACCOUNT, REGION),
        "2021/06/10/a.log.gz",
        ("acme-logs/lb/", ACCOUNT),
    ),
    (
        "custom",
        BucketLocation("custom", BUCKET, "kms/"),
        Partition("kms/", SLASHED),
        "2021/06/10/01/stream-1-2021-06-10-01-15-00-abc1",
        ("acme-logs/kms/", "999999999999"),
    ),
    (
        "server_access",
        BucketLocation("server_access", BUCKET, "access/"),
        Partition("access/", FLAT),
        "2021-06-10-01-15-00-AAAA",
        ("acme-logs/access/", "999999999999"),
    ),
]


@pytest.mark.parametrize(("name", "source", "partition", "rest", "row"), ROWS, ids=[row[0] for row in ROWS])
def test_row_is_as_the_existing_module_writes_it(
    tmp_path: Path, name: str, source: BucketLocation, partition: Partition, rest: str, row: tuple[str, ...]
) -> None:
    key = partition.prefix + rest
    before = datetime.now(timezone.utc).replace(microsecond=0, tzinfo=None)
    with closing(open_state(tmp_path, LOG_TYPES[name](), source)) as state:
        state.mark_done(partition, key, "999999999999")
    [(*found, processed, created)] = table(tmp_path, f"SELECT * FROM {LOG_TYPES[name].table}")
    assert tuple(found) == (*row, key)
    assert created == 20210610
    processed_at = datetime.strptime(processed, "%Y-%m-%d %H:%M:%S")
    assert before <= processed_at <= datetime.now(timezone.utc).replace(tzinfo=None)


def test_each_object_is_committed_by_itself(state: BucketState, tmp_path: Path) -> None:
    for number, key in enumerate(keys_of(DAY, 3), 1):
        state.mark_done(TRAIL, key, "")
        assert table(tmp_path, "SELECT count(*) FROM cloudtrail") == [(number,)]


def test_row_counts_whatever_its_account(tmp_path: Path) -> None:
    source = BucketLocation("custom", BUCKET)
    partition = Partition("", SLASHED)
    key = "2021/06/10/01/a"
    with closing(open_state(tmp_path, Custom(), source)) as state:
        state.mark_done(partition, key, "111111111111")
        state.mark_done(partition, key, "222222222222")
        assert state.done_or_waiting(partition, [key]) == {key}
    assert table(tmp_path, "SELECT aws_account_id FROM custom") == [("111111111111",)]


def test_row_that_is_there_stays_as_it_is(state: BucketState, tmp_path: Path) -> None:
    key = trail_key("a")
    state.mark_done(TRAIL, key, "")
    with closing(sqlite3.connect(tmp_path / FILE)) as other, other:
        other.execute("UPDATE cloudtrail SET processed_date = 'then'")
    state.mark_done(TRAIL, key, "")
    assert table(tmp_path, "SELECT processed_date FROM cloudtrail") == [("then",)]


def test_settled_is_what_was_processed_or_waits_to_be_tried_again(state: BucketState) -> None:
    done, malformed, unavailable, new = (trail_key(name) for name in "abcd")
    state.mark_done(TRAIL, done, "")
    state.mark_malformed(TRAIL, failed(malformed), "", BROKEN)
    state.failed_objects.schedule_retry(failed(unavailable), UNAVAILABLE)
    keys = [done, malformed, unavailable, new]
    assert state.done_or_waiting(TRAIL, keys) == {done, malformed, unavailable}
    assert state.done_or_waiting(TRAIL, []) == set()
    assert state.done_or_waiting(TRAIL, [done, new]) == {done}


def test_only_what_was_read_may_be_removed(state: BucketState) -> None:
    done, malformed, unavailable, new = (trail_key(name) for name in "abcd")
    state.mark_done(TRAIL, done, "")
    state.mark_malformed(TRAIL, failed(malformed), "", BROKEN)
    state.failed_objects.schedule_retry(failed(unavailable), UNAVAILABLE)
    assert state.removable([done, malformed, unavailable, new]) == {done}
    assert state.removable([]) == set()


def test_keys_of_any_characters_are_found_again(state: BucketState) -> None:
    names = ("a b+c%20", "ключ", "😀", "\x01\t\n", "x'; DROP TABLE cloudtrail; --", "z" * 800, "\U0010fffd")
    keys = sorted(TRAIL.prefix + f"2021/06/10/{name}" for name in names)
    process(state, TRAIL, keys[::2])
    assert state.done_or_waiting(TRAIL, keys) == set(keys[::2])


def test_place_follows_the_newest_day_and_never_goes_back(state: BucketState) -> None:
    state.begin(TRAIL, START)
    for day, newest_day in ((10, 10), (9, 10), (12, 12), (11, 12)):
        process(state, TRAIL, [trail_key("a", date(2021, 6, day))])
        assert state.checkpoint(TRAIL).newest_day == date(2021, 6, newest_day)


def test_place_is_never_in_the_future(state: BucketState) -> None:
    process(state, TRAIL, [trail_key("a", date(2099, 1, 1)), trail_key("a", NOW.date() + timedelta(1))])
    assert state.checkpoint(TRAIL).newest_day is None
    process(state, TRAIL, [trail_key("a", NOW.date())])
    assert state.checkpoint(TRAIL).newest_day == NOW.date()


def test_place_stays_behind_a_gap(state: BucketState) -> None:
    state.begin(TRAIL, StartDay(DAY, skips_days=True))
    process(state, TRAIL, [trail_key("a")])
    assert state.checkpoint(TRAIL) == PartitionCheckpoint()


def test_what_is_known_is_found_again(tmp_path: Path) -> None:
    with closing(open_state(tmp_path)) as state:
        state.begin(TRAIL, StartDay(DAY, floor=DAY, skipped_to=DAY + timedelta(1)))
        process(state, TRAIL, [trail_key("a", DAY + timedelta(2))])
        known = state.checkpoint(TRAIL)
    assert known == PartitionCheckpoint(DAY, DAY + timedelta(2), DAY + timedelta(1))
    with closing(open_state(tmp_path)) as state:
        assert state.checkpoint(TRAIL) == known


def test_floor_is_written_before_anything_is_done(state: BucketState, tmp_path: Path) -> None:
    state.begin(TRAIL, START)
    assert table(tmp_path, "SELECT floor FROM collection_partition") == [("2021-06-10",)]


def test_partition_without_a_floor_is_not_taken_for_the_existing_modules_next_time(tmp_path: Path) -> None:
    gap = StartDay(DAY, skips_days=True)
    with closing(open_state(tmp_path, keep_days=None)) as state:
        state.begin(TRAIL, gap)
        process(state, TRAIL, [trail_key("m")])
    with closing(open_state(tmp_path)) as state:
        assert state.checkpoint(TRAIL) == PartitionCheckpoint()
        assert state.done_or_waiting(TRAIL, [trail_key("a"), trail_key("m")]) == {trail_key("m")}


def test_layouts_of_one_path_stand_each_for_itself(tmp_path: Path) -> None:
    by_name, by_folder = Partition("", FLAT), Partition("", SLASHED_BY_YEAR)
    with closing(open_state(tmp_path, ServerAccess(), BucketLocation("server_access", BUCKET))) as state:
        state.begin(by_name, START)
        process(state, by_name, ["2021-06-12-01-15-00-AAAA"])
        assert state.checkpoint(by_folder) == PartitionCheckpoint()
        assert state.checkpoint(by_name).newest_day == date(2021, 6, 12)


def test_old_rows_are_pruned_behind_the_place_but_the_newest_500_stay(state: BucketState, tmp_path: Path) -> None:
    state.begin(TRAIL, START)
    old, new = keys_of(DAY, 600), keys_of(DAY + timedelta(5), 50)
    process(state, TRAIL, old)
    assert table(tmp_path, "SELECT count(*) FROM cloudtrail") == [(600,)]
    process(state, TRAIL, new[:1])
    assert state.checkpoint(TRAIL).pruned == DAY + timedelta(4)
    assert state.done_or_waiting(TRAIL, old) == set(old[-499:])
    process(state, TRAIL, new[1:])
    assert table(tmp_path, "SELECT count(*) FROM cloudtrail") == [(549,)]


def test_rows_are_pruned_a_slice_for_each_object_so_that_other_runs_wait_for_a_slice_only(
    state: BucketState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aws_s3.state.processed_objects._ROWS_A_SLICE", 100)
    state.begin(TRAIL, START)
    old, new = keys_of(DAY, 900), keys_of(DAY + timedelta(5), 10)
    process(state, TRAIL, old)
    counts = []
    for key in new:
        process(state, TRAIL, [key])
        counts += [count for (count,) in table(tmp_path, "SELECT count(*) FROM cloudtrail")]
        assert state.checkpoint(TRAIL).pruned == DAY + timedelta(4)
    assert counts == [801, 702, 603, 504, 504, 505, 506, 507, 508, 509]
    assert state.done_or_waiting(TRAIL, old) == set(old[-499:])


def test_pruning_that_a_run_left_unfinished_goes_on_with_the_next_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aws_s3.state.processed_objects._ROWS_A_SLICE", 100)
    old = keys_of(DAY, 900)
    with closing(open_state(tmp_path)) as state:
        state.begin(TRAIL, START)
        process(state, TRAIL, [*old, trail_key("a", DAY + timedelta(5))])
    with closing(open_state(tmp_path)) as state:
        process(state, TRAIL, keys_of(DAY + timedelta(6), 20))
        assert table(tmp_path, "SELECT count(*) FROM cloudtrail") == [(519,)]


def test_rows_inside_the_window_stay_however_many(state: BucketState, tmp_path: Path) -> None:
    state.begin(TRAIL, START)
    process(state, TRAIL, [*keys_of(DAY, 700), *keys_of(DAY + timedelta(1), 700), trail_key("z", DAY + timedelta(1))])
    assert table(tmp_path, "SELECT count(*) FROM cloudtrail") == [(1401,)]
    assert state.checkpoint(TRAIL).pruned is None


def test_nothing_is_pruned_under_reparse(tmp_path: Path) -> None:
    with closing(open_state(tmp_path, keep_days=None)) as state:
        process(state, TRAIL, [*keys_of(DAY, 600), trail_key("a", DAY + timedelta(9))])
        assert state.checkpoint(TRAIL).pruned is None
    assert table(tmp_path, "SELECT count(*) FROM cloudtrail") == [(601,)]


@pytest.mark.parametrize("day", [date.min, date.min + timedelta(1)])
def test_nothing_is_pruned_before_the_first_day_of_the_calendar(state: BucketState, day: date) -> None:
    """A key may be dated there, by anybody who may write into the bucket."""
    state.begin(TRAIL, StartDay(date.min, floor=date.min))
    process(state, TRAIL, [f"{TRAIL.prefix}{SLASHED.written(day)}/a.json"])
    assert state.checkpoint(TRAIL) == PartitionCheckpoint(floor=date.min, newest_day=day)


def test_day_that_was_pruned_to_never_goes_back(tmp_path: Path) -> None:
    with closing(open_state(tmp_path, keep_days=1)) as state:
        state.begin(TRAIL, START)
        process(state, TRAIL, [*keys_of(DAY, 501), trail_key("a", DAY + timedelta(5))])
        assert state.checkpoint(TRAIL).pruned == DAY + timedelta(4)
    with closing(open_state(tmp_path, keep_days=4)) as state:
        process(state, TRAIL, [trail_key("a", DAY + timedelta(6))])
        assert state.checkpoint(TRAIL).pruned == DAY + timedelta(4)


def test_pruning_one_partition_leaves_those_below_its_prefix(tmp_path: Path) -> None:
    outer, inner = Partition("", FLAT), Partition(f"{ACCOUNT}/{REGION}/web/", SLASHED, ACCOUNT, REGION)
    with closing(open_state(tmp_path, ServerAccess(), BucketLocation("server_access", BUCKET))) as state:
        inner_keys = [f"{inner.prefix}2021/06/02/2021-06-02-00-00-00-{number:05}" for number in range(600)]
        process(state, inner, inner_keys)
        process(state, outer, [f"2021-06-10-00-00-00-{number:05}" for number in range(600)])
        process(state, outer, ["2021-06-19-00-00-00-A"])
        assert state.checkpoint(outer).pruned == date(2021, 6, 18)
        assert state.done_or_waiting(inner, inner_keys) == set(inner_keys)
        assert state.checkpoint(inner).pruned is None


def test_pruning_keeps_the_newest_by_date_where_months_are_unpadded(tmp_path: Path) -> None:
    partition = Partition(f"AWSLogs/{ACCOUNT}/Config/{REGION}/", UNPADDED, ACCOUNT, REGION)

    def key(month_and_day: str, number: int) -> str:
        return f"{partition.prefix}2021/{month_and_day}/ConfigHistory/{number:05}.json.gz"

    october = datetime(2021, 10, 20, tzinfo=timezone.utc)
    with closing(open_state(tmp_path, Config(), BucketLocation("config", BUCKET), now=october)) as state:
        # By their text, days of October sort before those of September.
        process(state, partition, [key("9/30", number) for number in range(300)])
        process(state, partition, [key("10/2", number) for number in range(300)])
        process(state, partition, [key("10/10", 0)])
        kept = [key("9/30", number) for number in range(101, 300)] + [key("10/2", number) for number in range(300)]
        everything = [key("9/30", number) for number in range(300)] + [key("10/2", number) for number in range(300)]
        assert state.done_or_waiting(partition, everything) == set(kept)


def test_last_complete_run_and_earliest_floor_are_the_sources(tmp_path: Path) -> None:
    other = replace(SOURCE, organization="o-1")
    with closing(open_state(tmp_path)) as state:
        assert state.history() == History()
        state.begin(TRAIL, StartDay(DAY, floor=DAY))
        state.begin(replace(TRAIL, prefix="other/"), StartDay(DAY, floor=DAY - timedelta(3)))
        assert state.history() == History(None, DAY - timedelta(3))
        state.complete()
        assert state.history() == History(NOW.date(), DAY - timedelta(3))
    with closing(open_state(tmp_path, source=other)) as state:
        assert state.history() == History()


def test_source_is_empty_until_a_partition_is_begun(tmp_path: Path) -> None:
    with closing(open_state(tmp_path)) as state:
        assert state.is_empty()
        state.begin(TRAIL, START)
        assert not state.is_empty()


def test_organizations_trail_and_an_accounts_are_sources_of_their_own(tmp_path: Path) -> None:
    """They share a bucket_path."""
    with closing(open_state(tmp_path)) as state:
        process(state, TRAIL, [trail_key("a")])
        state.complete()
    organization = replace(SOURCE, organization="o-abc123")
    with closing(open_state(tmp_path, source=organization)) as state:
        assert state.is_empty()
        assert state.history() == History()
        process(state, Partition("AWSLogs/o-abc123/", SLASHED), ["AWSLogs/o-abc123/2021/06/12/a"])
    with closing(open_state(tmp_path)) as state:
        assert state.checkpoint(TRAIL).newest_day == DAY


def test_bucket_that_was_emptied_is_not_an_empty_source(tmp_path: Path) -> None:
    with closing(open_state(tmp_path)) as state:
        process(state, TRAIL, [trail_key("a")])
    with closing(open_state(tmp_path)) as state:
        assert not state.is_empty()


def test_every_query_uses_an_index(tmp_path: Path) -> None:
    """A million rows must not slow a run down."""
    for kind in LOG_TYPES.values():
        source = BucketLocation(kind.name, BUCKET)
        partition = Partition("a/", kind.layouts[0].dates, ACCOUNT, REGION)
        keys = ["a/2021/06/10/a", "a/2021/06/10/b"]
        open_state(tmp_path, kind(), source).close()
        with closing(open_state(tmp_path, kind(), source)) as state:
            connection = state._database._connection
            statements: list[str] = []
            connection.set_trace_callback(statements.append)
            state.begin(partition, START)
            state.done_or_waiting(partition, keys)
            state.removable(keys)
            state.mark_done(partition, keys[0], "")
            state.mark_malformed(partition, failed(keys[1]), "", BROKEN)
            state.advance(partition, keys[0])
            state._entries[partition] = replace(
                state._entries[partition], checkpoint=PartitionCheckpoint(newest_day=date(2021, 6, 1))
            )
            state.advance(partition, keys[0])
            state.failed_objects.due_for_retry(partition, 1000)
            state.failed_objects.schedule_retry(failed(keys[0]), UNAVAILABLE)
            state.failed_objects.mark_partial(keys[0], "v", 1)
            state.failed_objects.messages_sent(keys[0], "v")
            state.failed_objects.count_pending()
            state.history()
            state.is_empty()
            state.complete()
            connection.set_trace_callback(None)
            tables = {kind.table, "collection_failed", "collection_partial", "collection_partition"}
            planned = {sql for sql in statements if sql.startswith(("SELECT", "INSERT", "DELETE", "UPDATE"))}
            # Asked once, when a partition without rows is taken over.
            planned = {sql for sql in planned if not sql.startswith("SELECT count(*) AS rows")}
            assert len(planned) > 10
            for sql in planned:
                plan = [row[3].split(maxsplit=2) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
                for verb, name, how in (step for step in plan if step[1] in tables):
                    assert verb == "SEARCH", (sql, plan)
                    assert name != kind.table or "log_key" in how, (sql, plan)
