"""The installed command, run as a user or Wazuh runs it: in a home of its own, against the emulator."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.harness.emulator import Emulator
from tests.harness.listener import Listener
from tests.harness.receiver import mark_as_warned

COMMAND = Path(sys.executable).with_name("aws-s3")
"""The console script, where pip put it."""

_SECONDS = 60


@dataclass(frozen=True)
class Ended:
    """How a run ended, what it printed, and what arrived on the socket."""

    code: int
    output: str
    messages: Sequence[Any]

    @property
    def events(self) -> list[str]:
        """The IDs of the events that arrived, in order."""
        return [message["aws"]["eventID"] for message in self.messages]

    @property
    def errors(self) -> list[str]:
        """The ERROR lines."""
        return [line for line in self.output.splitlines() if line.startswith("ERROR: ")]


class Home:
    """A Wazuh home, and a user's, in one folder."""

    def __init__(self, path: Path, emulator: Emulator) -> None:
        self.path = path
        self.socket = path / "queue/sockets/queue"
        self.state = path / "wodles/aws/s3_cloudtrail.db"
        self.environment: Mapping[str, str] = emulator.environment(path) | {"WAZUH_HOME": str(path)}
        self.socket.parent.mkdir(parents=True)
        mark_as_warned(path)

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run the command to its end, with a listener on the socket, and without a terminal."""
        listener = Listener(self.socket)
        try:
            ended = subprocess.run(
                [COMMAND, *arguments],
                env={**self.environment, **(environment or {})},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                timeout=_SECONDS,
            )
        finally:
            datagrams = listener.close()
        return Ended(ended.returncode, ended.stdout, decoded(datagrams))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the command; listening is up to the caller."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )


@contextmanager
def new_home(emulator: Emulator) -> Iterator[Home]:
    """Give a home whose socket's path is short enough, which pytest's folders are not."""
    with TemporaryDirectory(prefix="home") as folder:
        yield Home(Path(folder), emulator)


def decoded(datagrams: Sequence[bytes]) -> list[Any]:
    """Return the JSON of the messages, without the header."""
    return [json.loads(datagram.removeprefix(b"1:Wazuh-AWS:")) for datagram in datagrams]


def free_port() -> int:
    """Return a port of the loopback interface on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def kill(process: "subprocess.Popen[str]") -> None:
    """End the process as a power cut would."""
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def without_coverage() -> dict[str, str]:
    """Return an environment in which a program that may not write here does not try to write what it covers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def wait_until(condition: Any, seconds: float = 120) -> None:
    """Wait until `condition()` holds; raises TimeoutError when it does not, also on a machine with much to do."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} did not come true in {seconds} s")
        time.sleep(0.002)


def put_all(emulator: Emulator, bucket: str, bodies: Mapping[str, bytes]) -> None:
    """Store the objects."""
    for key, body in bodies.items():
        emulator.put_object(bucket, key, body)
