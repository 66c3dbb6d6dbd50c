"""Tests of getting things ahead of their turn."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from aws_s3.pipeline.window import Window


@pytest.mark.parametrize(
    ("sizes", "objects", "size", "begun"),
    [
        ([1, 1, 1], 10, 10, 3),
        ([1, 1, 1], 2, 10, 2),
        ([4, 4, 4], 10, 10, 2),
        ([99, 1, 1], 10, 10, 1),
        ([1, 99, 1], 10, 10, 1),
    ],
)
def test_as_many_are_begun_as_fit(sizes: list[int], objects: int, size: int, begun: int) -> None:
    held = threading.Event()
    seen: list[int] = []

    def get(item: tuple[int, int]) -> int:
        seen.append(item[0])
        held.wait(120)
        return item[0]

    with ThreadPoolExecutor(4) as executor:
        window = Window(executor, get, lambda item: item[1], objects, size)
        for item in enumerate(sizes):
            window.add(item)
        while len(seen) < begun:
            pass
        first = len(seen)
        held.set()
        results = []
        while window:
            item, future = window.pop()
            results.append((item[0], future.result()))
    assert first == begun
    assert results == [(number, number) for number in range(len(sizes))]
    assert len(seen) == len(sizes)


def test_failure_is_the_result_of_its_item_alone() -> None:
    with ThreadPoolExecutor(1) as executor:
        window = Window(executor, lambda item: 1 // item, lambda item: item, 10, 10)
        window.add(0)
        window.add(1)
        _, failed = window.pop()
        _, good = window.pop()
    assert isinstance(failed.exception(), ZeroDivisionError)
    assert good.result() == 1
