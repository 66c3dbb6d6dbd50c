"""`--inspect`: the logs that a bucket holds, and for each kind the command line and the block that collect it."""

import json
import os
import shlex
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from xml.sax.saxutils import escape

from aws_s3.aws.s3 import S3Bucket
from aws_s3.aws.session import Session
from aws_s3.buckets.inspection import FoundSource, Inspection, Inventory
from aws_s3.console.line_format import printable, shortened
from aws_s3.console.tables import print_report
from aws_s3.console.terminal import STDERR
from aws_s3.errors import EmptyBucketError
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.recognition import Reading
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.stats import counted
from aws_s3.settings import BucketJob, Settings

_LISTING_THREADS = 6
_SHOWN = 12
_WIDTH = 100


def inspect_bucket(settings: Settings, job: BucketJob, began: datetime) -> int:
    """Print the logs that the bucket holds under the job's path, and return 0. `began` is now, UTC.

    Raises EmptyBucketError for a path without any key.
    """
    session = Session(settings.access, job.regions)
    bucket = S3Bucket(session.client("s3"), job.source.bucket, session.downloads)
    executor = DaemonExecutor(_LISTING_THREADS, "listing")
    is_watched = os.isatty(STDERR)
    found = Inspection(bucket, executor, began.date(), _show_progress if is_watched else None).run(job.source.path)
    if is_watched:
        _write_line("")
    if not (found.sources or found.strangers or found.not_seen):
        raise EmptyBucketError(f"No files were found in '{job.source.bucket}/{job.source.path}'.")
    lines = _as_json(job.source.bucket, found) if settings.as_json else _lines(job.source.bucket, found)
    print_report("\n".join(lines))
    return 0


def command_line(bucket: str, source: FoundSource) -> str:
    """Return the command line that collects the source, from its first day on."""
    words = ["aws-s3", "-b", bucket, *source.reading.options(), "--only_logs_after", _day(source.first)]
    return shlex.join(words)


def ossec_block(bucket: str, source: FoundSource) -> Iterator[str]:
    """Yield the lines of the block of ossec.conf that collects the source, from its first day on."""
    reading = source.reading
    yield f'<bucket type="{reading.type}">'
    for tag, value in (
        ("name", bucket),
        ("path", reading.path),
        ("path_suffix", reading.suffix),
        ("layout", reading.layout),
        ("aws_organization_id", reading.organization),
        ("only_logs_after", _day(source.first)),
    ):
        if value:
            yield f"  <{tag}>{escape(value)}</{tag}>"
    yield "</bucket>"


def _lines(bucket: str, found: Inventory) -> Iterator[str]:
    for source in found.sources:
        yield from map(printable, _of_source(bucket, source))
        yield ""
    if not found.sources:
        yield f"{bucket} holds no log whose key shows its type or a date."
    for key in found.strangers[:_SHOWN]:
        yield printable(f"Not recognised: {key}")
    if more := len(found.strangers) - _SHOWN:
        yield f"… and {counted(more, 'more folder')}: --json shows all" if more > 0 else ""
    if found.not_seen:
        yield printable(
            f"Stopped after {_requests(found)}, and did not look into {counted(len(found.not_seen), 'folder')}, "
            f"{found.not_seen[0]} first. Give a path with -l to look into a part of the bucket."
        )
    yield _requests(found)


def _requests(found: Inventory) -> str:
    return counted(found.requests, "LIST request")


def _of_source(bucket: str, source: FoundSource) -> Iterator[str]:
    reading = source.reading
    yield f"{_title(reading)}, {source.first} to {source.newest}, for example"
    yield f"    {shortened(source.example, _WIDTH)}"
    for name, values in (
        ("accounts", source.accounts),
        ("regions", source.regions),
        ("storage classes", source.storage_classes),
    ):
        if values:
            yield f"  {name}: {_listed(sorted(values))}"
    yield f"  {command_line(bucket, source)}"
    yield from (f"  {line}" for line in ossec_block(bucket, source))
    if unknown := _unknown_to_wazuh(reading):
        refusal = f"Wazuh's daemon refuses this block, because it does not know {unknown}"
        yield f"  {refusal}: keep it for aws-s3 --config FILE"


def _unknown_to_wazuh(reading: Reading) -> str:
    """Return the part of the block that only this program knows, empty if there is none."""
    if not LOG_TYPES[reading.type].is_of_wazuh():
        return f"the type {reading.type}"
    return "<layout>" if reading.layout else ""


def _title(reading: Reading) -> str:
    kind = "logs of no known type" if reading.layout else reading.type
    return f"{kind} under {reading.path or 'the root'}"


def _listed(values: list[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more


def _as_json(bucket: str, found: Inventory) -> Iterator[str]:
    report: dict[str, Any] = {
        "bucket": bucket,
        "sources": [_described(bucket, source) for source in found.sources],
        "not_recognised": found.strangers,
        "not_looked_into": found.not_seen,
        "list_requests": found.requests,
    }
    yield json.dumps(report, indent=2, ensure_ascii=False)


def _described(bucket: str, source: FoundSource) -> dict[str, Any]:
    reading = source.reading
    return {
        "type": reading.type,
        "path": reading.path,
        "suffix": reading.suffix,
        "organization": reading.organization,
        "layout": reading.layout,
        "accounts": sorted(source.accounts),
        "regions": sorted(source.regions),
        "first_day": source.first.isoformat(),
        "newest_day": source.newest.isoformat(),
        "storage_classes": sorted(source.storage_classes),
        "example": source.example,
        "command": command_line(bucket, source),
        "ossec_conf": "\n".join(ossec_block(bucket, source)),
        "wazuh_daemon_takes_it": not _unknown_to_wazuh(reading),
    }


def _day(day: date) -> str:
    return f"{day:%Y-%b-%d}".upper()


def _show_progress(found: Inventory) -> None:
    _write_line(f"{_requests(found)}, {counted(len(found.sources), 'kind')} of logs found")


def _write_line(text: str) -> None:
    """Write the text over the line before it."""
    os.write(STDERR, f"\r\033[K{text}".encode())
