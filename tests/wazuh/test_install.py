"""Putting the program into a Wazuh home, where its daemon runs it, and taking it away again."""

import gzip
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aws_s3.log_types import LOG_TYPES
from aws_s3.wazuh import install as wazuh
from aws_s3.wazuh.install import InstallError, install, main, uninstall
from tests import ROOT
from tests.harness.command import put_all
from tests.harness.emulator import Emulator
from tests.subscribers.test_bucket_type import KEYS
from tests.wazuh import daemon

ORIGINAL = "#!/bin/sh\necho the original\n"
BODIES = {
    "cloudtrail": '{"Records": [{"eventID": "1"}]}',
    "config": '{"configurationItems": [{"resourceId": "1"}]}',
    "guardduty": '{"id": "1", "service": {"serviceName": "guardduty"}}',
    "custom": '{"id": "1"}',
    "waf": '{"webaclId": "1", "httpRequest": {"headers": []}}',
}
"""What lies in an object of each type, but for the lines of text."""

Tree = dict[str, tuple[int, str]]


@pytest.fixture
def home() -> Iterator[Path]:
    """A Wazuh home, whose path is short enough for a socket."""
    with TemporaryDirectory(prefix="wazuh") as folder:
        program = Path(folder) / "wodles/aws/aws-s3"
        program.parent.mkdir(parents=True)
        program.write_text(ORIGINAL)
        program.chmod(0o750)
        (program.parent / "s3_cloudtrail.db").touch()
        yield Path(folder)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have environments that are made in no time."""

    def make(folder: Path, extras: str) -> None:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "aws-s3").write_text(extras)

    monkeypatch.setattr(wazuh, "_make_environment", make)


def tree(folder: Path) -> Tree:
    """Return the files and links below a folder, with their modes and contents."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = (
            str(path.readlink()) if path.is_symlink() else path.read_text(errors="replace") if path.is_file() else ""
        )
        found[str(path.relative_to(folder))] = (stat.S_IMODE(path.lstat().st_mode), content)
    return found


@pytest.mark.slow
def test_installed_program_collects_every_type_as_the_daemon_runs_it(home: Path, emulator: Emulator) -> None:
    before = tree(home / "wodles")
    folder = home / "wodles/aws"
    os.chown(folder, -1, 4711)
    make = ["make", "install", f"WAZUH_HOME={home}"]
    subprocess.run(make, cwd=ROOT, check=True, env={**os.environ, "MAKEFLAGS": ""}, umask=0o077)
    # Whatever root's umask is, the group reads and runs all of it, and writes nothing.
    for path in (folder / "aws-s3.env").rglob("*"):
        mode = path.lstat().st_mode
        assert path.lstat().st_gid == 4711
        assert path.is_symlink() or (mode & stat.S_IRGRP and not mode & (stat.S_IWGRP | stat.S_IRWXO)), path
    emulator.client("s3").create_bucket(Bucket="acme-logs")
    environment = {name: value for name, value in emulator.environment(home).items() if name != "PYTHONPATH"}
    for name in sorted(LOG_TYPES):
        body = BODIES.get(name, "1 2 3").encode()
        put_all(emulator, "acme-logs", {f"{name}/{KEYS[name]}": gzip.compress(body)})
        options = {
            "bucket": "acme-logs",
            "trail_prefix": f"{name}/dnslogs" if name == "cisco_umbrella" else name,
            "only_logs_after": "2021-JUN-10",
            "regions": "us-east-1, us-east-2",
            "aws_account_alias": "two words",
            "type": name,
            "debug": "0",
            "skip_on_error": "",
        }
        ended = daemon.run(home, options, environment)
        assert (ended.code, ended.output, len(ended.events)) == (0, "", 1), name
        assert "two words" in str(ended.events[0]["log_info"])
    subprocess.run(["make", "uninstall", f"WAZUH_HOME={home}"], cwd=ROOT, check=True)
    states = {"s3_cloudtrail.db", "s3_cloudtrail.lock"}
    assert {name: file for name, file in tree(home / "wodles").items() if Path(name).name not in states} == {
        name: file for name, file in before.items() if Path(name).name not in states
    }


def test_the_daemon_keeps_quoted_words_together_and_drops_backslashes() -> None:
    assert daemon.split(r'a --x "b c" d\e  f\\g') == ["a", "--x", "b c", "de", "fg"]


@pytest.mark.usefixtures("quick")
def test_installing_twice_is_as_once_and_uninstalling_leaves_the_home_as_it_was(home: Path) -> None:
    folder = home / "wodles/aws"
    before = tree(home)
    for extras in ("", "fast", "fast,metrics"):
        install(folder, extras)
        assert (folder / "aws-s3").read_text() == extras
        assert (folder / "aws-s3.orig").read_text() == ORIGINAL
        # The one before may still be running.
        assert len(list((folder / "aws-s3.env").iterdir())) <= 2
    uninstall(folder)
    assert tree(home) == before


@pytest.mark.usefixtures("quick")
def test_home_without_an_original_is_left_without_one(home: Path) -> None:
    (home / "wodles/aws/aws-s3").unlink()
    before = tree(home)
    install(home / "wodles/aws")
    uninstall(home / "wodles/aws")
    assert tree(home) == before


@pytest.mark.usefixtures("quick")
def test_original_that_an_upgrade_of_wazuh_brings_is_kept(home: Path) -> None:
    folder = home / "wodles/aws"
    install(folder)
    (folder / "aws-s3").unlink()
    (folder / "aws-s3").write_text("a newer original")
    with pytest.raises(InstallError, match="stays as it is"):
        uninstall(folder)
    install(folder)
    uninstall(folder)
    assert (folder / "aws-s3").read_text() == "a newer original"


@pytest.mark.slow
def test_failure_leaves_everything_as_it_was(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = tree(home)
    # pip refuses the name before it asks anybody.
    assert main(["install", str(home), "--extras", "no]extra"]) == 1
    assert tree(home) == before
    assert "ERROR: " in capfd.readouterr().err


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_folder_that_is_no_home_is_refused(action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([action, str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"ERROR: {tmp_path}/wodles/aws is not a folder. Is Wazuh installed there? Give its home: WAZUH_HOME=…\n"
    )
