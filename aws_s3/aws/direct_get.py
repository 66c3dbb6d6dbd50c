"""Gets small objects without the work that botocore repeats for each: a GET takes a fifth of the CPU time.

DirectGet learns from the client's own first GET where requests go and for which region they are signed.
It leaves every answer but a plain success to the client: retries, redirects and errors are the
client's. The environment variable AWS_S3_DIRECT_GET=0 switches it off; the events are the same.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from threading import local
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError
from botocore.utils import percent_encode
from urllib3.exceptions import HTTPError

from aws_s3.aws.botocore_internals import ClientParts, ExpectedAnswer, get_through, on_get_sent
from aws_s3.aws.sigv4 import host_header, signed_headers

_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]+/([a-z0-9-]+)/s3/aws4_request,")
_PATH_SAFE = "/~"


@dataclass(frozen=True)
class _Address:
    """The place of a bucket's objects: the host, the part of paths before keys, and the connections to it.

    `region` is the one that requests are signed for, `agent` the client's User-Agent.
    """

    host: str
    path: str
    region: str
    agent: str
    pool: Any


class DirectGet:
    """Gets objects of one bucket through the connections of `client`, in any thread.

    It needs the client's plain way of signing (SigV4) and no proxy. It stays off in the adaptive retry
    mode, which counts every request, and where this release of botocore keeps its parts elsewhere.
    """

    def __init__(self, client: Any, *, enabled: bool, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._address: _Address | None = None
        self._thread = local()
        self._parts = ClientParts.of(client) if enabled else None
        if self._parts and (client.meta.config.retries or {}).get("mode") != "adaptive":
            on_get_sent(client, self._see)

    def get(self, key: str, size: int, etag: str) -> bytes | None:
        """Return the content of the object as it was listed, None if the client is to be asked instead.

        The client is asked about every answer of another size or ETag. `etag` is empty if unknown.
        """
        address = self._address
        if address is None or self._parts is None:
            return None
        path = address.path + percent_encode(key, safe=_PATH_SAFE)
        try:
            credentials = self._parts.credentials.get_frozen_credentials()
            headers = signed_headers(address.host, path, address.region, credentials)
            headers["user-agent"] = address.agent
            expected = ExpectedAnswer(size, etag, self._stall_seconds)
            return get_through(address.pool, path, headers, expected)
        except (BotoCoreError, HTTPError, HTTPException, OSError, ValueError):
            return None

    @contextmanager
    def learning(self, key: str) -> Iterator[None]:
        """Learn the address from the client's GET of `key` in this block, if the block succeeds.

        Until then, requests of all threads go through the client.
        """
        self._address = None
        self._thread.key, self._thread.learned = key, None
        try:
            yield
            self._address = self._thread.learned or self._address
        finally:
            self._thread.key = None

    def _see(self, request: AWSPreparedRequest) -> None:
        """Learn from a request of the client; only that of the final attempt is remembered."""
        key = getattr(self._thread, "key", None)
        if not key or self._parts is None:
            return
        end = f"/{percent_encode(key, safe=_PATH_SAFE)}"
        scope = _SCOPE.match(_text(request.headers.get("Authorization", "")))
        self._thread.learned = None
        if scope and request.url.endswith(end) and not self._parts.proxies.proxy_url_for(request.url):
            # The client is about to give this pool the certificates to trust, and to use it.
            pool = self._parts.pools.connection_from_url(request.url)
            url = urlsplit(request.url[: 1 - len(end)])
            self._thread.learned = _Address(
                host_header(url), url.path, scope[1], _text(request.headers["User-Agent"]), pool
            )


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header
