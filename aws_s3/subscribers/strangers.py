"""Messages that name objects of other types than the one that their queue is read as.

They stay in the queue until it gave an object of the type: before that the type may be wrong, and the messages
those of another collector. From then on they are deleted.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime

from aws_s3.log_types.recognition import readings
from aws_s3.log_types.strays import is_stray
from aws_s3.pipeline.levels import STANDING
from aws_s3.state.queue_state import QueueState
from aws_s3.subscribers.notifications import NotifiedObject

log = logging.getLogger(__name__)


class Strangers:
    """The messages of one run whose objects are of other types. A queue without a type has none of them.

    `began` is the start of the run, UTC. The methods raise StateError.
    """

    def __init__(self, log_type: str | None, state: QueueState, began: datetime) -> None:
        self._type = log_type
        self._state = state
        self._began = began
        self._is_found = log_type is None or state.has_found(log_type)
        self._example = ""
        self.held: list[str] = []
        """The IDs of messages that stay in the queue unless the run finds an object of the type."""

    def holds(self, message_id: str, notified: Sequence[NotifiedObject]) -> bool:
        """Tell whether the message has to stay for now: it names objects, but none of the type."""
        keys = [each.key for each in notified if not is_stray(each.key)]
        if self._is_found or not keys:
            return False
        self._example = self._example or keys[0]
        self.held.append(message_id)
        return True

    def found(self) -> Iterator[str]:
        """Note that an object of the type was accepted; yield the messages that are to be deleted because of it."""
        if not self._is_found and self._type is not None:
            self._state.note_found(self._type, self._began)
            self._is_found = True
        while self.held:
            yield self.held.pop()

    def report(self, queue: str) -> None:
        """Write one WARNING if the queue never gave an object of the type."""
        if not self.held:
            return
        best = next(iter(readings(self._example, self._type or "")), None)
        advice = f"-t {best.type} reads" if best else "fits no known type; without --type the queue reads any object"
        log.warning(
            "Queue %s never gave an object of type %s. %d messages stay in it. One names %s, which %s.",
            queue,
            self._type,
            len(self.held),
            self._example,
            advice,
            extra=STANDING,
        )
