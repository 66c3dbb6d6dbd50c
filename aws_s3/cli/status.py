"""`--status`: each source as the state knows it, as a table or as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta, timezone

from aws_s3.aws.queue_address import QueueAddress
from aws_s3.config.log_groups import LogGroupSelection
from aws_s3.config.ossec_conf import Wodle, read_ossec_conf
from aws_s3.console.line_format import printable, shortened
from aws_s3.console.summary import source_name
from aws_s3.console.tables import print_report, table
from aws_s3.pipeline.stats import counted
from aws_s3.settings import BucketJob, ServiceJob, ServiceName, Settings, StatusJob, SubscriberJob
from aws_s3.state.overview import FailedStatus, Overview, PartitionStatus, SourceStatus, overview
from aws_s3.state.sources import LastError
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.ledger import Entries, read_entries

_NAME = 34
_KEY = 42
"""Characters: the tables are for terminals of 120 columns."""


def show_status(settings: Settings, job: StatusJob, now: datetime) -> int:
    """Print the status; `now` is UTC. Return 1 if something failed or is too far behind, for monitoring.

    Raises StateError for a state file that cannot be read.
    """
    found, waits = overview(settings.state_dir), _waits(settings)
    if job.config is not None:
        found = _only(found, read_ossec_conf(job.config))
    problems = list(_problems(found, now, job.max_behind))
    if job.as_json:
        wait = {"seconds": round(waits.waited, 1), "seconds_of_last_run": round(waits.last_wait, 1)}
        told = {**asdict(found), "waiting_for_wazuh": wait, "problems": problems}
        text = json.dumps(told, indent=2, ensure_ascii=False)
    else:
        lines = [*_lines(found, settings, now.date()), *_of_waits(waits), *(f"PROBLEM: {text}" for text in problems)]
        text = "\n".join(map(printable, lines))
    print_report(text)
    return 1 if problems else 0


def _only(found: Overview, wodle: Wodle) -> Overview:
    """Return the part of the overview that the file's blocks collect; a bucket that never ran is there, too."""
    jobs = [block.settings.job for block in wodle.blocks]
    buckets = list(dict.fromkeys(job.source for job in jobs if isinstance(job, BucketJob)))
    known = {status.source: status for status in found.sources}
    groups = [group for job in jobs if isinstance(job, ServiceJob) for group in job.log_groups]
    names = {LogGroupSelection.parse(group).name for group in groups}
    services = {job.name for job in jobs if isinstance(job, ServiceJob)}
    queues = {QueueAddress.parse(job.queue).name for job in jobs if isinstance(job, SubscriberJob)}
    return Overview(
        sources=[known.get(source) or SourceStatus(source, None, [], ever_found=False) for source in buckets],
        log_streams=[stream for stream in found.log_streams if stream.group in names],
        scans=found.scans if ServiceName.INSPECTOR in services else [],
        queues=[queue for queue in found.queues if queue.name in queues],
    )


def _problems(found: Overview, now: datetime, max_behind: int) -> Iterator[str]:
    """Yield, for monitoring, each source that failed, or whose last complete run is more than so many days ago."""
    oldest = (now - timedelta(days=max_behind)).isoformat()
    for status in found.sources:
        name = source_name(BucketJob(status.source))
        last, error = status.last_complete_run, status.last_error
        if status.failed:
            yield f"{name}: {counted(len(status.failed), 'object')} could not be read"
        if error is not None and (last is None or error.at >= last):
            yield f"{name}: {error.message}"
        elif last is not None and last < oldest:
            yield f"{name}: the last complete run was {last}"
    for queue in found.queues:
        if queue.last_error and (queue.last_complete_run is None or queue.last_error.at >= queue.last_complete_run):
            yield f"{queue.queue} ({queue.type}): {queue.last_error.message}"


def _lines(found: Overview, settings: Settings, today: date) -> Iterator[str]:
    if not (found.sources or found.log_streams or found.scans or found.queues):
        yield f"Nothing was collected yet: there is no state in {settings.state_dir}"
    for source in found.sources:
        yield from _of_source(source, today)
    for queue in found.queues:
        never = "" if queue.ever_found else ", never had an object of its type"
        yield f"{queue.type} in queue {queue.queue}: last complete run {queue.last_complete_run or 'unknown'}{never}"
        yield from _of_error(queue.last_error)
    if found.log_streams:
        yield "CloudWatch Logs"
        rows = [(s.account, s.region, s.group, s.stream, s.read_until or "-") for s in found.log_streams]
        yield from table(("account", "region", "group", "stream", "read until"), rows)
    if found.scans:
        yield "Inspector"
        yield from table(("account", "region", "last scan"), [(s.account, s.region, s.last_scan) for s in found.scans])


def _of_error(error: LastError | None) -> Iterator[str]:
    if error is not None:
        yield f"    last error, {error.at}: {error.message}"


def _waits(settings: Settings) -> Entries:
    """Return the ledger of the home that events go to; an empty one where no run ever waited."""
    path = settings.output.path
    home = WazuhHome.of_socket(path) if settings.output.kind == "unix" and path else None
    return (read_entries(home) if home else None) or Entries()


def _of_waits(waits: Entries) -> Iterator[str]:
    if waits.waited >= 1:
        ended = datetime.fromtimestamp(waits.ended, timezone.utc)
        yield (
            f"Runs waited {waits.waited:.0f} s for Wazuh so far, "
            f"{waits.last_wait:.0f} s of it in the run that ended {ended:%Y-%m-%dT%H:%M:%SZ}"
        )


def _of_source(status: SourceStatus, today: date) -> Iterator[str]:
    source = status.source
    names = [("path", source.path), ("suffix", source.suffix), ("organization", source.organization)]
    names.append(("layout", source.layout))
    more = "".join(f", {name} {value}" for name, value in names if value)
    never = "" if status.ever_found else ", never had an object"
    yield f"{source.type} in {source.bucket}{more}: last complete run {status.last_complete_run or 'unknown'}{never}"
    yield from _of_error(status.last_error)
    if status.partitions:
        rows = [_of_partition(partition, today) for partition in status.partitions]
        yield from table(("partition", "from", "newest day", "behind", "rows", "last object"), rows)
    if status.failed:
        yield "  objects that could not be read"
        yield from table(("key", "attempts", "next attempt", "reason"), list(map(_of_failed, status.failed)))
    if status.archived:
        yield f"  objects in an archive, which the last run passed over: {status.archived}"
    if status.partly_sent:
        yield f"  objects of which a part was sent: {', '.join(status.partly_sent)}"


def _of_partition(partition: PartitionStatus, today: date) -> tuple[str, ...]:
    newest = partition.newest_day
    behind = f"{(today - date.fromisoformat(newest)).days} d" if newest else "-"
    last = shortened((partition.last_object or "-").rpartition("/")[2], _NAME)
    return (partition.prefix or "-", partition.floor or "-", newest or "-", behind, f"{partition.rows}", last)


def _of_failed(failed: FailedStatus) -> tuple[str, ...]:
    upcoming = "malformed: --retry-failed" if failed.malformed else failed.next_attempt
    return (shortened(failed.key, _KEY), f"{failed.attempts}", upcoming, shortened(failed.reason, _NAME))
