"""VPC flow log lines as events: the header that names the fields, or AWS's default fields.

Formats: Amazon VPC's user guide, "Flow log records".
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from functools import lru_cache
from itertools import chain

from aws_s3.codec.delimited import ColumnBatch, column_batches

_DEFAULT_FIELDS = (
    "version",
    "account_id",
    "interface_id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log_status",
)
_TIMES = ("start", "end")

_DIGIT = re.compile(r"[0-9]")
# Eleven digits reach the year 5138: no such number is out of what a datetime holds.
_SECONDS = re.compile(r"[0-9]{1,11}")


def flow_log_batches(
    blocks: Iterable[Iterable[str]], *, iso_times: bool, key: str = "a flow log"
) -> Iterator[ColumnBatch]:
    """Yield the lines that are not blank as events, with `source` = `vpc`; they come in blocks.

     The first line names the fields, and is no event, when it starts with `version` or holds no digit;
    ; without it they are the default 14. What a line lacks is left out, what it has beyond the
     fields is dropped at debug 1, told for the object `key`. `iso_times`: `start` and `end`, in epoch
     seconds, become `2021-06-10T01:00:00Z`; what is no such number stays as it is.
    """
    names, rows = _fields(filter(None, map(str.split, block)) for block in blocks)
    for batch in column_batches(rows, names, key):
        length = len(batch[names[0]])
        for name in _TIMES:
            if iso_times and name in batch:
                batch[name] = list(map(_iso_time, batch[name]))
        batch["source"] = ["vpc"] * length
        yield batch


def _fields(blocks: Iterator[Iterator[list[str]]]) -> tuple[tuple[str, ...], Iterator[Iterator[list[str]]]]:
    """Return the names of the fields, and the rows that hold events."""
    for rows in blocks:
        for first in rows:
            if first[0].startswith("version") or not any(map(_DIGIT.search, first)):
                return tuple(name.replace("-", "_") for name in first), chain((rows,), blocks)
            return _DEFAULT_FIELDS, chain((chain((first,), rows),), blocks)
    return _DEFAULT_FIELDS, blocks


# A file holds the few minutes before its delivery: its lines share their seconds.
@lru_cache(maxsize=1 << 12)
def _iso_time(seconds: str) -> str:
    if not _SECONDS.fullmatch(seconds):
        return seconds
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
