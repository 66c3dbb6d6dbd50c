"""The file that runs share: several at once, damaged, in the way, or of another time."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.wazuh.budget import Book
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.ledger import NAME, Entries, Ledger, LedgerBusyError, read_entries

RECEIVER = "an agent of Wazuh 4.x"


@pytest.fixture
def home(tmp_path: Path) -> WazuhHome:
    (tmp_path / "wodles/aws").mkdir(parents=True)
    (tmp_path / "queue/sockets").mkdir(parents=True)
    return WazuhHome(tmp_path)


def path_of(home: WazuhHome) -> Path:
    return home.module_folder / NAME


def draw(amount: float) -> "Draw":
    return Draw(amount)


class Draw:
    """A change that draws from the book, and returns what was drawn before."""

    def __init__(self, amount: float) -> None:
        self.amount = amount

    def __call__(self, entries: Entries) -> Book:
        book = entries.book(RECEIVER)
        before = Book(**book.__dict__)
        book.draw(self.amount, time.monotonic())
        return before


def test_what_a_run_drew_is_there_for_the_next(home: WazuhHome) -> None:
    first, second = Ledger(home), Ledger(home)
    first.update(draw(5))
    second.update(draw(7))
    assert first.update(draw(0)).drawn == 12
    assert path_of(home).stat().st_mode & 0o7777 == 0o660
    first.close()
    second.close()


def test_ledger_lies_beside_the_socket_where_the_module_has_no_folder(home: WazuhHome) -> None:
    home.module_folder.rmdir()
    ledger = Ledger(home)
    ledger.update(draw(5))
    ledger.close()
    assert (home.events.parent / NAME).is_file()
    found = read_entries(home)
    assert found
    assert found.books[RECEIVER].drawn == 5


def test_processes_that_draw_at_once_lose_nothing(home: WazuhHome) -> None:
    program = f"""
from pathlib import Path
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.ledger import Ledger, LedgerBusyError
ledger = Ledger(WazuhHome(Path({str(home.path)!r})))
def draw(entries):
    entries.book("r").draw(1, 0)
for _ in range(200):
    while True:
        try:
            ledger.update(draw)
            break
        except LedgerBusyError:
            pass
"""
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(5)]
    assert [process.wait(timeout=120) for process in running] == [0] * 5
    found = read_entries(home)
    assert found
    assert found.books["r"].drawn == 1000


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"[]",
        b'{"form": 1}',
        b'{"form": 99, "books": {}}',
        b"\0" * 5000,
        b"{" * 100_000,
        b"[" * 100_000,
        Entries({RECEIVER: Book(looked=1e12)}).to_bytes("boot"),
        Entries({RECEIVER: Book(drawn=float("nan"))}).to_bytes("boot"),
    ],
)
def test_damaged_file_lets_nothing_through_before_new_figures(content: bytes) -> None:
    entries = Entries.from_bytes(content, "boot", 1000.0)
    assert entries.is_damaged
    assert entries.book(RECEIVER).is_lost


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_in_the_file_are_taken(noise: bytes, at: int) -> None:
    content = Entries({RECEIVER: Book(file="1", looked=5, drawn=7, recent=[(4, 7)])}).to_bytes("boot")
    Entries.from_bytes(content[:at] + noise + content[at + len(noise) :], "boot", 1000.0)


def test_damaged_file_is_replaced(home: WazuhHome) -> None:
    path_of(home).write_bytes(b"damaged " * 1000)
    ledger = Ledger(home)
    assert ledger.update(draw(1)).is_lost
    assert json.loads(path_of(home).read_bytes())["books"][RECEIVER]["drawn"] == 1
    ledger.close()


def test_entries_of_before_the_machine_started_are_forgotten_but_not_the_warning() -> None:
    content = Entries({RECEIVER: Book(drawn=7)}, is_warned=True, waited=12.5).to_bytes("before")
    entries = Entries.from_bytes(content, "now", 1000.0)
    assert (entries.books, entries.is_warned, entries.waited, entries.is_damaged) == ({}, True, 12.5, False)


def in_the_way(path: Path, thing: str) -> None:
    target = path.with_name("precious")
    target.write_text("precious")
    if thing == "link":
        path.symlink_to(target)
    elif thing == "second name":
        os.link(target, path)
    elif thing == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)


@pytest.mark.parametrize("thing", ["link", "second name", "folder", "pipe"])
def test_other_thing_in_its_place_stays_and_the_run_takes_a_fifth(
    home: WazuhHome, thing: str, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way(path_of(home), thing)
    ledger = Ledger(home)
    ledger.update(draw(5))
    assert ledger.update(draw(5)).drawn == 5
    assert ledger.share == 0.2
    assert path_of(home).with_name("precious").read_text() == "precious"
    assert len(caplog.records) == 1
    assert NAME in caplog.text
    ledger.close()


def test_folder_that_is_missing_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(WazuhHome(tmp_path / "missing"))
    ledger.update(draw(5))
    ledger.update(draw(5))
    assert len(caplog.records) == 1
    assert "No such file" in caplog.text


def test_full_disk_leaves_the_run_with_a_ledger_of_its_own(home: WazuhHome, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(home)
    ledger.update(draw(1))
    program = f"""
import resource
from pathlib import Path
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.ledger import Ledger
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
ledger = Ledger(WazuhHome(Path({str(home.path)!r})))
ledger.update(lambda entries: entries.book("r").draw(3, 0))
assert ledger.share == 0.2
assert ledger.update(lambda entries: entries.book("r").drawn) == 3
"""
    ended = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, encoding="utf-8", timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "File too large" in ended.stderr
    del caplog
    ledger.close()


def test_lock_that_another_process_holds_is_not_waited_for_long(home: WazuhHome) -> None:
    Ledger(home).update(draw(1))
    program = f"""
import fcntl, os
descriptor = os.open({str(path_of(home))!r}, os.O_RDWR)
fcntl.lockf(descriptor, fcntl.LOCK_EX)
print("locked", flush=True)
input()
"""
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    ledger = Ledger(home)
    with pytest.raises(LedgerBusyError):
        ledger.update(draw(1))
    holder.kill()
    holder.communicate()
    assert ledger.update(draw(1)).drawn == 1
    ledger.close()


def test_file_that_was_removed_is_made_anew_for_all(home: WazuhHome) -> None:
    first, second = Ledger(home), Ledger(home)
    first.update(draw(5))
    path_of(home).unlink()
    assert second.update(draw(7)).drawn == 0
    assert first.update(draw(0)).drawn == 7
    first.close()
    second.close()


def test_lock_is_free_when_the_change_fails(home: WazuhHome) -> None:
    ledger = Ledger(home)

    def fail(entries: Entries) -> None:
        del entries
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.update(fail)
    program = f"import fcntl; fcntl.lockf(open({str(path_of(home))!r}, 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
    ledger.close()


def test_ledger_without_home_is_the_runs_own(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(None)
    ledger.update(draw(5))
    assert ledger.update(draw(5)).drawn == 5
    assert (ledger.share, caplog.records) == (1.0, [])


def test_lock_dies_with_its_process(home: WazuhHome) -> None:
    descriptor = os.open(path_of(home), os.O_RDWR | os.O_CREAT)
    child = os.fork()
    if child == 0:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        os._exit(0)
    os.waitpid(child, 0)
    Ledger(home).update(draw(1))
    os.close(descriptor)
