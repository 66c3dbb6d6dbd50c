import logging
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from aws_s3.errors import StateCreateError, StateError
from aws_s3.state.locks import Locks
from tests import ROOT

HOLD = """
import sys
from pathlib import Path
from aws_s3.state.locks import Locks
locks = Locks(Path(sys.argv[1]))
print(*(locks.acquire(name) for name in sys.argv[2:]), flush=True)
sys.stdin.read()
"""
HOLD_AND_FORK = """
import os, sys, time
from pathlib import Path
from aws_s3.state.locks import Locks
locks = Locks(Path(sys.argv[1]))
assert locks.acquire(sys.argv[2])
if child := os.fork():
    print(child, flush=True)
time.sleep(30)
"""


@contextmanager
def holder(path: Path, *names: str, script: str = HOLD) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run a process that takes the locks and keeps them until its stdin ends; give it and what it told."""
    command = [sys.executable, "-c", script, str(path), *names]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", cwd=ROOT
    ) as process:
        assert process.stdout
        yield process, process.stdout.readline().strip()


def test_lock_has_one_holder_and_others_are_free(tmp_path: Path) -> None:
    with closing(Locks(tmp_path / "lock")) as locks:
        assert locks.acquire("a")
        assert locks.acquire("a")
        with holder(tmp_path / "lock", "a", "b") as (_, got):
            assert got == "False True"
            assert not locks.acquire("b")
            assert locks.acquire("c")


def test_lock_dies_with_its_holder(tmp_path: Path) -> None:
    with closing(Locks(tmp_path / "lock")) as locks, holder(tmp_path / "lock", "a") as (process, got):
        assert got == "True"
        assert not locks.acquire("a")
        process.kill()
        process.wait()
        assert locks.acquire("a")


def test_lock_ends_when_it_is_closed(tmp_path: Path) -> None:
    locks = Locks(tmp_path / "lock")
    assert locks.acquire("a")
    locks.close()
    with holder(tmp_path / "lock", "a") as (_, got):
        assert got == "True"


def test_child_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    with (
        closing(Locks(tmp_path / "lock")) as locks,
        holder(tmp_path / "lock", "a", script=HOLD_AND_FORK) as (holding, child),
    ):
        assert not locks.acquire("a")
        holding.kill()
        holding.wait()
        assert locks.acquire("a")
        # It was there all the time.
        os.kill(int(child), signal.SIGKILL)


@pytest.mark.parametrize("umask", [0o022, 0o777])
def test_file_is_shared_with_the_group_of_the_folder_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        Locks(tmp_path / "lock").close()
    finally:
        os.umask(old)
    found = (tmp_path / "lock").stat()
    assert stat.S_IMODE(found.st_mode) == 0o660
    assert found.st_gid == tmp_path.stat().st_gid


def test_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateCreateError, match=str(tmp_path / "missing" / "lock")):
        Locks(tmp_path / "missing" / "lock")
    (tmp_path / "lock").mkdir()
    with pytest.raises(StateCreateError, match=str(tmp_path / "lock")):
        Locks(tmp_path / "lock")


@pytest.mark.parametrize("target", ["secret", "missing"])
def test_link_in_the_files_place_is_not_followed(tmp_path: Path, target: str) -> None:
    """Whoever may write into the folder could have root give the group any file."""
    secret = tmp_path / "secret"
    secret.touch(0o600)
    (tmp_path / "lock").symlink_to(tmp_path / target)
    with pytest.raises(StateCreateError, match=str(tmp_path / "lock")):
        Locks(tmp_path / "lock")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert not (tmp_path / "missing").exists()


def test_mode_of_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "lock").touch(0o600)
    Locks(tmp_path / "lock").close()
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_file_system_without_locks_is_told(tmp_path: Path) -> None:
    locks = Locks(tmp_path / "lock")
    # No file system here lacks them: a descriptor that is closed fails likewise.
    locks.close()
    with pytest.raises(StateError, match=str(tmp_path / "lock")):
        locks.acquire("a")


def test_the_holder_is_known_by_its_process_and_how_long_that_runs(tmp_path: Path) -> None:
    with closing(Locks(tmp_path / "lock")) as locks, holder(tmp_path / "lock", "a") as (process, _):
        found = locks.holder("a")
        assert found is not None
        assert found.pid == process.pid
        assert 0 <= found.seconds < 3600
        assert locks.holder("b") is None


@pytest.mark.parametrize(("seconds", "level"), [(3599.0, logging.INFO), (3600.0 + 65 * 60, logging.WARNING)])
def test_a_holder_of_over_an_hour_is_a_warning(
    tmp_path: Path, seconds: float, level: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="aws_s3")
    monkeypatch.setattr("aws_s3.state.locks._running_seconds", lambda pid: seconds)
    with closing(Locks(tmp_path / "lock")) as locks, holder(tmp_path / "lock", "a") as (process, _):
        locks.report_holder("a", "123456789012/us-east-1")
    [record] = caplog.records
    assert record.levelno == level
    said = "Another run is working on 123456789012/us-east-1: it is passed over"
    if level == logging.WARNING:
        said += f". That run, process {process.pid}, began 2 h 5 min ago: end it if it hangs."
    assert record.getMessage() == said
