"""The contract of an object format: the content of the objects that a queue's messages name, and its envelope."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from aws_s3.codec.content import Kind
from aws_s3.codec.decoder import Decoder
from aws_s3.codec.messages import Encoder, Envelope
from aws_s3.codec.records import Event
from aws_s3.codec.reshape import without_nulls
from aws_s3.pipeline.event_rules import discards
from aws_s3.settings import DiscardRule
from aws_s3.subscribers.notifications import NotifiedObject


class ObjectFormat(ABC):
    """One kind of objects. It does no I/O."""

    @property
    @abstractmethod
    def decoder(self) -> Decoder:
        """The decoder of the objects' content."""

    def accepts(self, notified: NotifiedObject) -> bool:
        """Tell whether the object is of this kind; other objects, such as folder markers, are passed over."""
        return not notified.key.endswith("/") and (notified.event is None or Kind.TEXT in self.decoder.kinds)

    def discards(self, rule: DiscardRule, event: Event) -> bool:
        """Tell whether the user's rule discards the event, which is as it was parsed."""
        return discards(rule, event)

    def envelope(self, notified: NotifiedObject, queue: str) -> Encoder:
        """Return the encoder of the object's events: Wazuh's envelope, without an account alias.

        `queue` is the name of the queue, for messages that are events themselves.
        """
        if notified.event is not None:
            return Envelope({"sqs_queue": queue, "message_id": notified.key})
        return Envelope({"log_file": notified.key, "s3bucket": notified.bucket})


class ContentFormat(ObjectFormat, Decoder):
    """An object format that decodes the content itself. `name` is the value of `--subscriber`.

    The constructor raises MissingExtraError if an optional library is not installed.
    """

    name: ClassVar[str]

    @property
    def decoder(self) -> Decoder:
        """The format itself."""
        return self

    def reshape(self, event: Event) -> Iterable[Event]:
        """Return the event as it is sent: without nulls."""
        return (without_nulls(event),)
