"""Which part of the program runs a job. Parts are imported only for the jobs that need them: AWS's clients are slow."""

import gc
import logging
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial

from aws_s3.pipeline.levels import STANDING
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import BucketJob, CollectJob, Purpose, ServiceJob, Settings, StatusJob

log = logging.getLogger(__name__)


def run_job(settings: Settings, stop_request: StopRequest, stats: RunStats) -> int:
    """Run the job of the settings for their purpose, count in `stats`, and return the exit code."""
    run = _part_for(settings, stop_request, datetime.now(timezone.utc), stats)
    collect_garbage()
    return run()


def collect_garbage() -> None:
    """Let Python look for garbage from now on, but not among the objects that were made until now."""
    gc.freeze()
    gc.enable()


def _part_for(settings: Settings, stop_request: StopRequest, began: datetime, stats: RunStats) -> Callable[[], int]:
    """Import the part that runs the job, and return it with its arguments."""
    job = settings.job
    if isinstance(job, StatusJob):
        from aws_s3.cli.status import show_status

        return partial(show_status, settings, job, began)
    assert isinstance(job, CollectJob)
    if settings.purpose is Purpose.POLICY:
        from aws_s3.cli.iam_policy import print_policy

        return partial(print_policy, [(settings.access, job)])
    for option, reason in settings.unused:
        log.warning("%s is not used: %s.", option, reason, extra=STANDING)
    _warn_of_future(job, began)
    if isinstance(job, BucketJob) and settings.purpose is Purpose.DRY_RUN:
        from aws_s3.cli.dry_run import preview_bucket

        return partial(preview_bucket, settings, job, stop_request, began)
    if isinstance(job, BucketJob) and settings.purpose is Purpose.INSPECT:
        from aws_s3.cli.inspect import inspect_bucket

        return partial(inspect_bucket, settings, job, began)
    if settings.purpose is Purpose.CHECK:
        from aws_s3.cli.check import check_job_setup

        return partial(check_job_setup, settings, job, stop_request, began)
    if settings.purpose is Purpose.FORGET:
        from aws_s3.cli.forget import forget_source

        return partial(forget_source, settings, job, began)
    return _collecting_part(settings, job, stop_request, began, stats)


def _warn_of_future(job: CollectJob, began: datetime) -> None:
    """Tell of a first day that has not come yet: the run finds nothing, and no other line says why."""
    day = job.only_logs_after if isinstance(job, BucketJob | ServiceJob) else None
    if day and day > began.date():
        log.warning(
            "only_logs_after is %s, which is after today's date in UTC, %s: nothing is collected until then.",
            day,
            began.date(),
            extra=STANDING,
        )


def _collecting_part(
    settings: Settings, job: CollectJob, stop_request: StopRequest, began: datetime, stats: RunStats
) -> Callable[[], int]:
    if isinstance(job, BucketJob):
        from aws_s3.buckets.run import collect_bucket

        return partial(collect_bucket, settings, job, stop_request, began, stats)
    if isinstance(job, ServiceJob):
        from aws_s3.services.run import collect_service

        return partial(collect_service, settings, job, stop_request, began, stats)
    from aws_s3.subscribers.run import collect_queue

    return partial(collect_queue, settings, job, stop_request, began, stats)
