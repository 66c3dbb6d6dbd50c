"""The contract of a subscriber: what is in the objects that a queue's messages name, and how it is sent."""

from collections.abc import Iterable
from typing import ClassVar

from aws_s3.codec.decoder import Decoder
from aws_s3.codec.messages import Encoder, Envelope
from aws_s3.codec.records import Event
from aws_s3.codec.reshape import without_nulls
from aws_s3.pipeline.event_rules import discards
from aws_s3.settings import DiscardRule
from aws_s3.subscribers.notifications import NotifiedObject


class ObjectFormat(Decoder):
    """One kind of content. It has no I/O. `name` is the value of `--subscriber`.

    Making one raises MissingExtraError when it needs an optional dependency that is not installed.
    """

    name: ClassVar[str]

    def accepts(self, notified: NotifiedObject) -> bool:
        """Tell whether the object is one of this kind; the others, such as markers of folders, are passed over."""
        return not notified.key.endswith("/")

    def discards(self, rule: DiscardRule, event: Event) -> bool:
        """Tell whether the rule keeps the event, as it was parsed, from being sent."""
        return discards(rule, event)

    def reshape(self, event: Event) -> Iterable[Event]:
        """Return the event as it is sent: without nulls."""
        return (without_nulls(event),)

    def envelope(self, notified: NotifiedObject) -> Encoder:
        """Return what stands around the events of the object: no alias."""
        return Envelope({"log_file": notified.key, "s3bucket": notified.bucket})
