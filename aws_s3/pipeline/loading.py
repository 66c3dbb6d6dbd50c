"""How an object becomes messages: its content is fetched ahead by threads, and read in order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import IO, Generic, TypeVar

from aws_s3.pipeline.decode import Batches
from aws_s3.pipeline.prefetch import OrderedPrefetcher
from aws_s3.pipeline.stats import EventCounts

T = TypeVar("T")


@dataclass(frozen=True)
class Loader(Generic[T]):
    """`get` fetches an item's content, in any thread; `read` makes messages of it; `size_of` tells its bytes.

    Both raise an ObjectError for what concerns the item alone, `read` before its first message.
    `reading` is where `read` counts what becomes of events.
    """

    get: Callable[[T], IO[bytes]]
    read: Callable[[T, IO[bytes]], Batches]
    size_of: Callable[[T], int]
    reading: EventCounts = field(default_factory=EventCounts)


def load(
    items: Iterable[T], loader: Loader[T], executor: Executor, objects: int, size: int
) -> Iterator[tuple[T, Batches]]:
    """Yield each item with its messages, in order, at most `objects` and `size` bytes fetched ahead."""
    downloads = OrderedPrefetcher(executor, loader.get, loader.size_of, objects, size)
    for item, content in downloads.in_order(items):
        yield item, messages_of(item, content, loader)


def messages_of(item: T, content: Future[IO[bytes]], loader: Loader[T]) -> Batches:
    """Yield the item's messages; waiting for its content is part of the first batch."""
    with content.result() as body:
        yield from loader.read(item, body)
