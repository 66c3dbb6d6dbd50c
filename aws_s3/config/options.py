"""The command line: its options, their checks, and the settings they make (SPEC 1)."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from aws_s3 import __version__
from aws_s3.aws.queue_address import QueueAddress
from aws_s3.errors import InvalidTypeError, MissingExtraError, QueueError, UsageError
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.layout import REGION_NAME
from aws_s3.settings import (
    Access,
    BucketJob,
    BucketLocation,
    ConfiguredJob,
    DiscardRule,
    Job,
    Output,
    Purpose,
    ServiceJob,
    Settings,
    StatusJob,
    SubscriberJob,
)
from aws_s3.wazuh.extras import needs

SERVICES = ("cloudwatchlogs", "inspector")
SUBSCRIBERS = ("buckets", "security_hub", "security_lake")
DEFAULT_TYPE = "cloudtrail"
TYPE_ALIASES = {"vpc": "vpcflow"}
DEFAULT_HOME = Path("/var/ossec")

_SHELLS = ("bash", "zsh", "tcsh")
_COMPLETED = {
    "type": sorted([*LOG_TYPES, *TYPE_ALIASES]),
    "service": SERVICES,
    "subscriber": SUBSCRIBERS,
    "print_completion": _SHELLS,
}
"""The values of options that completion knows. Others than these have exit codes of their own."""

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_BUCKET_NAME = re.compile(r"(?!xn--)(?!.*(-s3alias|--ol-s3)$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_DATE = re.compile(r"([1-9]\d{3})-([A-Za-z]{3})-(\d{2})", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_LOG_GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}(:[^:*]{1,512})?", re.ASCII)
_BESIDE_CONFIG = {
    *("config", "daemon", "debug", "output", "wazuh_home", "state_dir", "workers", "lookback_days", "metrics_file"),
}
_FORBIDDEN_IN_PATH = re.compile(r"""[{}^%`\[\]'"<>~#|]|&#?\w+;""")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def given(self, options: argparse.Namespace) -> dict[str, str]:
        """Return the options that have another value than their default, as they are written, by destination."""
        return {
            action.dest: "/".join(action.option_strings)
            for action in self._actions
            if getattr(options, action.dest, action.default) != action.default
        }


class _Words(argparse.Action):
    """Takes every word up to the next option, joined with spaces: Wazuh passes values without quotes."""

    def __init__(self, *, convert: Callable[[str], Any], **options: Any) -> None:
        super().__init__(nargs="+", **options)
        self._convert = convert

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        try:
            setattr(namespace, self.dest, self._convert(" ".join(values or ())))
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, str(error)) from error


class _PrintCompletion(argparse.Action):
    """Prints a shell's completion script and ends the program, as --help does."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        try:
            import shtab
        except ImportError as error:
            raise MissingExtraError(needs(str(option_string), "shtab", error)) from error
        for action in parser._actions:  # noqa: SLF001
            action.choices = _COMPLETED.get(action.dest)
        print(shtab.complete(parser, shell=str(values)))
        parser.exit()


def _shown(text: str) -> str:
    """Return `text` as messages show it: to argparse `-secret_key=…` is a value of `-s`, and a secret."""
    return repr(text.partition("=")[0])


def _checked(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise argparse.ArgumentTypeError(f"{_shown(text)} is not {what}")
        return text

    return check


def _listed(check: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    def split(text: str) -> tuple[str, ...]:
        items = {check(item.strip()) for item in text.split(",") if item.strip()}
        if not items:
            raise argparse.ArgumentTypeError("the list is empty")
        return tuple(sorted(items))

    return split


def _path(text: str) -> str:
    if found := _FORBIDDEN_IN_PATH.search(text):
        raise argparse.ArgumentTypeError(f"{_shown(text)} holds {found[0]!r}, which is not allowed in a path")
    path = text.replace("\\", "/").removeprefix("/")
    return path if not path or path.endswith("/") else f"{path}/"


def _queue(text: str) -> str:
    try:
        QueueAddress.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _date(text: str) -> date:
    found = _DATE.fullmatch(text)
    try:
        if found:
            return date(int(found[1]), _MONTHS.index(found[2].upper()) + 1, int(found[3]))
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{_shown(text)} is not a date of the form YYYY-MMM-DD, such as 2018-AUG-21")


def _role(text: str) -> str:
    parts = text.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or not (parts[1] and parts[2] and parts[5]):
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is not of the form arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE"
        )
    return text


def _within(first: int, last: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not first <= int(text) <= last:
            raise argparse.ArgumentTypeError(f"{_shown(text)} is not a number from {first} to {last}")
        return int(text)

    return check


def _regex(text: str) -> re.Pattern[str] | None:
    """Return the compiled regex; an empty one would discard everything, and counts as none."""
    try:
        return re.compile(text) if text else None
    except (re.error, RecursionError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"the regex {text!r} does not compile: {error}") from error


def _output(text: str) -> Output:
    kind, _, path = text.partition(":")
    if text == "stdout" or (kind in ("file", "unix") and path):
        return Output(kind, Path(path) if path else None)
    raise argparse.ArgumentTypeError(f"{_shown(text)} is not stdout, file:PATH or unix:PATH")


def build_parser() -> _Parser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="aws-s3",
        description="Collects AWS logs and hands every event to Wazuh.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument(
        "--print-completion", action=_PrintCompletion, choices=_SHELLS, metavar="SHELL",
        help="print the completion script of bash, zsh or tcsh",
    )  # fmt: skip
    _add_sources(parser)
    _add_selection(parser)
    _add_processing(parser)
    _add_access(parser)
    _add_surroundings(parser)
    return parser


def _add_sources(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to collect from (exactly one of -b, -sr, -sb, --config, --status)")
    source = group.add_mutually_exclusive_group(required=True)
    bucket_name = _checked(_BUCKET_NAME, "a bucket name")
    source.add_argument("-b", "--bucket", type=bucket_name, metavar="NAME", help="S3 bucket")
    source.add_argument("-sr", "--service", type=str.lower, metavar="NAME", help=" or ".join(SERVICES))
    source.add_argument("-sb", "--subscriber", type=str.lower, metavar="NAME", help=", ".join(SUBSCRIBERS))
    source.add_argument(
        "--config", type=Path, metavar="FILE", help="all that the aws-s3 block of this ossec.conf says, one by one"
    )
    source.add_argument(
        "--status", action="store_true", help="tell what the state says was collected, and collect nothing"
    )
    group.add_argument("--json", action="store_true", help="with --status: as JSON, for programs")
    group.add_argument("--daemon", action="store_true", help="with --config: go on, on the schedule of the file")
    group.add_argument(
        "-q", "--queue", type=_queue, metavar="QUEUE", help="SQS queue of the subscriber: its name, URL or ARN"
    )
    types = ", ".join(sorted([*LOG_TYPES, *TYPE_ALIASES]))
    group.add_argument(
        "-t", "--type", type=str.lower, metavar="TYPE",
        help=f"type of the bucket's logs, {DEFAULT_TYPE} unless given; with -sb buckets, read all objects as "
        f"logs of that type: {types}",
    )  # fmt: skip


def _add_selection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which logs")
    group.add_argument("-O", "--aws_organization_id", metavar="ID", default="", help="organization of a trail")
    accounts = _listed(_checked(re.compile(r"\d{12}", re.ASCII), "a 12-digit account ID"))
    group.add_argument(
        "-c", "--aws_account_id", action=_Words, convert=accounts, metavar="LIST", default=(),
        help="account IDs, separated by commas",
    )  # fmt: skip
    regions = _listed(_checked(REGION_NAME, "a region"))
    group.add_argument(
        "-r", "--regions", action=_Words, convert=regions, metavar="LIST", default=(),
        help="regions, separated by commas",
    )  # fmt: skip
    group.add_argument("-l", "--trail_prefix", type=_path, metavar="PATH", default="", help="path before AWSLogs/")
    group.add_argument("-L", "--trail_suffix", type=_path, metavar="PATH", default="", help="path after AWSLogs/")
    group.add_argument(
        "-s",
        "--only_logs_after",
        type=_date,
        metavar="DATE",
        help="only logs of this UTC day and later: 2018-AUG-21",
    )
    log_groups = _listed(_checked(_LOG_GROUP, "a log group name"))
    group.add_argument(
        "-g", "--aws_log_groups", action=_Words, convert=log_groups, metavar="LIST", default=(),
        help="log groups, separated by commas; after a colon a prefix of stream names",
    )  # fmt: skip
    group.add_argument(
        "--lookback-days", type=_within(0, 30), metavar="N", default=1,
        help="days before the last log in which late objects are looked for (1)",
    )  # fmt: skip


def _add_processing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to process them")
    group.add_argument(
        "--dry-run", action="store_const", dest="purpose", const=Purpose.DRY_RUN, default=Purpose.COLLECT,
        help="with -b: tell what would be collected; send, delete and record nothing",
    )  # fmt: skip
    group.add_argument(
        "--print-iam-policy", action="store_const", dest="purpose", const=Purpose.POLICY, default=Purpose.COLLECT,
        help="print the least IAM policy for the other options, and do nothing else",
    )  # fmt: skip
    group.add_argument("--follow", action="store_true", help="with -sb: go on when the queue is empty, until SIGTERM")
    group.add_argument(
        "--cloudwatch-envelope", action="store_true", help="put log events into an envelope that tells their origin"
    )
    group.add_argument("-o", "--reparse", action="store_true", help="process again what was processed before")
    group.add_argument(
        "--retry-failed", action="store_true",
        help="with -b: try all objects again that could not be read, now, and collect nothing else",
    )  # fmt: skip
    group.add_argument("-R", "--remove", action="store_true", help="delete processed objects from the bucket")
    group.add_argument("-e", "--skip_on_error", action="store_true", help="go on after an object that cannot be read")
    group.add_argument("-P", "--remove-log-streams", action="store_true", help="delete log streams after reading them")
    group.add_argument(
        "-n", "--aws_account_alias", action=_Words, convert=str, metavar="TEXT", default="",
        help="goes into every message of a bucket",
    )  # fmt: skip
    group.add_argument(
        "-df", "--discard-field", action=_Words, convert=str, metavar="FIELD", default="",
        help="field that --discard-regex looks at, such as userIdentity.type",
    )  # fmt: skip
    group.add_argument(
        "-dr", "--discard-regex", action=_Words, convert=_regex, metavar="REGEX",
        help="events whose field matches at its start are not sent",
    )  # fmt: skip


def _add_access(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("access to AWS")
    group.add_argument("-p", "--aws_profile", metavar="NAME", help="profile of the AWS files")
    group.add_argument("-a", "--access_key", metavar="KEY", help="access key ID (deprecated: use a profile or a role)")
    group.add_argument("-k", "--secret_key", metavar="KEY", help="secret access key (deprecated)")
    group.add_argument("-i", "--iam_role_arn", type=_role, metavar="ARN", help="role to assume")
    group.add_argument(
        "-rd", "--iam_role_duration", type=_within(900, 43200), metavar="SECONDS",
        help="how long the role's credentials are valid, 900 to 43200",
    )  # fmt: skip
    group.add_argument("-x", "--external_id", metavar="ID", help="external ID for assuming the role")
    group.add_argument("-st", "--sts_endpoint", metavar="URL", help="STS endpoint")
    group.add_argument(
        "-se", "--service_endpoint", metavar="URL", help="endpoint of the service the logs are read from"
    )


def _add_surroundings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("surroundings")
    group.add_argument(
        "-d",
        "--debug",
        type=_within(0, 3),
        metavar="LEVEL",
        default=0,
        help="detail of the output, 0 to 3 (0)",
    )
    group.add_argument(
        "--output", type=_output, metavar="WHERE", help="stdout, file:PATH or unix:PATH instead of Wazuh"
    )
    group.add_argument("--wazuh-home", type=Path, metavar="DIR", help=f"Wazuh's folder ($WAZUH_HOME, {DEFAULT_HOME})")
    group.add_argument("--state-dir", type=Path, metavar="DIR", help="folder of the state files (HOME/wodles/aws)")
    group.add_argument("--workers", type=_within(1, 64), metavar="N", help="processes that read objects (the cores)")
    group.add_argument(
        "--metrics-file", type=Path, metavar="PATH", help="write Prometheus metrics there when the run ends: NAME.prom"
    )


def parse(arguments: Sequence[str]) -> Settings:
    """Return the settings that the command line asks for.

    Raises UsageError when a check of SPEC 1 fails. `check_job` comes after it.
    """
    _check_text(arguments)
    parser = build_parser()
    options, unknown = parser.parse_known_args(arguments)
    _refuse(unknown)
    _check_config(options, parser.given(options))
    _check_together(options)
    home = options.wazuh_home or _default_home()
    return Settings(
        job=_job(options),
        access=_access(options),
        output=options.output or Output("unix", home / "queue" / "sockets" / "queue"),
        state_dir=options.state_dir or home / "wodles" / "aws",
        debug=options.debug,
        workers=options.workers or len(os.sched_getaffinity(0)),
        purpose=options.purpose,
        metrics_file=options.metrics_file,
    )


def check_job(settings: Settings) -> None:
    """Raise InvalidTypeError for an unknown type, service or subscriber, QueueError or UsageError for what it lacks."""
    job, access = settings.job, settings.access
    if isinstance(job, BucketJob):
        _check_known(job.source.type, LOG_TYPES, "type of bucket")
    elif isinstance(job, ServiceJob):
        _check_known(job.name, SERVICES, "service")
        if job.name == "cloudwatchlogs" and not job.log_groups:
            raise UsageError("the service cloudwatchlogs needs --aws_log_groups")
    elif isinstance(job, SubscriberJob):
        _check_known(job.name, SUBSCRIBERS, "subscriber")
        if job.type is not None:
            _check_known(job.type, LOG_TYPES, "type of bucket")
        needed: dict[str, str | None] = {"--queue": job.queue}
        if job.name == "security_lake":
            needed |= {"--iam_role_arn": access.role_arn, "--external_id": access.external_id}
        if missing := [option for option, value in needed.items() if not value]:
            raise QueueError(f"The subscriber {job.name} needs {', '.join(missing)}.")


def _check_known(name: str, names: Iterable[str], what: str) -> None:
    if name not in names:
        raise InvalidTypeError(f"{name!r} is not a supported {what}. Use one of {', '.join(sorted(names))}.")


def _refuse(unknown: Sequence[str]) -> None:
    """Raise UsageError for words that no option takes. Values are not shown: one may be a secret."""
    names = [word.partition("=")[0] if word.startswith("--") else word[:3] for word in unknown if word[:1] == "-"]
    if names:
        raise UsageError(f"unknown options: {' '.join(names)}")
    if unknown:
        raise UsageError("a value belongs to no option: put values that hold spaces in quotes")


def _check_text(arguments: Sequence[str]) -> None:
    """Raise UsageError for bytes that are not text, which AWS would refuse much later, and for dashes.

    argparse takes the dashes of `--bucket=--` away, and leaves a list in the value's place.
    """
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        raise UsageError("the arguments are not valid UTF-8") from None
    for word in arguments:
        option, _, value = word.partition("=")
        if value == "--" and option.startswith("-"):
            raise UsageError(f"argument {option}: '--' is no value")


def _check_config(options: argparse.Namespace, given: Mapping[str, str]) -> None:
    if options.daemon and options.config is None:
        raise UsageError("--daemon goes with --config")
    if options.config is not None and (unfit := sorted(given[dest] for dest in set(given) - _BESIDE_CONFIG)):
        raise UsageError(f"--config takes {', '.join(unfit)} from the file: leave it out, or write it there")


def _check_together(options: argparse.Namespace) -> None:
    reads_text = options.subscriber is not None or options.service == "cloudwatchlogs"
    collects = options.purpose is Purpose.COLLECT and not options.status
    wrong = {
        "--iam_role_duration needs --iam_role_arn": options.iam_role_duration is not None and not options.iam_role_arn,
        "--access_key and --secret_key need each other": bool(options.access_key) != bool(options.secret_key),
        "--discard-regex needs --discard-field": options.discard_regex and not options.discard_field and not reads_text,
        "--follow goes with --subscriber": options.follow and options.subscriber is None,
        # What a service or a queue holds is known only when it was read.
        "--dry-run goes with --bucket": options.purpose is Purpose.DRY_RUN and options.bucket is None,
        "--json goes with --status": options.json and not options.status,
        "--metrics-file goes with a collection": options.metrics_file and not collects,
        "--retry-failed goes with --bucket, and without --reparse": options.retry_failed
        and (options.bucket is None or options.reparse),
        "--cloudwatch-envelope goes with --service cloudwatchlogs": options.cloudwatch_envelope
        and options.service != "cloudwatchlogs",
        "--type goes with --bucket, or with --subscriber buckets": options.type
        and options.subscriber not in (None, "buckets"),
    }
    for message, is_so in wrong.items():
        if is_so:
            raise UsageError(message)


def _job(options: argparse.Namespace) -> Job:
    if options.bucket is not None:
        return _bucket_job(options)
    if options.service is not None:
        return _service_job(options)
    if options.config is not None:
        return ConfiguredJob(options.config, options.daemon, options.lookback_days)
    if options.status:
        return StatusJob(options.json)
    return SubscriberJob(
        name=options.subscriber,
        queue=options.queue or "",
        type=None if options.type is None else TYPE_ALIASES.get(options.type, options.type),
        follow=options.follow,
        account_alias=options.aws_account_alias,
        regions=options.regions,
        skip_on_error=options.skip_on_error,
        discard=_discard(options),
    )


def _bucket_job(options: argparse.Namespace) -> BucketJob:
    return BucketJob(
        source=BucketLocation(
            type=DEFAULT_TYPE if options.type is None else TYPE_ALIASES.get(options.type, options.type),
            bucket=options.bucket,
            path=options.trail_prefix,
            suffix=options.trail_suffix,
            organization=options.aws_organization_id,
        ),
        accounts=options.aws_account_id,
        regions=options.regions,
        only_logs_after=options.only_logs_after,
        lookback_days=options.lookback_days,
        reparse=options.reparse,
        retry_failed=options.retry_failed,
        remove=options.remove,
        skip_on_error=options.skip_on_error,
        account_alias=options.aws_account_alias,
        discard=_discard(options),
    )


def _service_job(options: argparse.Namespace) -> ServiceJob:
    return ServiceJob(
        name=options.service,
        regions=options.regions,
        log_groups=options.aws_log_groups,
        only_logs_after=options.only_logs_after,
        reparse=options.reparse,
        remove_log_streams=options.remove_log_streams,
        envelope=options.cloudwatch_envelope,
        skip_on_error=options.skip_on_error,
        discard=_discard(options),
    )


def _discard(options: argparse.Namespace) -> DiscardRule | None:
    return DiscardRule(options.discard_field, options.discard_regex) if options.discard_regex else None


def _access(options: argparse.Namespace) -> Access:
    return Access(
        profile=options.aws_profile,
        access_key=options.access_key,
        secret_key=options.secret_key,
        role_arn=options.iam_role_arn,
        role_duration=options.iam_role_duration,
        external_id=options.external_id,
        sts_endpoint=options.sts_endpoint,
        service_endpoint=options.service_endpoint,
    )


def _default_home() -> Path:
    """Return WAZUH_HOME, or the folder above `wodles/` that the program runs from, or /var/ossec."""
    if named := os.environ.get("WAZUH_HOME"):
        return Path(named)
    for program in (Path(sys.argv[0]), Path(__file__)):
        for folder in program.absolute().parents:
            if folder.name == "wodles":
                return folder.parent
    return DEFAULT_HOME
