"""Where a scenario plays: the installed command, the front, Wazuh's end of the socket; and what arrived."""

import gzip
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from tests.faults.front import BUCKET, Front
from tests.harness.command import COMMAND, wait_until
from tests.harness.listener import Listener
from tests.harness.receiver import Agent, mark_as_warned

REGIONS = ("eu-west-1", "us-east-1")
SECONDS_TO_END = 2.0
"""How soon a run ends after a signal, in seconds."""

MANY = 240
"""Objects: enough for worker processes to be used."""

FEW = 30
_AGENT_HOLDS = 400
"""Events: fewer than most scenarios send, so that runs have to wait."""

SKIP = "--skip_on_error"

_ACCOUNT = "123456789012"
_HEADER = b"1:Wazuh-AWS:"
_PATIENCE = 90
# Two attempts: faults that last are told soon.
_CONFIG = "[default]\nmax_attempts = 3\n"


@dataclass(frozen=True)
class Ended:
    """One run: its exit code, what it printed, the events and the reasons of error events that arrived."""

    code: int
    output: str
    events: Sequence[str]
    reasons: Sequence[str]


@dataclass(frozen=True)
class RunStats:
    """What came of a scenario. `repeated` are objects some of whose events came again in a later run."""

    runs: int
    kills: int
    events: int
    losses: int
    repeats: int
    repeated: int


class Ground:
    """One bucket and one home; every run's arrivals are counted. `workers` is for each run.

    `behind_agent`: an agent is behind the socket, with a small buffer; only what it has room for arrives.
    """

    def __init__(self, home: Path, front: Front, workers: int, seed: int, *, behind_agent: bool = False) -> None:
        self.behind_agent = behind_agent
        self.home = home
        self.front = front
        self.dice = Random(seed)
        self.socket = home / "queue/sockets/queue"
        self.state = home / "wodles/aws/s3_cloudtrail.db"
        self.workers = workers
        self.command = [str(COMMAND), "-b", BUCKET, "-s", "2021-JUN-01", "--workers", str(workers)]
        self.environment = _environment(home, front.url)
        self.runs: list[Ended] = []
        self.kills = 0
        self._started: list[subprocess.Popen[str]] = []
        self._exist: set[str] = set()
        self._arrived: Counter[str] = Counter()
        self._destroyed = 0
        self._repeats = 0
        self._repeated = 0
        for folder in (self.socket.parent, self.state.parent, home / ".aws"):
            folder.mkdir(parents=True)
        mark_as_warned(home)
        (home / ".aws/config").write_text(_CONFIG)

    def put(self, count: int, records: int = 3, first: int = 0) -> list[str]:
        """Store objects, by turns in each region; return their keys in the order they are collected in."""
        keys = []
        for number in range(first, first + count):
            name, region = f"{number:05}", REGIONS[number % len(REGIONS)]
            events = [f"{name}-{index}" for index in range(records)]
            key = f"AWSLogs/{_ACCOUNT}/CloudTrail/{region}/2021/06/10/{_ACCOUNT}_CloudTrail_{region}_20210610T{name}"
            body = json.dumps({"Records": [{"eventID": event, "n": self.dice.random()} for event in events]})
            self.front.objects[f"{key}Z.json.gz"] = gzip.compress(body.encode(), mtime=0)
            self.expect(events)
            keys.append(f"{key}Z.json.gz")
        return sorted(keys)

    def listen(self) -> Listener | Agent:
        """Put Wazuh's end of the socket there."""
        if self.behind_agent:
            return Agent(self.home, size=_AGENT_HOLDS, rate=1000, interval=0.5)
        return Listener(self.socket)

    def run(self, *arguments: str, **how: Any) -> Ended:
        """Run the command to its end, with a listener."""
        return self.start(*arguments, **how).end()

    def start(
        self,
        *arguments: str,
        listener: Listener | Agent | None = None,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        **how: Any,
    ) -> "Run":
        """Start the command; with a listener, unless the socket is there already."""
        if listener is None and not self.socket.exists():
            listener = self.listen()
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **how}
        process = subprocess.Popen(
            [*prefix, *self.command, *arguments],
            env={**self.environment, **(environment or {})},
            encoding="utf-8",
            errors="replace",
            **how,
        )
        self._started.append(process)
        return Run(self, process, listener)

    def close(self) -> None:
        """End what a story that failed left behind."""
        for process in self._started:
            process.kill()
            process.wait()

    def expect(self, events: Sequence[str]) -> None:
        """Expect these events too; up to its first `-` is the name of the object that an event is of."""
        self._exist.update(events)

    def expect_less(self, events: int) -> None:
        """Expect fewer events than were put: they were destroyed in the bucket."""
        self._destroyed += events

    def count(self, messages: Sequence[bytes]) -> tuple[list[str], list[str]]:
        """Count what arrived in one run; return its events, and the reasons of error events."""
        decoded = [json.loads(message.removeprefix(_HEADER)) for message in messages]
        events = [message["aws"]["eventID"] for message in decoded if "eventID" in message["aws"]]
        again = []
        for event in events:
            if self._arrived[event]:
                again.append(event)
            self._arrived[event] += 1
        self._repeats += len(again)
        self._repeated += len({event.partition("-")[0] for event in again})
        return events, [message["error_msg"] for message in decoded if "error_msg" in message]

    def stats(self) -> RunStats:
        """Compare what arrived with what exists."""
        losses = len(self._exist - set(self._arrived)) - self._destroyed
        return RunStats(len(self.runs), self.kills, len(self._exist), losses, self._repeats, self._repeated)


@dataclass
class Run:
    """The command while it runs."""

    ground: Ground
    process: "subprocess.Popen[str]"
    listener: Listener | Agent | None
    earlier: list[bytes] = field(default_factory=list)

    def wait_for(self, messages: int) -> None:
        """Wait until so many messages arrived, or the run is over."""
        listener = self.listener
        assert listener
        wait_until(lambda: len(listener.received) >= messages or self.process.poll() is not None, 60)

    def stop_listening(self) -> None:
        """Take the socket away."""
        assert self.listener
        self.earlier += self.listener.close()
        self.listener = None

    def install(self) -> None:
        """Put the socket back."""
        self.listener = self.ground.listen()

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self.ground.kills += 1

    def signal(self, number: signal.Signals) -> Ended:
        """Ask the run to stop; it has to be over in time."""
        asked = time.monotonic()
        self.process.send_signal(number)
        ended = self.end()
        seconds = time.monotonic() - asked
        assert seconds < seconds_to_end(), f"it took {seconds:.1f} s to end"
        return ended

    def end(self, patience: float = _PATIENCE) -> Ended:
        """Wait for the end, up to `patience` seconds, and count what arrived."""
        try:
            output, _ = self.process.communicate(timeout=patience)
        finally:
            self.process.kill()
            if self.listener:
                self.stop_listening()
        ended = Ended(self.process.returncode, output or "", *self.ground.count(self.earlier))
        self.ground.runs.append(ended)
        return ended


def is_told(ended: Ended, code: int) -> Ended:
    """Check the exit code: nothing is printed with 0, and at least one ERROR line with others."""
    assert ended.code == code, ended.output
    assert bool(ended.output) == bool(code), ended.output
    assert all(line.startswith(("ERROR: ", "WARNING: ")) for line in ended.output.splitlines()), ended.output
    return ended


class SlowListener(Listener):
    """Takes its time over each datagram."""

    def _receive(self) -> None:
        while message := self._socket.recv(1 << 20):
            self.received.append(message)
            time.sleep(0.002)


@dataclass(frozen=True)
class Scenario:
    """A story, with how many workers it is told, and whether the disk took the state's memory from it.

    `forgets` is how many objects the state could not remember: their events may come again. Without worker
    processes there is nothing to play if it is `about_workers`.
    """

    name: str
    play: Callable[[Ground], None]
    workers: Sequence[int] = (1,)
    forgets: int = 0
    about_workers: bool = False


@contextmanager
def new_ground(workers: int, seed: int = 8, *, at_once: bool = False, behind_agent: bool = False) -> Iterator[Ground]:
    """Give a ground with an empty bucket. `at_once`: workers are used from the first object on."""
    with (
        Front() as front,
        TemporaryDirectory(prefix="home") as folder,
        closing(Ground(Path(folder), front, workers, seed, behind_agent=behind_agent)) as ground,
    ):
        if at_once:
            ground.environment["PYTHONPATH"] = str(Path(__file__).parent / "at_once")
        yield ground


def end_soon(processes: Sequence[psutil.Process]) -> None:
    """Check that the processes end within the time that a run has for it; their entries may stay for longer."""
    wait_until(lambda: not any(map(is_alive, processes)), seconds_to_end())


def seconds_to_end() -> float:
    """Return what SECONDS_TO_END is on a machine that has more to do than it can."""
    return SECONDS_TO_END * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def is_alive(process: psutil.Process) -> bool:
    """Tell whether the process runs, or is stopped: an entry of an ended process may stay."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _environment(home: Path, url: str) -> dict[str, str]:
    # Coverage, measured in the command, writes files and lines of its own where faults are.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COVERAGE_"))}
    return kept | {
        "HOME": str(home),
        "WAZUH_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
