"""What one run is asked to do, as frozen values: one dataclass for each consumer."""

import re
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path


@dataclass(frozen=True)
class Access:
    """How AWS is reached (SPEC 2). `role_duration` is in seconds; the secrets never show in a repr."""

    profile: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    role_arn: str | None = None
    role_duration: int | None = None
    external_id: str | None = field(default=None, repr=False)
    sts_endpoint: str | None = None
    service_endpoint: str | None = None


@dataclass(frozen=True)
class BucketLocation:
    """What one command line collects from a bucket (SPEC 4); the unit that has a last complete run.

    `path` and `suffix` are empty or end with `/`; `path` does not where keys are the path and a date, as those of
    server access logs with the prefix `access-` are.
    """

    type: str
    bucket: str
    path: str = ""
    suffix: str = ""
    organization: str = ""


@dataclass(frozen=True)
class DiscardRule:
    """Events whose `field` matches `regex` at its start are not sent (SPEC 7)."""

    field: str
    regex: re.Pattern[str]


@dataclass(frozen=True)
class BucketJob:
    """A collection from a bucket: where, which part of it, and how. Days are UTC.

    `retry_failed`: of what failed in earlier runs, and of nothing else. `path_as_given`: the source's path
    with the slashes that the user wrote, which some keys need.
    """

    source: BucketLocation
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    only_logs_after: date | None = None
    lookback_days: int = 1
    reparse: bool = False
    retry_failed: bool = False
    remove: bool = False
    skip_on_error: bool = False
    account_alias: str = ""
    discard: DiscardRule | None = None
    path_as_given: str = ""


@dataclass(frozen=True)
class ServiceJob:
    """A collection from a service's API. `only_logs_after` is a UTC day; `envelope`: log events get one."""

    name: str
    regions: tuple[str, ...] = ()
    log_groups: tuple[str, ...] = ()
    only_logs_after: date | None = None
    reparse: bool = False
    remove_log_streams: bool = False
    envelope: bool = False
    skip_on_error: bool = False
    discard: DiscardRule | None = None


@dataclass(frozen=True)
class SubscriberJob:
    """A collection of the objects that a queue's messages name.

    `queue` is a name, URL or ARN. With a bucket `type` the objects are read as that type's, and carry
    `account_alias`. `follow`: go on when the queue is empty.
    """

    name: str
    queue: str
    type: str | None = None
    follow: bool = False
    account_alias: str = ""
    regions: tuple[str, ...] = ()
    skip_on_error: bool = False
    discard: DiscardRule | None = None


CollectJob = BucketJob | ServiceJob | SubscriberJob


@dataclass(frozen=True)
class ConfiguredJob:
    """All that the aws-s3 block of an ossec.conf collects: once, or as a `daemon` on the block's schedule.

    `lookback_days` is that of its buckets.
    """

    file: Path
    daemon: bool = False
    lookback_days: int = 1


@dataclass(frozen=True)
class StatusJob:
    """Telling what the state says, for people or `as_json`."""

    as_json: bool = False


Job = CollectJob | ConfiguredJob | StatusJob


@dataclass(frozen=True)
class Output:
    """Where events go: `kind` is `unix`, `file` or `stdout`; `path` is empty for `stdout`."""

    kind: str
    path: Path | None = None


class Purpose(Enum):
    """What a job is for: to be done, to tell what it would collect, or which permissions it needs."""

    COLLECT = "collect"
    DRY_RUN = "dry_run"
    POLICY = "print_iam_policy"


@dataclass(frozen=True)
class Settings:
    """One run. `workers` is how many processes read objects when there are many.

    `metrics_file` is written when the run ends.
    """

    job: Job
    access: Access
    output: Output
    state_dir: Path
    debug: int = 0
    workers: int = 1
    purpose: Purpose = Purpose.COLLECT
    metrics_file: Path | None = None
