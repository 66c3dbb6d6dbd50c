"""Wiring: the parts of one run, opened before and closed after it."""

from contextlib import ExitStack, closing
from datetime import datetime

from aws_s3.buckets import BUCKET_TYPES
from aws_s3.collector import Collector, Surroundings
from aws_s3.fetch import DaemonExecutor
from aws_s3.interruption import Interruption
from aws_s3.s3 import S3Store
from aws_s3.session import Session, known_regions
from aws_s3.settings import BucketJob, Settings
from aws_s3.sink import open_sink
from aws_s3.state.buckets import BucketState
from aws_s3.state.locks import Locks

_LISTING_THREADS = 16
_LOCKS = "s3_cloudtrail.lock"


def collect_bucket(settings: Settings, job: BucketJob, interruption: Interruption, began: datetime) -> int:
    """Collect from a bucket once, and return the exit code. `began` is now, UTC."""
    bucket = BUCKET_TYPES[job.source.type]()
    bucket.check_path(job.source.path)
    session = Session(settings.access, job.regions)
    keep_days = None if job.reparse else job.lookback_days
    with ExitStack() as closed_at_end:
        state = BucketState(settings.state_dir, bucket, job.source, began, keep_days)
        closed_at_end.enter_context(closing(state))
        locks = closed_at_end.enter_context(closing(Locks(settings.state_dir / _LOCKS)))
        sink = closed_at_end.enter_context(closing(open_sink(settings.output, interruption.check)))
        surroundings = Surroundings(
            store=S3Store(session.client("s3"), job.source.bucket),
            state=state,
            locks=locks,
            sink=sink,
            listings=DaemonExecutor(_LISTING_THREADS, "listing"),
            downloads=DaemonExecutor(session.downloads.max_concurrent_requests, "download"),
            interruption=interruption,
            account=session.account,
            known_regions=known_regions,
        )
        return Collector(job, bucket, surroundings, began.date()).run()
