"""The objects of a bucket as encoded events: their content, in the envelope of bucket events."""

from dataclasses import dataclass
from typing import IO

from aws_s3.codec.messages import Envelope, bucket_log_info, encode
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.decode import Batches, ObjectDecoder
from aws_s3.pipeline.event_rules import EventRules


@dataclass(frozen=True)
class Reader:
    """Turns the objects of one bucket into encoded events. `skip_on_error` decides about single bad records only."""

    log_type: LogType
    bucket_name: str
    account_alias: str
    skip_on_error: bool
    rules: EventRules

    def messages(self, key: str, partition: Partition, body: IO[bytes]) -> Batches:
        """Return the encoded events of the object from its content as stored.

        The whole object is validated first: an object that cannot be read raises DecompressError or
        ParseError before its first event.
        """
        content = ObjectDecoder(self.log_type, self.skip_on_error, self.rules)
        return content.messages(key, body, self._envelope(key, partition))

    def error_message(self, key: str, partition: Partition, error: Exception) -> bytes:
        """Return the encoded event that stands for an object that cannot be read."""
        return encode({**self._envelope(key, partition).message({}), "error_msg": str(error)})

    def _envelope(self, key: str, partition: Partition) -> Envelope:
        log_info = bucket_log_info(self.account_alias, key, self.bucket_name)
        return Envelope(log_info, partition.account if self.log_type.account_in_event else "")
