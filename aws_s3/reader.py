"""The way of an object's content: decompress, parse, discard, reshape, envelope, encode, size rule."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
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

_HELD = 8 << 20
"""Bytes of content up to which all messages are made before the first is sent; above, it is parsed twice."""


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
        messages = self._encoded(content, key, partition)
        if content.seek(0, io.SEEK_END) > _HELD:
            self._prove(content, key)
            return messages
        return iter(list(messages))

    def error_message(self, key: str, partition: Partition, error: Exception) -> bytes:
        """Return the message that stands for an object that cannot be read (SPEC 8)."""
        message = envelope(self._log_info(key), {}, self._account(partition))
        return encode({**message, "error_msg": str(error)})

    def _prove(self, content: IO[bytes], key: str) -> None:
        content.seek(0)
        with _named(key):
            for event in self.bucket.parse(content, key):
                if isinstance(event, BadRecord) and not self.skip_on_error:
                    raise ParseError(event.reason)

    def _encoded(self, content: IO[bytes], key: str, partition: Partition) -> Iterator[bytes]:
        log_info = self._log_info(key)
        account = self._account(partition)
        with content, _named(key):
            content.seek(0)
            for event in self._wanted(content, key):
                for shaped in self.bucket.reshape(event):
                    yield self._fitting(envelope(log_info, shaped, account), key)

    def _fitting(self, message: Event, key: str) -> bytes:
        encoded = encode(message)
        if self.limit is None or len(encoded) <= self.limit:
            return encoded
        log.warning("A message of %s is too large (%d bytes) and was cut", key, len(encoded))
        return shrink(message, self.limit)

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


@contextmanager
def _named(key: str) -> Iterator[None]:
    """Let what parsing raises name the object."""
    try:
        yield
    except (ParseError, RecursionError) as error:
        reason = error if isinstance(error, ParseError) else "it is nested too deeply"
        raise ParseError(f"Failed to parse file {key}: {reason}") from error
