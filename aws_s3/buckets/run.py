"""Wiring: the parts of one run, opened before and closed after it."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice

from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.s3 import S3Bucket
from aws_s3.aws.session import Session, known_regions
from aws_s3.buckets.collector import Collector, Context, Load
from aws_s3.buckets.reader import Reader
from aws_s3.buckets.worklist import Wanted
from aws_s3.log_types import LOG_TYPES
from aws_s3.pipeline.decode import Batches
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.loading import Loader, load
from aws_s3.pipeline.pacing import pacing
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import open_sink
from aws_s3.pipeline.stats import RunStats
from aws_s3.pipeline.workers import WorkerPool
from aws_s3.settings import BucketJob, Settings
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.locks import Locks

_LISTING_THREADS = 32
_LOCKS = "s3_cloudtrail.lock"
_BYTES_AHEAD = 64 << 20
_DOWNLOADS_A_WORKER = 16
_FEW_OBJECTS = 200
_FEW_BYTES = 16 << 20


def collect_bucket(
    settings: Settings, job: BucketJob, stop_request: StopRequest, began: datetime, stats: RunStats
) -> int:
    """Collect from a bucket once, and return the exit code. `began` is now, UTC."""
    bucket = LOG_TYPES[job.source.type]()
    bucket.check_path(job.source.path)
    session = Session(settings.access, job.regions)
    workers, downloads = _shared(session.downloads, settings.workers)
    store = S3Bucket(session.client("s3"), job.source.bucket, downloads)
    sink = open_sink(settings.output, stop_request.check)
    reader = Reader(
        bucket,
        job.source.bucket,
        job.account_alias,
        job.skip_on_error,
        EventRules(job.discard, sink.limit, stats.reading),
    )
    with ExitStack() as opened:
        opened.enter_context(closing(sink))
        load = opened.enter_context(_loading(store, reader, downloads, workers))
        keep_days = None if job.reparse else job.lookback_days
        state = opened.enter_context(closing(BucketState(settings.state_dir, bucket, job.source, began, keep_days)))
        pacer = opened.enter_context(pacing(settings.output, settings.max_events, stop_request, stats))
        context = Context(
            store=store,
            reader=reader,
            state=state,
            locks=opened.enter_context(closing(Locks(settings.state_dir / _LOCKS))),
            delivery=Delivery(sink, stop_request, stats, pacer),
            listings=DaemonExecutor(_LISTING_THREADS, "listing"),
            load=load,
            stop_request=stop_request,
            account=session.account,
            known_regions=known_regions,
            stats=stats,
        )
        return Collector(job, bucket, context, began.date()).run()


def _shared(downloads: TransferConfig, workers: int) -> tuple[int, TransferConfig]:
    """Return how many processes there may be, and what of the profile's limits is each one's part."""
    total = downloads.max_concurrent_requests
    if workers == 1 or downloads.max_bandwidth:
        # A rate is no work for several processes.
        return 1, downloads
    if total == TransferConfig.max_concurrent_requests:
        return workers, replace(downloads, max_concurrent_requests=_DOWNLOADS_A_WORKER)
    workers = min(workers, total)
    return workers, replace(downloads, max_concurrent_requests=total // workers)


@contextmanager
def _loading(store: S3Bucket, reader: Reader, settings: TransferConfig, workers: int) -> Iterator[Load]:
    """Give what loads objects: in this process where they are few, else in workers.

    The workers are forked here, before this process has any other thread.
    """
    loader = Loader[Wanted](
        get=lambda wanted: store.get(wanted.object),
        read=lambda wanted, body: reader.messages(wanted.object.key, wanted.partition, body),
        size_of=lambda wanted: wanted.object.size,
        reading=reader.rules.counts,
    )

    def downloads() -> DaemonExecutor:
        return DaemonExecutor(settings.max_concurrent_requests, "download")

    crew = WorkerPool(workers, loader, downloads, _BYTES_AHEAD) if workers > 1 else None

    def load_by_number(items: Iterable[Wanted]) -> Iterator[tuple[Wanted, Batches]]:
        items = iter(items)
        first = list(islice(items, _FEW_OBJECTS))
        many = len(first) == _FEW_OBJECTS or sum(map(loader.size_of, first)) > _FEW_BYTES
        if crew and many:
            return crew.load(chain(first, items))
        return load(chain(first, items), loader, downloads(), settings.max_queue_size, _BYTES_AHEAD)

    try:
        yield load_by_number
    finally:
        if crew:
            crew.close()
