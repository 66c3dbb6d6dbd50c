"""The figures of a run: its loops count, the progress bar and the metrics read them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from threading import Lock
from time import perf_counter, time
from typing import TypeVar

from aws_s3.errors import CollectorError, MalformedError

T = TypeVar("T")

_EPOCH = date(1970, 1, 1).toordinal()
_DAY_SECONDS = 24 * 60 * 60


@dataclass
class Stopwatch:
    """Adds up the seconds spent in its contexts."""

    seconds: float = 0.0
    _began: float = 0.0

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, *error: object) -> None:
        self.seconds += perf_counter() - self._began

    def around(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items; the time that the caller waits for them counts."""
        began = perf_counter()
        for item in items:
            self.seconds += perf_counter() - began
            yield item
            began = perf_counter()
        self.seconds += perf_counter() - began


@dataclass
class EventCounts:
    """Events that were `discarded` by the user's rule, or `truncated` because they were too large.

    Counted in the process that decodes the objects.
    """

    discarded: int = 0
    truncated: int = 0

    def __bool__(self) -> bool:
        return bool(self.discarded or self.truncated)

    def add(self, other: "EventCounts") -> None:
        """Add the counts of another process."""
        self.discarded += other.discarded
        self.truncated += other.truncated

    def reset(self, earlier: "EventCounts") -> None:
        """Return to the counts at an earlier time."""
        self.discarded, self.truncated = earlier.discarded, earlier.truncated

    def take(self) -> "EventCounts":
        """Return the counts, and reset them."""
        taken = EventCounts(self.discarded, self.truncated)
        self.discarded = self.truncated = 0
        return taken


@dataclass
class ArchivedObjects:
    """Objects that are passed over because they are in an archive: how many, of which UTC days."""

    count: int = 0
    first: date | None = None
    last: date | None = None

    def add(self, day: date) -> None:
        """Count an object of this day."""
        self.count += 1
        self.first = min(self.first or day, day)
        self.last = max(self.last or day, day)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: `1 object`, `2,000 objects`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class RequestCounts:
    """Counts the requests to AWS by kind: LIST, GET and DELETE of S3, SQS, or an operation. For several threads."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self._counts = Counter(counts)
        self._lock = Lock()

    def add(self, kind: str, number: int = 1) -> None:
        """Count requests of one kind."""
        with self._lock:
            self._counts[kind] += number

    def by_kind(self) -> dict[str, int]:
        """Return the counts, in the order in which the kinds first came."""
        with self._lock:
            return dict(self._counts)


@dataclass
class RunStats:
    """The figures of one run. An object is one of S3's, a log stream, or one region's findings.

    `listed`: objects found to collect; `objects`, `bytes`: those of which all was accepted, and their
    size; `events`: those accepted. `malformed` and `failed` count objects that could not be read, and
    had; `known` what was passed over because it was collected before, `strays` because it is no log.
    `pending` objects wait to be tried again, those of earlier runs included.
    `requests` counts those to AWS, without the retries of the client.
    `older` is the UTC day of an object before the first day to collect, where a source has no other objects.
    `last_collected` is the time of the last of `objects`.
    `newest` is the UTC day of the newest object, or the time of the newest event, in seconds since 1970.
    `taken` counts the partitions, log groups or regions that the run worked on, `held` those that it left to
    another run. `dropped`: events that Wazuh took and dropped, as far as it tells. `waiting` is the time until
    Wazuh had room. The stopwatches take what the loop waits. `observers` are called whenever there may be
    something to see.
    """

    listed: int = 0
    objects: int = 0
    bytes: int = 0
    events: int = 0
    malformed: int = 0
    failed: int = 0
    known: int = 0
    taken: int = 0
    held: int = 0
    strays: int = 0
    pending: int = 0
    dropped: int = 0
    last_collected: float | None = None
    older: date | None = None
    newest: float | None = None
    archived: ArchivedObjects = field(default_factory=ArchivedObjects)
    requests: RequestCounts = field(default_factory=RequestCounts)
    reading: EventCounts = field(default_factory=EventCounts)
    listing: Stopwatch = field(default_factory=Stopwatch)
    downloading: Stopwatch = field(default_factory=Stopwatch)
    sending: Stopwatch = field(default_factory=Stopwatch)
    waiting: Stopwatch = field(default_factory=Stopwatch)
    observers: list[Callable[[], None]] = field(default_factory=list)

    @property
    def left_out_everything(self) -> bool:
        """Whether the run did nothing because another run was at work on all of it."""
        return self.held > 0 and self.taken == 0

    def notify(self) -> None:
        """Call the observers: after each object, page or receive."""
        for observer in self.observers:
            observer()

    def collected(self, size: int) -> None:
        """Count an object whose events were all accepted; `size` in bytes, negative if unknown."""
        self.objects += 1
        self.bytes += max(size, 0)
        self.last_collected = time()

    def count(self, error: CollectorError) -> None:
        """Count an object, a stream or another part of a source that failed."""
        if isinstance(error, MalformedError):
            self.malformed += 1
        else:
            self.failed += 1

    def note_newest(self, moment: float) -> None:
        """Record the time of a collected event, in seconds since 1970."""
        self.newest = moment if self.newest is None else max(self.newest, moment)

    def note_newest_day(self, day: date) -> None:
        """Record the UTC day of a collected object."""
        self.note_newest((day.toordinal() - _EPOCH) * _DAY_SECONDS)
