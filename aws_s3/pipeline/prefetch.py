"""Doing slow things ahead, in threads, and taking their results in order: listings and downloads.

This is the one place that knows of concurrency: what calls it reads like a plain loop.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, Generic, ParamSpec, TypeVar

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


class DaemonExecutor(Executor):
    """Threads that never keep the process from ending, also when one hangs in a download."""

    def __init__(self, threads: int, name: str) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run the call in one of the threads, after those submitted before."""
        future: Future[T] = Future()
        self._tasks.put(lambda: _run(future, fn, *args, **kwargs))
        return future

    def _work(self) -> None:
        while True:
            self._tasks.get()()


def _run(future: Future[T], fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)


def prefetch(items: Iterator[T], executor: Executor) -> Iterator[T]:
    """Yield the items; the next one is being made while the last one is worked on, the first at once."""
    upcoming = executor.submit(next, items, _END)
    return _prefetched(items, upcoming, executor)


_END: Any = object()


def _prefetched(items: Iterator[T], upcoming: Future[T], executor: Executor) -> Iterator[T]:
    while (item := upcoming.result()) is not _END:
        upcoming = executor.submit(next, items, _END)
        yield item


def ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """Yield the items, with `count` of them taken ahead: what taking one starts goes on meanwhile."""
    taken: deque[T] = deque()
    for item in items:
        taken.append(item)
        if len(taken) > count:
            yield taken.popleft()
    yield from taken


class OrderedPrefetcher(Generic[T, R]):
    """Runs `get` for items ahead of their turn, at most `objects` of them and `size` bytes at once.

    `size_of` tells an item's bytes. An item larger than all that is allowed has its turn alone.
    """

    def __init__(
        self, executor: Executor, get: Callable[[T], R], size_of: Callable[[T], int], objects: int, size: int
    ) -> None:
        self._executor = executor
        self._get = get
        self._size_of = size_of
        self._objects = objects
        self._size = size

    def in_order(self, items: Iterable[T]) -> Iterator[tuple[T, Future[R]]]:
        """Yield each item with its result, in the order of `items`; waiting is left to the caller."""
        pending: deque[tuple[T, Future[R]]] = deque()
        held = 0
        for item in items:
            size = self._size_of(item)
            while pending and (len(pending) >= self._objects or held + size > self._size):
                held -= self._size_of(pending[0][0])
                yield pending.popleft()
            pending.append((item, self._executor.submit(self._get, item)))
            held += size
        yield from pending
