"""Getting things ahead of their turn, in order, where what is wanted becomes known bit by bit."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Window(Generic[T, R]):
    """Runs `get` for the first of its items, at most `objects` of them and `size` bytes at once.

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
        self._waiting: deque[T] = deque()
        self._started: deque[tuple[T, Future[R]]] = deque()
        self._held = 0

    def __len__(self) -> int:
        """Return how many items there are, begun or not."""
        return len(self._waiting) + len(self._started)

    def add(self, item: T) -> None:
        """Put the item behind the others."""
        self._waiting.append(item)
        self._start()

    def pop(self) -> tuple[T, Future[R]]:
        """Take out the first item, with its result; waiting is left to the caller."""
        item, result = self._started.popleft()
        self._held -= self._size_of(item)
        self._start()
        return item, result

    def _start(self) -> None:
        while self._waiting and len(self._started) < self._objects:
            size = self._size_of(self._waiting[0])
            if self._started and self._held + size > self._size:
                return
            item = self._waiting.popleft()
            self._held += size
            self._started.append((item, self._executor.submit(self._get, item)))
