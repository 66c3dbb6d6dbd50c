"""Events that reach a bucket through Firehose: from EventBridge, CloudWatch Logs or an application."""

from collections.abc import Iterable, Iterator
from typing import IO, Any

from aws_s3.codec.any_content import block_events, json_events, record_blocks, text_events
from aws_s3.codec.blocks import Block
from aws_s3.codec.containers import TrailRecord
from aws_s3.codec.json_and_lines import holds_json
from aws_s3.codec.records import BadRecord, Event
from aws_s3.log_types.base import LogType
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import SLASHED, Layout

_SUMMARIES = (
    "Bucket",
    "DLP risk",
    "IP",
    "Location",
    "Object",
    "Owner",
    "Themes",
    "Timestamps",
    "recipientAccountId",
)
"""Members of a Macie alert's summary that hold counts, under names that differ from one alert to the next."""


class Custom(LogType):
    """Events of any AWS service."""

    name = "custom"
    example = "2021/06/10/01/firehose_events-1-2021-06-10-01-15-00-a1b2c3d4"
    table = "custom"
    layouts = (Layout(SLASHED),)

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Yield the events that Firehose delivered."""
        return firehose_events(body, key)

    def blocks(self, body: IO[bytes], key: str) -> Iterator[Block]:
        """Cut a container of records between these."""
        del key
        return record_blocks(body)

    def block_events(self, block: Block) -> Iterable[Event]:
        """Return the events of a block."""
        return block_events(block, self.name)

    def reshape(self, event: Event) -> Iterable[Event]:
        """Make alike the members that hold text in some events and objects in others, or have names of their own."""
        if isinstance(event, TrailRecord):
            yield from CloudTrail().reshape(event)
            return
        for shaped in super().reshape(event):
            _wrap_unusual(shaped)
            if shaped.get("source") == "macie":
                shaped.pop("trigger", None)
                if isinstance(shaped.get("summary"), dict):
                    shaped["summary"] = {name: _summary(name, value) for name, value in shaped["summary"].items()}
            yield shaped


def firehose_events(body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
    """Yield the events of an object that Firehose wrote: JSON in any arrangement, flow logs, or lines of text.

    Firehose joins its records as they are, with nothing between them. An event without a `source` gets `custom`.
    Raises ParseError where JSON is broken, or for a line that is too long.
    """
    return json_events(body, "custom") if holds_json(body) else text_events(body, key)


def _wrap_unusual(event: Event) -> None:
    """Make GuardDuty's `service.additionalInfo.unusual`, an object in some findings, one in all."""
    service = event.get("service")
    information = service.get("additionalInfo") if isinstance(service, dict) else None
    if not isinstance(information, dict) or isinstance(information.get("unusual", {}), dict):
        return
    information = {**information, "unusual": {"value": information["unusual"]}}
    event["service"] = {**event["service"], "additionalInfo": information}


def _summary(name: str, value: Any) -> Any:
    """Return the value of the member `name` of a Macie alert's summary as it is sent."""
    if not isinstance(value, dict):
        return value
    if name in _SUMMARIES:
        return list(_paths(value))
    if name == "Events":
        return {event: _counts(fields) for event, fields in value.items()}
    return value


def _counts(fields: Any) -> Any:
    """Return the fields of an event in a Macie alert's summary: names without the counts behind them."""
    if not isinstance(fields, dict):
        return fields
    return {name: _names_or_count(name, value) for name, value in fields.items()}


def _names_or_count(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return list(_paths(value))
    return [str(value)] if name == "count" else value


def _paths(value: dict[str, Any]) -> Iterator[str]:
    """Yield the path to each value that is no object: the names on the way, joined with `.`."""
    for name, member in value.items():
        if isinstance(member, dict) and member:
            yield from (f"{name}.{path}" for path in _paths(member))
        else:
            yield name
