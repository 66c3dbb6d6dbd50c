"""The places of a type's objects, as data: folder levels, then a date.

Nothing here lists anything: `discovery` walks the levels, `listing` the dates.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from aws_s3.settings import BucketLocation

AWS_LOGS = "AWSLogs/"
_AFTER_ANY = "\U0010ffff"
ACCOUNT_FOLDER = re.compile(r"\d{12}", re.ASCII)
REGION_NAME = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}", re.ASCII)


_DIRECTIVE = re.compile("%.")
_SPECIAL = re.compile(r"[.^$*+?{}\[\]|()\\]")


def _pattern_of(text: str, number: str) -> str:
    """Return the regular expression of a `strftime` form, with a group for each of year, month and day."""
    escaped = _SPECIAL.sub(r"\\\g<0>", text)
    return escaped.replace("%Y", r"(\d{4})").replace("%m", f"({number})").replace("%d", f"({number})")


@dataclass(frozen=True)
class DateFormat:
    """How an object's day is written, right after its partition's prefix.

    `text` is the `strftime` form: year, month and day, in this order, zero-padded. So every key of a day or later sorts
    at or after the day, and a listing can begin there. If `unpadded`, years, months and days are folders that sort only
    as numbers. `pattern` matches the day and what follows it. `by_year`: the keys of other formats lie between this
    one's years, so each year is listed alone. `is_folder`: a `/` follows the day in every key.
    `own_rows`: Wazuh's own module would mistake the keys, so their rows are in a table of our own.

    Raises ValueError for a form whose days cannot be listed in order.
    """

    text: str
    pattern: re.Pattern[str]
    unpadded: bool = False
    by_year: bool = False
    is_folder: bool = False
    own_rows: bool = False

    def __post_init__(self) -> None:
        if _DIRECTIVE.findall(self.text) != ["%Y", "%m", "%d"] or not self.text.startswith("%Y"):
            raise ValueError(f"the days of {self.text!r} cannot be listed in order: year, month and day must follow")
        if not self.pattern.pattern.startswith(_pattern_of(self.text, r"\d{1,2}" if self.unpadded else r"\d\d")):
            raise ValueError(f"the pattern of {self.text!r} does not begin with the day")

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


HIVE = DateFormat(
    "%Y/month=%m/day=%d",
    re.compile(r"(\d{4})/month=(\d\d)/day=(\d\d)/", re.ASCII),
    is_folder=True,
    own_rows=True,
)
"""The folders `year=2021/month=06/day=10/`, behind the stem `year=` of a layout."""


@dataclass(frozen=True)
class Account:
    """A level of 12-digit account folders; `name` stands before the number, such as `aws-account-id=`."""

    name: str = ""


@dataclass(frozen=True)
class Region:
    """A level of region folders; `also` names folders that count as regions and `--regions` never removes.

    `name` stands before the region, such as `aws-region=`.
    """

    also: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class AnyFolder:
    """A level of folders with any name (an ACL, a bucket)."""


@dataclass(frozen=True)
class NameStart:
    """The beginning of object names up to a dot, such as a distribution: the last level, and not a folder.

    `start` is what all of them begin with; `pattern` matches one, without the dot.
    """

    start: str
    pattern: str


Level = str | Account | Region | AnyFolder | NameStart


def ending(level: Level) -> str:
    """Return the character that ends a level in a key."""
    return "." if isinstance(level, NameStart) else "/"


@dataclass(frozen=True)
class Layout:
    """A path, folder levels (a fixed name or a kind of folder), a date, then object names.

    `in_awslogs`: the levels begin under `AWSLogs/`, the suffix and the organization. `stem` is text between the last
    level and the date, such as `year=`. Raises ValueError for a layout whose partitions or days cannot be listed.
    """

    dates: DateFormat
    levels: tuple[Level, ...] = ()
    in_awslogs: bool = False
    stem: str = ""

    def __post_init__(self) -> None:
        kinds = [type(level) for level in self.levels]
        if kinds.count(Account) > 1 or kinds.count(Region) > 1:
            raise ValueError("a layout has one level of accounts and one of regions at most")
        if NameStart in kinds[:-1]:
            raise ValueError("only a date can follow the beginning of a name")
        if self.in_awslogs and kinds[:1] != [Account]:
            raise ValueError("accounts are the first level under AWSLogs/")
        if "/" in self.stem or any(isinstance(level, str) and not level.strip("/") for level in self.levels):
            raise ValueError("a level has a name, and a stem is part of one")

    def base(self, source: BucketLocation) -> str:
        """Return the prefix under which the levels begin: an account's folder or a date follows."""
        if not self.in_awslogs:
            return source.path
        organization = f"{source.organization}/" if source.organization else ""
        return f"{source.path}{AWS_LOGS}{source.suffix}{organization}"

    def partition(self, prefix: str, source: BucketLocation) -> "Partition | None":
        """Return the partition of the source that has the prefix, None if none of this layout has it."""
        base, account, region = self.base(source), "", ""
        if not prefix.startswith(base) or not prefix.endswith(self.stem):
            return None
        rest = prefix[len(base) : len(prefix) - len(self.stem)]
        for level in self.levels:
            name, end, rest = rest.partition(ending(level))
            start = level if isinstance(level, str) else getattr(level, "name", "") or getattr(level, "start", "")
            if not end or not name.startswith(start):
                return None
            if isinstance(level, Account):
                account = name.removeprefix(start)
            elif isinstance(level, Region):
                region = name.removeprefix(start)
        return None if rest else Partition(prefix, self.dates, account, region)

    def selects(self, partition: "Partition", accounts: Collection[str], regions: Collection[str]) -> bool:
        """Tell whether a run for these accounts and regions, or for all where there are none, lists the partition."""
        also = next((level.also for level in self.levels if isinstance(level, Region)), ())
        has_account = not accounts or not partition.account or partition.account in accounts
        return has_account and (not regions or not partition.region or partition.region in {*regions, *also})

    def key_range(self, source: BucketLocation) -> tuple[str, str]:
        """Return the first and the last possible key of the source: behind the base come digits or the first level.

        A folder with another name is another source's.
        """
        base = self.base(source)
        first = self.levels[0] if self.levels else self.stem
        start = first if isinstance(first, str) else getattr(first, "name", "") or getattr(first, "start", "")
        if isinstance(first, AnyFolder):
            return base, f"{base}{_AFTER_ANY}"
        digits = ("0", f"9{_AFTER_ANY}") if isinstance(first, Account) or not self.levels else ("", _AFTER_ANY)
        return f"{base}{start}{digits[0]}", f"{base}{start}{digits[1]}"


@dataclass(frozen=True)
class Partition:
    """The part of a source with its own place in time: all keys with one prefix before the date.

    `account` and `region` are empty where the layout has no such folder.
    """

    prefix: str
    dates: DateFormat
    account: str = ""
    region: str = ""

    def __hash__(self) -> int:
        """Return the prefix's: partitions are keys of the tables that a run asks most."""
        return hash(self.prefix)

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


def hive_logs(service: str) -> Layout:
    """Return the Hive-compatible layout: `P AWSLogs/S [ORG/]aws-account-id=ACC/aws-service=service/…`."""
    levels = (Account("aws-account-id="), f"aws-service={service}", Region(name="aws-region="))
    return Layout(HIVE, levels, in_awslogs=True, stem="year=")
