"""Runs that have to end, and processes that do not listen: values that a regex never ends on, stopped workers."""

import gzip
import json
import signal

import psutil

from tests.faults.ground import FEW, MANY, Ground, Run, Scenario, end_soon, is_told
from tests.harness.command import wait_until

RULE = ("--discard-field", "userAgent", "--discard-regex", "(a+)+$")
_SECONDS_OF_WORK = 0.5


def put_value(ground: Ground, key: str, times: int = 1) -> None:
    """Give an object's records a value, which a client chose, on which the rule takes for ever."""
    content = json.loads(gzip.decompress(ground.front.objects[key]))
    for record in content["Records"][:times]:
        record["userAgent"] = "a" * 40 + "b"
    ground.front.objects[key] = gzip.compress(json.dumps(content).encode(), mtime=0)


def endless_regex(ground: Ground) -> None:
    """The events are sent, and a line says so."""
    keys = ground.put(MANY)
    for key in (keys[2], keys[-2]):
        put_value(ground, key)
    ended = ground.run(*RULE)
    assert (ended.code, len(ended.events)) == (0, MANY * 3), ended.output
    line, *_ = ended.output.splitlines()
    assert line.startswith('WARNING: The "(a+)+$" regex ran for over a second on one event'), line


def endless_regex_interrupted(ground: Ground) -> None:
    """Asked to stop, or killed, amid values that take minutes: nothing is left of the run."""
    records = 100
    for key in ground.put(MANY, records)[:4]:
        put_value(ground, key, records)
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        run = ground.start(*RULE)
        processes = _at_work(run, max(1, ground.workers - 1))
        if number == signal.SIGKILL:
            run.kill()
            run.end()
        else:
            assert run.signal(number).code in (143, 2)
        end_soon(processes)
    is_told(ground.run(), 0)


def _at_work(run: Run, count: int) -> list[psutil.Process]:
    """Wait until so many of the run's processes work, though the run sends nothing; return all of them."""
    main = psutil.Process(run.process.pid)
    before = {each.pid: sum(each.cpu_times()[:2]) for each in (main, *main.children(recursive=True))}

    def work() -> bool:
        if run.process.poll() is not None:
            return True
        worked = [sum(each.cpu_times()[:2]) for each in main.children(recursive=True) or [main]]
        start = 0 if main.children() else before[main.pid] + 1
        return sum(seconds > start + _SECONDS_OF_WORK for seconds in worked) >= count

    wait_until(work)
    return [main, *main.children(recursive=True)]


def stopped_workers(ground: Ground) -> None:
    """SIGSTOP, as a debugger sends it, or a frozen cgroup: the run ends when it is asked to, and so do they."""
    ground.put(MANY * 3, 5)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        run = ground.start()
        run.wait_for(10)
        workers = psutil.Process(run.process.pid).children(recursive=True)
        for worker in workers:
            worker.suspend()
        if number == signal.SIGKILL:
            run.kill()
            run.end()
        else:
            assert run.signal(number).code in (143, 2)
        end_soon(workers)
    is_told(ground.run(), 0)


def children_ignored(ground: Ground) -> None:
    """Started by a supervisor that ignores SIGCHLD: nobody can wait for a child, and none is left."""
    for first in (0, MANY):
        ground.put(MANY, first=first)
        run = ground.start(preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        run.wait_for(1)
        workers = psutil.Process(run.process.pid).children(recursive=True)
        is_told(run.end(), 0)
        end_soon(workers)


def few_descriptors(ground: Ground) -> None:
    """Too few for anything, then for workers: a line names the limit, or one process does the work."""
    ground.put(FEW)
    told = 0
    for limit in (*range(8, 40, 4), 64):
        ended = ground.run(prefix=("sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh"))
        told += ended.code == 1 and "ERROR: Too few file descriptors: this process may open " in ended.output
        assert ended.code == 0 or told, (limit, ended.output)
        assert "Unknown error" not in ended.output and "Check that Wazuh" not in ended.output, (limit, ended.output)
    assert told
    is_told(ground.run(), 0)


SCENARIOS = [
    Scenario("a regex that never ends", endless_regex, (1, 3)),
    Scenario("signals while a regex never ends", endless_regex_interrupted, (1, 3)),
    Scenario("signals while workers are stopped", stopped_workers, (3,), about_workers=True),
    Scenario("SIGCHLD ignored", children_ignored, (1, 3)),
    Scenario("too few file descriptors", few_descriptors, (1, 3)),
]
