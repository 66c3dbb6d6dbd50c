"""Wiring: the parts of one collection from a queue, opened before it and closed after it."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from functools import cache, partial
from typing import Any

from aws_s3.aws.queue_address import QueueAddress
from aws_s3.aws.s3 import S3Bucket
from aws_s3.aws.session import Session, known_regions
from aws_s3.aws.sqs import SqsQueue
from aws_s3.codec import DECODING_REVISION
from aws_s3.errors import TERMINATED, CollectorError, Interrupted, StateError, UnknownRegionError
from aws_s3.log_types import LOG_TYPES
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.loading import open_loading, share
from aws_s3.pipeline.pacing import pacing
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import open_sink
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import Settings, SubscriberJob
from aws_s3.state.queue_state import QueueState
from aws_s3.subscribers import SUBSCRIBERS
from aws_s3.subscribers.base import ObjectFormat
from aws_s3.subscribers.bucket_type import LogTypeFormat
from aws_s3.subscribers.collector import RECEIVES_AT_ONCE, Context, QueueCollector, is_large
from aws_s3.subscribers.reader import QueueReader

log = logging.getLogger(__name__)

_OBJECTS_AHEAD = 32


def collect_queue(
    settings: Settings, job: SubscriberJob, stop_request: StopRequest, began: datetime, stats: RunStats
) -> int:
    """Collect from a queue until it is empty, with `follow` until SIGTERM, and return the exit code."""
    try:
        return _collect(settings, job, stop_request, began, stats)
    except Interrupted as request:
        if job.follow and request.exit_code == TERMINATED:
            log.info("%s", request)
            return 0
        raise


def _collect(
    settings: Settings, job: SubscriberJob, stop_request: StopRequest, began: datetime, stats: RunStats
) -> int:
    object_format = _object_format(job)
    if unknown := set(job.regions) - known_regions():
        raise UnknownRegionError(f"Unknown region: {', '.join(sorted(unknown))}. Check --regions.")
    address = QueueAddress.parse(job.queue)
    region = address.region or next(iter(job.regions), "")
    session = Session(settings.access, (region,) if region else ())
    sqs, s3 = session.client("sqs", region or None, log_source=False), session.client("s3")
    state = _queue_state(settings, job, sqs)
    workers, downloads = share(session.downloads, settings.workers)
    with ExitStack() as opened:
        sink = opened.enter_context(closing(open_sink(settings.output, stop_request.check)))
        # One S3Bucket for each bucket: each finds out about its bucket's region.
        bucket = cache(partial(S3Bucket, s3, downloads=downloads))
        rules = EventRules(job.discard, sink.limit, stats.reading)
        with _noted(state, job, began):
            queue = SqsQueue(sqs, address, count=stats.requests.add, direct=downloads.direct_get)
        reader = QueueReader(bucket, object_format, job.skip_on_error, rules, queue.name)
        loading = opened.enter_context(
            open_loading(reader, downloads, workers, _OBJECTS_AHEAD, is_large=is_large(queue))
        )
        pacer = opened.enter_context(pacing(settings.output, settings.max_events, stop_request, stats))
        context = Context(
            loading=loading,
            queue=queue,
            state=state,
            delivery=Delivery(sink, stop_request, stats, pacer),
            receives=DaemonExecutor(RECEIVES_AT_ONCE, "receive"),
            stop_request=stop_request,
            began=began,
            downloads=downloads,
            stats=stats,
        )
        return QueueCollector(job, object_format, context).run()


@contextmanager
def _noted(state: QueueState, job: SubscriberJob, began: datetime) -> Iterator[None]:
    """Keep the error of a queue that cannot be opened, for `--status`, if an earlier run opened it."""
    try:
        yield
    except CollectorError as error:
        with suppress(StateError):
            if state.is_known(job.type or job.name):
                state.note_error(job.type or job.name, error, began)
        raise


def forget_queue(settings: Settings, job: SubscriberJob) -> int:
    """Take the queue out of the state, without a request; return how many objects of it were sent in part."""
    address = QueueAddress.parse(job.queue)
    region = address.region or next(iter(job.regions), "")
    session = Session(settings.access, (region,) if region else ())
    state = _queue_state(settings, job, session.client("sqs", region or None, log_source=False))
    return state.forget(job.type or job.name)


def _queue_state(settings: Settings, job: SubscriberJob, sqs: Any) -> QueueState:
    """Return the record of the job's queue in the region of the client."""
    name = f"{QueueAddress.parse(job.queue).name} in {sqs.meta.region_name}"
    return QueueState(settings.state_dir, name, _numbering(job), settings.access.secrets.mask)


def _numbering(job: SubscriberJob) -> str:
    """Return the options that the number of an event within its object depends on."""
    return f"{DECODING_REVISION} {job.name} {job.type} {job.discard} {job.skip_on_error}"


def _object_format(job: SubscriberJob) -> ObjectFormat:
    """Return the format of the objects. Raises MissingExtraError before any message is received."""
    if job.type is not None:
        return LogTypeFormat(LOG_TYPES[job.type](), job.account_alias)
    return SUBSCRIBERS[job.name]()
