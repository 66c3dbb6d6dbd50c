"""Where events go: Wazuh's Unix datagram socket, a file, or stdout (SPEC 8)."""

import errno
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
from aws_s3.errors import SinkConnectError, SinkSendError
from aws_s3.settings import Output

_PATIENCE = 5.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5
_WAIT_SLICE = 0.2
_WAIT_SLICE_TIMEVAL = struct.pack("ll", 0, int(_WAIT_SLICE * 1_000_000))
_SEND_BUFFER = 1 << 20
_STDOUT = 1
_GONE = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE}
_ADVICE = "Check that Wazuh is running, or give another home with --wazuh-home."


class Sink(ABC):
    """Takes encoded messages, in order. `limit` is the largest in bytes, None for any size."""

    limit: int | None
    accepted = 0
    """How many of the messages that were given to `send_all` were accepted."""

    @abstractmethod
    def connect(self) -> None:
        """Find out whether anybody takes messages, before there are any."""

    @abstractmethod
    def send(self, message: bytes) -> None:
        """Hand the message over; when this returns, it was accepted."""

    def send_all(self, messages: Sequence[bytes]) -> None:
        """Hand the messages over; `accepted` counts them, also when the next one is refused."""
        for message in messages:
            self.send(message)
            self.accepted += 1

    @abstractmethod
    def close(self) -> None:
        """Give up the connection or file."""


def open_sink(output: Output, check: Callable[[], None]) -> Sink:
    """Return the sink of `output`; `check` is called while waiting, to raise what ends the wait.

    Raises SinkConnectError when a file cannot be opened. A socket is connected to when it is used.
    """
    if output.kind == "unix":
        assert output.path is not None
        return UnixSink(output.path, check)
    return LineSink(output.path, check)


class UnixSink(Sink):
    """A Unix datagram socket. A receiver that is slow is waited for; one that is gone, for `patience` seconds.

    Raises SinkConnectError (exit 11) when nobody listens, SinkSendError (13) when sending fails
    otherwise. A message of which it was raised has not arrived.
    """

    limit = LARGEST - len(HEADER)

    def __init__(self, path: Path, check: Callable[[], None], patience: float = _PATIENCE) -> None:
        self._path = path
        self._check = check
        self._patience = patience
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Connect; while nobody listens, wait as for sending."""
        self._patiently(lambda: self._socket or self._connect())

    def send(self, message: bytes) -> None:
        """Send one datagram: the header, then `message`."""
        data = HEADER + message
        self._patiently(lambda: self._send_connected(self._socket or self._connect(), data))

    def send_all(self, messages: Sequence[bytes]) -> None:
        """Send the datagrams, as fast as they can be.

        A receiver that waits for each is woken for each, and takes the processor away: that costs as
        much as the sending.
        """
        data = [HEADER + message for message in messages]
        begun = self.accepted
        while (sent := self.accepted - begun) < len(data):
            # Of one that fails nothing has left: what it is, the patient way finds out.
            with suppress(OSError):
                if self._socket is not None:
                    for _ in map(self._socket.send, data[sent:]):
                        self.accepted += 1
                    return
            self.send(messages[self.accepted - begun])
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
            # Kept by the kernel: with a time-out of its own, Python asks before each message whether there is room.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _WAIT_SLICE_TIMEVAL)
            self._socket.connect(os.fspath(self._path))
        except OSError as error:
            raise self._nobody_listens(error) from error
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
                raise SinkSendError(f"Cannot send to Wazuh at {self._path}: {_reason(error)}.") from error

    def _nobody_listens(self, error: OSError) -> SinkConnectError:
        reason = _reason(error)
        if self._path.is_dir() or self._path.is_file():
            reason = "it is not a socket"
        elif error.errno == errno.EPROTOTYPE:
            reason = "it is a stream socket, not a datagram socket"
        return SinkConnectError(f"Cannot connect to Wazuh at {self._path}: {reason}. {_ADVICE}")


class LineSink(Sink):
    """A file, appended to, or stdout: one message a line. A reader that is slow is waited for.

    Raises SinkConnectError (exit 11) when it cannot be opened, SinkSendError (13) when writing fails.
    """

    limit = None

    def __init__(self, path: Path | None, check: Callable[[], None]) -> None:
        self._name = str(path or "stdout")
        self._check = check
        self._descriptor = _STDOUT
        if path:
            self._descriptor = self._open(path)
        elif sys.stdout is None:  # so Python says that it was closed when the process began
            raise SinkConnectError("Cannot write to stdout: it is closed.")
        # A write of more may wait for the reader with nothing to interrupt it; a file's lines stay whole.
        is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._at_once = None if is_file else select.PIPE_BUF

    def connect(self) -> None:
        """Do nothing: it was opened in the beginning."""

    def send(self, message: bytes) -> None:
        """Write one line; it has left the process when this returns."""
        # A log event of several lines could hold one that looks like another event; JSON is the same with spaces.
        line = b" ".join(message.splitlines()) + b"\n"
        try:
            while line:
                while not writable(self._descriptor, _WAIT_SLICE):
                    self._check()
                line = line[os.write(self._descriptor, line[: self._at_once]) :]
        except OSError as error:
            raise SinkSendError(f"Cannot write to {self._name}: {_reason(error)}.") from error

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
            raise SinkConnectError(f"Cannot open {path}: {_reason(error)}.") from error
        return descriptor


def writable(descriptor: int, seconds: float) -> bool:
    """Tell whether a write of up to PIPE_BUF bytes would not wait, or would fail; wait for it so long."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


def _ends_within_a_line(path: Path) -> bool:
    """Tell whether a run was stopped, by a kill or a full disk, while it wrote to the file."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
