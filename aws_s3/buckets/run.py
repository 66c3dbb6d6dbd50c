"""Wiring: the parts of one collection from a bucket, opened before it and closed after it."""

from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path

from aws_s3.aws.s3 import Bucket, S3Bucket
from aws_s3.aws.session import Session, known_regions
from aws_s3.buckets.collector import Collector, Context
from aws_s3.buckets.path_form import with_settled_path
from aws_s3.buckets.reader import BucketReader
from aws_s3.log_types import log_type_of
from aws_s3.log_types.base import LogType
from aws_s3.pipeline.delivery import Delivery, limited
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.loading import open_loading, share
from aws_s3.pipeline.pacing import pacing
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import open_sink
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import BucketJob, BucketLocation, Settings
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.locks import Locks

LISTING_THREADS = 32
LOCKS = "s3_cloudtrail.lock"
MANY_PARTITIONS = 100
"""From so many on, a discovery serves for an hour: with fewer it costs little, and a new region is found at once."""


def collect_bucket(
    settings: Settings, job: BucketJob, stop_request: StopRequest, began: datetime, stats: RunStats
) -> int:
    """Collect from a bucket once, and return the exit code. `began` is now, UTC."""
    log_type = log_type_of(job.source)
    log_type.check_path(job.source.path)
    session = Session(settings.access, job.regions)
    workers, downloads = share(session.downloads, settings.workers)
    bucket = S3Bucket(session.client("s3"), job.source.bucket, downloads, stats.requests.add)
    sink = open_sink(settings.output, stop_request.check)
    rules = EventRules(job.discard, sink.limit, stats.reading)
    reader = BucketReader(bucket, log_type, job.source.bucket, job.account_alias, job.skip_on_error, rules)
    with ExitStack() as opened:
        opened.enter_context(closing(sink))
        loading = opened.enter_context(open_loading(reader, downloads, workers))
        job = settled(job, log_type, bucket, settings.state_dir, began)
        keep_days = None if job.reparse else job.lookback_days
        state = BucketState(
            settings.state_dir,
            log_type,
            job.source,
            began,
            keep_days,
            is_stopping=lambda: stop_request.is_set,
            mask=settings.access.secrets.mask,
        )
        opened.enter_context(closing(state))
        pacer = opened.enter_context(pacing(settings.output, settings.max_events, stop_request, stats))
        context = Context(
            bucket=bucket,
            reader=reader,
            state=state,
            locks=opened.enter_context(closing(Locks(settings.state_dir / LOCKS))),
            delivery=Delivery(sink, stop_request, stats, limited(pacer, job.limit)),
            listings=DaemonExecutor(LISTING_THREADS, "listing"),
            loading=loading,
            account=session.account,
            known_regions=known_regions,
            remembered_from=MANY_PARTITIONS,
            downloads=downloads,
            stats=stats,
        )
        return Collector(job, log_type, context, began.date()).run()


def settled(job: BucketJob, log_type: LogType, bucket: Bucket, state_dir: Path, began: datetime) -> BucketJob:
    """Return the job with the form of its path under which objects lie; the form that the state knows stays."""

    def is_known(location: BucketLocation) -> bool:
        with closing(BucketState(state_dir, log_type, location, began, keep_days=None)) as state:
            return not state.is_empty()

    return with_settled_path(job, log_type, bucket, is_known)
