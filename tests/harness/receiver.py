"""Wazuh behind the socket: it takes each datagram at once, and drops the newest when its own buffer is full."""

import json
import os
import select
import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, TypeVar

from aws_s3.wazuh.ledger import NAME, Entries

R = TypeVar("R", bound="Receiver")

_LARGEST = 1 << 17
_MIB = 1 << 20
_TICK = 0.02
_LENGTH = struct.Struct("<I")


def mark_as_warned(home: Path) -> None:
    """Let a home be one of which a run has said before that nobody knows what is behind its socket."""
    home.joinpath("wodles/aws").mkdir(parents=True, exist_ok=True)
    home.joinpath("wodles/aws", NAME).write_bytes(Entries(is_warned=True).to_bytes(""))


class Receiver:
    """A receiver in a home, as a context. `received` holds what it had room for; `dropped` counts the rest.

    `size` is its buffer, `rate` what leaves it a second, `interval` how often it writes its state file, in
    seconds; `peak` is how full it was. `is_away`: nothing leaves, and it says so. `others`: events a second
    that come from elsewhere.
    """

    daemon: ClassVar[str]
    version: ClassVar[str] = "4.14.7"

    def __init__(
        self,
        home: Path,
        *,
        size: float,
        rate: float,
        interval: float = 0.3,
        others: float = 0,
        writes_state: bool = True,
    ) -> None:
        self.size, self.rate, self.interval, self.others = size, rate, interval, others
        self.received: list[bytes] = []
        self.dropped = 0
        self.peak = 0.0
        self.is_away = False
        self._home = home
        self._writes_state = writes_state
        self._lock = threading.Lock()
        self._count = 0
        self._held = self._sent = 0.0
        self._at = time.monotonic()
        self._ending = threading.Event()
        for folder in ("queue/sockets", "var/run", "etc", "wodles/aws"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        (home / "VERSION.json").write_text(json.dumps({"version": self.version}))
        (home / "etc/client.keys").write_text("001 host any 0123456789abcdef\n")
        self._write_pid()
        self._path = home / "queue/sockets/queue"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._threads = [threading.Thread(target=work, daemon=True) for work in self._work()]
        if writes_state:
            self.write_state()
        for thread in self._threads:
            thread.start()

    def __enter__(self: R) -> R:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> list[bytes]:
        """Take the socket away; return what it had room for, in order."""
        if not self._ending.is_set():
            self._ending.set()
            # From here on senders fail; what they had sent is still there to be received.
            self._socket.shutdown(socket.SHUT_RD)
            for thread in self._threads:
                thread.join()
            self._socket.close()
            self._path.unlink()
        return self.received

    def restart(self) -> None:
        """Begin anew, with an empty buffer and figures of its own: those of before stay in the file for a while."""
        with self._lock:
            self._held = self._sent = 0.0
            self._count = 0
        self._write_pid()

    @property
    def held(self) -> float:
        """What waits in its buffer now."""
        with self._lock:
            self._drain()
            return self._held

    def write_state(self) -> None:
        """Write the state file, as a daemon does every few seconds."""
        with self._lock:
            self._drain()
            text = self._state()
        temporary = self._home / f"var/run/{self.daemon}.state.temp"
        temporary.write_text(f"# State file for {self.daemon}\n{text}")
        temporary.rename(self._home / f"var/run/{self.daemon}.state")

    def _write_pid(self) -> None:
        (self._home / f"var/run/{self.daemon}-{os.getpid()}.pid").write_text(f"{os.getpid()}\n")

    def _work(self) -> list[Any]:
        return [self._receive, self._write_now_and_then] if self._writes_state else [self._receive]

    def _write_now_and_then(self) -> None:
        while not self._ending.wait(self.interval):
            self.write_state()

    def _receive(self) -> None:
        while message := self._socket.recv(_LARGEST):
            with self._lock:
                self._drain()
                self._count += 1
                weight = self.weigh(message)
                if self._held + weight > self.size:
                    self.dropped += 1
                    continue
                self._held += weight
                self.peak = max(self.peak, self._held)
                self.received.append(message)

    def weigh(self, message: bytes) -> float:
        """Return how much of the buffer a message takes."""
        del message
        return 1

    def _drain(self) -> None:
        """Let leave what left since the last time."""
        now = time.monotonic()
        if not self.is_away:
            gone = min(self._held, self.rate * (now - self._at))
            self._held -= gone
            self._sent += gone
        self._held = min(self.size, self._held + self.others * (now - self._at))
        self._at = now

    def _state(self) -> str:
        raise NotImplementedError


class Agent(Receiver):
    """An agent of Wazuh 4.x."""

    daemon = "wazuh-agentd"

    def __init__(self, home: Path, *, size: int = 5000, rate: int = 500, **how: Any) -> None:
        super().__init__(home, size=size, rate=rate, **how)
        (home / "etc/ossec.conf").write_text(
            f"<ossec_config><client_buffer><disabled>no</disabled><queue_size>{size}</queue_size>"
            f"<events_per_second>{rate}</events_per_second></client_buffer></ossec_config>\n"
        )

    def _state(self) -> str:
        status = "disconnected" if self.is_away else "connected"
        held = round(self._held)
        sent = self._count - self.dropped - held
        return f"status='{status}'\nmsg_count='{self._count}'\nmsg_sent='{sent}'\nmsg_buffer='{held}'\n"


class NewAgent(Receiver):
    """An agent of Wazuh 5.x: 4 MiB, sent on in batches of 1 MiB, of which it tells nothing. `rate`: bytes a second."""

    daemon = "wazuh-agentd"
    version = "5.0.1"

    def __init__(self, home: Path, *, size: float = 4 * _MIB, rate: float = 10 * _MIB, **how: Any) -> None:
        super().__init__(home, size=size, rate=rate, **how)

    def weigh(self, message: bytes) -> float:
        """Return its bytes."""
        return len(message) + 3

    def _state(self) -> str:
        status = "disconnected" if self.is_away else "connected"
        return f"status='{status}'\nmsg_count='{self._count}'\nmsg_sent='0'\nmsg_buffer=''\ndispatched='0'\n"


class Manager(Receiver):
    """A manager of Wazuh 4.x. `answers`: its analysis engine tells how full the queue is."""

    daemon = "wazuh-analysisd"

    def __init__(
        self, home: Path, *, size: float = 16384, rate: float = 5000, answers: bool = True, **how: Any
    ) -> None:
        self._engine: socket.socket | None = None
        if answers:
            path = home / "queue/sockets/analysis"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._engine.bind(str(path))
            self._engine.listen(64)
        self.answered = 0
        super().__init__(home, size=size, rate=rate, **how)

    def _work(self) -> list[Any]:
        return [*super()._work(), *([self._serve] if self._engine else [])]

    def _state(self) -> str:
        usage = self._held / self.size
        return f"events_dropped='{self.dropped}'\nevent_queue_usage='{usage:.2f}'\nevent_queue_size='{self.size}'\n"

    def _serve(self) -> None:
        assert self._engine is not None
        with self._engine as engine:
            while not self._ending.is_set():
                if select.select([engine], [], [], _TICK)[0]:
                    with engine.accept()[0] as connection, suppress(OSError, ValueError, struct.error):
                        self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        [length] = _LENGTH.unpack(connection.recv(_LENGTH.size, socket.MSG_WAITALL))
        request = json.loads(connection.recv(length, socket.MSG_WAITALL))
        answer = {"error": 4, "message": "Unrecognized command", "data": {}}
        if request == {"command": "getstats"}:
            answer = {"error": 0, "message": "ok", "data": {"metrics": self._metrics()}}
        self.answered += 1
        text = json.dumps(answer).encode()
        connection.sendall(_LENGTH.pack(len(text)) + text)

    def _metrics(self) -> dict[str, Any]:
        with self._lock:
            self._drain()
            dropped = {"modules_breakdown": {"aws": self.dropped}}
            return {
                "queues": {"others": {"size": self.size, "usage": self._held / self.size}},
                "events": {"received": self._count, "received_breakdown": {"dropped_breakdown": dropped}},
            }
