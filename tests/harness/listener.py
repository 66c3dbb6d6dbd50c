"""Wazuh's end of the socket."""

import select
import socket
from pathlib import Path
from threading import Event, Thread

_LARGEST = 1 << 20


class Listener:
    """Keeps the datagrams that arrive at `path` until it is closed.

    `hold`: after so many it reads no more until `release`, so that a sender with more to send is still at it,
    however late a test looks.
    """

    def __init__(self, path: Path, hold: int | None = None) -> None:
        self._path = path
        self._hold = hold
        self._released = Event()
        self.received: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while message := self._socket.recv(_LARGEST):
            self.received.append(message)
            if len(self.received) == self._hold:
                self._released.wait()

    def release(self) -> None:
        """Go on reading."""
        self._released.set()

    def close(self) -> list[bytes]:
        """Take the socket away; return what was sent to it, in order."""
        # From here on senders fail; what they had sent is still there to be received.
        self._socket.shutdown(socket.SHUT_RD)
        self.release()
        self._thread.join()
        self._socket.close()
        self._path.unlink()
        return self.received


class FullListener:
    """Takes what its buffer holds, a few datagrams, and reads them when it is closed: meanwhile senders wait."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def has_some(self) -> bool:
        """Tell whether anything was sent."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def close(self) -> list[bytes]:
        """Take the socket away; return what was sent to it, in order."""
        received = []
        while self.has_some():
            received.append(self._socket.recv(_LARGEST))
        self._socket.close()
        self._path.unlink()
        return received
