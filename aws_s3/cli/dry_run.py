"""`--dry-run`: the objects that a run would collect from a bucket. Nothing is sent, deleted or recorded.

It is an ordinary run on a copy of the state, whose objects are counted instead of loaded.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NoReturn

from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import KEYS_A_DELETION, Bucket, S3Bucket
from aws_s3.aws.session import Session, known_regions
from aws_s3.buckets.collector import Collector, Context
from aws_s3.buckets.object_source import WorkItem
from aws_s3.buckets.reader import BucketReader
from aws_s3.buckets.run import LISTING_THREADS, settled
from aws_s3.console.line_format import printable
from aws_s3.console.prices import price
from aws_s3.console.summary import about_older
from aws_s3.console.tables import print_report, table
from aws_s3.log_types import log_type_of
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import Sink
from aws_s3.pipeline.stats import RunStats, counted
from aws_s3.settings import BucketJob, Settings
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.locks import Locks
from aws_s3.state.overview import copied


def preview_bucket(settings: Settings, job: BucketJob, stop_request: StopRequest, began: datetime) -> int:
    """Print the objects that `collect_bucket` would collect now, and return the exit code. `began` is now, UTC."""
    log_type = log_type_of(job.source)
    log_type.check_path(job.source.path)
    session = Session(settings.access, job.regions)
    stats = RunStats()
    bucket = _ReadOnlyBucket(S3Bucket(session.client("s3"), job.source.bucket, session.downloads, stats.requests.add))
    found = _Found()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory()))
        opened.enter_context(copied(settings.state_dir, folder))
        job = settled(job, log_type, bucket, folder, began)
        context = Context(
            bucket=bucket,
            reader=BucketReader(
                bucket, log_type, job.source.bucket, job.account_alias, job.skip_on_error, EventRules()
            ),
            state=opened.enter_context(closing(BucketState(folder, log_type, job.source, began, keep_days=None))),
            locks=opened.enter_context(closing(Locks(folder / "lock"))),
            delivery=Delivery(_NoSink(), stop_request, stats),
            listings=DaemonExecutor(LISTING_THREADS, "listing"),
            loading=found,
            account=session.account,
            known_regions=known_regions,
            downloads=session.downloads,
            stats=stats,
        )
        code = Collector(replace(job, remove=False), log_type, context, began.date()).run()
    print_report("\n".join(map(printable, _lines(job, found, stats))))
    return code


@dataclass
class _Share:
    """The new objects of a partition: objects and bytes, and the days of the first and the last."""

    objects: int = 0
    size: int = 0
    days: list[str] = field(default_factory=list)


class _Found:
    """A loading that counts the objects and loads none."""

    def __init__(self) -> None:
        self.shares: dict[Partition, _Share] = {}

    has_room = True

    def __len__(self) -> int:
        """Return 0: no object waits to be read."""
        return 0

    def add(self, item: WorkItem) -> None:
        """Count the object."""
        share = self.shares.setdefault(item.partition, _Share())
        share.objects += 1
        share.size += max(item.size, 0)
        day = str(item.partition.day(item.object.key))
        share.days = sorted({*share.days[:1], *share.days[-1:], day})

    def take(self) -> NoReturn:
        """Never be called."""
        raise NotImplementedError


class _ReadOnlyBucket:
    """A bucket that is listed, and gives and deletes nothing."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def folders(self, prefix: str, end: str = "/") -> Iterator[str]:
        """Yield the folders."""
        return self._bucket.folders(prefix, end)

    def holds(self, prefix: str) -> bool:
        """Tell whether any key begins with `prefix`."""
        return self._bucket.holds(prefix)

    def pages(self, prefix: str, start_after: str = "") -> Iterator[list[S3Object]]:
        """Yield the pages."""
        return self._bucket.pages(prefix, start_after)

    def get(self, wanted: S3Object) -> IO[bytes]:
        """Never be called."""
        raise NotImplementedError(wanted.key)

    def delete(self, keys: Sequence[str]) -> list[str]:
        """Never be called with any key."""
        assert not keys
        return []


class _NoSink(Sink):
    """Takes nothing."""

    limit = None

    def connect(self) -> None:
        """Do nothing."""

    def send(self, message: bytes) -> NoReturn:
        """Never be called."""
        raise NotImplementedError

    def close(self) -> None:
        """Do nothing."""


def _lines(job: BucketJob, found: _Found, stats: RunStats) -> Iterator[str]:
    source = job.source
    objects = sum(share.objects for share in found.shares.values())
    size = sum(share.size for share in found.shares.values())
    found_there = f"{counted(objects, 'object')} of {_bytes(size)}"
    yield f"Would collect {found_there} from {source.bucket}/{source.path} ({source.type})"
    rows = [
        (partition.label, f"{share.objects:,}", _bytes(share.size), share.days[0], share.days[-1])
        for partition, share in found.shares.items()
    ]
    yield from table(("partition", "objects", "size", "first day", "last day"), rows) if rows else ()
    if stats.older:
        yield f"Nothing, because {about_older(stats.older)}"
    if stats.archived.count:
        yield f"In an archive, and passed over: {counted(stats.archived.count, 'object')}"
    if stats.strays:
        yield f"No logs, and passed over: {counted(stats.strays, 'object')} such as READMEs"
    lists = stats.requests.by_kind().get("LIST", 0)
    planned = {"GET": stats.requests.by_kind().get("GET", 0), "DELETE": math.ceil(objects / KEYS_A_DELETION)}
    if not job.remove:
        del planned["DELETE"]
    rest = "".join(f", {count:,} {kind}" for kind, count in planned.items())
    cost = price({"LIST": lists, **planned})
    yield f"Requests: about {lists:,} LIST (this run made them too){rest}: {cost} at the list price of us-east-1"


def _bytes(size: int) -> str:
    """Return the size as people read it: 1.2 kB."""
    number, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while number >= 1000 and len(units) > 1:
        number /= 1000
        del units[0]
    return f"{number:.1f} {units[0]}" if units[0] != "B" else f"{size} B"
