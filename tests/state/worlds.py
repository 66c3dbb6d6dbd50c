"""For each bucket type, partitions in every layout that it has, and objects in them; what they hold is the same."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import IO, Any

from aws_s3.codec.content import TEXT_ONLY
from aws_s3.codec.decoder import Decoder
from aws_s3.codec.records import Event
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import Layout, Partition
from aws_s3.settings import BucketJob, BucketLocation
from tests.harness.collecting import ACCOUNT, BUCKET

OTHER_ACCOUNT = "210987654321"


@dataclass(frozen=True)
class Part:
    """A partition by its name, and how its objects are called. `fixed`: it has no folders that could be missing.

    `below`: there are folders under that of the region, which only a listing tells.
    """

    name: str
    partition: Partition
    file: Callable[[date, str], str]
    fixed: bool = False
    below: bool = False

    def key(self, day: date, name: str) -> str:
        """Return the key of an object; within a day it sorts by `name`."""
        return self.partition.prefix + self.file(day, name)


@dataclass(frozen=True)
class World:
    """A bucket type's partitions, in the order that they are found in."""

    type: str
    path: str
    parts: tuple[Part, ...]

    @property
    def source(self) -> BucketLocation:
        return BucketLocation(self.type, BUCKET, self.path)

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    def asked(self, job: BucketJob, keys: Iterable[str]) -> list[str]:
        """Return the names of the partitions that a run of the job finds where these keys are."""
        present = {part.name for key in keys for part in self.parts if part.partition.day(key)}
        accounts = {part.partition.account for part in self.parts if part.name in present}
        return [part.name for part in self.parts if present and self._is_asked(part, job, present, accounts)]

    def _is_asked(self, part: Part, job: BucketJob, present: set[str], accounts: set[str]) -> bool:
        account, region = part.partition.account, part.partition.region
        if part.fixed:
            return True
        if (job.accounts and account not in job.accounts) or (job.regions and region not in job.regions):
            return False
        given = job.regions and not part.below and (job.accounts or account in accounts)
        return bool(given) or part.name in present

    def bucket(self) -> LogType:
        """Return the type as it is but for what its objects hold."""
        decoding = {name: getattr(LogType, name) for name in vars(Decoder) if not name.startswith("_")}
        kind: Any = type(
            self.type, (LOG_TYPES[self.type],), {**decoding, "parse": _parse, "reshape": _reshape, "kinds": TEXT_ONLY}
        )
        bucket: LogType = kind()
        return bucket


def body_of(name: str, events: int) -> bytes:
    """Return an object's content: its events are called `name-0`, `name-1`, …"""
    return b"".join(json.dumps({"eventID": f"{name}-{number}"}).encode() + b"\n" for number in range(events))


def _parse(self: LogType, body: IO[bytes], key: str) -> Iterator[Event]:
    del self, key
    yield from map(json.loads, body)


def _reshape(self: LogType, event: Event) -> Iterable[Event]:
    del self
    return (event,)


def _written(layout: Layout, day: date) -> str:
    return f"{day.year:04}/{day.month}/{day.day}" if layout.dates.unpadded else layout.dates.written(day)


def _in_awslogs(kind: str, file: str, folders: tuple[tuple[str, str], ...], below: str = "") -> Iterator[Part]:
    layout = LOG_TYPES[kind].layouts[0]
    service = layout.levels[1]
    for account, region in folders:
        prefix = f"AWSLogs/{account}/{service}/{region}/{below}"
        yield Part(
            f"{account} {region}",
            Partition(prefix, layout.dates, account, region),
            lambda day, name: f"{_written(layout, day)}/{file.format(account=ACCOUNT, name=name)}",
            below=bool(below),
        )


def _plain(kind: str, number: int, path: str, file: str) -> Part:
    layout = LOG_TYPES[kind].layouts[number]
    return Part(
        f"layout {number}",
        Partition(path, layout.dates),
        lambda day, name: file.format(day=_written(layout, day), dashed=f"{day:%Y-%m-%d}", name=name),
        fixed=True,
    )


_BOTH = ((ACCOUNT, "eu-west-1"), (ACCOUNT, "us-east-1"))
_THREE = (*_BOTH, (OTHER_ACCOUNT, "us-east-1"))
_FLOW = "{account}_vpcflowlogs_r_fl-{name}_20210610T0115Z_h.log"
_FIREHOSE = "{day}/01/{name}"
_ACCESS = "{dashed}-01-15-00-{name}"


def _balancer(kind: str, file: str) -> World:
    return World(kind, "", tuple(_in_awslogs(kind, f"{{account}}_elasticloadbalancing_r_{file}", _BOTH)))


def _server_access() -> World:
    layouts = LOG_TYPES["server_access"].layouts
    prefix = f"logs/{ACCOUNT}/eu-west-1/site/"
    deep = Part(
        "deep",
        Partition(prefix, layouts[2].dates, ACCOUNT, "eu-west-1"),
        lambda day, name: f"{day:%Y/%m/%d}/{day:%Y-%m-%d}-01-15-00-{name}",
        below=True,
    )
    flat = _plain("server_access", 0, "logs/", "{day}-01-15-00-{name}")
    return World("server_access", "logs/", (flat, _plain("server_access", 1, "logs/", f"{{day}}/{_ACCESS}"), deep))


WORLDS = [
    World("cloudtrail", "", tuple(_in_awslogs("cloudtrail", "{account}_CloudTrail_{name}.json", _THREE))),
    World("config", "", tuple(_in_awslogs("config", "ConfigHistory/{name}.json", _THREE))),
    World("vpcflow", "", tuple(_in_awslogs("vpcflow", _FLOW, _BOTH))),
    World("guardduty", "", tuple(_in_awslogs("guardduty", "{name}.jsonl", _BOTH))),
    World("guardduty", "findings/", (_plain("guardduty", 1, "findings/", _FIREHOSE),)),
    World("custom", "macie/", (_plain("custom", 0, "macie/", _FIREHOSE),)),
    _balancer("alb", "app.{name}_20210610T0115Z.log"),
    _balancer("clb", "{name}_20210610T0115Z.log"),
    _balancer("nlb", "net.{name}_20210610T0115Z.log"),
    World("waf", "", (*_in_awslogs("waf", "{name}.log", _BOTH, "acl/"), _plain("waf", 1, "", _FIREHOSE))),
    _server_access(),
    World("cisco_umbrella", "dnslogs/", (_plain("cisco_umbrella", 0, "dnslogs/", "{day}/{dashed}-01-15-{name}.csv"),)),
]
"""Of every type, every layout; `config` without padding, names alone, and several layouts in one path."""
