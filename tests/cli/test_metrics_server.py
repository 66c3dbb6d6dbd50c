"""`--metrics-listen`: metrics and health over HTTP, as long as the run lives."""

import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from aws_s3.config.command_line import parse
from aws_s3.errors import UsageError
from tests.config.files import bucket, wodle
from tests.harness.command import Home, free_port, kill, put_all, wait_until
from tests.harness.emulator import Emulator
from tests.harness.listener import Listener
from tests.harness.trails import BUCKET, trails


def has_ipv6() -> bool:
    """Tell whether the loopback interface has an address of IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture
def home(home: Home, emulator: Emulator) -> Home:
    put_all(emulator, BUCKET, trails(2))
    return home


def get(port: int, path: str, host: str = "127.0.0.1") -> str:
    """Return the answer's text, empty while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=60) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return ""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_daemon_serves_its_metrics_and_health_until_it_ends(home: Home, end: signal.Signals) -> None:
    path, port = home.path / "ossec.conf", free_port()
    path.write_text(wodle(bucket("<only_logs_after>2021-JUN-01</only_logs_after>", name=BUCKET)))
    listener = Listener(home.socket)
    process = home.start("--config", str(path), "--daemon", "--metrics-listen", str(port))
    try:
        wait_until(lambda: f'aws_s3_run_events{{kind="bucket",name="{BUCKET}"' in get(port, "/metrics"))
        assert get(port, "/healthz") == "ok\n"
        assert "aws_s3_run_events" in (home.state.parent / "aws-s3.prom").read_text()
        if end is signal.SIGTERM:
            process.send_signal(end)
            process.communicate(timeout=120)
            assert process.returncode == 0
        else:
            kill(process)
        wait_until(lambda: not get(port, "/healthz"))
    finally:
        process.kill()
        listener.close()


@pytest.fixture
def daemon(home: Home) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Give a function that starts a daemon which listens at an address."""
    path = home.path / "ossec.conf"
    path.write_text(wodle(bucket("<only_logs_after>2021-JUN-01</only_logs_after>", name=BUCKET)))
    listener = Listener(home.socket)
    started = []

    def start(address: str) -> "subprocess.Popen[str]":
        started.append(home.start("--config", str(path), "--daemon", "--metrics-listen", address))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
    listener.close()


Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_metrics_are_served_over_ipv6(daemon: Start) -> None:
    port = free_port()
    daemon(f"[::1]:{port}")
    wait_until(lambda: get(port, "/healthz", "[::1]") == "ok\n")
    assert get(port, "/healthz") == ""


def test_a_client_that_asks_nothing_does_not_keep_others_waiting(daemon: Start) -> None:
    port = free_port()
    daemon(str(port))
    wait_until(lambda: get(port, "/healthz"))
    with socket.create_connection(("127.0.0.1", port)):
        assert get(port, "/healthz") == "ok\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "nowhere.invalid"])
def test_an_address_that_cannot_be_had_is_a_warning_and_the_run_goes_on(home: Home, daemon: Start, host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"{host}:{taken.getsockname()[1]}"
        process = daemon(address)
        wait_until((home.state.parent / "aws-s3.prom").exists)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert f" WARNING: The metrics are not served: Cannot listen on {address}: " in output
    assert " Check --metrics-listen." in output


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9100", ("127.0.0.1", 9100)),
        (":9100", ("127.0.0.1", 9100)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:9100", ("::1", 9100)),
        ("[::]:9100", ("::", 9100)),
    ],
)
def test_an_address_is_taken(text: str, address: tuple[str, int]) -> None:
    assert parse(["--config", "f", "--daemon", "--metrics-listen", text]).metrics_listen == address


@pytest.mark.parametrize(
    "text", ["", "localhost", "::1:9100x", "::1:9100", "[::1]", "0", "65536", "http://localhost:9100", "a b:1"]
)
def test_another_text_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not PORT, HOST:PORT or \[IPV6\]:PORT"):
        parse(["--config", "f", "--daemon", "--metrics-listen", text])


def test_only_runs_that_keep_running_listen() -> None:
    with pytest.raises(UsageError, match="--metrics-listen goes with --follow or --daemon"):
        parse(["-b", "acme-logs", "--metrics-listen", "9100"])
