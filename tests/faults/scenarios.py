"""What can go wrong, each as a story that ends well: a run, its fault, and the runs that make good for it.

A story asserts exit codes and lines; losses and repeats are counted for all of them alike.
"""

import fcntl
import gzip
import os
import shutil
import signal
import sqlite3
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from tests.faults import disk, front, memory, processes, services
from tests.faults.front import Answer, Fault, Request, after, fault, of, refusal, share
from tests.faults.ground import FEW, MANY, SKIP, Ground, Run, Scenario, SlowListener, end_soon, is_told, seconds_to_end
from tests.harness.command import wait_until


def passing(*faults: Fault) -> Callable[[Ground], None]:
    """Faults that pass after some attempts: the run does not even end with an error."""

    def play(ground: Ground) -> None:
        ground.put(MANY)
        ground.front.faults = faults
        is_told(ground.run(), 0)

    return play


def lasting(code: int, *faults: Fault, objects: int = FEW) -> Callable[[Ground], None]:
    """Faults that last for a run, which ends in `code`; the next run completes it."""

    def play(ground: Ground) -> None:
        ground.put(objects)
        ground.front.faults = faults
        first = is_told(ground.run(), code)
        assert len(first.events) < objects * 3
        ground.front.heal()
        is_told(ground.run(), 0)

    return play


def one_object(code: int, change: Callable[[Answer], Answer], objects: int = FEW) -> Callable[[Ground], None]:
    """One object that cannot be had: its region stops there, the other goes on."""

    def play(ground: Ground) -> None:
        key = ground.put(objects)[3]
        ground.front.faults = [fault(of("GET", key), change)]
        ended = is_told(ground.run(), code)
        assert len(ended.events) == (3 + objects // 2) * 3
        assert key in ended.output
        ground.front.heal()
        is_told(ground.run(), 0)

    return play


def skipped(change: Callable[[Answer], Answer], objects: int = FEW) -> Callable[[Ground], None]:
    """One object that cannot be had is passed over, never deleted, and sent once it can be had."""

    def play(ground: Ground) -> None:
        key = ground.put(objects)[3]
        for _ in range(2):
            ground.front.faults = [fault(of("GET", key), change)]
            ended = ground.run(SKIP, "--remove")
            assert ended.code == 0 and key in ended.output and ended.reasons == []
            assert list(ground.front.objects) == [key]
        ground.front.heal()
        make_due(ground)
        assert len(is_told(ground.run(SKIP, "--remove"), 0).events) == 3
        assert ground.front.objects == {}

    return play


def listed_and_gone(ground: Ground) -> None:
    key = ground.put(FEW)[3]
    body = ground.front.objects[key]
    ground.front.faults = [refusal(of("GET", key), "NoSuchKey", 404)]
    assert ground.run(SKIP).code == 0
    ground.front.heal()
    assert ground.front.objects[key] == body
    assert len(is_told(ground.run(SKIP), 0).events) == 3


def listed_late(ground: Ground) -> None:
    keys = ground.put(FEW)
    ground.front.hidden = {keys[0], keys[7], keys[-1]}
    assert len(is_told(ground.run(), 0).events) == (FEW - 3) * 3
    ground.front.heal()
    assert len(is_told(ground.run(), 0).events) == 9


def page_missing(ground: Ground) -> None:
    """A listing ends a page too soon, as if there was no more; the next one does not."""
    ground.put(MANY)
    ground.front.page_size = 50
    ground.front.faults = [fault(lambda request: "continuation-token" in request.query, lambda _: front.no_keys())]
    assert len(is_told(ground.run(), 0).events) == 100 * 3
    ground.front.heal()
    assert len(is_told(ground.run(), 0).events) == (MANY - 100) * 3


def in_ranges(ground: Ground) -> None:
    """Large objects come in ranges, some of which are cut or refused at first."""
    (ground.home / ".aws/config").write_text(
        "[default]\ns3 =\n  multipart_threshold = 8KB\n  multipart_chunksize = 8KB\n"
    )
    ground.put(6, records=2000)
    ground.front.faults = [
        fault(share(1, 0.5, attempts=3), front.cut),
        fault(share(2, 0.5, attempts=3), front.short),
        refusal(share(3, 0.3, attempts=2), "SlowDown", 503),
    ]
    is_told(ground.run(), 0)


def rewritten(ground: Ground) -> None:
    """After it was listed, an object is written again: shorter, longer."""
    shorter, longer = ground.put(FEW)[3:5]

    def rewrite(request: Request, answer: Answer) -> Answer:
        if of("LIST", _EU)(request):
            for key, level in ((shorter, 9), (longer, 0)):
                content = gzip.decompress(ground.front.objects[key]).replace(b" ", b"")
                ground.front.objects[key] = gzip.compress(content, level, mtime=0)
        return answer

    ground.front.faults = [rewrite]
    is_told(ground.run(), 0)


def broken(ground: Ground) -> None:
    """A malformed object is one error event, stays where it is, and stops nothing."""
    key = ground.put(FEW)[3]
    ground.front.objects[key] = ground.front.objects[key][:-9]
    ground.expect_less(3)
    ended = ground.run(SKIP, "--remove")
    assert (ended.code, len(ended.reasons), list(ground.front.objects)) == (0, 1, [key])
    assert ground.run(SKIP, "--remove").reasons == []


def interrupted(times: int) -> Callable[[Ground], None]:
    """Asked to stop at random moments, each run records what was accepted."""

    def play(ground: Ground) -> None:
        ground.put(MANY, 5)
        for number in range(times):
            asked, code = ((signal.SIGTERM, 143), (signal.SIGINT, 2))[number % 2]
            run = ground.start()
            run.wait_for(ground.dice.randint(1, MANY * 5 // times))
            time.sleep(ground.dice.random() * 0.01)
            ended = run.signal(asked)
            assert ended.code in (0, code), ended.output
        is_told(ground.run(), 0)

    return play


def interrupted_while_hanging(ground: Ground) -> None:
    key = ground.put(MANY)[9]
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 2)):
        ground.front.faults = [fault(of("GET", key), front.hang)]
        run = ground.start()
        wait_until(lambda: ground.front.asked("GET", key), 30)
        run.wait_for(1 if number == signal.SIGTERM else 0)
        assert run.signal(number).code == code
        ground.front.heal()
    is_told(ground.run(), 0)


def interrupted_while_listing_hangs(ground: Ground) -> None:
    """Asked to stop while AWS does not answer: of what there is at all, of accounts, of keys."""
    ground.put(FEW)
    for index, prefix in enumerate(("", "AWSLogs/", _EU, _US)):
        number, code = ((signal.SIGTERM, 143), (signal.SIGINT, 2))[index % 2]
        ground.front.faults = [fault(_listing_of(prefix), front.hang)]
        run = ground.start()
        wait_until(lambda: ground.front.hanging, 30)
        assert run.signal(number).code == code
        ground.front.heal()
    is_told(ground.run(), 0)


def _listing_of(end: str) -> Callable[[Request], bool]:
    return lambda request: request.kind == "LIST" and (request.name.endswith(end) if end else not request.name)


def interrupted_at_start(times: int) -> Callable[[Ground], None]:
    """Asked to stop before anything was sent, or Python was ready to be asked."""

    def play(ground: Ground) -> None:
        ground.put(FEW)
        for number in range(times):
            asked = (signal.SIGTERM, signal.SIGINT)[number % 2]
            run = ground.start()
            time.sleep(0.6 * number / times)
            # Until the program is begun, Python itself dies of it, with 1 or by the signal.
            assert run.signal(asked).code in (143, 2, -asked, 0, 1)
        is_told(ground.run(), 0)

    return play


def killed(objects: int, kills: int) -> Callable[[Ground], None]:
    """Killed at random moments: while listing, sending, recording, starting workers."""

    def play(ground: Ground) -> None:
        ground.put(objects, 5)
        for _ in range(kills):
            run = ground.start()
            if ground.dice.random() < 0.2:
                time.sleep(ground.dice.random())
            else:
                run.wait_for(ground.dice.randint(1, max(objects * 8 // kills, 1)))
                time.sleep(ground.dice.random() * 0.005)
            run.kill()
            run.end()
        is_told(ground.run(), 0)
        assert ground.run().events == []

    return play


def everything(objects: int, rounds: int) -> Callable[[Ground], None]:
    """Faults, options and ends of all kinds together; objects arrive meanwhile, before and behind others."""

    def play(ground: Ground) -> None:
        keys = ground.put(objects, 5)
        ground.front.hidden = set(ground.dice.sample(keys, objects // 2))
        for number in range(rounds):
            ground.front.hidden -= set(ground.dice.sample(keys, objects // rounds))
            ground.front.faults = _mixed(number)
            options = [option for option in (SKIP, "--remove") if ground.dice.random() < 0.5]
            _ended_somehow(ground, ground.start(*options), objects * 5 // rounds)
            if ground.state.exists() and ground.dice.random() < 0.5:
                make_due(ground)
        ground.front.heal()
        make_due(ground)
        is_told(ground.run("--remove"), 0)
        assert ground.front.objects == {}

    return play


def _mixed(seed: int) -> Sequence[Fault]:
    return (
        refusal(share(seed, 0.02, attempts=9), "SlowDown", 503),
        refusal(share(seed + 1000, 0.01, attempts=9), "AccessDenied", 403),
        refusal(share(seed + 2000, 0.01), "NoSuchKey", 404),
        fault(share(seed + 3000, 0.1), front.cut),
        fault(share(seed + 4000, 0.1, "LIST", 9), front.cut),
    )


def _ended_somehow(ground: Ground, run: Run, messages: int) -> None:
    run.wait_for(ground.dice.randint(1, 2 * messages))
    how = ground.dice.choice(("kill", "signal", "restart", "end"))
    if how == "kill":
        run.kill()
    elif how == "signal" and run.process.poll() is None:
        run.signal(signal.SIGTERM)
        return
    elif how == "restart":
        run.stop_listening()
        run.install()
    assert run.end().code in (-signal.SIGKILL, 0, 3, 7, 16)


def worker_killed(ground: Ground) -> None:
    ground.put(MANY * 3, 5)
    for which in (0, -1):
        run = ground.start()
        run.wait_for(100)
        workers = psutil.Process(run.process.pid).children(recursive=True)
        assert len(workers) == ground.workers
        workers[which].kill()
        ended = run.end()
        assert ended.code == 1 and ended.output.count("\n") == 1, ended.output
        assert ended.output.startswith("ERROR: A worker process ended unexpectedly")
        end_soon(workers)
    is_told(ground.run(), 0)


def orphaned(ground: Ground) -> None:
    """Workers end with their parent, and nobody waits for its stdout."""
    ground.put(MANY * 3, 5)
    for hanging in (False, True):
        ground.front.faults = [fault(share(3, 0.2), front.hang)] if hanging else []
        run = ground.start()
        if not hanging:
            run.wait_for(20)
        process = psutil.Process(run.process.pid)
        wait_until(lambda: len(process.children(recursive=True)) == ground.workers)  # noqa: B023 - called at once
        time.sleep(0.1)
        workers = process.children(recursive=True)
        run.kill()
        began = time.monotonic()
        run.end()
        assert time.monotonic() - began < seconds_to_end()
        end_soon(workers)
        ground.front.heal()
    is_told(ground.run(), 0)


def listener_away(seconds: float) -> Callable[[Ground], None]:
    """Nobody listens for a while; what is sent then waits."""

    def play(ground: Ground) -> None:
        ground.put(MANY, 5)
        run = ground.start()
        for _ in range(2):
            run.wait_for(150)
            run.stop_listening()
            time.sleep(seconds)
            run.install()
        is_told(run.end(), 0)

    return play


def listener_gone(seconds: float) -> Callable[[Ground], None]:
    """Nobody listens for longer than is waited for: the run ends, and a later one completes it."""

    def play(ground: Ground) -> None:
        ground.put(MANY, 20)
        run = ground.start()
        run.wait_for(150)
        run.stop_listening()
        time.sleep(seconds)
        is_told(run.end(), 11)
        is_told(ground.run(), 0)

    return play


def listener_slow(ground: Ground) -> None:
    ground.put(MANY)
    is_told(ground.run(listener=SlowListener(ground.socket)), 0)


def at_once(count: int, objects: int = MANY) -> Callable[[Ground], None]:
    """Several runs on one source: some of them find nothing left to do."""

    def play(ground: Ground) -> None:
        ground.put(objects)
        listener = ground.listen()
        runs = [ground.start() for _ in range(count)]
        runs[0].listener = listener
        for run in reversed(runs):
            is_told(run.end(), 0)

    return play


def clock_wrong(ground: Ground) -> None:
    ground.put(FEW)
    ground.front.faults = [refusal(lambda _: True, "RequestTimeTooSkewed", 403)]
    assert is_told(ground.run(), 19).events == []
    ground.front.faults = [refusal(of("GET", ""), "RequestTimeTooSkewed", 403)]
    assert is_told(ground.run(), 19).events == []
    ground.front.heal()
    is_told(ground.run(), 0)


def clock_ahead(ground: Ground) -> None:
    """The clock is years ahead for a run, then days behind, then right: nothing is left out."""
    ground.put(FEW)
    for first, by in ((0, "+10y"), (FEW, "-4d"), (2 * FEW, "+0")):
        ground.put(FEW, first=first)
        is_told(ground.run(prefix=("faketime", "-f", by)), 0)
    ground.put(FEW, first=3 * FEW)
    is_told(ground.run(), 0)


def stdout_shut(ground: Ground) -> None:
    """Nobody can read the lines, and there are many."""
    reading, writing = os.pipe()
    os.close(reading)
    for index, prefix in enumerate((("sh", "-c", 'exec "$@" >&-', "sh"), ("sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh"))):
        ground.put(FEW, first=FEW * index)
        assert ground.run("--debug", "3", prefix=prefix).code == 0
    for index, stdout in enumerate((writing, os.open("/dev/full", os.O_WRONLY)), 2):
        ground.put(FEW, first=FEW * index)
        assert ground.run("--debug", "3", stdout=stdout, stderr=stdout).code == 0
        os.close(stdout)


def stdout_unread(ground: Ground) -> None:
    """A pipe that is full and stays so."""
    ground.put(MANY)
    reading, writing = os.pipe()
    began = time.monotonic()
    assert ground.run("--debug", "3", stdout=writing).code == 0
    assert time.monotonic() - began < 120
    os.close(reading)
    os.close(writing)


def terminal_gone(ground: Ground) -> None:
    """The terminal that the command was started from is closed: SIGHUP, and no stdout any more."""
    ground.put(MANY, 5)
    master, slave = os.openpty()
    run = ground.start(
        *("--debug", "3"), stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=_own_terminal
    )
    os.close(slave)
    assert run.listener
    while len(run.listener.received) < 200:
        os.read(master, 1 << 16)
    os.close(master)
    assert run.end().code == 0
    is_told(ground.run(), 0)


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def strange_surroundings(ground: Ground) -> None:
    """A folder that cannot be written to, or is gone; time zones and languages of any kind."""
    gone = ground.home / "gone"
    context: list[tuple[Path, dict[str, str]]] = [
        (Path("/proc"), {"TZ": "Pacific/Kiritimati"}),
        (gone, {"TZ": ":/no/such/zone", "LC_ALL": "tr_TR.UTF-8"}),
        (Path("/"), {"TZ": "<-12>12", "LC_ALL": "C", "PYTHONUTF8": "0", "LANG": "xx_YY"}),
    ]
    for index, (folder, environment) in enumerate(context):
        ground.put(FEW, first=FEW * index)
        # The shell goes there, and the folder goes away under it.
        there = ("sh", "-c", f'cd "{folder}"; rm -rf "{gone}"; exec "$@"', "sh")
        gone.mkdir(exist_ok=True)
        is_told(ground.run(environment=environment, prefix=there), 0)


def make_due(ground: Ground) -> None:
    """Let the waiting time of failed objects be over."""
    with sqlite3.connect(ground.state) as database:
        database.execute("UPDATE collection_failed SET next_attempt = ''")


def throttle(answer: Answer) -> Answer:
    del answer
    return front.error("SlowDown", 503)


def deny(answer: Answer) -> Answer:
    del answer
    return front.error("AccessDenied", 403)


def fail(answer: Answer) -> Answer:
    del answer
    return front.error("InternalError", 500)


def not_aws(answer: Answer) -> Answer:
    del answer
    return Answer(body=b"<html><body>Welcome to our WLAN</body></html>", headers={"Content-Type": "text/html"})


def error_document(answer: Answer) -> Answer:
    """Answer as some caches do: with S3's words and the wrong status."""
    del answer
    return Answer(body=b"<Error><Code>InternalError</Code></Error>", headers={"Content-Type": "application/xml"})


def refused_by_proxy(answer: Answer) -> Answer:
    del answer
    return Answer(403, b"<html><body>Blocked by policy</body></html>", {"Content-Type": "text/html", "Server": "squid"})


def without_etag(answer: Answer) -> Answer:
    headers = {name: value for name, value in answer.headers.items() if name != "ETag"}
    return replace(answer, headers={**headers, "x-amz-request-id": "1"})


BOTH = (1, 3)
_EU, _US = "CloudTrail/eu-west-1/", "CloudTrail/us-east-1/"

SCENARIOS = [
    Scenario(
        "throttled, 429 and 500, at first",
        passing(
            refusal(share(1, 0.1), "SlowDown", 503),
            refusal(share(2, 0.1), "TooManyRequests", 429),
            refusal(share(3, 0.1), "InternalError", 500),
            refusal(share(4, 1, "LIST"), "SlowDown", 503),
        ),
        BOTH,
    ),
    Scenario("connection cut in bodies", passing(fault(share(1, 0.3), front.cut)), BOTH),
    Scenario("connection cut before answers", passing(fault(share(1, 0.1), front.nothing))),
    Scenario("Content-Length too long", passing(fault(share(1, 0.2), front.overlong))),
    Scenario("Content-Length too short", passing(fault(share(1, 0.2), front.short))),
    Scenario("slow bodies", passing(fault(share(1, 0.2), front.slow))),
    Scenario("one object throttled", one_object(16, throttle, MANY), (3,)),
    Scenario("one object denied", one_object(3, deny)),
    Scenario("one object fails", one_object(7, fail)),
    Scenario("one object always cut", one_object(7, front.cut)),
    Scenario("throttled, skipped, --remove", skipped(throttle, MANY), (3,)),
    Scenario("denied, skipped, --remove", skipped(deny)),
    Scenario("always cut, skipped, --remove", skipped(front.cut)),
    Scenario("everything throttled", lasting(16, refusal(after(2), "SlowDown", 503))),
    Scenario("credentials expire", lasting(3, refusal(after(140), "ExpiredToken", 400), objects=MANY), (3,)),
    Scenario("a region cannot be listed", lasting(7, fault(of("LIST", _US), fail))),
    Scenario("a region's listing is denied", lasting(3, fault(of("LIST", _US), deny))),
    Scenario("a region's listing is cut", lasting(7, fault(of("LIST", _US), front.cut))),
    Scenario("a portal answers listings", lasting(7, fault(of("LIST", _US), not_aws))),
    Scenario("a portal answers a GET once", passing(fault(share(1, 0.1), not_aws)), BOTH),
    Scenario("an error document with status 200, once", passing(fault(share(1, 0.1), error_document))),
    Scenario("a portal answers GETs of an object", one_object(7, not_aws)),
    Scenario("a portal answers GETs, skipped, --remove", skipped(not_aws)),
    Scenario("a proxy refuses GETs, skipped, --remove", skipped(refused_by_proxy)),
    Scenario("answers without an ETag", passing(fault(share(1, 1), without_etag)), BOTH),
    Scenario("a listing lacks keys", listed_late),
    Scenario("a listing lacks pages", page_missing),
    Scenario("ranges cut and throttled", in_ranges),
    Scenario("listed and gone", listed_and_gone),
    Scenario("listed and written again", rewritten),
    Scenario("malformed, skipped, --remove", broken),
    Scenario("listener away for 0.5 s", listener_away(0.5), BOTH),
    Scenario("listener away for 3 s", listener_away(3)),
    Scenario("listener gone for good", listener_gone(0), BOTH),
    Scenario("listener slow", listener_slow),
    Scenario("4 signals", interrupted(4), BOTH),
    Scenario("signals while downloads hang", interrupted_while_hanging, BOTH),
    Scenario("signals while listings hang", interrupted_while_listing_hangs),
    Scenario("signals at the start", interrupted_at_start(6)),
    Scenario("10 SIGKILL", killed(MANY, 10), BOTH),
    Scenario("everything at once", everything(MANY, 8), (3,)),
    Scenario("workers killed", worker_killed, (3,), about_workers=True),
    Scenario("workers without parent", orphaned, (3,), about_workers=True),
    Scenario("disk full", disk.disk_full, forgets=2),
    Scenario("state overwritten", disk.state_damaged(disk.overwrite)),
    Scenario("journal damaged after SIGKILL", disk.journal_damaged, forgets=MANY),
    Scenario("locks a folder", disk.lock_in_the_way),
    Scenario("state read-only", disk.state_read_only),
    Scenario("two runs at once", at_once(2), (3,)),
    Scenario("five runs at once", at_once(5)),
    Scenario("clock wrong", clock_wrong),
    Scenario("stdout closed, broken, full", stdout_shut),
    Scenario("stdout not read", stdout_unread),
    Scenario("events cannot be written", disk.events_unwritable),
    Scenario("events cannot be written on", disk.events_beyond_limit, forgets=1),
    Scenario("bombs", disk.bombs),
    Scenario("odd archives and JSON", disk.odd_objects),
    Scenario("temporary files: no room", disk.temporary_files_full, BOTH),
    Scenario("memory short", disk.memory_short, BOTH),
    Scenario("terminal gone", terminal_gone, (3,)),
    Scenario("odd folder, zone, language", strange_surroundings),
    *memory.SCENARIOS,
    *services.SHORT,
    *processes.SCENARIOS,
]

LONG = [
    Scenario("200 SIGKILL, 5,000 objects", killed(5000, 200), (1, 4)),
    Scenario("everything at once, 100 runs", everything(3000, 100), (1, 4)),
    Scenario("100 signals", interrupted(100), (1, 4)),
    Scenario("listener away for 30 s", listener_gone(30), (1, 4)),
    Scenario("40 signals at the start", interrupted_at_start(40)),
    Scenario("state's pages swapped", disk.state_damaged(disk.swap_pages)),
    Scenario("state cut off", disk.state_damaged(disk.cut_off)),
    Scenario("state no database", disk.state_damaged(disk.no_database)),
    Scenario("state a folder", disk.state_damaged(disk.folder)),
    *memory.LONG,
    *services.LONG,
]
"""What takes minutes: `python -m tests.faults` plays it too."""

if disk.may_mount():
    LONG.append(Scenario("small disk fills up", disk.state_on_full_disk, forgets=3))
if shutil.which("faketime"):
    LONG.append(Scenario("clock ten years ahead", clock_ahead))
