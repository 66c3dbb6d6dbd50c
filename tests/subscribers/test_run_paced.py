"""A queue before a Wazuh that drops what it has no room for: a signal ends the wait, and nothing comes twice."""

import json
import signal
import subprocess
import time
from collections import Counter

import pytest

from tests.harness.command import decoded, new_home, wait_until
from tests.harness.emulator import Emulator
from tests.harness.receiver import Agent

BUCKET = "acme-logs"
COLLECT = ("-sb", "buckets", "-q", "q1")
PATIENCE = 120.0
VISIBILITY = 2
"""Seconds: the wait is longer than a message stays invisible on its own."""


def fill(emulator: Emulator, objects: int, records: int) -> Counter[str]:
    emulator.client("s3").create_bucket(Bucket=BUCKET)
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName="q1", Attributes={"VisibilityTimeout": str(VISIBILITY)})["QueueUrl"]
    expected: Counter[str] = Counter()
    for number in range(objects):
        events = [f"{number}-{index}" for index in range(records)]
        expected.update(events)
        emulator.put_object(BUCKET, f"{number}.json", json.dumps([{"eventID": event} for event in events]).encode())
        body = {"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": f"{number}.json"}}}]}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    return expected


@pytest.mark.slow
def test_signal_ends_the_wait_and_the_next_run_goes_on(emulator: Emulator) -> None:
    expected = fill(emulator, 3, 400)
    with new_home(emulator) as home, Agent(home.path, size=400, rate=800) as agent:
        process = home.start(*COLLECT)
        wait_until(lambda: len(agent.received) > 300, PATIENCE)
        agent.is_away = True
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode, output) == (143, "ERROR: SIGTERM received.\n")
        agent.is_away = False
        assert finished(home.start(*COLLECT)) == (0, "")
        assert arrived(agent) == expected


@pytest.mark.slow
def test_messages_stay_invisible_while_the_run_waits(emulator: Emulator) -> None:
    expected = fill(emulator, 40, 30)
    with new_home(emulator) as home, Agent(home.path, size=400, rate=800) as agent:
        processes = [home.start(*COLLECT) for _ in range(2)]
        wait_until(lambda: len(agent.received) > 300, PATIENCE)
        agent.is_away = True
        time.sleep(3 * VISIBILITY)
        agent.is_away = False
        for process in processes:
            assert finished(process) == (0, "")
        assert arrived(agent) == expected


def finished(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def arrived(agent: Agent) -> Counter[str]:
    messages = decoded(agent.close())
    assert agent.dropped == 0
    return Counter(message["aws"]["eventID"] for message in messages)
