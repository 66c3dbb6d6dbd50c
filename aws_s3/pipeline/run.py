"""The one loop that buckets and queues share: fill, take the next item in order, deliver, report to the source."""

from typing import TypeVar

from aws_s3.errors import ObjectError
from aws_s3.pipeline.decode import Batches, messages_in
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.source import Item, Loading, Source

T = TypeVar("T", bound=Item)


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
