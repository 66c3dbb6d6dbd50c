"""Putting the program into a Wazuh home, where its daemon runs it, and taking it away again."""

import gzip
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from aws_s3 import __version__
from aws_s3.log_types import LOG_TYPES
from aws_s3.wazuh import install as wazuh
from aws_s3.wazuh.environment import InstallError, Source
from aws_s3.wazuh.extras import EXTRAS
from aws_s3.wazuh.install import install, main, uninstall
from tests import ROOT
from tests.harness.command import put_all, without_coverage
from tests.harness.emulator import Emulator
from tests.subscribers.test_bucket_type import KEYS
from tests.wazuh import daemon
from tests.wazuh.daemon import ORIGINAL, home_of_wazuh

BODIES = {
    "cloudtrail": '{"Records": [{"eventID": "1"}]}',
    "config": '{"configurationItems": [{"resourceId": "1"}]}',
    "guardduty": '{"id": "1", "service": {"serviceName": "guardduty"}}',
    "custom": '{"id": "1"}',
    "waf": '{"webaclId": "1", "httpRequest": {"headers": []}}',
    "cloudtrail_insight": '{"Records": [{"eventID": "1"}]}',
    "cloudtrail_network_activity": '{"Records": [{"eventID": "1"}]}',
    "route53_resolver": '{"query_name": "a.example."}',
    "network_firewall": '{"firewall_name": "edge"}',
    "cloudfront": "#Version: 1.0\n#Fields: date time\n2021-06-10\t01:15:00\n",
}
"""What lies in an object of each type, but for the lines of text."""

Tree = dict[str, tuple[int, str]]


@pytest.fixture
def home() -> Iterator[Path]:
    with home_of_wazuh() as folder:
        (folder / "wodles/aws/s3_cloudtrail.db").touch()
        yield folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have environments that are made in no time."""

    def make(folder: Path, asked: Sequence[str] | None, kept: Sequence[str], source: Source) -> list[str]:
        del source
        extras = [extra for extra in EXTRAS if extra in (*(asked or ()), *kept)]
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/python").symlink_to(sys.executable)
        (folder / "bin/aws-s3").write_text(f'#!/bin/sh\necho {" ".join(extras)} "$@"\n')
        (folder / "bin/aws-s3").chmod(0o755)
        for extra in extras:
            (folder / "lib/python3.9/site-packages" / EXTRAS[extra][1]).mkdir(parents=True, exist_ok=True)
        return extras

    monkeypatch.setattr(wazuh, "make_environment", make)


def output(*command: str | Path, code: int = 0) -> str:
    """Run a command that ends with the code; return what it printed."""
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    assert ended.returncode == code, ended.stdout
    return ended.stdout


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
    make = ["make", "install", f"WAZUH_HOME={home}", f"PREFIX={home}/usr"]
    # Some systems run Python without docstrings and assertions.
    optimized = {"PYTHONOPTIMIZE": "2"}
    subprocess.run(make, cwd=ROOT, check=True, env={**os.environ, "MAKEFLAGS": "", **optimized}, umask=0o077)
    # Whatever root's umask is, the group reads and runs all of it, and writes nothing.
    for path in (folder / "aws-s3.env").rglob("*"):
        mode = path.lstat().st_mode
        assert path.lstat().st_gid == 4711
        assert path.is_symlink() or (mode & stat.S_IRGRP and not mode & (stat.S_IWGRP | stat.S_IRWXO)), path
    emulator.client("s3").create_bucket(Bucket="acme-logs")
    environment = {name: value for name, value in emulator.environment(home).items() if name != "PYTHONPATH"}
    environment |= optimized
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
    the_interpreter_goes(folder)
    assert output(home / "usr/bin/aws-s3", "--version").startswith("aws-s3 ")
    assert {path.name for path in (home / "usr/share").rglob("*aws-s3*")} == {
        *("aws-s3.1", "aws-s3", "_aws-s3", "aws-s3.fish")
    }
    subprocess.run(["make", "uninstall", f"WAZUH_HOME={home}", f"PREFIX={home}/usr"], cwd=ROOT, check=True)
    assert not any(path.is_file() for path in (home / "usr").rglob("*"))
    states = {"s3_cloudtrail.db", "s3_cloudtrail.lock", "aws-s3.pacing"}
    assert {name: file for name, file in tree(home / "wodles").items() if Path(name).name not in states} == {
        name: file for name, file in before.items() if Path(name).name not in states
    }


def the_interpreter_goes(folder: Path) -> None:
    """Wazuh's AWS module ends for good where its program cannot be executed: an exit code keeps it alive."""
    [python] = folder.glob("aws-s3.env/*/bin/python")
    python.rename(python.with_name("kept"))
    python.symlink_to("/usr/bin/python3.1")
    told = output(folder / "aws-s3", "--version", code=1)
    assert told.startswith(
        f"ERROR: The Python of {python.parent.parent} does not run any more, perhaps after an upgrade"
    )
    assert told.count("\n") == 1 and f"make install WAZUH_HOME={folder.parent.parent}" in told
    python.unlink()
    python.with_name("kept").rename(python)
    assert output(folder / "aws-s3", "--version").startswith("aws-s3 ")


def test_the_daemon_keeps_quoted_words_together_and_drops_backslashes() -> None:
    assert daemon.split(r'a --x "b c" d\e  f\\g') == ["a", "--x", "b c", "de", "fg"]


@pytest.mark.usefixtures("quick")
def test_installing_twice_is_as_once_and_uninstalling_leaves_the_home_as_it_was(home: Path) -> None:
    folder = home / "wodles/aws"
    before = tree(home)
    for _ in range(3):
        install(folder, ["metrics"])
        assert output(folder / "aws-s3", "a b", "c") == "metrics a b c\n"
        assert (folder / "aws-s3.orig").read_text() == ORIGINAL
        # A run may still use the one before.
        assert len(list((folder / "aws-s3.env").iterdir())) <= 2
    uninstall(folder)
    assert tree(home) == before


@pytest.mark.usefixtures("quick")
def test_extras_of_the_installation_before_are_kept_and_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for extras, told in (
        ("", "without extras."),
        ("security-lake", "extras security-lake."),
        ("metrics, progress", "extras metrics, progress, parquet (as before), security-lake (as before)."),
        (
            "metrics",
            "extras metrics (as before), progress (as before), parquet (as before), security-lake (as before).",
        ),
        ("none", "without extras."),
    ):
        assert main([str(home), "--extras", extras]) == 0
        assert capsys.readouterr().out == f"Installed {home}/wodles/aws/aws-s3: version {__version__}, {told}\n"


@pytest.mark.usefixtures("quick")
def test_link_of_an_older_version_is_replaced_with_its_extras(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "wodles/aws"
    old = folder / "aws-s3.env/1/lib/python3.11/site-packages/orjson"
    old.mkdir(parents=True)
    (folder / "aws-s3").rename(folder / "aws-s3.orig")
    (folder / "aws-s3").symlink_to("aws-s3.env/1/bin/aws-s3")
    assert main([str(home)]) == 0
    assert "extras fast (as before)." in capsys.readouterr().out
    assert main([str(home), "--uninstall"]) == 0
    assert (folder / "aws-s3").read_text() == ORIGINAL


@pytest.mark.usefixtures("quick")
def test_rules_are_put_into_a_manager_when_asked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = home / "etc/rules"
    assert main([str(home)]) == 0
    assert main([str(home), "--rules"]) == 1
    assert capsys.readouterr().err.endswith(f"the rules are not: {rules} is missing. Rules belong to a manager.\n")
    rules.mkdir(parents=True)
    assert main([str(home), "--rules"]) == 0
    [file] = rules.iterdir()
    assert file.read_text().count("<rule ") > 10
    assert stat.S_IMODE(file.stat().st_mode) == 0o660


@pytest.mark.usefixtures("quick")
def test_path_with_spaces_and_quotes_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "a b's $HOME/wodles/aws"
    folder.mkdir(parents=True)
    install(folder, ["fast"])
    assert output(folder / "aws-s3", "x") == "fast x\n"
    install(folder)
    assert len(list((folder / "aws-s3.env").iterdir())) == 2


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
def test_failure_of_pip_is_one_line_and_leaves_everything_as_it_was(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = tree(home)
    # pip takes nothing from elsewhere, and the libraries are not here.
    (tmp_path / "wazuh_aws_s3-0.0-py3-none-any.whl").touch()
    assert main([str(home), "--wheelhouse", str(tmp_path)]) == 1
    assert tree(home) == before
    told = capfd.readouterr().err
    assert told.startswith("ERROR: pip cannot install it: ") and told.endswith("Nothing changed.\n")
    assert told.count("\n") == 1


NEW_MANAGER = (
    "ERROR: {home} is a manager of Wazuh 5, whose AWS module belongs to the agent. Install an agent and give its home: "
    "WAZUH_HOME=…; to go on where this manager stood, copy its state there: wodles/aws/*.db. Nothing changed.\n"
)


@pytest.mark.parametrize("action", [(), ("--uninstall",)])
@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("", "ERROR: {home}/wodles/aws is not a folder. Is Wazuh installed there? Give its home: WAZUH_HOME=…\n"),
        ("4.14.7", "ERROR: {home}/wodles/aws is not a folder. Is Wazuh installed there? Give its home: WAZUH_HOME=…\n"),
        ("5.0.0", NEW_MANAGER),
        ("v5.1.0", NEW_MANAGER),
    ],
)
def test_folder_without_an_aws_module_is_refused(
    action: Sequence[str], version: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if version:
        (tmp_path / "VERSION.json").write_text(f'{{"version": "{version}", "stage": "rc1"}}')
    assert main([str(tmp_path), *action]) == 1
    assert capsys.readouterr().err == told.format(home=tmp_path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--extras", "fats"], "There is no extra fats: the extras are completion, fast, metrics, progress, par"),
        (["--wheelhouse", "/nowhere"], "/nowhere holds no wheel of wazuh-aws-s3: make wheelhouse fills it. Nothing ch"),
    ],
)
def test_wrong_option_is_told_and_changes_nothing(
    options: list[str], told: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(home)
    assert main([str(home), *options]) == 1
    assert capsys.readouterr().err.startswith(f"ERROR: {told}")
    assert tree(home) == before


def installer(home: Path, prelude: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the installer from the checkout, as an interpreter that `prelude` changes."""
    program = f"import sys\n{prelude}\nimport runpy\nsys.argv[1:] = [{str(home)!r}]\n"
    program += "runpy.run_module('aws_s3.wazuh', run_name='__main__')"
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8")


@pytest.mark.parametrize(
    ("prelude", "told"),
    [
        (
            "sys.version_info, sys.version = (3, 9, 2), '3.9.2 (main)'",
            "Python 3.10 or newer is needed, and this is 3.9.2.",
        ),
        (
            "sys.modules['ensurepip'] = None",
            f"{sys.executable} has no module ensurepip, which makes environments: inst",
        ),
    ],
)
def test_python_that_does_not_serve_is_told_and_changes_nothing(home: Path, prelude: str, told: str) -> None:
    before = tree(home)
    ended = installer(home, prelude)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith(f"ERROR: {told}")
    assert "Nothing changed" in ended.stderr
    assert tree(home) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_user_without_rights_is_told_and_changes_nothing(home: Path) -> None:
    home.chmod(0o755)
    before = tree(home)
    # Imported first: that user may not read the checkout either.
    program = "import os, sys\nfrom aws_s3.wazuh import environment, install\n"
    program += "os.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\nsys.exit(install.main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, str(home)]
    ended = subprocess.run(command, cwd=ROOT, env=without_coverage(), capture_output=True, encoding="utf-8")
    assert (ended.returncode, ended.stderr) == (
        1,
        f"ERROR: {home}/wodles/aws cannot be written by this user: run this as root. Nothing changed.\n",
    )
    assert tree(home) == before


@pytest.mark.parametrize(
    ("environment", "home"),
    [
        ({}, "/var/ossec"),
        ({"WAZUH_AGENT_HOME": "/agent"}, "/agent"),
        ({"WAZUH_HOME": "/home", "WAZUH_AGENT_HOME": "/agent"}, "/home"),
    ],
)
def test_home_is_that_of_the_environment(
    environment: dict[str, str], home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WAZUH_HOME", "WAZUH_AGENT_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wazuh._parser().parse_args([]).home == Path(home)
