"""Objects and states that would fill the memory: stories of `scenarios` in which a run keeps to what it promises."""

import gzip
import json
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread

from tests.bench.measure import watched_memory
from tests.faults.ground import FEW, SKIP, Ended, Ground, Scenario, is_told

_MB = 1 << 20
_TWO_WORKERS = 250 * _MB
_ONE_MORE = 70 * _MB
_SAMPLE_S = 0.02
_PATIENCE = 600
_LARGE = 400
"""Records of 1 MB: each becomes an event of 64 kB, because that is the largest that Wazuh takes."""

_VALUE = 15 * _MB
_MEMBERS = ("{},", "[],", "1,", '"",', '{"a":1},', "[[]],", '{"a":{}},', '"abcdefgh",')
_ROWS = 2_000_000
_NEW = 4200
"""Objects: with each of a region's, 1,000 rows of it are forgotten."""

_BLOCKED_S = 2.0
"""How long another program waits for the state's lock at most, also on a busy machine."""


def replaced_by_larger(ground: Ground) -> None:
    """An object is listed with 100 bytes, and replaced by one of 400 MB before it is asked for."""
    [key] = ground.put(1, first=1)
    ground.put(FEW, first=2)
    ground.front.listed[key] = bytes(100)
    packed = zlib.compressobj(0, wbits=16 + zlib.MAX_WBITS)
    content = bytearray(packed.compress(b'{"Records":['))
    events = [f"00001-{number}" for number in range(_LARGE)]
    for event in events:
        record = json.dumps({"eventID": event, "text": "x" * _MB})
        content += packed.compress(f"{record}{',' if event != events[-1] else ''}".encode())
    ground.front.objects[key] = bytes(content + packed.compress(b"]}") + packed.flush())
    ground.expect(events)
    ended = _watched_run(ground)
    assert ended.code == 0 and ended.output.startswith("WARNING: An event of "), ended.output
    assert len(ended.events) == FEW * 3 + _LARGE


def small_members(ground: Ground) -> None:
    """Objects of some 15 kB are one JSON value of 15 MiB each, made of small members: they are malformed."""
    keys = ground.put(FEW)
    for key, member in zip(keys, _MEMBERS, strict=False):
        text = member * (_VALUE // len(member))
        ground.front.objects[key] = gzip.compress(f'{{"Records":[{{"a":[{text[:-1]}]}}]}}'.encode(), mtime=0)
        assert len(ground.front.objects[key]) < 60_000
    ground.expect_less(3 * len(_MEMBERS))
    ended = _watched_run(ground, SKIP)
    assert (ended.code, len(ended.reasons)) == (0, len(_MEMBERS)), ended.output
    assert ground.run(SKIP).events == []


def many_rows_forgotten(ground: Ground) -> None:
    """Two million rows of a year ago are forgotten, while another program wants the state's lock."""
    ground.put(FEW)
    is_told(ground.run(), 0)
    with closing(sqlite3.connect(ground.state)) as database, database:
        columns = "bucket_path, aws_account_id, aws_region, log_key, processed_date, created_date"
        old = "replace(log_key, '2021/06/10', '2020/06/10') || printf('%08d', value)"
        database.execute(
            f"INSERT INTO cloudtrail ({columns}) WITH RECURSIVE numbers (value) AS (SELECT 1 UNION ALL "
            f"SELECT value + 1 FROM numbers WHERE value < {_ROWS}) SELECT bucket_path, aws_account_id, aws_region, "
            f"{old}, processed_date, 20200610 FROM numbers, "
            "(SELECT * FROM cloudtrail WHERE aws_region = 'us-east-1' LIMIT 1)"
        )
        # Rows are forgotten when the newest day moves on.
        database.execute("UPDATE collection_partition SET place = '2021-06-08'")
    ground.put(_NEW, 1, first=FEW)
    with _lock_wanted(ground) as longest:
        is_told(_watched_run(ground), 0)
    with closing(sqlite3.connect(ground.state)) as database:
        [(rows,)] = database.execute("SELECT count(*) FROM cloudtrail WHERE created_date = 20200610")
    assert rows < 500, rows
    assert longest() < _BLOCKED_S, f"blocked for {longest():.1f} s"


def _watched_run(ground: Ground, *arguments: str) -> Ended:
    """Run the command to its end; all of its processes together keep to the memory that is promised."""
    run = ground.start(*arguments)
    with watched_memory(run.process.pid, _SAMPLE_S) as peak:
        ended = run.end(_PATIENCE)
    most = _TWO_WORKERS + max(ground.workers - 2, 0) * _ONE_MORE
    assert 0 < peak() < most, f"{peak() / _MB:.0f} MB"
    return ended


@contextmanager
def _lock_wanted(ground: Ground) -> Iterator[Callable[[], float]]:
    """Take the state's lock again and again; the function tells the longest wait for it, in seconds."""
    longest, ended = [0.0], Event()

    def want() -> None:
        with closing(sqlite3.connect(ground.state, timeout=60, isolation_level=None)) as database:
            while not ended.wait(0.05):
                began = time.monotonic()
                database.execute("BEGIN IMMEDIATE")
                database.execute("ROLLBACK")
                longest[0] = max(longest[0], time.monotonic() - began)

    thread = Thread(target=want)
    thread.start()
    try:
        yield lambda: longest[0]
    finally:
        ended.set()
        thread.join()


SCENARIOS = [
    Scenario("100 bytes listed, 400 MB there", replaced_by_larger, (1, 3)),
    Scenario("bombs of small members", small_members, (1, 3)),
]

LONG = [Scenario("two million rows forgotten", many_rows_forgotten)]
