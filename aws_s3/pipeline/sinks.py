"""The destinations of events: Wazuh's Unix datagram socket, a file, or stdout."""

import errno
import json
import os
import select
import socket
import stat
import struct
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from aws_s3.codec.messages import HEADER, LARGEST
from aws_s3.errors import SinkConnectError, SinkSendError, missing_resource
from aws_s3.settings import Output

_PATIENCE = 5.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5
_WAIT_SLICE = 0.2
_WAIT_SLICE_TIMEVAL = struct.pack("ll", 0, int(_WAIT_SLICE * 1_000_000))
_SEND_BUFFER = 1 << 20
_STDOUT = 1
_LONGEST_PATH = 107
"""Bytes: `sun_path` of unix(7) has 108, the last of which is NUL."""
_GONE = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE}
_RECORDED = "The events before are recorded; the next run goes on from there."
_ADVICE = "Check that Wazuh is running, or give another home with --wazuh-home."


class Sink(ABC):
    """Takes encoded events, in order. `limit` is the size of the largest event in bytes, None for any size.

    `receiver` is its name in log lines.
    """

    limit: int | None
    receiver = "Wazuh"
    accepted = 0
    """The number of events that `send_all` handed over."""

    @abstractmethod
    def connect(self) -> None:
        """Find out whether anything takes events, before there are any. Raises SinkConnectError."""

    @abstractmethod
    def send(self, message: bytes) -> None:
        """Hand the event over; it was accepted when this returns."""

    def send_all(self, messages: Sequence[bytes]) -> None:
        """Hand the events over; `accepted` counts each of them, also where a later event is refused."""
        for message in messages:
            self.send(message)
            self.accepted += 1

    @abstractmethod
    def close(self) -> None:
        """Close the connection or file."""


def open_sink(output: Output, check: Callable[[], None]) -> Sink:
    """Return the sink of `output`. It calls `check` while it waits; `check` raises to end the wait.

    Raises SinkConnectError if a file cannot be opened, or a socket's path is too long.
    A socket is connected when it is first used.
    """
    if output.kind == "unix":
        assert output.path is not None
        return UnixSink(output.path, check)
    return LineSink(output.path, check, pretty=output.pretty)


class UnixSink(Sink):
    """A Unix datagram socket. It waits for a slow receiver, and `patience` seconds for a receiver that is gone.

    Raises SinkConnectError (exit 11) if nothing listens, SinkSendError (13) if sending fails otherwise,
    ResourceError (1) if the process has too few file descriptors. The event that was being sent has then not arrived.
    """

    limit = LARGEST - len(HEADER)

    def __init__(self, path: Path, check: Callable[[], None], patience: float = _PATIENCE) -> None:
        """Raise SinkConnectError for a path that no socket can have."""
        if (size := len(os.fsencode(path))) > _LONGEST_PATH:
            raise SinkConnectError(
                f"Cannot connect to Wazuh at {path}: the path of a socket has at most {_LONGEST_PATH} bytes, and this "
                f"path has {size}. Give a home with a shorter path with --wazuh-home."
            )
        self._path = path
        self._check = check
        self._patience = patience
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Connect; wait as for sending while nothing listens."""
        self._patiently(lambda: self._socket or self._connect())

    def send(self, message: bytes) -> None:
        """Send one datagram: the header, then `message`."""
        data = HEADER + message
        self._patiently(lambda: self._send_connected(self._socket or self._connect(), data))

    def send_all(self, messages: Sequence[bytes]) -> None:
        """Send the datagrams without a pause.

        Between single sends a waiting receiver would be woken for each datagram, and take the processor
        away: that costs as much as the sending.
        """
        data = [HEADER + message for message in messages]
        begun = self.accepted
        while (sent := self.accepted - begun) < len(data):
            if self._socket is not None:
                self.accepted += _sent(self._socket, data[sent:])
            if (sent := self.accepted - begun) < len(data):
                # A failed send has sent nothing of its datagram: `send` finds out about the failure.
                self.send(messages[sent])
                self.accepted += 1

    def _patiently(self, use: Callable[[], object]) -> None:
        give_up = 0.0
        pause = _FIRST_PAUSE
        while True:
            try:
                use()
                return
            except SinkConnectError:
                self.close()
                now = time.monotonic()
                give_up = give_up or now + self._patience
                if now >= give_up:
                    raise
            self._check()
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            # The kernel keeps this timeout. With settimeout, Python would poll the socket before each datagram.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _WAIT_SLICE_TIMEVAL)
            self._socket.connect(os.fspath(self._path))
        except OSError as error:
            raise missing_resource(error) or self._nobody_listens(error) from error
        return self._socket

    def _send_connected(self, connected: socket.socket, data: bytes) -> None:
        while True:
            try:
                connected.send(data)
                return
            except BlockingIOError:
                self._check()
            except OSError as error:
                if error.errno in _GONE:
                    raise self._nobody_listens(error) from error
                raise SinkSendError(
                    f"Cannot send to Wazuh at {self._path}: {_reason(error)}. {_RECORDED} See ossec.log for the reason."
                ) from error

    def _nobody_listens(self, error: OSError) -> SinkConnectError:
        reason = _reason(error)
        if self._path.is_dir() or self._path.is_file():
            reason = "it is not a socket"
        elif error.errno == errno.EPROTOTYPE:
            reason = "it is a stream socket, not a datagram socket"
        return SinkConnectError(f"Cannot connect to Wazuh at {self._path}: {reason}. {_ADVICE}")


def _sent(connected: socket.socket, datagrams: Sequence[bytes]) -> int:
    """Send the datagrams until one fails; return how many were sent."""
    count = 0
    with suppress(OSError):
        for count, _ in enumerate(map(connected.send, datagrams), 1):  # noqa: B007 - the last one is the result
            pass
    return count


class LineSink(Sink):
    """A file, appended to, or stdout: one event a line. It waits for a slow reader.

    Raises SinkConnectError (exit 11) if it cannot be opened, SinkSendError (13) if writing fails.
    """

    limit = None

    def __init__(self, path: Path | None, check: Callable[[], None], *, pretty: bool = False) -> None:
        self._pretty = pretty
        self.receiver = str(path or "stdout")
        self._check = check
        self._descriptor = _STDOUT
        if path:
            self._descriptor = self._open(path)
        elif sys.stdout is None:  # closed before the process began
            raise SinkConnectError("Cannot write to stdout: it is closed. Open it, or give another --output.")
        # A larger write to a pipe may block, where no check interrupts it. Lines of a file are written whole.
        is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._at_once = None if is_file else select.PIPE_BUF

    def connect(self) -> None:
        """Do nothing: the constructor opened the file."""

    def send(self, message: bytes) -> None:
        """Write one line; the process holds nothing of it back when this returns."""
        # A line of a multi-line log event could look like another event. JSON means the same with spaces.
        line = b" ".join(message.splitlines()) + b"\n"
        if self._pretty:
            line = _indented(line)
        try:
            while line:
                while not writable(self._descriptor, _WAIT_SLICE):
                    self._check()
                line = line[os.write(self._descriptor, line[: self._at_once]) :]
        except OSError as error:
            raise SinkSendError(f"Cannot write to {self.receiver}: {_reason(error)}. {_RECORDED}") from error

    def close(self) -> None:
        """Close the file; stdout stays open."""
        if self._descriptor != _STDOUT:
            os.close(self._descriptor)

    def _open(self, path: Path) -> int:
        try:
            torn = _ends_within_a_line(path)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o660)
            if torn:
                os.write(descriptor, b"\n")
        except OSError as error:
            raise SinkConnectError(f"Cannot open {path}: {_reason(error)}. Check --output.") from error
        return descriptor


def _indented(line: bytes) -> bytes:
    """Return JSON in several lines, and anything else as it is."""
    with suppress(ValueError):
        return json.dumps(json.loads(line), indent=2, ensure_ascii=False).encode() + b"\n"
    return line


def writable(descriptor: int, seconds: float) -> bool:
    """Wait up to `seconds` until a write of PIPE_BUF bytes would not block, or would fail; tell whether it is so."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


def _ends_within_a_line(path: Path) -> bool:
    """Tell whether the file ends within a line: a kill or a full disk stopped a run that wrote to it."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
