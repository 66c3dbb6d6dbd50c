"""The contract of a subscriber: what is in the objects that a queue's messages name, and how it is sent."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import IO, ClassVar

from aws_s3.codec.delimited import ColumnBatch
from aws_s3.codec.messages import Envelope
from aws_s3.codec.records import BadRecord, Event
from aws_s3.codec.reshape import without_nulls
from aws_s3.pipeline.decode import Wrapping
from aws_s3.pipeline.discard import discards
from aws_s3.settings import DiscardRule
from aws_s3.subscribers.notifications import NotifiedObject


class ObjectFormat(ABC):
    """One kind of content (SPEC 12). It has no I/O. `name` is the value of `--subscriber`.

    Making one raises MissingExtraError when it needs an optional dependency that is not installed.
    """

    name: ClassVar[str]
    cheap_to_validate: bool = False

    def accepts(self, notified: NotifiedObject) -> bool:
        """Tell whether the object is one of this kind; the others, such as markers of folders, are passed over."""
        return not notified.key.endswith("/")

    @abstractmethod
    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Yield the events of an object from its decompressed content, as they were written.

        `body` is at its start and stays open; large objects are parsed twice, first only as proof.
        Raises ParseError when the content is not of this kind; never another exception.
        """

    def column_batches(self, body: IO[bytes], key: str) -> Iterator[ColumnBatch] | None:
        """Yield what `parse` does by column, if nothing reshapes it; None where columns are not what there is."""
        del body, key
        return None

    def validate(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Raise ParseError where `parse` would, and yield what it would, at least the bad records."""
        return self.parse(body, key)

    def discards(self, rule: DiscardRule, event: Event) -> bool:
        """Tell whether the rule keeps the event, as it was parsed, from being sent (SPEC 7)."""
        return discards(rule, event)

    def reshape(self, event: Event) -> Iterable[Event]:
        """Return the event as it is sent: without nulls."""
        return (without_nulls(event),)

    def envelope(self, notified: NotifiedObject) -> Wrapping:
        """Return what stands around the events of the object: no alias (SPEC 8)."""
        return Envelope({"log_file": notified.key, "s3bucket": notified.bucket})
