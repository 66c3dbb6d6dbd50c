"""A stand-in for Wazuh's daemon, as far as the program sees it: how it is started, and with which words."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness.command import decoded
from tests.harness.listener import Listener
from tests.harness.receiver import mark_as_warned

_ORDER = (
    *("bucket", "service", "subscriber", "queue", "remove", "access_key", "secret_key", "aws_profile"),
    *("iam_role_arn", "iam_role_duration", "external_id", "aws_organization_id", "aws_account_id", "aws_account_alias"),
    *("trail_prefix", "trail_suffix", "only_logs_after", "regions", "aws_log_groups", "discard-field", "discard-regex"),
    *("sts_endpoint", "service_endpoint", "type", "debug", "skip_on_error"),
)

ORIGINAL = "#!/bin/sh\necho the original\n"
"""The program that Wazuh brings."""


@contextmanager
def home_of_wazuh() -> Iterator[Path]:
    """Give a home that holds Wazuh's own program, and whose path is short enough for a socket."""
    with TemporaryDirectory(prefix="wazuh") as folder:
        program = Path(folder) / "wodles/aws/aws-s3"
        program.parent.mkdir(parents=True)
        program.write_text(ORIGINAL)
        program.chmod(0o750)
        yield Path(folder)


@dataclass(frozen=True)
class Ended:
    """What the daemon learns of a run, and what arrived meanwhile."""

    code: int
    output: str
    events: list[dict[str, object]]


def command_line(options: Mapping[str, str]) -> str:
    """Return the line that the daemon puts together: its own order of options, and no quotes."""
    words = ["wodles/aws/aws-s3"]
    for name in sorted(options, key=_ORDER.index):
        words += filter(None, (f"--{name}", options[name]))
    return " ".join(words)


def split(line: str) -> list[str]:
    """Split as the daemon does: at spaces, but not within double quotes; backslashes are dropped."""
    words: list[str] = [""]
    quoted = False
    for character in line:
        if character == '"':
            quoted = not quoted
        elif character == " " and not quoted:
            words.append("")
        elif character != "\\":
            words[-1] += character
    return [word for word in words if word]


def run(home: Path, options: Mapping[str, str], environment: Mapping[str, str]) -> Ended:
    """Run the program once: in the home, stdin closed, stdout and stderr in one pipe."""
    socket = home / "queue/sockets/queue"
    socket.parent.mkdir(parents=True, exist_ok=True)
    mark_as_warned(home)
    listener = Listener(socket)
    try:
        ended = subprocess.run(
            split(command_line(options)),
            cwd=home,
            env=environment,
            preexec_fn=lambda: os.close(0),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=60,
        )
    finally:
        datagrams = listener.close()
    return Ended(ended.returncode, ended.stdout, [message["aws"] for message in decoded(datagrams)])
