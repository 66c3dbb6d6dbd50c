"""Asking a manager how full its queue is: real sockets, and answers of any kind."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.wazuh.analysis_socket import Analysis
from aws_s3.wazuh.state_file import EventQueue
from tests.harness.receiver import Manager


@pytest.fixture
def home() -> Iterator[Path]:
    with TemporaryDirectory(prefix="home") as folder:
        yield Path(folder)


def test_manager_tells_its_queue_and_what_it_dropped(home: Path) -> None:
    with Manager(home, size=100, rate=0) as manager:
        path = home / "queue/sockets"
        assert Analysis.ask(path / "analysis") == Analysis(EventQueue(100, 0), 0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            for _ in range(130):
                sender.sendto(b"1:Wazuh-AWS:{}", str(path / "queue"))
        deadline = time.monotonic() + 60
        while manager.dropped < 30 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert Analysis.ask(path / "analysis") == Analysis(EventQueue(100, 1), 30)


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0",
        struct.pack("<I", 2) + b"{}",
        struct.pack("<I", 9) + b'{"error":',
        struct.pack("<I", 1 << 31) + b"{}",
        struct.pack("<I", 100_000) + b"[" * 100_000,
        struct.pack("<I", 2) + b"\xff\xff",
    ],
)
def test_odd_answer_is_none(home: Path, answer: bytes) -> None:
    with answering(home / "socket", answer):
        assert Analysis.ask(home / "socket") is None


def test_silent_or_missing_engine_is_none_within_a_moment(home: Path) -> None:
    assert Analysis.ask(home / "missing") is None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(home / "silent"))
        server.listen()
        assert Analysis.ask(home / "silent") is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_is_none(answer: Any) -> None:
    assert Analysis.of(answer) is None


@pytest.mark.parametrize("usage", [True, -0.1, 1.1, "0.5", None])
def test_usage_that_makes_no_sense_is_none(usage: Any) -> None:
    assert Analysis.of({"data": {"metrics": {"queues": {"others": {"size": 10, "usage": usage}}}}}) is None
