"""What stands between the command and the emulator: it counts, turns pages smaller, and injects faults."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from moto.logs.models import logs_backends

from tests.harness.aws_server import Answer, Request, Server
from tests.harness.emulator import ACCOUNT, Emulator

_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "date", "server"}
_GET = "GetLogEvents"


@dataclass(frozen=True)
class Call:
    """A request: its operation, its members, and the region that it was signed for."""

    operation: str
    members: dict[str, Any]
    region: str


Fault = Callable[[Call], Answer | None]


class Front(Server):
    """Passes requests on to the emulator, unless `fault` answers one.

    `page` is how many events GetLogEvents gives at once, since the emulator gives 10,000; with `sparse`
    every other page is empty, as AWS's may be.
    """

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(self._pass_on)
        self._host = urlsplit(emulator.url).netloc
        self.page: int | None = None
        self.sparse = False
        self.fault: Fault = lambda call: None
        self.calls: Counter[str] = Counter()

    def _pass_on(self, request: Request) -> Answer:
        operation = request.headers.get("x-amz-target", request.target).rpartition(".")[2]
        members = json.loads(request.body) if request.body.startswith(b"{") else {}
        scope = request.headers.get("authorization", "").split("/")
        self.calls[operation] += 1
        if (answer := self.fault(Call(operation, members, scope[2] if len(scope) > 2 else ""))) is not None:
            return answer
        if operation == _GET and self.sparse:
            return self._sparse(request, members)
        return self._ask(request, members if operation == _GET else None)

    def _sparse(self, request: Request, members: dict[str, Any]) -> Answer:
        token = members.pop("nextToken", "")
        if token.startswith("empty:"):
            behind = token.removeprefix("empty:")
            return self._ask(request, members | ({"nextToken": behind} if behind else {}))
        body = {"events": [], "nextForwardToken": f"empty:{token}", "nextBackwardToken": "b"}
        if token:
            # The end shows in that the token of a page comes back, not that of an empty one.
            answer = json.loads(self._ask(request, members | {"nextToken": token}).body)
            if not answer["events"]:
                body["nextForwardToken"] = token
        return json_answer(body)

    def _ask(self, request: Request, members: dict[str, Any] | None) -> Answer:
        body = request.body
        if members is not None:
            body = json.dumps(members | ({"limit": self.page} if self.page else {})).encode()
        connection = HTTPConnection(self._host, timeout=120)
        headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
        connection.request(request.method, request.target, body, headers)
        response = connection.getresponse()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
        answer = Answer(response.status, response.read(), kept)
        connection.close()
        return answer


def json_answer(content: Any, status: int = 200) -> Answer:
    """Return an answer as the API of CloudWatch Logs gives it."""
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/x-amz-json-1.1"})


def refusal(code: str, status: int = 400) -> Answer:
    """Return a refusal as the API of CloudWatch Logs words it."""
    return json_answer({"__type": code, "message": "told by the test"}, status)


def put_events(
    group: str,
    stream: str,
    events: Sequence[tuple[int, str]],
    region: str = "us-east-1",
    account: str = ACCOUNT,
) -> None:
    """Add events, milliseconds and message, straight into the emulator's memory."""
    backend = logs_backends[account][region]
    backend.ensure_log_group(group)
    streams = backend.groups[group].streams
    if stream not in streams:
        backend.groups[group].create_log_stream(stream)
    streams[stream].put_log_events([{"timestamp": time, "message": message} for time, message in events])


def streams_of(group: str, region: str = "us-east-1", account: str = ACCOUNT) -> set[str]:
    """Return the names of the group's streams."""
    return set(logs_backends[account][region].groups[group].streams)
