"""The table of the command line's options, by group, with their checks and the texts of `--help`."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from aws_s3 import __version__
from aws_s3.config import values
from aws_s3.errors import MissingExtraError, UsageError
from aws_s3.log_types import LOG_TYPES
from aws_s3.settings import Purpose, ServiceName, SubscriberName
from aws_s3.wazuh.extras import needs
from aws_s3.wazuh.home import DEFAULT

SERVICES = tuple(sorted(name.value for name in ServiceName))
SUBSCRIBERS = tuple(sorted(name.value for name in SubscriberName))
DEFAULT_TYPE = "cloudtrail"
TYPE_ALIASES = {"vpc": "vpcflow"}
TYPES = tuple(sorted([*LOG_TYPES, *TYPE_ALIASES]))

_SHELLS = ("bash", "zsh", "fish", "tcsh")
COMPLETED = {"type": TYPES, "service": SERVICES, "subscriber": SUBSCRIBERS, "print_completion": _SHELLS}
"""Choices offered by shell completion. Unknown values are rejected later, each with its own exit code."""

_USAGE = "aws-s3 (-b BUCKET | -sr SERVICE | -sb SUBSCRIBER -q QUEUE | --config FILE | --status) [OPTION]..."
_EXAMPLES = """\
examples:
  aws-s3 -b acme-logs -t cloudtrail -s 7d        collect a trail's logs of the last seven days
  aws-s3 -b acme-logs -t vpcflow --dry-run       show what would be collected
  aws-s3 -sb buckets -q acme-queue --follow      collect what a queue announces, until SIGTERM
  aws-s3 --config /var/ossec/etc/ossec.conf      collect all that ossec.conf names

The manual page aws-s3(1) and the folder docs of the package aws_s3 say more.
"""


class OptionParser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError instead of exiting."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(message)

    @property
    def actions(self) -> Sequence[argparse.Action]:
        """The options, in the order of `--help`."""
        return self._actions


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
            raise MissingExtraError(needs("--print-completion", "shtab", error)) from error
        for action in parser._actions:  # noqa: SLF001
            action.choices = COMPLETED.get(action.dest)
        print(shtab.complete(parser, shell=str(values)))
        parser.exit()


def build_parser() -> OptionParser:
    """Return the parser of the whole command line."""
    parser = OptionParser(
        prog="aws-s3",
        usage=_USAGE,
        description="Collects AWS logs and sends every event to Wazuh.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    _add_sources(parser)
    _add_selection(parser)
    _add_processing(parser)
    _add_actions(parser)
    _add_access(parser)
    _add_output(parser)
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument(
        "--print-completion", action=_PrintCompletion, choices=_SHELLS, metavar="SHELL",
        help="print the completion script of bash, zsh, fish or tcsh",
    )  # fmt: skip
    return parser


def _add_sources(parser: OptionParser) -> None:
    group = parser.add_argument_group("source (exactly one of -b, -sr, -sb, --config, --status)")
    group.add_argument("-b", "--bucket", type=values.bucket_name, metavar="NAME", help="S3 bucket")
    group.add_argument("-sr", "--service", type=str.lower, metavar="NAME", help=" or ".join(SERVICES))
    group.add_argument("-sb", "--subscriber", type=str.lower, metavar="NAME", help=", ".join(SUBSCRIBERS))
    group.add_argument("--config", type=Path, metavar="FILE", help="every block of this ossec.conf's aws-s3 module")
    group.add_argument(
        "--status", action="store_true", help="show what was collected, as the state has it, and collect nothing"
    )
    group.add_argument(
        "-q", "--queue", type=values.queue, metavar="QUEUE", help="SQS queue of the subscriber: its name, URL or ARN"
    )
    group.add_argument(
        "-t", "--type", type=str.lower, metavar="TYPE",
        help=f"type of the bucket's logs, {DEFAULT_TYPE} by default; with -sb buckets, read all objects as "
        f"logs of that type: {', '.join(TYPES)}",
    )  # fmt: skip


def _add_selection(parser: OptionParser) -> None:
    group = parser.add_argument_group("selection of logs")
    group.add_argument("-O", "--aws_organization_id", metavar="ID", default="", help="organization of a trail")
    group.add_argument(
        "-c", "--aws_account_id", action=_Words, convert=values.account_list, metavar="LIST", default=(),
        help="account IDs, separated by commas",
    )  # fmt: skip
    group.add_argument(
        "-r", "--regions", action=_Words, convert=values.region_list, metavar="LIST", default=(),
        help="regions, separated by commas",
    )  # fmt: skip
    path: dict[str, Any] = {"type": values.key_prefix, "default": values.KeyPrefix(), "metavar": "PATH"}
    group.add_argument("-l", "--trail_prefix", help="path before AWSLogs/", **path)
    group.add_argument("-L", "--trail_suffix", help="path after AWSLogs/", **path)
    group.add_argument(
        "--layout", type=values.layout, metavar="PATTERN",
        help="with -t custom or waf: the folders under the path, such as {any}/{account}/{region}/{yyyy}/{mm}/{dd}/",
    )  # fmt: skip
    group.add_argument(
        "-s", "--only_logs_after", type=values.day, metavar="DATE",
        help="only logs of this UTC day and later: 2018-AUG-21, 2018-08-21, today, yesterday, or 7d for seven days ago",
    )  # fmt: skip
    group.add_argument(
        "-g", "--aws_log_groups", action=_Words, convert=values.log_group_list, metavar="LIST", default=(),
        help="log groups, names or ARNs, separated by commas; a prefix of stream names may follow a name and a colon",
    )  # fmt: skip
    group.add_argument(
        "--until", type=values.day, metavar="DATE", help="with -b: only logs of this UTC day and earlier"
    )
    group.add_argument("--limit", type=values.number(1, 10**9), metavar="N", help="with -b, -sr: stop after N events")
    group.add_argument(
        "--lookback-days", type=values.number(0, 30), metavar="N", default=1,
        help="days before the last log in which late objects are looked for (1)",
    )  # fmt: skip
    group.add_argument(
        "--discover", action="store_true",
        help="with -b, --config: look for new accounts, regions and folders in a source that has many, which a run "
        "otherwise does once an hour",
    )  # fmt: skip


def _add_processing(parser: OptionParser) -> None:
    group = parser.add_argument_group("processing")
    group.add_argument("--daemon", action="store_true", help="with --config: keep running on the schedule in the file")
    group.add_argument("--follow", action="store_true", help="with -sb: keep waiting for messages, until SIGTERM")
    group.add_argument("-o", "--reparse", action="store_true", help="process logs again that were processed before")
    group.add_argument(
        "--retry-failed", action="store_true",
        help="with -b, --config: try all objects again that could not be read, now, and collect nothing else",
    )  # fmt: skip
    group.add_argument("-e", "--skip_on_error", action="store_true", help="go on after an object that cannot be read")
    group.add_argument("-R", "--remove", action="store_true", help="delete processed objects from the bucket")
    group.add_argument("-P", "--remove-log-streams", action="store_true", help="delete log streams after reading them")
    group.add_argument(
        "-n", "--aws_account_alias", action=_Words, convert=str, metavar="TEXT", default="",
        help="text that goes into every event of a bucket",
    )  # fmt: skip
    group.add_argument(
        "-df", "--discard-field", action=_Words, convert=str, metavar="FIELD", default="",
        help="field that --discard-regex is matched against, such as userIdentity.type",
    )  # fmt: skip
    group.add_argument(
        "-dr", "--discard-regex", action=_Words, convert=values.regex, metavar="REGEX",
        help="send no event whose field matches, from its beginning",
    )  # fmt: skip
    group.add_argument(
        "--cloudwatch-envelope", action="store_true", help="send log events in an envelope that names their log stream"
    )
    group.add_argument(
        "--workers", type=values.number(1, 64), metavar="N", help="processes that read objects (one for each core)"
    )


def _add_actions(parser: OptionParser) -> None:
    group = parser.add_argument_group("actions other than collecting")
    group.add_argument(
        "--dry-run", action="store_const", dest="purpose", const=Purpose.DRY_RUN, default=Purpose.COLLECT,
        help="with -b, --config: show what would be collected; send, delete and record nothing",
    )  # fmt: skip
    group.add_argument(
        "--print-iam-policy", action="store_const", dest="purpose", const=Purpose.POLICY, default=Purpose.COLLECT,
        help="print the least IAM policy for the other options, or for all blocks of --config",
    )  # fmt: skip
    group.add_argument(
        "--inspect", action="store_const", dest="purpose", const=Purpose.INSPECT, default=Purpose.COLLECT,
        help="with -b: show which logs the bucket holds, and the options that collect them",
    )  # fmt: skip
    group.add_argument(
        "--check", action="store_const", dest="purpose", const=Purpose.CHECK, default=Purpose.COLLECT,
        help="try options, credentials, permissions, state and Wazuh, and collect nothing",
    )  # fmt: skip
    group.add_argument(
        "--forget", action="store_const", dest="purpose", const=Purpose.FORGET, default=Purpose.COLLECT,
        help="take the source out of the state; its next run is its first",
    )  # fmt: skip
    group.add_argument("--json", action="store_true", help="with --status, --inspect: print JSON, for programs")
    group.add_argument(
        "--max-behind", type=values.number(0, 3650), metavar="DAYS", default=2,
        help="with --status: exit with 1 if a source had no complete run for so many days (2)",
    )  # fmt: skip


def _add_access(parser: OptionParser) -> None:
    group = parser.add_argument_group("access to AWS")
    group.add_argument("-p", "--aws_profile", metavar="NAME", help="profile of the AWS configuration files")
    group.add_argument("-a", "--access_key", metavar="KEY", help="access key ID (deprecated: use a profile or a role)")
    group.add_argument("-k", "--secret_key", metavar="KEY", help="secret access key (deprecated)")
    group.add_argument("-i", "--iam_role_arn", type=values.role_arn, metavar="ARN", help="role to assume")
    group.add_argument(
        "-rd", "--iam_role_duration", type=values.number(900, 43200), metavar="SECONDS",
        help="how long the role's credentials are valid, 900 to 43200",
    )  # fmt: skip
    group.add_argument("-x", "--external_id", metavar="ID", help="external ID for assuming the role")
    group.add_argument("-st", "--sts_endpoint", metavar="URL", help="STS endpoint")
    group.add_argument(
        "-se", "--service_endpoint", metavar="URL", help="endpoint of the service that the logs are read from"
    )


def _add_output(parser: OptionParser) -> None:
    group = parser.add_argument_group("output and runtime")
    group.add_argument(
        "-d", "--debug", type=values.number(0, 3), metavar="LEVEL", default=0, help="detail of the output, 0 to 3 (0)"
    )
    group.add_argument(
        "--log-format", type=values.log_format, metavar="FORMAT", default="text",
        help="form of the log lines: text, or json with a JSON object in each line",
    )  # fmt: skip
    group.add_argument(
        "--output", type=values.output, metavar="WHERE", help="stdout, file:PATH or unix:PATH instead of Wazuh"
    )
    group.add_argument(
        "--max-eps", dest="max_events", type=values.number(0, 1_000_000), metavar="N",
        help="events sent a second, 0 for no limit (as many as Wazuh has room for)",
    )  # fmt: skip
    group.add_argument(
        "--no-pacing", dest="max_events", action="store_const", const=0,
        help="send as fast as possible, which Wazuh answers by dropping events: the same as --max-eps 0",
    )  # fmt: skip
    group.add_argument("--pretty", action="store_true", help="with --output stdout: write JSON indented, for people")
    group.add_argument("--wazuh-home", type=Path, metavar="DIR", help=f"Wazuh's folder ($WAZUH_HOME, {DEFAULT})")
    group.add_argument("--state-dir", type=Path, metavar="DIR", help="folder of the state files (HOME/wodles/aws)")
    group.add_argument(
        "--metrics-listen", type=values.listen_address, metavar="HOST:PORT",
        help="with --follow, --daemon: serve /metrics and /healthz over HTTP; a port alone is on 127.0.0.1",
    )  # fmt: skip
    group.add_argument(
        "--metrics-file", type=Path, metavar="PATH", help="write Prometheus metrics to NAME.prom when the run ends"
    )
