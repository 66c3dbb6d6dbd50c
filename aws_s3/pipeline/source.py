"""The contracts between a source of items and the pipeline that fetches, decodes and delivers them.

    Source.poll ──> Loading ──> batches of encoded events ──> Delivery
         ^             │ ItemReader.fetch in threads, ItemReader.decode in order,       │
         │             │ in this process or in worker processes                         │
         └──────────── begin / accepted / failed <──────────────────────────────────────┘

A bucket's object and an object that a queue's message names are items. A source decides about its items:
their order, the meaning of a failure, and the record of accepted events. `run_source` is the one loop that buckets
and queues share: fill, take the next item in order, deliver, report to the source.
"""

from contextlib import AbstractContextManager
from typing import IO, Protocol, TypeVar

from aws_s3.codec.blocks import Block
from aws_s3.errors import ObjectError
from aws_s3.pipeline.decode import Batches, Spread, messages_in
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.stats import EventCounts


class Item(Protocol):
    """An object to collect. It is pickled where worker processes read it."""

    @property
    def size(self) -> int:
        """The bytes to download, as far as they are known."""


T = TypeVar("T", bound=Item)
T_contra = TypeVar("T_contra", bound=Item, contravariant=True)


class ItemReader(Protocol[T_contra]):
    """Fetches and decodes the items of a source, in whichever process the items are read.

    Both methods raise an ObjectError for a failure that concerns the item alone.
    """

    @property
    def counts(self) -> EventCounts:
        """The events that were discarded and truncated in the process that decodes."""

    def fetch(self, item: T_contra) -> IO[bytes]:
        """Return the item's content as stored, readable from its start. Called by any thread."""

    def decode(self, item: T_contra, content: IO[bytes], spread: Spread = map) -> Batches:
        """Return the item's encoded events; `spread` may let other processes encode blocks of them.

        Raises MalformedError before the first batch only.
        """

    def encode_block(self, item: T_contra, block: Block) -> bytes:
        """Return the encoded events of a block of the item's content. Raises IrregularError."""


class Source(Protocol[T]):
    """Yields items and takes note of their fate, all in the main thread.

    Signals raise Interrupted in `poll`, `wants` and `begin`; `accepted` and `failed` are shielded from them.
    """

    def poll(self, *, block: bool) -> T | None:
        """Return the next item. None: there is none now, or with `block`, which waits, none in this run."""

    def wants(self, item: T) -> bool:
        """Tell, when the item's turn has come, whether it is still to be sent."""

    def begin(self, item: T) -> int:
        """Prepare for the item's first event; return how many of its events an earlier run sent."""

    def accepted(self, item: T, count: int, *, complete: bool) -> None:
        """Record the item's accepted events, those of earlier runs included; incomplete where the run ends midway."""

    def failed(self, item: T, error: ObjectError) -> None:
        """Decide about an item that cannot be read, of which no event was sent by this run."""


class Loading(Protocol[T]):
    """Items on their way to encoded events: fetched ahead of their turn, taken in order."""

    def __len__(self) -> int:
        """Return the number of items that were added and not taken."""

    @property
    def has_room(self) -> bool:
        """Tell whether another item may be added now."""

    def add(self, item: T) -> None:
        """Put the item behind the others."""

    def take(self) -> AbstractContextManager[tuple[T, Batches]]:
        """Take the first item out, with its encoded events; iterating them waits, and raises the item's failure.

        Events left over at the end of the context are dropped.
        """


def run_source(source: Source[T], loading: Loading[T], delivery: Delivery) -> None:
    """Collect every item of the source, in order.

    Raises the error that ends the run, Interrupted too, after the source took note of the accepted events.
    """
    while True:
        _fill(source, loading)
        if not len(loading):
            return
        with loading.take() as (item, batches):
            if source.wants(item):
                _collect(source, item, batches, delivery)
        delivery.stats.notify()


def _fill(source: Source[T], loading: Loading[T]) -> None:
    while loading.has_room:
        item = source.poll(block=not len(loading))
        if item is None:
            return
        loading.add(item)


def _collect(source: Source[T], item: T, batches: Batches, delivery: Delivery) -> None:
    try:
        _deliver(source, item, batches, delivery)
    except ObjectError as error:
        with delivery.stop_request.deferred():
            source.failed(item, error)


def _deliver(source: Source[T], item: T, batches: Batches, delivery: Delivery) -> None:
    """Send the item's events but for those that an earlier run sent; whatever ends this, report the accepted ones."""
    seen = earlier = 0
    before = delivery.accepted
    is_reported = False
    try:
        for batch in delivery.stats.downloading.around(batches):
            events = messages_in(batch)
            if not seen:
                earlier = source.begin(item)
            delivery.send(events[max(earlier - seen, 0) :])
            seen += len(events)
        with delivery.stop_request.deferred():
            source.accepted(item, seen, complete=True)
            is_reported = True
    finally:
        if not is_reported and (accepted := delivery.accepted - before):
            source.accepted(item, earlier + accepted, complete=False)
