"""The elements of ossec.conf that make a schedule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from aws_s3.config.schedule import Interval, Schedule, parse_day, parse_interval, parse_time, parse_wday
from aws_s3.wazuh.ossec_xml import Element, OssecSyntaxError

T = TypeVar("T")

SCHEDULE_TAGS = ("interval", "day", "wday", "time")

Warn = Callable[[Element, str], None]


@dataclass(frozen=True)
class _Bound:
    """A tag that binds runs to a day or time: the units of intervals that it goes with, the first if no other fits."""

    tag: str
    units: str

    @property
    def interval(self) -> Interval:
        """The interval to use with the tag."""
        return Interval(1, self.units[0])


_BOUNDS = (_Bound("day", "M"), _Bound("wday", "w"), _Bound("time", "dwM"))


def schedule_of(given: Mapping[str, Element], warn: Warn) -> Schedule | None:
    """Return the schedule that the tags make, None without any; an interval that they do not go with is replaced.

    Raises OssecSyntaxError for a value that is wrong, and for tags that exclude each other.
    """
    if not any(tag in given for tag in SCHEDULE_TAGS):
        return None
    if {"day", "wday"} <= given.keys():
        raise OssecSyntaxError(given["wday"].line, "<wday> and <day> exclude each other")
    interval = _parsed(given, "interval", parse_interval)
    for bound in _BOUNDS:
        if bound.tag in given and (interval is None or interval.unit not in bound.units):
            if interval is not None:
                warn(given["interval"], f"does not go with <{bound.tag}>: {bound.interval} is used")
            interval = bound.interval
    return Schedule(
        interval=interval or Interval(),
        day=_parsed(given, "day", parse_day),
        wday=_parsed(given, "wday", parse_wday),
        at=_parsed(given, "time", parse_time),
    )


def _parsed(given: Mapping[str, Element], tag: str, parse_value: Callable[[str], T]) -> T | None:
    if tag not in given:
        return None
    element = given[tag]
    if element.children:
        raise OssecSyntaxError(element.children[0].line, f"<{tag}> must hold a value, not a tag")
    try:
        return parse_value(element.text)
    except ValueError as error:
        raise OssecSyntaxError(element.line, f"<{tag}>: {element.text!r} is not valid: {error}") from None
