"""Random faults, ends, runs at once and options on one source: a piece of torture, the same for the same seed.

The source is a bucket, in every fifth piece a log group or a queue.

Chance decides about each round of a piece from the seed alone. The moments at which a process is stopped or killed
depend on the machine, too: a replay meets the same story at slightly other moments.
"""

import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from random import Random

import psutil

from tests.faults import disk, front, services
from tests.faults.front import Fault, fault, refusal, share
from tests.faults.ground import SKIP, Ground, Run, Scenario, new_ground
from tests.faults.processes import RULE, put_value
from tests.faults.scenarios import (
    error_document,
    fail,
    make_due,
    not_aws,
    refused_by_proxy,
    throttle,
    without_etag,
)
from tests.harness.receiver import Agent

ROUNDS = 12
"""Rounds of a piece: about half a minute."""

_OBJECTS = 60
_STREAMS = 20
_RECORDS = 5
_STOPS = (signal.SIGTERM, signal.SIGINT)
_CHANGES = (throttle, fail, not_aws, error_document, refused_by_proxy, without_etag)
_WAYS_OF_SENDING = (front.cut, front.nothing, front.short, front.overlong, front.slow)
_ENDS = (
    *("end", "end", "kill", "kill", "stop", "restart", "away"),
    *("worker killed", "workers stopped", "two runs", "hang", "state locked", "quota", "state damaged", "clock"),
)
_CODES = {0, 1, 2, 3, 5, 7, 11, 15, 16, 143, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT}
_DAMAGES = (disk.cut_off, disk.no_database, disk.folder)
_CLOCKS = ("+400d", "+30h", "-30h", "-4000d")
_KILOBYTES = (60, 1500)
"""Room for the journal: for nothing at all, up to more than a round needs."""

_SERVICES = (services.log_group, services.queue)
_SERVICE_ENDS = ("end", "kill", "kill", "stop", "restart", "quota")


def piece(seed: int, rounds: int = ROUNDS) -> tuple[Scenario, Ground]:
    """Play a piece; return its name, with what it may repeat beside an object for each kill, and its ground."""
    dice = Random(seed)
    workers, behind_agent = dice.randint(1, 4), dice.random() < 0.5
    put = None if seed % 5 else dice.choice(_SERVICES)
    with new_ground(workers, seed, at_once=True, behind_agent=behind_agent) as ground:
        if put:
            _play_service(ground, put, rounds)
        else:
            play(ground, rounds)
    kind = {None: "bucket", services.log_group: "log group", services.queue: "queue"}[put]
    name = f"{kind}, workers: {workers}{', an agent' if behind_agent else ''}"
    return Scenario(name, lambda _: None, forgets=ground.kills * services.HELD if put is services.queue else 0), ground


def _play_service(ground: Ground, put: services.Put, rounds: int) -> None:
    """Collect from a log group or a queue under kills, signals and quotas, then without."""
    with services.emulated(ground) as emulator:
        for number in range(rounds):
            put(ground, emulator, _STREAMS, number * _STREAMS)
            _round(ground, (), ground.dice.choice(_SERVICE_ENDS), _STREAMS * _RECORDS)
        services.complete(ground)


def play(ground: Ground, rounds: int) -> None:
    """Collect under torture, then without: in the end nothing is missing, and nothing is left in the bucket."""
    dice = ground.dice
    # An interrupted object goes on where it was only with the same rule: the rule decides which event has which number.
    rule = RULE if dice.random() < 0.3 else ()
    for number in range(rounds):
        keys = ground.put(_OBJECTS, _RECORDS, first=number * _OBJECTS)
        ground.front.hidden = set(dice.sample(keys, _OBJECTS // 4))
        ground.front.page_size = dice.choice((7, 100, 1000))
        ground.front.faults = _faults(dice)
        options = [option for option in (SKIP, "--remove") if dice.random() < 0.4] + list(rule)
        if rule and dice.random() < 0.4:
            put_value(ground, dice.choice(keys))
        _round(ground, options, dice.choice(_ENDS))
        if ground.state.exists() and dice.random() < 0.5:
            make_due(ground)
    ground.front.heal()
    make_due(ground)
    ended = ground.run("--remove", *rule)
    assert ended.code == 0, ended.output
    assert rule or not ended.output, ended.output
    assert ground.run().events == []
    assert ground.front.objects == {}


def _faults(dice: Random) -> Sequence[Fault]:
    """Return up to four faults, of a few objects each; some pass after an attempt, and some stay."""
    faults = [
        *(fault(share(dice.randrange(1 << 30), 0.02, attempts=dice.choice((1, 9))), change) for change in _CHANGES),
        *(fault(share(dice.randrange(1 << 30), 0.05, attempts=dice.choice((1, 9))), way) for way in _WAYS_OF_SENDING),
        *(fault(share(dice.randrange(1 << 30), 0.1, "LIST"), way) for way in (front.cut, fail, throttle)),
        refusal(share(dice.randrange(1 << 30), 0.01, attempts=9), "AccessDenied", 403),
        refusal(share(dice.randrange(1 << 30), 0.01), "NoSuchKey", 404),
    ]
    return dice.sample(faults, dice.randint(0, 4))


def _round(ground: Ground, options: Sequence[str], how: str, most: int = _OBJECTS * _RECORDS) -> None:
    """Let a run collect, of which something happens after some of at `most` so many messages."""
    dice = ground.dice
    supervised = _ignore_children if dice.random() < 0.2 else None
    messages, pause = dice.randint(1, most), dice.random() * 0.05
    if how == "hang":
        ground.front.faults = [*ground.front.faults, fault(share(dice.randrange(1 << 30), 0.1), front.hang)]
        messages = min(messages, _RECORDS)
    listener = ground.listen()
    with _damaged(ground, how) as is_damaged:
        runs = [ground.start(*options, listener=listener, preexec_fn=supervised, prefix=_prefix(ground, how))]
        if how == "two runs":
            time.sleep(pause * 10)
            runs.append(ground.start(*options))
        _wait(runs[0], messages, pause)
        _do(ground, runs[0], how)
        for run in reversed(runs):
            ended = run.end()
            assert ended.code in _CODES, (how, ended.code, ended.output)
            assert "Unknown error" not in ended.output and "Traceback" not in ended.output, (how, ended.output)
            assert not is_damaged or (ended.code and not ended.events), (how, ended.code, ended.output)


def _prefix(ground: Ground, how: str) -> Sequence[str]:
    """Return the command that starts the run with what the round does to it: a quota, a clock that is wrong."""
    if how == "quota":
        return ("prlimit", f"--fsize={ground.dice.randint(*_KILOBYTES) * 1024}")
    clock = ground.dice.choice(_CLOCKS)
    if how == "clock" and shutil.which("faketime"):
        # A day and more: an object that is gone would be given up.
        ground.front.faults = ()
        return ("faketime", "-f", clock)
    return ()


@contextmanager
def _damaged(ground: Ground, how: str) -> Iterator[bool]:
    """Damage the state for a round, unless there is none; tell whether it is damaged."""
    damage = ground.dice.choice(_DAMAGES)
    if how != "state damaged" or not ground.state.is_file():
        yield False
        return
    with closing(sqlite3.connect(ground.state)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = ground.state.read_bytes()
    damage(ground.state)
    yield True
    if ground.state.is_dir():
        ground.state.rmdir()
    ground.state.write_bytes(whole)


def _wait(run: Run, messages: int, pause: float) -> None:
    """Wait for so many messages, though not for ever: faults may keep them from coming."""
    assert run.listener
    deadline = time.monotonic() + 20
    while len(run.listener.received) < messages and run.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(pause)


def _do(ground: Ground, run: Run, how: str) -> None:
    """Do to a run what the round does to it; a run that has ended meanwhile is left alone."""
    seconds = ground.dice.random()
    if how == "restart":
        run.stop_listening()
        time.sleep(seconds)
        run.install()
    elif how == "away" and isinstance(run.listener, Agent):
        run.listener.is_away = True
        time.sleep(2 * seconds)
        run.listener.is_away = False
    elif how == "state locked" and ground.state.exists():
        _lock(ground, 3 * seconds)
    if run.process.poll() is not None:
        return
    workers = _workers(run)
    match how:
        case "kill":
            run.kill()
        case "stop" | "two runs" | "hang":
            run.process.send_signal(ground.dice.choice(_STOPS))
        case "worker killed" if workers:
            _all_of(workers[-1:], signal.SIGKILL)
        case "workers stopped":
            _all_of(workers, signal.SIGSTOP)
            run.process.send_signal(ground.dice.choice(_STOPS))


def _lock(ground: Ground, seconds: float) -> None:
    """Hold the state's lock for a while, as another program may, unless a run holds it for as long."""
    with closing(sqlite3.connect(ground.state, isolation_level=None)) as database, suppress(sqlite3.OperationalError):
        database.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        database.execute("ROLLBACK")


def _workers(run: Run) -> list[psutil.Process]:
    try:
        return psutil.Process(run.process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _all_of(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        # A process may end at any moment.
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _ignore_children() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
