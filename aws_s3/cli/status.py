"""`--status`: each source as the state has it, in a table or as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime, timezone

from aws_s3.console.line_format import printable
from aws_s3.console.tables import print_report, shortened, table
from aws_s3.settings import Settings, StatusJob
from aws_s3.state.overview import FailedStatus, Overview, PartitionStatus, SourceStatus, overview
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.ledger import Entries, read_entries

_NAME = 34
_KEY = 42
"""Characters: the tables are for terminals of 120 columns."""


def show_status(settings: Settings, job: StatusJob, today: date) -> int:
    """Print the status; `today` is the UTC day. Raises StateError for a state file that cannot be read."""
    found, waits = overview(settings.state_dir), _waits(settings)
    if job.as_json:
        wait = {"seconds": round(waits.waited, 1), "seconds_of_last_run": round(waits.last_wait, 1)}
        text = json.dumps({**asdict(found), "waiting_for_wazuh": wait}, indent=2, ensure_ascii=False)
    else:
        text = "\n".join(map(printable, [*_lines(found, settings, today), *_of_waits(waits)]))
    print_report(text)
    return 0


def _lines(found: Overview, settings: Settings, today: date) -> Iterator[str]:
    if not (found.sources or found.log_streams or found.scans):
        yield f"Nothing was collected yet: there is no state in {settings.state_dir}"
    for source in found.sources:
        yield from _of_source(source, today)
    if found.log_streams:
        yield "CloudWatch Logs"
        rows = [(s.account, s.region, s.group, s.stream, s.read_until or "-") for s in found.log_streams]
        yield from table(("account", "region", "group", "stream", "read until"), rows)
    if found.scans:
        yield "Inspector"
        yield from table(("account", "region", "last scan"), [(s.account, s.region, s.last_scan) for s in found.scans])


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
    more = "".join(f", {name} {value}" for name, value in names if value)
    yield f"{source.type} in {source.bucket}{more}: last complete run {status.last_complete_run or 'unknown'}"
    rows = [_of_partition(partition, today) for partition in status.partitions]
    yield from table(("partition", "from", "newest day", "behind", "rows", "last object"), rows)
    if status.failed:
        yield "  objects that could not be read"
        yield from table(("key", "attempts", "next attempt", "reason"), list(map(_of_failed, status.failed)))
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
