"""The answer to a request that was written to a socket, parsed by httptools (the extra `fast`).

http.client takes half of the time of a small GET to write five headers and to parse ten, because it reads them as the
headers of an email.
"""

from collections import deque
from collections.abc import Mapping
from http.client import HTTPException, RemoteDisconnected
from typing import Any

from httptools import HttpParserError, HttpResponseParser

_RECEIVED = 1 << 16
_LARGEST_HEAD = 1 << 16


def request(path: str, headers: Mapping[str, str], posted: bytes | None = None) -> bytes:
    """Return the GET of `path`, which is percent-encoded, or the POST of a body.

    Raises ValueError for a header that HTTP cannot carry.
    """
    method, length = ("GET", ()) if posted is None else ("POST", (f"content-length: {len(posted)}",))
    first = f"{method} {path} HTTP/1.1"
    lines = (first, *map(": ".join, headers.items()), *length, "accept-encoding: identity", "", "")
    head = "\r\n".join(lines).encode("latin-1")
    if len(head.splitlines()) != len(lines) - 1:
        raise ValueError("a header of the request holds a line break")
    return head + (posted or b"")


class HttpAnswer:
    """An answer in the form of http.client's HTTPResponse: its head, and its body as it comes.

    `headers` have their names in lower case. `length`: the bytes of the body, None if the head does not tell.
    `will_close`: nothing more can be asked on this connection. All of it raises OSError or HTTPException.
    """

    def __init__(self, connected: Any) -> None:
        """Read the head from a connected socket."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.length: int | None = None
        self.will_close = True
        self._socket = connected
        self._parser = HttpResponseParser(self)
        self._body: deque[bytes] = deque()
        self._is_complete = False
        received = 0
        while not self.status:
            received += self._receive()
            if received > _LARGEST_HEAD:
                raise HTTPException(f"the head of the answer is longer than {_LARGEST_HEAD >> 10} kB")

    def read1(self, size: int) -> bytes:
        """Return at most `size` bytes of the body as soon as there are any, empty at its end."""
        while not self._body and not self._is_complete:
            self._receive()
        if not self._body:
            return b""
        chunk = self._body.popleft()
        if len(chunk) > size:
            self._body.appendleft(chunk[size:])
        return chunk[:size]

    def read(self) -> bytes:
        """Return the rest of the body."""
        while not self._is_complete:
            self._receive()
        rest = b"".join(self._body)
        self._body.clear()
        return rest

    def close(self) -> None:
        """Read no more. The connection is its owner's to close."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take note of a header."""
        if not self.status:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Take note of the end of the head."""
        if self.status:
            # Bytes behind the answer, which nobody asked for.
            self.will_close = True
            return
        self.status = self._parser.get_status_code()
        self.will_close = not self._parser.should_keep_alive()
        if "transfer-encoding" not in self.headers and "content-length" in self.headers:
            self.length = int(self.headers["content-length"])

    def on_body(self, chunk: bytes) -> None:
        """Take a part of the body."""
        if not self._is_complete:
            self._body.append(chunk)

    def on_message_complete(self) -> None:
        """Take note of the end of the body."""
        self._is_complete = True

    def _receive(self) -> int:
        data = self._socket.recv(_RECEIVED)
        if not data:
            raise RemoteDisconnected("the connection ended before the answer did")
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            raise HTTPException(f"the answer is not HTTP: {error}") from error
        return len(data)
