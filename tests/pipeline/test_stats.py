"""What is counted, and that waiting is measured where it happens."""

import pickle
import time
from collections.abc import Iterator

import pytest

from aws_s3.errors import ParseError, StorageError, UnavailableError
from aws_s3.pipeline.stats import EventCounts, RunStats, Stopwatch


def slow_items(pause: float) -> Iterator[int]:
    for number in range(3):
        time.sleep(pause)
        yield number


def test_what_counts_is_waiting_for_items_not_working_on_them() -> None:
    waiting, working = Stopwatch(), Stopwatch()
    for _ in waiting.around(slow_items(0.01)):
        with working:
            time.sleep(0.3)
    assert 0.03 <= waiting.seconds < working.seconds


def test_waiting_that_fails_counts_too() -> None:
    watch = Stopwatch()
    with pytest.raises(KeyError), watch:
        time.sleep(0.01)
        raise KeyError
    assert watch.seconds >= 0.01


def test_what_a_worker_counts_is_sent_once() -> None:
    mine, total = EventCounts(2, 1), EventCounts(5, 0)
    total.add(pickle.loads(pickle.dumps(mine.take())))
    assert (total, bool(mine)) == (EventCounts(7, 1), False)


def test_objects_that_are_broken_are_told_from_those_that_could_not_be_had() -> None:
    stats = RunStats()
    for error in (ParseError("x"), UnavailableError(StorageError("x")), StorageError("x")):
        stats.count(error)
    assert (stats.malformed, stats.failed) == (1, 2)


def test_the_newest_moment_is_kept_also_where_it_is_that_of_1970() -> None:
    stats = RunStats()
    for moment in (0.0, -5.0):
        stats.note_newest(moment)
    assert stats.newest == 0.0
