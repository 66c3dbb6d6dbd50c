"""The objects of a bucket as messages: their content, in the envelope of bucket events (SPEC 8)."""

from dataclasses import dataclass, field
from typing import IO

from aws_s3.codec.messages import Envelope, bucket_log_info, encode
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.decode import Batches, ContentReader
from aws_s3.pipeline.stats import EventCounts
from aws_s3.settings import DiscardRule


@dataclass(frozen=True)
class Reader:
    """Turns the objects of one bucket into encoded messages.

    `limit` is the largest message in bytes. `skip_on_error` decides about single bad records only;
    an object that cannot be read raises DecompressError or ParseError, before its first message.
    `reading` counts what becomes of events.
    """

    bucket: LogType
    bucket_name: str
    account_alias: str
    skip_on_error: bool
    discard: DiscardRule | None
    limit: int | None
    reading: EventCounts = field(default_factory=EventCounts)

    def messages(self, key: str, partition: Partition, body: IO[bytes]) -> Batches:
        """Return the messages of the object, each JSON in UTF-8; all of it is proved readable first."""
        content = ContentReader(self.bucket, self.skip_on_error, self.discard, self.limit, reading=self.reading)
        return content.messages(key, body, self._envelope(key, partition))

    def error_message(self, key: str, partition: Partition, error: Exception) -> bytes:
        """Return the message that stands for an object that cannot be read (SPEC 8)."""
        return encode({**self._envelope(key, partition).message({}), "error_msg": str(error)})

    def _envelope(self, key: str, partition: Partition) -> Envelope:
        log_info = bucket_log_info(self.account_alias, key, self.bucket_name)
        return Envelope(log_info, partition.account if self.bucket.account_in_event else "")
