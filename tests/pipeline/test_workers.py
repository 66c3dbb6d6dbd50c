"""Objects become messages in order, in this process or side by side in others, whatever happens to these."""

import errno
import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil
import pytest

from aws_s3.aws.config_file import TransferConfig
from aws_s3.codec.blocks import Block
from aws_s3.errors import CollectorError, ParseError, StorageError, UnavailableError
from aws_s3.pipeline.decode import Batches, Spread, batches
from aws_s3.pipeline.loading import LocalLoading, open_loading
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.source import Loading
from aws_s3.pipeline.stats import EventCounts
from aws_s3.pipeline.workers import WorkerPool
from tests.faults.ground import end_soon, is_alive, seconds_to_end
from tests.harness.command import wait_until, without_coverage

BIG = 1 << 30
SIZES = (1, 2, 3)

Loaded = Iterator[tuple[int, Batches]]


def get(number: int) -> IO[bytes]:
    """Fetch an object; every tenth is not there, and some take longer than the next ones."""
    if number % 10 == 7:
        raise UnavailableError(StorageError(f"{number} is not there."), gone=True)
    time.sleep(0.002 * (number % 3))
    return io.BytesIO(b"%d" % number)


def read(number: int, body: IO[bytes]) -> Iterator[bytes]:
    """Make `number % 4` messages; some objects are broken."""
    if number % 10 == 3:
        raise ParseError(f"{number} is broken.")
    content = body.read()
    yield from (b"%s-%d" % (content, index) for index in range(number % 4))


def expected(number: int) -> str | list[bytes]:
    if number % 10 == 7:
        return f"{number} is not there."
    if number % 10 == 3:
        return f"{number} is broken."
    return [b"%d-%d" % (number, index) for index in range(number % 4)]


def taken(messages: Batches) -> str | list[bytes]:
    try:
        return b"".join(messages).splitlines()
    except CollectorError as error:
        return str(error)


def threads() -> DaemonExecutor:
    return DaemonExecutor(4, "download")


@dataclass(frozen=True)
class Numbered:
    """An item."""

    number: int
    size: int = 1000


@dataclass
class Numbers:
    """An ItemReader of two functions."""

    get: Callable[[int], IO[bytes]] = get
    read: Callable[[int, IO[bytes]], Iterator[bytes]] = read
    counts: EventCounts = field(default_factory=EventCounts)

    def fetch(self, item: Numbered) -> IO[bytes]:
        return self.get(item.number)

    def decode(self, item: Numbered, content: IO[bytes], spread: Spread = map) -> Batches:
        return batches(self.read(item.number, content))

    def encode_block(self, item: Numbered, block: Block) -> bytes:
        raise AssertionError("There are no blocks.")


@contextmanager
def pool(
    size: int,
    get: Callable[[int], IO[bytes]] = get,
    read: Callable[[int, IO[bytes]], Iterator[bytes]] = read,
    bytes_ahead: int = BIG,
) -> Iterator["WorkerPool[Numbered]"]:
    """Give a pool of `size` workers; each item counts as 1,000 bytes."""
    with closing(WorkerPool(size, Numbers(get, read), threads, bytes_ahead)) as made:
        yield made


def load(loading: Loading[Numbered], numbers: Iterable[int]) -> Loaded:
    """Load the items as the pipeline does; what the caller leaves of an item's events is dropped."""
    remaining = map(Numbered, numbers)
    while True:
        while loading.has_room and (item := next(remaining, None)):
            loading.add(item)
        if not len(loading):
            return
        with loading.take() as (item, messages):
            yield item.number, messages


def loads(size: int) -> Loaded:
    """Load 300 items: in this process, or in `size` workers."""
    if size == 1:
        yield from load(LocalLoading(Numbers(), threads, 50, BIG), range(300))
        return
    with pool(size) as working:
        yield from load(working, range(300))


@pytest.mark.parametrize("size", SIZES)
def test_messages_and_failures_come_in_the_order_of_the_objects(size: int) -> None:
    assert [(number, taken(messages)) for number, messages in loads(size)] == [
        (number, expected(number)) for number in range(300)
    ]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_not_taken_of_an_object_does_not_come_with_the_next(size: int) -> None:
    whole = [number for number in range(300) if number % 10 not in (3, 7) and number % 4]
    first = [(number, next(messages).splitlines()[0]) for number, messages in loads(size) if number in whole]
    assert first == [(number, b"%d-0" % number) for number in whole]


@pytest.mark.parametrize("size", SIZES)
def test_a_failure_keeps_what_it_tells(size: int) -> None:
    with pytest.raises(UnavailableError) as raised:
        for number, messages in loads(size):
            if number == 7:
                list(messages)
    assert (raised.value.gone, raised.value.exit_code, type(raised.value.cause)) == (True, 7, StorageError)


def test_a_mistake_in_a_worker_is_told_and_the_next_object_comes() -> None:
    def mistaken(number: int, body: IO[bytes]) -> Iterator[bytes]:
        if number == 1:
            raise KeyError("a mistake")
        yield body.read()

    mistake = "Unknown error: KeyError: 'a mistake'"
    with pool(2, read=mistaken) as working:
        assert [taken(messages) for _, messages in load(working, range(3))] == [[b"0"], mistake, [b"2"]]


def test_a_failure_among_those_given_up_ends_nothing() -> None:
    def expired(number: int) -> IO[bytes]:
        if number == 1:
            raise StorageError("not of this object alone")
        return io.BytesIO(b"%d" % number)

    def one(number: int, body: IO[bytes]) -> Iterator[bytes]:
        yield body.read()

    with pool(2, get=expired, read=one) as working:
        assert [taken(messages) for number, messages in load(working, range(4)) if number != 1] == [
            [b"0"],
            [b"2"],
            [b"3"],
        ]


def test_a_large_object_comes_whole() -> None:
    def large(number: int, body: IO[bytes]) -> Iterator[bytes]:
        yield from (b"%06d" % index * 1000 for index in range(1000))
        raise ParseError("The rest is broken.")

    with pool(2, read=large) as working:
        for _, messages in load(working, range(3)):
            received: list[bytes] = []
            with pytest.raises(ParseError, match="The rest is broken"):
                for batch in messages:
                    received += batch.splitlines()
            # What the failure cut short is not given.
            assert len(received) > 900
            assert [int(message[:6]) for message in received] == list(range(len(received)))


def test_what_a_worker_logs_comes_with_its_object(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("aws_s3.some_module")

    def logging_read(number: int, body: IO[bytes]) -> Iterator[bytes]:
        log.error("%s: %s", number, ParseError("is odd"))
        yield body.read()

    handler, logger = caplog.handler, logging.getLogger("aws_s3")
    logger.addHandler(handler)
    try:
        with pool(2, read=logging_read) as working:
            for number, messages in load(working, range(6)):
                list(messages)
                assert caplog.messages[-1] == f"{number}: is odd"
    finally:
        logger.removeHandler(handler)
    assert isinstance(caplog.records[0].args, tuple) and isinstance(caplog.records[0].args[1], ParseError)


def counting(path: Path) -> Callable[[int], IO[bytes]]:
    """Return a `get` that adds a byte to the file each time, from whichever process."""

    def get(number: int) -> IO[bytes]:
        with path.open("ab") as file:
            file.write(b".")
        return io.BytesIO(b"%d" % number)

    return get


def test_no_more_bytes_are_fetched_ahead_than_allowed(tmp_path: Path) -> None:
    count = tmp_path / "count"
    with pool(3, get=counting(count), bytes_ahead=20_000) as working:
        loaded = load(working, range(500))
        for number in range(100):
            next(loaded)
            assert not count.exists() or count.stat().st_size <= number + 22
        time.sleep(0.1)
        assert 100 <= count.stat().st_size <= 122


def test_no_more_messages_are_made_ahead_than_the_pipes_hold(tmp_path: Path) -> None:
    count = tmp_path / "count"
    more = counting(count)

    def endless(number: int, body: IO[bytes]) -> Iterator[bytes]:
        while True:
            more(0)
            yield b"x" * 100_000

    with pool(2, read=endless) as working:
        _, messages = next(load(working, range(10)))
        next(messages)
        time.sleep(0.3)
        made = count.stat().st_size
        time.sleep(0.2)
        assert made == count.stat().st_size <= 40


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_a_pool_without_work_is_one_process_that_sleeps() -> None:
    with pool(8):
        [idle] = children()
        wait_until(lambda: idle.status() == psutil.STATUS_SLEEPING)
        before = idle.cpu_times()
        time.sleep(0.2)
        assert idle.cpu_times()[:2] == before[:2]
        assert idle.num_threads() == 1
    assert children() == []


def test_nothing_is_left_of_a_pool_that_is_closed_at_work() -> None:
    open_before = open_files()
    for _ in range(3):
        with pool(3, read=lambda number, body: iter([b"x" * 100_000] * 1000)) as working:
            _, messages = next(load(working, range(100)))
            next(messages)
            wait_until(lambda: len(children()) == 3)
            began = time.monotonic()
        assert time.monotonic() - began < 60
    assert children() == []
    assert open_files() == open_before


def test_a_pool_ends_while_its_downloads_hang() -> None:
    def hanging(number: int) -> IO[bytes]:
        if number > 2:
            time.sleep(600)
        return io.BytesIO(b"")

    with pool(3, get=hanging) as working:
        next(load(working, range(100)))
        began = time.monotonic()
    assert time.monotonic() - began < 60
    assert children() == []


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_worker_that_is_killed_is_told(which: int) -> None:
    with pool(3) as working:
        loaded = load(working, range(10_000))
        next(loaded)
        wait_until(lambda: len(children()) == 3)
        sorted(children(), key=lambda worker: worker.pid)[which].kill()
        with pytest.raises(CollectorError, match=r"^A worker process ended unexpectedly: .* --workers 1 ") as raised:
            for _, messages in loaded:
                taken_or_lost(messages)
    assert raised.value.exit_code == 1
    assert children() == []


def taken_or_lost(messages: Batches) -> None:
    """Take the messages; of failures, pass on only that of a process."""
    with suppress(UnavailableError, ParseError):
        list(messages)


def test_a_pool_that_is_killed_before_there_is_work_is_told() -> None:
    with pool(2) as working:
        [idle] = children()
        idle.kill()
        wait_until(lambda: idle.status() == psutil.STATUS_ZOMBIE)
        with pytest.raises(CollectorError, match=r"^A worker process ended unexpectedly"):
            next(load(working, range(10)))


PROGRAM = """
import io, sys, time
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.stats import EventCounts
from aws_s3.pipeline.workers import WorkerPool, _put as put
from collections import namedtuple
Item = namedtuple("Item", "size")
class Reader:
    counts = EventCounts()
    def fetch(self, item):
        return {get}
    def decode(self, item, body, spread):
        return iter([b"x" * 100_000] * 1000)
pool = WorkerPool(3, Reader(), lambda: DaemonExecutor(4, "download"), 1 << 30)
{work}
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("get", "work", "count"),
    [
        ("io.BytesIO()", "", 1),
        ("io.BytesIO()", "[pool.add(Item(1)) for _ in range(100)]; taken = pool.take(); next(taken.__enter__()[1])", 3),
        ("time.sleep(600)", "put(pool._pipes[0].tasks_out, 'start'); put(pool._pipes[0].tasks_out, [Item(1)])", 3),
    ],
    ids=["idle", "at work", "downloads hang"],
)
def test_workers_end_with_their_parent_and_do_not_hold_its_stdout(get: str, work: str, count: int) -> None:
    program = PROGRAM.format(get=get, work=work)
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout and parent.stdout.readline() == b"ready\n"
    wait_until(lambda: len(psutil.Process(parent.pid).children(recursive=True)) == count)
    workers = psutil.Process(parent.pid).children(recursive=True)
    began = time.monotonic()
    parent.kill()
    parent.communicate(timeout=120)
    assert time.monotonic() - began < seconds_to_end()
    end_soon(workers)


SPINNING = """
import io, os, re, sys, time
from collections import namedtuple
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.stats import EventCounts
from aws_s3.pipeline.workers import WorkerPool
Item = namedtuple("Item", "size")
class Reader:
    counts = EventCounts()
    def fetch(self, item):
        return io.BytesIO()
    def decode(self, item, body, spread):
        re.match("(a+)+$", "a" * 60 + "b")
        return iter(())
pool = WorkerPool(3, Reader(), lambda: DaemonExecutor(4, "download"), 1 << 30)
[pool.add(Item(1)) for _ in range(30)]
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("stopped", [False, True], ids=["spinning", "stopped"])
def test_workers_that_do_not_listen_end_with_their_parent(stopped: bool) -> None:
    parent = subprocess.Popen([sys.executable, "-c", SPINNING], stdout=subprocess.PIPE)
    assert parent.stdout and parent.stdout.readline() == b"ready\n"
    workers = psutil.Process(parent.pid).children(recursive=True)
    assert len(workers) == 3
    wait_until(lambda: all(sum(worker.cpu_times()[:2]) > 0.2 for worker in workers))
    for worker in workers if stopped else ():
        worker.suspend()
    parent.kill()
    parent.communicate(timeout=120)
    wait_until(lambda: not any(map(is_alive, workers)))


@pytest.mark.parametrize("which", [slice(0, 1), slice(1, None), slice(None)], ids=["first", "others", "all"])
def test_a_pool_of_stopped_workers_is_closed(which: slice) -> None:
    """Also with tasks that they did not read: closing a pipe would wait for the reader."""
    working = WorkerPool(3, Numbers(), threads, BIG)
    loaded = load(working, range(10_000))
    next(loaded)
    workers = sorted(children(), key=lambda worker: worker.pid)
    assert len(workers) == 3
    for worker in workers[which]:
        worker.suspend()
    for each in working._pipes[which]:
        os.set_blocking(each.tasks_out.fileno(), False)
        with suppress(BlockingIOError):
            each.tasks_out.write(b"x" * (1 << 22))
    began = time.monotonic()
    working.close()
    assert time.monotonic() - began < 60
    wait_until(lambda: not any(map(is_alive, workers)))
    assert children() == []


def test_workers_reaped_by_somebody_else_have_ended() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pool(3) as working:
            assert sum(1 for _ in load(working, range(300))) == 300
            workers = children()
            assert len(workers) == 3
    finally:
        signal.signal(signal.SIGCHLD, before)
    wait_until(lambda: not any(map(is_alive, workers)))


@pytest.mark.parametrize("allowed", [0, 1])
def test_fewer_workers_do_where_the_system_starts_no_more(
    allowed: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first worker forks the others: it inherits this fork, which fails from the second or third call on."""
    fork, forks = os.fork, iter(range(10))

    def refusing() -> int:
        if next(forks) > allowed:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", refusing)
    caplog.set_level(logging.INFO, "aws_s3")
    with pool(3) as working:
        assert [(number, taken(messages)) for number, messages in load(working, range(300))] == [
            (number, expected(number)) for number in range(300)
        ]
        assert len(children()) == 1 + allowed
    assert f"The run goes on with {1 + allowed} of 3 worker processes." in caplog.text


@pytest.mark.parametrize("is_large", [True, False])
def test_run_that_is_known_to_be_large_begins_in_the_workers(*, is_large: bool) -> None:
    def readers_process(_: int, body: IO[bytes]) -> Iterator[bytes]:
        body.close()
        yield b"%d" % os.getpid()

    with open_loading(Numbers(read=readers_process), TransferConfig(), 2, is_large=is_large) as loading:
        [(_, batches)] = [(number, list(found)) for number, found in load(loading, range(1))]
    assert (b"".join(batches).strip() != b"%d" % os.getpid()) == is_large


def test_one_process_does_where_the_system_starts_no_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    open_before = open_files()

    def refusing() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refusing)
    caplog.set_level(logging.INFO, "aws_s3")
    with open_loading(Numbers(), TransferConfig(), 3) as loading:
        assert sum(1 for _ in load(loading, range(300))) == 300
    assert "The run goes on with one process." in caplog.text
    assert open_files() == open_before


LIMITED = """
import io, logging, os, resource, sys
from collections import namedtuple
from aws_s3.aws.config_file import TransferConfig
from aws_s3.errors import ResourceError
from aws_s3.pipeline import loading
from aws_s3.pipeline.stats import EventCounts
import ctypes, concurrent.futures
Item = namedtuple("Item", "size")
class Reader:
    counts = EventCounts()
    def fetch(self, item):
        return io.BytesIO()
    def decode(self, item, body, spread):
        yield b"x"
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
most, items = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
os.setuid(50_000 + os.getpid() % 10_000)
try:
    with loading.open_loading(Reader(), TransferConfig(), 3) as loads:
        for _ in range(items):
            loads.add(Item(1))
        for _ in range(items):
            with loads.take() as (item, batches):
                list(batches)
    print("done")
except ResourceError as error:
    print("ERROR:", error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without other processes")
@pytest.mark.parametrize(
    ("most", "items", "lines"),
    [
        (1, 10, ["further process.*one process", "ERROR: .*starts no further thread: .*may have 1 processes"]),
        (4, 10, ["further thread: .*goes on with 2 of 24 download threads", "done"]),
        (2, 300, ["further process: .*with 1 of 3 worker processes", "ERROR: .*starts no further thread"]),
        (1000, 300, ["done"]),
    ],
)
def test_too_few_processes_and_threads_are_told_with_the_limit(most: int, items: int, lines: list[str]) -> None:
    program = [sys.executable, "-c", LIMITED, str(most), str(items)]
    ended = subprocess.run(program, env=without_coverage(), capture_output=True, text=True, timeout=120)
    assert ended.stderr == ""
    found = ended.stdout.splitlines()
    assert len(found) == len(lines), found
    assert all(re.search(pattern, line) for pattern, line in zip(lines, found, strict=True)), found


FORK = """
import io, os, signal
from aws_s3.errors import Interrupted
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.workers import WorkerPool
class Reader:
    counts = None
parent = os.getpid()
os.register_at_fork(after_in_parent=lambda: os.kill(parent, signal.SIGTERM))
StopRequest().install()
try:
    WorkerPool(2, Reader(), None, 1)
except Interrupted:
    print("interrupted")
"""


def test_a_signal_during_the_fork_is_not_lost() -> None:
    ended = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("interrupted\n", "", 0)
