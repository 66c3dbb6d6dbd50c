"""Wiring: the parts of one collection from a queue."""

import logging
import time
from contextlib import closing
from datetime import datetime
from functools import cache, partial

from aws_s3.aws.queue_address import QueueAddress
from aws_s3.aws.s3 import S3Bucket
from aws_s3.aws.session import Session, known_regions
from aws_s3.aws.sqs import SqsQueue
from aws_s3.errors import Interrupted, UnknownRegionError
from aws_s3.log_types import LOG_TYPES
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.pacing import pacing
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import open_sink
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import Settings, SubscriberJob
from aws_s3.subscribers import SUBSCRIBERS
from aws_s3.subscribers.base import ObjectFormat
from aws_s3.subscribers.bucket_type import LogTypeFormat
from aws_s3.subscribers.collector import Context, Subscription

log = logging.getLogger(__name__)

_TERMINATED = 143
_PATIENCE = 20.0


def collect_queue(
    settings: Settings, job: SubscriberJob, stop_request: StopRequest, began: datetime, stats: RunStats
) -> int:
    """Collect from a queue until it is empty, with `follow` until SIGTERM, and return the exit code."""
    del began
    try:
        return _collect(settings, job, stop_request, stats)
    except Interrupted as request:
        if job.follow and request.exit_code == _TERMINATED:
            log.info("%s", request)
            return 0
        raise


def _collect(settings: Settings, job: SubscriberJob, stop_request: StopRequest, stats: RunStats) -> int:
    subscriber = _subscriber(job)
    if unknown := set(job.regions) - known_regions():
        raise UnknownRegionError(f"Unknown region: {', '.join(sorted(unknown))}. Check --regions.")
    address = QueueAddress.parse(job.queue)
    region = address.region or next(iter(job.regions), "")
    session = Session(settings.access, (region,) if region else ())
    queue = SqsQueue(session.client("sqs", region or None, log_source=False), address)
    s3 = session.client("s3")
    with (
        closing(open_sink(settings.output, _Patience(stop_request).check)) as sink,
        pacing(settings.output, settings.max_events, stop_request, stats) as pacer,
    ):
        context = Context(
            queue=queue,
            # One for each bucket: each learns where its bucket is.
            store=cache(partial(S3Bucket, s3, downloads=session.downloads)),
            delivery=Delivery(sink, stop_request, stats, pacer),
            receives=DaemonExecutor(1, "receive"),
            downloads=DaemonExecutor(session.downloads.max_concurrent_requests, "download"),
            stop_request=stop_request,
            stats=stats,
        )
        return Subscription(job, subscriber, context).run()


def _subscriber(job: SubscriberJob) -> ObjectFormat:
    """Return what reads the objects. Raises MissingExtraError before any message is received."""
    if job.type is not None:
        return LogTypeFormat(LOG_TYPES[job.type](), job.account_alias)
    return SUBSCRIBERS[job.name]()


class _Patience:
    """Lets what is being sent go to its end when a signal asks to stop, but not wait for ever.

    Half an object would be sent again: nothing records how far it came.
    """

    def __init__(self, stop_request: StopRequest) -> None:
        self._stop_request = stop_request
        self._deadline: float | None = None

    def check(self) -> None:
        """Raise Interrupted when a receiver keeps it waiting 20 s after the signal."""
        try:
            self._stop_request.check()
        except Interrupted:
            self._deadline = self._deadline or time.monotonic() + _PATIENCE
            if time.monotonic() > self._deadline:
                raise
