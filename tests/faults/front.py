"""An S3 endpoint that misbehaves on demand: a bucket in memory, and faults between it and whoever asks.

It speaks what a collector needs in path style: ListObjectsV2, GetObject (whole or from a byte on),
DeleteObjects; and STS's GetCallerIdentity. What a fault does depends on the request only, never on the
order in which threads happen to ask: the same seed, the same faults.
"""

import hashlib
import re
import socket
import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from random import Random
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from urllib.parse import parse_qs, quote, unquote, urlsplit

BUCKET = "acme-logs"

_BEHIND_ALL = "\U0010ffff"
_PIECES = 10
_ACCOUNT = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>"
    b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@dataclass(frozen=True)
class Request:
    """What was asked for. `kind` is LIST, GET, DELETE or STS; `name` a key, or a listing's prefix.

    `attempt` counts the requests of this kind and name, `number` all, both from 1.
    """

    kind: str
    name: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    attempt: int
    number: int


@dataclass(frozen=True)
class Answer:
    """What is answered, and how: the rest is what faults are made of.

    `told` is the Content-Length where it is not the body's; `sent`, after how many bytes of the body the
    connection is cut, or, if it `hangs`, falls silent; `seconds`, how long the body takes.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    told: int | None = None
    sent: int | None = None
    hangs: bool = False
    seconds: float = 0


Fault = Callable[[Request, Answer], Answer]
When = Callable[[Request], bool]


def error(code: str, status: int) -> Answer:
    """Return an error as S3 words it."""
    return Answer(status, f"<Error><Code>{code}</Code><Message>told by the front</Message></Error>".encode())


def fault(when: When, change: Callable[[Answer], Answer]) -> Fault:
    """Return what changes the answers to some requests."""
    return lambda request, answer: change(answer) if when(request) else answer


def refusal(when: When, code: str, status: int) -> Fault:
    """Return what refuses some requests."""
    return fault(when, lambda _: error(code, status))


def cut(answer: Answer) -> Answer:
    """Cut the connection in the middle of the body."""
    return replace(answer, sent=len(answer.body) // 2)


def nothing(answer: Answer) -> Answer:
    """Close the connection without an answer."""
    return replace(answer, status=0, sent=0)


def hang(answer: Answer) -> Answer:
    """Fall silent in the middle of the body."""
    return replace(cut(answer), hangs=True)


def short(answer: Answer) -> Answer:
    """Tell, and send, half of the body as if it were all of it."""
    half = len(answer.body) // 2
    return replace(answer, told=half, sent=half)


def slow(answer: Answer) -> Answer:
    """Send the body bit by bit."""
    return replace(answer, seconds=0.2)


def overlong(answer: Answer) -> Answer:
    """Tell a longer body than there is."""
    return replace(answer, told=len(answer.body) + 7, sent=len(answer.body))


def no_keys() -> Answer:
    """Return the last page of a listing, without a key."""
    return Answer(body=_page([], ""))


def share(seed: int, part: float, kind: str = "GET", attempts: int = 1) -> When:
    """Choose the first `attempts` requests for each of a share of the names."""

    def when(request: Request) -> bool:
        chosen = Random(f"{seed} {request.name}").random() < part
        return request.kind == kind and request.attempt <= attempts and chosen

    return when


def of(kind: str, part: str) -> When:
    """Choose the requests of a kind whose name contains `part`."""
    return lambda request: request.kind == kind and part in request.name


def after(number: int) -> When:
    """Choose all requests after the first `number`."""
    return lambda request: request.number > number


class Front:
    """A bucket behind a server on a free port. `objects` and `faults` may be changed at any time."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.faults: Sequence[Fault] = ()
        self.hidden: set[str] = set()
        """Keys that listings do not show yet."""
        self.listed: dict[str, bytes] = {}
        """Contents whose size and ETag listings still show, although the objects were replaced."""
        self.page_size = 1000
        self.hanging = 0
        """How many answers of now have fallen silent."""
        self.closed = threading.Event()
        self._asked: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Front":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    def asked(self, kind: str, name: str) -> int:
        """Tell how often it was asked for."""
        return self._asked[kind, name]

    def heal(self) -> None:
        """Be a flawless endpoint from now on; requests are counted anew."""
        self.faults = ()
        self.hidden = set()
        self.listed = {}
        self.hanging = 0
        self._asked.clear()

    def answer(self, head: str, body: bytes) -> Answer:
        """Return the answer to a request, after the faults."""
        request = self._request(head, body)
        if head.startswith("HEAD "):
            whole = self._get(request)
            return replace(whole, body=b"", told=len(whole.body))
        answer = {"LIST": self._list, "GET": self._get, "DELETE": self._delete, "STS": _identity}[request.kind](request)
        for change in self.faults:
            answer = change(request, answer)
        self.hanging += answer.hangs
        return answer

    def _request(self, head: str, body: bytes) -> Request:
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        url = urlsplit(target)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        kind = "GET" if key else "LIST" if method == "GET" else "DELETE" if bucket else "STS"
        name = key or query.get("prefix", "")
        with self._lock:
            self._asked[kind, name] += 1
            attempt, number = self._asked[kind, name], self._asked.total()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Request(kind, name, query, headers, body, attempt, number)

    def _get(self, request: Request) -> Answer:
        body = self.objects.get(request.name)
        if body is None:
            return error("NoSuchKey", 404)
        headers = {"ETag": _etag(body)}
        if request.headers.get("if-match", headers["ETag"]) != headers["ETag"]:
            return error("PreconditionFailed", 412)
        first, _, last = request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
        if int(first) >= len(body) > 0:
            return error("InvalidRange", 416)
        part = body[int(first) : int(last) + 1 if last else None]
        if "range" not in request.headers:
            return Answer(200, part, headers)
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}"
        return Answer(206, part, headers)

    def _delete(self, request: Request) -> Answer:
        for key in re.findall("<Key>(.*?)</Key>", request.body.decode()):
            self.objects.pop(unescape(key), None)
        return Answer(body=b"<DeleteResult/>")

    def _list(self, request: Request) -> Answer:
        query, prefix = request.query, request.name
        delimiter = query.get("delimiter", "")
        last = query.get("continuation-token", query.get("start-after", ""))
        keys = sorted(set(self.objects) - self.hidden)
        entries: list[str] = []
        at = max(bisect_left(keys, prefix), bisect_right(keys, last))
        while (
            at < len(keys) and keys[at].startswith(prefix) and len(entries) < int(query.get("max-keys", self.page_size))
        ):
            folder, found, _ = keys[at][len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            last = f"{prefix}{folder}{delimiter}{_BEHIND_ALL}" if found else keys[at]
            entries.append(_folder(last[:-1]) if found else _entry(last, self._as_listed(last)))
            at = bisect_right(keys, last)
        more = at < len(keys) and keys[at].startswith(prefix)
        return Answer(body=_page(entries, last if more else ""))

    def _as_listed(self, key: str) -> bytes:
        return self.listed.get(key) or self.objects.get(key, b"")

    def _handler(self) -> type[StreamRequestHandler]:
        front = self

        class Handler(StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                with_next = True
                while with_next and (received := _read(self)):
                    with_next = _write(self.connection, front.answer(*received), front.closed)

        return Handler


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a caller that was killed."""


def _read(handler: StreamRequestHandler) -> tuple[str, bytes] | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = handler.rfile.readline()
        if not line:
            return None
        head += line
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return head.decode("latin-1").strip(), handler.rfile.read(int(length[1])) if length else b""


def _write(connection: socket.socket, answer: Answer, closed: threading.Event) -> bool:
    """Write the answer; tell whether the connection is to be kept."""
    if not answer.status:
        return False
    told = len(answer.body) if answer.told is None else answer.told
    lines = [f"HTTP/1.1 {answer.status} Told", f"Content-Length: {told}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    body = answer.body[: answer.sent]
    if not answer.seconds:
        connection.sendall(head + body)
    else:
        connection.sendall(head)
        size = len(body) // _PIECES + 1
        for first in range(0, len(body), size):
            closed.wait(answer.seconds / _PIECES)
            connection.sendall(body[first : first + size])
    if answer.hangs:
        closed.wait()
    return answer.sent is None


def _identity(request: Request) -> Answer:
    del request
    return Answer(body=_ACCOUNT)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def _folder(prefix: str) -> str:
    return f"<CommonPrefixes><Prefix>{quote(prefix)}</Prefix></CommonPrefixes>"


def _entry(key: str, body: bytes) -> str:
    return (
        f"<Contents><Key>{quote(key)}</Key><LastModified>2021-06-10T00:00:00.000Z</LastModified>"
        f"<ETag>{_etag(body)}</ETag><Size>{len(body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _page(entries: Sequence[str], token: str) -> bytes:
    following = f"<NextContinuationToken>{quote(token)}</NextContinuationToken>" if token else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><KeyCount>{len(entries)}</KeyCount><EncodingType>url</EncodingType>"
        f"<IsTruncated>{str(bool(token)).lower()}</IsTruncated>{following}{''.join(entries)}</ListBucketResult>"
    ).encode()
