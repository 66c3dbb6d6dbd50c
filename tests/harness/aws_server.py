"""HTTP servers for the tests: real sockets, answers made by a function, and a record of what was asked."""

import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar


@dataclass(frozen=True)
class Request:
    """A request as it came in; the names of `headers` are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


S = TypeVar("S", bound="Server")


class Server:
    """A server on a free port of this machine, as a context; over TLS if `tls` is given."""

    def __init__(self, answer: Callable[[Request], Answer], tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._answer = answer
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self: S) -> S:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; a second time is harmless."""
        self._server.shutdown()
        self._server.server_close()

    def refuse_tunnels(self, status: int) -> None:
        """Answer CONNECT with the status and a page."""
        refusal = Answer(status, b"the page of the proxy")
        handler: Any = self._server.RequestHandlerClass
        handler.do_CONNECT = lambda connection: connection.write(refusal)

    def respond(self, request: Request) -> Answer:
        """Record the request and answer it."""
        self.requests.append(request)
        return self._answer(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        respond = self.respond

        class Handler(QuietHandler):
            def answer_request(self) -> None:
                self.write(respond(self.read()))

        return Handler


class QuietHandler(BaseHTTPRequestHandler):
    """Reads whole requests, whatever their method, and writes whole answers."""

    protocol_version = "HTTP/1.1"

    def answer_request(self) -> None:
        raise NotImplementedError

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = lambda self: self.answer_request()

    def read(self) -> Request:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, self.path, headers, body)

    def write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Transfer-Encoding" in answer.headers:
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(answer.body), answer.body))
            return
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output clean."""


def xml_error(code: str, message: str = "told by the test", status: int = 400) -> Answer:
    """Return an error as S3 words it."""
    return Answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())


EMPTY_LISTING = Answer(body=b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 that signed itself; `pem` holds its key too."""

    pem: Path

    def server_context(self, clients: "Certificate | None" = None) -> ssl.SSLContext:
        """Return what a server presents it with; it asks for the certificate `clients`, if given."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients.pem)
        return context


def make_certificate(folder: Path, name: str) -> Certificate:
    """Make one with the openssl command."""
    key, certificate, both = (folder / f"{name}.{suffix}" for suffix in ("key", "crt", "pem"))
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return Certificate(both)
