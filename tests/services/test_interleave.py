"""Sources at once, each in its order."""

from collections.abc import Iterator

import pytest

from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.services.interleave import interleave


def test_one_of_each_in_turn() -> None:
    sources = [("a", iter([1, 2, 3])), ("b", iter([4])), ("c", iter([5, 6]))]
    items = [(key, item.result()) for key, item in interleave(sources, DaemonExecutor(2, "test"), 2)]
    assert items == [("a", 1), ("b", 4), ("a", 2), ("a", 3), ("c", 5), ("c", 6)]


def test_source_that_fails_does_not_end_the_others() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = list(interleave([("a", failing()), ("b", iter([2, 3, 4]))], DaemonExecutor(2, "test"), 2))
    assert [key for key, _ in items] == ["a", "b", "a", "b", "b"]
    with pytest.raises(ValueError, match="broken"):
        items[2][1].result()


def test_no_more_sources_are_begun_than_are_read_at_once() -> None:
    begun = []

    def source(number: int) -> Iterator[int]:
        begun.append(number)
        yield from range(3)

    pages = interleave(((number, source(number)) for number in range(10)), DaemonExecutor(1, "test"), 2)
    for _ in range(3):
        next(pages)
    assert begun == [0, 1]


def test_nothing_to_read() -> None:
    assert list(interleave([], DaemonExecutor(1, "test"), 4)) == []
