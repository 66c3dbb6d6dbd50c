"""The messages that this process has received: kept from other collectors while it works on them.

A thread of its own renews the invisibility of those in work, and deletes those that are done.
"""

import logging
import threading
import time
from collections.abc import Iterable

from aws_s3.aws.sqs import Message, Queue
from aws_s3.errors import CollectorError, CredentialsError, QueueError

log = logging.getLogger(__name__)

_LONGEST_TICK = 1.0
_SHORTEST_TICK = 0.1
_BATCH = 10
_ATTEMPTS = 3


class InFlightMessages:
    """Which messages are in work, and which are done and to be deleted. Any thread may call any method.

    Its thread lives as long as the block that it is the context of. At the block's end what is done is
    deleted, and others may receive at once what was in work.

    A done message is deleted within a second. Its deletion is tried three times; what then is left is
    in `failures`, as QueueError.
    """

    def __init__(self, queue: Queue) -> None:
        self.failures: list[QueueError] = []
        self._queue = queue
        self._lock = threading.Lock()
        self._in_work: dict[str, Message] = {}
        self._done: dict[str, Message] = {}
        self._attempts: dict[str, int] = {}
        self._renewable = True
        self._error: Exception | None = None
        self._hurry = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="leases", daemon=True)

    def __enter__(self) -> "InFlightMessages":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing = True
        self._hurry.set()
        self._thread.join()

    def add(self, messages: Iterable[Message]) -> None:
        """Keep the messages from others; of one received again, the last receipt is what counts."""
        with self._lock:
            for message in messages:
                group = self._done if message.id in self._done else self._in_work
                group[message.id] = message

    def done(self, message_id: str) -> None:
        """Have the message deleted soon."""
        with self._lock:
            if message := self._in_work.pop(message_id, None):
                self._done[message_id] = message
            if len(self._done) >= _BATCH:
                self._hurry.set()

    def release(self, message_id: str) -> None:
        """Give the message back to its queue, which shows it again when its invisibility ends."""
        with self._lock:
            self._in_work.pop(message_id, None)

    def check(self) -> None:
        """Raise what keeps messages from being deleted: going on would only repeat their events."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        tick = max(min(_LONGEST_TICK, self._queue.visibility / 3), _SHORTEST_TICK)
        renewal = time.monotonic()
        try:
            while not self._closing:
                self._hurry.wait(tick)
                self._hurry.clear()
                if time.monotonic() >= renewal:
                    renewal = time.monotonic() + self._queue.visibility / 3 - tick
                    self._renew(self._queue.visibility)
                self._delete_done()
            while self._done:
                self._delete_done()
                time.sleep(_SHORTEST_TICK if self._done else 0)
        except Exception as error:
            self._error = error
        finally:
            self._release()

    def _renew(self, seconds: int) -> None:
        """Put off the end of the invisibility of all that is in work, or done and not deleted yet."""
        with self._lock:
            messages = [*self._in_work.values(), *self._done.values()]
        if not messages or not self._renewable:
            return
        try:
            for message_id, reason in self._queue.keep_invisible(messages, seconds).items():
                log.debug("Message %s cannot be kept invisible: %s", message_id, reason)
        except CredentialsError as error:
            self._renewable = False
            log.warning(
                "Messages that take longer than the visibility time-out of queue %s (%d s) may be processed "
                "twice: allow sqs:ChangeMessageVisibility. %s",
                self._queue.name,
                seconds,
                error,
            )
        except CollectorError as error:
            log.warning("Messages could not be kept invisible, which is tried again: %s", error)

    def _delete_done(self) -> None:
        with self._lock:
            messages = list(self._done.values())
        if not messages:
            return
        refused = self._queue.delete(messages)
        with self._lock:
            for message in messages:
                if message.id not in refused:
                    self._forget(message.id)
                elif self._count_attempt(message.id) == _ATTEMPTS:
                    self._forget(message.id)
                    self._fail(message.id, refused[message.id])

    def _count_attempt(self, message_id: str) -> int:
        self._attempts[message_id] = self._attempts.get(message_id, 0) + 1
        return self._attempts[message_id]

    def _forget(self, message_id: str) -> None:
        self._done.pop(message_id, None)
        self._attempts.pop(message_id, None)

    def _fail(self, message_id: str, reason: str) -> None:
        failure = QueueError(
            f"Message {message_id} of queue {self._queue.name} could not be deleted, so that its events may be "
            f"sent again: {reason}"
        )
        log.error("%s", failure)
        self.failures.append(failure)

    def _release(self) -> None:
        with self._lock:
            in_work = list(self._in_work.values())
            self._in_work.clear()
        if in_work and self._renewable:
            try:
                self._queue.keep_invisible(in_work, 0)
            except CollectorError as error:
                log.debug("Messages could not be shown to others at once: %s", error)
