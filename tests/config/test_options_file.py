"""The options of a home are read before the command line's, and a wrong one is told with its line."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from aws_s3.config.command_line import parse
from aws_s3.config.options_file import Line, read_options
from aws_s3.errors import UsageError
from aws_s3.settings import BucketJob, ConfiguredJob, Settings, StatusJob
from tests.harness.command import new_home
from tests.harness.emulator import Emulator

BUCKET = ("-b", "acme-logs")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAZUH_HOME", str(tmp_path))
    path = tmp_path / "wodles/aws/aws-s3.options"
    path.parent.mkdir(parents=True)
    return path


def settings(file: Path, text: str, *arguments: str) -> Settings:
    file.write_text(text)
    return parse(arguments)


def fault(file: Path, text: str) -> str:
    with pytest.raises(UsageError) as raised:
        settings(file, text, *BUCKET)
    return str(raised.value)


def test_words_are_as_a_shell_has_them(file: Path) -> None:
    file.write_text(
        "# all\n--max-eps 400 --workers=2 \n\n-n 'Acme  Inc'  # few\n  --metrics-file\n    '/a b/c'\n--a \"1\n2\"\n"
    )
    assert read_options(file) == [
        Line(2, ("--max-eps", "400", "--workers=2")),
        Line(4, ("-n", "Acme  Inc")),
        Line(5, ("--metrics-file", "/a b/c")),
        Line(7, ("--a", "1\n2")),
    ]


def test_backslash_joins_lines(file: Path) -> None:
    file.write_text("--max-eps \\\n 400\n--workers \\\n3\n")
    assert [line.words for line in read_options(file)] == [("--max-eps", "400"), ("--workers", "3")]


def test_options_of_the_file_count(file: Path) -> None:
    found = settings(file, "--max-eps 400\n--workers 3\n--skip-on-error\n", *BUCKET)
    assert (found.max_events, found.workers) == (400, 3)
    assert isinstance(found.job, BucketJob)
    assert found.job.skip_on_error


def test_command_line_wins(file: Path) -> None:
    text = "--max-eps 400\n-d 2"
    assert settings(file, text, *BUCKET, "--max-eps", "7", "--debug", "0").max_events == 7
    assert settings(file, text, *BUCKET, "--no-pacing").max_events == 0
    assert settings(file, text, *BUCKET, "--debug", "0").debug == 0
    assert settings(file, text, *BUCKET).debug == 2


def test_home_of_the_command_line_is_the_one_whose_file_counts(file: Path, tmp_path: Path) -> None:
    assert settings(file, "--max-eps 400", *BUCKET, "--wazuh-home", str(tmp_path / "other")).max_events is None


def test_option_that_does_not_go_with_the_command_line_is_left_out(file: Path) -> None:
    text = "--metrics-file /var/lib/aws.prom\n--max-eps 400\n--skip_on_error\n--cloudwatch-envelope\n"
    status = settings(file, text, "--status")
    assert isinstance(status.job, StatusJob)
    assert status.metrics_file is None
    configured = settings(file, text, "--config", "ossec.conf")
    assert isinstance(configured.job, ConfiguredJob)
    assert (configured.max_events, configured.metrics_file) == (400, Path("/var/lib/aws.prom"))
    assert isinstance(settings(file, text, *BUCKET).job, BucketJob)


def test_command_line_that_is_wrong_is_told_as_without_the_file(file: Path) -> None:
    with pytest.raises(UsageError, match=r"^--metrics-file goes with a collection$"):
        settings(file, "--metrics-file /a\n--max-eps 5", "--status", "--metrics-file", "/b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n--max-eps many\n", "line 2: --max-eps: 'many' is not a number from 0 to 1000000"),
        ("--max-eps", "line 1: --max-eps: needs a value"),
        ("--workers 2\n--max-ep 5\n", "line 2: unknown option: --max-ep. Did you mean --max-eps?"),
        ("words\n", "line 1: a value belongs to no option: "),
        ("--workers 2\n\n--max-eps '5\n\n", "line 3: a quote that begins here has no end"),
        ("--bucket acme-logs", "line 1: --bucket belongs on the command line"),
        ("--workers 2 --dry-run", "line 1: --dry-run belongs on the command line"),
        ("--limit 5", "line 1: --limit belongs on the command line"),
        ("--help", "line 1: --help belongs on the command line"),
        ("-V", "line 1: -V belongs on the command line"),
    ],
)
def test_wrong_word_names_file_and_line(file: Path, text: str, message: str) -> None:
    assert fault(file, text).startswith(f"{file}, {message}")


def test_file_that_cannot_be_read_is_told(file: Path) -> None:
    file.write_bytes(b"--max-eps \xff")
    with pytest.raises(UsageError, match=r"aws-s3\.options is not valid UTF-8$"):
        parse(BUCKET)
    file.unlink()
    file.mkdir()
    with pytest.raises(UsageError, match=r"aws-s3\.options cannot be read: Is a directory$"):
        parse(BUCKET)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_no_run_waits_for_something_else_in_its_place(file: Path, make: Callable[[Path], None]) -> None:
    make(file)
    with suppress(UsageError):
        assert isinstance(parse(BUCKET).job, BucketJob)


def test_marks_of_other_systems_editors_are_passed_over(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf--max-eps 400\r\n--workers 2\r\n")
    assert read_options(file) == [Line(1, ("--max-eps", "400")), Line(2, ("--workers", "2"))]


def test_program_says_where_the_wrong_word_is(emulator: Emulator) -> None:
    with new_home(emulator) as home:
        (home.path / "wodles/aws/aws-s3.options").write_text("--max-eps 1O0\n")
        ended = home.run(*BUCKET)
    assert ended.code == 2
    assert "aws-s3.options, line 1: --max-eps: '1O0' is not a number" in ended.output
