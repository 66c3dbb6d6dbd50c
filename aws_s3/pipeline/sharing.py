"""Blocks of one large object, read by all workers that have nothing else to do.

    owner ──(item, block)──> jobs: one datagram socket ──> any worker that waits
      ^                                                       │ reads the block
      ├── datagrams: number, length <── finished              │
      └── results file, a place for each block  <─────────────┘

The owner of the object cuts it and keeps the order. It offers a block while the socket has room, and reads the next
block itself; it takes back what nobody took. A worker that helps never waits: its result goes to a file, so that no two
workers wait for each other. A block that a helper cannot read is read again by its owner, where the error belongs.
"""

import logging
import os
import pickle
import select
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any, Generic, TypeVar

from aws_s3.codec.blocks import Block
from aws_s3.codec.compression import temporary_file
from aws_s3.pipeline.processes import worker_gone
from aws_s3.pipeline.source import Item, ItemReader

T = TypeVar("T", bound=Item)

_OWN = 8
"""Blocks that the owner reads itself before it offers any: small objects are not worth sharing."""

_WINDOW = 64
"""Blocks of an object that were read and not yet passed on, or are being read, at most."""

_PLACE = 16 << 20
"""Bytes of a block's place in the results file, of which only the written ones exist."""

_LARGEST_JOB = 1 << 20
_TWO = 2
_FINISHED = struct.Struct("=Qq")
"""The block's number, and the length of its result."""

_FAILED = -1


@dataclass(frozen=True)
class _Desk:
    """The things that one worker owns: a file for results, a pipe for the news of them, and the sign of its life.

    The pipe has room for the news of all blocks of a window. `alive_in` ends when the worker does, because nobody else
    holds `alive_out`.
    """

    results: IO[bytes]
    finished_in: IO[bytes]
    finished_out: IO[bytes]
    alive_in: IO[bytes]
    alive_out: IO[bytes]

    @classmethod
    def open(cls, opened: ExitStack) -> "_Desk":
        return cls(opened.enter_context(temporary_file()), *_pipe(opened), *_pipe(opened))


def _pipe(opened: ExitStack) -> Sequence[IO[bytes]]:
    """Return both ends of a pipe that nobody waits for, and `opened` closes."""
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return [opened.enter_context(os.fdopen(end, mode, 0)) for end, mode in zip(ends, ("rb", "wb"), strict=True)]


@dataclass(frozen=True)
class Table:
    """The things that workers share, made before they part: the socket of the jobs, and each worker's desk."""

    jobs_in: socket.socket
    jobs_out: socket.socket
    desks: Sequence[_Desk]

    @classmethod
    def open(cls, workers: int) -> "Table":
        """Make it. Raises OSError or StorageError where the system refuses a socket or a temporary file."""
        with ExitStack() as opened:
            jobs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            for end in jobs:
                opened.enter_context(end)
                end.setblocking(False)  # noqa: FBT003 - it takes no keyword
            table = cls(*jobs, [_Desk.open(opened) for _ in range(workers)])
            opened.pop_all()
        return table


class Seat(Generic[T]):
    """One worker at the table: it shares the blocks of its own large objects, and helps with those of others.

    All methods are for the worker's main thread.
    """

    def __init__(self, table: Table, number: int, reader: ItemReader[T]) -> None:
        self._table = table
        self._number = number
        self._desk = table.desks[number]
        self._reader = reader
        for other in table.desks:
            if other is not self._desk:
                other.alive_out.close()

    @property
    def has_time(self) -> bool:
        """Whether a worker with a full pipe is to help: of two, the other one and the caller keep two cores busy."""
        return len(self._table.desks) > _TWO

    def wait(self, descriptor: int, event: int) -> None:
        """Help others until the event of `poll` comes at the descriptor."""
        poll = select.poll()
        poll.register(descriptor, event)
        poll.register(self._table.jobs_in, select.POLLIN)
        while all(ready != descriptor for ready, _ in poll.poll()):
            self._help()

    def spread(self, item: T, encode: Callable[[Block], bytes], blocks: Iterator[Block]) -> Iterator[bytes]:
        """Yield what `encode` returns for each of the item's blocks, in order; others read some of them.

        Raises what `blocks` and `encode` raise, in the place of the block, and CollectorError if a worker is gone.
        """
        shared = _Shared(item)
        try:
            for number, block in enumerate(blocks):
                if number >= _OWN and self._offer(shared, number, block):
                    shared.waiting.append(block)
                else:
                    shared.waiting.append(encode(block))
                self._look(shared)
                while shared.waiting and (shared.is_finished or len(shared.waiting) > _WINDOW):
                    yield self._first(shared, encode)
            while shared.waiting:
                yield self._first(shared, encode)
        finally:
            # No helper may write to a place that the next object uses.
            while shared.offered:
                self._await(shared)

    def _offer(self, shared: "_Shared[T]", number: int, block: Block) -> bool:
        job = pickle.dumps((self._number, number, shared.item, block), pickle.HIGHEST_PROTOCOL)
        try:
            self._table.jobs_out.send(job)
        except OSError:  # There is no room for it, or it is too large for any.
            return False
        shared.offered.add(number)
        return True

    def _first(self, shared: "_Shared[T]", encode: Callable[[Block], bytes]) -> bytes:
        """Take out the first block, and return its result; wait for it, and help meanwhile."""
        while not shared.is_finished:
            self._await(shared)
        number, first = shared.first, shared.waiting.popleft()
        shared.first += 1
        if isinstance(first, bytes):
            return first
        length = shared.finished.pop(number)
        if length == _FAILED:
            return encode(first)
        batch: bytes
        batch, counts, records = pickle.loads(os.pread(self._desk.results.fileno(), length, _place(number)))
        self._reader.counts.add(counts)
        for attributes in records:
            record = logging.makeLogRecord(attributes)
            logging.getLogger(record.name).handle(record)
        return batch

    def _await(self, shared: "_Shared[T]") -> None:
        """Wait until an offered block is finished, or read one that nobody took."""
        poll = select.poll()
        poll.register(self._desk.finished_in, select.POLLIN)
        poll.register(self._table.jobs_in, select.POLLIN)
        for desk in self._table.desks:
            if desk is not self._desk:
                poll.register(desk.alive_in, 0)
        ready = {descriptor for descriptor, _ in poll.poll()}
        if self._desk.finished_in.fileno() in ready:
            self._look(shared)
        elif self._table.jobs_in.fileno() in ready:
            self._help()
        else:
            raise worker_gone()

    def _look(self, shared: "_Shared[T]") -> None:
        """Take the news of finished blocks, without waiting."""
        with suppress(BlockingIOError):
            while shared.offered:
                number, length = _FINISHED.unpack(os.read(self._desk.finished_in.fileno(), _FINISHED.size))
                shared.offered.remove(number)
                shared.finished[number] = length

    def _help(self) -> None:
        """Read a block that is offered, if there still is one."""
        try:
            job = self._table.jobs_in.recv(_LARGEST_JOB)
        except BlockingIOError:
            return
        owner, number, item, block = pickle.loads(job)
        desk = self._table.desks[owner]
        length = self._written(desk.results.fileno(), number, item, block)
        os.write(desk.finished_out.fileno(), _FINISHED.pack(number, length))

    def _written(self, results: int, number: int, item: T, block: Block) -> int:
        """Read a block into its place of a results file; return the length of the result, -1 if there is none."""
        try:
            with _caught_logs() as records:
                batch = self._reader.encode_block(item, block)
            answer = pickle.dumps((batch, self._reader.counts.take(), records), pickle.HIGHEST_PROTOCOL)
            is_whole = len(answer) <= _PLACE and os.pwrite(results, answer, _place(number)) == len(answer)
        except Exception:
            # The owner reads it again, and meets the failure where it belongs.
            return _FAILED
        return len(answer) if is_whole else _FAILED


@dataclass
class _Shared(Generic[T]):
    """An object whose blocks are shared.

    `waiting`: its blocks from the number `first` on, each as its result, or as itself where it was offered.
    `offered`: the numbers of blocks that others may be at; `finished`: the lengths of their results.
    """

    item: T
    first: int = 0
    waiting: deque[bytes | Block] = field(default_factory=deque)
    offered: set[int] = field(default_factory=set)
    finished: dict[int, int] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether the first block's result is there."""
        return isinstance(self.waiting[0], bytes) or self.first in self.finished


def _place(number: int) -> int:
    """Return where the result of a block is written: no two blocks of a window have one place."""
    return number % (2 * _WINDOW) * _PLACE


@contextmanager
def _caught_logs() -> Iterator[list[dict[str, Any]]]:
    """Give a list that gets what is logged in this block: to send it on could mean to wait."""
    caught: list[dict[str, Any]] = []
    handler = _Catching(caught)
    logger = logging.getLogger("aws_s3")
    before, logger.handlers = logger.handlers, [handler]
    try:
        yield caught
    finally:
        logger.handlers = before


class _Catching(logging.Handler):
    def __init__(self, caught: list[dict[str, Any]]) -> None:
        super().__init__()
        self._caught = caught

    def emit(self, record: logging.LogRecord) -> None:
        self._caught.append({**record.__dict__, "exc_info": None})
