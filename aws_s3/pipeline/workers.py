"""Processes that fetch and decode items side by side, while the encoded events keep the items' order.

    caller ──Item──> tasks pipe ──> worker: threads fetch ahead, the main thread decodes in order
       ^                                                                  │
       └──── Events… · Done | Failed, between them LogLine, Counted <── results pipe

Item i goes to worker i modulo their number, and the caller reads the results pipes in the order of the
items. A full results pipe stops its worker, so memory stays bounded by the pipes and by the items handed
out. A worker without work, or of several with a full pipe, helps another with a large object: `pipeline/sharing.py`.

    caller ──fork, before it has threads──> first worker ──fork, at the first item──> other workers

The first worker does nothing until the first item: a small run never needs more. It then says how many workers
there are, fewer where the system starts no more. Workers end with the caller, however the caller ends and whatever
they do, and hold none of its files.

Neither `multiprocessing` nor `concurrent.futures` serves: both return a result as a whole, whereas an
object's events may exceed the memory; both fork or spawn when the caller already has threads and locks,
or import everything again; and their workers outlive a caller that is killed, or print exceptions of signals.
"""

import fcntl
import logging
import os
import pickle
import queue
import select
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Generic, NamedTuple, NoReturn, TypeAlias, TypeVar

from aws_s3.errors import CollectorError, ResourceError, StorageError, missing_resource
from aws_s3.pipeline.decode import Batches, Spread
from aws_s3.pipeline.prefetch import PrefetchQueue
from aws_s3.pipeline.processes import die_with, end_child, worker_gone
from aws_s3.pipeline.sharing import Seat, Table
from aws_s3.pipeline.source import Item, ItemReader
from aws_s3.pipeline.stats import EventCounts

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Item)

_ITEMS_EACH = 64
_BUSY = 32
"""Tasks that keep a worker busy for a while: further tasks are handed over several at a time."""
_TASKS_AT_ONCE = 16
_PIPE_SIZE = 1 << 20
_BUFFER = 1 << 16
_START = "start"
_SECONDS_TO_END = 1.0
"""How long the caller waits for the end of the first worker, and that for half as long for the end of the others."""


# The messages that a worker writes to its results pipe, each as its number in `_RESULTS` and its only value:
# pickling an instance of a class takes ten times as long.


class Events(NamedTuple):
    """A batch of an item's encoded events, with more to come."""

    batch: bytes


class Done(NamedTuple):
    """An item's last batch, often its only one; empty if the item has no events."""

    batch: bytes


class Failed(NamedTuple):
    """An item's failure, in the place of its further events."""

    error: CollectorError


class LogLine(NamedTuple):
    """The attributes of a log record, for the caller's handlers."""

    record: dict[str, Any]


class Counted(NamedTuple):
    """The counts of an item's discarded and truncated events."""

    counts: EventCounts


Result: TypeAlias = Events | Done | Failed | LogLine | Counted

_RESULTS: Sequence[Callable[[Any], Result]] = (Events, Done, Failed, LogLine, Counted)


@dataclass(frozen=True)
class _Pipes:
    """The two pipes between the caller and one worker, for pickled objects."""

    tasks_in: IO[bytes]
    tasks_out: IO[bytes]
    results_in: IO[bytes]
    results_out: IO[bytes]

    @classmethod
    def open(cls, opened: ExitStack) -> "_Pipes":
        made = cls(*_pipe(opened), *_pipe(opened))
        # A larger pipe lets a worker run ahead by a few objects, instead of being woken for each of them.
        # The pipe keeps its size if the system refuses.
        with suppress(OSError, AttributeError):
            fcntl.fcntl(made.results_out.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        return made

    def close_callers(self) -> None:
        # Closing flushes tasks that were not written; the worker may be gone, or be stopped and never read them.
        with suppress(OSError):
            os.set_blocking(self.tasks_out.fileno(), False)
            self.tasks_out.close()
        self.results_in.close()

    def close_workers(self) -> None:
        self.tasks_in.close()
        self.results_out.close()


def _pipe(opened: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Return both ends of a pipe, which `opened` closes; written data arrives with `flush`."""
    receiving, sending = os.pipe()
    return (
        opened.enter_context(os.fdopen(receiving, "rb", _BUFFER)),
        opened.enter_context(os.fdopen(sending, "wb", _BUFFER)),
    )


def _put(pipe: IO[bytes], value: Any) -> None:
    """Write the value with one system call: each call wakes the reader."""
    pickle.dump(value, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


class _Worker(Generic[T]):
    """The caller's side of a worker: items go to the worker in order, and come back as events in that order."""

    def __init__(self, pipes: _Pipes) -> None:
        self._pipes = pipes
        self._waiting: list[T] = []
        self._at_work = 0

    def add(self, item: T) -> None:
        """Give the worker one more item.

        Each write wakes the worker, and pickling an item alone takes three times as long as among others.
        """
        self._waiting.append(item)
        if self._at_work < _BUSY or len(self._waiting) >= _TASKS_AT_ONCE:
            self._hand_over()

    def batches(self, counts: EventCounts) -> Batches:
        """Yield the next item's events. Raises CollectorError if the worker is gone, else the item's failure."""
        if self._at_work <= _BUSY // 2:
            self._hand_over()
        self._at_work -= 1
        return _received(self._pipes.results_in, counts)

    def _hand_over(self) -> None:
        if not self._waiting:
            return
        # A worker that is gone may have left the reason in its results pipe, where the next item's turn finds it.
        with suppress(BrokenPipeError):
            _put(self._pipes.tasks_out, self._waiting)
        self._at_work += len(self._waiting)
        self._waiting.clear()


class WorkerPool(Generic[T]):
    """`size` worker processes, a `Loading`. They begin to work with the first item.

    To be made before the process has any other thread. `max_bytes` bounds the bytes that are fetched and
    not yet decoded, over all workers. Raises OSError if the system refuses the pipes or the first process.
    """

    def __init__(self, size: int, reader: ItemReader[T], threads: Callable[[], Executor], max_bytes: int) -> None:
        self._counts = reader.counts
        self._queue: PrefetchQueue[T, _Worker[T]] = PrefetchQueue(self._assign, _ITEMS_EACH * size, max_bytes)
        self._workers: deque[_Worker[T]] = deque()
        with ExitStack() as opened:
            self._pipes = [_Pipes.open(opened) for _ in range(size)]
            caller = os.getpid()
            with _no_signals():
                self._first = os.fork()
                if self._first == 0:
                    _run_first(caller, self._pipes, reader, threads)
                opened.pop_all()
        for pipes in self._pipes:
            pipes.close_workers()

    def __len__(self) -> int:
        """Return the number of items that were added and not taken."""
        return len(self._queue)

    @property
    def has_room(self) -> bool:
        """Tell whether another item may be added now."""
        return self._queue.has_room

    def add(self, item: T) -> None:
        """Put the item behind the others. Raises CollectorError if a worker was killed."""
        if not self._workers:
            self._workers.extend(map(_Worker, self._started()))
        self._queue.add(item)

    @contextmanager
    def take(self) -> Iterator[tuple[T, Batches]]:
        """Take the first item out, with its encoded events, which raise CollectorError if its worker was killed."""
        item, worker = self._queue.pop()
        batches = worker.batches(self._counts)
        yield item, batches
        # Errors of an abandoned item do not matter; a dead worker is detected on the next read.
        with suppress(CollectorError):
            deque(batches, maxlen=0)

    def close(self) -> None:
        """Let the processes end, wait for their end, and kill those that do not end: stopped ones, for example."""
        for pipes in self._pipes:
            pipes.close_callers()
        end_child(self._first, _SECONDS_TO_END)

    def _started(self) -> Sequence[_Pipes]:
        """Let the first worker start the others; return the pipes of those that there are."""
        first = self._pipes[0]
        _checked(lambda: _put(first.tasks_out, _START))
        count, reason = _checked(lambda: pickle.load(first.results_in))
        if reason:
            log.info("%s The run goes on with %d of %d worker processes.", reason, count, len(self._pipes))
        return self._pipes[:count]

    def _assign(self, item: T) -> _Worker[T]:
        worker = self._workers[0]
        self._workers.rotate(-1)
        worker.add(item)
        return worker


def _received(results: IO[bytes], counts: EventCounts) -> Batches:
    while True:
        number, value = _checked(lambda: pickle.load(results))
        match _RESULTS[number](value):
            case Events(batch):
                yield batch
            case Done(batch):
                if batch:
                    yield batch
                return
            case Failed(error):
                raise error
            case LogLine(attributes):
                record = logging.makeLogRecord(attributes)
                logging.getLogger(record.name).handle(record)
            case Counted(more):
                counts.add(more)


def _checked(use: Callable[[], Any]) -> Any:
    """Use a pipe; a worker that is gone is a failure of the run."""
    try:
        return use()
    except (EOFError, OSError, pickle.UnpicklingError) as error:
        raise worker_gone() from error


@contextmanager
def _no_signals() -> Iterator[None]:
    """Block signals: an exception that a handler raises in the midst of a fork is printed and lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_first(
    caller: int, pipes: Sequence[_Pipes], reader: ItemReader[T], threads: Callable[[], Executor]
) -> NoReturn:
    """Wait for the first item, fork the other workers, and be a worker; never return."""
    try:
        _detach()
        for each in pipes:
            each.close_callers()
        pickle.load(pipes[0].tasks_in)
        die_with(caller)
        table = _table(len(pipes))
        number, children = _fork_others(pipes)
        for other, each in enumerate(pipes):
            if other != number:
                each.close_workers()
        _work(pipes[number], children, reader, threads, Seat(table, number, reader) if table else None)
    finally:
        # A worker must not run the caller's exit handlers, nor flush the caller's buffers.
        os._exit(0)


def _detach() -> None:
    """Leave signals and streams to the caller: a worker ends when its tasks pipe does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.close(nothing)


def _table(workers: int) -> Table | None:
    """Return what workers need to share large objects; None where the system refuses it: each reads its own then."""
    try:
        return Table.open(workers)
    except (OSError, StorageError):
        return None


def _fork_others(pipes: Sequence[_Pipes]) -> tuple[int, list[int]]:
    """Fork a worker for each further pair of pipes; return the number of this process's pair, and its children.

    The first worker tells the caller how many workers there are, and the reason if there are fewer than pipes.
    """
    first = os.getpid()
    children: list[int] = []
    reason = ""
    for number in range(1, len(pipes)):
        try:
            child = os.fork()
        except OSError as error:
            reason = str(missing_resource(error) or error)
            break
        if child == 0:
            die_with(first)
            return number, []
        children.append(child)
    _put(pipes[0].results_out, (1 + len(children), reason))
    return 0, children


def _work(
    pipes: _Pipes,
    children: Sequence[int],
    reader: ItemReader[T],
    threads: Callable[[], Executor],
    seat: Seat[T] | None,
) -> None:
    """Answer the tasks in order, until the caller closes the pipe or is gone."""
    results = _Results(pipes.results_out.fileno(), seat)
    results.take_logs()
    pending = _Pending(seat)

    def receive() -> None:
        try:
            while True:
                for item in pickle.load(pipes.tasks_in):
                    pending.put((item, executor.submit(reader.fetch, item)))
        except (EOFError, OSError, pickle.UnpicklingError):
            _end_with(children)

    try:
        executor = threads()
        threading.Thread(target=receive, daemon=True).start()
    except (ResourceError, RuntimeError) as error:
        results.answer(_raising(missing_resource(error) or error), reader.counts)
        _end_with(children)
    while True:
        item, content = pending.get()
        spread = partial(seat.spread, item) if seat else map
        results.answer(decoded(reader, item, content, spread), reader.counts)


class _Pending(Generic[T]):
    """Tasks that a thread puts in for the main thread, which helps other workers while there is none."""

    def __init__(self, seat: Seat[T] | None) -> None:
        self._seat = seat
        self._tasks: queue.SimpleQueue[tuple[T, Future[IO[bytes]]]] = queue.SimpleQueue()
        self._is_awaited = False
        self._bell_in, self._bell_out = os.pipe()
        os.set_blocking(self._bell_in, False)
        os.set_blocking(self._bell_out, False)

    def put(self, task: tuple[T, Future[IO[bytes]]]) -> None:
        self._tasks.put(task)
        if self._is_awaited:
            with suppress(BlockingIOError):
                os.write(self._bell_out, b".")

    def get(self) -> tuple[T, Future[IO[bytes]]]:
        if self._seat is None:
            return self._tasks.get()
        self._is_awaited = False
        while True:
            # The flag is set before the last look: whoever puts a task behind that look rings.
            with suppress(queue.Empty):
                return self._tasks.get_nowait()
            if self._is_awaited:
                self._seat.wait(self._bell_in, select.POLLIN)
                with suppress(BlockingIOError):
                    os.read(self._bell_in, _PIPE_SIZE)
            self._is_awaited = True


def _end_with(children: Sequence[int]) -> NoReturn:
    """End this process after its children."""
    for child in children:
        end_child(child, _SECONDS_TO_END / 2 / len(children))
    os._exit(0)


def _raising(error: Exception) -> Batches:
    """Yield nothing: raise the error, as the first item's failure."""
    raise error
    yield b""


def decoded(reader: ItemReader[T], item: T, content: Future[IO[bytes]], spread: Spread = map) -> Batches:
    """Yield the item's encoded events; the first batch waits for the content."""
    with content.result() as body:
        yield from reader.decode(item, body, spread)


class _Results(logging.Handler):
    """The worker's side of the results pipe."""

    def __init__(self, pipe: int, seat: Seat[Any] | None) -> None:
        super().__init__()
        self._pipe = pipe
        self._seat = seat
        self._main = threading.get_ident()
        os.set_blocking(pipe, False)

    def take_logs(self) -> None:
        """Send the log lines of this process to the caller's handlers."""
        logging.getLogger("aws_s3").handlers = [self]

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record, whichever thread logs it."""
        self._send(LogLine({**record.__dict__, "exc_info": None}))

    def answer(self, batches: Batches, counts: EventCounts) -> None:
        """Send an item's events, the counts made meanwhile, then the item's end.

        The end goes with the last batch, often the only one: an item takes one write.
        """
        last = b""
        end: Done | Failed
        try:
            for batch in batches:
                if last:
                    self._send(Events(last))
                last = batch
            end = Done(last)
        except CollectorError as error:
            end = Failed(error)
        except Exception as error:
            unknown = CollectorError(f"Unknown error: {type(error).__name__}: {error}")
            end = Failed(missing_resource(error) or unknown)
        if counts:
            self._send(Counted(counts.take()))
        self._send(end)

    def _send(self, result: Result) -> None:
        self.acquire()
        try:
            left = memoryview(pickle.dumps((_RESULTS.index(type(result)), result[0]), pickle.HIGHEST_PROTOCOL))
            while left:
                try:
                    left = left[os.write(self._pipe, left) :]
                except BlockingIOError:
                    self._wait_for_room()
        finally:
            self.release()

    def _wait_for_room(self) -> None:
        """Wait until the caller has read something; the main thread may help other workers meanwhile."""
        if self._seat and self._seat.has_time and threading.get_ident() == self._main:
            self._seat.wait(self._pipe, select.POLLOUT)
        else:
            select.select((), (self._pipe,), ())
