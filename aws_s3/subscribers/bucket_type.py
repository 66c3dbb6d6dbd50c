"""Objects of a known log type that S3 notifies of: `--subscriber buckets --type TYPE`."""

from aws_s3.codec.decoder import Decoder
from aws_s3.codec.messages import Encoder, Envelope, bucket_log_info
from aws_s3.log_types.base import LogType
from aws_s3.log_types.custom import Custom
from aws_s3.log_types.layout import Partition
from aws_s3.log_types.recognition import partition_of
from aws_s3.log_types.strays import is_stray
from aws_s3.subscribers.base import ObjectFormat
from aws_s3.subscribers.notifications import NotifiedObject


class LogTypeFormat(ObjectFormat):
    """The objects of a log type, sent as the collection of their bucket sends them."""

    def __init__(self, log_type: LogType, account_alias: str) -> None:
        self._log_type = log_type
        self._account_alias = account_alias

    @property
    def decoder(self) -> Decoder:
        """The log type."""
        return self._log_type

    def accepts(self, notified: NotifiedObject) -> bool:
        """Tell whether the object lies in a partition of the log type, and is one of its objects."""
        if notified.event is not None:
            # EventBridge's events are those that Firehose delivers too.
            return isinstance(self._log_type, Custom)
        partition = self._partition(notified.key)
        return partition is not None and not is_stray(notified.key) and self._log_type.accepts(notified.key, partition)

    def envelope(self, notified: NotifiedObject, queue: str) -> Encoder:
        """Return the bucket's envelope, with the alias, and the key's account where the log type carries it."""
        if notified.event is not None:
            return super().envelope(notified, queue)
        partition = self._partition(notified.key)
        account = partition.account if partition and self._log_type.account_in_event else ""
        return Envelope(bucket_log_info(self._account_alias, notified.key, notified.bucket), account)

    def _partition(self, key: str) -> Partition | None:
        found = (partition_of(key, layout) for layout in self._log_type.layouts)
        return next(filter(None, found), None)
