"""Tests of deleting messages: how many beside each other, how soon, and how few a kill repeats."""

import threading
import time
from collections.abc import Sequence

import pytest

from aws_s3.aws.sqs import Message
from aws_s3.errors import QueueError
from aws_s3.subscribers.deletions import Deletions
from tests.harness.command import wait_until

PATIENT = 3600.0


class SlowQueue:
    """A queue that deletes when the test lets it. `under_way`: the batches that were asked for and not answered."""

    name = "q1"
    visibility = 30
    waiting: int | None = None

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.under_way = 0
        self.refused: set[str] = set()
        self.failure: Exception | None = None
        self._answers = threading.Semaphore(0)

    def answer(self, batches: int = 1) -> None:
        self._answers.release(batches)

    def receive(self) -> list[Message]:
        return []

    def delete(self, messages: Sequence[Message]) -> dict[str, str]:
        self.batches.append([message.id for message in messages])
        self.under_way += 1
        assert self._answers.acquire(timeout=60)
        self.under_way -= 1
        if self.failure:
            raise self.failure
        return {message.id: "InternalError" for message in messages if message.id in self.refused}

    def keep_invisible(self, messages: Sequence[Message], seconds: int) -> dict[str, str]:
        return {}


@pytest.fixture
def queue() -> SlowQueue:
    return SlowQueue()


def opened(queue: SlowQueue, patience: float = PATIENT) -> Deletions:
    deletions = Deletions(queue, patience)
    deletions.start()
    return deletions


def add(deletions: Deletions, first: int, count: int) -> None:
    for number in range(first, first + count):
        deletions.add(Message(str(number), "r", "", 1))


def test_full_batches_are_deleted_at_once_and_beside_each_other(queue: SlowQueue) -> None:
    deletions = opened(queue)
    add(deletions, 0, 10)
    wait_until(lambda: queue.under_way == 1)
    add(deletions, 10, 10)
    wait_until(lambda: queue.under_way == 2)
    add(deletions, 20, 3)
    queue.answer(3)
    deletions.close()
    assert [len(batch) for batch in queue.batches] == [10, 10, 3]
    assert {name for batch in queue.batches for name in batch} == {str(number) for number in range(23)}


def test_nothing_more_is_done_while_20_messages_wait(queue: SlowQueue) -> None:
    deletions = opened(queue)
    add(deletions, 0, 19)
    deletions.wait()
    add(deletions, 19, 1)
    waiter = threading.Thread(target=deletions.wait)
    waiter.start()
    waiter.join(0.2)
    assert waiter.is_alive()
    queue.answer()
    waiter.join(60)
    assert not waiter.is_alive()
    assert len(deletions.messages()) == 10
    queue.answer()
    deletions.close()


def test_few_messages_are_deleted_soon_and_together(queue: SlowQueue) -> None:
    deletions = opened(queue, patience=0.2)
    queue.answer(2)
    add(deletions, 0, 3)
    wait_until(lambda: queue.batches == [["0", "1", "2"]])
    add(deletions, 3, 1)
    wait_until(lambda: queue.batches == [["0", "1", "2"], ["3"]])
    deletions.close()


def test_refused_messages_do_not_use_up_their_attempts_with_the_batches_of_others(queue: SlowQueue) -> None:
    queue.refused = {"0"}
    queue.answer(100)
    deletions = opened(queue)
    for first in range(0, 50, 10):
        add(deletions, first, 10)
        wait_until(lambda: [message.id for message in deletions.messages()] == ["0"])
    assert sum("0" in batch for batch in queue.batches) == 1
    queue.refused = set()
    deletions.close()
    assert sum("0" in batch for batch in queue.batches) == 2
    assert deletions.failures == []


def test_newest_receipt_is_what_counts(queue: SlowQueue) -> None:
    deletions = Deletions(queue, PATIENT)
    deletions.add(Message("a", "r1", "", 1))
    assert deletions.renew(Message("a", "r2", "", 2))
    assert not deletions.renew(Message("b", "r1", "", 1))
    assert [message.receipt for message in deletions.messages()] == ["r2"]


def test_failure_ends_every_wait(queue: SlowQueue) -> None:
    queue.failure = QueueError("gone")
    deletions = opened(queue)
    add(deletions, 0, 20)
    queue.answer(2)
    began = time.monotonic()
    with pytest.raises(QueueError):
        deletions.wait()
    deletions.close()
    assert time.monotonic() - began < 60
    with pytest.raises(QueueError):
        deletions.check()
