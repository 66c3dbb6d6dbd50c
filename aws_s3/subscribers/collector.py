"""The collection of one queue: its messages, the objects that they name, the meaning of a failure, the deletion.

It knows interfaces and no kind of content. `pipeline` fetches, decodes and delivers the objects.
"""

import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.sqs import Message, Queue
from aws_s3.codec.libraries import MissingLibraries
from aws_s3.errors import CollectorError, ObjectError, StateError, UnavailableError
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.levels import DEBUG_2, DEBUG_3, about
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.source import Loading, run_source
from aws_s3.pipeline.stats import RunStats, counted
from aws_s3.settings import SubscriberJob
from aws_s3.state.queue_state import QueueState, Writing
from aws_s3.subscribers.base import ObjectFormat
from aws_s3.subscribers.notifications import NotifiedObject, UnknownNotification, notified_objects
from aws_s3.subscribers.reader import QueueObject
from aws_s3.subscribers.recent import Recent
from aws_s3.subscribers.strangers import Strangers
from aws_s3.subscribers.visibility import InFlightMessages

log = logging.getLogger(__name__)

RECEIVES_AT_ONCE = 4
_FEW_OBJECTS = 10
"""Objects in hand below which more messages are asked for."""

_FULL = 10
"""The most messages of one receive: after so many there may be more."""

_LARGE = _FULL * RECEIVES_AT_ONCE
"""The number of messages from which on a queue is read with all means from the start."""

_LAST_RECEIVE = 0.5
_PAUSE = 1.0


@dataclass(frozen=True)
class Context:
    """The parts that a collection works with. `loading` fetches and decodes objects; `receives` asks for messages.

    `began` is the start of the run, UTC.
    """

    queue: Queue
    delivery: Delivery
    state: QueueState
    receives: Executor
    loading: Loading[QueueObject]
    stop_request: StopRequest
    began: datetime
    downloads: TransferConfig = field(default_factory=TransferConfig)
    stats: RunStats = field(default_factory=RunStats)


class Outcome(Enum):
    """The outcome of a message so far."""

    ACCEPTED = auto()
    """Every object that was read so far was accepted."""

    UNREADABLE = auto()
    """An object failed, and reading it again would not help."""

    UNAVAILABLE = auto()
    """An object failed that may be there when the message comes back."""

    def with_failure(self, error: ObjectError) -> "Outcome":
        """Return the outcome after one more failure: one object that may come is enough to try again."""
        if isinstance(error, UnavailableError) and not error.gone:
            return Outcome.UNAVAILABLE
        return Outcome.UNREADABLE if self is Outcome.ACCEPTED else self


@dataclass
class _Task:
    """A message in work. `unfinished`: the number of its objects that have not had their turn.

    `accepted`: the number of accepted events of its objects; incomplete for the object at which the run ended.
    """

    message: Message
    unfinished: int
    outcome: Outcome = Outcome.ACCEPTED
    accepted: dict[Writing, int] = field(default_factory=dict)


class QueueCollector:
    """Collects the objects that one queue's messages name, as a Source of the pipeline.

    A message is deleted when all of its objects were accepted. A message whose object fails stays in the
    queue; when it comes back, its accepted objects are not sent again by this run, and the others are
    tried again unless that would not help. If the run ends in the middle of a message, the state keeps the
    accepted events, and a later run sends the rest.
    """

    def __init__(self, job: SubscriberJob, object_format: ObjectFormat, context: Context) -> None:
        self._job = job
        self._format = object_format
        self._context = context
        self._queue = context.queue
        self._stats = context.stats
        self._in_flight = InFlightMessages(context.queue)
        self._receives: deque[Future[list[Message]]] = deque()
        self._may_hold_more = is_large(context.queue)
        self._is_empty = False
        self._pending: deque[QueueObject] = deque()
        self._tasks: dict[str, _Task] = {}
        self._accepted: Recent[Writing, None] = Recent()
        self._earlier: dict[Writing, int] = {}
        self._outdated: set[Writing] = set()
        self._failed: Recent[str, Outcome] = Recent()
        self._failure: CollectorError | None = None
        self._libraries = MissingLibraries(object_format.decoder.kinds)
        self._strangers = Strangers(job.type, context.state, context.began)

    def run(self) -> int:
        """Collect until the queue is empty; return 0, or the exit code of the first failure.

        Raises the error that ends the whole run, Interrupted too. Before that, messages whose objects
        were accepted are deleted, and all others are shown to other collectors. The state keeps the first
        failure, or that there was none, for `--status`.
        """
        try:
            self._collect_all()
        except CollectorError as error:
            self._note(error)
            raise
        failure = self._finish()
        self._note(failure)
        return failure.exit_code if failure else 0

    def _collect_all(self) -> None:
        with self._context.stop_request.deferred():
            self._earlier = self._context.state.accepted_events()
            self._context.delivery.sink.connect()
            with self._in_flight:
                self._collect()
            self._in_flight.check()

    def _note(self, failure: CollectorError | None) -> None:
        """Record how the run ended."""
        state, name, began = self._context.state, self._job.type or self._job.name, self._context.began
        # The failure itself is reported; a state that cannot be written is perhaps its reason.
        with suppress(StateError):
            if self._stats.objects:
                state.note_found(name, began)
            if failure:
                state.note_error(name, failure, began)
            else:
                state.complete(name, began)

    def _collect(self) -> None:
        try:
            with self._context.stop_request.interruptible():
                run_source(self, self._context.loading, self._context.delivery)
        finally:
            # Messages that a receive under way still brings are not begun: other collectors may have them at once.
            wait(self._receives, timeout=_LAST_RECEIVE)
            self._record_unfinished()

    def poll(self, *, block: bool) -> QueueObject | None:
        """Return the next object that a message names; with `block`, wait for messages."""
        self._in_flight.check()
        self._ask_for_messages()
        while not self._pending and self._receives and (block or self._receives[0].done()):
            with self._stats.listing:
                messages = self._receives[0].result()
            self._receives.popleft()
            self._may_hold_more = len(messages) >= _FULL
            self._admit(messages, is_idle=block)
            self._stats.notify()
            self._in_flight.check()
            self._ask_for_messages()
        if not self._pending:
            return None
        item = self._pending.popleft()
        if item.object.event is None:
            self._stats.requests.add("GET", self._context.downloads.requests_for(item.object.size or 0))
        return item

    def wants(self, item: QueueObject) -> bool:
        """Tell whether no other message brought the same writing of the object meanwhile."""
        if item.token not in self._accepted:
            return True
        self._finish_object(item)
        return False

    def begin(self, item: QueueObject) -> int:
        """Return how many events of the object a run sent that ended in the middle of its message."""
        self._in_flight.wait_for_deletions()
        return self._earlier.get(item.token, 0)

    def accepted(self, item: QueueObject, count: int, *, complete: bool) -> None:
        """Delete the message with its last object; keep the number of events where the run ends midway."""
        self._tasks[item.message_id].accepted[item.token] = count
        if not complete:
            return
        self._stats.collected(item.object.size or 0)
        key, receiver = item.object.key, self._context.delivery.receiver
        log.log(DEBUG_2, "+++ Sent %d events of %s to %s", count, key, receiver, extra=about(key))
        self._accepted[item.token] = None
        for message_id in self._strangers.found():
            self._in_flight.done(message_id)
        self._finish_object(item)

    def failed(self, item: QueueObject, error: ObjectError) -> None:
        """Leave the message in the queue; its other objects are still sent."""
        task = self._tasks[item.message_id]
        task.outcome = task.outcome.with_failure(error)
        self._stats.count(error)
        if not self._job.skip_on_error:
            self._failure = self._failure or error
        if not self._libraries.tell(error):
            log.error(
                "%s. The message stays in queue %s (delivery %d).",
                str(error).rstrip("."),
                self._queue.name,
                task.message.receives,
                extra=about(item.object.key),
            )
        self._finish_object(item)

    def _ask_for_messages(self) -> None:
        """Keep one receive under way, several while receives come back full."""
        if self._is_empty or len(self._pending) >= _FEW_OBJECTS:
            return
        while len(self._receives) < (RECEIVES_AT_ONCE if self._may_hold_more else 1):
            self._receives.append(self._context.receives.submit(self._receive))

    def _receive(self) -> list[Message]:
        messages = self._queue.receive()
        self._in_flight.add(messages)
        return messages

    def _admit(self, messages: Sequence[Message], *, is_idle: bool) -> None:
        """Take the messages in. None, or only messages that failed before: the queue is empty, and the run ends."""
        passed_over = self._strangers.is_passed_over
        all_failed = all(message.id in self._failed or passed_over(message.id) for message in messages)
        if all_failed and not self._job.follow:
            self._is_empty = True
            for message in messages:
                self._in_flight.release(message.id)
            return
        begun = [self._take(message) for message in messages]
        if messages and all_failed and not any(begun) and is_idle:
            # The queue may show them again at once.
            self._context.stop_request.wait(_PAUSE)

    def _take(self, message: Message) -> bool:
        """Begin to work on a message; False if there is nothing to do about it."""
        if message.id in self._tasks:
            return False
        if self._failed.get(message.id) is Outcome.UNREADABLE or self._strangers.is_passed_over(message.id):
            self._in_flight.release(message.id)
            return False
        try:
            self._begin(message, notified_objects(message.body, message.id))
        except UnknownNotification as error:
            self._leave_unknown(message, error)
            return False
        return True

    def _begin(self, message: Message, notified: Sequence[NotifiedObject]) -> None:
        if any(each.event is not None and not self._format.accepts(each) for each in notified):
            raise UnknownNotification("it is an event itself, which this queue is not read for")
        # Two records about the same writing of an object are sent once.
        wanted = {_token(message, each): each for each in notified if self._accepts(each)}
        missing = {token: each for token, each in wanted.items() if token not in self._accepted}
        self._stats.known += len(wanted) - len(missing)
        self._stats.listed += len(missing)
        if not wanted and self._strangers.holds(message.id, notified):
            if self._job.follow:
                self._strangers.report(self._queue.name)
            for surplus in self._strangers.surplus():
                self._in_flight.release(surplus)
            return
        if not missing:
            log.log(DEBUG_2, "Message %s names no object that is still to be read, and is deleted", message.id)
            self._in_flight.done(message.id)
            return
        self._tasks[message.id] = _Task(message, len(missing))
        for token, each in missing.items():
            self._libraries.look_at(each.key)
            log.log(DEBUG_2, "++ Found new log: %s", each.key, extra=about(each.key))
            self._pending.append(QueueObject(message.id, each, token))

    def _accepts(self, notified: NotifiedObject) -> bool:
        accepted = self._format.accepts(notified)
        if not accepted:
            log.log(DEBUG_3, "++ Passing over another kind of object: %s", notified.key, extra=about(notified.key))
        return accepted

    def _leave_unknown(self, message: Message, error: UnknownNotification) -> None:
        self._failed[message.id] = Outcome.UNREADABLE
        self._in_flight.release(message.id)
        log.warning(
            "Message %s is no notification of S3, EventBridge or SNS: %s. It stays in queue %s for its redrive policy.",
            message.id,
            error,
            self._queue.name,
        )

    def _finish_object(self, item: QueueObject) -> None:
        task = self._tasks[item.message_id]
        task.unfinished -= 1
        if not task.unfinished:
            self._finish_message(task)

    def _finish_message(self, task: _Task) -> None:
        message_id = task.message.id
        del self._tasks[message_id]
        if task.outcome is Outcome.ACCEPTED:
            self._failed.pop(message_id, None)
            self._in_flight.done(message_id)
            self._outdated.update(self._earlier.keys() & task.accepted.keys())
        else:
            self._failed[message_id] = task.outcome
            self._in_flight.release(message_id)

    def _record_unfinished(self) -> None:
        """Record the accepted events of messages that stay in the queue because the run ends."""
        accepted = {writing: count for task in self._tasks.values() for writing, count in task.accepted.items()}
        try:
            self._context.state.record(accepted, self._outdated)
        except StateError as error:
            log.warning("Events of %s may be sent again. %s", counted(len(accepted), "object"), error)

    def _finish(self) -> CollectorError | None:
        """Report what stays in the queue; return the run's first failure."""
        if self._failed:
            log.warning(
                "Queue %s keeps %s whose objects could not be read. The queue's redrive policy decides about them.",
                self._queue.name,
                counted(len(self._failed), "message"),
            )
        self._strangers.report(self._queue.name)
        return self._failure or next(iter(self._in_flight.failures), None)


def is_large(queue: Queue) -> bool:
    """Tell whether the queue held so many messages when it was opened that several receives all come back full."""
    return (queue.waiting or 0) >= _LARGE


def _token(message: Message, notified: NotifiedObject) -> Writing:
    """Return the same token for the same writing of the same object."""
    return (notified.bucket, notified.key, notified.version or message.id)
