"""Another program holds the lock of the state, or a quota ends its room: no event is sent that cannot be recorded."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import which
from threading import Timer

import pytest

from aws_s3.errors import StateError
from aws_s3.state import database
from aws_s3.state.bucket_state import FILE
from aws_s3.state.database import Database
from tests import ROOT
from tests.harness.collecting import BUCKET, Collection, ListSink, trail
from tests.harness.command import Home, decoded, new_home, put_all, wait_until
from tests.harness.emulator import Emulator
from tests.harness.fakes import MemoryStore
from tests.harness.listener import Listener

THINGS = (("things", "CREATE TABLE thing (name TEXT PRIMARY KEY)"),)
SEND = """
import os, sys
from pathlib import Path
from aws_s3.errors import StateError
from aws_s3.state.database import Database
try:
    database = Database(Path(sys.argv[1]), (("things", "CREATE TABLE IF NOT EXISTS thing (name TEXT PRIMARY KEY)"),))
    for number in range(10_000):
        database.ensure_writable()
        os.write(1, b"sent\\n")
        with database.transaction(of_sent_events=True) as execute:
            execute("INSERT INTO thing VALUES (?)", (f"{os.getpid()} {number:0300}",))
        os.write(1, b"recorded\\n")
except StateError as error:
    print(error.exit_code, error)
"""


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the file's lock as another program does."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_lock_that_is_taken_while_events_are_sent_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(database, "_TOLD_AFTER_S", 0.2)
    collection = Collection(tmp_path, MemoryStore(trail("a", events=3) | trail("b")))
    collection.state().close()
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None, check_same_thread=False)

    def lock_for_a_while() -> None:
        if not other.in_transaction and not caplog.records:
            other.execute("BEGIN IMMEDIATE")
            Timer(1, other.execute, ["COMMIT"]).start()

    sent = collection.run(ListSink(lock_for_a_while)).events
    assert sent == ["a-0", "a-1", "a-2", "b-0"]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"Another program holds the lock of the state database {tmp_path / FILE}: waiting for it"
    ]
    assert collection.run().events == []
    other.close()


def test_lock_that_is_held_when_an_objects_turn_comes_lets_nothing_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PATIENCE_S", 0.1)
    path = tmp_path / "db"
    with closing(Database(path, THINGS)) as state, locked(path), pytest.raises(StateError, match="locked"):
        state.ensure_writable()


def test_process_that_is_asked_to_stop_does_not_wait_for_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PATIENCE_AFTER_STOP_S", 0)
    path = tmp_path / "db"
    state = Database(path, THINGS, is_stopping=lambda: True)
    with locked(path), pytest.raises(StateError, match="locked"), state.transaction(of_sent_events=True):
        pass
    state.close()


@pytest.fixture
def home(emulator: Emulator) -> Iterator[Home]:
    with new_home(emulator) as made:
        yield made


@pytest.mark.slow
def test_sigterm_ends_a_run_that_waits_to_record_and_only_its_object_comes_again(
    home: Home, emulator: Emulator
) -> None:
    emulator.client("s3").create_bucket(Bucket=BUCKET)
    put_all(emulator, BUCKET, trail("a", events=300) | trail("b"))
    arguments = ("-b", BUCKET, "-s", "2021-JUN-01", "--workers", "1")
    # More than a socket holds: the object is not sent, and so not recorded, before the lock is taken.
    first = [f"a-{number}" for number in range(300)]
    listener = Listener(home.socket, hold=1)
    process = home.start(*arguments)
    wait_until(lambda: len(listener.received) == 1)
    with locked(home.state):
        listener.release()
        wait_until(lambda: len(listener.received) == len(first))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode in {5, 143}, output
    assert [message["aws"]["eventID"] for message in decoded(listener.close())] == first
    assert home.run(*arguments).events == [*first, "b-0"]
    assert home.run(*arguments).events == []


@pytest.mark.parametrize("limit", [150_000, 450_000, 700_000, 1_234_567])
def test_quota_is_met_before_an_object_is_sent_in_every_run(tmp_path: Path, limit: int) -> None:
    """The file system has room, as statvfs tells it: only a write shows that the file may not grow."""
    told = ""
    for _ in range(4):
        ended = subprocess.run(
            [sys.executable, "-c", SEND, str(tmp_path / "db")],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
            cwd=ROOT,
        )
        *sent, told = ended.stdout.splitlines()
        assert sent == ["sent", "recorded"] * (len(sent) // 2)
        assert told.startswith("5 ") and str(tmp_path / "db") in told


@pytest.mark.skipif(not which("strace"), reason="strace is not installed: it shows when the disk is told to write")
def test_power_cut_takes_a_few_objects_at_full_speed_and_one_otherwise(tmp_path: Path) -> None:
    """Between an object and the next, or a few further on, the journal is written to the disk itself."""
    assert longest_without_sync(tmp_path / "fast") <= 8
    assert longest_without_sync(tmp_path / "slow", pause=0.06) == 1


def longest_without_sync(folder: Path, pause: float = 0.0) -> int:
    """Return how many objects at most were recorded before the disk had the first of them."""
    folder.mkdir()
    trace = folder / "trace"
    script = f"import time\n{SEND.replace('10_000', '40')}\nos._exit(9)"
    script = script.replace("database.ensure_writable()", f"time.sleep({pause}); database.ensure_writable()")
    command = ["strace", "-e", "trace=fdatasync,fsync,write", "-o", str(trace), sys.executable, "-c", script]
    subprocess.run([*command, folder / "db"], stdout=subprocess.DEVNULL, cwd=ROOT)
    lines = trace.read_text().splitlines()
    if not any("sync(" in line for line in lines):
        pytest.skip("strace may not trace here")
    assert sum('"recorded\\n"' in line for line in lines) == 40
    longest = unsynced = 0
    for line in lines:
        unsynced = 0 if "sync(" in line else unsynced + ('"sent\\n"' in line)
        longest = max(longest, unsynced)
    return longest


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a link to another user")
def test_link_that_another_user_planted_is_refused_and_not_followed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "db"
    if suffix:
        Database(path, THINGS).close()
    target = tmp_path / "cron.d"
    link = tmp_path / f"db{suffix}"
    link.symlink_to(target)
    os.lchown(link, 65534, 65534)
    with pytest.raises(StateError, match=f"{link} is a symbolic link of another user") as told:
        Database(path, THINGS)
    assert told.value.exit_code == 5
    assert not target.exists()
