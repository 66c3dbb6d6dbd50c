"""From an object's content to encoded events: open, validate, parse, discard, reshape, encode, limit the size.

A `Decoder` knows the content of the objects; the caller chooses the envelope of their events.
"""

import io
import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import IO, TypeAlias

from aws_s3.codec.blocks import Block, IrregularError
from aws_s3.codec.compression import spool
from aws_s3.codec.content import open_content
from aws_s3.codec.decoder import Decoder
from aws_s3.codec.delimited import ColumnBatch, batch_events
from aws_s3.codec.messages import Encoder, join_lines, shrink
from aws_s3.codec.records import BadRecord, Event
from aws_s3.errors import DecompressError, MissingExtraError, ParseError, UnavailableError
from aws_s3.pipeline.event_rules import EventRules, discards
from aws_s3.pipeline.levels import about
from aws_s3.settings import DiscardRule

log = logging.getLogger(__name__)

_FEW_BATCHES = 8
_IN_MEMORY = 16 << 20
"""Bytes of an object's encoded events above which they wait in a temporary file until the object is read as a whole."""

_KEPT = 1 << 28
"""Bytes of an object's encoded events that are kept so, at most: of a larger object, the rest is read twice."""

_BATCH = 1 << 16
"""Bytes of encoded events after which a batch ends."""

Batches = Iterator[bytes]
"""Encoded events, many in each batch, a line each: encoded JSON contains no raw newline."""


Spread: TypeAlias = Callable[[Callable[[Block], bytes], Iterator[Block]], Iterator[bytes]]
"""Returns what a function returns for each block, in order, as `map` does; other processes may call it."""


@dataclass(frozen=True)
class ObjectDecoder:
    """Turns objects into encoded events; a small object is parsed once, a large one twice.

    `skip_on_error` decides about single bad records only. `discards` applies the user's rule to an
    event as it was parsed.
    """

    decoder: Decoder
    skip_on_error: bool
    rules: EventRules
    discards: Callable[[DiscardRule, Event], bool] = discards

    def messages(self, key: str, body: IO[bytes], encoder: Encoder, spread: Spread = map) -> Batches:
        """Return the encoded events of the object at `key` from its content as stored.

        The whole object is validated first: DecompressError or ParseError is raised here, before the first
        event is returned.
        """
        with _named(key):
            content = open_content(body, key, self.decoder.kinds)
        if self.decoder.cheap_to_validate:
            self._validate(content, key)
            content.seek(0)
            return self._encoded(content, key, encoder, spread)
        counted = replace(self.rules.counts)
        try:
            try:
                return self._validated(self._encoded(content, key, encoder, spread), content, key)
            except IrregularError:
                self.rules.counts.reset(counted)
            content.seek(0)
            return self._validated(self._encoded_alone(content, key, encoder), content, key)
        except BaseException:
            content.close()
            raise

    def _validated(self, messages: Batches, content: IO[bytes], key: str) -> Batches:
        """Return the messages of an object after it was read as a whole."""
        few = list(islice(messages, _FEW_BATCHES))
        if len(few) < _FEW_BATCHES:
            return iter(few)
        kept = _lines_of(spool(chain(few, _within(_KEPT, messages)), _IN_MEMORY))
        first_not_kept = next(messages, None)
        if first_not_kept is None:
            return kept
        position = content.tell()
        self._validate(content, key)
        content.seek(position)
        return chain(kept, (first_not_kept,), _regular(messages, key))

    def _validate(self, content: IO[bytes], key: str) -> None:
        content.seek(0)
        with _named(key):
            for event in self.decoder.validate(content, key):
                if isinstance(event, BadRecord) and not self.skip_on_error:
                    raise ParseError(event.reason)

    def encode_block(self, block: Block, key: str, encoder: Encoder) -> bytes:
        """Return the encoded events of a block, each on a line. Raises IrregularError."""
        columns = self.decoder.block_columns(block) if self.rules.discard is None else None
        if columns is not None:
            return b"".join([self._column_messages(batch, key, encoder) for batch in list(columns)])
        events = self.decoder.block_events(block)
        if self.rules.discard is not None:
            events = filter(self._keeps, events)
        shaped = list(chain.from_iterable(map(self.decoder.reshape_block_event, events)))
        encoded = encoder.encode_all(shaped)
        if not self.rules.fits(max(encoded, key=len, default=b"")):
            encoded = [self._message(event, key, encoder) for event in shaped]
        return join_lines(encoded)

    def _encoded(self, content: IO[bytes], key: str, encoder: Encoder, spread: Spread) -> Batches:
        """Yield the encoded events by blocks, and alone from where content is irregular. Raises IrregularError."""
        rest = yield from self._encoded_blocks(content, key, encoder, spread)
        if rest is None:
            content.close()
            return
        content.seek(rest.start)
        if rest.start == 0:
            yield from self._encoded_alone(content, key, encoder)
            return
        records = self.decoder.parse_rest(content, key, rest.names)
        with content, _named(key):
            yield from self._messages(records, key, encoder)

    def _encoded_blocks(
        self, content: IO[bytes], key: str, encoder: Encoder, spread: Spread
    ) -> Generator[bytes, None, IrregularError | None]:
        """Yield the encoded events as far as content is regular; return the error that says where it ceases to be."""
        encode = partial(self.encode_block, key=key, encoder=encoder)
        try:
            with _named(key):
                yield from filter(None, spread(encode, self.decoder.blocks(content, key)))
        except IrregularError as irregular:
            return irregular
        return None

    def _encoded_alone(self, content: IO[bytes], key: str, encoder: Encoder) -> Batches:
        with content, _named(key):
            column_batches = self.decoder.column_batches(content, key) if self.rules.discard is None else None
            if column_batches is None:
                yield from self._messages(self.decoder.parse(content, key), key, encoder)
            else:
                yield from (self._column_messages(columns, key, encoder) for columns in column_batches)

    def _messages(self, records: Iterable[Event | BadRecord], key: str, encoder: Encoder) -> Batches:
        events = chain.from_iterable(map(self.decoder.reshape, self._kept(records, key)))
        return batches(self._message(event, key, encoder) for event in events)

    def _column_messages(self, columns: ColumnBatch, key: str, encoder: Encoder) -> bytes:
        messages = encoder.encode_columns(columns)
        # If the whole batch fits the limit, every event does: no event needs to be measured.
        if self.rules.fits(messages) or self.rules.fits(max(io.BytesIO(messages), key=len)[:-1]):
            return messages
        return join_lines(self._message(event, key, encoder) for event in batch_events(columns))

    def _message(self, event: Event, key: str, encoder: Encoder) -> bytes:
        encoded = encoder.encode(event)
        if self.rules.fits(encoded):
            return encoded
        return self.rules.fit(encoded, key, lambda limit: shrink(encoder.message(event), limit))

    def _kept(self, records: Iterable[Event | BadRecord], key: str) -> Iterator[Event]:
        for record in records:
            event = self._readable(record, key) if isinstance(record, BadRecord) else record
            if event is not None and self._keeps(event):
                yield event

    def _keeps(self, event: Event) -> bool:
        return self.rules.discard is None or self.rules.keeps(event, self.discards)

    def _readable(self, record: BadRecord, key: str) -> Event | None:
        """Return the readable part of a bad record, if there is any; raise ParseError unless errors are skipped."""
        if not self.skip_on_error:
            raise ParseError(record.reason)
        log.error("A record of %s is broken: %s", key, record.reason, extra=about(key))
        return record.event


@contextmanager
def _named(key: str) -> Iterator[None]:
    """Add the object's key to errors of reading its content."""
    try:
        yield
    except DecompressError as error:
        raise DecompressError(f"Failed to decompress file {key}: {error}") from error
    except UnavailableError as error:
        if isinstance(error.cause, MissingExtraError):
            # It concerns all objects of the kind, and is told once.
            raise
        raise UnavailableError(type(error.cause)(f"Cannot read {key}: {error}")) from error
    except (ParseError, RecursionError) as error:
        reason = error if isinstance(error, ParseError) else "it is nested too deeply"
        raise ParseError(f"Failed to parse file {key}: {reason}") from error


def batches(messages: Iterable[bytes]) -> Batches:
    """Yield the encoded events in batches."""
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
    """Return the encoded events of a batch. `bytes.split` would take three times as long."""
    return [line[:-1] for line in io.BytesIO(batch)]


def _lines_of(file: IO[bytes]) -> Batches:
    """Yield a file of encoded events in batches, and close it."""
    with file:
        while batch := file.read(_BATCH):
            yield batch + file.readline()


def _regular(messages: Batches, key: str) -> Batches:
    """Yield the messages of validated content, which has no other form behind blocks than within them."""
    try:
        yield from messages
    except IrregularError as error:
        raise ParseError(f"Failed to parse file {key}: from byte {error.start} on it is not like before") from error


def _within(size: int, messages: Batches) -> Batches:
    """Yield batches until they are more than `size` bytes."""
    for batch in messages:
        yield batch
        size -= len(batch)
        if size < 0:
            return
