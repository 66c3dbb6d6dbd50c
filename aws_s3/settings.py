"""The job of a run, as frozen values: the options make them, the parts of a run read them."""

import re
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path

from aws_s3.secrets_mask import Secrets


class ServiceName(str, Enum):
    """The services, as `--service` names them; `aws_s3.services` has an entry for each."""

    CLOUDWATCH_LOGS = "cloudwatchlogs"
    INSPECTOR = "inspector"


class SubscriberName(str, Enum):
    """The subscribers, as `--subscriber` names them; `aws_s3.subscribers` has an entry for each."""

    BUCKETS = "buckets"
    SECURITY_HUB = "security_hub"
    SECURITY_LAKE = "security_lake"


@dataclass(frozen=True)
class Access:
    """How to reach AWS. `role_duration` is in seconds; the secrets never show in a repr.

    `secrets` masks all of the run's output; `aws.session` adds the credentials that it uses.
    """

    profile: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    role_arn: str | None = None
    role_duration: int | None = None
    external_id: str | None = field(default=None, repr=False)
    sts_endpoint: str | None = None
    service_endpoint: str | None = None
    secrets: Secrets = field(default_factory=Secrets, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Let the mask know the secrets of the options."""
        self.secrets.add_key_id(self.access_key)
        self.secrets.add_keys(self.secret_key, self.external_id)
        self.secrets.add_url(self.sts_endpoint)
        self.secrets.add_url(self.service_endpoint)


@dataclass(frozen=True)
class BucketLocation:
    """The part of a bucket that one command line collects: the unit that has a last complete run.

    `path` and `suffix` are empty or end with `/`; `path` does not if keys are the path and a date, as those of
    server access logs with the prefix `access-` are.
    """

    type: str
    bucket: str
    path: str = ""
    suffix: str = ""
    organization: str = ""
    layout: str = ""
    """The pattern of `--layout`, empty for the layouts of the type."""


@dataclass(frozen=True)
class DiscardRule:
    """Events whose `field` matches `regex` at its start are not sent."""

    field: str
    regex: re.Pattern[str]


@dataclass(frozen=True)
class BucketJob:
    """A collection from a bucket. Days are UTC; `retry_failed` collects only objects that failed in earlier runs.

    `limit` is the most events to send, `until` the last day to collect. `path_as_given` is the path of the source
    with the slashes that the user wrote, which some keys need. `discover`: ask for new accounts and regions, whatever
    the state remembers.
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
    limit: int | None = None
    until: date | None = None
    discover: bool = False


@dataclass(frozen=True)
class ServiceJob:
    """A collection from a service's API. `only_logs_after` is a UTC day; `envelope` wraps each log event in one.

    `name` is one of ServiceName's values, unless it was not checked yet.
    """

    name: str
    regions: tuple[str, ...] = ()
    log_groups: tuple[str, ...] = ()
    only_logs_after: date | None = None
    reparse: bool = False
    remove_log_streams: bool = False
    envelope: bool = False
    skip_on_error: bool = False
    discard: DiscardRule | None = None
    limit: int | None = None


@dataclass(frozen=True)
class SubscriberJob:
    """A collection of the objects that a queue's messages name.

    `queue` is a name, URL or ARN. With a bucket `type` the objects are read as that type's, and carry
    `account_alias`. `follow` keeps waiting when the queue is empty. `name` is one of SubscriberName's
    values, unless it was not checked yet.
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
    """All blocks of an ossec.conf's aws-s3 module: run once, or as a `daemon` on the file's schedule.

    `lookback_days`, `retry_failed` and `discover` hold for its buckets.
    """

    file: Path
    daemon: bool = False
    lookback_days: int = 1
    retry_failed: bool = False
    discover: bool = False


@dataclass(frozen=True)
class StatusJob:
    """Printing the content of the state, for people or `as_json`.

    `max_behind` is how many days ago a source's last complete run may be. With `config`, only the sources of
    this ossec.conf are shown.
    """

    as_json: bool = False
    max_behind: int = 2
    config: Path | None = None


Job = CollectJob | ConfiguredJob | StatusJob


@dataclass(frozen=True)
class Output:
    """The place that events go to: `kind` is `unix`, `file` or `stdout`; `path` is None for `stdout`.

    `pretty` writes JSON indented, for people.
    """

    kind: str
    path: Path | None = None
    pretty: bool = False


class Purpose(Enum):
    """The action on a job: collect, check the set-up, show objects or logs, print permissions, or forget the state."""

    CHECK = "check"
    COLLECT = "collect"
    DRY_RUN = "dry_run"
    FORGET = "forget"
    INSPECT = "inspect"
    POLICY = "print_iam_policy"


@dataclass(frozen=True)
class Settings:
    """One run. `workers` is how many processes read objects when there are many.

    `metrics_file` is written when the run ends, and served at the host and port of `metrics_listen`. `json_lines`
    writes log lines as JSON. `keeps_running` is true with --follow and --daemon, whose lines have time stamps.
    `max_events` is how many events a second are sent at most: 0 for no limit, None for as many as Wazuh has room
    for. `unused` are the options of which the job reads nothing, as the user wrote them, with the reason.
    """

    job: Job
    access: Access
    output: Output
    state_dir: Path
    debug: int = 0
    workers: int = 1
    purpose: Purpose = Purpose.COLLECT
    as_json: bool = False
    metrics_file: Path | None = None
    metrics_listen: tuple[str, int] | None = None
    json_lines: bool = False
    keeps_running: bool = False
    max_events: int | None = None
    unused: tuple[tuple[str, str], ...] = ()
