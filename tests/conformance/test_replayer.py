"""The replayer tells of a command that does not do its work."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.replayer import replay
from tests.harness.emulator import Emulator

RUN = {"args": ["-b", "acme-logs"], "expect": {"exit": 0, "messages": [["1:Wazuh-AWS:", {"n": 1}]], "left": ["old"]}}
CASE: dict[str, Any] = {
    "name": "n",
    "why": "w",
    "setup": {"bucket": "acme-logs", "objects": [{"key": "old"}]},
    "runs": [RUN, {**RUN, "put": [{"key": "new"}], "delete": ["old"]}],
}
SENDING = """#!/usr/bin/env python3
import os, socket
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
    out.sendto(b'1:Wazuh-AWS:{"n":1}', os.environ["WAZUH_HOME"] + "/queue/sockets/queue")
"""


@pytest.fixture
def command(tmp_path: Path) -> Path:
    path = tmp_path / "command"
    path.touch(0o755)
    return path


def test_what_each_run_lacks_is_told(emulator: Emulator, command: Path) -> None:
    command.write_text("#!/bin/sh\nexit 3\n")
    told = replay(CASE, emulator, command)
    assert [line.split(";")[0] for line in told[:2]] == ["run 0: exit 3, want 0", "run 0: 0 messages, want 1"]
    assert told[-1] == 'run 1: keys left: ["new"], want ["old"]'


def test_what_was_sent_is_seen(emulator: Emulator, command: Path) -> None:
    command.write_text(SENDING)
    assert replay({**CASE, "runs": [RUN]}, emulator, command) == []


@pytest.mark.parametrize("name", ["cloudtrail-no-regions", "wazuh-down", "args-none"])
def test_a_command_that_does_nothing_passes_no_case(name: str, emulator: Emulator, command: Path) -> None:
    command.write_text("#!/bin/sh\n")
    recorded = json.loads((Path(__file__).parent / f"cases/{name}.json").read_text())
    assert replay(recorded, emulator, command)
