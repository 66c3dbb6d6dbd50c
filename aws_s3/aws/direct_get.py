"""Getting small objects without what boto3 does anew for each: it takes a fifth of the CPU time of a GET.

Where requests go, and for which region they are signed, is learned from the client's own first one.
Whatever is not a plain success is left to the client: retries, redirects and errors are its business.
"""

import re
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from threading import local
from typing import Any
from urllib.parse import SplitResult, urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError
from botocore.utils import percent_encode
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from aws_s3.aws.sigv4 import signed_headers

_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]+/([a-z0-9-]+)/s3/aws4_request,")
_PATH_SAFE = "/~"
_PORTS = {"http": 80, "https": 443}
_OK = 200


@dataclass(frozen=True)
class _Address:
    """Where a bucket's objects are: its host, what precedes keys in paths, and the connections there.

    `region` is what requests are signed for, `agent` whom the client says that it is.
    """

    host: str
    path: str
    region: str
    agent: str
    pool: Any


class DirectGet:
    """Gets objects of one bucket through the connections of `client`, in any thread.

    It works only with the client's plain way of signing (SigV4), and not with the adaptive retry mode,
    which wants to know of every request.
    """

    def __init__(self, client: Any) -> None:
        # Private to botocore and urllib3: without them every GET goes through the client.
        connections = getattr(getattr(client, "_endpoint", None), "http_session", None)
        self._pools: Any = getattr(connections, "_manager", None)
        self._proxies: Any = getattr(connections, "_proxy_config", None)
        self._credentials: Any = getattr(getattr(client, "_request_signer", None), "_credentials", None)
        self._address: _Address | None = None
        self._asked = local()
        is_usable = self._pools and self._proxies and self._credentials and hasattr(HTTPConnectionPool, "_get_conn")
        if is_usable and (client.meta.config.retries or {}).get("mode") != "adaptive":
            client.meta.events.register("before-send.s3.GetObject", self._see)

    def get(self, key: str) -> bytes | None:
        """Return the object's content, None where the client is to be asked."""
        address = self._address
        if address is None:
            return None
        path = address.path + percent_encode(key, safe=_PATH_SAFE)
        try:
            credentials = self._credentials.get_frozen_credentials()
            headers = signed_headers(address.host, path, address.region, credentials)
            return _content(address.pool, path, {**headers, "user-agent": address.agent})
        except (BotoCoreError, HTTPError, HTTPException, OSError, ValueError):
            return None

    def expect(self, key: str | None) -> None:
        """Tell the key that the client is asked for next in this thread; None, that it got its answer."""
        self._asked.key = key
        if key is None and (learned := getattr(self._asked, "learned", None)):
            self._address = learned

    def forget(self) -> None:
        """Leave requests to the client until it has succeeded again."""
        self._address = None

    def _see(self, request: AWSPreparedRequest, **_: Any) -> None:
        """Look at a request of the client: it is the last one before it succeeds that counts."""
        end = f"/{percent_encode(getattr(self._asked, 'key', None) or '', safe=_PATH_SAFE)}"
        scope = _SCOPE.match(_text(request.headers.get("Authorization", "")))
        # A proxy's connections are the client's business, too.
        usable = len(end) > 1 and request.url.endswith(end) and not self._proxies.proxy_url_for(request.url)
        self._asked.learned = None
        if scope and usable:
            # The client is about to use this pool, and to give it the certificates to trust.
            pool = self._pools.connection_from_url(request.url)
            url = urlsplit(request.url[: 1 - len(end)])
            self._asked.learned = _Address(_host(url), url.path, scope[1], _text(request.headers["User-Agent"]), pool)


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


def _host(url: SplitResult) -> str:
    """Return the host as requests name it: without the port that goes without saying."""
    name = url.hostname or ""
    name = f"[{name}]" if ":" in name else name
    return name if url.port in (None, _PORTS[url.scheme]) else f"{name}:{url.port}"


def _content(pool: Any, path: str, headers: dict[str, str]) -> bytes | None:
    """Return what is at `path`; None when the answer is not a plain success."""
    connection = pool._get_conn()  # noqa: SLF001
    if connection.sock is None:
        # How one is opened, with time-outs and certificates, is urllib3's business.
        pool._put_conn(connection)  # noqa: SLF001
        return _content_over_new(pool, path, headers)
    try:
        # What urllib3 puts around this takes as long again.
        HTTPConnection.request(connection, "GET", path, headers=headers)
        response = HTTPConnection.getresponse(connection)
        content = response.read()
    except BaseException:
        connection.close()
        raise
    finally:
        pool._put_conn(connection)  # noqa: SLF001
    return content if response.status == _OK else None


def _content_over_new(pool: Any, path: str, headers: dict[str, str]) -> bytes | None:
    response = pool.urlopen(
        "GET", path, headers=headers, retries=False, assert_same_host=False, preload_content=False,
        decode_content=False,
    )  # fmt: skip
    content: bytes = response.read()
    return content if response.status == _OK else None
