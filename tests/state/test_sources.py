"""A source as a whole: when it gets its record, what the record holds, and how it is forgotten."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from aws_s3.errors import StorageError, UnavailableError
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import SLASHED, Partition
from aws_s3.settings import BucketLocation
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.failed_objects import FailedObject
from aws_s3.state.overview import overview
from aws_s3.state.sources import LastError
from aws_s3.state.start_day import StartDay
from tests.harness.collecting import ACCOUNT, DAY, JOB, NOW, REGION, SOURCE, Collection, trail, trail_key
from tests.harness.fakes import MemoryStore

TRAIL = Partition(f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/", SLASHED, ACCOUNT, REGION)
START = StartDay(DAY, floor=DAY)
ERROR = UnavailableError(StorageError("later"))


def open_state(folder: Path, source: BucketLocation = SOURCE, now: datetime = NOW) -> BucketState:
    return BucketState(folder, CloudTrail(), source, now, 1)


def test_source_without_any_partition_has_no_record(tmp_path: Path) -> None:
    with closing(open_state(tmp_path)) as state:
        state.source.note_error(ERROR)
        state.source.note_found()
        state.complete()
        assert not state.source.ever_found()
    assert overview(tmp_path).sources == []


def test_source_has_its_record_from_its_first_partition_on(tmp_path: Path) -> None:
    with closing(open_state(tmp_path)) as state:
        state.begin(TRAIL, START)
        state.source.note_error(ERROR)
        state.complete()
    [status] = overview(tmp_path).sources
    assert (status.source, status.ever_found) == (SOURCE, False)
    assert status.last_error == LastError("later", "2021-06-20T12:00:00+00:00")
    assert status.last_complete_run == "2021-06-20T12:00:00+00:00"
    with closing(open_state(tmp_path, now=NOW + timedelta(1))) as state:
        assert state.source.last_error() == status.last_error
        state.source.note_found()
        state.source.note_error(StorageError("newer"))
    [status] = overview(tmp_path).sources
    assert status.ever_found
    assert status.last_error == LastError("newer", "2021-06-21T12:00:00+00:00")


def test_error_that_a_run_met_first_is_kept(tmp_path: Path) -> None:
    collection = Collection(tmp_path, MemoryStore(trail("a") | trail("b", region="eu-west-1")))
    collection.store.failures[trail_key("a")] = ERROR
    assert collection.run().code == ERROR.exit_code
    [status] = overview(tmp_path).sources
    assert status.last_error == LastError("later", "2021-06-20T12:00:00+00:00")
    collection.store.failures.clear()
    collection.now += timedelta(1)
    assert collection.run().code == 0
    [status] = overview(tmp_path).sources
    assert status.last_error == LastError("later", "2021-06-20T12:00:00+00:00")
    assert status.last_complete_run == "2021-06-21T12:00:00+00:00"


def test_lock_of_a_partition_is_the_same_before_and_after_the_source_has_its_record(tmp_path: Path) -> None:
    with closing(open_state(tmp_path)) as state:
        name = state.lock_name(TRAIL)
        state.begin(TRAIL, START)
        assert state.lock_name(TRAIL) == name
        [recorded] = state.recorded_partitions()
        assert recorded.lock_name == name
    with closing(open_state(tmp_path, replace(SOURCE, organization="o-1"))) as state:
        assert state.lock_name(TRAIL) != name


def test_source_that_is_forgotten_is_collected_as_if_it_was_new(tmp_path: Path) -> None:
    collection = Collection(tmp_path, MemoryStore(trail("a") | trail("b", region="eu-west-1")))
    assert collection.run().events == ["b-0", "a-0"]
    with closing(collection.state()) as state:
        state.failed_objects.schedule_retry(FailedObject(trail_key("c"), 1, "etag"), ERROR)
        state.failed_objects.mark_partial(trail_key("d"), "version", 1)
        assert [state.forget(each.partition) for each in state.recorded_partitions()] == [1, 1]
        assert state.forget_source() == 0
        assert state.is_empty()
        assert state.failed_objects.count_pending() == 0
    assert overview(tmp_path).sources == []
    assert collection.run().events == ["b-0", "a-0"]


def test_partition_that_is_forgotten_leaves_the_others(tmp_path: Path) -> None:
    collection = Collection(tmp_path, MemoryStore(trail("a") | trail("b", region="eu-west-1")))
    collection.run()
    with closing(collection.state()) as state:
        [europe, _] = state.recorded_partitions()
        assert state.forget(europe.partition) == 1
    assert collection.run().events == ["b-0"]


def test_other_source_of_the_same_bucket_is_not_forgotten(tmp_path: Path) -> None:
    other = replace(JOB.source, path="other/")
    collection = Collection(tmp_path, MemoryStore(trail("a") | trail("b", base="other/AWSLogs/")))
    collection.run()
    collection.run(source=other)
    with closing(open_state(tmp_path, other)) as state:
        for each in state.recorded_partitions():
            state.forget(each.partition)
        state.forget_source()
    assert collection.run().events == []
    assert collection.run(source=other).events == ["b-0"]
