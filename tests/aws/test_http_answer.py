"""Answers parsed by httptools are those of http.client; only a whole answer is one."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException, HTTPResponse
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.aws.http_answer import HttpAnswer, request

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
NAMES = st.sampled_from(["ETag", "etag", "X-Amz-Request-Id", "Server", "Date", "x-amz-id-2", "Content-Type"])
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)


@contextmanager
def received(*pieces: bytes) -> Iterator[socket.socket]:
    """Give a socket that receives the pieces one by one, and then the end."""
    sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with receiving:
        with sending:
            for piece in filter(None, pieces):
                sending.send(piece)
        yield receiving


def split(content: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    return [content[first:end] for first, end in pairwise(at)]


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


@given(
    status=st.sampled_from([200, 206, 301, 403, 404, 503]),
    headers=st.dictionaries(NAMES, VALUES, max_size=6),
    body=st.binary(max_size=300),
    chunk=st.one_of(st.none(), st.integers(1, 100)),
    places=st.lists(st.integers(0, 1000), max_size=8),
    size=st.integers(1, 400),
)
def test_answer_is_that_of_http_client(
    status: int, headers: dict[str, str], body: bytes, chunk: int | None, places: list[int], size: int
) -> None:
    framing = f"content-length: {len(body)}" if chunk is None else "Transfer-Encoding: chunked"
    lines = (f"HTTP/1.1 {status} Reason", framing, *map(": ".join, headers.items()), "", "")
    answer = "\r\n".join(lines).encode() + (body if chunk is None else chunked(body, chunk))
    with received(answer) as connected, closing(HTTPResponse(connected)) as expected:
        expected.begin()
        with received(*split(answer, places)) as other:
            found = HttpAnswer(other)
            assert (found.status, found.length, found.will_close) == (status, expected.length, expected.will_close)
            for name in headers:
                # http.client has the first of two headers of one name; the names here differ in case.
                assert found.headers[name.lower()] in headers.values()
            assert b"".join(iter(lambda: found.read1(size), b"")) == expected.read() == body
            assert found.read() == b""


@given(st.integers(0, 200), st.lists(st.integers(0, 200), max_size=4))
def test_answer_that_ends_early_is_no_answer(kept: int, places: list[int]) -> None:
    answer = b"HTTP/1.1 200 OK\r\nETag: e\r\nContent-Length: 100\r\n\r\n" + bytes(100)
    with received(*split(answer[: min(kept, len(answer) - 1)], places)) as connected, pytest.raises(HTTPException):
        HttpAnswer(connected).read()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01",
        b"ICY 200 OK\r\n\r\n",
        HEAD + b"Content-Length: 4\r\n\r\nabcd",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        HEAD + b"\r\nabcd",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end of the connection",
        b"HTTP/1.1 200 OK\r\nX: " + bytes(80_000),
    ],
)
def test_anything_else_is_no_answer(answer: bytes) -> None:
    with received(*split(answer, [40_000])) as connected, pytest.raises(HTTPException):
        HttpAnswer(connected).read()


def test_endless_head_ends() -> None:
    head = [b"HTTP/1.1 200 OK\r\n", *[b"X: %b\r\n" % (b"a" * 10_000)] * 8]
    with received(*head) as connected, pytest.raises(HTTPException, match="longer than 64 kB"):
        HttpAnswer(connected)


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"])
def test_connection_with_more_than_the_answer_is_not_used_again(more: bytes) -> None:
    with received(HEAD + b"\r\nabc" + more) as connected:
        answer = HttpAnswer(connected)
        assert (answer.status, answer.read(), answer.will_close) == (200, b"abc", True)


def test_answer_may_announce_the_end_of_the_connection() -> None:
    with received(HEAD + b"Connection: close\r\n\r\nabc") as connected:
        assert HttpAnswer(connected).will_close


def test_request_has_the_headers_as_they_are() -> None:
    sent = request("/a%20b", {"host": "h", "user-agent": "é"})
    assert sent == b"GET /a%20b HTTP/1.1\r\nhost: h\r\nuser-agent: \xe9\r\naccept-encoding: identity\r\n\r\n"


def test_request_may_post_a_body() -> None:
    head = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\naccept-encoding: identity\r\n\r\n"
    assert request("/", {"host": "h"}, b"\r\n{") == head + b"\r\n{"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "token\n", "Ω"])
def test_request_refuses_what_a_header_cannot_hold(value: str) -> None:
    with pytest.raises(ValueError, match=r"line break|codec"):
        request("/", {"x-amz-security-token": value})
