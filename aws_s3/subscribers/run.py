"""Wiring: the parts of one collection from a queue."""

import logging
import time
from contextlib import closing
from datetime import datetime
from functools import cache, partial

from aws_s3.aws.queue_address import QueueAddress
from aws_s3.aws.s3 import S3Store
from aws_s3.aws.session import Session, known_regions
from aws_s3.aws.sqs import SqsQueue
from aws_s3.errors import Interrupted, UnknownRegionError
from aws_s3.log_types import BUCKET_TYPES
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.signals import Interruption
from aws_s3.pipeline.sinks import open_sink
from aws_s3.pipeline.stats import Tally
from aws_s3.settings import Settings, SubscriberJob
from aws_s3.subscribers import SUBSCRIBERS
from aws_s3.subscribers.base import Subscriber
from aws_s3.subscribers.bucket_type import Typed
from aws_s3.subscribers.collector import Subscription, Surroundings

log = logging.getLogger(__name__)

_TERMINATED = 143
_PATIENCE = 20.0


def collect_queue(
    settings: Settings, job: SubscriberJob, interruption: Interruption, began: datetime, tally: Tally
) -> int:
    """Collect from a queue until it is empty, with `follow` until SIGTERM, and return the exit code."""
    del began
    try:
        return _collect(settings, job, interruption, tally)
    except Interrupted as request:
        if job.follow and request.exit_code == _TERMINATED:
            log.info("%s", request)
            return 0
        raise


def _collect(settings: Settings, job: SubscriberJob, interruption: Interruption, tally: Tally) -> int:
    subscriber = _subscriber(job)
    if unknown := set(job.regions) - known_regions():
        raise UnknownRegionError(f"Unknown region: {', '.join(sorted(unknown))}. Check --regions.")
    address = QueueAddress.parse(job.queue)
    region = address.region or next(iter(job.regions), "")
    session = Session(settings.access, (region,) if region else ())
    queue = SqsQueue(session.client("sqs", region or None, log_source=False), address)
    s3 = session.client("s3")
    with closing(open_sink(settings.output, _Patience(interruption).check)) as sink:
        surroundings = Surroundings(
            queue=queue,
            # One for each bucket: each learns where its bucket is.
            store=cache(partial(S3Store, s3, downloads=session.downloads)),
            sink=sink,
            receives=DaemonExecutor(1, "receive"),
            downloads=DaemonExecutor(session.downloads.max_concurrent_requests, "download"),
            interruption=interruption,
            tally=tally,
        )
        return Subscription(job, subscriber, surroundings).run()


def _subscriber(job: SubscriberJob) -> Subscriber:
    """Return what reads the objects. Raises MissingExtraError before any message is received."""
    if job.type is not None:
        return Typed(BUCKET_TYPES[job.type](), job.account_alias)
    return SUBSCRIBERS[job.name]()


class _Patience:
    """Lets what is being sent go to its end when a signal asks to stop, but not wait for ever.

    Half an object would be sent again: nothing records how far it came.
    """

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self._deadline: float | None = None

    def check(self) -> None:
        """Raise Interrupted when a receiver keeps it waiting 20 s after the signal."""
        try:
            self._interruption.check()
        except Interrupted:
            self._deadline = self._deadline or time.monotonic() + _PATIENCE
            if time.monotonic() > self._deadline:
                raise
