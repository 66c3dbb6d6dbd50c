"""The contents of a bucket, found by listing folders and a few keys.

The number of requests does not grow with the bucket. A path whose keys fit into one page takes one request.

Among folders of one shape (accounts, regions, IDs) a few are looked into; the others are only named. In folders of
dates, the first and the newest day are looked into, and no day between them.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby, takewhile
from typing import Protocol

from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import Level
from aws_s3.log_types.layout import REGION_NAME
from aws_s3.log_types.recognition import Reading, readings
from aws_s3.log_types.strays import is_stray

MOST_REQUESTS = 400

_ACCOUNTS_LOOKED_INTO = 40
_FOLDERS_LOOKED_INTO = 6
_PAGES_OF_A_FOLDER = 20
_LARGE_OF_A_SHAPE = 2
"""So many folders of one shape that do not fit into a page show that the others do not either."""

_AFTER_DIGITS = ":"
_AFTER_ANY_KEY = "\U0010ffff"
_DATED_FOLDER = re.compile(r"(?:[A-Za-z_]+=)?20\d\d(?:-?\d\d-?\d\d)?", re.ASCII)
_NUMBERED_FOLDER = re.compile(r"(?:[A-Za-z_]+=)?(\d{1,2})", re.ASCII)
_PADDED_DAY = re.compile(r"(?:[A-Za-z_]+=)?20\d\d(?:-?\d\d-?\d\d|/(?:[A-Za-z_]+=)?0\d/(?:[A-Za-z_]+=)?\d\d)/", re.ASCII)
_DATE = re.compile(r"(?<!\d)20\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)", re.ASCII)
_ACCOUNT = re.compile(r"(?:[A-Za-z_-]+=)?(\d{12})", re.ASCII)
_REGION = re.compile(rf"(?:[A-Za-z_-]+=)?({REGION_NAME.pattern})", re.ASCII)
_DIGIT = re.compile(r"\d", re.ASCII)
_WORDS_OF_A_NAME = 5


class Levels(Protocol):
    """The part of a bucket that an inspection uses; each call is a request."""

    def level(self, prefix: str, start_after: str = "", end: str = "/") -> Level:
        """Return the first page of the folders and objects right under `prefix`; without `end`, of all objects."""

    def pages(self, prefix: str, start_after: str = "") -> Iterator[list[S3Object]]:
        """Yield the objects under `prefix` that sort after `start_after`, by the page."""


@dataclass
class FoundSource:
    """Logs that one command line collects: `reading` has its options. Days are those that were looked into.

    `storage_classes` are those other than STANDARD.
    """

    reading: Reading
    example: str
    accounts: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)
    first: date = date.max
    newest: date = date.min
    storage_classes: set[str] = field(default_factory=set)

    def add(self, reading: Reading, storage_class: str) -> None:
        """Count in an object that was seen."""
        self.add_place(reading.account, reading.region)
        self.first = min(self.first, reading.day)
        self.newest = max(self.newest, reading.day)
        self.storage_classes |= {storage_class} - {"", "STANDARD"}

    def add_place(self, account: str, region: str) -> None:
        """Count in an account and a region; either may be empty."""
        self.accounts |= {account} - {""}
        self.regions |= {region} - {""}


@dataclass
class Inventory:
    """The contents of a bucket. `strangers` are keys of no known layout, one of each shape of folder.

    `not_seen` are the folders that no request was left for.
    """

    sources: list[FoundSource] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    not_seen: list[str] = field(default_factory=list)
    requests: int = 0


@dataclass(frozen=True)
class _Folder:
    """A folder to look into. `may_fit`: all of its keys may fit into one page.

    `first_key` is the key of its first object, which was looked at already, or empty.
    """

    prefix: str
    may_fit: bool = True
    first_key: str = ""


@dataclass
class _Visit:
    """The contents of one folder: prefixes of folders, some of its objects, and the levels listed for dates.

    `prefix` is that of the folder, or of a deeper one that holds all of its keys. `is_large`: they take several pages.
    """

    folder: _Folder
    prefix: str
    first_key: str = ""
    is_large: bool = False
    folders: list[str] = field(default_factory=list)
    objects: list[S3Object] = field(default_factory=list)
    levels: dict[str, Level] = field(default_factory=dict)
    requests: int = 0


class Inspection:
    """Walks through one bucket. `today` is the UTC day; `progress` is called after each round of requests."""

    def __init__(
        self,
        bucket: Levels,
        executor: Executor,
        today: date,
        progress: Callable[[Inventory], None] | None = None,
    ) -> None:
        self._bucket = bucket
        self._executor = executor
        self._today = today
        self._progress = progress
        self._found = Inventory()
        self._sources: dict[tuple[str, ...], FoundSource] = {}
        self._strangers: dict[str, str] = {}
        self._visits: Counter[str] = Counter()
        self._large: Counter[str] = Counter()
        self._by_shape: dict[str, set[tuple[str, ...]]] = {}
        self._named_only: list[str] = []

    def run(self, prefix: str = "") -> Inventory:
        """Look at the keys that begin with `prefix`. Raises the errors of listing."""
        folders = [_Folder(prefix)]
        while folders and self._found.requests < MOST_REQUESTS:
            now, later = folders[:_FOLDERS_LOOKED_INTO], folders[_FOLDERS_LOOKED_INTO:]
            visits = list(self._executor.map(self._visit, now))
            folders = later + [folder for visit in visits for folder in self._taken_in(visit)]
            self._found.sources = sorted(self._sources.values(), key=lambda source: source.reading.options())
            if self._progress:
                self._progress(self._found)
        self._name_others()
        self._found.not_seen = [folder.prefix for folder in folders]
        self._found.strangers = sorted(self._strangers.values())
        return self._found

    def _visit(self, folder: _Folder) -> _Visit:
        """Look into one folder, and where its folders are dates into the first and the newest day."""
        visit, dated = _Visit(folder, folder.prefix, folder.first_key), list[str]()
        may_fit = folder.may_fit and self._large[_shape(folder.prefix)] < _LARGE_OF_A_SHAPE
        if may_fit and not self._is_large(visit):
            return visit
        for level in self._pages(visit.prefix, visit):
            visit.objects += _representatives(level.objects)
            for name in level.folders:
                (dated if _DATED_FOLDER.fullmatch(name) else visit.folders).append(f"{visit.prefix}{name}/")
        for day in self._day_folders(dated, visit):
            visit.objects += _representatives(next(self._bucket.pages(day), []))
            visit.requests += 1
        return visit

    def _is_large(self, visit: _Visit) -> bool:
        """Look at the first page of a folder's keys; tell whether there are more, and go down to where they are."""
        page = self._bucket.level(visit.prefix, end="")
        visit.requests += 1
        visit.objects += _of_each_folder(page.objects)
        visit.is_large = page.has_more
        if page.has_more and page.objects:
            visit.first_key = page.objects[0].key
            below = _before_dates(visit.prefix, visit.first_key, page.objects[-1].key)
            if below != visit.prefix:
                visit.requests += 1
                behind = self._bucket.level(visit.prefix, f"{below}{_AFTER_ANY_KEY}", end="")
                visit.prefix = visit.prefix if behind.objects or behind.has_more else below
        return visit.is_large

    def _pages(self, prefix: str, visit: _Visit) -> Iterator[Level]:
        """Yield the pages of a folder. If keys with a date fill a page, those up to their newest are left out."""
        after = ""
        for _ in range(_PAGES_OF_A_FOLDER):
            level = self._bucket.level(prefix, after)
            visit.requests += 1
            yield level
            if not level.has_more:
                return
            last_key = level.objects[-1].key if level.objects else ""
            last_folder = f"{prefix}{level.folders[-1]}/{_AFTER_ANY_KEY}" if level.folders else ""
            after = max(last_folder, last_key)
            if after == last_key and (found := _DATE.search(last_key, len(prefix))):
                after = last_key[: found.start()] + _AFTER_DIGITS
                visit.objects += self._newest(last_key, found, visit)

    def _newest(self, key: str, found: re.Match[str], visit: _Visit) -> list[S3Object]:
        """Return an object of the newest day of the keys that begin as `key` does up to its date, by halving."""
        start = key[: found.start()]
        form = found[1].join(("%Y", "%m", "%d"))
        newest: list[S3Object] = []
        first, last = date(2006, 1, 1).toordinal(), self._today.toordinal()
        while first <= last:
            middle = (first + last) // 2
            page = next(self._bucket.pages(start, f"{start}{date.fromordinal(middle):{form}}"), [])
            visit.requests += 1
            if dated := [item for item in page if item.key < start + _AFTER_DIGITS]:
                newest, first = _representatives(dated), middle + 1
            else:
                last = middle - 1
        return newest

    def _day_folders(self, dated: Sequence[str], visit: _Visit) -> Iterable[str]:
        """Return the folders of the first and the newest day, or the one folder of both."""
        if not dated:
            return ()
        first_key = visit.first_key
        ends = [(-1, dated[-1])]
        if not (first_key.startswith(dated[0]) and _PADDED_DAY.match(first_key, len(visit.prefix))):
            ends.insert(0, (0, dated[0]))
        return dict.fromkeys(self._day_folder(folder, visit, end) for end, folder in ends)

    def _day_folder(self, folder: str, visit: _Visit, end: int) -> str:
        """Return the folder of the first day (`end` 0) or the newest (-1) under the folder of a year or a day."""
        for _ in ("months", "days"):
            if folder not in visit.levels:
                visit.levels[folder] = self._bucket.level(folder)
                visit.requests += 1
            names = visit.levels[folder].folders
            numbers = {int(found[1]): name for name in names if (found := _NUMBERED_FOLDER.fullmatch(name))}
            if not numbers:
                break
            folder = f"{folder}{numbers[sorted(numbers)[end]]}/"
        return folder

    def _taken_in(self, visit: _Visit) -> Iterator[_Folder]:
        """Count the keys that a visit saw; yield the folders to look into."""
        self._found.requests += visit.requests
        self._large[_shape(visit.folder.prefix)] += visit.is_large
        for item in visit.objects:
            self._note(item)
        for folder in visit.folders:
            shape = _shape(folder)
            self._visits[shape] += 1
            if self._visits[shape] <= (_ACCOUNTS_LOOKED_INTO if shape.endswith("{account}/") else _FOLDERS_LOOKED_INTO):
                # The only folder of a large one is large too.
                yield _Folder(
                    folder, len(visit.folders) > 1, visit.first_key if visit.first_key.startswith(folder) else ""
                )
            else:
                self._named_only.append(folder)

    def _note(self, item: S3Object) -> None:
        best = next(iter(readings(item.key)), None)
        folder = item.key.rpartition("/")[0] + "/"
        if best is None:
            self._strangers.setdefault(_shape(folder), item.key)
            return
        identity = tuple(best.options())
        self._sources.setdefault(identity, FoundSource(best, item.key)).add(best, item.storage_class)
        for end in (position + 1 for position, character in enumerate(folder) if character == "/"):
            self._by_shape.setdefault(_shape(folder[:end]), set()).add(identity)

    def _name_others(self) -> None:
        """Give the accounts and regions of folders that are only named to the sources found in folders like them."""
        for folder in self._named_only:
            names = folder.split("/")
            account = next((found[1] for name in names if (found := _ACCOUNT.fullmatch(name))), "")
            region = next((found[1] for name in names if (found := _REGION.fullmatch(name))), "")
            for identity in self._by_shape.get(_shape(folder), ()):
                self._sources[identity].add_place(account, region)


def _before_dates(prefix: str, first_key: str, last_key: str) -> str:
    """Return the deepest folder under the prefix that both keys lie in, without the folders of dates."""
    first, last = (key[len(prefix) :].split("/")[:-1] for key in (first_key, last_key))
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    names = takewhile(lambda name: not _DATED_FOLDER.fullmatch(name), (name for name, _ in shared))
    return prefix + "".join(f"{name}/" for name in names)


def _of_each_folder(objects: Iterable[S3Object]) -> Iterator[S3Object]:
    """Yield the representatives of each folder that the objects lie in."""
    for _, items in groupby(objects, key=lambda item: item.key.rpartition("/")[0]):
        yield from _representatives(items)


def _representatives(objects: Iterable[S3Object]) -> list[S3Object]:
    """Return the first and the last object of each form of name and each storage class."""
    first: dict[tuple[str, ...], S3Object] = {}
    last: dict[tuple[str, ...], S3Object] = {}
    for item in objects:
        if not is_stray(item.key):
            kind = (item.storage_class, *map(_mark, re.split("[_.]", item.key.rpartition("/")[2])[:_WORDS_OF_A_NAME]))
            first.setdefault(kind, item)
            last[kind] = item
    return [*first.values(), *last.values()]


def _shape(prefix: str) -> str:
    """Return the prefix with a mark for each account, region, and name that holds a digit."""
    return "/".join(map(_mark, prefix.split("/")))


def _mark(name: str) -> str:
    if _ACCOUNT.fullmatch(name):
        return "{account}"
    if _REGION.fullmatch(name):
        return "{region}"
    return "{any}" if _DIGIT.search(name) else name
