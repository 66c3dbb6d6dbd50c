"""Which options collect an object, by its key alone: the answer to "why does this source find nothing".

Nothing here lists or reads anything.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from aws_s3.errors import InvalidTypeError
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import (
    AWS_LOGS,
    REGION_NAME,
    SLASHED,
    Account,
    AnyFolder,
    Layout,
    Level,
    NameStart,
    Partition,
    Region,
    ending,
)
from aws_s3.log_types.strays import is_stray

CUSTOM = "custom"
FORBIDDEN_IN_PATH = re.compile(r"""[{}^%`\[\]'"<>~#|]|&#?\w+;""")
"""The characters that `--trail_prefix` refuses."""

_NOT_OF_PATH = re.compile(rf"{FORBIDDEN_IN_PATH.pattern}|\\")
"""`--trail_prefix` takes a backslash for a slash, so that no path with one can be given."""

_NO_LOGS = re.compile(r"(?:.*/)?CloudTrail-Digest/", re.ASCII | re.DOTALL)
_ORGANIZATION = re.compile(r"o-[a-z0-9]{1,32}", re.ASCII)
_ACCOUNT_FOLDER = re.compile(r"((?:[A-Za-z_-]+=)?)\d{12}", re.ASCII)
_REGION_FOLDER = re.compile(rf"((?:[A-Za-z_-]+=)?){REGION_NAME.pattern}", re.ASCII)
_HAS_DIGIT = re.compile(r"\d", re.ASCII)
_NAME = r"((?:[A-Za-z_]+=)?)"
_ANY_DATE = re.compile(
    rf"(?<!\d)(20\d\d)([/_.-]?){_NAME}(0[1-9]|1[0-2])\2{_NAME}(0[1-9]|[12]\d|3[01])(?!\d)(/?)", re.ASCII
)


@dataclass(frozen=True)
class Reading:
    """Options that collect an object. `layout` is the pattern of `--layout`, empty where the type needs none.

    `account` and `region` are those of the object's folders, empty where it lies in none; `day` is the object's.
    """

    type: str
    path: str = ""
    suffix: str = ""
    organization: str = ""
    layout: str = ""
    account: str = ""
    region: str = ""
    day: date = date.min
    rank: tuple[int, ...] = ()

    def options(self) -> list[str]:
        """Return the words of the command line that say where the object lies and which type it is."""
        words = ["-t", self.type]
        for option, value in (
            ("-l", self.path),
            ("-L", self.suffix),
            ("-O", self.organization),
            ("--layout", self.layout),
        ):
            if value:
                words += words_of(option, value)
        return words


def words_of(option: str, value: str) -> list[str]:
    """Return the option with its value; one that begins with `-` would be taken for an option of its own."""
    return [f"{option}={value}"] if value.startswith("-") else [option, value]


def readings(key: str, asked: str = "") -> list[Reading]:
    """Return all options that collect the object, the most telling first.

    If several types share one layout, `asked` is the one that the user named.
    """
    if is_stray(key) or _NO_LOGS.match(key):
        return []
    found = [*_by_type(key), *_by_layout(key)]
    allowed = [reading for reading in found if not _NOT_OF_PATH.search(reading.path + reading.suffix)]
    return sorted(allowed, key=lambda reading: (*reading.rank, reading.type != asked, reading.type != CUSTOM))


def _by_type(key: str) -> Iterator[Reading]:
    for name, kind in LOG_TYPES.items():
        log_type = kind()
        for layout in log_type.layouts:
            found = _pattern(layout).match(key)
            if found and (day := _day(log_type, layout, found, key)):
                yield replace(_reading(name, layout, found), day=day)


def _day(log_type: LogType, layout: Layout, found: re.Match[str], key: str) -> date | None:
    """Return the day of the object, None unless the type accepts it under this path."""
    partition = _partition(layout, found)
    if not log_type.accepts(key, partition):
        return None
    try:
        log_type.check_path(found["path"])
    except InvalidTypeError:
        return None
    return partition.day(key)


def _reading(name: str, layout: Layout, found: re.Match[str]) -> Reading:
    named = found.groupdict(default="")
    suffix, organization = _split_organization(named.get("between", ""))
    rank = (not layout.in_awslogs, 0 if layout.in_awslogs else found.end(), 2 if layout == Layout(SLASHED) else 0)
    account, region = named.get("account", ""), named.get("region", "")
    return Reading(name, found["path"], suffix, organization, account=account, region=region, rank=rank)


def _split_organization(between: str) -> tuple[str, str]:
    """Return the suffix and the organization that stand between AWSLogs/ and the account."""
    *suffix, last = between.split("/")[:-1] or [""]
    if _ORGANIZATION.fullmatch(last):
        return "".join(f"{folder}/" for folder in suffix), last
    return between, ""


@lru_cache(maxsize=16)
def partition_of(key: str, layout: Layout) -> Partition | None:
    """Return the partition that an object belongs to, by its key alone; None when it is of another layout."""
    found = _pattern(layout).match(key)
    if found is None:
        return None
    partition = _partition(layout, found)
    return partition if partition.day(key) else None


def _partition(layout: Layout, found: re.Match[str]) -> Partition:
    named = found.groupdict()
    return Partition(found["prefix"], layout.dates, named.get("account", ""), named.get("region", ""))


@lru_cache(maxsize=64)
def _pattern(layout: Layout) -> re.Pattern[str]:
    """Return a pattern that matches the layout's keys under any path, up to the date."""
    # Between AWSLogs/ and the account there may be a suffix and an organization.
    base = rf"(?P<path>(?:.*/)?){AWS_LOGS}(?P<between>(?:[^/]+/)*?)" if layout.in_awslogs else r"(?P<path>.*?)"
    levels = "".join(_level(level) + re.escape(ending(level)) for level in layout.levels) + re.escape(layout.stem)
    start = r"(?<![^/])" if layout.levels and not layout.in_awslogs else ""
    return re.compile(
        rf"(?P<prefix>{base}{start}{levels})(?<!\d)(?={layout.dates.pattern.pattern})", re.ASCII | re.DOTALL
    )


def _level(level: Level) -> str:
    if isinstance(level, Account):
        return rf"{re.escape(level.name)}(?P<account>\d{{12}})"
    if isinstance(level, Region):
        return f"{re.escape(level.name)}(?P<region>{'|'.join([REGION_NAME.pattern, *map(re.escape, level.also)])})"
    if isinstance(level, NameStart):
        return level.pattern
    return "[^/]+" if isinstance(level, AnyFolder) else re.escape(level)


def _by_layout(key: str) -> Iterator[Reading]:
    """Yield the pattern of `--layout` for the first date in the key."""
    for found in _ANY_DATE.finditer(key):
        year, separator, month_name, month, day_name, day, end = found.groups()
        if not separator and (month_name or day_name):
            continue
        dates = f"{{yyyy}}{separator}{month_name}{{mm}}{separator}{day_name}{{dd}}{end}"
        with suppress(ValueError):
            yield replace(_layout_reading(key, found.start(), dates), day=date(int(year), int(month), int(day)))
            return


def _layout_reading(key: str, start: int, dates: str) -> Reading:
    *folders, name = key[:start].split("/")
    first = next((place for place, folder in enumerate(folders) if _is_place(folder)), len(folders))
    account = next((folder for folder in folders if _ACCOUNT_FOLDER.fullmatch(folder)), "")
    region = next((folder for folder in folders if _REGION_FOLDER.fullmatch(folder)), "")
    if first < len(folders) and first and f"{folders[first - 1]}/" == AWS_LOGS:
        first -= 1
    shown = [_shown(folder, account, region) for folder in folders[first:]]
    pattern = "".join(f"{folder}/" for folder in shown) + name + dates
    path = "".join(f"{folder}/" for folder in folders[:first])
    rank = (1, start, 1 if account or region else 3)
    return Reading(
        CUSTOM, path, layout=pattern, account=account.rpartition("=")[2], region=region.rpartition("=")[2], rank=rank
    )


def _is_place(folder: str) -> bool:
    return bool(_ACCOUNT_FOLDER.fullmatch(folder) or _REGION_FOLDER.fullmatch(folder))


def _shown(folder: str, account: str, region: str) -> str:
    """Return a folder as the pattern has it: an account, a region, one of many, or its own name."""
    if folder == account:
        return f"{_name_of(folder)}{{account}}"
    if folder == region:
        return f"{_name_of(folder)}{{region}}"
    return "{any}" if _HAS_DIGIT.search(folder) else folder


def _name_of(folder: str) -> str:
    name, equals, _ = folder.rpartition("=")
    return name + equals
