"""Fetching and decoding items ahead of their turn: in this process, and in worker processes where items are many."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import IO, Generic, TypeVar

from aws_s3.aws.config_file import TransferConfig
from aws_s3.errors import missing_resource
from aws_s3.pipeline.decode import Batches
from aws_s3.pipeline.prefetch import DaemonExecutor, PrefetchQueue
from aws_s3.pipeline.source import Item, ItemReader, Loading
from aws_s3.pipeline.workers import WorkerPool, decoded

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Item)

_BYTES_AHEAD = 64 << 20
"""Bytes fetched and not yet decoded, at most, but for an item that is larger alone."""

_FEW_ITEMS = 200
_FEW_BYTES = 4 << 20
"""Items and bytes of a run that one process reads: starting workers would take longer."""


class LocalLoading(Generic[T]):
    """Fetches items in threads of this process, and decodes each in its turn."""

    def __init__(self, reader: ItemReader[T], threads: Callable[[], Executor], max_items: int, max_bytes: int) -> None:
        self._reader = reader
        self._threads = threads
        self._executor: Executor | None = None
        self._queue: PrefetchQueue[T, Future[IO[bytes]]] = PrefetchQueue(self._start, max_items, max_bytes)

    def __len__(self) -> int:
        """Return the number of items that were added and not taken."""
        return len(self._queue)

    @property
    def has_room(self) -> bool:
        """Tell whether another item may be added now."""
        return self._queue.has_room

    def add(self, item: T) -> None:
        """Put the item behind the others."""
        self._queue.add(item)

    @contextmanager
    def take(self) -> Iterator[tuple[T, Batches]]:
        """Take the first item out, with its encoded events."""
        item, content = self._queue.pop()
        yield item, decoded(self._reader, item, content)

    def _start(self, item: T) -> Future[IO[bytes]]:
        if self._executor is None:
            # Worker processes are forked before this process has any thread.
            self._executor = self._threads()
        return self._executor.submit(self._reader.fetch, item)


class GrowingLoading(Generic[T]):
    """Reads a small run in this process; a run that turns out large goes to the worker processes.

        undecided ──item taken──> local ──many items added──> workers, once the local items are taken
            └───────many items added──────────────────────────^

    A listing shows many items before the first is taken, a queue only bit by bit. Never do both sides
    work at once: together they would exceed the limits of the user's profile.
    """

    def __init__(self, local: Loading[T], workers: Loading[T], few_items: int = _FEW_ITEMS) -> None:
        self._few_items = min(few_items, _FEW_ITEMS)
        self._local = local
        self._workers = workers
        self._undecided: list[T] | None = []
        self._items = 0
        self._bytes = 0

    def __len__(self) -> int:
        """Return the number of items that were added and not taken."""
        return len(self._undecided or ()) + len(self._local) + len(self._workers)

    @property
    def has_room(self) -> bool:
        """Tell whether another item may be added now."""
        if self._undecided is not None:
            return True
        return not len(self._local) and self._workers.has_room if self._is_large else self._local.has_room

    def add(self, item: T) -> None:
        """Put the item behind the others."""
        self._items += 1
        self._bytes += item.size
        if self._undecided is not None:
            self._undecided.append(item)
            if self._is_large:
                self._decide(self._workers)
        elif len(self._local) or not self._is_large:
            self._local.add(item)
        else:
            self._workers.add(item)

    def take(self) -> AbstractContextManager[tuple[T, Batches]]:
        """Take the first item out, with its encoded events."""
        if self._undecided is not None:
            self._decide(self._local)
        return (self._local if len(self._local) else self._workers).take()

    def _decide(self, loading: Loading[T]) -> None:
        items, self._undecided = self._undecided or [], None
        for item in items:
            loading.add(item)

    @property
    def _is_large(self) -> bool:
        return self._items >= self._few_items or self._bytes > _FEW_BYTES


def share(downloads: TransferConfig, workers: int) -> tuple[int, TransferConfig]:
    """Return how many processes may read objects, and each process's part of the user's limits."""
    total = downloads.max_concurrent_requests
    if workers == 1 or downloads.max_bandwidth:
        # Processes cannot share a bandwidth limit.
        return 1, downloads
    if total is None:
        return workers, downloads
    workers = min(workers, total)
    return workers, replace(downloads, max_concurrent_requests=total // workers)


@contextmanager
def open_loading(
    reader: ItemReader[T],
    downloads: TransferConfig,
    workers: int,
    max_items: int | None = None,
    *,
    is_large: bool = False,
) -> Iterator[Loading[T]]:
    """Give the loading for a run; `workers` and `downloads` are those of `share`.

    `max_items` bounds the items that this process fetches ahead where the profile allows more, and the items of a
    small run. A run that `is_large` begins with the worker processes. It is to be called before this process has any
    thread: one worker process is forked at once, and waits.
    """

    def threads() -> DaemonExecutor:
        return DaemonExecutor(downloads.requests_at_once, "download")

    most = min(downloads.max_queue_size, max_items or downloads.max_queue_size)
    local = LocalLoading(reader, threads, most, _BYTES_AHEAD)
    if workers == 1:
        yield local
        return
    try:
        pool = WorkerPool(workers, reader, threads, _BYTES_AHEAD)
    except OSError as error:
        log.info("%s The run goes on with one process.", missing_resource(error) or error)
        yield local
        return
    try:
        yield GrowingLoading(local, pool, 0 if is_large else max_items or _FEW_ITEMS)
    finally:
        pool.close()
