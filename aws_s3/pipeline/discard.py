"""Deciding which events are not sent (SPEC 7)."""

import json
import re
from collections.abc import Iterator
from typing import Any

from aws_s3.settings import DiscardRule


def discards(rule: DiscardRule, event: dict[str, Any]) -> bool:
    """Tell whether the rule's regex matches the start of the field's value in the parsed event.

    The field is a path of names joined with dots and goes through lists at any level: one element
    that matches is enough. Numbers and booleans are matched as their JSON text.
    """
    return any(matches(rule.regex, text) for text in _texts(event, rule.field.split(".")))


def matches(regex: re.Pattern[str], text: str) -> bool:
    """Tell whether `regex` matches the start of `text`."""
    return regex.match(text) is not None


def _texts(value: Any, path: list[str]) -> Iterator[str]:
    if isinstance(value, list):
        for element in value:
            yield from _texts(element, path)
    elif path:
        if isinstance(value, dict) and path[0] in value:
            yield from _texts(value[path[0]], path[1:])
    elif isinstance(value, str):
        yield value
    elif isinstance(value, (bool, int, float)):
        yield json.dumps(value)
