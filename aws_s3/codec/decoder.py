"""The contract that log types and subscribers' formats share: from an object's content to events."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from typing import IO

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

        `body` is at its start and stays open; a large object is parsed twice, the first time as validation.
        Raises ParseError if the content does not hold such events; never another exception.
        """

    def column_batches(self, body: IO[bytes], key: str) -> Iterator[ColumnBatch] | None:
        """Yield the events of `parse` by column, if `reshape` changes none; None if the format is not columnar."""
        del body, key
        return None

    def validate(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Raise ParseError where `parse` would, and yield at least the bad records that `parse` would."""
        return self.parse(body, key)

    @abstractmethod
    def reshape(self, event: Event) -> Iterable[Event]:
        """Return the event as it is sent: usually one, for some formats several."""
