"""A log group before a Wazuh that drops what it has no room for: a signal ends the wait, and nothing comes twice."""

import json
import signal
import time
from collections import Counter

import pytest

from tests.harness.command import decoded, new_home, wait_until
from tests.harness.emulator import Emulator
from tests.harness.receiver import Agent
from tests.services.front import put_events

GROUP = "/aws/app"
COLLECT = ("-sr", "cloudwatchlogs", "-g", GROUP, "-s", "2018-JAN-01")
PATIENCE = 120.0


@pytest.mark.slow
def test_signal_ends_the_wait_and_the_next_run_goes_on(emulator: Emulator) -> None:
    now = int(time.time() * 1000)
    expected = [f"{number:05}" for number in range(1200)]
    put_events(GROUP, "stream", [(now, json.dumps({"aws": {"eventID": event}})) for event in expected])
    with new_home(emulator) as home, Agent(home.path, size=400, rate=800) as agent:
        process = home.start(*COLLECT)
        wait_until(lambda: len(agent.received) > 300, PATIENCE)
        agent.is_away = True
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode, output) == (143, "ERROR: SIGTERM received.\n")
        agent.is_away = False
        process = home.start(*COLLECT)
        output, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode, output) == (0, "")
        arrived = Counter(message["aws"]["eventID"] for message in decoded(agent.close()))
        assert agent.dropped == 0
    assert arrived == Counter(expected)
