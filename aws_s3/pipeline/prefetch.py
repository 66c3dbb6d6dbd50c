"""Doing slow things ahead of their turn, and taking their results in order: listings and downloads."""

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, Generic, ParamSpec, TypeVar

from aws_s3.errors import missing_resource
from aws_s3.pipeline.source import Item

log = logging.getLogger(__name__)

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=Item)
R = TypeVar("R")
P = ParamSpec("P")


class DaemonExecutor(Executor):
    """Daemon threads: unlike those of ThreadPoolExecutor, a hanging download does not keep the process from ending.

    Fewer threads do where the system starts no more. Raises ResourceError if it starts none.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        for number in range(threads):
            try:
                threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()
            except RuntimeError as error:
                lack = missing_resource(error)
                if lack is None or not number:
                    raise lack or error from error
                log.info("%s The run goes on with %d of %d %s threads.", lack, number, threads, name)
                return

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
    """Yield the items; a thread makes the next item while the caller works on the last, and the first at once."""
    upcoming = executor.submit(next, items, _END)
    return _prefetched(items, upcoming, executor)


_END: Any = object()


def _prefetched(items: Iterator[T], upcoming: Future[T], executor: Executor) -> Iterator[T]:
    while (item := upcoming.result()) is not _END:
        upcoming = executor.submit(next, items, _END)
        yield item


def ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """Yield the items, always taking `count` of them ahead, so that work which taking an item starts goes on."""
    taken: deque[T] = deque()
    for item in items:
        taken.append(item)
        if len(taken) > count:
            yield taken.popleft()
    yield from taken


class PrefetchQueue(Generic[ItemT, R]):
    """A queue whose first items are started ahead of their turn, at most `max_items` and `max_bytes` at once.

    `start` starts the work on an item and returns a handle of it, such as a future. An item larger than
    `max_bytes` is started when it is the first.
    """

    def __init__(self, start: Callable[[ItemT], R], max_items: int, max_bytes: int) -> None:
        self._start = start
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._waiting: deque[ItemT] = deque()
        self._started: deque[tuple[ItemT, R]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        """Return the number of items, started or not."""
        return len(self._waiting) + len(self._started)

    @property
    def has_room(self) -> bool:
        """Tell whether every item is started, so that another one may be, too."""
        return not self._waiting

    def add(self, item: ItemT) -> None:
        """Put the item behind the others."""
        self._waiting.append(item)
        self._start_waiting()

    def pop(self) -> tuple[ItemT, R]:
        """Take out the first item, with its handle; waiting is left to the caller."""
        item, handle = self._started.popleft()
        self._bytes -= item.size
        self._start_waiting()
        return item, handle

    def _start_waiting(self) -> None:
        while self._waiting and len(self._started) < self._max_items:
            size = self._waiting[0].size
            if self._started and self._bytes + size > self._max_bytes:
                return
            item = self._waiting.popleft()
            self._bytes += size
            self._started.append((item, self._start(item)))
