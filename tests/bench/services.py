"""CloudWatch Logs in `make bench`: seconds and requests of a first run, and of one with little new.

The endpoint is the emulator, whose answers take longer than AWS's; what counts are the requests, of
which AWS allows 25 a second.
"""

import json
import time
from collections.abc import Iterator

from tests.command import Home, new_home
from tests.emulator import Emulator
from tests.services.front import Front, put_events

_GROUP = "/bench/group"
_STREAMS = 200
_EVENTS = 500
_NEW = 3


def rows() -> Iterator[str]:
    """Run both, and yield a line for each."""
    with Emulator() as emulator, new_home(emulator) as home, Front(emulator) as front:
        emulator.reset()
        home.environment = {**home.environment, "AWS_ENDPOINT_URL": front.url}
        start = int(time.time() * 1000) - 2 * 60 * 60 * 1000
        for stream in range(_STREAMS):
            events = [(start + number * 1000, json.dumps({"n": number})) for number in range(_EVENTS)]
            put_events(_GROUP, f"stream-{stream:03}", events)
        yield _measured(f"{_STREAMS} streams of {_EVENTS} events", home, front, _STREAMS * _EVENTS)
        for stream in range(_NEW):
            put_events(_GROUP, f"stream-{stream:03}", [(int(time.time() * 1000), '{"n": -1}')])
        yield _measured(f"again, {_NEW} events new", home, front, _NEW)


def _measured(name: str, home: Home, front: Front, events: int) -> str:
    front.calls.clear()
    began = time.perf_counter()
    ended = home.run("-sr", "cloudwatchlogs", "-g", _GROUP, "-s", "2018-JAN-01")
    seconds = time.perf_counter() - began
    if ended.code or len(ended.messages) != events:
        raise RuntimeError(f"{name}: {len(ended.messages)} events arrived, not {events}: {ended.output}")
    requests = ", ".join(f"{count} {operation}" for operation, count in sorted(front.calls.items()))
    return f"{name}: {events:,} events in {seconds:.1f} s, {requests}"


if __name__ == "__main__":
    for row in rows():
        print(row, flush=True)
