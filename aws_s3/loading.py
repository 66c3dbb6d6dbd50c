"""How an object becomes messages: its content is fetched ahead by threads, and read in order.

Messages come in batches: what has to be done around sending is done for each batch, not for each message.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import IO, Generic, TypeVar

from aws_s3.fetch import Downloads
from aws_s3.tally import Reading

T = TypeVar("T")

Batches = Iterator[Sequence[bytes]]

_BATCH = 1 << 16
"""Bytes of messages after which a batch ends."""


@dataclass(frozen=True)
class Loader(Generic[T]):
    """`get` fetches an item's content, in any thread; `read` makes messages of it; `size_of` tells its bytes.

    Both raise an ObjectError for what concerns the item alone, `read` before its first message.
    `reading` is where `read` counts what becomes of events.
    """

    get: Callable[[T], IO[bytes]]
    read: Callable[[T, IO[bytes]], Iterator[bytes]]
    size_of: Callable[[T], int]
    reading: Reading = field(default_factory=Reading)


def load(
    items: Iterable[T], loader: Loader[T], executor: Executor, objects: int, size: int
) -> Iterator[tuple[T, Batches]]:
    """Yield each item with its messages, in order, at most `objects` and `size` bytes fetched ahead."""
    downloads = Downloads(executor, loader.get, loader.size_of, objects, size)
    for item, content in downloads.in_order(items):
        yield item, messages_of(item, content, loader)


def messages_of(item: T, content: Future[IO[bytes]], loader: Loader[T]) -> Batches:
    """Yield the item's messages; waiting for its content is part of the first batch."""
    with content.result() as body:
        yield from batches(loader.read(item, body))


def batches(messages: Iterable[bytes]) -> Batches:
    """Yield the messages in batches."""
    batch: list[bytes] = []
    size = 0
    for message in messages:
        batch.append(message)
        size += len(message)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
