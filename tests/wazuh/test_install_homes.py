"""From a wheelhouse into each kind of home, without a network: install, collect, upgrade, and take away again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import ROOT
from tests.harness.command import put_all, wait_until
from tests.harness.emulator import Emulator
from tests.harness.receiver import Agent, Manager, NewAgent, Receiver
from tests.harness.trails import BUCKET, trails
from tests.wazuh.daemon import ORIGINAL, home_of_wazuh

pytestmark = pytest.mark.slow

OPTIONS = ("-b", BUCKET, "--only_logs_after", "2021-JUN-01")
SAID = {
    Manager: "a manager of Wazuh 4.x",
    Agent: "an agent of Wazuh 4.x",
    NewAgent: "an agent of Wazuh 5.x",
}


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheelhouse")
    # A wheel is built in the folder of its sources, which other tests use at the same time.
    sources = folder / "sources"
    shutil.copytree(ROOT / "aws_s3", sources / "aws_s3")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--wheel-dir", folder, f"{sources}[fast,metrics]"], check=True)
    return folder


@pytest.fixture
def home() -> Iterator[Path]:
    with home_of_wazuh() as folder:
        yield folder


def installer(home: Path, *options: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the installer of the checkout, with nothing on the network."""
    offline = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_CONFIG_FILE": os.devnull, **environment}
    command = [sys.executable, "-m", "aws_s3.wazuh", home, *options]
    return subprocess.run(command, cwd=ROOT, env=offline, capture_output=True, encoding="utf-8")


def run(home: Path, emulator: Emulator, *options: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run the installed program as a shell in the home does."""
    environment: Mapping[str, str] = {**emulator.environment(home), **more}
    kept = {name: value for name, value in environment.items() if name not in ("PYTHONPATH", "WAZUH_HOME")}
    return subprocess.run([home / "wodles/aws/aws-s3", *options], env=kept, capture_output=True, encoding="utf-8")


@pytest.mark.parametrize("optimize", ["", "2"])
@pytest.mark.parametrize("kind", [Manager, Agent, NewAgent])
def test_program_lives_in_every_kind_of_home(
    kind: type[Receiver], optimize: str, home: Path, wheelhouse: Path, emulator: Emulator
) -> None:
    emulator.client("s3").create_bucket(Bucket=BUCKET)
    put_all(emulator, BUCKET, trails(3))
    program = home / "wodles/aws/aws-s3"
    made = installer(home, "--wheelhouse", wheelhouse, "--extras", "metrics", PYTHONOPTIMIZE=optimize)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.endswith("extras fast, metrics.\n")
    with kind(home) as receiver:  # type: ignore[call-arg]
        checked = run(home, emulator, *OPTIONS, "--check", PYTHONOPTIMIZE=optimize)
        assert checked.returncode == 0, checked.stdout
        assert f"ok         receiver: {SAID[kind]} listens on {home}/queue/sockets/queue\n" in checked.stdout
        first = run(home, emulator, *OPTIONS, PYTHONOPTIMIZE=optimize)
        assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
        upgraded = installer(home, "--wheelhouse", wheelhouse)
        assert upgraded.stdout.endswith("extras fast (as before), metrics (as before).\n")
        assert run(home, emulator, *OPTIONS, "--debug", "1").stdout.count("nothing new in") == 1
        wait_until(lambda: len(receiver.received) >= 3)
    assert len(receiver.received) == 3
    for python in home.glob("wodles/aws/aws-s3.env/*/bin/python"):
        python.unlink()
        python.symlink_to("/usr/bin/python3.1")
    gone = run(home, emulator, *OPTIONS)
    assert (gone.returncode, gone.stdout.count("\n"), gone.stderr) == (1, 1, "")
    assert gone.stdout.startswith("ERROR: The Python of ") and f"make install WAZUH_HOME={home}" in gone.stdout
    ended = installer(home, "--uninstall")
    assert (ended.returncode, ended.stdout) == (0, f"Uninstalled {program}\n")
    assert program.read_text() == ORIGINAL
    left = {path.name for path in program.parent.iterdir()}
    assert {"aws-s3", "s3_cloudtrail.db"} <= left
    assert not left & {"aws-s3.env", "aws-s3.orig", "aws-s3.new"}
