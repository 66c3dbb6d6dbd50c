"""`--metrics-listen`: serves the metrics file over HTTP, with prometheus-client's own application.

It is a process of its own: a run forks, and must have no other thread then. It ends with the run, however that ends.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import TCPServer
from typing import Any, NoReturn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from aws_s3.errors import CollectorError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""Seconds between two looks whether the run is still there."""


_REQUEST_SECONDS = 5.0
"""Seconds that a client has for its request: others wait meanwhile."""


class _Handler(WSGIRequestHandler):
    """Writes no line for a request, and waits for no client for ever."""

    timeout = _REQUEST_SECONDS

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class _Server(WSGIServer):
    """A server at the first address of a host, of IPv4 or IPv6."""

    def __init__(self, host: str, port: int) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self.address_family = family
        super().__init__((str(address[0]), int(address[1])), _Handler)

    def server_bind(self) -> None:
        """Bind, without HTTPServer's question for the host's full name, which may take the name service minutes."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away."""


class _FileCollector:
    """The metrics of the file, as it is when they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def collect(self) -> Iterator[Any]:
        """Yield the families of metrics."""
        from prometheus_client.parser import text_string_to_metric_families

        with suppress(OSError):
            yield from text_string_to_metric_families(self._path.read_text(encoding="utf-8"))


@contextmanager
def listening(host: str, port: int) -> Iterator[WSGIServer]:
    """Listen at the address until the block ends. Raises CollectorError for one that is not free, or not here."""
    try:
        server = _Server(host, port)
    except OSError as error:
        raise CollectorError(
            f"Cannot listen on {shown(host, port)}: {error.strerror}. Check --metrics-listen."
        ) from error
    try:
        yield server
    finally:
        server.server_close()


def shown(host: str, port: int) -> str:
    """Return the address as a URL has it: `[::1]:9100`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def serving(host: str, port: int, path: Path) -> Iterator[None]:
    """Serve `/metrics` and `/healthz` until the block ends; an address that is not free is a WARNING."""
    try:
        with listening(host, port) as server:
            server.set_app(_application(path))
            parent, child = os.getpid(), os.fork()
            if child == 0:
                _serve(server, parent)
    except CollectorError as error:
        # A run is worth more than its metrics, which are in their file anyway.
        log.warning("The metrics are not served: %s", error)
        yield
        return
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _serve(server: WSGIServer, parent: int) -> NoReturn:
    try:
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        server.timeout = _LOOK_SECONDS
        while os.getppid() == parent:
            server.handle_request()
    finally:
        # None of the run's handlers or flushes may happen here.
        os._exit(0)


def _application(path: Path) -> Callable[..., Iterable[bytes]]:
    from prometheus_client import CollectorRegistry, make_wsgi_app

    registry = CollectorRegistry()
    registry.register(_FileCollector(path))
    metrics: Callable[..., Iterable[bytes]] = make_wsgi_app(registry)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == "/healthz":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"ok\n"]
        return metrics(environ, start_response)

    return application
