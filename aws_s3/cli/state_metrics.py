"""The figures of the metrics that the state knows: neither a lost file of metrics nor a first run changes them."""

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from aws_s3.config.log_groups import LogGroupSelection
from aws_s3.errors import StateError
from aws_s3.settings import BucketJob, Job, ServiceJob, ServiceName, SubscriberJob
from aws_s3.state.overview import Overview, SourceStatus, overview

WAITING = "aws_s3_waiting_objects"
MALFORMED = "aws_s3_waiting_malformed_objects"
FOUND = "aws_s3_source_found"
LAST_COMPLETE_RUN = "aws_s3_last_complete_run_timestamp_seconds"
NEWEST = "aws_s3_newest_object_timestamp_seconds"


def state_figures(folder: Path, job: Job) -> Mapping[str, float]:
    """Return the figures of the job's source by metric; none that the state does not know, or cannot be read for."""
    try:
        known = overview(folder)
    except StateError:
        return {}
    if isinstance(job, BucketJob):
        source = next((status for status in known.sources if status.source == job.source), None)
        return _of_source(source) if source else {FOUND: 0.0, LAST_COMPLETE_RUN: 0.0, WAITING: 0.0, MALFORMED: 0.0}
    if isinstance(job, ServiceJob):
        return _newest(_service_times(known, job))
    if isinstance(job, SubscriberJob):
        queue = next((queue for queue in known.queues if (queue.queue, queue.type) == (job.queue, job.type)), None)
        return {FOUND: float(queue.ever_found)} if queue else {}
    return {}


def _of_source(status: SourceStatus) -> Mapping[str, float]:
    malformed = sum(failed.malformed for failed in status.failed)
    return {
        WAITING: float(len(status.failed) - malformed),
        MALFORMED: float(malformed),
        FOUND: float(status.ever_found),
        LAST_COMPLETE_RUN: _seconds(status.last_complete_run) if status.last_complete_run else 0.0,
        **_newest([partition.newest_day for partition in status.partitions]),
    }


def _service_times(known: Overview, job: ServiceJob) -> list[str | None]:
    if job.name == ServiceName.INSPECTOR:
        return []
    names = {LogGroupSelection.parse(group).name for group in job.log_groups}
    return [stream.read_until for stream in known.log_streams if stream.group in names]


def _newest(times: list[str | None]) -> Mapping[str, float]:
    return {NEWEST: max(map(_seconds, there))} if (there := [time for time in times if time]) else {}


def _seconds(text: str) -> float:
    """Return the seconds since 1970 of a day or a time in UTC, as the state writes them."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
