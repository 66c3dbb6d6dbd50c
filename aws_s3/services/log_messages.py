"""The messages of log events: as they are, JSON or text, or in an envelope (SPEC 8, 11)."""

import json
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from aws_s3.codec.messages import cut_text, encode, envelope, shrink
from aws_s3.pipeline.discard import discards, matches
from aws_s3.pipeline.stats import EventCounts
from aws_s3.services.log_group_api import LogEvent, LogStream
from aws_s3.settings import DiscardRule
from aws_s3.state.log_streams import Group

log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class LogMessages:
    """Makes the messages of a group's events, which `reading` counts. `limit` is the largest in bytes."""

    group: Group
    discard: DiscardRule | None
    wrap: bool
    limit: int | None
    reading: EventCounts = field(default_factory=EventCounts)

    def of(self, stream: LogStream, event: LogEvent) -> bytes | None:
        """Return the event's message in UTF-8; None when it is discarded."""
        if self.discard is not None and _is_discarded(self.discard, event.message):
            self.reading.discarded += 1
            return None
        wrapped = self._wrapped(stream, event) if self.wrap else None
        message = encode(wrapped) if wrapped else event.message.encode("utf-8", "replace")
        if self.limit is None or len(message) <= self.limit:
            return message
        self.reading.truncated += 1
        log.warning(
            "An event of log stream %s of %s has %d bytes and is cut to %d",
            stream.name, self.group.name, len(message), self.limit,
        )  # fmt: skip
        whole = wrapped or _parsed(event.message)
        return shrink(whole, self.limit) if whole else cut_text(event.message, self.limit)

    def _wrapped(self, stream: LogStream, event: LogEvent) -> dict[str, Any]:
        log_info = {
            "aws_account_id": stream.account,
            "region": self.group.region,
            "log_group": self.group.name,
            "log_stream": stream.name,
        }
        parsed = _parsed(event.message)
        content = {
            "source": "cloudwatchlogs",
            "timestamp": _iso(event.time),
            "message": event.message if parsed is None else parsed,
        }
        return envelope(log_info, content)


def _is_discarded(rule: DiscardRule, message: str) -> bool:
    """Look at the field of a JSON object, at the whole of anything else; also where no field is given."""
    event = _parsed(message) if rule.field else None
    return matches(rule.regex, message) if event is None else discards(rule, event)


def _parsed(message: str) -> dict[str, Any] | None:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _iso(milliseconds: int) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:  # no calendar has it
        return str(milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"
