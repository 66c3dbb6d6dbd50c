"""Errors become one line and one exit code, whatever they are and wherever lines go."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from aws_s3 import __version__, errors
from aws_s3.errors import CollectorError, Interrupted, UnavailableError
from tests.harness.command import COMMAND

PROGRAM = """
import logging, sys
import aws_s3.cli.main as cli
from aws_s3.errors import *

def run(settings, stop_request, stats):
    logging.getLogger("aws_s3.x").warning("it began")
    {statement}
    return 0

cli.run_job = run
sys.exit(cli.main())
"""
BUCKET = ("-b", "acme-logs")


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run `python -m aws_s3` where no AWS is."""
    command = [sys.executable, "-m", "aws_s3", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env={**os.environ, **(environment or {})})


def run_with(statement: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command with `statement` in the place of the collection."""
    command = [sys.executable, "-c", PROGRAM.format(statement=statement), *BUCKET, *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8")


def subclasses(kind: type[CollectorError]) -> Iterator[type[CollectorError]]:
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


EXIT_CODES = {
    "UsageError": 2,
    "OssecConfigError": 2,
    "CredentialsError": 3,
    "StateError": 5,
    "StateCreateError": 6,
    "StorageError": 7,
    "DecompressError": 8,
    "ParseError": 9,
    "MissingExtraError": 10,
    "SinkConnectError": 11,
    "InvalidTypeError": 12,
    "SinkSendError": 13,
    "EmptyBucketError": 14,
    "EndpointError": 15,
    "ThrottledError": 16,
    "RequestError": 16,
    "ConfigFileError": 17,
    "NoAccountsError": 18,
    "ClockError": 19,
    "QueueMissingError": 20,
    "QueueError": 21,
    "UnknownRegionError": 22,
    "UnknownProfileError": 23,
}


@pytest.mark.parametrize(("name", "code"), EXIT_CODES.items())
def test_errors_have_the_exit_codes_of_the_specification(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


def test_every_error_is_a_collector_error_with_a_code_of_its_own() -> None:
    mine = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BaseException)}
    here = {kind for kind in subclasses(CollectorError) if kind.__module__ == errors.__name__}
    assert mine == {CollectorError, Interrupted, errors.LimitReached, *here}
    codes = [vars(kind)["exit_code"] for kind in mine if "exit_code" in vars(kind)]
    assert sorted(codes) == sorted([1, *EXIT_CODES.values()])


def test_an_object_that_cannot_be_fetched_has_its_cause_s_code() -> None:
    error = UnavailableError(errors.ThrottledError("slow down"), gone=True)
    assert (str(error), error.exit_code, error.gone) == ("slow down", 16, True)


def test_a_run_without_failure_prints_nothing_at_level_0() -> None:
    ended = run_with("logging.getLogger('aws_s3.x').info('fine')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "WARNING: it began\n", "")


@pytest.mark.parametrize("debug", ["0", "3"])
@pytest.mark.parametrize(
    ("statement", "code", "line"),
    [
        ("raise StorageError('s3://b/k: NoSuchBucket: it is gone')", 7, "s3://b/k: NoSuchBucket: it is gone"),
        ("raise ParseError('k\\nERROR: forged')", 9, "k\\x0aERROR: forged"),
        ("raise Interrupted('SIGTERM', 143)", 143, "SIGTERM received."),
        ("1 / 0", 1, "Unknown error: ZeroDivisionError: division by zero"),
        ("raise MemoryError", 1, "There is too little memory. "),
        ("raise OSError(28, 'No space left')", 1, "Unknown error: OSError: [Errno 28] No space left"),
        ("run(settings, stop_request, stats)", 1, "Unknown error: RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_a_failure_is_one_line_and_a_code_at_every_level(statement: str, code: int, line: str, debug: str) -> None:
    ended = run_with(statement, "--debug", debug)
    lines = ended.stdout.splitlines()
    (error,) = [shown for shown in lines if shown.startswith("ERROR: ")]
    assert error.startswith(f"ERROR: {line}")
    assert ended.returncode == code
    assert any("Traceback" in shown for shown in lines) == (debug >= "2")
    assert ended.stderr == ""


def test_what_libraries_say_is_printed_nowhere() -> None:
    ended = run_with("logging.getLogger('urllib3').warning('Connection pool is full')")
    assert (ended.stdout, ended.stderr) == ("WARNING: it began\n", "")


def test_no_file_gets_the_number_of_a_stream_that_is_closed() -> None:
    program = PROGRAM.format(statement="return __import__('os').open('/dev/null', 0)")
    command = ["sh", "-c", f'exec "{sys.executable}" -c "$0" -b acme-logs <&- >&- 2>&-', program]
    assert subprocess.run(command).returncode == 3


def test_with_events_on_stdout_lines_are_on_stderr() -> None:
    ended = run_with("raise StorageError('no such bucket')", "--output", "stdout")
    assert ended.stdout == ""
    assert ended.stderr == "WARNING: it began\nERROR: no such bucket\n"
    assert ended.returncode == 7


@pytest.mark.parametrize(
    ("arguments", "code"), [((*BUCKET, "-t", "nonsense"), 12), (("-sr", "nonsense"), 12), (("-sb", "buckets"), 21)]
)
def test_type_errors_too_are_where_lines_go(arguments: tuple[str, ...], code: int) -> None:
    ended = run(*arguments)
    assert (ended.returncode, ended.stderr) == (code, "")
    assert ended.stdout.startswith("ERROR: ")
    ended = run(*arguments, "--output", "stdout")
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith("ERROR: ")


@pytest.mark.parametrize("arguments", [(), ("-b", "Bad_Name"), (*BUCKET, "-x"), (*BUCKET, "--no\nERROR: forged")])
def test_a_usage_error_is_one_line_on_stderr(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("aws-s3: error: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_usage_error_nobody_can_read_has_its_code(redirection: str) -> None:
    command = ["sh", "-c", f'exec "{sys.executable}" -m aws_s3 {redirection}']
    ended = subprocess.run(command, capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, b"", b"")


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_a_failure_nobody_can_read_has_its_code(redirection: str) -> None:
    command = ["sh", "-c", f'exec "{sys.executable}" -m aws_s3 -b acme-logs -t nonsense {redirection}']
    ended = subprocess.run(command, capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (12, b"", b"")


def test_a_folder_that_is_gone_is_told_like_any_other_failure(tmp_path: Path) -> None:
    """Where the program runs from cannot be told any more: one line, not a traceback."""
    program = (
        "import os, sys, aws_s3.cli.main as cli\nsys.argv[0] = 'aws-s3'\nos.rmdir(os.getcwd())\nsys.exit(cli.main())"
    )
    folder = tmp_path / "gone"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "WAZUH_HOME"}
    command = [sys.executable, "-c", program, *BUCKET]
    ended = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", env=environment)
    assert ended.returncode == 1
    assert ended.stdout.startswith("ERROR: Unknown error: FileNotFoundError")
    assert ended.stderr == ""


def test_help_and_version_are_printed() -> None:
    assert run("--version").stdout == f"aws-s3 {__version__}\n"
    ended = run("--help", environment={"COLUMNS": "80"})
    assert ended.returncode == 0
    assert "--bucket NAME" in ended.stdout
    assert ended.stderr == ""


def test_under_the_daemon_a_usage_error_is_the_text_that_it_shows(tmp_path: Path) -> None:
    """The daemon closes stdin, and shows its user only the text after `aws.py: error:`."""
    program = tmp_path / "wodles/aws/aws-s3"
    program.parent.mkdir(parents=True)
    program.symlink_to(COMMAND)
    for command, stdin, name in ((program, "<&-", "aws.py"), (program, "", "aws-s3"), (COMMAND, "<&-", "aws-s3")):
        ended = subprocess.run(
            ["sh", "-c", f'exec "$0" -d 4 {stdin}', command], capture_output=True, stdin=subprocess.DEVNULL, text=True
        )
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"{name}: error: -d: '4' is not a number from 0 to 3. aws-s3 --help lists the options.\n"


def test_a_suggestion_ends_the_sentence() -> None:
    assert run(*BUCKET, "--reg", "x").stderr == (
        "aws-s3: error: unknown option: --reg. Did you mean --regions? aws-s3 --help lists the options.\n"
    )
