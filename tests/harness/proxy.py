"""A forwarding HTTP proxy that asks for a password and records every request that passes."""

import base64
import select
import socket
import ssl
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.harness.aws_server import Answer, QuietHandler, Request, Server

REFUSED = Answer(407, headers={"Proxy-Authenticate": 'Basic realm="proxy"'})


class Proxy(Server):
    """A proxy, itself over TLS if `tls` is given. `log` holds `METHOD TARGET` of what it let pass."""

    def __init__(self, user: str, password: str, tls: ssl.SSLContext | None = None) -> None:
        self.log: list[str] = []
        self.refused = 0
        self._login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        super().__init__(_forward, tls)

    def admits(self, request: Request) -> bool:
        """Tell whether user and password are right, and record the request."""
        if request.headers.get("proxy-authorization") != self._login:
            self.refused += 1
            return False
        self.log.append(f"{request.method} {request.target}")
        return True

    def respond(self, request: Request) -> Answer:
        return super().respond(request) if self.admits(request) else REFUSED

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self
        forward = super()._handler()

        class Handler(forward):  # type: ignore[misc, valid-type]
            def do_CONNECT(self) -> None:
                if not proxy.admits(self.read()):
                    self.write(REFUSED)
                    return
                _tunnel(self)

        return Handler


def _forward(request: Request) -> Answer:
    """Pass a request for an absolute URL on."""
    url = urlsplit(request.target)
    host, port = str(url.hostname), url.port
    connection = HTTPConnection(host, port, timeout=120)
    if url.scheme == "https":
        # Whom the proxy trusts is not what is tested.
        connection = HTTPSConnection(host, port, timeout=120, context=_trusting())
    hop = ("proxy-authorization", "connection", "proxy-connection")
    kept = {name: value for name, value in request.headers.items() if name not in hop}
    connection.request(request.method, url._replace(scheme="", netloc="").geturl(), request.body, kept)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    dropped = ("content-length", "transfer-encoding", "connection", "date", "server")
    headers = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
    return Answer(answer.status, body, headers)


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _tunnel(handler: QuietHandler) -> None:
    """Relay bytes between the client and the host that it named, until one of them ends."""
    handler.close_connection = True
    host, _, port = handler.path.rpartition(":")
    try:
        upstream = socket.create_connection((host, int(port)), timeout=120)
    except OSError:
        handler.write(Answer(502))
        return
    with upstream:
        handler.send_response(200)
        handler.end_headers()
        both = (handler.connection, upstream)
        while (ready := select.select(both, (), (), 10)[0]) and all(_relay(one, both) for one in ready):
            pass


def _relay(source: socket.socket, both: tuple[socket.socket, socket.socket]) -> bool:
    data = source.recv(1 << 16)
    both[source is both[0]].sendall(data)
    return bool(data)
