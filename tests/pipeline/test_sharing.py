"""Blocks of a large object are read by all workers, and come in order, whatever happens to the helpers."""

import io
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO

import pytest

from aws_s3.codec.blocks import Block, IrregularError
from aws_s3.errors import CollectorError, ParseError
from aws_s3.pipeline import sharing as module
from aws_s3.pipeline.decode import Batches, Spread
from aws_s3.pipeline.stats import EventCounts
from aws_s3.pipeline.workers import WorkerPool
from tests.pipeline.test_workers import BIG, Numbered, load, threads

log = logging.getLogger("aws_s3.some_module")


@dataclass
class InBlocks:
    """An ItemReader of items with as many blocks as their number says, each of which `encode` reads."""

    encode: Callable[[int], bytes]
    counts: EventCounts = field(default_factory=EventCounts)

    def fetch(self, item: Numbered) -> IO[bytes]:
        return io.BytesIO()

    def decode(self, item: Numbered, content: IO[bytes], spread: Spread = map) -> Batches:
        blocks = (Block(start, b"%d" % item.number) for start in range(item.number))
        return spread(lambda block: self.encode_block(item, block), blocks)

    def encode_block(self, item: Numbered, block: Block) -> bytes:
        assert block.data == b"%d" % item.number
        self.counts.truncated += 1
        return b"%d %d %s\n" % (block.start, os.getpid(), self.encode(block.start))


def slow(start: int) -> bytes:
    time.sleep(0.002)
    return b"x" * (start * 1000 % 100_000)


def lines(batches: Batches) -> Iterator[tuple[int, int]]:
    """Yield the number and the process of each block."""
    for batch in batches:
        number, process, _ = batch.split(b" ")
        yield int(number), int(process)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_all_workers_read_the_blocks_of_one_object_and_these_come_in_order(size: int) -> None:
    reader = InBlocks(slow)
    with closing(WorkerPool(size, reader, threads, BIG)) as pool:
        [(_, batches)] = ((number, list(lines(batches))) for number, batches in load(pool, [1000]))
    assert [number for number, _ in batches] == list(range(1000))
    assert len({process for _, process in batches}) == size
    assert reader.counts.truncated == 1000


def test_objects_of_any_size_among_others_keep_their_order() -> None:
    numbers = [300, 1, 0, 12, 3, 200, 200, 5, 9, 70] * 3
    with closing(WorkerPool(3, InBlocks(lambda start: b"x" * 3000), threads, BIG)) as pool:
        for number, batches in load(pool, numbers):
            assert [start for start, _ in lines(batches)] == list(range(number))


def test_workers_whose_pipes_are_full_help_and_none_waits_for_another() -> None:
    def large(start: int) -> bytes:
        return b"x" * 200_000

    with closing(WorkerPool(3, InBlocks(large), threads, BIG)) as pool:
        for number, batches in load(pool, [150] * 7):
            assert [start for start, _ in lines(batches)] == list(range(number))


@pytest.mark.parametrize("error", [IrregularError(0), ParseError("Block 400 is broken."), KeyError("a mistake")])
def test_an_error_comes_behind_the_blocks_before_it_and_the_next_object_comes_whole(error: Exception) -> None:
    def breaking(start: int) -> bytes:
        if start == 400:
            raise error
        return slow(start)

    taken: list[tuple[int, int]] = []
    with closing(WorkerPool(3, InBlocks(breaking), threads, BIG)) as pool:
        loaded = load(pool, [600, 300])
        with pytest.raises(CollectorError):
            taken.extend(lines(next(loaded)[1]))
        assert [start for start, _ in lines(next(loaded)[1])] == list(range(300))
    # The last batch before an error is left out, because it goes with an item's end.
    assert [start for start, _ in taken] == list(range(399))


def test_an_object_that_is_given_up_in_the_middle_leaves_nothing_behind() -> None:
    with closing(WorkerPool(3, InBlocks(slow), threads, BIG)) as pool:
        loaded = load(pool, [500, 250, 250])
        assert next(lines(next(loaded)[1]))[0] == 0
        for number, batches in loaded:
            assert [start for start, _ in lines(batches)] == list(range(number))


def test_what_a_helper_logs_comes_with_the_object(caplog: pytest.LogCaptureFixture) -> None:
    def telling(start: int) -> bytes:
        log.warning("block %d", start)
        return slow(start)

    logger = logging.getLogger("aws_s3")
    logger.addHandler(caplog.handler)
    try:
        with closing(WorkerPool(3, InBlocks(telling), threads, BIG)) as pool:
            [processes] = ({process for _, process in lines(batches)} for _, batches in load(pool, [400]))
    finally:
        logger.removeHandler(caplog.handler)
    assert len(processes) == 3
    assert set(caplog.messages) == {f"block {start}" for start in range(400)}


def test_a_result_too_large_for_its_place_is_made_again_by_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PLACE", 50_000)
    with closing(WorkerPool(3, InBlocks(slow), threads, BIG)) as pool:
        [batches] = (list(lines(batches)) for _, batches in load(pool, [400]))
    assert [start for start, _ in batches] == list(range(400))
    assert {process for start, process in batches if start * 1000 % 100_000 > 50_000} == {batches[0][1]}


def test_a_helper_that_is_killed_is_told() -> None:
    owner = os.getpid()

    def deadly(start: int) -> bytes:
        if start == 0:
            os.environ["OWNER"] = str(os.getpid())
        elif start > 20 and os.environ.get("OWNER") is None and os.getpid() != owner:
            os.kill(os.getpid(), signal.SIGKILL)
        return slow(start)

    with (
        closing(WorkerPool(3, InBlocks(deadly), threads, BIG)) as pool,
        pytest.raises(CollectorError, match=r"^A worker process ended unexpectedly: "),
    ):
        for _, batches in load(pool, [1000]):
            list(batches)
