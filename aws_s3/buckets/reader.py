"""The objects of a bucket as encoded events: their content, in the envelope of bucket events."""

from dataclasses import dataclass
from typing import IO

from aws_s3.aws.s3 import Bucket
from aws_s3.buckets.object_source import WorkItem
from aws_s3.codec.blocks import Block
from aws_s3.codec.libraries import check_libraries
from aws_s3.codec.messages import Envelope, bucket_log_info, encode
from aws_s3.log_types.base import LogType
from aws_s3.pipeline.decode import Batches, ObjectDecoder, Spread
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.stats import EventCounts


@dataclass(frozen=True)
class BucketReader:
    """Fetches and decodes the objects of one bucket: the pipeline's ItemReader, in whichever process.

    `skip_on_error` decides about single bad records only.
    """

    bucket: Bucket
    log_type: LogType
    bucket_name: str
    account_alias: str
    skip_on_error: bool
    rules: EventRules

    @property
    def counts(self) -> EventCounts:
        """The discarded and truncated events."""
        return self.rules.counts

    def fetch(self, item: WorkItem) -> IO[bytes]:
        """Return the object's content as stored. Raises UnavailableError."""
        check_libraries(item.object.key, self.log_type.kinds)
        return self.bucket.get(item.object)

    def decode(self, item: WorkItem, content: IO[bytes], spread: Spread = map) -> Batches:
        """Return the object's encoded events.

        The whole object is validated first: an object that cannot be read raises DecompressError or
        ParseError before its first event.
        """
        return self._decoder.messages(item.object.key, content, self._envelope(item), spread)

    def encode_block(self, item: WorkItem, block: Block) -> bytes:
        """Return the encoded events of a block of the object's content. Raises IrregularError."""
        return self._decoder.encode_block(block, item.object.key, self._envelope(item))

    @property
    def _decoder(self) -> ObjectDecoder:
        return ObjectDecoder(self.log_type, self.skip_on_error, self.rules)

    def error_event(self, item: WorkItem, error: Exception) -> bytes:
        """Return the encoded event that stands for an object that cannot be read."""
        return encode({**self._envelope(item).message({}), "error_msg": str(error)})

    def _envelope(self, item: WorkItem) -> Envelope:
        log_info = bucket_log_info(self.account_alias, item.object.key, self.bucket_name)
        return Envelope(log_info, item.partition.account if self.log_type.account_in_event else "")
