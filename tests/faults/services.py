"""Log groups and queues under kills, signals and a listener that goes away: long stories of `scenarios`.

AWS is the emulator here. A log stream counts as an object, and so does what one message of a queue names.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from tests.faults.ground import Ground, Scenario, is_told
from tests.harness.command import COMMAND
from tests.harness.emulator import Emulator
from tests.services.front import put_events

_GROUP = "/aws/app"
_QUEUE = "q1"
_BUCKET = "acme-logs"
_RECORDS = 5
_PAGE = 10_000
_VISIBILITY = 2
HELD = 20
"""Messages that a collector holds at most: of a killed one, what it had sent is sent again."""


class Put(Protocol):
    """Fills a source with so many log streams or objects, numbered from `first` on, and lets the command collect it."""

    def __call__(self, ground: Ground, emulator: Emulator, count: int, first: int = 0, /) -> None: ...


def log_group(ground: Ground, emulator: Emulator, streams: int, first: int = 0) -> None:
    """Fill a log group, and collect from it."""
    del emulator
    ground.command = [str(COMMAND), "-sr", "cloudwatchlogs", "-g", _GROUP, "-s", "2018-JAN-01"]
    now = int(time.time() * 1000)
    for number in range(first, first + streams):
        events = [f"{number:05}-{index}" for index in range(_RECORDS)]
        ground.expect(events)
        put_events(_GROUP, f"s{number:05}", [(now, json.dumps({"aws": {"eventID": event}})) for event in events])


def quota(ground: Ground) -> None:
    """A page of 10,000 events, and room to record a part of them only: no event is sent that cannot be recorded."""
    with emulated(ground) as emulator:
        log_group(ground, emulator, 0)
        events = [f"00001-{index}" for index in range(_PAGE)]
        ground.expect(events)
        now = int(time.time() * 1000)
        put_events(_GROUP, "s1", [(now, json.dumps({"aws": {"eventID": event}})) for event in events])
        for kilobytes in (100, 300, 400, 450, 600, 1050, 1200):
            for _ in range(2):
                ended = ground.run(prefix=("prlimit", f"--fsize={kilobytes * 1024}"))
                is_told(ended, 5 if kilobytes < 600 or ended.code else 0)
        is_told(ground.run(), 0)


def queue(ground: Ground, emulator: Emulator, objects: int, first: int = 0) -> None:
    """Fill a queue with notifications, and collect what they name."""
    ground.command = [str(COMMAND), "-sb", "buckets", "-q", _QUEUE, "--workers", str(ground.workers)]
    emulator.client("s3").create_bucket(Bucket=_BUCKET)
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName=_QUEUE, Attributes={"VisibilityTimeout": str(_VISIBILITY)})["QueueUrl"]
    for number in range(first, first + objects):
        events = [f"{number:05}-{index}" for index in range(_RECORDS)]
        ground.expect(events)
        key = f"{number:05}.json"
        emulator.put_object(_BUCKET, key, json.dumps([{"eventID": event} for event in events]).encode())
        body = {"Records": [{"s3": {"bucket": {"name": _BUCKET}, "object": {"key": key}}}]}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))


def killed(put: Put, objects: int, kills: int) -> Callable[[Ground], None]:
    """Killed at random moments."""

    def play(ground: Ground) -> None:
        with emulated(ground) as emulator:
            put(ground, emulator, objects)
            for _ in range(kills):
                run = ground.start()
                run.wait_for(ground.dice.randint(1, objects * _RECORDS // kills))
                time.sleep(ground.dice.random() * 0.01)
                run.kill()
                run.end()
            complete(ground)

    return play


def interrupted(put: Put, objects: int, times: int) -> Callable[[Ground], None]:
    """Asked to stop at random moments."""

    def play(ground: Ground) -> None:
        with emulated(ground) as emulator:
            put(ground, emulator, objects)
            for number in range(times):
                run = ground.start()
                run.wait_for(ground.dice.randint(1, objects * _RECORDS // times))
                asked, code = ((signal.SIGTERM, 143), (signal.SIGINT, 2))[number % 2]
                assert run.signal(asked).code in (0, code)
            complete(ground)

    return play


def listener_away(put: Put, objects: int, seconds: float, code: int) -> Callable[[Ground], None]:
    """Nobody listens for a while: the run waits, or ends, and a later one completes it."""

    def play(ground: Ground) -> None:
        with emulated(ground) as emulator:
            put(ground, emulator, objects)
            run = ground.start()
            run.wait_for(objects * _RECORDS // 4)
            run.stop_listening()
            time.sleep(seconds)
            if not code:
                run.install()
            is_told(run.end(), code)
            complete(ground)

    return play


def complete(ground: Ground) -> None:
    """Collect the rest, messages too that a run held when it was killed."""
    time.sleep(_VISIBILITY + 0.5)
    is_told(ground.run(), 0)


@contextmanager
def emulated(ground: Ground) -> Iterator[Emulator]:
    """Let the emulator be the ground's AWS."""
    with Emulator() as emulator:
        emulator.reset()
        ground.environment = {**ground.environment, "AWS_ENDPOINT_URL": emulator.url, "NO_PROXY": "*"}
        # The emulator's own callers, in this process.
        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
        yield emulator


SHORT = [Scenario("log group: quota within a page", quota)]

LOG_GROUPS = [
    *SHORT,
    Scenario("log group: 20 SIGKILL", killed(log_group, 80, 20)),
    Scenario("log group: 20 signals", interrupted(log_group, 80, 20)),
    Scenario("log group: listener away for 3 s", listener_away(log_group, 80, 3, 0)),
    Scenario("log group: listener gone", listener_away(log_group, 80, 0, 11)),
]
"""Worker processes have no part in these."""

_QUEUES = [
    Scenario("queue: 10 SIGKILL", killed(queue, 200, 10), forgets=10 * HELD),
    Scenario("queue: 10 signals", interrupted(queue, 100, 10)),
    Scenario("queue: listener away for 3 s", listener_away(queue, 100, 3, 0)),
    Scenario("queue: listener gone", listener_away(queue, 100, 0, 11)),
]

LONG = [scenario for scenario in (*LOG_GROUPS, *_QUEUES) if scenario not in SHORT]
