"""Reading several sources at once, each in its own order."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_END: Any = object()


def interleave(
    sources: Iterable[tuple[K, Iterator[V]]], executor: Executor, width: int
) -> Iterator[tuple[K, Future[V]]]:
    """Yield the items of the sources, each with its source's key: one item of each source in turn, in order.

    `width` sources are read at once, each one item ahead of the caller. A source ends with the item that
    fails: the item's future raises.
    """
    waiting = iter(sources)
    reading: deque[tuple[K, Iterator[V], Future[V]]] = deque()

    def read_on(key: K, items: Iterator[V]) -> None:
        reading.append((key, items, executor.submit(next, items, _END)))

    for source in islice(waiting, width):
        read_on(*source)
    while reading:
        key, items, item = reading.popleft()
        failed = item.exception() is not None
        ended = failed or item.result() is _END
        for source in islice(waiting, 1) if ended else [(key, items)]:
            read_on(*source)
        if failed or not ended:
            yield key, item
