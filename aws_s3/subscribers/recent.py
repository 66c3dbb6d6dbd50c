"""A memory of the newest keys, for processes that run for months."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

_REMEMBERED = 100_000


class Recent(dict[K, V]):
    """A dict of the newest 100,000 keys. Items are set with `[]` only."""

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > _REMEMBERED:
            del self[next(iter(self))]
