"""Signs GETs of S3 and requests in JSON with AWS Signature Version 4, in a tenth of the time that botocore takes.

Rules: the S3 API reference, "Authenticating Requests (AWS Signature Version 4)". The tests compare
these signatures with botocore's.
"""

import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache, reduce
from time import gmtime, strftime, struct_time
from typing import Protocol
from urllib.parse import SplitResult

_ALGORITHM = "AWS4-HMAC-SHA256"
_PORTS = {"http": 80, "https": 443}
_NO_BODY = hashlib.sha256().hexdigest()


class Credentials(Protocol):
    """AWS's keys; temporary keys have a `token`."""

    access_key: str
    secret_key: str
    token: str | None


def signed_headers(
    host: str, path: str, region: str, credentials: Credentials, now: struct_time | None = None, *, query: str = ""
) -> dict[str, str]:
    """Return the headers of a GET of `path`, percent-encoded, signed for S3 in `region`.

    `host` has its port, unless that is the protocol's default. `now` is UTC. `query` is percent-encoded and
    sorted by name.
    """
    headers = {"host": host, "x-amz-content-sha256": _NO_BODY}
    return _signed(f"GET\n{path}\n{query}", headers, _NO_BODY, (region, "s3"), credentials, now)


def signed_post_headers(
    headers: Mapping[str, str],
    body: bytes,
    scope: tuple[str, str],
    credentials: Credentials,
    now: struct_time | None = None,
) -> dict[str, str]:
    """Return the headers of a POST to `/`, signed for the `scope`: a region, and the service's name for signatures.

    `headers` are in lower case, with the host; all of them are signed.
    """
    return _signed("POST\n/\n", headers, hashlib.sha256(body).hexdigest(), scope, credentials, now)


def _signed(
    request_line: str,
    headers: Mapping[str, str],
    digest: str,
    scope: tuple[str, str],
    credentials: Credentials,
    now: struct_time | None,
) -> dict[str, str]:
    """Return the headers with the signature. `digest` is the body's."""
    time = strftime("%Y%m%dT%H%M%SZ", now or gmtime())
    signed = {**headers, "x-amz-date": time}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = f"{request_line}\n{lines}\n{names}\n{digest}"
    where = f"{time[:8]}/{'/'.join(scope)}/aws4_request"
    text = "\n".join((_ALGORITHM, time, where, hashlib.sha256(request.encode()).hexdigest()))
    signature = _digest(_signing_key(credentials.secret_key, time[:8], scope), text).hex()
    credential = f"{credentials.access_key}/{where}"
    signed["authorization"] = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return signed


@lru_cache(maxsize=4)
def _signing_key(secret_key: str, day: str, scope: tuple[str, str]) -> bytes:
    return reduce(_digest, (day, *scope, "aws4_request"), f"AWS4{secret_key}".encode())


def _digest(key: bytes, text: str) -> bytes:
    # Not hmac.digest(): it releases the interpreter lock, and getting it back from busy threads takes longer.
    return hmac.new(key, text.encode(), "sha256").digest()


def host_header(url: SplitResult) -> str:
    """Return the host of a URL as the Host header has it: without the protocol's default port."""
    name = url.hostname or ""
    name = f"[{name}]" if ":" in name else name
    return name if url.port in (None, _PORTS[url.scheme]) else f"{name}:{url.port}"
