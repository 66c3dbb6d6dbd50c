"""The deletion of finished messages: full batches at once, two beside each other, and the rest within a second."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

from aws_s3.aws.sqs import Message, Queue
from aws_s3.errors import QueueError
from aws_s3.pipeline.prefetch import DaemonExecutor

log = logging.getLogger(__name__)

_BATCH = 10
_BATCHES_AT_ONCE = 2
_MOST_DONE = _BATCH * _BATCHES_AT_ONCE
"""Done messages that wait to be deleted: a killed process repeats the events of so many."""

_ATTEMPTS = 3
_PAUSE = 0.1
"""Seconds between the attempts to delete a message while the run waits for nothing else."""

_LOOK = 1.0


@dataclass
class _Done:
    """A message to delete, alone when it is `due`. A refused one waits until then."""

    message: Message
    due: float
    refusals: int = 0


class Deletions:
    """Deletes messages in threads. Any thread may call any method.

    A message is deleted within `patience` seconds. Its deletion is tried three times; `failures` holds a
    QueueError for each message that could not be deleted.
    """

    def __init__(self, queue: Queue, patience: float) -> None:
        self.failures: list[QueueError] = []
        self._queue = queue
        self._patience = patience
        self._changed = threading.Condition()
        self._waiting: dict[str, _Done] = {}
        self._under_way: dict[str, _Done] = {}
        self._error: Exception | None = None
        self._is_closing = False
        self._threads: Sequence[Future[None]] = ()

    def start(self) -> None:
        """Start the threads. Raises ResourceError if the system starts none."""
        executor = DaemonExecutor(_BATCHES_AT_ONCE, "deletion")
        self._threads = [executor.submit(self._work) for _ in range(_BATCHES_AT_ONCE)]

    def close(self) -> None:
        """Delete all messages, and wait for that."""
        with self._changed:
            self._is_closing = True
            for done in self._waiting.values():
                done.due = time.monotonic()
            self._changed.notify_all()
        wait(self._threads)

    def add(self, message: Message) -> None:
        """Delete the message soon."""
        with self._changed:
            self._waiting[message.id] = _Done(message, time.monotonic() + self._patience)
            if len(self._waiting) == 1 or len(self._waiting) >= _BATCH:
                self._changed.notify_all()

    def renew(self, message: Message) -> bool:
        """Replace the receipt handle of a message that was delivered again; False if it is none of these."""
        with self._changed:
            done = self._waiting.get(message.id) or self._under_way.get(message.id)
            if done:
                done.message = message
            return done is not None

    def messages(self) -> Sequence[Message]:
        """Return the messages that are not deleted yet."""
        with self._changed:
            return [done.message for done in (*self._waiting.values(), *self._under_way.values())]

    def wait(self) -> None:
        """Wait until fewer than 20 messages are done and not deleted. Raises as `check` does."""
        with self._changed:
            while len(self._waiting) + len(self._under_way) >= _MOST_DONE and self._error is None:
                self._changed.wait(_LOOK)
        self.check()

    def check(self) -> None:
        """Raise the failure that keeps messages from being deleted: going on would only repeat their events."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while batch := self._next_batch():
                self._settle(batch, self._queue.delete([done.message for done in batch]))
        except Exception as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next_batch(self) -> Sequence[_Done]:
        """Wait for a full batch, or for the time of a message that is due. Empty: no message will come any more."""
        with self._changed:
            while self._error is None:
                now = time.monotonic()
                ready = [done for done in self._waiting.values() if not done.refusals or done.due <= now]
                first = min((done.due for done in self._waiting.values()), default=None)
                if len(ready) >= _BATCH or (first is not None and first <= now):
                    batch = ready[:_BATCH]
                    self._under_way |= {done.message.id: self._waiting.pop(done.message.id) for done in batch}
                    return batch
                if self._is_closing and not self._waiting and not self._under_way:
                    break
                self._changed.wait(None if first is None else first - now)
        return ()

    def _settle(self, batch: Sequence[_Done], refused: Mapping[str, str]) -> None:
        with self._changed:
            for done in batch:
                message_id = done.message.id
                del self._under_way[message_id]
                if message_id not in refused:
                    continue
                done.refusals += 1
                done.due = time.monotonic() + (_PAUSE if self._is_closing else self._patience)
                if done.refusals < _ATTEMPTS:
                    self._waiting[message_id] = done
                else:
                    self._fail(message_id, refused[message_id])
            self._changed.notify_all()

    def _fail(self, message_id: str, reason: str) -> None:
        failure = QueueError(
            f"Message {message_id} of queue {self._queue.name} could not be deleted, so its events may be "
            f"sent again: {reason}"
        )
        log.error("%s", failure)
        self.failures.append(failure)
