"""The places of a type's objects, as data: folder levels, then a date.

Nothing here lists anything: `discovery` walks the levels, `listing` the dates.
"""

import re
from dataclasses import dataclass
from datetime import date

from aws_s3.settings import BucketLocation

AWS_LOGS = "AWSLogs/"
ACCOUNT_FOLDER = re.compile(r"\d{12}", re.ASCII)
REGION_NAME = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}", re.ASCII)


@dataclass(frozen=True)
class DateFormat:
    """How an object's day is written, right after its partition's prefix.

    `text` is the `strftime` form; every key of a day or later sorts at or after it, unless
    `unpadded`: then years, months and days are folders of their own that sort only as numbers.
    `by_year`: the keys of other formats lie between this one's years, so each year is listed alone.
    `is_folder`: a `/` follows the day in every key.
    """

    text: str
    pattern: re.Pattern[str]
    unpadded: bool = False
    by_year: bool = False
    is_folder: bool = False

    def written(self, day: date) -> str:
        """Return the day as keys hold it; the year has four digits, which `strftime` does not promise."""
        return day.strftime(self.text.replace("%Y", f"{day.year:04}"))

    def before(self, day: date) -> str:
        """Return a text that sorts before every key of the day, and after those of earlier days, for StartAfter.

        A folder ends in `/`: SeaweedFS takes `2021/06/10` for the folder and passes over all that lies in it.
        """
        return self.written(day) + ("/" if self.is_folder else "")

    def day(self, rest: str) -> date | None:
        """Return the day that `rest`, a key without its partition's prefix, begins with; else None."""
        found = self.pattern.match(rest)
        if found is None:
            return None
        year, month, day = map(int, found.groups()[:3])
        try:
            return date(year, month, day)
        except ValueError:
            return None


SLASHED = DateFormat("%Y/%m/%d", re.compile(r"(\d{4})/(\d\d)/(\d\d)/", re.ASCII), is_folder=True)
UNPADDED = DateFormat("%Y/%m/%d", re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})/", re.ASCII), unpadded=True)


@dataclass(frozen=True)
class Account:
    """A level of 12-digit account folders."""


@dataclass(frozen=True)
class Region:
    """A level of region folders; `also` names folders that count as regions and `--regions` never removes."""

    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnyFolder:
    """A level of folders with any name (an ACL, a bucket)."""


Level = str | Account | Region | AnyFolder


@dataclass(frozen=True)
class Layout:
    """A path, folder levels (a fixed name or a kind of folder), a date, then object names.

    `in_awslogs`: the levels begin under `AWSLogs/`, the suffix and the organization.
    """

    dates: DateFormat
    levels: tuple[Level, ...] = ()
    in_awslogs: bool = False

    def base(self, source: BucketLocation) -> str:
        """Return the prefix under which the levels begin: an account's folder or a date follows."""
        if not self.in_awslogs:
            return source.path
        organization = f"{source.organization}/" if source.organization else ""
        return f"{source.path}{AWS_LOGS}{source.suffix}{organization}"


@dataclass(frozen=True)
class Partition:
    """The part of a source with its own place in time: all keys with one prefix before the date.

    `account` and `region` are empty where the layout has no such folder.
    """

    prefix: str
    dates: DateFormat
    account: str = ""
    region: str = ""

    @property
    def label(self) -> str:
        """The name users know it by: `ACC/REG`, or the prefix."""
        return "/".join(filter(None, (self.account, self.region))) or self.prefix

    def day(self, key: str) -> date | None:
        """Return the day of `key`, None when it is no key of this partition."""
        return self.dates.day(key[len(self.prefix) :]) if key.startswith(self.prefix) else None

    def order(self, key: str) -> tuple[date, str]:
        """Return the sort key for processing order: the day, then the key (`config` needs the day)."""
        return (self.day(key) or date.min, key)


def aws_logs(service: str, dates: DateFormat = SLASHED, *below: Level, region: Level | None = None) -> Layout:
    """Return the layout `P AWSLogs/S [ORG/]ACC/service/REG/[below/]date/…`."""
    levels = (Account(), service, region or Region(), *below)
    return Layout(dates, levels, in_awslogs=True)
