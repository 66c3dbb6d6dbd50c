"""An endpoint in memory with the latency of AWS's, that serves thousands of requests a second.

It speaks what a collector needs of a bucket in path style: ListObjectsV2, GetObject (whole or a range),
and what it needs of STS, CloudWatch Logs and SQS. `GET /requests` answers how many of each kind there were,
and when the first came. Run as a process of its own, with a pickled corpus on stdin; it prints its port.
"""

import asyncio
import json
import pickle
import re
import sys
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from typing import cast
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.bench.corpus import BUCKET, Corpus
from tests.bench.json_apis import JsonApis

_BEHIND_ALL = "\U0010ffff"
_LENGTH = re.compile(rb"(?im)^content-length:\s*(\d+)")
_TARGET = re.compile(rb"(?im)^x-amz-target:\s*\w+\.(\w+)")
_RANGE = re.compile(rb"(?im)^range:\s*bytes=(\d+)-(\d*)")
_IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:iam::123456789012:user/x</Arn><UserId>X</UserId><Account>123456789012</Account>"
    b"</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
)


class Endpoint:
    """What is stored, and the answers to requests. Latencies are in seconds."""

    def __init__(self, corpus: Corpus, get_latency: float, list_latency: float) -> None:
        self._bodies = corpus.bodies
        self._objects = corpus.objects
        self._keys = sorted(corpus.objects)
        self._latency = {"LIST": list_latency}
        self._get_latency = get_latency
        self._json_apis = JsonApis(corpus)
        self.requests: Counter[str] = Counter()
        self._first_request = 0.0

    def answer(self, head: bytes, body: bytes) -> tuple[float, bytes]:
        """Return how long the request takes, and the response."""
        method, target, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        url = urlsplit(target)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        if bucket == "requests":
            first, self._first_request = self._first_request, 0.0
            return 0, _response("200 OK", json.dumps({"counts": self.requests, "first": first}).encode())
        self._first_request = self._first_request or time.time()
        operation = _TARGET.search(head)
        kind = operation[1].decode() if operation else "STS" if method == "POST" else "GET" if key else "LIST"
        self.requests[kind] += 1
        return self._latency.get(kind, self._get_latency), self._answer(kind, key, head, url.query, body)

    def _answer(self, kind: str, key: str, head: bytes, query: str, body: bytes) -> bytes:
        if kind == "GET":
            return self._get(key, head)
        if kind == "LIST":
            return _response("200 OK", self._list(parse_qs(query)))
        return _response("200 OK", _IDENTITY if kind == "STS" else self._json_apis.answer(kind, body))

    def _get(self, key: str, head: bytes) -> bytes:
        if key not in self._objects:
            return _response("404 Not Found", b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>")
        body = self._bodies[self._objects[key]]
        asked = _RANGE.search(head)
        if asked is None:
            return _response("200 OK", body)
        first, part = int(asked[1]), body[int(asked[1]) : int(asked[2]) + 1 if asked[2] else None]
        place = f"Content-Range: bytes {first}-{first + len(part) - 1}/{len(body)}\r\n"
        return _response("206 Partial Content", part, place)

    def _list(self, query: dict[str, list[str]]) -> bytes:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        limit = int(query.get("max-keys", ["1000"])[0])
        entries: list[str] = []
        last = ""
        at = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after) if after else 0)
        while at < len(self._keys) and self._keys[at].startswith(prefix) and len(entries) < limit:
            key = self._keys[at]
            folder, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                last = prefix + folder + delimiter
                entries.append(f"<CommonPrefixes><Prefix>{quote(last)}</Prefix></CommonPrefixes>")
                last += _BEHIND_ALL
                at = bisect_left(self._keys, last)
            else:
                last = key
                entries.append(self._entry(key))
                at += 1
        truncated = at < len(self._keys) and self._keys[at].startswith(prefix)
        return _page(entries, f"<NextContinuationToken>{quote(last)}</NextContinuationToken>" if truncated else "")

    def _entry(self, key: str) -> str:
        size = len(self._bodies[self._objects[key]])
        return (
            f"<Contents><Key>{quote(key)}</Key><LastModified>2024-01-03T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;e&quot;</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )


def _page(entries: list[str], token: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><KeyCount>{len(entries)}</KeyCount><EncodingType>url</EncodingType>"
        f"<IsTruncated>{str(bool(token)).lower()}</IsTruncated>{token}{''.join(entries)}</ListBucketResult>"
    ).encode()


def _response(status: str, body: bytes, header: str = "") -> bytes:
    return (
        f'HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nETag: "e"\r\n{header}'
        "Last-Modified: Wed, 03 Jan 2024 00:00:00 GMT\r\nx-amz-request-id: 1\r\n\r\n"
    ).encode() + body


class _Connection(asyncio.Protocol):
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            body, self._received = self._received[end + 4 : whole], self._received[whole:]
            latency, response = self._endpoint.answer(head, body)
            asyncio.get_running_loop().call_later(latency, self._write, response)

    def _write(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


async def _serve(endpoint: Endpoint) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(endpoint), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Endpoint(pickle.load(sys.stdin.buffer), *map(float, sys.argv[1:]))))
