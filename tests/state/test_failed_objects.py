from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from aws_s3.errors import ParseError, StorageError, UnavailableError
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import SLASHED, Partition
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.failed_objects import FailedObject
from tests.harness.collecting import ACCOUNT, NOW, REGION, SOURCE, trail_key

TRAIL = Partition(f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/", SLASHED, ACCOUNT, REGION)
UNAVAILABLE = UnavailableError(StorageError("later"))
GONE = UnavailableError(StorageError("gone"), gone=True)
KEY = trail_key("a")

At = Callable[[timedelta], BucketState]


@pytest.fixture
def at(tmp_path: Path) -> At:
    """Open the state as a run does that begins so long after the first one."""
    return lambda later: BucketState(tmp_path, CloudTrail(), SOURCE, NOW + later, 1)


def failed(key: str = KEY) -> FailedObject:
    return FailedObject(key, 12, "etag")


def is_due(at: At, later: timedelta) -> bool:
    with closing(at(later)) as state:
        return state.failed_objects.due_for_retry(TRAIL, 10) == [failed()]


def schedule_retry(at: At, later: timedelta, error: UnavailableError = UNAVAILABLE) -> int:
    with closing(at(later)) as state:
        return state.failed_objects.schedule_retry(failed(), error)


def test_object_is_tried_again_by_the_next_run_and_then_after_longer_and_longer(at: At) -> None:
    now = timedelta()
    for pause in (0, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440):
        assert schedule_retry(at, now)
        if pause:
            assert not is_due(at, now + timedelta(minutes=pause, seconds=-1))
        now += timedelta(minutes=pause)
        assert is_due(at, now)


def test_clock_that_was_ahead_once_puts_no_object_off_for_longer_than_the_longest_pause(at: At) -> None:
    """An attempt more than 24 h away was never scheduled by a right clock."""
    ahead = timedelta(days=40)
    assert schedule_retry(at, ahead)
    assert schedule_retry(at, ahead) == 2
    assert is_due(at, timedelta())
    assert schedule_retry(at, timedelta()) == 3
    assert not is_due(at, timedelta())


def test_object_that_is_gone_is_given_up_after_a_day(at: At) -> None:
    attempts = [schedule_retry(at, timedelta(hours=hours), GONE) for hours in (0, 12, 23, 24)]
    assert attempts == [1, 2, 3, 0]
    assert not is_due(at, timedelta(days=9))


def test_object_that_came_back_is_not_given_up(at: At) -> None:
    assert schedule_retry(at, timedelta(), GONE)
    assert schedule_retry(at, timedelta(hours=12), UNAVAILABLE)
    assert schedule_retry(at, timedelta(hours=30), GONE)
    assert schedule_retry(at, timedelta(hours=53), GONE)
    assert not schedule_retry(at, timedelta(hours=54), GONE)


def test_those_that_wait_longest_are_due_first_and_come_in_key_order(at: At) -> None:
    keys = [trail_key(name, date(2021, 6, day)) for day, name in ((10, "c"), (11, "z"), (10, "a"), (9, "b"))]
    with closing(at(timedelta())) as state:
        for key in keys[:3]:
            state.failed_objects.schedule_retry(failed(key), UNAVAILABLE)
    with closing(at(timedelta(hours=1))) as state:
        state.failed_objects.schedule_retry(failed(keys[3]), UNAVAILABLE)
        assert [due.key for due in state.failed_objects.due_for_retry(TRAIL, 3)] == sorted(keys[:3])
        assert [due.key for due in state.failed_objects.due_for_retry(TRAIL, 10)] == sorted(keys)
        assert state.failed_objects.due_for_retry(TRAIL, 0) == []


def test_objects_of_other_partitions_are_not_due(at: At) -> None:
    with closing(at(timedelta())) as state:
        state.failed_objects.schedule_retry(failed(trail_key("a", region="eu-west-1")), UNAVAILABLE)
        state.failed_objects.schedule_retry(failed(TRAIL.prefix + "below/2021/06/10/a"), UNAVAILABLE)
        assert state.failed_objects.due_for_retry(TRAIL, 10) == []
        assert state.failed_objects.count_pending() == 2
        assert len(state.failed_objects.due_for_retry_outside([TRAIL], 10)) == 2
        assert len(state.failed_objects.due_for_retry_outside([], 1)) == 1


def test_objects_of_the_partitions_are_not_outside(at: At) -> None:
    with closing(at(timedelta())) as state:
        state.failed_objects.schedule_retry(failed(), UNAVAILABLE)
        assert state.failed_objects.due_for_retry_outside([TRAIL], 10) == []
        state.failed_objects.schedule_retry(failed(), UNAVAILABLE)
        assert state.failed_objects.due_for_retry_outside([], 10) == []


def test_malformed_object_is_not_tried_again_by_itself(at: At) -> None:
    with closing(at(timedelta())) as state:
        state.mark_malformed(TRAIL, failed(), "", ParseError("broken"))
        assert state.failed_objects.due_for_retry(TRAIL, 10) == []
        assert state.failed_objects.count_pending() == 0
        assert state.failed_objects.failed_keys([KEY]) == {KEY}


def test_object_that_is_done_is_forgotten_here(at: At) -> None:
    with closing(at(timedelta())) as state:
        state.failed_objects.schedule_retry(failed(), UNAVAILABLE)
        state.failed_objects.mark_partial(KEY, "version", 3)
        state.mark_done(TRAIL, KEY, "")
        assert state.failed_objects.count_pending() == 0
        assert state.failed_objects.failed_keys([KEY]) == set()
        assert state.failed_objects.messages_sent(KEY, "version") == 0


def test_part_that_was_sent_counts_for_the_same_version_only(at: At) -> None:
    with closing(at(timedelta())) as state:
        state.failed_objects.mark_partial(KEY, "one", 3)
        assert state.failed_objects.messages_sent(KEY, "one") == 3
        assert state.failed_objects.messages_sent(KEY, "two") == 0
        state.failed_objects.mark_partial(KEY, "two", 1)
        assert state.failed_objects.messages_sent(KEY, "one") == 0
        assert state.failed_objects.messages_sent(KEY, "two") == 1
