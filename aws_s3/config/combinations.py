"""Which options go together, and which options the jobs need: the checks that look at more than one option."""

import argparse
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from aws_s3.config.options import SERVICES, SUBSCRIBERS
from aws_s3.config.spelling import did_you_mean
from aws_s3.errors import InvalidTypeError, QueueError, UsageError
from aws_s3.log_types import LAYOUT_TYPES, LOG_TYPES
from aws_s3.log_types.layout import AWS_LOGS, Account
from aws_s3.log_types.layout_pattern import parse_layout
from aws_s3.settings import BucketJob, Purpose, ServiceJob, ServiceName, Settings, SubscriberJob, SubscriberName

SOURCES = ("--bucket", "--service", "--subscriber", "--config", "--status")

_BESIDE_CONFIG = {
    "--config",
    "--daemon",
    "--debug",
    "--output",
    "--wazuh-home",
    "--state-dir",
    "--workers",
    "--lookback-days",
    "--discover",
    "--metrics-file",
    "--max-eps",
    "--no-pacing",
    "--log-format",
    "--metrics-listen",
    "--retry-failed",
    "--dry-run",
    "--check",
    "--print-iam-policy",
    "--status",
    "--json",
    "--max-behind",
}
"""The options that hold for every block of a file."""

_NEVER_BESIDE_CONFIG = {
    "--cloudwatch-envelope",
    "--follow",
    "--forget",
    "--inspect",
    "--limit",
    "--pretty",
    "--reparse",
    "--until",
}
"""The options that no tag of the file has."""

_BESIDE_STATUS = {
    "--status",
    "--config",
    "--json",
    "--max-behind",
    "--state-dir",
    "--wazuh-home",
    "--debug",
    "--log-format",
}

_ACTIONS = ("--dry-run", "--check", "--inspect", "--print-iam-policy", "--forget", "--retry-failed", "--status")

_RETRY_ON_TRIAL = {"--dry-run", "--retry-failed"}
"""The two actions that go together: which failed objects a run would try again."""

NOT_IN_FILE = {
    *SOURCES,
    "--queue",
    "--wazuh-home",
    "--daemon",
    "--json",
    "--help",
    "--version",
    "--print-completion",
    "--dry-run",
    "--print-iam-policy",
    "--retry-failed",
    "--reparse",
    "--inspect",
    "--check",
    "--forget",
    "--max-behind",
    "--limit",
    "--until",
}
"""The options that choose a run's job: a home's file, which is for all runs, must not hold them."""


@dataclass(frozen=True)
class _Rule:
    """A combination that is refused: when `is_broken`, with a message that names `options` in the place of its {}."""

    is_broken: Callable[[argparse.Namespace], object]
    message: str
    options: tuple[str, ...]


def _reads_text(options: argparse.Namespace) -> bool:
    """Tell whether events may be plain text, which the discard regex is matched against as a whole."""
    return options.subscriber is not None or options.service == ServiceName.CLOUDWATCH_LOGS


def _is_run(options: argparse.Namespace) -> bool:
    """Tell whether the options are those of a collection: also of one that is checked."""
    return options.purpose in (Purpose.COLLECT, Purpose.CHECK)


_RULES = (
    _Rule(
        lambda given: given.iam_role_duration is not None and not given.iam_role_arn,
        "{} needs {}",
        ("--iam_role_duration", "--iam_role_arn"),
    ),
    _Rule(
        lambda given: bool(given.access_key) != bool(given.secret_key),
        "{} and {} need each other",
        ("--access_key", "--secret_key"),
    ),
    _Rule(
        lambda given: given.discard_regex and not given.discard_field and not _reads_text(given),
        "{} needs {}",
        ("--discard-regex", "--discard-field"),
    ),
    _Rule(
        lambda given: given.daemon and (given.config is None or given.status or not _is_run(given)),
        "{} goes with a collection by {}",
        ("--daemon", "--config"),
    ),
    _Rule(
        lambda given: given.limit is not None and given.bucket is None and given.service is None,
        "{} goes with {} or {}",
        ("--limit", "--bucket", "--service"),
    ),
    _Rule(lambda given: given.until and given.bucket is None, "{} goes with {}", ("--until", "--bucket")),
    _Rule(
        lambda given: given.layout and (given.bucket is None or given.type not in LAYOUT_TYPES),
        "{} goes with {} and {} custom or waf",
        ("--layout", "--bucket", "--type"),
    ),
    _Rule(
        lambda given: given.layout and (given.trail_suffix.path or given.aws_organization_id),
        "{} is relative to the path alone: write the folders into it instead of {} and {}",
        ("--layout", "--trail_suffix", "--aws_organization_id"),
    ),
    _Rule(
        lambda given: given.until and given.only_logs_after and given.until < given.only_logs_after,
        "{} ends before {} begins: there is nothing to collect",
        ("--until", "--only_logs_after"),
    ),
    _Rule(
        lambda given: given.pretty and (given.output is None or given.output.kind != "stdout"),
        "{} goes with {} stdout",
        ("--pretty", "--output"),
    ),
    _Rule(
        lambda given: given.metrics_listen and not (given.daemon or given.follow),
        "{} goes with {} or {}",
        ("--metrics-listen", "--follow", "--daemon"),
    ),
    _Rule(lambda given: given.max_behind != 2 and not given.status, "{} goes with {}", ("--max-behind", "--status")),
    _Rule(lambda given: given.follow and given.subscriber is None, "{} goes with {}", ("--follow", "--subscriber")),
    # The events that a service or a queue holds are known only after they were read.
    _Rule(
        lambda given: given.purpose is Purpose.DRY_RUN and given.bucket is None and given.config is None,
        "{} goes with {} or {}",
        ("--dry-run", "--bucket", "--config"),
    ),
    _Rule(
        lambda given: given.purpose is Purpose.INSPECT and given.bucket is None,
        "{} goes with {}",
        ("--inspect", "--bucket"),
    ),
    _Rule(
        lambda given: given.json and not given.status and given.purpose is not Purpose.INSPECT,
        "{} goes with {} or {}",
        ("--json", "--status", "--inspect"),
    ),
    _Rule(
        lambda given: given.metrics_file and (given.status or not _is_run(given)),
        "{} goes with a collection",
        ("--metrics-file",),
    ),
    _Rule(
        lambda given: given.retry_failed and ((given.bucket is None and given.config is None) or given.reparse),
        "{} goes with {} or {}, and without {}",
        ("--retry-failed", "--bucket", "--config", "--reparse"),
    ),
    _Rule(
        lambda given: given.cloudwatch_envelope and given.service != ServiceName.CLOUDWATCH_LOGS,
        "{} goes with {} cloudwatchlogs",
        ("--cloudwatch-envelope", "--service"),
    ),
    _Rule(
        lambda given: given.type and given.subscriber not in (None, SubscriberName.BUCKETS),
        "{} goes with {}, or with {} buckets",
        ("--type", "--bucket", "--subscriber"),
    ),
)


_OF_BUCKETS = dict.fromkeys(
    (
        "--aws_organization_id",
        "--aws_account_id",
        "--trail_prefix",
        "--trail_suffix",
        "--remove",
        "--lookback-days",
        "--discover",
    ),
    "it is for buckets",
)
_OF_LOG_GROUPS = dict.fromkeys(("--aws_log_groups", "--remove-log-streams"), "it is for log groups")
_OF_QUEUES = {"--queue": "it is for subscribers"}
_NOT_OF_SERVICES = dict.fromkeys(("--aws_account_alias", "--type"), "it is for buckets and subscribers")
_NOT_OF_QUEUES = dict.fromkeys(("--only_logs_after", "--reparse"), "the queue's messages name what is read")


def unused(options: argparse.Namespace, given: Iterable[str]) -> dict[str, str]:
    """Return by long name the reason why the job reads nothing of an option that was given.

    They are no error, because Wazuh's own module takes them without a word.
    """
    reasons: dict[str, str] = {}
    if options.bucket is not None:
        reasons = _OF_QUEUES | _OF_LOG_GROUPS | _not_of_folders(options)
    elif options.service is not None:
        reasons = _OF_QUEUES | _OF_BUCKETS | _NOT_OF_SERVICES
        reasons |= {} if options.service == ServiceName.CLOUDWATCH_LOGS else _OF_LOG_GROUPS
    elif options.subscriber is not None:
        reasons = _OF_BUCKETS | _OF_LOG_GROUPS | _NOT_OF_QUEUES
        reasons |= {} if options.type else {"--aws_account_alias": "it is for buckets, and for -sb buckets with -t"}
    if options.discard_regex is None:
        reasons |= {"--discard-field": "it needs --discard-regex"}
    if not options.iam_role_arn:
        reasons |= {"--external_id": "it needs --iam_role_arn"}
    return {name: reasons[name] for name in given if name in reasons}


def _not_of_folders(options: argparse.Namespace) -> dict[str, str]:
    """Return the reasons of the options that select by folders which no object of the type lies in."""
    if options.type not in LOG_TYPES:
        return {}
    layouts = (parse_layout(options.layout),) if options.layout else LOG_TYPES[options.type].layouts
    reasons = {}
    if not any(isinstance(level, Account) for layout in layouts for level in layout.levels):
        reasons["--aws_account_id"] = "the folders name no account"
    if not any(layout.in_awslogs for layout in layouts):
        reasons |= dict.fromkeys(("--trail_suffix", "--aws_organization_id"), f"it is for types under {AWS_LOGS}")
    return reasons


def check_combination(options: argparse.Namespace, given: Collection[str]) -> None:
    """Raise UsageError for options that do not go together; `given` are the long names of those that were given."""
    _check_source([source for source in SOURCES if source in given], given)
    actions = [action for action in _ACTIONS if action in given]
    if len(actions) > 1 and set(actions) != _RETRY_ON_TRIAL:
        raise UsageError(f"{' and '.join('{}' for _ in actions)} exclude each other", *actions)
    if options.config is not None:
        _check_beside_config(given)
    for rule in _RULES:
        if rule.is_broken(options):
            raise UsageError(rule.message, *rule.options)
    if options.status and (unfit := sorted(set(given) - _BESIDE_STATUS)):
        raise UsageError(f"{{}} shows all sources: leave out {', '.join('{}' for _ in unfit)}", "--status", *unfit)


def _check_source(sources: Collection[str], given: Collection[str]) -> None:
    if not sources and "--queue" in given:
        raise UsageError("{} needs {}", "--queue", "--subscriber")
    if not sources:
        raise UsageError("nothing to collect from: give {}, {}, {}, {} or {}", *SOURCES)
    if len(sources) > 1 and set(sources) != {"--config", "--status"}:
        raise UsageError(f"{' and '.join('{}' for _ in sources)} exclude each other: give exactly one", *sources)


def _check_beside_config(given: Iterable[str]) -> None:
    if unfit := sorted(set(given) & _NEVER_BESIDE_CONFIG):
        named = " and ".join("{}" for _ in unfit)
        raise UsageError(f"{{}} runs the blocks of a file: leave out {named}, for one source only", "--config", *unfit)
    if unfit := sorted(set(given) - _BESIDE_CONFIG):
        raise UsageError(
            f"{{}} takes {', '.join('{}' for _ in unfit)} from the file: leave it out, or write it there",
            "--config",
            *unfit,
        )


def check_job(settings: Settings) -> None:
    """Raise the error that keeps the job from running: it comes after all checks of usage, with its own exit code.

    InvalidTypeError for an unknown type, service or subscriber; QueueError or UsageError for a missing option.
    """
    job = settings.job
    if isinstance(job, BucketJob):
        _check_known(job.source.type, LOG_TYPES, "type of bucket")
    elif isinstance(job, ServiceJob):
        _check_known(job.name, SERVICES, "service")
        if job.name == ServiceName.CLOUDWATCH_LOGS and not job.log_groups:
            raise UsageError("the service cloudwatchlogs needs {}", "--aws_log_groups")
        if job.remove_log_streams and any(group.startswith("arn:") for group in job.log_groups):
            # DeleteLogStream takes names of the caller's own account only.
            raise UsageError("{} goes with names in {}, not with ARNs", "--remove-log-streams", "--aws_log_groups")
    elif isinstance(job, SubscriberJob):
        _check_known(job.name, SUBSCRIBERS, "subscriber")
        if job.type is not None:
            _check_known(job.type, LOG_TYPES, "type of bucket")
        _check_subscriber(settings, job)


def _check_known(name: str, names: Iterable[str], kind: str) -> None:
    if name not in names:
        listed = ", ".join(sorted(names))
        hint = _of_another_kind(name, kind) or _by_other_name(name, kind) or did_you_mean(name, names)
        raise InvalidTypeError(f"{name!r} is not a supported {kind}.{hint} Use one of {listed}.")


def _of_another_kind(name: str, kind: str) -> str:
    """Return ` … is a service: give it as -sr …` for a name of another kind of source; empty for another name."""
    for other, (option, names) in _KINDS.items():
        alike = next((known for known in names if _bare(known) == _bare(name)), "")
        if alike and other != kind:
            return f" It is a {other}: {option} {alike}."
    return ""


def _by_other_name(name: str, kind: str) -> str:
    found = next((types for types, names in _OTHER_TYPES.items() if _bare(name) in names.split()), "")
    return f" Did you mean {found}?" if found and kind == "type of bucket" else ""


def _bare(name: str) -> str:
    return name.replace("-", "").replace("_", "")


_KINDS = {
    "type of bucket": ("-b BUCKET -t", LOG_TYPES),
    "service": ("-sr", SERVICES),
    "subscriber": ("-sb", SUBSCRIBERS),
}

_OTHER_TYPES = {
    "alb, nlb or clb": "elb lb elbv2 elasticloadbalancing loadbalancer",
    "server_access": "s3 s3access s3serveraccess s3accesslogs access",
    "cisco_umbrella": "umbrella dnslogs proxylogs",
    "route53_resolver": "route53 dns resolver",
    "network_firewall": "firewall",
    "custom": "macie kms trustedadvisor firehose",
    "vpcflow": "flow flowlogs vpcflowlogs",
}
"""Names for types of logs, without `-` and `_`, that users know from elsewhere."""


def _check_subscriber(settings: Settings, job: SubscriberJob) -> None:
    needed: dict[str, str | None] = {"--queue": job.queue}
    if job.name == SubscriberName.SECURITY_LAKE:
        needed |= {"--iam_role_arn": settings.access.role_arn, "--external_id": settings.access.external_id}
    if missing := [option for option, value in needed.items() if not value]:
        raise QueueError(f"The subscriber {job.name} needs {', '.join('{}' for _ in missing)}.", *missing)
