"""Reading several sources at once, each in its own order."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_END: Any = object()


class Slots:
    """How many sources are read at once, by all who share them. Whoever reads none may always begin one."""

    def __init__(self, total: int) -> None:
        self._free = total

    def take(self, reading: int) -> bool:
        """Take a slot for one more source beside those that the caller is `reading`; tell whether there was one."""
        if reading and self._free <= 0:
            return False
        self._free -= 1
        return True

    def give(self, count: int = 1) -> None:
        """Give slots back."""
        self._free += count


def interleave(
    sources: Iterable[tuple[K, Iterator[V]]], executor: Executor, slots: Slots
) -> Generator[tuple[K, Future[V]], None, None]:
    """Begin to read the sources; return their items, each with its source's key: one of each in turn, in order.

    As many sources are read at once as there are slots, each one item ahead of the caller. A source ends with the
    item that fails: the item's future raises.
    """
    waiting = iter(sources)
    reading: deque[tuple[K, Iterator[V], Future[V]]] = deque()

    def read_on(key: K, items: Iterator[V]) -> None:
        reading.append((key, items, executor.submit(next, items, _END)))

    def fill() -> None:
        while slots.take(len(reading)):
            begun = list(islice(waiting, 1))
            for source in begun:
                read_on(*source)
            if not begun:
                slots.give()
                return

    def items_in_turn() -> Generator[tuple[K, Future[V]], None, None]:
        try:
            while reading:
                key, items, item = reading.popleft()
                failed = item.exception() is not None
                ended = failed or item.result() is _END
                if ended:
                    slots.give()
                    fill()
                else:
                    read_on(key, items)
                if failed or not ended:
                    yield key, item
                    fill()
        finally:
            slots.give(len(reading))

    fill()
    return items_in_turn()
