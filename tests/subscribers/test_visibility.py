"""Tests of keeping messages from other collectors, and of deleting them in the background."""

import logging
import time
from collections.abc import Sequence

import pytest

from aws_s3.aws.sqs import Message
from aws_s3.errors import CollectorError, CredentialsError, QueueError
from aws_s3.subscribers.visibility import InFlightMessages
from tests.harness.command import wait_until


def message(name: str, receipt: str = "r1") -> Message:
    return Message(name, receipt, "", 1)


class RecordingQueue:
    """A queue that remembers what was asked of it."""

    name = "q1"
    visibility = 1
    waiting: int | None = None

    def __init__(self) -> None:
        self.deleted: list[list[str]] = []
        self.kept: list[tuple[list[str], int]] = []
        self.refusals = 0
        self.denials = 0
        self.failure: Exception | None = None
        self.denial: CollectorError | None = None

    def receive(self) -> list[Message]:
        return []

    def delete(self, messages: Sequence[Message]) -> dict[str, str]:
        if self.failure:
            raise self.failure
        self.deleted.append([found.receipt for found in messages])
        self.refusals -= 1
        return {found.id: "InternalError: try again" for found in messages} if self.refusals >= 0 else {}

    def keep_invisible(self, messages: Sequence[Message], seconds: int) -> dict[str, str]:
        if self.denial:
            self.denials += 1
            raise self.denial
        self.kept.append(([found.id for found in messages], seconds))
        return {}

    @property
    def renewals(self) -> int:
        return len([seconds for _, seconds in self.kept if seconds])


@pytest.fixture
def queue() -> RecordingQueue:
    return RecordingQueue()


def test_message_in_work_is_renewed_before_its_time_is_over(queue: RecordingQueue) -> None:
    with InFlightMessages(queue) as in_flight:
        in_flight.add([message("a")])
        wait_until(lambda: queue.renewals >= 2)


def test_message_that_is_left_is_not_renewed_and_not_deleted(queue: RecordingQueue) -> None:
    with InFlightMessages(queue) as in_flight:
        in_flight.add([message("a")])
        in_flight.release("a")
        time.sleep(0.5)
    assert queue.kept == []
    assert queue.deleted == []


def test_a_short_run_makes_no_request_to_extend(queue: RecordingQueue) -> None:
    queue.visibility = 3600
    with InFlightMessages(queue) as in_flight:
        in_flight.add([message("a"), message("b")])
        in_flight.done("a")
        wait_until(lambda: queue.deleted == [["r1"]])
        in_flight.done("b")
    assert queue.deleted == [["r1"], ["r1"]]
    assert queue.kept == []


def test_done_messages_are_deleted_together(queue: RecordingQueue) -> None:
    with InFlightMessages(queue) as in_flight:
        in_flight.add(message(str(number), str(number)) for number in range(3))
        for number in range(3):
            in_flight.done(str(number))
    assert queue.deleted == [["0", "1", "2"]]


def test_done_message_is_deleted_while_others_are_in_work(queue: RecordingQueue) -> None:
    with InFlightMessages(queue) as in_flight:
        in_flight.add([message("a"), message("b")])
        in_flight.done("a")
        wait_until(lambda: queue.deleted == [["r1"]])


def test_last_receipt_is_what_counts(queue: RecordingQueue) -> None:
    with InFlightMessages(queue) as in_flight:
        in_flight.add([message("a", "r1")])
        in_flight.add([message("a", "r2")])
        in_flight.done("a")
        in_flight.add([message("a", "r3")])
    assert queue.deleted == [["r3"]]


def test_what_is_in_work_at_the_end_is_shown_to_others_at_once(queue: RecordingQueue) -> None:
    with pytest.raises(ZeroDivisionError), InFlightMessages(queue) as in_flight:
        in_flight.add([message("a"), message("b")])
        in_flight.done("a")
        raise ZeroDivisionError
    assert queue.deleted == [["r1"]]
    assert queue.kept[-1] == (["b"], 0)


def test_refused_deletion_is_tried_again(queue: RecordingQueue) -> None:
    queue.refusals = 2
    with InFlightMessages(queue) as in_flight:
        in_flight.add([message("a")])
        in_flight.done("a")
    assert queue.deleted == [["r1"]] * 3
    assert in_flight.failures == []


def test_deletion_that_stays_refused_is_told(queue: RecordingQueue, caplog: pytest.LogCaptureFixture) -> None:
    queue.refusals = 99
    with InFlightMessages(queue) as in_flight:
        in_flight.add([message("a")])
        in_flight.done("a")
    [failure] = in_flight.failures

    assert len(queue.deleted) == 3
    assert isinstance(failure, QueueError)
    assert "Message a of queue q1 could not be deleted" in str(failure)
    assert "InternalError: try again" in caplog.text


def test_denied_deletion_is_raised_where_work_goes_on(queue: RecordingQueue) -> None:
    queue.failure = CredentialsError("denied")
    with InFlightMessages(queue) as in_flight:
        in_flight.check()
        in_flight.add([message("a")])
        in_flight.done("a")
        with pytest.raises(CredentialsError):
            wait_until(in_flight.check)


def test_denied_renewal_is_told_once_and_changes_nothing_else(
    queue: RecordingQueue, caplog: pytest.LogCaptureFixture
) -> None:
    queue.denial = CredentialsError("denied")
    with InFlightMessages(queue) as in_flight:
        in_flight.add([message("a"), message("b")])
        wait_until(lambda: queue.denials)
        in_flight.done("a")
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]

    assert len(warnings) == 1
    assert "sqs:ChangeMessageVisibility" in warnings[0].getMessage()
    assert queue.deleted == [["r1"]]


def test_failed_renewal_is_tried_again(queue: RecordingQueue) -> None:
    queue.denial = QueueError("for a moment")
    with InFlightMessages(queue) as in_flight:
        in_flight.add([message("a")])
        wait_until(lambda: queue.denials)
        queue.denial = None
        wait_until(lambda: queue.renewals)
