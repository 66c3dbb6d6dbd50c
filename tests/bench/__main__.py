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

from aws_s3.buckets.cloudtrail import CloudTrail
from aws_s3.buckets.layout import SLASHED, Partition
from aws_s3.place import Start
from aws_s3.settings import Source
from aws_s3.state.buckets import BucketState
from tests.bench import corpus, services
from tests.bench.corpus import BUCKET, Corpus
from tests.bench.measure import Ground, Measured, ground
from tests.command import COMMAND

_SINCE = ("-b", BUCKET, "--only_logs_after", "2024-JAN-01")
_HEAD = ("row", "objects/s", "events/s", "CPU ms/object", "peak MB", "GET", "LIST", "× plain loop")


@dataclass(frozen=True)
class Row:
    """One line of the table: what lies in the bucket, what is run, and how the plain loop reads it.

    `again`: what is measured is the second run, with nothing new. `loop_objects` is how many objects
    the loop reads, since it would take minutes for all.
    """

    name: str
    corpus: Callable[[], Corpus]
    options: tuple[str, ...] = ()
    again: bool = False
    loop: str = ""
    loop_objects: int = 0


ROWS = (
    Row("3,000 small CloudTrail objects", partial(corpus.cloudtrail, 3000, 20), loop="trail", loop_objects=300),
    Row("6 CloudTrail objects of 50 MB", partial(corpus.cloudtrail, 6, 40_000), loop="trail", loop_objects=1),
    Row("1,000,000 flow log lines", partial(corpus.flow_logs, 20, 50_000), ("-t", "vpcflow"), False, "lines", 1),
    Row("1 flow log of 1 GB", partial(corpus.flow_logs, 1, 8_000_000), ("-t", "vpcflow"), False),
    Row("500,000 ALB lines", partial(corpus.load_balancer, 20, 25_000), ("-t", "alb"), False, "lines", 1),
    Row("1,000 partitions, nothing new", partial(corpus.cloudtrail, 1000, 1, 100, 10), again=True),
    Row("100,000 processed objects", partial(corpus.cloudtrail, 100_000, 1), again=True),
)


def main(words: list[str]) -> None:
    """Print the table."""
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}; GET 20 ms, LIST 60 ms\n")
    print(f"| {' | '.join(_HEAD)} |\n|{'---|' * len(_HEAD)}")
    for row in ROWS:
        if not words or any(word in row.name for word in words):
            print(f"| {' | '.join(_cells(row))} |", flush=True)
    if not words or "CloudWatch" in words:
        print("\nCloudWatch Logs, of 200 streams:", *services.rows(), sep="\n", flush=True)


def _cells(row: Row) -> Iterator[str]:
    content = row.corpus()
    with ground(content) as place:
        command = [str(COMMAND), *_SINCE, *row.options]
        if row.again:
            _mark_all_done(place, content)
        measured = place.measure(command)
        if not row.again and measured.events != content.events:
            raise RuntimeError(f"{row.name}: {measured.events} events arrived, not {content.events}")
        objects = len(content.objects)
        yield row.name
        yield f"{objects / measured.seconds:,.0f}" + (f" ({measured.seconds:.1f} s)" if row.again else "")
        yield f"{measured.events / measured.seconds:,.0f}"
        yield f"{measured.cpu / objects * 1000:.2f}"
        yield f"{measured.peak / 1e6:.0f}"
        yield f"{measured.requests.get('GET', 0):,}"
        yield f"{measured.requests.get('LIST', 0):,}"
        yield _ratio(place, row, measured) if row.loop else ""


def _mark_all_done(place: Ground, content: Corpus) -> None:
    """Fill the state as a first run would have."""
    bucket = CloudTrail()
    source = Source("cloudtrail", BUCKET)
    began = datetime.now(timezone.utc)
    with closing(BucketState(place.home / "wodles/aws", bucket, source, began, keep_days=None)) as state:
        for key in sorted(content.objects):
            _, account, _, region, _ = key.split("/", 4)
            prefix = f"AWSLogs/{account}/CloudTrail/{region}/"
            partition = Partition(prefix, SLASHED, account, region)
            if state.known(partition).floor is None:
                state.begin(partition, Start(corpus.DAY, floor=corpus.DAY))
            state.mark_done(partition, key, account)
            state.advance(partition, key)


def _ratio(place: Ground, row: Row, measured: Measured) -> str:
    loop = [sys.executable, "-m", "tests.bench.plain_loop", row.loop, str(place.socket), str(row.loop_objects)]
    plain = place.measure(loop)
    return f"{measured.events / measured.seconds / (plain.events / plain.seconds):.1f}"


if __name__ == "__main__":
    main(sys.argv[1:])
