"""The installed command before a Wazuh that drops what it has no room for: nothing is lost behind the socket either."""

import gzip
import json
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.harness.command import Home, decoded, kill, put_all, wait_until
from tests.harness.emulator import Emulator
from tests.harness.receiver import Agent
from tests.harness.trails import BUCKET, SINCE

PATIENCE = 120.0


def fill(emulator: Emulator, objects: int, records: int) -> set[str]:
    """Store objects; return the IDs of their events, which begin with the object's number."""
    names = [f"{number:04}" for number in range(objects)]
    folder = "AWSLogs/123456789012/CloudTrail/us-east-1/2021/06/10/123456789012_CloudTrail_us-east-1_20210610T"
    bodies = {name: [{"eventID": f"{name}-{index}"} for index in range(records)] for name in names}
    put_all(
        emulator,
        BUCKET,
        {
            f"{folder}{name}Z.json.gz": gzip.compress(json.dumps({"Records": all_}).encode())
            for name, all_ in bodies.items()
        },
    )
    return {record["eventID"] for records_ in bodies.values() for record in records_}


def events(messages: Sequence[bytes]) -> Counter[str]:
    return Counter(message["aws"]["eventID"] for message in decoded(messages))


def run(home: Home, *arguments: str) -> tuple[int, str]:
    process = home.start(*SINCE, *arguments)
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def is_waiting(agent: Agent) -> bool:
    """Tell whether nothing arrives for a moment, after some did."""
    before = len(agent.received)
    time.sleep(0.6)
    return 0 < before == len(agent.received)


def test_agent_gets_all_and_drops_nothing(home: Home, emulator: Emulator) -> None:
    expected = fill(emulator, 60, 20)
    with Agent(home.path, size=400, rate=800) as agent:
        assert run(home) == (0, "")
        assert events(agent.close()) == Counter(expected)
        assert agent.dropped == 0


@pytest.mark.slow
def test_absence_midway_is_waited_for(home: Home, emulator: Emulator) -> None:
    expected = fill(emulator, 60, 20)
    with Agent(home.path, size=400, rate=800) as agent:
        process = home.start(*SINCE, "--debug", "1")
        wait_until(lambda: len(agent.received) > 300, PATIENCE)
        agent.is_away = True
        wait_until(lambda: is_waiting(agent), PATIENCE)
        agent.is_away = False
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert "Behind the socket is an agent of Wazuh 4.x" in output
        assert events(agent.close()) == Counter(expected)
        assert agent.dropped == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_signal_ends_the_wait_and_the_next_run_goes_on(home: Home, emulator: Emulator, number: signal.Signals) -> None:
    expected = fill(emulator, 3, 400)
    with Agent(home.path, size=400, rate=800) as agent:
        process = home.start(*SINCE)
        wait_until(lambda: len(agent.received) > 300, PATIENCE)
        agent.is_away = True
        wait_until(lambda: is_waiting(agent), PATIENCE)
        if number == signal.SIGKILL:
            kill(process)
        else:
            process.send_signal(number)
            output, _ = process.communicate(timeout=PATIENCE)
            assert (process.returncode, output) == (143, "ERROR: SIGTERM received.\n")
        agent.is_away = False
        assert run(home) == (0, "")
        arrived = events(agent.close())
        assert agent.dropped == 0
    assert set(arrived) == expected
    again = {event.partition("-")[0] for event, count in arrived.items() if count > 1}
    assert len(again) <= (1 if number == signal.SIGKILL else 0)


@pytest.mark.slow
def test_runs_that_wait_use_no_processor_and_bounded_memory(home: Home, emulator: Emulator) -> None:
    fill(emulator, 400, 50)
    with Agent(home.path, size=400, rate=800) as agent:
        process = home.start(*SINCE, "--workers", "3")
        wait_until(lambda: len(agent.received) > 100, PATIENCE)
        agent.is_away = True
        wait_until(lambda: is_waiting(agent), PATIENCE)
        root = psutil.Process(process.pid)
        processes = [root, *root.children(recursive=True)]
        assert len(processes) == 4
        wait_until(lambda: seconds_used(processes, 1.0) < 0.1, PATIENCE)
        assert seconds_used(processes, 5.0) < 0.5
        assert sum(each.memory_info().rss for each in processes) < 1 << 30
        kill(process)


def seconds_used(processes: Sequence[psutil.Process], during: float) -> float:
    """Return how much processor time the processes use in so many seconds."""

    def used() -> float:
        return sum(sum(each.cpu_times()[:2]) for each in processes)

    before = used()
    time.sleep(during)
    return used() - before


def test_rate_of_the_home_is_kept(home: Home, emulator: Emulator) -> None:
    fill(emulator, 10, 20)
    Path(home.path, "wodles/aws/aws-s3.options").write_text("--max-eps 100  # the firewall's limit\n")
    began = time.monotonic()
    assert home.run(*SINCE).code == 0
    assert time.monotonic() - began > 1.7
