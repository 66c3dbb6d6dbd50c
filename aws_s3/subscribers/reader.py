"""The objects that a queue's messages name as encoded events."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import Bucket
from aws_s3.codec.blocks import Block
from aws_s3.codec.libraries import check_libraries
from aws_s3.codec.messages import Encoder
from aws_s3.errors import StorageError, UnavailableError, UsageError
from aws_s3.pipeline.decode import Batches, ObjectDecoder, Spread
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.stats import EventCounts
from aws_s3.state.queue_state import Writing
from aws_s3.subscribers.base import ObjectFormat
from aws_s3.subscribers.notifications import NotifiedObject

_USUAL_SIZE = 4 << 20
"""The bytes that an object is taken to have when its message does not say."""

_UNKNOWN_SIZE = -1


@dataclass(frozen=True)
class QueueObject:
    """An object to collect. `token` is the same for the same writing of the same object."""

    message_id: str
    object: NotifiedObject
    token: Writing

    @property
    def size(self) -> int:
        """Its bytes, as far as they are known."""
        return _USUAL_SIZE if self.object.size is None else self.object.size


@dataclass(frozen=True)
class QueueReader:
    """Fetches and decodes the objects: the pipeline's ItemReader, in whichever process.

    `bucket` returns the bucket of a name; `queue` is the queue's name. `skip_on_error` decides about single bad
    records only.
    """

    bucket: Callable[[str], Bucket]
    object_format: ObjectFormat
    skip_on_error: bool
    rules: EventRules
    queue: str = ""

    @property
    def counts(self) -> EventCounts:
        """The discarded and truncated events."""
        return self.rules.counts

    def fetch(self, item: QueueObject) -> IO[bytes]:
        """Return the object's content as stored, or a message that is an event itself.

        Raises UnavailableError also for a bucket that is missing or cannot be asked for: another message names another.
        """
        if item.object.event is not None:
            return io.BytesIO(item.object.event)
        check_libraries(item.object.key, self.object_format.decoder.kinds)
        size = _UNKNOWN_SIZE if item.object.size is None else item.object.size
        try:
            return self.bucket(item.object.bucket).get(S3Object(item.object.key, size, ""))
        except (StorageError, UsageError) as error:
            raise UnavailableError(StorageError(str(error))) from error

    def decode(self, item: QueueObject, content: IO[bytes], spread: Spread = map) -> Batches:
        """Return the object's encoded events. Raises MalformedError before the first event."""
        return self._decoder.messages(item.object.key, content, self._envelope(item), spread)

    def encode_block(self, item: QueueObject, block: Block) -> bytes:
        """Return the encoded events of a block of the object's content. Raises IrregularError."""
        return self._decoder.encode_block(block, item.object.key, self._envelope(item))

    @property
    def _decoder(self) -> ObjectDecoder:
        return ObjectDecoder(self.object_format.decoder, self.skip_on_error, self.rules, self.object_format.discards)

    def _envelope(self, item: QueueObject) -> Encoder:
        return self.object_format.envelope(item.object, self.queue)
