"""VPC flow log lines as events: the header that names the fields, or AWS's default fields.

Formats: Amazon VPC's user guide, "Flow log records".
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from itertools import chain, repeat

from aws_s3.codec.delimited import ColumnBatch, blank_columns, column_batches

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
_FIELDS = frozenset(
    (
        *_DEFAULT_FIELDS,
        *("vpc_id", "subnet_id", "instance_id", "tcp_flags", "type", "pkt_srcaddr", "pkt_dstaddr", "region", "az_id"),
        *("sublocation_type", "sublocation_id", "pkt_src_aws_service", "pkt_dst_aws_service", "flow_direction"),
        *("traffic_path", "ecs_cluster_arn", "ecs_cluster_name", "ecs_container_instance_arn"),
        *("ecs_container_instance_id", "ecs_container_id", "ecs_second_container_id", "ecs_service_name"),
        *("ecs_task_definition_arn", "ecs_task_arn", "ecs_task_id", "reject_reason", "resource_id"),
        "encryption_status",
    )
)
_FEWEST_NAMES = 4
_LINE = re.compile(r"\s*(?:[2-9]|10)(?:\s+\S+){13}", re.ASCII)
LINES_TO_RECOGNISE = 10
"""How many lines `is_flow_log` looks at."""

_DEFAULT_HEADER = tuple(name.replace("_", "-") for name in _DEFAULT_FIELDS)
_TIMES = ("start", "end")

_DIGIT = re.compile(r"[0-9]")
# Eleven digits reach the year 5138: no such number is out of what a datetime holds.
_SECONDS = re.compile(r"[0-9]{1,11}")


def is_flow_log(first: Sequence[str]) -> bool:
    """Tell a flow log from other text by its first lines, up to `LINES_TO_RECOGNISE`.

    Either the first line is a header, of names of which four or more, and most, are fields of flow logs; or each line
    begins with a version from 2 to 10 and has at least 14 fields.
    """
    return bool(first) and (_are_names(first[0].split()) or all(map(_LINE.match, first[:LINES_TO_RECOGNISE])))


def _are_names(words: Sequence[str]) -> bool:
    known = sum(word.replace("-", "_") in _FIELDS for word in words)
    return known >= _FEWEST_NAMES and len(set(words)) == len(words) < 2 * known


def flow_log_batches(
    blocks: Iterable[Iterable[str]], *, iso_times: bool, key: str = "a flow log"
) -> Iterator[ColumnBatch]:
    """Yield the lines that are not blank as events, with `source` = `vpc`; they come in blocks.

    The first line names the fields, and is not an event, when it begins with `version` or holds no digit; without it
    the fields are the default 14. A line that repeats the names is not an event either. Fields that a line lacks are
    left out, fields behind the named ones are sent as `column_N`, with a WARNING that names the object `key`.
    `iso_times`: `start` and `end`, in epoch seconds, become `2021-06-10T01:00:00Z`; other values stay.
    """
    header, rows = _header(_rows(blocks))
    yield from _named(rows, header, key, iso_times=iso_times)


def rest_of_flow_log(blocks: Iterable[Iterable[str]], header: Sequence[str], key: str) -> Iterator[ColumnBatch]:
    """Yield what `flow_log_batches` yields with `iso_times`, of lines behind those that name the fields."""
    return _named(_rows(blocks), header, key, iso_times=True)


def flow_log_header(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the fields as the lines' header writes them, or AWS's default names."""
    header, _ = _header(_rows([lines]))
    return tuple(header)


def flow_log_block(lines: Sequence[str], header: Sequence[str]) -> Iterator[ColumnBatch] | None:
    """Yield what `flow_log_batches` yields with `iso_times` for some lines; None if one has more fields than names."""
    columns = blank_columns(lines)
    if columns and len(columns) <= len(header):
        return _events([dict(zip(_member_names(header), columns, strict=False))], header, iso_times=True)
    [rows] = map(list, _rows([lines]))
    if max(map(len, rows), default=0) > len(header):
        return None
    return _named([rows], header, "", iso_times=True)


def _rows(blocks: Iterable[Iterable[str]]) -> Iterator[Iterator[list[str]]]:
    return (filter(None, map(str.split, block)) for block in blocks)


def _named(
    rows: Iterable[Iterable[list[str]]], header: Sequence[str], key: str, *, iso_times: bool
) -> Iterator[ColumnBatch]:
    return _events(column_batches(rows, _member_names(header), "vpcflow", key), header, iso_times=iso_times)


def _member_names(header: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.replace("-", "_") for name in header)


def _events(
    batches: Iterable[dict[str, Sequence[str]]], header: Sequence[str], *, iso_times: bool
) -> Iterator[ColumnBatch]:
    first = header[0].replace("-", "_")
    for batch in batches:
        events = batch if header[0] not in batch[first] else _without_rows(batch, header)
        length = len(events[first])
        if not length:
            continue
        yield _with_source(events, length, iso_times=iso_times)


def named_flow_logs(columns: ColumnBatch) -> ColumnBatch:
    """Return flow logs that were delivered by column as events, with times in UTC and `source` = `vpc`."""
    named = {name.replace("-", "_"): values for name, values in columns.items()}
    return _with_source(named, len(next(iter(columns.values()), ())), iso_times=True)


def _with_source(events: dict[str, Sequence[str]], length: int, *, iso_times: bool) -> ColumnBatch:
    for name in _TIMES:
        if iso_times and name in events:
            events[name] = list(map(_iso_time, events[name]))
    events["source"] = ["vpc"] * length
    return events


def _without_rows(batch: ColumnBatch, header: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return the batch without the rows that are the header, which each gzip member may begin with."""
    unwanted = tuple(header[: len(batch)])
    rows = [row for row in zip(*batch.values(), strict=True) if row != unwanted]
    return dict(zip(batch, zip(*rows, strict=True) if rows else repeat(()), strict=False))


def _header(blocks: Iterator[Iterator[list[str]]]) -> tuple[Sequence[str], Iterator[Iterator[list[str]]]]:
    """Return the names of the fields as the header writes them, and the rows that hold events."""
    for rows in blocks:
        for first in rows:
            if first[0].startswith("version") or not any(map(_DIGIT.search, first)) or _are_names(first):
                return first, chain((rows,), blocks)
            return _DEFAULT_HEADER, chain((chain((first,), rows),), blocks)
    return _DEFAULT_HEADER, blocks


# A file holds the few minutes before its delivery: its lines share their seconds.
@lru_cache(maxsize=1 << 12)
def _iso_time(seconds: str) -> str:
    if not _SECONDS.fullmatch(seconds):
        return seconds
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
