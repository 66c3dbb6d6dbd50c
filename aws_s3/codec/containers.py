"""JSON objects that hold many records: CloudTrail's files, log events, findings, configuration items.

A container is an object with exactly one member that is a list of objects, and that member has one of the names
below. Formats: Amazon CloudWatch Logs' user guide ("Subscription filters with Firehose"), AWS CloudTrail's ("log file
examples"), AWS Security Hub's ("EventBridge event formats"), AWS Config's ("Example configuration history").
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from aws_s3.codec.records import Event, set_source

CONTAINERS = frozenset({"Records", "logEvents", "findings", "configurationItems"})

STREAMED = frozenset({"Records", "configurationItems"})
"""The containers whose records stand for themselves, so that a large one can be read in parts."""

_TRAIL_FIELDS = frozenset({"eventID", "eventSource", "eventVersion"})
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class TrailRecord(Event):
    """A record of CloudTrail, with `source` = `cloudtrail`: it is reshaped as the type cloudtrail does."""


class LogEvent(Event):
    """An event of CloudWatch Logs, with its own string `source` or `cloudwatch`."""


def open_container(value: Event) -> Iterator[Event]:
    """Yield an event for each record of a container, none for an empty one; another object as it is.

    A finding's event is the object around the list with the finding in its place, so that one finding and several
    look alike.
    """
    name = _container(value)
    if name is None:
        yield value
    elif name == "logEvents":
        if value.get("messageType") != "CONTROL_MESSAGE":
            yield from (_log_event(element, value) for element in value[name])
    elif name == "findings":
        yield from ({**value, name: finding} for finding in value[name])
    else:
        yield from map(open_record, value[name])


def _container(value: Event) -> str | None:
    """Return the name of the member that holds the records; None if the object is not a container."""
    names = CONTAINERS & value.keys()
    if not names:
        return None
    lists = [name for name, member in value.items() if _is_list_of_objects(member, may_be_empty=name in names)]
    return lists[0] if len(lists) == 1 and lists[0] in names else None


def _is_list_of_objects(member: Any, *, may_be_empty: bool) -> bool:
    if not isinstance(member, list):
        return False
    return all(isinstance(element, dict) for element in member) if member else may_be_empty


def open_record(record: Event) -> Event:
    """Return the event of a record that stands for itself: a TrailRecord if it looks like CloudTrail's."""
    if not record.keys() >= _TRAIL_FIELDS:
        return record
    trail_record = TrailRecord(record)
    set_source(trail_record, "cloudtrail")
    return trail_record


def _log_event(element: Event, around: Event) -> Event:
    message = element.get("message")
    own = _json_object(message)
    if own is not None:
        event = LogEvent(own)
    else:
        event = LogEvent(full_log=message) if isinstance(message, str) else LogEvent(element)
    event["log_group"] = around.get("logGroup")
    event["log_stream"] = around.get("logStream")
    event.setdefault("owner", around.get("owner"))
    if own is None:
        event.pop("timestamp", None)
    event.setdefault("timestamp", _iso_time(element.get("timestamp")))
    if not isinstance(event.get("source"), str):
        set_source(event, "cloudwatch")
    return event


def _json_object(message: Any) -> Event | None:
    if not isinstance(message, str) or not message.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(message, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _iso_time(milliseconds: Any) -> Any:
    """Return milliseconds since 1970 as UTC time with milliseconds; another value as it is."""
    if not isinstance(milliseconds, int):
        return milliseconds
    try:
        time = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return milliseconds
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
