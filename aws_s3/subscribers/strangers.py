"""Messages that name objects of other types than the one that their queue is read as.

They stay in the queue until it gave an object of the type: before that the type may be wrong, and the messages
those of another collector. From then on they are deleted. A run keeps some of them invisible until it knows; the
others go back to the queue, and are passed over when they come again.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime

from aws_s3.log_types.recognition import readings
from aws_s3.log_types.strays import is_stray
from aws_s3.pipeline.levels import STANDING
from aws_s3.pipeline.stats import counted
from aws_s3.state.queue_state import QueueState
from aws_s3.subscribers.notifications import NotifiedObject
from aws_s3.subscribers.recent import Recent

log = logging.getLogger(__name__)

_MOST_HELD = 100
"""Messages that a run keeps invisible: so many are extended with ten requests each time."""


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
        self._held: list[str] = []
        self._released: Recent[str, None] = Recent()
        self._is_told = False

    def holds(self, message_id: str, notified: Sequence[NotifiedObject]) -> bool:
        """Tell whether the message has to stay for now: it names objects, but none of the type."""
        keys = [each.key for each in notified if not is_stray(each.key)]
        if self._is_found or not keys:
            return False
        self._example = self._example or keys[0]
        if message_id not in self._held:
            self._held.append(message_id)
        return True

    def is_passed_over(self, message_id: str) -> bool:
        """Tell whether the message went back to the queue, and no object of the type was found since."""
        return not self._is_found and message_id in self._released

    def surplus(self) -> Iterator[str]:
        """Yield the messages that are to be shown to others again: those that were held first, above a hundred."""
        while len(self._held) > _MOST_HELD:
            message_id = self._held.pop(0)
            self._released[message_id] = None
            yield message_id

    def found(self) -> Iterator[str]:
        """Note that an object of the type was accepted; yield the messages that are to be deleted because of it."""
        if not self._is_found and self._type is not None:
            self._state.note_found(self._type, self._began)
            self._is_found = True
        while self._held:
            yield self._held.pop()

    def report(self, queue: str) -> None:
        """Write a WARNING, once, if the queue gave such messages and never an object of the type."""
        count = len(self._released.keys() | self._held)
        if self._is_found or self._is_told or not count:
            return
        self._is_told = True
        best = next(iter(readings(self._example, self._type or "")), None)
        advice = f"-t {best.type} reads" if best else "fits no known type; without --type the queue reads any object"
        log.warning(
            "Queue %s never gave an object of type %s, and keeps %s. One names %s, which %s.",
            queue,
            self._type,
            counted(count, "message"),
            self._example,
            advice,
            extra=STANDING,
        )
