"""The objects that the messages of a queue name. Pure parsing.

Formats: the S3 user guide ("Event message structure", "EventBridge event message structure"), the
Security Lake user guide ("Managing data access for subscribers"), the SNS developer guide ("Parsing
message formats").
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

_DEEPEST_WRAPPING = 4
_TEST_EVENT = "s3:TestEvent"
_SURROGATE = re.compile("[\ud800-\udfff]")

# Names of S3's events without new content: the object is gone, or was there before.
_WITHOUT_CONTENT = (
    "IntelligentTiering",
    "LifecycleExpiration:",
    "LifecycleTransition",
    "ObjectAcl:",
    "ObjectRemoved:",
    "ObjectRestore:Delete",
    "ObjectRestore:Post",
    "ObjectTagging:",
    "ReducedRedundancyLostObject",
    "Replication:",
    # The same as EventBridge calls them.
    "Object ACL Updated",
    "Object Access Tier Changed",
    "Object Deleted",
    "Object Restore Expired",
    "Object Restore Initiated",
    "Object Storage Class Changed",
    "Object Tags Added",
    "Object Tags Deleted",
)


class UnknownNotification(ValueError):
    """A message's body has none of the known forms; the text gives the reason."""


@dataclass(frozen=True)
class NotifiedObject:
    """An object that a message names. `size` in bytes, None if the message does not say.

    `version` tells one writing of the object from another; it is empty if the message does not say. `event` is the
    content of a message that is an event itself: JSON; the key is the message's ID then, and the bucket is empty.
    """

    bucket: str
    key: str
    size: int | None = None
    version: str = ""
    event: bytes | None = None


def notified_objects(body: str, message_id: str = "") -> list[NotifiedObject]:
    """Return the objects that a message names, in its order; none for a test event or for deletions.

    The known forms are S3's event notifications with any number of records, EventBridge's events (Security
    Lake sends them too), and both inside an SNS notification. S3 encodes keys as in a URL's query,
    EventBridge does not. An event of another service that EventBridge sent (Security Hub, GuardDuty …), which names
    no object, is returned as an object with the event as its content.

    Raises UnknownNotification for another body, and for a body with a single record of another form.
    """
    message = _unwrapped(body)
    if message.get("Event") == _TEST_EVENT:
        return []
    if isinstance(message.get("Records"), list) and message["Records"]:
        return list(_records(message["Records"]))
    detail = message.get("detail")
    if isinstance(detail, dict):
        if isinstance(message.get("detail-type"), str) and "object" not in detail and "bucket" not in detail:
            event = json.dumps(message).encode()
            return [NotifiedObject("", message_id, len(event), event=event)]
        return list(_event_bridge(message))
    raise UnknownNotification("it names no object")


def _unwrapped(body: str) -> Mapping[str, Any]:
    """Return the JSON object inside the SNS notifications that wrap it."""
    for _ in range(_DEEPEST_WRAPPING):
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise UnknownNotification("it is not JSON") from error
        if not isinstance(message, dict):
            raise UnknownNotification("it is not a JSON object")
        if not isinstance(message.get("Message"), str):
            return message
        body = message["Message"]
    raise UnknownNotification("it is wrapped too often")


def _records(records: list[Any]) -> Iterator[NotifiedObject]:
    for record in records:
        entity = _member(record, "s3")
        found = _member(entity, "object")
        if _brings_content(record.get("eventName")):
            key = unquote_plus(_text(found, "key"))
            yield _notified(_member(entity, "bucket"), found, key, "eTag")


def _event_bridge(event: Mapping[str, Any]) -> Iterator[NotifiedObject]:
    detail = event["detail"]
    found = _member(detail, "object")
    if _brings_content(event.get("detail-type")):
        yield _notified(_member(detail, "bucket"), found, _text(found, "key"), "etag")


def _notified(bucket: Mapping[str, Any], found: Mapping[str, Any], key: str, tag: str) -> NotifiedObject:
    size = found.get("size")
    sequencer = found.get("sequencer")
    return NotifiedObject(
        bucket=_text(bucket, "name"),
        key=key,
        size=size if type(size) is int and size >= 0 else None,
        version=f"{sequencer} {found.get(tag)}" if sequencer else "",
    )


def _brings_content(event_name: object) -> bool:
    return not isinstance(event_name, str) or not event_name.removeprefix("s3:").startswith(_WITHOUT_CONTENT)


def _member(value: Any, name: str) -> Mapping[str, Any]:
    member = value.get(name) if isinstance(value, dict) else None
    if not isinstance(member, dict):
        raise UnknownNotification(f"{name!r} is missing")
    return member


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise UnknownNotification(f"{name!r} is missing")
    if _SURROGATE.search(text):
        raise UnknownNotification(f"{name!r} is not valid Unicode")
    return text
