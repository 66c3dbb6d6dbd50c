"""Processes that download and read objects side by side, while their messages keep the objects' order.

Object i goes to process i modulo their number; each downloads ahead with its threads and writes encoded
messages to its pipe; the caller reads the pipes in the order of the objects. A full pipe stops its
process, so memory stays bounded by the pipes and by the objects handed out.

The first process is forked before the caller has any thread, and does nothing until there is work: a
small run never needs it. It forks the others, then becomes a worker itself. They end with the caller,
however that ends, and hold none of its files.
"""

import fcntl
import logging
import os
import pickle
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import IO, Any, Generic, NoReturn, TypeVar

from aws_s3.errors import CollectorError
from aws_s3.pipeline.decode import Batches
from aws_s3.pipeline.loading import Loader, messages_of
from aws_s3.pipeline.stats import EventCounts

T = TypeVar("T")

_MESSAGES, _DONE, _FAILED, _LOGGED, _COUNTED = range(5)
"""What comes back from a worker: a batch of messages, an object's last, an error, a log line, an `EventCounts`."""

_OBJECTS_EACH = 64
_BUSY = 32
"""Tasks with which a worker has enough to do for a while: further ones are handed over several at a time."""
_TASKS_AT_ONCE = 16
_PIPE_SIZE = 1 << 20
_BUFFER = 1 << 16
_START = "start"


@dataclass(frozen=True)
class _Pipes:
    """The two ways between the caller and one worker, for pickled objects."""

    tasks_in: IO[bytes]
    tasks_out: IO[bytes]
    results_in: IO[bytes]
    results_out: IO[bytes]

    @classmethod
    def open(cls) -> "_Pipes":
        made = cls(*_pipe(), *_pipe())
        # A worker that is ahead by a few objects need not be woken for each of them. Where the system
        # refuses, pipes are as large as they are.
        with suppress(OSError, AttributeError):
            fcntl.fcntl(made.results_out.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        return made

    def close_callers(self) -> None:
        # What could not be written to a worker that is gone would be tried again.
        with suppress(OSError):
            self.tasks_out.close()
        self.results_in.close()

    def close_workers(self) -> None:
        self.tasks_in.close()
        self.results_out.close()


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    """Return both ends of a pipe; what is written to it arrives at once with `flush`."""
    receiving, sending = os.pipe()
    return os.fdopen(receiving, "rb", _BUFFER), os.fdopen(sending, "wb", _BUFFER)


def _put(pipe: IO[bytes], value: Any) -> None:
    """Write the value in one go: each write wakes who reads."""
    pickle.dump(value, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


class _Worker(Generic[T]):
    """The caller's side of a worker: items go to it in their order, and come back as messages in it."""

    def __init__(self, pipes: _Pipes) -> None:
        self._pipes = pipes
        self._waiting: list[T] = []
        self._at_work = 0

    def add(self, item: T) -> None:
        """Give it one more item. Each write wakes it, and an item alone takes three times as long to pickle."""
        self._waiting.append(item)
        if self._at_work < _BUSY or len(self._waiting) >= _TASKS_AT_ONCE:
            self.hand_over()

    def messages(self, reading: EventCounts) -> Batches:
        """Return the next item's messages. They raise CollectorError when the worker has gone, and as reading did."""
        if not self._at_work:
            self.hand_over()
        self._at_work -= 1
        return _received(self._pipes.results_in, reading)

    def hand_over(self) -> None:
        """Let it have all that was added."""
        if not self._waiting:
            return
        _checked(lambda: _put(self._pipes.tasks_out, self._waiting))
        self._at_work += len(self._waiting)
        self._waiting.clear()


class WorkerPool(Generic[T]):
    """`size` worker processes; they begin to work with the first call of `load`.

    To be made before the process has any other thread. `bytes_ahead` bounds what is downloaded and not
    yet read, over all of them.
    """

    def __init__(self, size: int, loader: Loader[T], threads: Callable[[], Executor], bytes_ahead: int) -> None:
        self._pipes = [_Pipes.open() for _ in range(size)]
        self._size_of = loader.size_of
        self._reading = loader.reading
        self._bytes_ahead = bytes_ahead
        with _no_signals():
            self._first = os.fork()
            if self._first == 0:
                _run_first(self._pipes, loader, threads)
        for pipes in self._pipes:
            pipes.close_workers()

    def load(self, items: Iterable[T]) -> Iterator[tuple[T, Batches]]:
        """Yield each item with its messages, in order. What is not taken of an item's messages is lost.

        Raises CollectorError when a process was killed; the messages raise what reading the item raised.
        """
        _checked(lambda: _put(self._pipes[0].tasks_out, _START))
        workers = [_Worker[T](pipes) for pipes in self._pipes]
        pending: deque[tuple[T, _Worker[T]]] = deque()
        held = 0
        for number, item in enumerate(items):
            size = self._size_of(item)
            while pending and (len(pending) >= _OBJECTS_EACH * len(workers) or held + size > self._bytes_ahead):
                held -= self._size_of(pending[0][0])
                yield from _taken(*pending.popleft(), self._reading)
            worker = workers[number % len(workers)]
            worker.add(item)
            pending.append((item, worker))
            held += size
        for worker in workers:
            worker.hand_over()
        for item, worker in pending:
            yield from _taken(item, worker, self._reading)

    def close(self) -> None:
        """Let the processes end, and wait for it."""
        for pipes in self._pipes:
            pipes.close_callers()
        with suppress(ChildProcessError):
            os.waitpid(self._first, 0)


def _taken(item: T, worker: _Worker[T], reading: EventCounts) -> Iterator[tuple[T, Batches]]:
    """Yield the item with its messages, then read what the caller left of them."""
    messages = worker.messages(reading)
    yield item, messages
    # How an object ends that the caller gave up is of no interest; a process that has gone shows again.
    with suppress(CollectorError):
        deque(messages, maxlen=0)


def _received(results: IO[bytes], reading: EventCounts) -> Batches:
    while True:
        kind, content = _checked(lambda: pickle.load(results))
        if kind == _LOGGED:
            record = logging.makeLogRecord(content)
            logging.getLogger(record.name).handle(record)
        elif kind == _COUNTED:
            reading.add(content)
        elif kind == _FAILED:
            raise content
        elif content:
            yield content
        if kind == _DONE:
            return


def _checked(use: Callable[[], Any]) -> Any:
    """Use a pipe; a worker that has gone is a failure of the run."""
    try:
        return use()
    except (EOFError, OSError, pickle.UnpicklingError) as error:
        raise CollectorError(
            "A worker process ended unexpectedly: it was killed, or memory ran out. What was sent until then "
            "is recorded; the next run goes on. Use --workers 1 where memory is short."
        ) from error


@contextmanager
def _no_signals() -> Iterator[None]:
    """Hold signals back: what their handlers raise in the midst of a fork, Python prints and forgets."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_first(pipes: Sequence[_Pipes], loader: Loader[T], threads: Callable[[], Executor]) -> NoReturn:
    """Wait until there is work, fork the other workers, and be one; never return."""
    try:
        _detach()
        for each in pipes:
            each.close_callers()
        pickle.load(pipes[0].tasks_in)
        mine, children = _fork_others(pipes)
        for each in pipes:
            if each is not mine:
                each.close_workers()
        _work(mine, children, loader, threads())
    finally:
        # Nothing of the caller's may run in a worker: no handler, no flush.
        os._exit(0)


def _detach() -> None:
    """Leave signals and streams to the caller: a worker ends when its pipe does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.close(nothing)


def _fork_others(pipes: Sequence[_Pipes]) -> tuple[_Pipes, list[int]]:
    """Return the pipes of the process that this is now, and its children."""
    children = []
    for other in pipes[1:]:
        child = os.fork()
        if child == 0:
            return other, []
        children.append(child)
    return pipes[0], children


def _work(pipes: _Pipes, children: Sequence[int], loader: Loader[T], executor: Executor) -> None:
    """Answer the tasks in their order, until the caller closes the pipe or is gone."""
    results = _Results(pipes.results_out)
    results.take_logs()
    pending: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def receive() -> None:
        try:
            while True:
                for item in pickle.load(pipes.tasks_in):
                    pending.put((item, executor.submit(loader.get, item)))
        except (EOFError, OSError, pickle.UnpicklingError):
            for child in children:
                os.waitpid(child, 0)
            os._exit(0)

    threading.Thread(target=receive, daemon=True).start()
    for _ in count():
        item, content = pending.get()
        results.answer(messages_of(item, content, loader), loader.reading)


class _Results(logging.Handler):
    """The way back to the caller: messages, what ended them, and lines for the terminal."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__()
        self._pipe = pipe

    def take_logs(self) -> None:
        """Send what is logged in this process to the caller's handlers."""
        logging.getLogger("aws_s3").handlers = [self]

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record, whichever thread logs it."""
        self._send(_LOGGED, {**record.__dict__, "exc_info": None})

    def answer(self, messages: Batches, reading: EventCounts) -> None:
        """Send an object's messages, then how it ended; that goes with the last of them, often the only ones.

        What was counted in `reading` comes before that.
        """
        ending: tuple[int, Any] = (_DONE, b"")
        try:
            for batch in messages:
                if ending[1]:
                    self._send(_MESSAGES, ending[1])
                ending = (_DONE, batch)
        except CollectorError as error:
            ending = (_FAILED, error)
        except Exception as error:
            ending = (_FAILED, CollectorError(f"Unknown error: {type(error).__name__}: {error}"))
        if reading:
            self._send(_COUNTED, reading.take())
        self._send(*ending)

    def _send(self, kind: int, content: Any) -> None:
        self.acquire()
        try:
            _put(self._pipe, (kind, content))
        finally:
            self.release()
