"""Small runs stay in one process, large ones go to the workers, in order and never on both sides at once."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.aws.config_file import TransferConfig
from aws_s3.pipeline import loading as module
from aws_s3.pipeline.decode import Batches
from aws_s3.pipeline.loading import GrowingLoading, share


@dataclass(frozen=True)
class Sized:
    """An item of so many bytes."""

    number: int
    size: int = 1


@dataclass
class Side:
    """A loading that keeps its items; it has room for `room`."""

    name: str
    room: int = 1000
    items: deque[Sized] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def has_room(self) -> bool:
        return len(self.items) < self.room

    def add(self, item: Sized) -> None:
        self.items.append(item)

    @contextmanager
    def take(self) -> Iterator[tuple[Sized, Batches]]:
        yield self.items.popleft(), iter([self.name.encode()])


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEW_ITEMS", 5)


def taken(loading: GrowingLoading[Sized]) -> tuple[int, str]:
    with loading.take() as (item, batches):
        return item.number, b"".join(batches).decode()


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize(("count", "size", "side"), [(4, 1, "local"), (5, 1, "workers"), (2, 20 << 20, "workers")])
def test_a_run_whose_items_are_all_known_is_read_on_one_side(count: int, size: int, side: str) -> None:
    loading = GrowingLoading[Sized](Side("local"), Side("workers"))
    for number in range(count):
        assert loading.has_room
        loading.add(Sized(number, size))
    assert [taken(loading) for _ in range(count)] == [(number, side) for number in range(count)]
    assert len(loading) == 0


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 8))
def test_items_that_come_bit_by_bit_keep_their_order_and_one_side_works(adds: list[bool], room: int) -> None:
    local, workers = Side("local", room), Side("workers", room)
    loading = GrowingLoading[Sized](local, workers, 5)
    added = 0
    sides: list[str] = []
    for is_add in adds:
        if is_add and loading.has_room:
            loading.add(Sized(added))
            added += 1
        elif not is_add and len(loading):
            number, side = taken(loading)
            assert number == len(sides)
            sides.append(side)
        assert not (len(local) and len(workers))
    assert sides == sorted(sides)


def test_processes_share_the_limits_of_the_profile() -> None:
    usual = TransferConfig()
    assert share(usual, 1) == (1, usual)
    assert share(usual, 4) == (4, usual)
    for total, each in ((6, 1), (10, 2)):
        workers, downloads = share(TransferConfig(max_concurrent_requests=total), 4)
        assert (workers, downloads.requests_at_once) == (4, each)
    assert share(TransferConfig(max_concurrent_requests=2), 4)[0] == 2
    assert share(TransferConfig(max_bandwidth=1000), 4)[0] == 1
