"""Sources at once, each in its order."""

from collections.abc import Iterator

import pytest

from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.services.interleave import Slots, interleave
from tests.harness.command import wait_until


def test_one_of_each_in_turn() -> None:
    sources = [("a", iter([1, 2, 3])), ("b", iter([4])), ("c", iter([5, 6]))]
    items = [(key, item.result()) for key, item in interleave(sources, DaemonExecutor(2, "test"), Slots(2))]
    assert items == [("a", 1), ("b", 4), ("a", 2), ("a", 3), ("c", 5), ("c", 6)]


def test_source_that_fails_does_not_end_the_others() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = list(interleave([("a", failing()), ("b", iter([2, 3, 4]))], DaemonExecutor(2, "test"), Slots(2)))
    assert [key for key, _ in items] == ["a", "b", "a", "b", "b"]
    with pytest.raises(ValueError, match="broken"):
        items[2][1].result()


def test_no_more_sources_are_begun_than_are_read_at_once() -> None:
    begun = []

    def source(number: int) -> Iterator[int]:
        begun.append(number)
        yield from range(3)

    pages = interleave(((number, source(number)) for number in range(10)), DaemonExecutor(1, "test"), Slots(2))
    for _ in range(3):
        next(pages)
    assert begun == [0, 1]


def test_nothing_to_read() -> None:
    assert list(interleave([], DaemonExecutor(1, "test"), Slots(4))) == []


def test_those_who_share_slots_read_no_more_sources_together_but_one_each() -> None:
    begun: list[str] = []

    def source(name: str) -> Iterator[str]:
        begun.append(name)
        yield from "123"

    slots, executor = Slots(3), DaemonExecutor(1, "test")
    first = interleave(((name, source(name)) for name in "abcde"), executor, slots)
    second = interleave(((name, source(name)) for name in "vwxyz"), executor, slots)
    next(first)
    next(second)
    wait_until(lambda: begun == ["a", "b", "c", "v"])
    first.close()
    assert [(key, item.result()) for key, item in second][:4] == [("v", "2"), ("w", "1"), ("x", "1"), ("v", "3")]
    assert begun == ["a", "b", "c", *"vwxyz"]
