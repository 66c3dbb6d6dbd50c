"""What is handed out: a source archive, the wheel made from it, and that wheel in an empty environment."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import aws_s3
from tests import ROOT
from tests.harness.command import new_home, put_all
from tests.harness.emulator import Emulator
from tests.harness.listener import Listener
from tests.test_docs import dockerfile

NAME = f"wazuh_aws_s3-{aws_s3.__version__}"


def test_archives_hold_the_package_and_the_wheel_runs_in_an_empty_environment(
    tmp_path: Path, emulator: Emulator
) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", tmp_path, ROOT],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert not re.search("deprecat", built.stdout, re.IGNORECASE)
    holds_the_package_and_nothing_else(tmp_path)
    wheel = tmp_path / f"{NAME}-py3-none-any.whl"
    command = installed(wheel, tmp_path / "environment")
    runs(command, emulator)
    runs_as_in_a_container(command, wheel, tmp_path, emulator)
    installs_into_a_home(command.with_name("aws-s3-install"), wheel, tmp_path)


def holds_the_package_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "aws_s3").rglob("*.py")}
    data = {"aws_s3/py.typed", *(f"aws_s3/wazuh/units/aws-s3{end}" for end in (".service", ".timer", ".cron"))}
    assert package | data <= names
    assert {name.partition("/")[0] for name in names} == {"aws_s3", f"{NAME}.data", f"{NAME}.dist-info"}
    assert {f"aws_s3/docs/{path.name}" for path in (ROOT / "aws_s3/docs").glob("*.md")} <= names
    assert any(name.endswith("/LICENSE") for name in names)
    with tarfile.open(built / f"{NAME}.tar.gz") as source:
        assert f"{NAME}/README.md" in source.getnames()


def installed(wheel: Path, environment: Path) -> Path:
    """Install into an empty environment, and return the command."""
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [str(environment / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel)], check=True)
    return environment / "bin/aws-s3"


def runs(command: Path, emulator: Emulator) -> None:
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"aws-s3 {aws_s3.__version__}\n"
    emulator.client("s3").create_bucket(Bucket="acme-logs")
    put_all(emulator, "acme-logs", {"2021/06/10/a": b'{"id": "1"}'})
    with new_home(emulator) as home:
        options = ["-b", "acme-logs", "-t", "custom", "-s", "2021-JUN-10", "--output", "stdout"]
        run = subprocess.run([command, *options], env=home.environment, cwd=home.path, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert '"id":"1"' in run.stdout


def runs_as_in_a_container(command: Path, wheel: Path, folder: Path, emulator: Emulator) -> None:
    """Do as the document's Dockerfile says, with folders of the test in the place of those of the image."""
    lines = [line.split(maxsplit=1) for line in dockerfile().splitlines()]
    image = folder / "image"
    for name in ("tmp", "state", "wazuh"):
        (image / name).mkdir(parents=True)
    [(_, copied)] = [line for line in lines if line[0] == "COPY"]
    source, target = copied.split()
    assert wheel.match(Path(source).name)
    shutil.copy(wheel, f"{image}{target}")
    environment = {**emulator.environment(folder), "PATH": f"{command.parent}:{os.environ['PATH']}"}
    install, user = [value for name, value in lines if name == "RUN"]
    subprocess.run(["sh", "-c", re.sub("/(?=tmp)", f"{image}/", install)], env=environment, check=True)
    assert list((image / "tmp").iterdir()) == []
    subprocess.run(["sh", "-n", "-c", user], check=True)
    once = {name: value for name, value in lines if name in ("USER", "VOLUME")}
    assert f"useradd --system --create-home {once['USER']} " in user
    assert f"chown {once['USER']} {once['VOLUME']}" in user
    emulator.client("sqs").create_queue(QueueName="my-queue")
    words = [word for name, value in lines if name in ("ENTRYPOINT", "CMD") for word in json.loads(value)]
    started = [word.replace("/state", f"{image}/state").replace("/wazuh", f"{image}/wazuh") for word in words]
    with TemporaryDirectory() as short:
        socket = Path(short, "queue")
        listener = Listener(socket)
        options = [f"unix:{socket}" if word.startswith("unix:") else word for word in started]
        checked = subprocess.run([*options, "--check"], env=environment, capture_output=True, text=True)
        listener.close()
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    subprocess.run([command.with_name("python"), "-c", "import orjson, prometheus_client"], check=True)


def installs_into_a_home(installer: Path, wheel: Path, folder: Path) -> None:
    """From the wheels of a folder, without a network; then from the installed package, which is all there is."""
    program = folder / "home/wodles/aws/aws-s3"
    program.parent.mkdir(parents=True)
    pip = [str(installer.with_name("python")), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--wheel-dir", folder / "wheels", f"{wheel}[fast]"], check=True)
    nowhere = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_CONFIG_FILE": os.devnull}
    for options, environment, told in (
        (["--wheelhouse", folder / "wheels"], nowhere, "extras fast."),
        (["--extras", "progress"], {**os.environ}, "extras fast (as before), progress."),
    ):
        ended = subprocess.run(
            [installer, program.parents[2], *options], env=environment, capture_output=True, text=True
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == f"Installed {program}: version {aws_s3.__version__}, {told}\n"
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        assert version.stdout == f"aws-s3 {aws_s3.__version__}\n"
        assert len(list(program.parent.glob("aws-s3.env/*/share/man/man1/aws-s3.1"))) >= 1
