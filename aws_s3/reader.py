"""The way of an object's content: decompress, parse, discard, reshape, envelope, encode, size rule."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from aws_s3.buckets.base import BadRecord, Bucket, Event
from aws_s3.buckets.layout import Partition
from aws_s3.compression import decompress
from aws_s3.discard import discards
from aws_s3.errors import DecompressError, ParseError
from aws_s3.message import bucket_log_info, encode, envelope, shrink
from aws_s3.settings import DiscardRule

log = logging.getLogger(__name__)


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
        try:
            content = decompress(body, key)
        except DecompressError as error:
            raise DecompressError(f"Failed to decompress file {key}: {error}") from error
        try:
            if isinstance(content, io.BytesIO):
                return iter(list(self._encoded(content, key, partition)))
            self._prove(content, key)
        except (ParseError, RecursionError) as error:
            reason = str(error) if isinstance(error, ParseError) else "it is nested too deeply"
            raise ParseError(f"Failed to parse file {key}: {reason}") from error
        content.seek(0)
        return self._encoded(content, key, partition)

    def error_message(self, key: str, partition: Partition, error: Exception) -> bytes:
        """Return the message that stands for an object that cannot be read (SPEC 8)."""
        message = envelope(self._log_info(key), {}, self._account(partition))
        return encode({**message, "error_msg": str(error)})

    def _prove(self, content: IO[bytes], key: str) -> None:
        for event in self.bucket.parse(content, key):
            if isinstance(event, BadRecord) and not self.skip_on_error:
                raise ParseError(event.reason)

    def _encoded(self, content: IO[bytes], key: str, partition: Partition) -> Iterator[bytes]:
        log_info = self._log_info(key)
        account = self._account(partition)
        for event in self._wanted(content, key):
            for shaped in self.bucket.reshape(event):
                message = envelope(log_info, shaped, account)
                encoded = encode(message)
                if self.limit is not None and len(encoded) > self.limit:
                    log.warning("A message of %s is too large (%d bytes) and was cut", key, len(encoded))
                    encoded = shrink(message, self.limit)
                yield encoded

    def _wanted(self, content: IO[bytes], key: str) -> Iterator[Event]:
        for event in self.bucket.parse(content, key):
            if isinstance(event, BadRecord):
                if not self.skip_on_error:
                    raise ParseError(event.reason)
                log.error("A record of %s is broken: %s", key, event.reason)
                if event.event is None:
                    continue
                event = event.event
            if self.discard is None or not discards(self.discard, event):
                yield event
            else:
                log.debug(
                    'The "%s" regex found a match in the "%s" field. The event will be skipped.',
                    self.discard.regex.pattern,
                    self.discard.field,
                )

    def _log_info(self, key: str) -> dict[str, str]:
        return bucket_log_info(self.account_alias, key, self.bucket_name)

    def _account(self, partition: Partition) -> str:
        return partition.account if self.bucket.account_in_event else ""
