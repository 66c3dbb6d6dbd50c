"""Events that reach a bucket through Firehose: from EventBridge, or VPC flow logs as lines of text."""

from collections.abc import Iterable, Iterator
from typing import IO, Any

from aws_s3.codec.delimited import batch_events
from aws_s3.codec.flow_logs import flow_log_batches
from aws_s3.codec.json_and_lines import holds_json, json_values, line_blocks
from aws_s3.codec.records import BadRecord, Event
from aws_s3.log_types.base import LogType
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
    table = "custom"
    layouts = (Layout(SLASHED),)

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Yield what Firehose delivered."""
        return firehose_events(body, key)

    def reshape(self, event: Event) -> Iterable[Event]:
        """Make the members that hold now text, now objects, or have names of their own, alike."""
        for shaped in super().reshape(event):
            _wrap_unusual(shaped)
            if shaped.get("source") == "macie":
                shaped.pop("trigger", None)
                if isinstance(shaped.get("summary"), dict):
                    shaped["summary"] = {name: _summary(name, value) for name, value in shaped["summary"].items()}
            yield shaped


def firehose_events(body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
    """Yield the events of an object that Firehose wrote: JSON values in any arrangement, or flow log lines.

    Firehose joins its records as they are, with nothing between them. A record of EventBridge gives its
    `detail`, with the record's `source` less `aws.`; another is taken whole, with `source` = `custom` if
    it has none. Raises ParseError where JSON is broken, or for a line too long.
    """
    if holds_json(body):
        yield from map(_event, json_values(body))
    else:
        for batch in flow_log_batches(line_blocks(body), iso_times=False, key=key):
            yield from batch_events(batch)


def _event(record: Any) -> Event | BadRecord:
    if not isinstance(record, dict):
        return BadRecord("it is a JSON value, but no object")
    if isinstance(record.get("detail"), dict):
        source, record = record.get("source"), record["detail"]
        if isinstance(source, str):
            return {**record, "source": source.removeprefix("aws.")}
    return record if record.get("source") is not None else {**record, "source": "custom"}


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
