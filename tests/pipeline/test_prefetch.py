import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.pipeline.prefetch import DaemonExecutor, OrderedPrefetcher, ahead, prefetch
from tests import ROOT
from tests.harness.collecting import AtOnce

HANG = """
import threading, time
from aws_s3.pipeline.prefetch import DaemonExecutor, OrderedPrefetcher, prefetch
executor = DaemonExecutor(4, "test")
downloads = OrderedPrefetcher(executor, lambda item: threading.Event().wait(), lambda item: 1, 10, 10)
next(downloads.in_order(range(20)))
prefetch(iter(threading.Event().wait, None), executor)
time.sleep(0.1)
print("done")
"""


class Counting(AtOnce):
    """Counts what was submitted."""

    def __init__(self) -> None:
        self.submitted = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.submitted += 1
        return super().submit(fn, *args, **kwargs)


def test_hanging_download_does_not_keep_the_process_from_ending() -> None:
    ended = subprocess.run([sys.executable, "-c", HANG], capture_output=True, timeout=120, cwd=ROOT)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"done\n", b"")


def test_executor_runs_side_by_side_and_gives_results_and_exceptions() -> None:
    executor = DaemonExecutor(3, "test")
    barrier = threading.Barrier(3, timeout=120)
    assert sorted(future.result(120) for future in [executor.submit(barrier.wait) for _ in range(3)]) == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 / 0).result(120)
    with pytest.raises(KeyboardInterrupt):
        executor.submit(_interrupt).result(120)
    assert executor.submit(int, "12").result(120) == 12


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_call_that_was_cancelled_is_not_run() -> None:
    executor = DaemonExecutor(1, "test")
    go = threading.Event()
    executor.submit(go.wait, 5)
    called: list[int] = []
    cancelled = executor.submit(called.append, 1)
    assert cancelled.cancel()
    go.set()
    executor.submit(called.append, 2).result(120)
    assert called == [2]


def test_prefetch_begins_at_once_and_stays_one_ahead() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    prefetched = prefetch(items(), AtOnce())
    assert made == [0]
    assert next(prefetched) == 0
    assert made == [0, 1]
    assert list(prefetched) == [1, 2]


def test_prefetch_raises_in_its_turn() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError

    prefetched = prefetch(items(), DaemonExecutor(1, "test"))
    assert next(prefetched) == 1
    with pytest.raises(OSError):  # noqa: PT011
        next(prefetched)


@pytest.mark.parametrize("number", [0, 1, 3, 10])
def test_ahead_takes_so_many_before_it_gives_the_first(number: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(5):
            taken.append(item)
            yield item

    given_out = ahead(items(), number)
    assert next(given_out) == 0
    assert len(taken) == min(number + 1, 5)
    assert list(given_out) == [1, 2, 3, 4]


def test_results_come_in_order_whatever_the_threads_do() -> None:
    def get(item: int) -> int:
        time.sleep((item * 7 % 5) / 1000)
        return item * 10

    downloads: OrderedPrefetcher[int, int] = OrderedPrefetcher(DaemonExecutor(8, "test"), get, lambda item: 1, 20, 20)
    assert [(item, result.result(120)) for item, result in downloads.in_order(range(100))] == [
        (item, item * 10) for item in range(100)
    ]


def test_exception_stays_with_its_item() -> None:
    downloads: OrderedPrefetcher[int, int] = OrderedPrefetcher(AtOnce(), lambda item: 12 // item, lambda item: 1, 5, 5)
    results = [result for _, result in downloads.in_order([3, 0, 4])]
    assert [result.exception() is None for result in results] == [True, False, True]
    assert results[2].result() == 3


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(1, 8), st.integers(1, 40))
def test_no_more_is_ahead_than_allowed(sizes: list[int], objects: int, budget: int) -> None:
    executor = Counting()
    downloads: OrderedPrefetcher[int, int] = OrderedPrefetcher(
        executor, lambda item: item, lambda item: sizes[item], objects, budget
    )
    given_out = 0
    for expected, (item, result) in enumerate(downloads.in_order(range(len(sizes)))):
        assert item == expected == result.result()
        held = range(given_out, executor.submitted)
        assert len(held) <= objects
        assert len(held) == 1 or sum(sizes[held_item] for held_item in held) <= budget
        given_out += 1
    assert given_out == executor.submitted == len(sizes)


def test_what_was_given_out_makes_room_for_more() -> None:
    executor = Counting()
    downloads: OrderedPrefetcher[int, int] = OrderedPrefetcher(executor, lambda item: item, lambda item: 1, 100, 10)
    ahead_each_time = [executor.submitted - item for item, _ in downloads.in_order(range(50))]
    assert ahead_each_time == [10] * 41 + list(range(9, 0, -1))


def test_endless_items_are_taken_as_needed_only() -> None:
    executor = Counting()
    downloads: OrderedPrefetcher[int, int] = OrderedPrefetcher(executor, lambda item: item, lambda item: 1, 7, 100)
    next(downloads.in_order(count()))
    assert executor.submitted == 7
