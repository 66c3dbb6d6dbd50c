"""Measuring a command as a whole: time, CPU and memory of all its processes, requests, what arrived."""

import json
import os
import pickle
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from urllib.request import urlopen

import psutil

from tests.bench.corpus import Corpus

_RECEIVE_BUFFER = 8 << 20
_LARGEST_MESSAGE = 1 << 17
_SAMPLE_S = 0.2


@dataclass(frozen=True)
class Measured:
    """One run: wall and CPU seconds (of all its processes), peak bytes (of all together), what came of it.

    `first_request`: seconds from its start to the first request that the endpoint saw.
    """

    seconds: float
    first_request: float
    cpu: float
    peak: int
    events: int
    requests: Mapping[str, int]


class Ground:
    """A home and an endpoint serving a corpus, on which commands are measured."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.socket = home / "queue/sockets/queue"
        self._url = f"http://127.0.0.1:{port}"
        # Python's settings too: with PYTHONDONTWRITEBYTECODE, each start would compile what an installed program has.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        self._environment = kept | {
            "HOME": str(home),
            "WAZUH_HOME": str(home),
            "NO_PROXY": "127.0.0.1",
            "AWS_ENDPOINT_URL": self._url,
            "S3_ENDPOINT_URL": self._url,
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def measure(self, command: Sequence[str]) -> Measured:
        """Run the command to its end. Raises RuntimeError when it fails."""
        before, _ = self._requests()
        with _counting(self.socket) as count:
            cpu, began, start = _children_cpu(), time.time(), time.perf_counter()
            process = subprocess.Popen(
                command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            with watched_memory(process.pid) as peak:
                output, _ = process.communicate()
            seconds, cpu = time.perf_counter() - start, _children_cpu() - cpu
            events = count()
        if process.returncode:
            raise RuntimeError(f"{command[0]} ended with exit code {process.returncode}: {output}")
        after, first = self._requests()
        requests = {kind: after[kind] - before.get(kind, 0) for kind in after}
        return Measured(seconds, first - began, cpu, peak(), events, requests)

    def _requests(self) -> tuple[dict[str, int], float]:
        with urlopen(f"{self._url}/requests") as answer:
            told = json.load(answer)
        return told["counts"], told["first"]


@contextmanager
def ground(corpus: Corpus, get_latency: float = 0.02, list_latency: float = 0.06) -> Iterator[Ground]:
    """Give a fresh home, and an endpoint with the corpus; latencies in seconds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.endpoint", str(get_latency), str(list_latency)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin and process.stdout
    with TemporaryDirectory(prefix="bench") as folder, process:
        pickle.dump(corpus, process.stdin)
        process.stdin.close()
        home = Path(folder)
        for name in ("queue/sockets", "wodles/aws"):
            (home / name).mkdir(parents=True)
        try:
            yield Ground(home, int(process.stdout.readline()))
        finally:
            process.kill()


@contextmanager
def _counting(path: Path) -> Iterator[Callable[[], int]]:
    """Receive on the socket until the function is called, which tells how many messages came.

    The receiver is dd, which counts what it reads: like Wazuh, it is another process, and not one of Python.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        end.bind(str(path))
        command = ["dd", f"bs={_LARGEST_MESSAGE}", f"of={os.devnull}"]
        environment = {**os.environ, "LC_ALL": "C"}
        with subprocess.Popen(
            command, stdin=end.fileno(), stderr=subprocess.PIPE, text=True, env=environment
        ) as receiver:

            def count() -> int:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                    last.sendto(b"", str(path))
                _, told = receiver.communicate()
                whole, parts = told.split()[0].split("+")
                return int(whole) + int(parts)

            try:
                yield count
            finally:
                receiver.kill()
                path.unlink()


@contextmanager
def watched_memory(pid: int, pause: float = _SAMPLE_S) -> Iterator[Callable[[], int]]:
    """Look at the process and its children every `pause` seconds until the end; the function tells their peak sum."""
    peak, ended = [0], Event()

    def watch() -> None:
        while not ended.wait(pause):
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                family = [process, *process.children(recursive=True)]
                peak[0] = max(peak[0], sum(member.memory_full_info().pss for member in family))

    thread = Thread(target=watch)
    thread.start()
    try:
        yield lambda: peak[0]
    finally:
        ended.set()
        thread.join()


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
