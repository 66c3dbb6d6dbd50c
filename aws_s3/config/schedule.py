"""When the next run begins: the schedule of ossec.conf in local time. No I/O: the caller has the clock."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from itertools import count, islice

from dateutil.relativedelta import relativedelta

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "M": 31 * 86400}
_INTERVAL = re.compile(r"(\d{1,9})([smhdwM]?)", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d\d)", re.ASCII)
_DAY = re.compile(r"\d{1,2}", re.ASCII)
_MOST_SECONDS = 120 * _SECONDS["M"]
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Interval:
    """A number of seconds, minutes, hours, days, weeks or months: the `unit` is one of s, m, h, d, w, M."""

    number: int = 10
    unit: str = "m"

    def __str__(self) -> str:
        return f"{self.number}{self.unit}"

    @property
    def seconds(self) -> int:
        """How long it is; for months, the longest that it can be."""
        return self.number * _SECONDS[self.unit]


@dataclass(frozen=True)
class Schedule:
    """An interval; runs may be bound to a day of the month, or of the week (Monday is 0), and a local time.

    Without any of these, the next run begins one interval after the last, as clocks without daylight
    saving count; months begin on their first day. Raises ValueError for parts that do not go together.
    """

    interval: Interval = Interval()
    day: int | None = None
    wday: int | None = None
    at: time | None = None

    def __post_init__(self) -> None:
        unit = self.interval.unit
        if self.day is not None and unit != "M":
            raise ValueError("<day> needs an <interval> of months, such as 1M")
        if self.wday is not None and unit != "w":
            raise ValueError("<wday> needs an <interval> of weeks, such as 1w")
        if self.at is not None and unit not in "dwM":
            raise ValueError("<time> needs an <interval> of days, weeks or months, such as 1d")

    def after(self, last: datetime, zone: tzinfo | None = None) -> datetime:
        """Return when the run after the one that began at `last` begins, in UTC; `last` is aware.

        `zone` is where days and times are local, None for the system's own. A time that daylight saving
        leaves out is as much later as the clocks are put forward; one that comes twice is the first.
        """
        if not self._is_bound:
            return last.astimezone(timezone.utc) + timedelta(seconds=self.interval.seconds)
        # A day further back: where clocks are put forward at midnight, a day's run may begin on the next.
        begin = last.astimezone(zone).date() - _ONE_DAY
        moments = (self._moment(day, zone) for day in self._days(begin))
        later = (moment for moment in moments if moment > last)
        return next(islice(later, self._every - 1, None))

    @property
    def _is_bound(self) -> bool:
        return self.interval.unit == "M" or self.wday is not None or self.at is not None

    @property
    def _every(self) -> int:
        """How many of the days that `_days` gives are one interval."""
        in_weeks_of_days = self.interval.unit == "w" and self.wday is None
        return self.interval.number * 7 if in_weeks_of_days else self.interval.number

    def _days(self, begin: date) -> Iterator[date]:
        """Yield the days on which a run could begin; a month that is shorter counts to its last day."""
        if self.interval.unit == "M":
            return (begin + relativedelta(months=number, day=self.day or 1) for number in count())
        if self.wday is not None:
            first = begin + timedelta(days=(self.wday - begin.weekday()) % 7)
            return (first + timedelta(weeks=number) for number in count())
        return (begin + timedelta(days=number) for number in count())

    def _moment(self, day: date, zone: tzinfo | None) -> datetime:
        # By way of the timestamp: astimezone() puts a time that the system's zone leaves out before the change.
        local = datetime.combine(day, self.at or time(), tzinfo=zone)
        return datetime.fromtimestamp(local.timestamp(), timezone.utc)


def parse_interval(text: str) -> Interval:
    """Return the interval; a number alone means seconds. Raises ValueError, which names the allowed values."""
    found = _INTERVAL.fullmatch(text)
    interval = Interval(int(found[1]), found[2] or "s") if found else Interval(0)
    if not 0 < interval.seconds <= _MOST_SECONDS:
        raise ValueError("use a number with s, m, h, d, w or M, such as 10m, from 1s to 10 years")
    return interval


def parse_day(text: str) -> int:
    """Return the day of the month. Raises ValueError."""
    if not _DAY.fullmatch(text) or not 1 <= int(text) <= 31:
        raise ValueError("use a number from 1 to 31")
    return int(text)


def parse_wday(text: str) -> int:
    """Return the number of the day of the week. Raises ValueError."""
    for number, name in enumerate(WEEKDAYS):
        if text.lower() in (name, name[:3]):
            return number
    raise ValueError(f"use one of {', '.join(WEEKDAYS)}, or its first three letters")


def parse_time(text: str) -> time:
    """Return the time of day. Raises ValueError."""
    found = _TIME.fullmatch(text)
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        raise ValueError("use hh:mm, from 00:00 to 23:59")
    return time(int(found[1]), int(found[2]))
