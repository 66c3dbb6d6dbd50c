"""The single file: it unpacks itself once, also when several processes begin at the same time."""

import os
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest

import aws_s3.wazuh.pyz
from aws_s3 import __version__
from tests import ROOT
from tests.harness.command import new_home, put_all
from tests.harness.emulator import Emulator

PACKAGE = "import sys, aws_s3\nprint(aws_s3.__file__, *sys.argv[1:])\nsys.exit(7)\n"
MAIN = "import sys, pyz\nsys.exit(pyz.main())\n"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with a stand-in for the package."""
    package = tmp_path / "content/lib/aws_s3"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(PACKAGE)
    (tmp_path / "content/__main__.py").write_text(MAIN)
    (tmp_path / "content/pyz.py").write_text(Path(aws_s3.wazuh.pyz.__file__).read_text())
    made = tmp_path / "aws-s3.pyz"
    zipapp.create_archive(tmp_path / "content", made)
    return made


def start(archive: Path, **environment: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    command = [sys.executable, str(archive), "-b", "x"]
    return subprocess.Popen(command, env={**os.environ, **environment}, stdout=pipe, stderr=pipe, encoding="utf-8")


def test_processes_that_begin_together_share_one_complete_folder(archive: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    processes = [start(archive, AWS_S3_CACHE=str(cache)) for _ in range(6)]
    printed = {process.communicate(timeout=120)[0] for process in processes}
    assert {process.returncode for process in processes} == {7}
    [line] = printed
    path, *words = line.split()
    assert words == ["-b", "x"] and Path(path).is_relative_to(cache)
    [folder] = cache.iterdir()
    assert Path(path) == folder / "lib/aws_s3/__init__.py"


@pytest.mark.parametrize(
    ("environment", "folder"), [({"XDG_CACHE_HOME": "{}/x"}, "x/aws-s3"), ({"HOME": "{}"}, ".cache/aws-s3")]
)
def test_folder_is_in_the_users_cache_where_none_is_named(
    environment: dict[str, str], folder: str, archive: Path, tmp_path: Path
) -> None:
    named = {"XDG_CACHE_HOME": "", "AWS_S3_CACHE": "", **{k: v.format(tmp_path) for k, v in environment.items()}}
    process = start(archive, **named)
    output, _ = process.communicate(timeout=120)
    assert output.startswith(str(tmp_path / folder))


def test_folder_that_cannot_be_written_is_told(archive: Path) -> None:
    process = start(archive, AWS_S3_CACHE="/dev/null/x")
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (1, "")
    assert output.startswith(f"ERROR: Cannot unpack {archive}: ") and "AWS_S3_CACHE=" in output


@pytest.mark.slow
def test_single_file_collects(emulator: Emulator, tmp_path: Path) -> None:
    subprocess.run(["make", "pyz"], cwd=ROOT, check=True, env={**os.environ, "MAKEFLAGS": ""})
    emulator.client("s3").create_bucket(Bucket="acme-logs")
    put_all(emulator, "acme-logs", {f"2021/06/10/{n}": b'{"id": "%d"}' % n for n in range(300)})
    with new_home(emulator) as home:
        environment = {"AWS_S3_CACHE": str(tmp_path), **home.environment}
        environment.pop("PYTHONPATH", None)
        options = ["-b", "acme-logs", "-t", "custom", "-s", "2021-JUN-10", "--output", "stdout", "--workers", "2"]
        command = [sys.executable, "-I", str(ROOT / "dist/aws-s3.pyz")]
        ended = subprocess.run([*command, *options], env=environment, cwd="/", capture_output=True, text=True)
        assert (ended.returncode, ended.stderr, ended.stdout.count("\n")) == (0, "", 300)
        version = subprocess.run([*command, "--version"], env=environment, cwd="/", capture_output=True, text=True)
    assert version.stdout == f"aws-s3 {__version__}\n"
