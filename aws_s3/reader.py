"""The objects of a bucket as messages: their content, in the envelope of bucket events (SPEC 8)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from aws_s3.buckets.base import Bucket
from aws_s3.buckets.layout import Partition
from aws_s3.content import ContentReader
from aws_s3.message import bucket_log_info, encode, envelope
from aws_s3.settings import DiscardRule


@dataclass(frozen=True)
class Reader:
    """Turns the objects of one bucket into encoded messages.

    `limit` is the largest message in bytes. `skip_on_error` decides about single bad records only;
    an object that cannot be read raises DecompressError or ParseError, before its first message.
    """

    bucket: Bucket
    bucket_name: str
    account_alias: str
    skip_on_error: bool
    discard: DiscardRule | None
    limit: int | None

    def messages(self, key: str, partition: Partition, body: IO[bytes]) -> Iterator[bytes]:
        """Return the messages of the object, each JSON in UTF-8; all of it is proved readable first."""
        content = ContentReader(self.bucket, self.skip_on_error, self.discard, self.limit)
        log_info = bucket_log_info(self.account_alias, key, self.bucket_name)
        account = self._account(partition)
        return content.messages(key, body, lambda event: envelope(log_info, event, account))

    def error_message(self, key: str, partition: Partition, error: Exception) -> bytes:
        """Return the message that stands for an object that cannot be read (SPEC 8)."""
        log_info = bucket_log_info(self.account_alias, key, self.bucket_name)
        return encode({**envelope(log_info, {}, self._account(partition)), "error_msg": str(error)})

    def _account(self, partition: Partition) -> str:
        return partition.account if self.bucket.account_in_event else ""
