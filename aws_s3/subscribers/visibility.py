"""The messages in flight: received by this process, invisible to other collectors, not deleted yet."""

import logging
import threading
import time
from collections.abc import Iterable, Sequence

from aws_s3.aws.sqs import Message, Queue
from aws_s3.errors import CollectorError, CredentialsError, QueueError
from aws_s3.subscribers.deletions import Deletions

log = logging.getLogger(__name__)

_LONGEST_PATIENCE = 1.0


class InFlightMessages:
    """The messages in work, and the done messages that are still to be deleted. Any thread may call any method.

    A thread extends their visibility timeout as long as the context lives. At the end of the context done
    messages are deleted, and messages in work become visible to other collectors at once.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._in_work: dict[str, Message] = {}
        self._deletions = Deletions(queue, min(_LONGEST_PATIENCE, queue.visibility / 3))
        self._may_extend = True
        self._error: Exception | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="visibility", daemon=True)

    def __enter__(self) -> "InFlightMessages":
        self._deletions.start()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        self._deletions.close()
        self._thread.join()
        self._release()

    @property
    def failures(self) -> Sequence[QueueError]:
        """An error for each message that could not be deleted."""
        return self._deletions.failures

    def add(self, messages: Iterable[Message]) -> None:
        """Keep the messages invisible. On redelivery the newest receipt handle replaces the old one."""
        with self._lock:
            for message in messages:
                if not self._deletions.renew(message):
                    self._in_work[message.id] = message

    def done(self, message_id: str) -> None:
        """Delete the message soon."""
        with self._lock:
            if message := self._in_work.pop(message_id, None):
                self._deletions.add(message)

    def wait_for_deletions(self) -> None:
        """Wait until fewer than 20 messages are done and not deleted. Raises as `check` does."""
        self._deletions.wait()
        self.check()

    def release(self, message_id: str) -> None:
        """Leave the message to its queue, which shows it again when the visibility timeout ends."""
        with self._lock:
            self._in_work.pop(message_id, None)

    def check(self) -> None:
        """Raise the failure that keeps messages from being deleted: going on would only repeat their events."""
        self._deletions.check()
        if self._error is not None:
            raise self._error

    def _keep(self) -> None:
        began = time.monotonic()
        try:
            # A third of the timeout leaves time for further attempts.
            while not self._closing.wait(max(began + self._queue.visibility / 3 - time.monotonic(), 0)):
                began = time.monotonic()
                self._extend(self._queue.visibility)
        except Exception as error:
            self._error = error

    def _extend(self, seconds: int) -> None:
        """Keep all messages invisible for `seconds` from now: those in work, and those not deleted yet."""
        with self._lock:
            messages = [*self._in_work.values(), *self._deletions.messages()]
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
