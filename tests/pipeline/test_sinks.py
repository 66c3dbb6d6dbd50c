"""Real sockets, pipes and files: every message arrives once and whole, or an error says why not."""

import inspect
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread, Timer

import pytest

from aws_s3.errors import Interrupted, SinkConnectError, SinkSendError
from aws_s3.pipeline.sinks import LineSink, UnixSink, open_sink
from aws_s3.settings import Output
from tests.harness.command import wait_until

HEADER = b"1:Wazuh-AWS:"
NOBODY = 65534


def never() -> None:
    """Nothing asks to stop."""


def after(seconds: float) -> Callable[[], None]:
    """Return a check that a signal has arrived at, so long from now."""
    deadline = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() > deadline:
            raise Interrupted("SIGTERM", 143)

    return check


def bind(path: Path) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(path))
    receiver.settimeout(120)
    return receiver


def receive(receiver: socket.socket, count: int) -> list[bytes]:
    return [receiver.recv(1 << 20).removeprefix(HEADER) for _ in range(count)]


def leave(receiver: socket.socket, path: Path) -> None:
    receiver.close()
    path.unlink()


@pytest.fixture
def path() -> Iterator[Path]:
    """A socket's path, short enough, which pytest's own folders are not."""
    with TemporaryDirectory(prefix="sink") as folder:
        yield Path(folder, "queue")


@contextmanager
def back_after(seconds: float, path: Path) -> Iterator[list[socket.socket]]:
    """Let a receiver come so many seconds from now; at the end it is there."""
    receivers: list[socket.socket] = []
    timer = Timer(seconds, lambda: receivers.append(bind(path)))
    timer.start()
    try:
        yield receivers
    finally:
        timer.join()


def test_each_message_is_one_datagram_with_the_header(path: Path) -> None:
    receiver = bind(path)
    sink = UnixSink(path, never)
    for message in (b"{}", "ñ🙂".encode(), b"\n", b""):
        sink.send(message)
        assert receiver.recv(1 << 20) == HEADER + message
    sink.close()
    receiver.close()


def test_the_largest_message_wazuh_takes_passes(path: Path) -> None:
    receiver = bind(path)
    sink = UnixSink(path, never)
    assert sink.limit + len(HEADER) == 65_280
    sink.send(b"x" * sink.limit)
    assert len(receiver.recv(1 << 20)) == 65_280
    sink.close()
    receiver.close()


def test_a_run_uses_one_connection(path: Path) -> None:
    receiver = bind(path)
    sink = UnixSink(path, never)
    sink.send(b"1")
    path.rename(path.with_name("moved"))
    sink.send(b"2")
    assert receive(receiver, 2) == [b"1", b"2"]
    sink.close()
    receiver.close()


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("together", [1, 50])
def test_a_slow_receiver_is_waited_for(path: Path, together: int, connected: bool) -> None:
    receiver = bind(path)
    sink = UnixSink(path, never, patience=0.05)
    if connected:
        sink.connect()
    messages = [f"{number} {'x' * 4000}".encode() for number in range(600)]
    received: list[bytes] = []

    def read() -> None:
        time.sleep(0.5)
        received.extend(receive(receiver, len(messages)))

    thread = Thread(target=read)
    thread.start()
    for first in range(0, len(messages), together):
        if together == 1:
            sink.send(messages[first])
        else:
            sink.send_all(messages[first : first + together])
    thread.join()
    assert received == messages
    assert sink.accepted == (0 if together == 1 else len(messages))
    sink.close()
    receiver.close()


def fill(sink: UnixSink) -> int:
    """Send until the receiver's queue is full; return how many messages it holds."""
    sent = 0
    try:
        while True:
            sink.send(b"%d" % sent)
            sent += 1
    except Interrupted:
        return sent


def test_a_signal_ends_the_wait_for_a_receiver_that_never_reads(path: Path) -> None:
    receiver = bind(path)
    sink = UnixSink(path, after(0.3))
    began = time.monotonic()
    sent = fill(sink)
    assert time.monotonic() - began < 60
    assert receive(receiver, sent) == [b"%d" % number for number in range(sent)]
    receiver.settimeout(0)
    with pytest.raises(BlockingIOError):
        receiver.recv(1 << 20)
    sink.close()
    receiver.close()


def test_a_receiver_that_leaves_with_a_full_queue_is_waited_for_too(path: Path) -> None:
    receiver = bind(path)
    filling = UnixSink(path, after(0))
    fill(filling)
    sink = UnixSink(path, never, patience=120)
    Timer(0.1, leave, (receiver, path)).start()
    with back_after(0.3, path) as receivers:
        sink.send(b"waited")
    assert receive(receivers[0], 1) == [b"waited"]
    for opened in (filling, sink, receivers[0]):
        opened.close()


def test_messages_that_are_sent_together_go_on_where_the_receiver_comes_back(path: Path) -> None:
    receiver = bind(path)
    sink = UnixSink(path, never, patience=120)
    messages = [b"%d" % number for number in range(200)]
    thread = Thread(target=sink.send_all, args=(messages,))
    thread.start()
    before = receive(receiver, 50)
    leave(receiver, path)
    with back_after(0.3, path) as receivers:
        wait_until(lambda: bool(receivers))
        later = [int(message) for message in receive(receivers[0], 1)]
        later += [int(message) for message in receive(receivers[0], len(messages) - 1 - later[0])]
    thread.join()
    assert before == messages[:50]
    # What lay in the queue of the one that left, at most eleven messages, is gone with it.
    assert 50 <= later[0] <= 61
    assert later == list(range(later[0], len(messages)))
    assert sink.accepted == len(messages)
    sink.close()
    receivers[0].close()


def test_what_is_accepted_is_counted_where_a_signal_ends_the_wait(path: Path) -> None:
    receiver = bind(path)
    sink = UnixSink(path, after(0.3))
    messages = [b"%d" % number for number in range(5000)]
    with pytest.raises(Interrupted):
        sink.send_all(messages)
    assert 0 < sink.accepted < len(messages)
    assert receive(receiver, sink.accepted) == messages[: sink.accepted]
    receiver.settimeout(0)
    with pytest.raises(BlockingIOError):
        receiver.recv(1 << 20)
    sink.close()
    receiver.close()


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.8])
def test_a_receiver_that_comes_back_gets_everything_once(path: Path, seconds: float) -> None:
    receiver = bind(path)
    sink = UnixSink(path, never, patience=120)
    sink.send(b"before")
    assert receive(receiver, 1) == [b"before"]
    leave(receiver, path)
    with back_after(seconds, path) as receivers:
        sink.send(b"during")
        sink.send(b"after")
    assert receive(receivers[0], 2) == [b"during", b"after"]
    receivers[0].settimeout(0)
    with pytest.raises(BlockingIOError):
        receivers[0].recv(1 << 20)
    sink.close()
    receivers[0].close()


@pytest.mark.slow
def test_each_absence_has_its_own_patience(path: Path) -> None:
    sink = UnixSink(path, never, patience=4)
    for _ in range(3):
        with back_after(1.5, path) as receivers:
            sink.send(b"x")
        leave(receivers[0], path)
    sink.close()


def test_a_receiver_that_is_gone_for_good_is_an_error_after_the_patience(path: Path) -> None:
    sink = UnixSink(path, never, patience=1.6)
    began = time.monotonic()
    with pytest.raises(SinkConnectError, match=r"No such file.*--wazuh-home") as raised:
        sink.send(b"x")
    assert 1.6 <= time.monotonic() - began < 60
    assert raised.value.exit_code == 11


def test_the_patience_is_five_seconds() -> None:
    assert inspect.signature(UnixSink).parameters["patience"].default == 5


def test_a_signal_ends_the_wait_for_a_receiver_that_is_gone(path: Path) -> None:
    sink = UnixSink(path, after(0.1), patience=600)
    began = time.monotonic()
    with pytest.raises(Interrupted):
        sink.send(b"x")
    assert time.monotonic() - began < 60


def no_socket(path: Path, kind: str) -> Path:
    """Put something else in the socket's place."""
    if kind == "directory":
        path.mkdir()
    elif kind == "file":
        path.touch()
    elif kind == "socket nobody listens on":
        bind(path).close()
    elif kind == "below a file":
        path.touch()
        return path / "queue"
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "No such file or directory"),
        ("directory", "it is not a socket"),
        ("file", "it is not a socket"),
        ("socket nobody listens on", "Connection refused"),
        ("below a file", "Not a directory"),
    ],
)
def test_what_is_wrong_with_the_socket_is_told(path: Path, kind: str, reason: str) -> None:
    wrong = no_socket(path, kind)
    sink = UnixSink(wrong, never, patience=0)
    with pytest.raises(SinkConnectError, match=reason) as raised:
        sink.send(b"x")
    assert str(wrong) in str(raised.value)
    sink.close()


def test_a_stream_socket_is_told(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.bind(str(path))
        stream.listen()
        with pytest.raises(SinkConnectError, match="it is a stream socket, not a datagram socket"):
            UnixSink(path, never, patience=0).send(b"x")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_socket_without_permission_is_told(path: Path) -> None:
    receiver = bind(path)
    path.parent.chmod(0o755)
    path.chmod(0o600)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(SinkConnectError, match="Permission denied"):
            UnixSink(path, never, patience=0).send(b"x")
    finally:
        os.seteuid(0)
    receiver.close()


def test_a_message_the_socket_refuses_is_another_error(path: Path) -> None:
    receiver = bind(path)
    sink = UnixSink(path, never)
    with pytest.raises(SinkSendError, match="Message too long") as raised:
        sink.send(b"x" * (64 << 20))
    assert raised.value.exit_code == 13
    sink.send(b"next")
    assert receive(receiver, 1) == [b"next"]
    sink.close()
    receiver.close()


def test_the_output_decides_about_the_sink(path: Path) -> None:
    receiver = bind(path)
    sink = open_sink(Output("unix", path), never)
    sink.send(b"a")
    sink.close()
    assert receive(receiver, 1) == [b"a"]
    receiver.close()
    lines = open_sink(Output("file", path.with_name("lines")), never)
    lines.send(b"b")
    lines.close()
    assert path.with_name("lines").read_bytes() == b"b\n"
    assert lines.limit is None


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    for run in (b"1", b"2"):
        sink = LineSink(file, never)
        sink.send(b"a" + run)
        sink.send(b"b" * 200_000)
        sink.close()
    assert file.read_bytes().split(b"\n") == [b"a1", b"b" * 200_000, b"a2", b"b" * 200_000, b""]


def test_a_message_of_several_lines_is_one_line(tmp_path: Path) -> None:
    """Whoever writes into a log could else write events of any other origin."""
    sink = open_sink(Output("file", tmp_path / "events"), never)
    for message in (b'{\n "a": 1\r\n}', b'text\n{"integration": "aws"}', b"", b"last\n"):
        sink.send(message)
    sink.close()
    assert (tmp_path / "events").read_bytes() == b'{  "a": 1 }\ntext {"integration": "aws"}\n\nlast\n'


def test_a_line_that_a_kill_tore_does_not_spoil_the_next(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b'{"whole":1}\n{"torn":')
    sink = LineSink(file, never)
    sink.send(b"{}")
    sink.close()
    assert file.read_bytes() == b'{"whole":1}\n{"torn":\n{}\n'


def test_two_runs_share_a_file_without_tearing_lines(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    sinks = [LineSink(file, never) for _ in range(2)]

    def send(sink: LineSink, letter: bytes) -> None:
        for _ in range(200):
            sink.send(letter * 10_000)

    threads = [Thread(target=send, args=pair) for pair in zip(sinks, (b"a", b"b"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sink in sinks:
        sink.close()
    lines = file.read_bytes().splitlines()
    assert sorted(lines) == [b"a" * 10_000] * 200 + [b"b" * 10_000] * 200


@pytest.mark.parametrize(
    ("name", "reason"), [(".", "Is a directory"), ("missing/file", "No such file"), ("/dev/null/file", "Not a dir")]
)
def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(SinkConnectError, match=f"^Cannot open .*{reason}") as raised:
        open_sink(Output("file", tmp_path / name), never)
    assert raised.value.exit_code == 11


def test_a_full_disk_is_told() -> None:
    sink = LineSink(Path("/dev/full"), never)
    with pytest.raises(
        SinkSendError, match=r"^Cannot write to /dev/full: No space left on device\. The events before are recorded; "
    ) as raised:
        sink.send(b"x")
    assert raised.value.exit_code == 13
    sink.close()


def test_a_pipe_is_a_file_too_and_slow_readers_get_all(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    received: list[bytes] = []

    def read() -> None:
        with fifo.open("rb") as pipe:
            time.sleep(0.3)
            received.append(pipe.read())

    thread = Thread(target=read)
    thread.start()
    sink = LineSink(fifo, never)
    sink.send(b"x" * 1_000_000)
    sink.send(b"y")
    sink.close()
    thread.join()
    assert received == [b"x" * 1_000_000 + b"\ny\n"]


def test_a_signal_ends_the_wait_for_a_pipe_nobody_reads(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    sink = LineSink(fifo, after(0.3))
    with pytest.raises(Interrupted):
        sink.send(b"x" * 1_000_000)
    sink.close()
    os.close(reader)


# stdout is the process's own: it is tested in processes.

PROGRAM = """
import sys
from aws_s3.settings import Output
from aws_s3.pipeline.sinks import open_sink
from aws_s3.errors import CollectorError
from aws_s3.console.terminal import open_standard_streams
open_standard_streams()
try:
    sink = open_sink(Output("stdout"), lambda: None)
    for number in range({count}):
        sink.send(b"%d " % number + b"x" * 10_000)
    sink.close()
except CollectorError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def start(count: int, redirection: str = "") -> "subprocess.Popen[bytes]":
    command = ["sh", "-c", f'exec "{sys.executable}" -c "$0" {redirection}', PROGRAM.format(count=count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


RECORDED = b"The events before are recorded; the next run goes on from there.\n"


def test_stdout_gets_a_message_a_line() -> None:
    output, errors = start(20).communicate(timeout=120)
    assert [line.split()[0] for line in output.splitlines()] == [b"%d" % number for number in range(20)]
    assert {len(line.split()[1]) for line in output.splitlines()} == {10_000}
    assert errors == b""


@pytest.mark.parametrize(
    ("redirection", "code", "told"),
    [
        (">&-", 11, b"Cannot write to stdout: it is closed. Open it, or give another --output.\n"),
        (">/dev/full", 13, b"Cannot write to stdout: No space left on device. " + RECORDED),
    ],
)
def test_a_stdout_that_takes_nothing_is_told(redirection: str, code: int, told: bytes) -> None:
    process = start(1, redirection)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (code, told)


def test_a_reader_that_leaves_is_told() -> None:
    process = start(1000)
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 13
    assert process.stderr.read() == b"Cannot write to stdout: Broken pipe. " + RECORDED
    process.stderr.close()


def test_a_path_too_long_for_a_socket_is_refused_at_once() -> None:
    path = Path("/run", "ñ" * 60)
    with pytest.raises(SinkConnectError, match=r"has at most 107 bytes, and this path has 125\. ") as raised:
        open_sink(Output("unix", path), never)
    assert raised.value.exit_code == 11


def test_the_longest_path_of_a_socket_is_taken() -> None:
    with TemporaryDirectory(prefix="sink") as folder:
        path = Path(folder, "q" * (107 - len(folder) - 1))
        receiver = bind(path)
        sink = UnixSink(path, never)
        sink.connect()
        sink.close()
        leave(receiver, path)
