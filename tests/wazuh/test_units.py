"""The files for systemd and cron: their command lines are understood, and systemd takes them."""

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import aws_s3.wazuh
from aws_s3.config.command_line import parse

FOLDER = Path(aws_s3.wazuh.__file__).parent / "units"
UNITS = sorted([*FOLDER.glob("*.service"), *FOLDER.glob("*.timer")])
PROGRAM = "/var/ossec/wodles/aws/aws-s3"


def unit(path: Path) -> configparser.RawConfigParser:
    read = configparser.RawConfigParser(delimiters=("=",), strict=False)
    read.read_string(path.read_text())
    return read


def test_there_are_a_timer_with_its_service_and_a_daemon() -> None:
    assert {path.name for path in UNITS} == {"aws-s3.service", "aws-s3.timer", "aws-s3-daemon.service"}


@pytest.mark.parametrize("path", list(FOLDER.glob("*.service")), ids=lambda path: path.name)
def test_command_of_a_service_is_understood(path: Path) -> None:
    program, *options = shlex.split(unit(path)["Service"]["ExecStart"])
    assert program == PROGRAM
    parse(options)
    # It may write the state and, where the folder is there, metrics.
    assert f"\nReadWritePaths={Path(PROGRAM).parent} -/var/lib/node_exporter\n" in path.read_text()


def test_command_of_the_crontab_is_understood() -> None:
    [line] = [line for line in (FOLDER / "aws-s3.cron").read_text().splitlines() if not line.startswith("#")]
    *times, user, program, options = line.split(maxsplit=7)
    assert (times, user, program) == (["*/10", "*", "*", "*", "*"], "root", PROGRAM)
    parse(shlex.split(options))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for path in UNITS:
        (tmp_path / path.name).write_text(re.sub(PROGRAM, sys.executable, path.read_text()))
    names = [f"./{path.name}" for path in UNITS]
    checked = subprocess.run(["systemd-analyze", "verify", *names], cwd=tmp_path, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("path", list(FOLDER.glob("*.service")), ids=lambda path: path.name)
def test_a_service_may_do_little(path: Path) -> None:
    analyze = ["systemd-analyze", "security", "--offline=true", "--threshold=39", str(path)]
    judged = subprocess.run(analyze, capture_output=True, text=True)
    if "unrecognized option" in judged.stderr:
        pytest.skip("this systemd judges running services only")
    assert judged.returncode == 0, judged.stdout[-100:]
