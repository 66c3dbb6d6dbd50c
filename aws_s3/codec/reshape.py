"""The reshaping that every bucket event goes through before it is sent."""

import re
from typing import Any

_IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}", re.ASCII)


def reshape(event: dict[str, Any]) -> dict[str, Any]:
    """Return a copy without nulls and one-element lists, with `source_ip_address` and `tags` as an object."""
    shaped = _unwrap(event)
    address = shaped.get("sourceIPAddress")
    if isinstance(address, str) and _IPV4.fullmatch(address):
        shaped["source_ip_address"] = address
    if "tags" in shaped and not isinstance(shaped["tags"], dict):
        shaped["tags"] = {"value": shaped["tags"]}
    return shaped


def without_nulls(event: dict[str, Any]) -> dict[str, Any]:
    """Return a copy without null values, at any depth of nested objects, not inside lists."""
    return {
        name: without_nulls(value) if type(value) is dict else value
        for name, value in event.items()
        if value is not None
    }


def _unwrap(event: dict[str, Any]) -> dict[str, Any]:
    """Drop nulls and take one-element lists apart in nested objects; elements of lists are not looked into."""
    shaped = event.copy()
    for name, value in event.items():
        kind = type(value)
        if kind is str:  # most are
            continue
        if kind is dict:
            shaped[name] = _unwrap(value)
        elif value is None:
            del shaped[name]
        elif kind is list and len(value) == 1:
            shaped[name] = value[0]
    return shaped
