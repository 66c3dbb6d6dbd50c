"""Gets small objects without the work that botocore repeats for each: a GET takes a fifth of the CPU time.

DirectGet learns from the client's own first GET where requests go and for which region they are signed.
It leaves every answer but a plain success to the client: retries, redirects and errors are the
client's. The environment variable AWS_S3_DIRECT_GET=0 switches it off; the events are the same.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from threading import local
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError
from botocore.utils import percent_encode
from urllib3.exceptions import HTTPError

from aws_s3.aws.botocore_internals import ClientParts, ExpectedAnswer, get_through, on_sent
from aws_s3.aws.sigv4 import host_header, signed_headers, signed_post_headers

_SCOPE = r"AWS4-HMAC-SHA256 Credential=[^,]+/([a-z0-9-]+)/{}/aws4_request,"
_PATH_SAFE = "/~"

UNANSWERED = (BotoCoreError, HTTPError, HTTPException, OSError, ValueError)
"""The exceptions of a request past the client, which then is the client's."""


@dataclass(frozen=True)
class _Address:
    """The place of a bucket or service: the host, the path less the end that was asked for, and the connections to it.

    `region` is the one that requests are signed for, `agent` the client's User-Agent.
    """

    host: str
    path: str
    region: str
    agent: str
    parts: ClientParts
    pool: Any

    def headers(self, path: str, query: str = "") -> dict[str, str]:
        """Return the headers of a GET of S3, signed with the client's credentials. Raises BotoCoreError."""
        credentials = self.parts.credentials.get_frozen_credentials()
        return signed_headers(self.host, path, self.region, credentials, query=query) | {"user-agent": self.agent}

    def post_headers(self, service: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """Return the headers of a POST to a service, signed likewise. Raises BotoCoreError."""
        credentials = self.parts.credentials.get_frozen_credentials()
        headers = {"host": self.host, **headers}
        return signed_post_headers(headers, body, (self.region, service), credentials) | {"user-agent": self.agent}


class LearnedAddress:
    """The address of one bucket or service, as the client's own requests of one operation show it, in any thread.

    Learning needs the client's plain way of signing (SigV4) and no proxy. It stays off in the adaptive retry
    mode, which counts every request, and where this release of botocore keeps its parts elsewhere.
    """

    def __init__(self, client: Any, operation: str, *, enabled: bool) -> None:
        self.known: _Address | None = None
        self._thread = local()
        self._parts = ClientParts.of(client) if enabled else None
        if self._parts and (client.meta.config.retries or {}).get("mode") != "adaptive":
            self._scope = re.compile(_SCOPE.format(client.meta.service_model.signing_name))
            on_sent(client, operation, self._see)

    @contextmanager
    def learning(self, end: str = "") -> Iterator[None]:
        """Learn from the client's request in this block, if the block succeeds and the URL's path has this end.

        Until then, requests of all threads go through the client.
        """
        self.known = None
        self._thread.end, self._thread.learned = end, None
        try:
            yield
            self.known = self._thread.learned or self.known
        finally:
            self._thread.end = None

    def _see(self, request: AWSPreparedRequest) -> None:
        """Learn from a request of the client; only that of the final attempt is remembered."""
        end = getattr(self._thread, "end", None)
        if end is None or self._parts is None:
            return
        self._thread.learned = None
        scope = self._scope.match(_text(request.headers.get("Authorization", "")))
        url = urlsplit(request.url)
        if scope and url.path.endswith(end) and not self._parts.proxies.proxy_url_for(request.url):
            # The client is about to give this pool the certificates to trust, and to use it.
            pool = self._parts.pools.connection_from_url(request.url)
            path, agent = url.path.removesuffix(end), _text(request.headers["User-Agent"])
            self._thread.learned = _Address(host_header(url), path, scope[1], agent, self._parts, pool)


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


class DirectGet:
    """Gets objects of one bucket through the connections of `client`, in any thread."""

    def __init__(self, client: Any, *, enabled: bool, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._address = LearnedAddress(client, "GetObject", enabled=enabled)

    def get(self, key: str, size: int, etag: str) -> bytes | None:
        """Return the content of the object as it was listed, None if the client is to be asked instead.

        The client is asked about every answer of another size or ETag. `etag` is empty if unknown.
        """
        address = self._address.known
        if address is None:
            return None
        path = address.path + _path_end(key)
        try:
            expected = ExpectedAnswer(size, etag, self._stall_seconds)
            return get_through(address.pool, path, address.headers(path), expected)
        except UNANSWERED:
            return None

    def learning(self, key: str) -> AbstractContextManager[None]:
        """Learn the address from the client's GET of `key` in this block."""
        return self._address.learning(_path_end(key))


def _path_end(key: str) -> str:
    return f"/{percent_encode(key, safe=_PATH_SAFE)}"
