"""Reading several sources at once, each in its own order."""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import islice
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_END: Any = object()


def interleave(
    sources: Iterable[tuple[K, Iterator[V]]], executor: Executor, width: int
) -> Iterator[tuple[K, Future[V]]]:
    """Yield the items of the sources with the source's key, as they come; of each source in its order.

    `width` sources are read at once, each one item ahead of what is taken. An item that cannot be
    made is the last of its source: its future raises.
    """
    waiting = iter(sources)
    reading: dict[Future[V], tuple[K, Iterator[V]]] = {}

    def read_on(key: K, items: Iterator[V]) -> None:
        reading[executor.submit(next, items, _END)] = (key, items)

    for source in islice(waiting, width):
        read_on(*source)
    while reading:
        wait(reading, return_when=FIRST_COMPLETED)
        for future in [future for future in reading if future.done()]:
            key, items = reading.pop(future)
            if future.exception() is None and future.result() is not _END:
                read_on(key, items)
                yield key, future
                continue
            for source in islice(waiting, 1):
                read_on(*source)
            if future.exception() is not None:
                yield key, future
