"""Collecting in this process: the real parts of a run around a bucket in memory and a list of messages."""

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from aws_s3.buckets.collector import Collector, Context
from aws_s3.buckets.reader import BucketReader
from aws_s3.log_types.base import LogType
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.loading import LocalLoading
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import Sink
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import BucketJob, BucketLocation
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.locks import Locks
from tests.harness.fakes import MemoryStore

BUCKET = "acme-logs"
ACCOUNT = "123456789012"
REGION = "us-east-1"
DAY = date(2021, 6, 10)
NOW = datetime(2021, 6, 20, 12, tzinfo=timezone.utc)
SINCE = date(2021, 6, 1)
SOURCE = BucketLocation("cloudtrail", BUCKET)
JOB = BucketJob(SOURCE, only_logs_after=SINCE)

P = ParamSpec("P")
T = TypeVar("T")


class AtOnce(Executor):
    """Runs what is submitted before it returns: no thread to wait for."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@dataclass
class ListSink(Sink):
    """Keeps the messages, until `fail` says that one is not accepted."""

    fail: Callable[[], None] = lambda: None
    messages: list[dict[str, Any]] = field(default_factory=list)
    limit: int | None = None

    def connect(self) -> None:
        """Be there."""

    def send(self, message: bytes) -> None:
        self.fail()
        self.messages.append(json.loads(message))

    def close(self) -> None:
        """Keep what there is."""

    @property
    def events(self) -> list[str]:
        """The IDs of the events, and the errors that stand for objects."""
        return [message.get("error_msg") or message["aws"]["eventID"] for message in self.messages]


@dataclass
class Ended:
    """How a run ended and what it sent."""

    code: int
    events: list[str]


@dataclass
class Collection:
    """One bucket and one state, collected again and again; `now` is when the next run begins."""

    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    bucket: LogType = field(default_factory=CloudTrail)
    job: BucketJob = JOB
    now: datetime = NOW
    objects_ahead: int = 10
    stop_request: StopRequest = field(default_factory=StopRequest)
    account: Callable[[], str] = lambda: ACCOUNT
    remembered_from: int | None = None

    def run(self, sink: ListSink | None = None, **changes: Any) -> Ended:
        """Collect once; `changes` are options of this run only."""
        sink = sink or ListSink()
        job = replace(self.job, **changes)
        stats = RunStats()
        with closing(self.state(job)) as state, closing(Locks(self.folder / "lock")) as locks:
            rules = EventRules(job.discard, sink.limit)
            reader = BucketReader(
                self.store, self.bucket, job.source.bucket, job.account_alias, job.skip_on_error, rules
            )
            context = Context(
                bucket=self.store,
                reader=reader,
                state=state,
                locks=locks,
                delivery=Delivery(sink, self.stop_request, stats),
                listings=AtOnce(),
                loading=LocalLoading(reader, AtOnce, self.objects_ahead, 1 << 20),
                account=self.account,
                known_regions=lambda: frozenset({REGION, "eu-west-1"}),
                remembered_from=self.remembered_from,
                stats=stats,
            )
            code = Collector(job, self.bucket, context, self.now.date()).run()
        return Ended(code, sink.events)

    def state(self, job: BucketJob = JOB) -> BucketState:
        """Open the state as a run with these options does."""
        keep_days = None if job.reparse else job.lookback_days
        return BucketState(self.folder, self.bucket, job.source, self.now, keep_days)


def trail_key(name: str, day: date = DAY, region: str = REGION, account: str = ACCOUNT, base: str = "AWSLogs/") -> str:
    """Return the key of a CloudTrail object; within a day it sorts by `name`."""
    return f"{base}{account}/CloudTrail/{region}/{day:%Y/%m/%d}/{account}_CloudTrail_{region}_{day:%Y%m%d}T{name}.json"


def trail_body(name: str, events: int = 1) -> bytes:
    """Return an object's content: its events are called `name-0`, `name-1`, …"""
    return json.dumps({"Records": [{"eventID": f"{name}-{number}"} for number in range(events)]}).encode()


def trail(
    name: str, day: date = DAY, region: str = REGION, account: str = ACCOUNT, base: str = "AWSLogs/", events: int = 1
) -> dict[str, bytes]:
    """Return one CloudTrail object by its key."""
    return {trail_key(name, day, region, account, base): trail_body(name, events)}
