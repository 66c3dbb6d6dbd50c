"""The contract that log types and subscribers' formats share: from an object's content to events."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from typing import IO

from aws_s3.codec.blocks import Block, IrregularError
from aws_s3.codec.content import TEXT_ONLY, Kind
from aws_s3.codec.delimited import ColumnBatch
from aws_s3.codec.records import BadRecord, Event


class Decoder(ABC):
    """Turns the content of an object into events. It does no I/O of its own.

    `kinds`: the kinds of content it reads; an object of another kind is malformed before `parse` sees it.
    `cheap_to_validate`: `validate` is far less work than `parse`, so that an object is best validated first.
    """

    kinds: Collection[Kind] = TEXT_ONLY
    cheap_to_validate: bool = False

    @abstractmethod
    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Yield the events of an object from its decompressed content, as they were written.

        `body` is at its start and stays open; a very large object is parsed twice, the first time as validation.
        Raises ParseError if the content does not hold such events; never another exception.
        """

    def column_batches(self, body: IO[bytes], key: str) -> Iterator[ColumnBatch] | None:
        """Yield the events of `parse` by column, if `reshape` changes none; None if the format is not columnar."""
        del body, key
        return None

    def blocks(self, body: IO[bytes], key: str) -> Iterator[Block]:
        """Cut the content into blocks, whose events together are those of `parse`.

        Raises IrregularError, after some blocks or at once, where content is not of the form that blocks have.
        """
        del body, key
        raise IrregularError(0)

    def block_events(self, block: Block) -> Iterable[Event]:
        """Return the events of a block. Raises IrregularError if it is not of the form that blocks have."""
        raise IrregularError(block.start, block.names)

    def reshape_block_event(self, event: Event) -> Iterable[Event]:
        """Return what `reshape` returns for an event of a block; the event itself may be changed."""
        return self.reshape(event)

    def block_columns(self, block: Block) -> Iterable[ColumnBatch] | None:
        """Return the events of a block by column, as `column_batches` does. Raises IrregularError."""
        del block
        return None

    def parse_rest(self, body: IO[bytes], key: str, names: tuple[str, ...]) -> Iterator[Event | BadRecord]:
        """Yield the events of `parse` from an irregular block on, at whose start `body` is; `names` are the block's.

        Raises IrregularError where only all of the content can be parsed, which is not cheap to validate then.
        """
        del body, key, names
        raise IrregularError(0)

    def validate(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Raise ParseError where `parse` would, and yield at least the bad records that `parse` would."""
        return self.parse(body, key)

    @abstractmethod
    def reshape(self, event: Event) -> Iterable[Event]:
        """Return the event as it is sent: usually one, for some formats several."""
