"""AWS on this machine: moto's server, spoken to over real HTTP by the command and by the tests."""

import json
import logging
import os
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from moto.sqs.models import SQSBackend

ACCOUNT = "123456789012"
"""The account that the emulator's callers belong to."""

_KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
_DIRECTLY = Config(proxies={})

# One line a request, on stderr, is more than anybody reads.
logging.getLogger("werkzeug").setLevel(logging.ERROR)


def _make_queues_atomic() -> None:
    """Let the calls to SQS wait for each other: two at once may both get a message, or bring a deleted one back.

    SQS itself hands out each message once, and deletes it for good.
    """
    one_by_one = Lock()
    receive = SQSBackend.receive_message

    def locked(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            with one_by_one:
                return call(*args, **options)

        return wrapped

    def receive_atomically(self: SQSBackend, name: str, count: int, wait: int, *rest: Any) -> Any:
        until = time.monotonic() + wait
        while True:
            with one_by_one:
                messages = receive(self, name, count, 0, *rest)
            if messages or time.monotonic() > until:
                return messages
            time.sleep(0.05)

    changed: Any = SQSBackend
    changed.receive_message = receive_atomically
    changed.delete_message_batch = locked(SQSBackend.delete_message_batch)
    changed.change_message_visibility_batch = locked(SQSBackend.change_message_visibility_batch)


_make_queues_atomic()


class Emulator:
    """A running server on a free port. What it holds belongs to the process: use one, and `reset` it."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self._host, self._port = self._server.get_host_and_port()
        self.url = f"http://{self._host}:{self._port}"

    def __enter__(self) -> "Emulator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """Return a boto3 client of the emulator."""
        return boto3.client(service, endpoint_url=self.url, region_name=region, config=_DIRECTLY, **_KEYS)

    def reset(self) -> None:
        """Forget everything: buckets, queues, groups, of all accounts and regions."""
        self.post("/moto-api/reset")

    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        """Store an object: straight into the server's memory, since a request takes twenty times as long."""
        s3_backends[ACCOUNT]["aws"].put_object(bucket, key, body)

    def post(self, path: str, content: Any = None) -> None:
        """Call moto's own API, which sets what no AWS API can, such as Inspector's findings."""
        connection = HTTPConnection(self._host, self._port, timeout=120)
        connection.request("POST", path, json.dumps(content), {"Content-Type": "application/json"})
        response = connection.getresponse()
        connection.close()
        if response.status not in (200, 201):
            raise RuntimeError(f"POST {path} answered {response.status}")

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment of a command whose AWS is the emulator, and whose user lives in `home`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return kept | {
            "HOME": str(home),
            "TZ": "UTC",
            "NO_PROXY": self._host,
            "no_proxy": self._host,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": _KEYS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": _KEYS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
