"""The queue's loop: receive → objects → download → messages → sink → deletion from the queue.

It knows interfaces and no kind of content. It alone decides what a failure means for the rest of the run.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from typing import IO, TypeVar

from aws_s3.aws.s3 import Bucket, S3Object
from aws_s3.aws.sqs import Message, Queue
from aws_s3.errors import ObjectError, UnavailableError
from aws_s3.pipeline.decode import ObjectDecoder, messages_in
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.levels import DEBUG_2
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.stats import RunStats
from aws_s3.pipeline.window import Window
from aws_s3.settings import SubscriberJob
from aws_s3.subscribers.base import ObjectFormat
from aws_s3.subscribers.notifications import NotifiedObject, UnknownNotification, notified_objects
from aws_s3.subscribers.visibility import InFlightMessages

log = logging.getLogger(__name__)

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")

_FEW_OBJECTS = 10
_OBJECTS_AHEAD = 32
_BYTES_AHEAD = 64 << 20
_USUAL_SIZE = 4 << 20
"""Bytes that an object is taken to have when its message does not tell."""

_UNKNOWN_SIZE = -1
_REMEMBERED = 100_000
_SLICE = 0.2
_LAST_RECEIVE = 0.5
_PAUSE = 1.0


@dataclass(frozen=True)
class Context:
    """What a collection works with. `store` returns the bucket of a name."""

    queue: Queue
    store: Callable[[str], Bucket]
    delivery: Delivery
    receives: Executor
    downloads: Executor
    stop_request: StopRequest
    stats: RunStats = field(default_factory=RunStats)


@dataclass
class _Task:
    """A message in work: how many of its objects are not finished, and what became of the others.

    `sent`: events of it were; `failed`: an object did; `hopeful`: one that may be had another time.
    """

    message: Message
    unfinished: int
    sent: bool = False
    failed: bool = False
    hopeful: bool = False


@dataclass(frozen=True)
class _Wanted:
    """An object to collect. `token` is the same for the same writing of the same object."""

    task: _Task
    object: NotifiedObject
    token: tuple[str, ...]

    @property
    def size(self) -> int:
        """Its bytes, as far as is known."""
        return _USUAL_SIZE if self.object.size is None else self.object.size


class Subscription:
    """Collects what one queue's messages name.

    A message is deleted when all of its objects were accepted. One whose object fails stays in the
    queue; when it comes back, the objects of it that were accepted are not sent again by this run, and
    it is tried again unless that would not help.
    """

    def __init__(self, job: SubscriberJob, subscriber: ObjectFormat, context: Context) -> None:
        self._job = job
        self._subscriber = subscriber
        self._context = context
        self._queue = context.queue
        self._leases = InFlightMessages(context.queue)
        self._stats = context.stats
        rules = EventRules(job.discard, context.delivery.limit, self._stats.reading)
        self._reader = ObjectDecoder(subscriber, job.skip_on_error, rules, subscriber.discards)
        self._window: Window[_Wanted, IO[bytes]] = Window(
            context.downloads, self._get, lambda wanted: wanted.size, _OBJECTS_AHEAD, _BYTES_AHEAD
        )
        self._upcoming: Future[list[Message]] | None = None
        self._tasks: dict[str, _Task] = {}
        self._accepted: _Memory[tuple[str, ...], None] = _Memory()
        self._failed: _Memory[str, bool] = _Memory()
        self._code = 0
        self._counts = _Counts()
        self._ended = False
        self._midway = False

    def run(self) -> int:
        """Collect until the queue is empty; return 0, or the exit code of the first failure.

        Raises what ends the whole run, Interrupted too. Before that, what was accepted is deleted, and
        what was not begun is shown to other collectors.
        """
        with self._context.stop_request.deferred():
            self._context.delivery.sink.connect()
            with self._leases:
                self._collect_all()
            self._leases.check()
        return self._finish()

    def _collect_all(self) -> None:
        try:
            self._loop()
        finally:
            # What a receive under way still brings is not begun: others may have it at once.
            wait([self._upcoming] if self._upcoming else (), timeout=_LAST_RECEIVE)

    def _loop(self) -> None:
        while True:
            self._leases.check()
            if not self._ended and self._upcoming is None and len(self._window) < _FEW_OBJECTS:
                self._upcoming = self._context.receives.submit(self._receive)
            if self._upcoming and (self._upcoming.done() or not self._window):
                with self._stats.listing:
                    messages = self._result(self._upcoming)
                self._upcoming = None
                self._admit(messages)
            elif self._window:
                self._collect(*self._window.pop())
            else:
                return
            self._stats.notify()

    def _receive(self) -> list[Message]:
        messages = self._queue.receive()
        self._leases.add(messages)
        return messages

    def _admit(self, messages: Sequence[Message]) -> None:
        """Take the messages in, unless they end the run: there are none, or only such as failed before."""
        all_failed = all(message.id in self._failed for message in messages)
        if all_failed and not self._job.follow:
            self._ended = True
            for message in messages:
                self._leases.release(message.id)
            return
        begun = [self._take(message) for message in messages]
        if messages and all_failed and not any(begun) and not self._window:
            # The queue may show them again at once.
            self._pause()

    def _take(self, message: Message) -> bool:
        """Begin to work on a message; False when there is nothing to be done about it."""
        if message.id in self._tasks:
            return False
        if self._failed.get(message.id) is False:  # reading it again would not help
            self._leases.release(message.id)
            return False
        try:
            self._begin(message, notified_objects(message.body))
        except UnknownNotification as error:
            self._leave_unknown(message, error)
            return False
        return True

    def _begin(self, message: Message, notified: Sequence[NotifiedObject]) -> None:
        # Of two records about the same writing of an object, one is enough.
        wanted = {_token(message, item): item for item in notified if self._accepts(item)}
        missing = {token: item for token, item in wanted.items() if token not in self._accepted}
        self._stats.known += len(wanted) - len(missing)
        self._stats.listed += len(missing)
        if not missing:
            log.debug("Message %s names nothing that is still to be read, and is deleted", message.id)
            self._leases.done(message.id)
            return
        task = self._tasks[message.id] = _Task(message, len(missing))
        for token, item in missing.items():
            log.log(DEBUG_2, "++ Found new log: %s", item.key)
            self._window.add(_Wanted(task, item, token))

    def _accepts(self, notified: NotifiedObject) -> bool:
        if self._subscriber.accepts(notified):
            self._counts.accepted += 1
            return True
        self._counts.passed_over += 1
        log.debug("++ Passing over another kind of object: %s", notified.key)
        return False

    def _leave_unknown(self, message: Message, error: UnknownNotification) -> None:
        self._failed[message.id] = False
        self._leases.release(message.id)
        log.warning(
            "Message %s is no notification of S3, EventBridge or SNS: %s. It stays in queue %s for its redrive policy.",
            message.id,
            error,
            self._queue.name,
        )

    def _get(self, wanted: _Wanted) -> IO[bytes]:
        notified = wanted.object
        size = _UNKNOWN_SIZE if notified.size is None else notified.size
        return self._context.store(notified.bucket).get(S3Object(notified.key, size, ""))

    def _collect(self, wanted: _Wanted, download: Future[IO[bytes]]) -> None:
        task = wanted.task
        try:
            with self._stats.downloading:
                content = self._result(download)
            with content as body:
                if wanted.token not in self._accepted:
                    self._send(wanted, body)
        except ObjectError as error:
            self._fail(task, error)
        else:
            self._accepted[wanted.token] = None
        task.unfinished -= 1
        self._midway = task.sent and task.unfinished > 0
        if not task.unfinished:
            self._settle(task)

    def _send(self, wanted: _Wanted, body: IO[bytes]) -> None:
        key = wanted.object.key
        before = self._context.delivery.accepted
        messages = self._reader.messages(key, body, self._subscriber.envelope(wanted.object))
        for batch in self._stats.downloading.around(messages):
            wanted.task.sent = True
            self._context.delivery.send(messages_in(batch))
        self._stats.collected(wanted.object.size or 0)
        log.debug("+++ Sent %d events of %s to Analysisd", self._context.delivery.accepted - before, key)

    def _fail(self, task: _Task, error: ObjectError) -> None:
        task.failed = True
        self._stats.count(error)
        task.hopeful |= isinstance(error, UnavailableError) and not error.gone
        if not self._job.skip_on_error:
            self._code = self._code or error.exit_code
        log.error(
            "%s. The message stays in queue %s (delivery %d).",
            str(error).rstrip("."),
            self._queue.name,
            task.message.receives,
        )

    def _settle(self, task: _Task) -> None:
        message_id = task.message.id
        del self._tasks[message_id]
        if task.failed:
            self._failed[message_id] = task.hopeful
            self._leases.release(message_id)
        else:
            self._failed.pop(message_id, None)
            self._leases.done(message_id)

    def _result(self, future: Future[T]) -> T:
        """Return the future's result, or raise Interrupted when a signal asks to stop."""
        while not future.done():
            self._check()
            wait([future], timeout=_SLICE)
        self._check()
        return future.result()

    def _pause(self) -> None:
        until = time.monotonic() + _PAUSE
        while time.monotonic() < until:
            self._check()
            time.sleep(_SLICE)

    def _check(self) -> None:
        """Raise Interrupted when a signal asks to stop, but not within a message.

        What was sent of it would be sent again.
        """
        if not self._midway:
            self._context.stop_request.check()

    def _finish(self) -> int:
        if self._failed:
            log.warning(
                "%d messages stay in queue %s: what they name could not be read. Its redrive policy decides "
                "what becomes of them.",
                len(self._failed),
                self._queue.name,
            )
        if self._counts.passed_over and not self._counts.accepted:
            log.warning("None of the objects was of the type asked for. Check --type and the queue.")
        return self._code or next((failure.exit_code for failure in self._leases.failures), 0)


@dataclass
class _Counts:
    """How many objects were of the kind asked for, and how many were not."""

    accepted: int = 0
    passed_over: int = 0


class _Memory(dict[K, V]):
    """What was learnt last: a process that runs for months must not grow."""

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > _REMEMBERED:
            del self[next(iter(self))]


def _token(message: Message, item: NotifiedObject) -> tuple[str, ...]:
    return (item.bucket, item.key, item.version or message.id)
