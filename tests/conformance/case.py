"""The format of a recorded case: what lies in AWS, the runs of the command, what each must give.

A case is a JSON file of the members of `Case`. Strings hold placeholders, which `Placeholders` fills.
A member that nobody reads is an error: a misspelt expectation must not pass for one that was met.
"""

import base64
import gzip
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

_PLACEHOLDER = re.compile(r"\{\{(?:(#?)D([+-]\d+)?:([^}]*)|FLOW(\d+)|(EP|FILES))\}\}")

Message = tuple[str, Any]
"""The header of a datagram, and what follows it: a JSON value, or text that is none."""


@dataclass(frozen=True)
class StoredObject:
    """An object of a bucket. `wrap` is `gzip`, `zip` or `none`; by default what the key's end says."""

    key: str
    text: str = ""
    json: Any = None
    b64: str | None = None
    wrap: str | None = None

    def body(self) -> bytes:
        """Return its bytes."""
        if self.wrap == "gzip" or (self.wrap is None and self.key.endswith(".gz")):
            return gzip.compress(self._content(), mtime=0)
        if self.wrap == "zip" or (self.wrap is None and self.key.endswith(".zip")):
            return _zipped(self._content())
        return self._content()

    def _content(self) -> bytes:
        if self.b64 is not None:
            return base64.b64decode(self.b64)
        return (self.text if self.json is None else json.dumps(self.json)).encode()


@dataclass(frozen=True)
class Setup:
    """What there is before the first run.

    `objects` lie in `bucket`, those of `buckets` in others; `flow_logs`: how many to create in each
    region; `logs`: `[{region, group, streams: [{name, events: [{ago_s, message}]}]}]`; `inspector`: the
    findings of each region; `sqs`: `{name, messages}`; `files` are found under {{FILES}}; `env` is
    added to the command's environment.
    """

    bucket: str = ""
    objects: tuple[StoredObject, ...] = ()
    buckets: Mapping[str, tuple[StoredObject, ...]] = field(default_factory=dict)
    flow_logs: Mapping[str, int] = field(default_factory=dict)
    logs: Sequence[Any] = ()
    inspector: Mapping[str, Any] = field(default_factory=dict)
    sqs: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    aws_config: str = ""
    aws_credentials: str = ""


@dataclass(frozen=True)
class Expectation:
    """What a run must give; only what is there is compared.

    `rows` of each table, without times; `left`: keys in the bucket; `queue`: messages in the queue;
    `out`, `out_never`: texts printed, and not printed; `buckets_only`: messages that come from no
    object do not count; `oversize`: of two messages, the one with the eventID `big` was cut, and says so.
    """

    exit: int | None = None
    messages: Sequence[Message] | None = None
    rows: Mapping[str, Sequence[Sequence[Any]]] | None = None
    left: Sequence[str] | None = None
    queue: int | None = None
    out: Sequence[str] = ()
    out_never: Sequence[str] = ()
    buckets_only: bool = False
    oversize: bool = False


@dataclass(frozen=True)
class Run:
    """One run of the command, and what is done before it: `put` and `delete` objects, `put_logs`, `send`."""

    args: Sequence[str]
    expect: Expectation
    put: tuple[StoredObject, ...] = ()
    put_logs: Sequence[Any] = ()
    delete: Sequence[str] = ()
    send: Sequence[Any] = ()
    no_socket: bool = False
    cwd: str | None = None


@dataclass(frozen=True)
class Case:
    """One situation, and why it is recorded."""

    name: str
    why: str
    setup: Setup
    runs: tuple[Run, ...]

    @classmethod
    def of(cls, recorded: Mapping[str, Any]) -> "Case":
        """Return the case of a file's content."""
        return cls(**{**recorded, "setup": _setup(recorded["setup"]), "runs": tuple(map(_run, recorded["runs"]))})


@dataclass(frozen=True)
class Placeholders:
    """What stands for what is known only when a case runs.

    {{D-1:%Y/%m/%d}}: the UTC day `now`, offset in days; {{#D:%Y%m%d}}: the same as a number;
    {{FLOW0}}: the id of the first flow log; {{EP}}: the emulator's URL; {{FILES}}: the folder of `files`.
    """

    now: datetime
    endpoint: str
    files: Path
    flow_logs: Sequence[str] = ()

    def fill(self, value: Any) -> Any:
        """Return a copy of a JSON value with all placeholders filled, names of members included."""
        if isinstance(value, str):
            whole = _PLACEHOLDER.fullmatch(value)
            text = _PLACEHOLDER.sub(self._filled, value)
            return int(text) if whole and whole[1] else text
        if isinstance(value, list):
            return [self.fill(element) for element in value]
        if isinstance(value, dict):
            return {self.fill(name): self.fill(member) for name, member in value.items()}
        return value

    def _filled(self, found: re.Match[str]) -> str:
        _, offset, form, flow_log, name = found.groups()
        if form is not None:
            return (self.now + timedelta(days=int(offset or 0))).strftime(form)
        if flow_log is not None:
            return self.flow_logs[int(flow_log)]
        return {"EP": self.endpoint, "FILES": str(self.files)}[name]


def _setup(recorded: Mapping[str, Any]) -> Setup:
    buckets = {name: _objects(objects) for name, objects in recorded.get("buckets", {}).items()}
    return Setup(**{**recorded, "objects": _objects(recorded.get("objects", ())), "buckets": buckets})


def _run(recorded: Mapping[str, Any]) -> Run:
    expect = Expectation(**recorded["expect"])
    return Run(**{**recorded, "expect": expect, "put": _objects(recorded.get("put", ()))})


def _objects(recorded: Sequence[Mapping[str, Any]]) -> tuple[StoredObject, ...]:
    return tuple(StoredObject(**stored) for stored in recorded)


def _zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("log", content)
    return archive.getvalue()
