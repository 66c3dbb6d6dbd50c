"""No secret in any output of the command: lines, tracebacks, JSON lines, usage errors, metrics and status."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults import front
from tests.faults.ground import SKIP, Ground, new_ground
from tests.harness.aws_server import Answer, Request, Server
from tests.harness.command import Home, new_home
from tests.harness.emulator import Emulator

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYzEXAMPLEKEY"
TOKEN = "a-session-token/of-some-server+that=is-long"
PASSWORD = "s3cr3t-p@ss"
EXTERNAL_ID = "external-id-0815"
QUOTED = "s3cr3t-p%40ss"
ROLE = "arn:aws:iam::123456789012:role/wazuh"
BUCKET = ("-b", "acme-logs")
FORMS = {"lines": (), "tracebacks": ("-d", "2"), "messages": ("-d", "3"), "JSON": ("-d", "2", "--log-format", "json")}


def reflect(request: Request) -> Answer:
    """Answer with everything that the request had, as some servers and debugging proxies do."""
    text = f"{dict(request.headers)} {request.body.decode()} {SECRET}".replace("<", "(").replace("&", " ")
    return Answer(403, f"<Error><Code>AccessDenied</Code><Message>{text}</Message></Error>".encode())


@dataclass(frozen=True)
class Probe:
    """A command line and its environment. `URL` is the reflecting server's address, `SHUT` a closed one."""

    arguments: Sequence[str] = BUCKET
    environment: Mapping[str, str] = field(default_factory=dict)
    config: str = ""


PROBES = {
    "token that ends in a newline": Probe(environment={"AWS_SESSION_TOKEN": f"{TOKEN}\n"}),
    "keys that end in a newline": Probe(
        environment={"AWS_ACCESS_KEY_ID": f"{KEY_ID}\n", "AWS_SECRET_ACCESS_KEY": f" {SECRET}\n"}
    ),
    "keys swapped in the environment": Probe(
        environment={"AWS_ACCESS_KEY_ID": SECRET, "AWS_SECRET_ACCESS_KEY": KEY_ID}
    ),
    "keys swapped in options": Probe((*BUCKET, "-a", SECRET, "-k", KEY_ID)),
    "token that the endpoint reflects": Probe(environment={"AWS_SESSION_TOKEN": TOKEN}),
    "password of HTTP_PROXY": Probe(environment={"HTTP_PROXY": f"http://user:{QUOTED}@SHUT", "NO_PROXY": "x"}),
    "password of HTTP_PROXY that cannot be parsed": Probe(
        environment={"HTTP_PROXY": f"http://user:{PASSWORD}@SHUT:x", "NO_PROXY": "x"}
    ),
    "password of HTTPS_PROXY": Probe(
        (*BUCKET, "-se", "https://s3.example"),
        environment={"HTTPS_PROXY": f"http://user:{QUOTED}@SHUT", "NO_PROXY": "x"},
    ),
    "password of the proxy in the file": Probe(
        environment={"NO_PROXY": "x"},
        config=f"[default]\ndefault.proxy.host = SHUTHOST\ndefault.proxy.port = SHUTPORT\n"
        f"default.proxy.username = user\ndefault.proxy.password = {PASSWORD}\n",
    ),
    "password of --service_endpoint": Probe((*BUCKET, "-se", f"http://user:{QUOTED}@URL")),
    "password of --service_endpoint, shut": Probe((*BUCKET, "-se", f"http://user:{QUOTED}@SHUT")),
    "password of --sts_endpoint that is no URL": Probe((*BUCKET, "-i", ROLE, "-st", f"http://u:{QUOTED}@h:port")),
    "external ID that STS reflects": Probe((*BUCKET, "-i", ROLE, "-x", EXTERNAL_ID)),
    "secret key in a command line that is wrong": Probe((*BUCKET, "-k", SECRET, SECRET)),
    "role with a profile's keys": Probe(
        (*BUCKET, "-p", "dev", "-i", ROLE),
        config=f"[profile dev]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n",
    ),
}


@pytest.fixture
def home(emulator: Emulator) -> Iterator[Home]:
    with new_home(emulator) as home:
        yield home


def closed_address() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PROBES)
def test_no_secret_is_printed(name: str, form: str, home: Home, tmp_path: Path) -> None:
    probe, shut = PROBES[name], closed_address()
    with Server(reflect) as server:

        def filled(text: str) -> str:
            host, _, port = shut.partition(":")
            text = text.replace("SHUTHOST", host).replace("SHUTPORT", port)
            return text.replace("URL", f"127.0.0.1:{server.port}").replace("SHUT", shut)

        config = tmp_path / "config"
        config.write_text(filled(probe.config))
        environment = {
            **home.environment,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": server.url,
            "AWS_CONFIG_FILE": str(config),
            **{variable: filled(value) for variable, value in probe.environment.items()},
        }
        metrics = tmp_path / "metrics.prom"
        arguments = [*map(filled, probe.arguments), *FORMS[form], "--metrics-file", str(metrics)]
        ended = home.run(*arguments, environment=environment)
    printed = ended.output + (metrics.read_text() if metrics.exists() else "")
    assert ended.code != 0 and ended.output
    for secret in (SECRET, TOKEN, PASSWORD, QUOTED, EXTERNAL_ID, KEY_ID):
        assert secret not in printed
    if form == "JSON" and "wrong" not in name:
        assert all(json.loads(line) for line in ended.output.splitlines())


@pytest.fixture
def reflecting() -> Iterator[Ground]:
    """Give a bucket whose objects are refused with everything that the request had."""

    def refuse(request: front.Request, answer: front.Answer) -> front.Answer:
        if request.kind != "GET":
            return answer
        reflected = reflect(Request("GET", request.name, request.headers, request.body))
        return front.Answer(reflected.status, reflected.body)

    with new_ground(1) as ground:
        ground.put(3)
        ground.front.faults = [refuse]
        yield ground


@pytest.mark.parametrize("options", [(), (SKIP,)], ids=["stopped", "skipped"])
def test_no_secret_is_kept_for_those_who_ask_for_the_status(options: Sequence[str], reflecting: Ground) -> None:
    reflecting.run(*options, environment={"AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN})
    # Nothing tells this command the values that were in use.
    reflecting.command = reflecting.command[:1]
    for form in ((), ("--json",)):
        told = reflecting.run("--status", *form).output
        assert "Object s3://" in told and ("***" in told or not form)
        assert SECRET not in told and TOKEN not in told
    for path in reflecting.state.parent.glob("*.db*"):
        assert TOKEN.encode() not in path.read_bytes()
