"""The way of an object's content: decompress, prove, parse, discard, reshape, encode, size rule.

A `Decoder` knows the content of the objects; the caller decides about the envelope of their events.
"""

import io
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import IO

from aws_s3.codec.compression import decompress
from aws_s3.codec.decoder import Decoder
from aws_s3.codec.delimited import ColumnBatch, batch_events
from aws_s3.codec.messages import Encoder, join_lines, shrink
from aws_s3.codec.records import BadRecord, Event
from aws_s3.errors import DecompressError, ParseError
from aws_s3.pipeline.discard import discards
from aws_s3.pipeline.stats import EventCounts
from aws_s3.settings import DiscardRule

log = logging.getLogger(__name__)

_HELD = 16 << 20
"""Bytes of an object's messages that are kept while the rest of it is proved readable."""

_BATCH = 1 << 16
"""Bytes of messages after which a batch ends."""

Batches = Iterator[bytes]
"""Messages, several at a time: each is a line, which JSON never breaks."""


@dataclass(frozen=True)
class ContentReader:
    """Turns objects into encoded messages; a small object is parsed once, a large one twice.

    `limit` is the largest message in bytes. `discards` tells whether `discard` matches an event.
    `skip_on_error` decides about single bad records only. `reading` counts what becomes of events.
    """

    decoder: Decoder
    skip_on_error: bool
    discard: DiscardRule | None
    limit: int | None
    discards: Callable[[DiscardRule, Event], bool] = discards
    reading: EventCounts = field(default_factory=EventCounts)

    def messages(self, key: str, body: IO[bytes], encoder: Encoder) -> Batches:
        """Return the messages of the object, each JSON in UTF-8.

        All of the object is proved readable first: one that is not raises DecompressError or ParseError
        here, before its first message.
        """
        try:
            content = decompress(body, key)
        except DecompressError as error:
            raise DecompressError(f"Failed to decompress file {key}: {error}") from error
        messages = self._encoded(content, key, encoder)
        if self.decoder.cheap_to_validate:
            self._validate(content, key)
            content.seek(0)
            return messages
        held = list(_within(_HELD, messages))
        first_not_held = next(messages, None)
        if first_not_held is None:
            return iter(held)
        position = content.tell()
        self._validate(content, key)
        content.seek(position)
        return chain(held, (first_not_held,), messages)

    def _validate(self, content: IO[bytes], key: str) -> None:
        content.seek(0)
        with _named(key):
            for event in self.decoder.validate(content, key):
                if isinstance(event, BadRecord) and not self.skip_on_error:
                    raise ParseError(event.reason)

    def _encoded(self, content: IO[bytes], key: str, encoder: Encoder) -> Batches:
        with content, _named(key):
            column_batches = self.decoder.column_batches(content, key) if self.discard is None else None
            if column_batches is None:
                events = chain.from_iterable(map(self.decoder.reshape, self._wanted(content, key)))
                yield from batches(self._message(event, key, encoder) for event in events)
            else:
                for columns in column_batches:
                    yield self._column_messages(columns, key, encoder)

    def _column_messages(self, columns: ColumnBatch, key: str, encoder: Encoder) -> bytes:
        messages = encoder.encode_columns(columns)
        if self.limit is None or len(messages) <= self.limit or max(map(len, messages_in(messages))) <= self.limit:
            return messages
        return join_lines(self._message(event, key, encoder) for event in batch_events(columns))

    def _message(self, event: Event, key: str, encoder: Encoder) -> bytes:
        encoded = encoder.encode(event)
        if self.limit is None or len(encoded) <= self.limit:
            return encoded
        log.warning("A message of %s is too large (%d bytes) and was cut", key, len(encoded))
        self.reading.truncated += 1
        return shrink(encoder.message(event), self.limit)

    def _wanted(self, content: IO[bytes], key: str) -> Iterator[Event]:
        for event in self.decoder.parse(content, key):
            if isinstance(event, BadRecord):
                if not self.skip_on_error:
                    raise ParseError(event.reason)
                log.error("A record of %s is broken: %s", key, event.reason)
                if event.event is None:
                    continue
                event = event.event
            if self.discard is None or not self.discards(self.discard, event):
                yield event
            else:
                self.reading.discarded += 1
                log.debug(
                    'The "%s" regex found a match in the "%s" field. The event will be skipped.',
                    self.discard.regex.pattern,
                    self.discard.field,
                )


@contextmanager
def _named(key: str) -> Iterator[None]:
    """Let what parsing raises name the object."""
    try:
        yield
    except (ParseError, RecursionError) as error:
        reason = error if isinstance(error, ParseError) else "it is nested too deeply"
        raise ParseError(f"Failed to parse file {key}: {reason}") from error


def batches(messages: Iterable[bytes]) -> Batches:
    """Yield the messages in batches."""
    batch: list[bytes] = []
    size = 0
    for message in messages:
        batch.append(message)
        size += len(message)
        if size >= _BATCH:
            yield join_lines(batch)
            batch, size = [], 0
    if batch:
        yield join_lines(batch)


def messages_in(batch: bytes) -> list[bytes]:
    """Return the messages of a batch; splitting it would take three times as long."""
    return [line[:-1] for line in io.BytesIO(batch)]


def _within(size: int, messages: Batches) -> Batches:
    """Yield batches until they are more than `size` bytes."""
    for batch in messages:
        yield batch
        size -= len(batch)
        if size < 0:
            return
