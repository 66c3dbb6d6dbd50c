"""Where events go: Wazuh's Unix datagram socket, a file, or stdout (SPEC 8)."""

import errno
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from aws_s3.errors import CollectorError, SinkConnectError, SinkSendError
from aws_s3.message import HEADER, LARGEST
from aws_s3.settings import Output

_PATIENCE = 5.0
_FIRST_PAUSE = 0.05
_WAIT_SLICE = 0.2
_SEND_BUFFER = 1 << 20
_NOBODY_LISTENS = {
    errno.ECONNREFUSED, errno.ENOENT, errno.ENOTCONN, errno.ECONNRESET, errno.EPIPE, errno.EDESTADDRREQ,
}  # fmt: skip
_ADVICE = "Check that Wazuh is running, or give another home with --wazuh-home."


class Sink(Protocol):
    """Takes encoded messages, in order. `limit` is the largest in bytes, None for any size."""

    @property
    def limit(self) -> int | None:
        """The largest message in bytes."""

    def send(self, message: bytes) -> None:
        """Hand the message over; when this returns, it was accepted."""

    def close(self) -> None:
        """Give up the connection or file."""


def open_sink(output: Output, check: Callable[[], None]) -> Sink:
    """Return the sink of `output`; `check` is called while waiting, to raise what ends the wait."""
    if output.kind == "unix":
        assert output.path is not None
        return UnixSink(output.path, check)
    return LineSink(output.path)


class UnixSink:
    """A Unix datagram socket. A receiver that is slow is waited for; one that is gone, for 5 seconds.

    Raises SinkConnectError (exit 11) when nobody listens, SinkSendError (13) when sending fails
    otherwise.
    """

    limit = LARGEST - len(HEADER)

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self._path = path
        self._check = check
        self._socket: socket.socket | None = None

    def send(self, message: bytes) -> None:
        """Send one datagram: the header, then `message`."""
        data = HEADER + message
        deadline: float | None = None
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._send_connected(data)
            except OSError as error:
                self.close()
                deadline = deadline or time.monotonic() + _PATIENCE
                if error.errno not in _NOBODY_LISTENS or time.monotonic() + pause > deadline:
                    raise self._failure(error) from error
            time.sleep(pause)
            self._check()
            pause *= 2

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send_connected(self, data: bytes) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            self._socket.setblocking(False)
            self._socket.connect(os.fspath(self._path))
        while True:
            try:
                self._socket.send(data)
                return
            except (BlockingIOError, InterruptedError):
                select.select([], [self._socket], [], _WAIT_SLICE)
                self._check()

    def _failure(self, error: OSError) -> CollectorError:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if self._path.is_dir() or self._path.is_file():
            return SinkConnectError(f"{self._path} is not a socket. {_ADVICE}")
        if error.errno == errno.EPROTOTYPE:
            return SinkConnectError(f"{self._path} is a socket of another kind, not a datagram one. {_ADVICE}")
        if error.errno in _NOBODY_LISTENS or error.errno in (errno.EACCES, None):
            return SinkConnectError(f"Cannot connect to Wazuh at {self._path}: {reason}. {_ADVICE}")
        return SinkSendError(f"Cannot send to Wazuh at {self._path}: {reason}.")


class LineSink:
    """A file, appended to, or stdout: one message a line."""

    limit = None

    def __init__(self, path: Path | None) -> None:
        self._path = path
        try:
            self._file: IO[bytes] = path.open("ab", buffering=0) if path else sys.stdout.buffer
        except OSError as error:
            raise SinkConnectError(f"Cannot open {path}: {error.strerror}.") from error

    def send(self, message: bytes) -> None:
        """Write one line; it has left the process when this returns."""
        try:
            self._write(message + b"\n")
            self._file.flush()
        except OSError as error:
            raise SinkSendError(f"Cannot write to {self._path or 'stdout'}: {error.strerror}.") from error

    def _write(self, line: bytes) -> None:
        while line:
            line = line[self._file.write(line) :]

    def close(self) -> None:
        """Close the file; stdout stays open."""
        if self._path:
            self._file.close()
