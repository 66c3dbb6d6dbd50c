"""The man page and the completion of shells, made from the parser, and the table of types, from the registry.

`make shell` writes them to aws_s3/shell/ and aws_s3/docs/behaviour.md.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import shtab

from aws_s3.config.advice import patterns
from aws_s3.config.options import COMPLETED, build_parser
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.base import LogType
from aws_s3.settings import BucketJob, BucketLocation
from tests import ROOT

FOLDER = ROOT / "aws_s3/shell"
BEHAVIOUR = ROOT / "aws_s3/docs/behaviour.md"
FILES = {"bash": "aws-s3", "zsh": "_aws-s3", "fish": "aws-s3.fish"}
MAN_PAGE = "aws-s3.1"

_TYPES = re.compile(r"(\| type \| logs \| objects \|\n\|-+\|-+\|-+\|)\n(?:\|.*\n)*\n")

_EXAMPLES = (
    ("CloudTrail of a bucket, from seven days ago", "-b my-bucket --only_logs_after 7d"),
    ("Flow logs of two regions", "-b my-bucket -t vpcflow -r us-east-1,eu-west-1"),
    ("A first look, without Wazuh", "-b my-bucket --output stdout --state-dir ./state"),
    ("A log group", "-sr cloudwatchlogs -g /aws/app -r us-east-1"),
    ("Objects that a queue names, until SIGTERM", "-sb buckets -q my-queue --follow"),
    ("Every block of ossec.conf", "--config /var/ossec/etc/ossec.conf"),
    ("The state of all sources", "--status"),
)
_PATHS = (
    ("HOME/queue/sockets/queue", "Wazuh's socket. HOME is --wazuh-home, else $WAZUH_HOME, else /var/ossec."),
    ("HOME/wodles/aws/s3_cloudtrail.db", "The state of buckets."),
    ("HOME/wodles/aws/aws_services.db", "The state of CloudWatch Logs and Inspector."),
    ("HOME/wodles/aws/aws_queues.db", "The state of queues."),
    ("HOME/wodles/aws/aws-s3.options", "Options for all runs of this home, before those of the command line."),
    (
        "~/.aws/config, ~/.aws/credentials",
        "Profiles. AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE may name others.",
    ),
)


def completion(shell: str) -> str:
    """Return a shell's script."""
    parser = build_parser()
    for action in parser._actions:
        action.choices = COMPLETED.get(action.dest)
    script: str = shtab.complete(parser, shell=shell)
    return script.rstrip("\n") + "\n"


def man_page() -> str:
    """Return the man page: the options as argparse-manpage writes them, then sections of our own."""
    tool = str(Path(sys.executable).with_name("argparse-manpage"))
    parser = ["--module", "aws_s3.config.options", "--function", "build_parser", "--prog", "aws-s3"]
    project = ["--project-name", "wazuh-aws-s3", "--description", "collects AWS logs and sends every event to Wazuh"]
    # The page has no date: it is the same whenever it is made.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "COLUMNS": "80"}
    with TemporaryDirectory() as folder:
        page = Path(folder, MAN_PAGE)
        subprocess.run([tool, *parser, *project, "--output", page], cwd=ROOT, env=environment, check=True)
        options = page.read_text(encoding="utf-8")
    options = re.sub(r"(?m)^(\.TH \S+ \S+) .*$", r'\1 "" "wazuh-aws-s3"', options)
    return f"{options.rstrip()}\n\n{_sections()}"


def _sections() -> str:
    behaviour = BEHAVIOUR.read_text(encoding="utf-8")
    codes = re.findall(r"^\| ([\d, ]+) \| (.*) \|$", behaviour, re.MULTILINE)
    return "\n".join(
        [
            ".SH EXAMPLES",
            *(f".TP\n{_escaped(text)}:\n.B {_escaped(f'aws-s3 {words}')}" for text, words in _EXAMPLES),
            ".SH EXIT STATUS",
            *(f".TP\n.B {code}\n{_escaped(text)}" for code, text in codes),
            ".SH FILES",
            *(f".TP\n.I {_escaped(path)}\n{_escaped(text)}" for path, text in _PATHS),
            ".SH SEE ALSO",
            "The documents beside the package: behaviour.md, operations.md, architecture.md and log-types.md in the",
            "folder that this command prints:",
            ".PP",
            '.B python3 \\-c \\(aqimport aws_s3; print(aws_s3.__path__[0] + "/docs")\\(aq',
            "",
        ]
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("`", "").replace("-", "\\-").replace("'", "\\(aq").replace("…", "...")


def with_types(behaviour: str) -> str:
    """Return the reference with a row for each type of the registry, in the place of the rows that it has."""
    rows = "\n".join(map(_row, LOG_TYPES.values()))
    return _TYPES.sub(lambda found: f"{found[1]}\n{rows}\n\n", behaviour, count=1)


def _row(log_type: type[LogType]) -> str:
    logs = (log_type.__doc__ or "").split(".", 1)[0].replace("\n", " ")
    job = BucketJob(BucketLocation(log_type.name, "bucket"))
    places = ", ".join(f"`{pattern}`" for pattern in patterns(job, log_type.layouts))
    return f"| `{log_type.name}` | {logs} | {places} |"


def contents() -> dict[str, str]:
    """Return all files by name."""
    return {MAN_PAGE: man_page(), **{name: completion(shell) for shell, name in FILES.items()}}


def main() -> None:
    """Write the files."""
    argparse.ArgumentParser(description=__doc__.split("\n", 1)[0]).parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name, text in contents().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    BEHAVIOUR.write_text(with_types(BEHAVIOUR.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
