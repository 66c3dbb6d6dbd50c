"""The progress bar as a person sees it: the command on a pseudo-terminal."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from threading import Thread

import pytest

from tests.harness.command import COMMAND, Home, put_all, wait_until
from tests.harness.emulator import Emulator
from tests.harness.listener import FullListener, Listener
from tests.harness.trails import BUCKET, trails

SINCE = ("-b", BUCKET, "--only_logs_after", "2021-JUN-01")


@pytest.fixture
def home(home: Home, emulator: Emulator) -> Home:
    put_all(emulator, BUCKET, trails(120, records=2))
    return home


class Screen:
    """A terminal of so many columns, with the command on it; what `streams` are not named go to pipes."""

    def __init__(
        self,
        home: Home,
        *arguments: str,
        columns: int = 120,
        stdout: bool = True,
        stderr: bool = True,
        listener: type[Listener] | type[FullListener] = Listener,
        **more: str,
    ) -> None:
        self.written = b""
        self.listener = listener(home.socket)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            env={**home.environment, **more},
            stdin=slave,
            stdout=slave if stdout else subprocess.PIPE,
            stderr=slave if stderr else subprocess.PIPE,
        )
        os.close(slave)
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                self.written += os.read(self._master, 65536)
            except OSError:  # how Linux says that nobody has the other end
                return

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def end(self) -> tuple[int, bytes, bytes]:
        """Wait for the end; return the code and what went to the pipes."""
        out, err = self.process.communicate(timeout=60)
        self._reader.join()
        os.close(self._master)
        self.listener.close()
        return self.process.returncode, out or b"", err or b""

    def lines(self) -> list[str]:
        """Return what stands on the screen in the end, as a terminal shows it."""
        shown = []
        for line in self.written.decode().split("\n"):
            cells: list[str] = []
            for part in line.split("\r"):
                cells[: len(part)] = part
            shown.append("".join(cells).rstrip())
        return shown


def test_it_shows_objects_events_rate_and_time_left_and_stays_with_the_last_state(home: Home) -> None:
    screen = Screen(home, *SINCE)
    assert screen.end() == (0, b"", b"")
    first, summary, last = screen.lines()
    assert last == ""
    assert summary.startswith(f"INFO: {BUCKET} (cloudtrail): 120 objects, 240 events, ")
    assert first.startswith("120/120 objects, 240 events 100%|")
    assert first.endswith(" objects/s")
    assert " left, " in first
    assert screen.written.count(b"\r") > 2
    assert max(map(len, screen.written.decode().splitlines())) <= 120


@pytest.mark.parametrize("columns", [0, 10])
def test_a_narrow_terminal_shows_what_has_room(home: Home, columns: int) -> None:
    screen = Screen(home, *SINCE, columns=columns)
    assert screen.end()[0] == 0
    line, _ = screen.lines()[:-1]
    assert line.startswith("120/120 objects, 240 events 100%"[: columns - 1 if columns else None])
    drawn = screen.written.decode().partition("INFO: ")[0]
    assert not columns or max(map(len, drawn.splitlines())) < columns


def test_lines_on_the_same_terminal_stay_whole(home: Home) -> None:
    screen = Screen(home, *SINCE, "--debug", "2", "--workers", "2")
    assert screen.end()[0] == 0
    lines = [line for line in screen.lines() if line]
    sent = [line for line in lines if line.startswith("DEBUG: +++ Sent 2 events of AWSLogs/")]
    assert len(sent) == 120
    assert all(line.endswith(".json.gz to Wazuh") for line in sent)
    others = [line for line in lines if not line.startswith("DEBUG: ")]
    bar, summary = others
    assert bar.startswith("120/120 objects")
    assert summary.startswith("INFO: ")


def test_there_is_none_where_stderr_is_no_terminal(home: Home) -> None:
    screen = Screen(home, *SINCE, stderr=False)
    assert screen.end() == (0, b"", b"")
    assert b"objects/s" not in screen.written


def test_lines_on_stdout_are_not_mixed_with_it(home: Home) -> None:
    screen = Screen(home, *SINCE, "--debug", "2", stdout=False)
    code, out, _ = screen.end()
    assert (code, out.count(b"\r"), out.count(b"+++ Sent ")) == (0, 0, 120)
    assert screen.lines()[0].startswith("120/120 objects")


def test_there_is_none_among_events(home: Home) -> None:
    screen = Screen(home, *SINCE, "--output", "stdout")
    assert screen.end()[0] == 0
    *events, summary = screen.written.decode().splitlines()
    assert len(events) == 240
    assert not any("objects" in event for event in events)
    assert summary.startswith("INFO: ")


def test_events_in_a_file_leave_room_for_it(home: Home) -> None:
    screen = Screen(home, *SINCE, "--output", "stdout", stdout=False)
    code, out, _ = screen.end()
    assert (code, out.count(b"\n")) == (0, 240)
    assert screen.lines()[0].startswith("120/120 objects")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 2), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_line_of_each(home: Home, number: signal.Signals, code: int) -> None:
    screen = Screen(home, *SINCE, listener=FullListener)
    wait_until(lambda: b"objects" in screen.written)
    screen.process.send_signal(number)
    assert screen.end()[0] == code
    bar, error, summary, rest = screen.lines()
    assert "/120 objects, " in bar
    assert (error, rest) == (f"ERROR: {number.name} received.", "")
    assert summary.endswith(f", exit code {code}")


def test_an_error_comes_after_it(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, {key.replace("T00000Z", "Tzz"): b"no gzip" for key in trails(1)})
    screen = Screen(home, *SINCE)
    assert screen.end()[0] == 8
    error, bar, summary, rest = screen.lines()
    assert error.startswith("ERROR: Failed to decompress file AWSLogs/")
    assert bar.startswith("120/121 objects, 240 events")
    assert summary.endswith(", 1 malformed, exit code 8")
    assert rest == ""


def test_a_terminal_shows_that_all_objects_are_older_than_the_first_day(home: Home) -> None:
    screen = Screen(home, "-b", BUCKET)
    assert screen.end()[0] == 0
    [summary, _] = screen.lines()
    assert "nothing new in " in summary and "; --only_logs_after 2021-JUN-10 collects one of them)" in summary


def test_where_nothing_is_new_there_is_none(home: Home) -> None:
    screen = Screen(home, "-b", BUCKET)
    assert screen.end()[0] == 0
    assert b"objects/s" not in screen.written
    assert b"nothing new in" in screen.written


def test_without_tqdm_there_is_none(home: Home) -> None:
    (home.path / "tqdm.py").write_text("raise ImportError('no such module')")
    screen = Screen(home, *SINCE, "--debug", "1", PYTHONPATH=str(home.path))
    assert screen.end()[0] == 0
    assert b"-m pip install tqdm" in screen.written
    assert all(line.startswith(("DEBUG: ", "INFO: ")) for line in screen.lines()[:-1])


def test_a_plain_run_imports_nothing_of_it(home: Home) -> None:
    listener = Listener(home.socket)
    command = [sys.executable, "-X", "importtime", "-m", "aws_s3", *SINCE]
    ended = subprocess.run(command, env=home.environment, capture_output=True, encoding="utf-8")
    listener.close()
    assert "aws_s3.buckets.run" in ended.stderr
    assert not any(
        name in ended.stderr for name in ("tqdm", "prometheus", "aws_s3.cli.metrics", "aws_s3.console.progress")
    )


def test_a_terminal_that_is_stopped_stops_no_run(home: Home) -> None:
    screen = Screen(home, *SINCE)
    screen.type(b"\x13")  # Ctrl-S
    assert screen.process.wait(120) == 0
    screen.type(b"\x11")
    screen.end()
    assert screen.written == b""
