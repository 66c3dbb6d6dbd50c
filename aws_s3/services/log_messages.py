"""Encoding log events: as they are, JSON or text, or in an envelope."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from aws_s3.codec.messages import cut_text, encode, envelope, shrink
from aws_s3.pipeline.event_rules import EventRules, discards, matches
from aws_s3.services.log_group_api import LogEvent, LogStream
from aws_s3.settings import DiscardRule
from aws_s3.state.log_streams import Group

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class LogMessages:
    """Encodes the events of a group's streams: as they are, or with `wrap` in an envelope."""

    group: Group
    rules: EventRules
    wrap: bool

    def encode(self, stream: LogStream, event: LogEvent) -> bytes | None:
        """Return the encoded event in UTF-8; None if the user's rule discards it."""
        if not self.rules.keeps(event.message, _discards_text):
            return None
        if not self.wrap:
            encoded = event.message.encode("utf-8", "replace")
            if self.rules.fits(encoded):
                return encoded
        wrapped = self._wrapped(stream, event) if self.wrap else None
        encoded = encode(wrapped) if wrapped else event.message.encode("utf-8", "replace")

        def shrunk(limit: int) -> bytes:
            whole = wrapped or _parsed(event.message)
            return shrink(whole, limit) if whole else cut_text(event.message, limit)

        return self.rules.fit(encoded, f"log stream {stream.name} of {self.group.name}", shrunk)

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


def _discards_text(rule: DiscardRule, message: str) -> bool:
    """Match the field of a JSON object; match the whole text where it is no object or the rule has no field."""
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
    except OverflowError:  # beyond the year 9999
        return str(milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"
