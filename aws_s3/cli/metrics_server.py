"""`--metrics-listen`: serves the metrics file over HTTP, with prometheus-client's own application.

It is a process of its own: a run forks, and must have no other thread then. It ends with the run, however that ends.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from aws_s3.errors import CollectorError

_LOOK_SECONDS = 1.0
"""Seconds between two looks whether the run is still there."""


class _Silent(WSGIRequestHandler):
    """Writes no line for a request."""

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


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
def serving(host: str, port: int, path: Path) -> Iterator[None]:
    """Serve `/metrics` and `/healthz` until the block ends. Raises CollectorError for an address that is not free."""
    try:
        server = make_server(host, port, _application(path), handler_class=_Silent)
    except OSError as error:
        raise CollectorError(f"Cannot listen on {host}:{port}: {error.strerror}. Check --metrics-listen.") from error
    parent, child = os.getpid(), os.fork()
    if child == 0:
        _serve(server, parent)
    server.server_close()
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
