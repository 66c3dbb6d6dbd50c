"""The messages in flight: received by this process, invisible to other collectors, not deleted yet.

A thread extends the visibility timeout of messages in work, and deletes the messages that are done.
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
_MOST_DONE = 20
"""Done messages that wait to be deleted: a killed process repeats the events of so many."""

_LOOK = 1.0


class InFlightMessages:
    """The messages in work, and the done messages that are still to be deleted. Any thread may call any method.

    The thread lives as long as the context. At the end of the context done messages are deleted, and
    messages in work become visible to other collectors at once.

    A done message is deleted within a second. Its deletion is tried three times; `failures` holds a
    QueueError for each message that could not be deleted.
    """

    def __init__(self, queue: Queue) -> None:
        self.failures: list[QueueError] = []
        self._queue = queue
        self._lock = threading.Lock()
        self._deleted = threading.Condition(self._lock)
        self._in_work: dict[str, Message] = {}
        self._done: dict[str, Message] = {}
        self._attempts: dict[str, int] = {}
        self._may_extend = True
        self._error: Exception | None = None
        self._wake = threading.Event()
        self._is_closing = False
        self._thread = threading.Thread(target=self._work, name="visibility", daemon=True)

    def __enter__(self) -> "InFlightMessages":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_closing = True
        self._wake.set()
        self._thread.join()

    def add(self, messages: Iterable[Message]) -> None:
        """Keep the messages invisible. On redelivery the newest receipt handle replaces the old one."""
        with self._lock:
            for message in messages:
                group = self._done if message.id in self._done else self._in_work
                group[message.id] = message

    def done(self, message_id: str) -> None:
        """Delete the message soon."""
        with self._lock:
            if message := self._in_work.pop(message_id, None):
                self._done[message_id] = message
            if len(self._done) >= _BATCH:
                self._wake.set()

    def wait_for_deletions(self) -> None:
        """Wait until fewer than 20 messages are done and not deleted. Raises as `check` does."""
        with self._deleted:
            while len(self._done) >= _MOST_DONE and self._error is None:
                self._deleted.wait(_LOOK)
        self.check()

    def release(self, message_id: str) -> None:
        """Leave the message to its queue, which shows it again when the visibility timeout ends."""
        with self._lock:
            self._in_work.pop(message_id, None)

    def check(self) -> None:
        """Raise the failure that keeps messages from being deleted: going on would only repeat their events."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        tick = max(min(_LONGEST_TICK, self._queue.visibility / 3), _SHORTEST_TICK)
        # Messages come with the whole timeout: the first extension is due after a third of it.
        extension = time.monotonic() + self._queue.visibility / 3 - tick
        try:
            while not self._is_closing:
                self._wake.wait(tick)
                self._wake.clear()
                if time.monotonic() >= extension:
                    extension = time.monotonic() + self._queue.visibility / 3 - tick
                    self._extend(self._queue.visibility)
                self._delete_done()
            while self._done:
                self._delete_done()
                time.sleep(_SHORTEST_TICK if self._done else 0)
        except Exception as error:
            self._error = error
        finally:
            self._release()

    def _extend(self, seconds: int) -> None:
        """Keep all messages invisible for `seconds` from now: those in work, and those not deleted yet."""
        with self._lock:
            messages = [*self._in_work.values(), *self._done.values()]
        if not messages or not self._may_extend:
            return
        try:
            for message_id, reason in self._queue.keep_invisible(messages, seconds).items():
                log.debug("The visibility timeout of message %s cannot be extended: %s", message_id, reason)
        except CredentialsError as error:
            self._may_extend = False
            log.warning(
                "Messages that take longer than the visibility timeout of queue %s (%d s) may be processed "
                "twice: allow sqs:ChangeMessageVisibility. %s",
                self._queue.name,
                seconds,
                error,
            )
        except CollectorError as error:
            log.warning("Could not extend the visibility timeout; it is tried again. %s", error)

    def _delete_done(self) -> None:
        with self._lock:
            messages = list(self._done.values())
        if not messages:
            return
        refused = self._queue.delete(messages)
        with self._deleted:
            self._deleted.notify_all()
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
            f"Message {message_id} of queue {self._queue.name} could not be deleted, so its events may be "
            f"sent again: {reason}"
        )
        log.error("%s", failure)
        self.failures.append(failure)

    def _release(self) -> None:
        """Show the messages in work to other collectors at once."""
        with self._lock:
            in_work = list(self._in_work.values())
            self._in_work.clear()
        if in_work and self._may_extend:
            try:
                self._queue.keep_invisible(in_work, 0)
            except CollectorError as error:
                log.debug("Messages stay invisible to other collectors until their timeout ends: %s", error)
