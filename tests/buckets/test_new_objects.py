import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from aws_s3.buckets.new_objects import NewObjects
from aws_s3.buckets.object_source import AlreadyProcessed, Found, ListingContext, ListingFailed, Origin, WorkItem
from aws_s3.errors import (
    ClockError,
    CollectorError,
    CredentialsError,
    EndpointError,
    StorageError,
    ThrottledError,
    UnavailableError,
)
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import SLASHED, Partition
from aws_s3.pipeline.levels import DEBUG_2, DEBUG_3
from aws_s3.settings import BucketJob, BucketLocation
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.failed_objects import FailedObject
from aws_s3.state.locks import Locks
from aws_s3.state.start_day import PartitionCheckpoint, StartDay, StartRequest
from tests.harness.collecting import ACCOUNT, DAY, NOW, REGION, SOURCE, AtOnce, trail, trail_key
from tests.harness.fakes import MemoryStore
from tests.state.test_locks import holder

OTHER = "eu-west-1"
UNAVAILABLE = UnavailableError(StorageError("later"))


def partition(region: str = REGION) -> Partition:
    return Partition(f"AWSLogs/{ACCOUNT}/CloudTrail/{region}/", SLASHED, ACCOUNT, region)


class Desk:
    """An object source with its parts, and what it yielded beside objects."""

    def __init__(self, folder: Path, state: BucketState) -> None:
        self.folder = folder
        self.state = state
        self.store = MemoryStore()
        self.failures: list[CollectorError] = []
        self.removed: list[str] = []
        self.asked = StartRequest(NOW.date(), date(2021, 6, 1))
        self.bucket = CloudTrail()

    def source(self, *, remove: bool = False) -> NewObjects:
        # Locks end with the process: it needs to open only one such file.
        context = ListingContext(self.store, self.state, Locks(self.folder / "lock"), AtOnce())
        return NewObjects(self.bucket, context, self.asked, removes=remove)

    def items(self, found: Iterable[Found]) -> Iterator[WorkItem]:
        """Yield the objects; keep the rest."""
        for each in found:
            match each:
                case WorkItem():
                    yield each
                case ListingFailed(error):
                    self.failures.append(error)
                case AlreadyProcessed(keys):
                    self.removed += keys

    def keys(self, *partitions: Partition, remove: bool = False) -> list[str]:
        found = self.source(remove=remove).objects(partitions or (partition(),))
        return [item.object.key for item in self.items(found)]

    def process(self, key: str) -> None:
        self.state.begin(partition(), StartDay(date(2021, 6, 1), floor=date(2021, 6, 1)))
        self.state.mark_done(partition(), key, "")

    def schedule_retry(self, *keys: str) -> None:
        for key in keys:
            self.state.failed_objects.schedule_retry(FailedObject(key, 1, "etag"), UNAVAILABLE)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(BucketState(tmp_path, CloudTrail(), SOURCE, NOW, 1)) as state:
        yield Desk(tmp_path, state)


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def test_new_objects_come_in_key_order_partition_by_partition(desk: Desk) -> None:
    objects = [trail("b"), trail("a"), trail("c", DAY - timedelta(1)), trail("d", region=OTHER)]
    for item in objects:
        desk.store.objects |= item
    desk.store.page_size = 2
    assert desk.keys(partition(OTHER), partition()) == sorted(desk.store.objects)


def test_what_is_done_is_passed_over(desk: Desk) -> None:
    desk.store.objects |= trail("a") | trail("b") | trail("c")
    desk.process(trail_key("b"))
    assert desk.keys() == [trail_key("a"), trail_key("c")]


def test_objects_that_wait_come_first_and_once(desk: Desk) -> None:
    desk.store.objects |= trail("a") | trail("z") | trail("m")
    desk.schedule_retry(trail_key("z"), trail_key("m"))
    wanted = list(desk.items(desk.source().objects([partition()])))
    assert [(one.object.key, one.origin) for one in wanted] == [
        (trail_key("m"), Origin.RETRY),
        (trail_key("z"), Origin.RETRY),
        (trail_key("a"), Origin.NEW),
    ]


def test_a_run_tries_so_many_again_over_all_partitions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aws_s3.buckets.new_objects._RETRIES_A_RUN", 3)
    keys = [trail_key(name, region=region) for region in (OTHER, REGION) for name in "ab"]
    desk.schedule_retry(*keys)
    assert desk.keys(partition(OTHER), partition()) == keys[:3]


def test_reparse_leaves_those_that_wait_to_their_turn(desk: Desk) -> None:
    desk.asked = replace(desk.asked, reparse=True)
    desk.store.objects |= trail("a") | trail("z")
    desk.schedule_retry(trail_key("z"))
    wanted = list(desk.items(desk.source().objects([partition()])))
    assert [(one.object.key, one.origin) for one in wanted] == [
        (trail_key("a"), Origin.NEW),
        (trail_key("z"), Origin.REPARSE),
    ]


def test_floor_is_known_before_the_first_listing(desk: Desk) -> None:
    asked = desk.store.lists
    objects = desk.source().objects([partition()])
    desk.store.failures[partition().prefix] = StorageError("no")
    assert list(desk.items(objects)) == []
    assert len(asked) == 1
    assert desk.state.checkpoint(partition()) == PartitionCheckpoint(floor=date(2021, 6, 1))


def test_partitions_are_listed_ahead(desk: Desk) -> None:
    partitions = [partition(f"us-east-{number}") for number in range(40)]
    for one in partitions:
        desk.store.objects |= trail("a", region=one.region)
    objects = desk.source().objects(partitions)
    next(objects)
    assert len(desk.store.lists) == 33
    assert len(list(objects)) == 39


@pytest.mark.parametrize("failure", [StorageError("no"), CredentialsError("denied"), ThrottledError("slow")])
def test_partition_that_cannot_be_listed_stops_no_other(desk: Desk, failure: CollectorError) -> None:
    desk.store.objects |= trail("a") | trail("b", region=OTHER)
    desk.store.failures[partition(OTHER).prefix] = failure
    assert desk.keys(partition(OTHER), partition()) == [trail_key("a")]
    assert desk.failures == [failure]


@pytest.mark.parametrize("failure", [EndpointError("away"), ClockError("wrong")])
def test_failure_that_all_partitions_share_ends_it(desk: Desk, failure: CollectorError) -> None:
    desk.store.failures[partition(OTHER).prefix] = failure
    with pytest.raises(type(failure)):
        desk.keys(partition(OTHER), partition())


def test_partition_that_was_stopped_gives_no_more(desk: Desk) -> None:
    for name in "abc":
        desk.store.objects |= trail(name) | trail(name, region=OTHER)
    source = desk.source()
    given_out: list[WorkItem] = []
    for wanted in desk.items(source.objects([partition(OTHER), partition()])):
        given_out.append(wanted)
        if wanted.partition == partition(OTHER):
            source.stop(wanted.partition)
    assert [one.object.key for one in given_out] == [trail_key("a", region=OTHER), *(trail_key(n) for n in "abc")]
    assert source.is_stopped(partition(OTHER)) and not source.is_stopped(partition())


def test_partition_that_another_run_holds_is_passed_over(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="aws_s3")
    desk.store.objects |= trail("a") | trail("b", region=OTHER)
    source = desk.source()
    with holder(desk.folder / "lock", desk.state.lock_name(partition(OTHER))):
        keys = [item.object.key for item in desk.items(source.objects([partition(OTHER), partition()]))]
    assert keys == [trail_key("a")]
    assert source.is_partial
    assert [line for line in lines(caplog, logging.INFO) if f"{ACCOUNT}/{OTHER}" in line]
    assert desk.state.checkpoint(partition(OTHER)) == PartitionCheckpoint()


def test_whole_run_leaves_nothing_out(desk: Desk) -> None:
    source = desk.source()
    assert list(source.objects([partition()])) == []
    assert not source.is_partial


def test_start_behind_a_gap_leaves_something_out(desk: Desk) -> None:
    desk.state.begin(partition(), StartDay(DAY, floor=DAY))
    desk.asked = replace(desk.asked, reparse=True, only_logs_after=DAY + timedelta(1))
    source = desk.source()
    assert list(source.objects([partition()])) == []
    assert source.is_partial


def test_processed_objects_that_are_still_there_are_told_to_be_removed(desk: Desk) -> None:
    desk.store.objects |= trail("a") | trail("b") | trail("c")
    desk.process(trail_key("b"))
    desk.schedule_retry(trail_key("c"))
    assert desk.keys(remove=True) == [trail_key("c"), trail_key("a")]
    assert desk.removed == [trail_key("b")]


def test_reparse_removes_nothing_before_it_was_sent_again(desk: Desk) -> None:
    desk.asked = replace(desk.asked, reparse=True)
    desk.store.objects |= trail("a")
    desk.process(trail_key("a"))
    assert desk.keys(remove=True) == [trail_key("a")]
    assert desk.removed == []


def test_objects_of_another_type_in_the_same_folder_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(DEBUG_3, logger="aws_s3")
    alb = LOG_TYPES["alb"]()
    prefix = f"AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/"
    names = {
        kind: f"{ACCOUNT}_elasticloadbalancing_{REGION}_{kind}.x.1_20210610T0115Z_1_a.log" for kind in ("app", "net")
    }
    keys = {kind: f"{prefix}2021/06/10/{name}" for kind, name in names.items()}
    job = BucketJob(BucketLocation("alb", "acme-logs"))
    with closing(BucketState(tmp_path, alb, job.source, NOW, 1)) as state:
        desk = Desk(tmp_path, state)
        desk.bucket = alb  # type: ignore[assignment]
        desk.store.objects |= dict.fromkeys(keys.values(), b"")
        assert desk.keys(Partition(prefix, SLASHED, ACCOUNT, REGION)) == [keys["app"]]
    assert [line for line in lines(caplog, 0) if keys["net"] in line]


def test_words_that_users_look_for_are_there(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(DEBUG_3, logger="aws_s3")
    desk.store.objects |= trail("a") | trail("b")
    desk.process(trail_key("b"))
    desk.keys(partition(), partition(OTHER))
    level_1 = lines(caplog, logging.DEBUG)
    level_2 = lines(caplog, DEBUG_2)
    assert f"+++ Working on {ACCOUNT} - {REGION}" in level_1
    assert f"++ Skipping previously processed file: {trail_key('b')}" in level_2
    assert f"+++ No logs to process in bucket: {ACCOUNT}/{OTHER}" in level_1
    assert f"+++ Marker: {partition().prefix}2021/06/01" in level_1
    assert f"++ Found new log: {trail_key('a')}" in level_2
    desk.asked = replace(desk.asked, reparse=True)
    desk.keys()
    reparsed = f"++ File previously processed, but reparse flag set: {trail_key('b')}"
    assert reparsed in lines(caplog, DEBUG_2)
