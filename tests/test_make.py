"""The targets of the Makefile, and what the automatic check runs."""

import os
import re
import subprocess

from tests import ROOT

TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)


def make(*arguments: str) -> str:
    # Called by `make test` itself, it must not take over that call's flags.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", *arguments]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=True)
    return ended.stdout


def test_help_tells_of_every_target() -> None:
    told = [line.split()[0] for line in make("help").splitlines()]
    assert told == TARGET.findall((ROOT / "Makefile").read_text())


def test_run_takes_the_options_of_the_real_command() -> None:
    assert make("--dry-run", "run", "ARGS=-b my-bucket -s 2021-JUN-10").endswith("aws-s3 -b my-bucket -s 2021-JUN-10\n")


def test_the_automatic_check_can_be_run() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
