"""`--metrics-listen`: metrics and health over HTTP, as long as the run lives."""

import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from aws_s3.config.command_line import parse
from aws_s3.errors import UsageError
from tests.buckets.test_run import BUCKET, trails
from tests.config.files import bucket, wodle
from tests.harness.command import Home, kill, new_home, put_all, wait_until
from tests.harness.emulator import Emulator
from tests.harness.listener import Listener


@pytest.fixture
def home(emulator: Emulator) -> Iterator[Home]:
    emulator.client("s3").create_bucket(Bucket=BUCKET)
    put_all(emulator, BUCKET, trails(2))
    with new_home(emulator) as made:
        yield made


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def get(port: int, path: str) -> str:
    """Return the answer's text, empty while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
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


def test_an_address_that_is_taken_is_an_error(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = home.run("-sb", "buckets", "-q", "q", "--follow", "--metrics-listen", f"127.0.0.1:{port}")
    assert ended.code == 1
    said = f" ERROR: Cannot listen on 127.0.0.1:{port}: Address already in use. Check --metrics-listen."
    assert said in ended.output


@pytest.mark.parametrize(("text", "address"), [("9100", ("127.0.0.1", 9100)), ("0.0.0.0:1", ("0.0.0.0", 1))])
def test_an_address_is_taken(text: str, address: tuple[str, int]) -> None:
    assert parse(["--config", "f", "--daemon", "--metrics-listen", text]).metrics_listen == address


def test_only_runs_that_keep_running_listen() -> None:
    with pytest.raises(UsageError, match="--metrics-listen goes with --follow or --daemon"):
        parse(["-b", "acme-logs", "--metrics-listen", "9100"])
