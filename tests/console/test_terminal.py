"""What is printed, and that nothing about the stream it is printed on can stop or disturb the program."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec.delimited import named
from aws_s3.console.line_format import printable
from aws_s3.console.terminal import ConsoleHandler, NonBlockingWriter
from aws_s3.errors import CredentialsError, StorageError
from aws_s3.pipeline.levels import DEBUG_2, DEBUG_3

log = logging.getLogger("aws_s3.test")
SURPLUS = "known columns; the others are sent as column_N"


@contextmanager
def shown(debug: int, into: list[str]) -> Iterator[ConsoleHandler]:
    """Install a terminal on a pipe; what it wrote is in `into` afterwards."""
    logger = logging.getLogger("aws_s3")
    before = logger.handlers, logger.level, logger.propagate
    receiver, sender = os.pipe()
    terminal = ConsoleHandler()
    terminal.attach(NonBlockingWriter(sender), debug)
    try:
        yield terminal
    finally:
        logger.handlers, logger.level, logger.propagate = before
        os.close(sender)
        with os.fdopen(receiver, encoding="utf-8") as pipe:
            into += pipe.read().split("\n")[:-1]


def printed(debug: int, say: Callable[[], None]) -> list[str]:
    lines: list[str] = []
    with shown(debug, lines) as terminal:
        say()
        terminal.finish()
    return lines


def repeat(text: str, times: int) -> None:
    for _ in range(times):
        log.warning(text)


def say_all() -> None:
    log.error("an error")
    log.warning("a warning")
    log.info("an info")
    log.debug("one")
    log.log(DEBUG_2, "two")
    log.log(DEBUG_3, "three")


@pytest.mark.parametrize(
    ("debug", "more"),
    [
        (0, []),
        (1, ["INFO: an info", "DEBUG: one"]),
        (2, ["INFO: an info", "DEBUG: one", "DEBUG: two"]),
        (3, ["INFO: an info", "DEBUG: one", "DEBUG: two", "DEBUG: three"]),
    ],
)
def test_each_level_shows_what_is_its(debug: int, more: list[str]) -> None:
    assert printed(debug, say_all) == ["ERROR: an error", "WARNING: a warning", *more]


@pytest.mark.parametrize("debug", [0, 1])
def test_surplus_columns_of_all_objects_are_one_line_at_the_end(debug: int) -> None:
    def say() -> None:
        for kind, key, lengths in (("alb", "a", [1, 4]), ("alb", "b", [3, 3]), ("nlb", "c", [3]), ("alb", "d", [2])):
            assert list(named([["x"] * length for length in lengths], ("n", "m"), kind, key))
        log.error("an error")

    assert printed(debug, say) == [
        "ERROR: an error",
        f"WARNING: 3 lines of type alb in 2 objects, a first, have up to 4 columns instead of 2 {SURPLUS}",
        f"WARNING: 1 lines of type nlb in c have up to 3 columns instead of 2 {SURPLUS}",
    ]


def test_surplus_columns_are_told_at_once_by_a_run_without_an_end() -> None:
    lines: list[str] = []
    with shown(0, lines) as terminal:
        terminal.attach(terminal._lines, 0, add_up=False)
        assert list(named([["x", "y"]], ("n",), "alb", "a"))
    assert lines == [f"WARNING: 1 lines of type alb in a have up to 2 columns instead of 1 {SURPLUS}"]


@pytest.mark.parametrize("debug", [0, 1])
def test_the_libraries_are_not_heard(debug: int) -> None:
    assert printed(debug, lambda: logging.getLogger("botocore").warning("secret")) == []


@pytest.mark.parametrize(
    "forged",
    [
        *("a\nERROR: forged", "a\r\nERROR: forged", "a\rERROR: forged", "a\x0bERROR: forged", "a\x0cERROR: forged"),
        *("a\x1b[2JERROR: forged", "a\x85ERROR: forged", "a\u2028ERROR: forged", "a\u2029ERROR: forged"),
        *("a\x00b", "a\x08b", "a\x9bb", "a\u202eb", "a\u2066b"),
    ],
)
def test_no_key_can_forge_a_line(forged: str) -> None:
    (line,) = printed(1, lambda: log.error("object %s is broken", forged))
    assert line.startswith("ERROR: object a\\")
    assert line.isprintable()
    assert len(line.splitlines()) == 1


@given(st.text(max_size=50))
@settings(max_examples=100, deadline=None)
def test_any_text_stays_one_line(text: str) -> None:
    shown = printable(text)
    assert len(f"x{shown}x".splitlines()) == 1
    assert not any(character < " " for character in shown)


def test_what_is_printable_is_left_alone() -> None:
    text = "AWSLogs/año/漢字/🙂 \\n %s 'quoted'"
    assert printable(text) == text


def test_text_that_has_no_utf8_form_is_shown_escaped() -> None:
    assert printed(0, lambda: log.error("key %s", "a\udcff")) == ["ERROR: key a\\udcff"]


def test_at_level_0_each_kind_of_line_is_shown_once_and_counted() -> None:
    def say() -> None:
        for number in range(5):
            log.warning("A message of %s is too large (%d bytes)", f"key{number}", number)
        log.warning("another")

    assert printed(0, say) == [
        "WARNING: A message of key0 is too large (0 bytes)",
        "WARNING: another",
        'WARNING: 4 more lines like "A message of … is too large (… bytes)": --debug 1 shows them.',
    ]


def test_errors_are_of_a_kind_when_they_are_of_a_class() -> None:
    def say() -> None:
        for name in "abc":
            log.error("%s", CredentialsError(f"{name} was denied"))
        log.error("%s", StorageError("no such bucket"))
        log.error("%s It will be tried again.", StorageError("time-out"))

    assert printed(0, say) == [
        "ERROR: a was denied",
        "ERROR: no such bucket",
        "ERROR: time-out It will be tried again.",
        'WARNING: 2 more lines like "a was denied": --debug 1 shows them.',
    ]


def test_error_within_a_wording_is_left_out_like_its_other_values() -> None:
    def say() -> None:
        for name in "ab":
            log.warning("Message %s is left: %s.", name, StorageError("it is broken"))
            log.error("%s.", StorageError(f"{name}: {'x' * 200} is broken"))

    assert printed(0, say)[-2:] == [
        'WARNING: 1 more line like "Message … is left: ….": --debug 1 shows them.',
        f'WARNING: 1 more line like "a: {"x" * 57}…{"x" * 48} is broken.": --debug 1 shows them.',
    ]


@pytest.mark.parametrize("debug", [1, 2, 3])
def test_above_level_0_every_line_is_shown(debug: int) -> None:
    assert printed(debug, lambda: repeat("again", 3)) == ["WARNING: again"] * 3


def fail() -> None:
    try:
        raise StorageError("gone\nERROR: forged")
    except StorageError as error:
        log.error("%s", error, exc_info=True)


def test_every_line_is_written_where_many_runs_share_a_terminal() -> None:
    lines: list[str] = []
    with shown(0, lines) as terminal:
        terminal.attach(terminal._lines, 0, deduplicate=False)
        repeat("again", 3)
        log.info("an info")
        terminal.finish()
    assert lines == ["WARNING: again"] * 3


@pytest.mark.parametrize("debug", [0, 1])
def test_below_debug_2_there_is_no_traceback(debug: int) -> None:
    assert printed(debug, fail) == ["ERROR: gone\\x0aERROR: forged"]


@pytest.mark.parametrize("debug", [2, 3])
def test_a_traceback_is_indented_so_that_it_forges_nothing(debug: int) -> None:
    first, *traceback = printed(debug, fail)
    assert first == "ERROR: gone\\x0aERROR: forged"
    assert "  Traceback (most recent call last):" in traceback
    assert all(line.startswith("  ") for line in traceback)


def test_lines_of_threads_do_not_mix_nor_break_the_count() -> None:
    def say() -> None:
        threads = [Thread(target=repeat, args=("w" * 100, 50)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert set(printed(1, say)) == {"WARNING: " + "w" * 100}
    assert f"WARNING: {8 * 50 - 1} more lines" in printed(0, say)[-1]


def test_a_line_longer_than_the_pipe_holds_arrives_whole() -> None:
    receiver, sender = os.pipe()
    received: list[bytes] = []
    thread = Thread(target=lambda: received.extend(iter(lambda: os.read(receiver, 1 << 16), b"")))
    thread.start()
    NonBlockingWriter(sender).write("x" * 300_000)
    os.close(sender)
    thread.join()
    os.close(receiver)
    assert b"".join(received) == b"x" * 300_000 + b"\n"


def test_a_full_pipe_is_waited_for_once_and_read_from_again_it_goes_on() -> None:
    receiver, sender = os.pipe()
    lines = NonBlockingWriter(sender, patience=0.1)
    began = time.monotonic()
    for number in range(200):
        lines.write(f"{number} {'x' * 1000}")
    assert time.monotonic() - began < 10
    assert lines.lost > 0
    first = os.read(receiver, 1 << 20)
    lines.write("afterwards")
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        written = (first + pipe.read()).decode().splitlines()
    assert written[-1] == "afterwards"
    numbers = [int(line.split()[0]) for line in written[:-1]]
    assert numbers == list(range(200 - lines.lost))
    assert {len(line.split()[1]) for line in written[:-1]} == {1000}


def test_lost_lines_are_told_at_the_end() -> None:
    receiver, sender = os.pipe()
    terminal = ConsoleHandler()
    lines = NonBlockingWriter(sender, patience=0)
    while not lines.lost:
        lines.write("x" * 1000)
    terminal._lines = lines
    os.read(receiver, 1 << 20)
    terminal.finish()
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        assert pipe.read().decode().splitlines()[-1] == "WARNING: Nobody read 1 line: lost."


# Real processes: what a stream that is closed, full or left does to a run and its exit code.

PROGRAM = """
import logging, sys
from aws_s3.errors import StorageError
from aws_s3.console.terminal import NonBlockingWriter, ConsoleHandler, open_standard_streams
open_standard_streams()
terminal = ConsoleHandler()
terminal.attach(NonBlockingWriter(1, patience=0.2), 1)
for number in range({lines}):
    logging.getLogger("aws_s3.x").warning("line %d %s", number, "x" * {length})
terminal.finish()
open({done!r}, "w").close()
sys.exit(7)
"""


def start(tmp_path: Path, redirection: str, lines: int = 3, length: int = 200) -> "subprocess.Popen[bytes]":
    program = PROGRAM.format(lines=lines, length=length, done=str(tmp_path / "done"))
    (tmp_path / "program.py").write_text(program)
    command = f'exec "{sys.executable}" "{tmp_path}/program.py" {redirection}'
    return subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize(
    "redirection", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", ">/dev/full 2>&1", "</dev/null >/dev/null"]
)
def test_a_stream_that_cannot_be_written_to_changes_nothing(tmp_path: Path, redirection: str) -> None:
    process = start(tmp_path, redirection)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 7
    assert (tmp_path / "done").exists()
    assert errors == b""
    if redirection == "2>&-":
        assert len(output.splitlines()) == 3


def test_the_database_never_gets_a_standard_stream_s_number(tmp_path: Path) -> None:
    program = (
        "from aws_s3.console.terminal import open_standard_streams as o; import os; o(); print(os.open('/', 0), end='')"
    )
    command = f'exec "{sys.executable}" -c "{program}" <&- 2>&-'
    assert int(subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout) > 2


def test_a_reader_that_leaves_changes_nothing(tmp_path: Path) -> None:
    process = start(tmp_path, "", lines=2000)
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 7
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("length", [200, 10_000, 100_000])
def test_a_reader_that_never_reads_does_not_stop_the_run(tmp_path: Path, length: int) -> None:
    process = start(tmp_path, "", 500, length)
    assert process.wait(timeout=120) == 7
    assert (tmp_path / "done").exists()
    process.communicate()


def test_a_locale_without_unicode_loses_no_line() -> None:
    program = r"from aws_s3.console.terminal import NonBlockingWriter as W; W(1).write('a\u00f1b \u6f22 \U0001f642')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert ended.stdout.decode() == "añb 漢 🙂\n"
