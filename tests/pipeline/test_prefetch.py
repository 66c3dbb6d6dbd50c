import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.pipeline.prefetch import DaemonExecutor, PrefetchQueue, ahead, prefetch
from tests import ROOT
from tests.harness.collecting import AtOnce

HANG = """
import threading, time
from aws_s3.pipeline.prefetch import DaemonExecutor, prefetch
executor = DaemonExecutor(4, "test")
for _ in range(4):
    executor.submit(threading.Event().wait)
prefetch(iter(threading.Event().wait, None), executor)
time.sleep(0.1)
print("done")
"""


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


@dataclass(frozen=True)
class Sized:
    """An item of so many bytes."""

    number: int
    size: int = 1


@dataclass
class Started:
    """Starts items at once, and remembers how many."""

    count: int = 0

    def __call__(self, item: Sized) -> int:
        self.count += 1
        return item.number * 10


def test_items_come_in_order_with_their_handles() -> None:
    queue: PrefetchQueue[Sized, int] = PrefetchQueue(Started(), 20, 20)
    for number in range(100):
        queue.add(Sized(number))
    assert [(item.number, handle) for item, handle in popped(queue)] == [(n, n * 10) for n in range(100)]


def popped(queue: PrefetchQueue[Sized, int]) -> Iterator[tuple[Sized, int]]:
    while len(queue):
        yield queue.pop()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 8), st.integers(1, 40))
def test_as_many_are_started_as_fit_and_no_more(sizes: list[int], max_items: int, max_bytes: int) -> None:
    started = Started()
    queue: PrefetchQueue[Sized, int] = PrefetchQueue(started, max_items, max_bytes)
    for number, size in enumerate(sizes):
        queue.add(Sized(number, size))
    for taken in range(len(sizes)):
        ahead = sizes[taken : started.count]
        assert 1 <= len(ahead) <= max_items
        assert len(ahead) == 1 or sum(ahead) <= max_bytes
        more = sizes[taken : started.count + 1]
        assert started.count == len(sizes) or len(more) > max_items or sum(more) > max_bytes
        assert len(queue) == len(sizes) - taken
        assert queue.has_room == (started.count == len(sizes))
        queue.pop()
    assert started.count == len(sizes)


def test_filled_while_it_has_room_one_item_waits() -> None:
    started = Started()
    queue: PrefetchQueue[Sized, int] = PrefetchQueue(started, 7, 100)
    items = (Sized(number) for number in count())
    while queue.has_room:
        queue.add(next(items))
    assert (started.count, len(queue)) == (7, 8)
