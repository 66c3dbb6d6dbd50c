"""Downloads against a real endpoint: ranges, limits, and the short way around the client."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.download import Downloader
from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import S3Bucket
from aws_s3.errors import UnavailableError
from tests.harness.aws_server import Certificate, make_certificate


class LogType(ThreadingHTTPServer):
    """Answers GETs, whole or ranges, slowly enough to see how many are at work."""

    daemon_threads = True

    def __init__(self, bodies: dict[str, bytes], seconds: float, certificate: Certificate | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.certificate = certificate
        if certificate:
            self.socket = certificate.server_context().wrap_socket(self.socket, server_side=True)
        self.bodies = bodies
        self.seconds = seconds
        self.failures: list[tuple[int, bytes]] = []
        self.cuts = 0
        self.closes = False
        self.drips: list[int] = []
        """After how many bytes the next bodies come byte by byte."""
        self.broken: bytes | None = None
        self.agents: Counter[str] = Counter()
        self.keys: list[str] = []
        self.ranges: list[str] = []
        self.busy = self.busiest = 0
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that gave up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LogType

    def do_GET(self) -> None:
        bucket = self.server
        with bucket.lock:
            bucket.busy += 1
            bucket.busiest = max(bucket.busiest, bucket.busy)
            assert self.headers["User-Agent"].startswith("aws-s3")
            bucket.agents["client" if "amz-sdk-invocation-id" in self.headers else "direct"] += 1
        time.sleep(bucket.seconds)
        broken, bucket.broken = bucket.broken, None
        if broken is not None:
            self.wfile.write(broken)
            self.close_connection = True
            return
        key = self.path.removeprefix("/logs/")
        bucket.keys.append(key)
        status, body = bucket.failures.pop() if bucket.failures else (200, bucket.bodies.get(key, b""))
        if (asked := self.headers.get("Range")) and status == 200:
            bucket.ranges.append(asked)
            first, _, last = asked.removeprefix("bytes=").partition("-")
            whole, (status, body) = len(body), (206, body[int(first) : int(last) + 1 if last else None])
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(body) - 1}/{whole}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        with bucket.lock:
            bucket.busy -= 1
            cut, bucket.cuts = bucket.cuts, max(0, bucket.cuts - 1)
            drips = bucket.drips.pop(0) if bucket.drips else len(body)
        self.wfile.write(body[: len(body) // 2] if cut else body[:drips])
        for byte in body[drips:]:
            time.sleep(0.01)
            self.wfile.write(bytes([byte]))
        self.close_connection = bool(cut) or bucket.closes

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


@contextmanager
def serving(
    bodies: dict[str, bytes], seconds: float = 0.0, certificate: Certificate | None = None
) -> Iterator[LogType]:
    server = LogType(bodies, seconds, certificate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def client(server: LogType, **config: Any) -> Any:
    # Releases of botocore before 1.36 check no body, and do not know the setting.
    if "response_checksum_validation" in Config.OPTION_DEFAULTS:
        config["response_checksum_validation"] = "when_required"
    return boto3.client(
        "s3",
        endpoint_url=f"http{'s' if server.certificate else ''}://127.0.0.1:{server.server_port}",
        verify=str(server.certificate.pem) if server.certificate else None,
        region_name="eu-west-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(
            user_agent="aws-s3",
            proxies={},
            max_pool_connections=50,
            **config,
        ),
    )


def store(server: LogType, downloads: TransferConfig | None = None, **config: Any) -> S3Bucket:
    return S3Bucket(client(server, **config), "logs", downloads or TransferConfig())


def get(store: S3Bucket, key: str, size: int) -> bytes:
    with store.get(S3Object(key, size, '"e"')) as content:
        return content.read()


def get_all(store: S3Bucket, bodies: dict[str, bytes]) -> dict[str, bytes]:
    """Get all of the objects, each in a thread of its own."""
    got: dict[str, bytes] = {}
    threads = [
        threading.Thread(target=lambda key=key: got.update({key: get(store, key, len(bodies[key]))})) for key in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


pytestmark = pytest.mark.usefixtures("http_parser")

BODIES = {f"AWSLogs/a{number}.gz": bytes([number]) * 1000 for number in range(9)}


def test_small_objects_go_the_short_way_once_the_client_has_shown_it() -> None:
    with serving(BODIES) as server:
        there = store(server)
        assert {key: get(there, key, len(body)) for key, body in BODIES.items()} == BODIES
        assert server.agents == {"client": 1, "direct": 8}


def test_small_objects_go_the_short_way_over_tls_too(tmp_path: Path) -> None:
    with serving(BODIES, certificate=make_certificate(tmp_path, "server")) as server:
        there = store(server)
        assert {key: get(there, key, len(body)) for key, body in BODIES.items()} == BODIES
        assert get_all(there, BODIES) == BODIES
        assert server.agents == {"client": 1, "direct": 17}


def test_connection_that_the_server_closed_between_is_opened_again() -> None:
    with serving(BODIES) as server:
        there = store(server)
        for number, (key, body) in enumerate(BODIES.items()):
            server.closes = number % 3 == 1
            assert get(there, key, len(body)) == body
        assert server.agents["direct"] >= 5


def test_answer_that_breaks_off_is_left_to_the_client() -> None:
    with serving(BODIES) as server:
        there = store(server)
        get(there, "AWSLogs/a1.gz", 1000)
        for number, broken in enumerate(
            (b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n")
        ):
            server.broken = broken
            assert get(there, "AWSLogs/a2.gz", 1000) == BODIES["AWSLogs/a2.gz"]
            assert server.agents == {"client": 2 + number, "direct": 1 + number}


@pytest.mark.parametrize("key", ["a b", "a+b", "a%2Fb", "ä/漢", "a~b", "a?b=c", "a#b", "a//b", "(a)*'!"])
def test_any_key_is_asked_for_as_the_client_would(key: str) -> None:
    with serving({}) as server:
        there = store(server)
        get(there, key, 0)
        get(there, key, 0)
        assert server.agents == {"client": 1, "direct": 1}
        assert server.keys[0] == server.keys[1]


@pytest.mark.parametrize("status", [503, 500, 403, 301])
def test_what_is_no_success_is_left_to_the_client(status: int) -> None:
    with serving(BODIES) as server:
        there = store(server)
        get(there, "AWSLogs/a1.gz", 1000)
        server.failures.append((status, b""))
        assert get(there, "AWSLogs/a2.gz", 1000) == BODIES["AWSLogs/a2.gz"]


def test_body_that_is_cut_goes_on_where_it_broke() -> None:
    with serving(BODIES) as server:
        there = store(server)
        server.cuts = 1
        assert get(there, "AWSLogs/a1.gz", 1000) == BODIES["AWSLogs/a1.gz"]
        assert server.ranges == ["bytes=500-"]
        server.cuts = 1
        assert get(there, "AWSLogs/a2.gz", 1000) == BODIES["AWSLogs/a2.gz"]


def test_body_shorter_than_its_listing_told_goes_on_where_it_ended() -> None:
    with serving(BODIES) as server:
        there = store(server)
        server.failures.append((200, BODIES["AWSLogs/a1.gz"][:300]))
        assert get(there, "AWSLogs/a1.gz", 1000) == BODIES["AWSLogs/a1.gz"]
        assert server.ranges == ["bytes=300-"]
        server.failures.append((200, b""))
        assert get(there, "AWSLogs/a2.gz", 1000) == BODIES["AWSLogs/a2.gz"]


def test_body_that_is_always_cut_is_unavailable() -> None:
    with serving(BODIES) as server:
        there = store(server)
        server.cuts = 1000
        with pytest.raises(UnavailableError):
            get(there, "AWSLogs/a1.gz", 1000)


WAYS = {
    "direct": TransferConfig(),
    "client": TransferConfig(direct_get=False),
    "rated": TransferConfig(max_bandwidth=10_000_000),
    "ranges": TransferConfig(multipart_threshold=100_000, multipart_chunksize=100_000),
}


@pytest.mark.parametrize("way", WAYS)
def test_body_that_drips_is_given_up_and_goes_on_where_it_ended(way: str) -> None:
    body = bytes(range(256)) * 800
    with serving({"a": b"x", "large": body}) as server:
        downloader = Downloader(client(server), "logs", WAYS[way], stall_seconds=0.2)
        downloader.get("a", 1, '"e"').close()
        server.drips = [10_000]
        with downloader.get("large", len(body), '"e"') as content:
            assert content.read() == body
        assert server.drips == []
        if way != "direct":
            assert any(10_000 <= int(asked[6:].partition("-")[0]) % 100_000 < 13_000 for asked in server.ranges)


@pytest.mark.parametrize("way", WAYS)
def test_body_that_always_drips_ends_as_a_time_out_that_names_its_url(way: str) -> None:
    body = bytes(200_000)
    with serving({"large": body}) as server:
        downloader = Downloader(client(server), "logs", WAYS[way], stall_seconds=0.1)
        server.drips = [0] * 1000
        with pytest.raises(ReadTimeoutError, match=f"{server.server_port}/logs/large"):
            downloader.get("large", len(body), '"e"')


def test_switch_sends_every_object_through_the_client() -> None:
    with serving(BODIES) as server:
        there = store(server, TransferConfig(direct_get=False))
        assert {key: get(there, key, len(body)) for key, body in BODIES.items()} == BODIES
        assert server.agents == {"client": 9}


def test_adaptive_retries_see_every_request() -> None:
    with serving(BODIES) as server:
        there = store(server, retries={"mode": "adaptive"})
        for key in BODIES:
            get(there, key, 1000)
        assert server.agents == {"client": 9}


def test_never_more_requests_at_once_than_allowed() -> None:
    large = {"large": bytes(range(256)) * 4000}
    bodies = {**BODIES, **large}
    settings = TransferConfig(max_concurrent_requests=3, multipart_threshold=100_000, multipart_chunksize=100_000)
    with serving(bodies, seconds=0.05) as server:
        assert get_all(store(server, settings), bodies) == bodies
        assert server.busiest == 3


def test_large_object_is_downloaded_in_ranges_side_by_side() -> None:
    bodies = {"large": bytes(range(256)) * 40_000}
    settings = TransferConfig(multipart_threshold=1 << 20, multipart_chunksize=1 << 20)
    with serving(bodies, seconds=0.5) as server:
        assert get_all(store(server, settings), bodies) == bodies
        assert len(server.ranges) == 10
        assert server.busiest > 3


def test_rate_is_kept_by_all_downloads_together() -> None:
    bodies = {f"b{number}": bytes(500_000) for number in range(4)}
    with serving(bodies) as server:
        start = time.monotonic()
        get_all(store(server, TransferConfig(max_bandwidth=2_000_000)), bodies)
        assert time.monotonic() - start >= 0.9
