"""Objects of a known bucket type that S3 notifies of: `--subscriber buckets --type TYPE`."""

from collections.abc import Iterable, Iterator
from typing import IO

from aws_s3.codec.delimited import ColumnBatch
from aws_s3.codec.messages import Envelope, bucket_log_info
from aws_s3.codec.records import BadRecord, Event
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Partition
from aws_s3.log_types.recognition import partition_of
from aws_s3.subscribers.base import ObjectFormat
from aws_s3.subscribers.notifications import NotifiedObject


class LogTypeFormat(ObjectFormat):
    """What the collection of a bucket would send of the same object, and of no other object."""

    name = "buckets"

    def __init__(self, bucket: LogType, account_alias: str) -> None:
        self._bucket = bucket
        self.kinds = bucket.kinds
        self.cheap_to_validate = bucket.cheap_to_validate
        self._account_alias = account_alias

    def accepts(self, notified: NotifiedObject) -> bool:
        """Tell whether the object lies where those of the type lie, and is one of them."""
        partition = self._partition(notified.key)
        return partition is not None and self._bucket.accepts(notified.key, partition)

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Yield the events as the bucket type does."""
        return self._bucket.parse(body, key)

    def column_batches(self, body: IO[bytes], key: str) -> Iterator[ColumnBatch] | None:
        """Yield the events by column as the bucket type does."""
        return self._bucket.column_batches(body, key)

    def validate(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Prove the object as the bucket type does."""
        return self._bucket.validate(body, key)

    def reshape(self, event: Event) -> Iterable[Event]:
        """Return the event as the bucket type does."""
        return self._bucket.reshape(event)

    def envelope(self, notified: NotifiedObject) -> Envelope:
        """Return the bucket's envelope, with the alias, and the key's account where the type carries it."""
        partition = self._partition(notified.key)
        account = partition.account if partition and self._bucket.account_in_event else ""
        return Envelope(bucket_log_info(self._account_alias, notified.key, notified.bucket), account)

    def _partition(self, key: str) -> Partition | None:
        found = (partition_of(key, layout) for layout in self._bucket.layouts)
        return next(filter(None, found), None)
