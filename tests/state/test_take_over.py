"""Wazuh's own module ran before, or between two of our runs."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.errors import StorageError, UnavailableError
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.base import LogType
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import Layout, Partition
from aws_s3.settings import BucketJob, BucketLocation
from aws_s3.state.bucket_state import FILE
from aws_s3.state.start_day import History, PartitionCheckpoint, StartDay
from tests.harness.collecting import ACCOUNT, DAY, JOB, REGION, Collection, trail_body, trail_key
from tests.harness.fakes import MemoryStore
from tests.state.worlds import WORLDS, Part, World, body_of

UNAVAILABLE = UnavailableError(StorageError("SlowDown: later."))
_ITS_ACCOUNT = "000000000000"
LOAD_BALANCER = BucketLocation("alb", "acme-logs")


@dataclass
class ExistingModule:
    """Writes what the existing module writes: rows of what it sent, of which it keeps the newest."""

    folder: Path
    bucket: LogType = field(default_factory=CloudTrail)
    kept: int = 500

    def write(self, partition: Partition, keys: list[str], bucket_path: str = "acme-logs/") -> None:
        """Add the rows of objects of one partition, in the order they were sent in."""
        with closing(sqlite3.connect(self.folder / FILE)) as database, database:
            self._create(database)
            for key in keys:
                values = {
                    "bucket_path": bucket_path,
                    "aws_account_id": partition.account or _ITS_ACCOUNT,
                    "aws_region": partition.region,
                    "log_key": key,
                    **self.bucket.extra_columns(key),
                }
                row = [values[column] for column in self.bucket.key_columns]
                day = partition.day(key) or date.min
                self._insert(database, [*row, "2021-06-18 12:00:00", int(f"{day:%Y%m%d}")])
            self._prune(database, partition)
            database.execute("DELETE FROM metadata")
            database.execute("INSERT INTO metadata VALUES ('version', '4.14.7')")

    def newest(self, partition: Partition) -> str:
        """Return the key that it goes on from."""
        with closing(sqlite3.connect(self.folder / FILE)) as database, database:
            self._create(database)
            keys = [key for (key,) in database.execute(f"SELECT log_key FROM {self.bucket.table}")]
        return max((key for key in keys if partition.day(key)), key=partition.order, default="")

    def _create(self, database: sqlite3.Connection) -> None:
        columns = ", ".join(f"{column} 'text' NOT NULL" for column in self.bucket.key_columns)
        database.execute(
            f"CREATE TABLE IF NOT EXISTS {self.bucket.table} ({columns}, processed_date 'text' NOT NULL, "
            f"created_date 'integer' NOT NULL, PRIMARY KEY ({', '.join(self.bucket.key_columns)}))"
        )
        database.execute(
            "CREATE TABLE IF NOT EXISTS metadata (key 'text' NOT NULL, value 'text' NOT NULL, PRIMARY KEY (key, value))"
        )

    def _insert(self, database: sqlite3.Connection, row: list[object]) -> None:
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT OR REPLACE INTO {self.bucket.table} VALUES ({marks})", row)

    def _prune(self, database: sqlite3.Connection, partition: Partition) -> None:
        counted_by = ", ".join(self.bucket.key_columns[:-1])
        groups: dict[tuple[str, ...], list[str]] = {}
        for *group, key in database.execute(f"SELECT {counted_by}, log_key FROM {self.bucket.table}"):
            # Where keys hold no account it knows no other than its own.
            if partition.account or _ITS_ACCOUNT in group:
                groups.setdefault(tuple(group), []).append(key)
        for keys in groups.values():
            # Of several partitions that share a table partition, the first by name lose their rows first.
            for key in sorted(keys, key=partition.order if partition.dates.unpadded else None)[: -self.kept]:
                database.execute(f"DELETE FROM {self.bucket.table} WHERE log_key = ?", (key,))


def partition_of(layout: Layout, region: str = REGION) -> Partition:
    service = layout.levels[1]
    assert isinstance(service, str)
    return Partition(f"AWSLogs/{ACCOUNT}/{service}/{region}/", layout.dates, ACCOUNT, region)


TRAIL = partition_of(CloudTrail.layouts[0])
CONTINUE = replace(JOB, only_logs_after=None)


def collection_of(folder: Path, names: dict[str, date]) -> Collection:
    objects = {trail_key(name, day): trail_body(name) for name, day in names.items()}
    return Collection(folder, MemoryStore(objects), job=CONTINUE)


def names_of(day: date, first: int, end: int) -> dict[str, date]:
    return {f"{number:05}": day for number in range(first, end)}


def keys_of(names: dict[str, date]) -> list[str]:
    return [trail_key(name, day) for name, day in names.items()]


def events(names: dict[str, date]) -> list[str]:
    return [f"{name}-0" for name in names]


@pytest.mark.parametrize("count", [1, 300, 500, 800])
def test_in_the_middle_of_a_day_it_goes_on_where_the_existing_module_was(tmp_path: Path, count: int) -> None:
    today = names_of(DAY, 0, 1000)
    old = names_of(DAY, 0, count)
    ExistingModule(tmp_path).write(TRAIL, keys_of(old))
    collection = collection_of(tmp_path, today)
    assert collection.run().events == events(names_of(DAY, count, 1000))
    assert collection.run().events == []


@pytest.mark.parametrize(
    "changes",
    [
        "CREATE TABLE log_progress (log_key); CREATE TABLE trail_progress (log_key)",
        "DROP TABLE metadata",
        "UPDATE metadata SET value = '3.9.0'",
        "INSERT INTO metadata VALUES ('other', 'thing')",
    ],
)
def test_files_of_other_versions_are_taken_over_too(tmp_path: Path, changes: str) -> None:
    ExistingModule(tmp_path).write(TRAIL, keys_of(names_of(DAY, 0, 3)))
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.executescript(changes)
    assert collection_of(tmp_path, names_of(DAY, 0, 5)).run().events == ["00003-0", "00004-0"]


def test_late_object_behind_the_oldest_row_is_sent_one_before_it_counts_as_done(tmp_path: Path) -> None:
    ExistingModule(tmp_path).write(TRAIL, keys_of({"b": DAY, "d": DAY}))
    collection = collection_of(tmp_path, {"a": DAY, "b": DAY, "c": DAY, "d": DAY, "e": DAY})
    assert collection.run().events == ["c-0", "e-0"]


def test_day_of_the_oldest_row_is_the_floor(tmp_path: Path) -> None:
    ExistingModule(tmp_path).write(TRAIL, keys_of({"a": DAY, "b": DAY + timedelta(2)}))
    collection = collection_of(tmp_path, {"before": DAY - timedelta(1), "z": DAY, "c": DAY + timedelta(2)})
    assert collection.run(lookback_days=30).events == ["z-0", "c-0"]


def test_region_that_it_never_saw_is_collected_from_its_last_run_less_the_lookback(tmp_path: Path) -> None:
    ExistingModule(tmp_path).write(TRAIL, keys_of({"a": DAY}))
    collection = collection_of(tmp_path, {"a": DAY})
    for day in (16, 17, 18):
        key = trail_key(f"new{day}", date(2021, 6, day), "eu-west-1")
        collection.store.objects[key] = trail_body(f"new{day}")
    assert collection.run().events == ["new17-0", "new18-0"]


def test_each_type_is_taken_over_when_it_first_runs(tmp_path: Path) -> None:
    """All types share the file: the first command of ours makes it ours."""
    alb = LOG_TYPES["alb"]()
    partition = partition_of(alb.layouts[0])
    keys = [
        f"{partition.prefix}2021/06/10/{ACCOUNT}_elasticloadbalancing_{REGION}_app.a.1_20210610T{n:04}Z_1_a.log"
        for n in range(6)
    ]
    ExistingModule(tmp_path).write(TRAIL, keys_of({"a": DAY}))
    ExistingModule(tmp_path, alb).write(partition, keys[1:3])
    collection_of(tmp_path, {"a": DAY}).run()
    with closing(
        Collection(tmp_path, bucket=alb, job=BucketJob(LOAD_BALANCER)).state(BucketJob(LOAD_BALANCER))
    ) as state:
        assert state.history() == History(date(2021, 6, 18))
        assert state.checkpoint(partition).newest_day == DAY
        assert state.done_or_waiting(partition, keys) == set(keys[:3])
        state.begin(partition, StartDay(DAY, floor=DAY))
        assert state.history() == History(date(2021, 6, 18), DAY)


def test_flow_logs_are_counted_each_for_itself(tmp_path: Path) -> None:
    """It keeps the newest rows of each flow log: of a busy one for hours, of a quiet one for months."""
    flow = LOG_TYPES["vpcflow"]()
    partition = partition_of(flow.layouts[0])

    def key(log: str, day: int, number: int) -> str:
        name = f"{ACCOUNT}_vpcflowlogs_{REGION}_fl-{log}_202106{day:02}T{number:04}Z_a.log.gz"
        return f"{partition.prefix}2021/06/{day:02}/{name}"

    busy = [key("b", 10, number) for number in range(20)]
    quiet = [key("q", day, 0) for day in range(2, 11)]
    ExistingModule(tmp_path, flow, kept=5).write(partition, sorted([*busy, *quiet]))
    job = BucketJob(BucketLocation("vpcflow", "acme-logs"))
    with closing(Collection(tmp_path, bucket=flow, job=job).state(job)) as state:
        new = [key("a", 10, 1), key("b", 10, 20), key("q", 10, 1)]
        assert state.done_or_waiting(partition, [*busy, *quiet, *new]) == {*busy, *quiet}


def test_config_counts_by_date_not_by_text(tmp_path: Path) -> None:
    config = LOG_TYPES["config"]()
    partition = partition_of(config.layouts[0])
    keys = [f"{partition.prefix}2021/6/{day}/ConfigHistory/{n}.json.gz" for day in (8, 9, 10, 11) for n in "ab"]
    ExistingModule(tmp_path, config, kept=3).write(partition, keys[:6])
    job = BucketJob(BucketLocation("config", "acme-logs"))
    with closing(Collection(tmp_path, bucket=config, job=job).state(job)) as state:
        assert state.checkpoint(partition).floor == date(2021, 6, 9)
        assert state.checkpoint(partition).newest_day == date(2021, 6, 10)
        assert state.done_or_waiting(partition, keys) == set(keys[:6])


def test_row_of_a_day_to_come_does_not_end_collection(tmp_path: Path) -> None:
    ExistingModule(tmp_path).write(TRAIL, keys_of({"a": DAY, "z": date(2099, 1, 1)}))
    collection = collection_of(tmp_path, {"a": DAY, "b": DAY, "z": date(2099, 1, 1)})
    assert collection.run().events == ["b-0"]
    assert collection.run().events == []


def test_only_a_row_of_a_day_to_come_tells_nothing(tmp_path: Path) -> None:
    ExistingModule(tmp_path).write(TRAIL, keys_of({"z": date(2099, 1, 1)}))
    collection = collection_of(tmp_path, {"b": DAY, "z": date(2099, 1, 1)})
    assert collection.run(only_logs_after=DAY).events == ["b-0"]


def test_objects_that_wait_to_be_tried_again_outlive_the_existing_module(tmp_path: Path) -> None:
    collection = collection_of(tmp_path, {"a": DAY, "b": DAY, "c": DAY})
    waiting = trail_key("b")
    collection.store.failures[waiting] = UNAVAILABLE
    assert collection.run(only_logs_after=DAY, skip_on_error=True).events == ["a-0", "c-0"]
    ExistingModule(tmp_path, kept=1).write(TRAIL, keys_of({"d": DAY}))
    collection.store.failures.clear()
    collection.store.objects[trail_key("e")] = trail_body("e")
    assert collection.run().events == ["b-0", "e-0"]


def test_what_counted_as_done_before_still_does(tmp_path: Path) -> None:
    """A reparse by the existing module adds older rows; what lies between was done all the same."""
    module = ExistingModule(tmp_path, kept=3)
    names = names_of(DAY, 0, 8)
    module.write(TRAIL, keys_of(names)[:6])
    collection = collection_of(tmp_path, names)
    assert collection.run().events == ["00006-0", "00007-0"]
    module.kept = 500
    module.write(TRAIL, keys_of(names)[:1])
    assert collection.run().events == []


def test_what_we_know_outlives_rows_that_it_forgot(tmp_path: Path) -> None:
    collection = collection_of(tmp_path, {"a": DAY, "b": DAY + timedelta(4)})
    collection.run(only_logs_after=DAY - timedelta(3))
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.execute("DELETE FROM cloudtrail WHERE log_key = ?", (trail_key("b", DAY + timedelta(4)),))
    ExistingModule(tmp_path).write(TRAIL, [])
    with closing(collection.state()) as state:
        assert state.checkpoint(TRAIL) == PartitionCheckpoint(floor=DAY - timedelta(3), newest_day=DAY + timedelta(4))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    turns=st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(0, 2), max_size=6), st.sampled_from((0, 0, 1))), max_size=8
    )
)
def test_taking_turns_each_object_is_sent_once(turns: list[tuple[bool, list[int], int]]) -> None:
    """Objects arrive in order; now this module runs, now that one, which forgets all but its newest rows."""
    with TemporaryDirectory(prefix="state") as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("aws_s3.state.processed_objects._NEWEST_KEPT", 2)
        folder = Path(name)
        theirs = ExistingModule(folder, kept=3)
        ours = Collection(folder, job=JOB)
        sent: list[str] = []
        day, count = DAY, 0
        for is_ours, batches, days in turns:
            day += timedelta(days)
            for _ in batches:
                ours.store.objects[trail_key(f"{count:03}", day)] = trail_body(f"{count:03}")
                count += 1
            if is_ours and count:
                sent += ours.run().events
            elif count:
                newest = theirs.newest(TRAIL)
                new = sorted(key for key in ours.store.objects if key > newest)
                sent += [f"{key.rpartition('T')[2].removesuffix('.json')}-0" for key in new]
                theirs.write(TRAIL, new)
        if count:
            sent += ours.run().events
        assert sent == [f"{number:03}-0" for number in range(count)]


SHARED = [
    world
    for world in WORLDS
    if "aws_region" not in LOG_TYPES[world.type].key_columns and all(part.partition.account for part in world.parts[:2])
]
"""Types whose table has no region: Wazuh's own module counts the rows of several partitions together."""


class Neighbours:
    """Two partitions that share a table partition: the rows of `first`, whose keys sort first, are pushed out."""

    def __init__(self, folder: Path, world: World) -> None:
        self.world = world
        self.first, self.last = sorted(world.parts[:2], key=lambda part: part.partition.prefix)
        self.module = ExistingModule(folder, world.bucket())
        job = BucketJob(world.source)
        self.collection = Collection(folder, bucket=world.bucket(), job=job)

    def put(self, part: Part, names: dict[str, date]) -> list[str]:
        keys = {part.key(day, name): name for name, day in names.items()}
        self.collection.store.objects |= {key: body_of(name, 1) for key, name in keys.items()}
        return list(keys)

    def collected_by_module(self, part: Part, names: dict[str, date]) -> None:
        """Let Wazuh's own module collect objects of one partition, and keep its newest 500 rows of both."""
        keys = self.put(part, names)
        self.module.write(part.partition, sorted(keys), bucket_path=f"acme-logs/{self.world.path}")


def spread(prefix: str, count: int, first: date, days: int) -> dict[str, date]:
    return {f"{prefix}{number:04}": first + timedelta(number * days // count) for number in range(count)}


@pytest.mark.parametrize("world", SHARED, ids=lambda world: f"{world.type} {world.path}")
def test_partition_whose_rows_a_neighbour_pushed_out_starts_where_rows_are_left(tmp_path: Path, world: World) -> None:
    """Nothing tells which of its objects were sent: those of the neighbour's oldest row and later come again."""
    neighbours = Neighbours(tmp_path, world)
    neighbours.collected_by_module(neighbours.first, spread("a", 100, date(2021, 6, 1), 18))
    neighbours.collected_by_module(neighbours.last, spread("b", 700, date(2021, 6, 1), 18))
    oldest = date(2021, 6, 1) + timedelta(200 * 18 // 700)
    neighbours.put(neighbours.first, {"new": date(2021, 6, 19)})
    sent = neighbours.collection.run(only_logs_after=date(2021, 6, 1)).events
    again = [name for name, day in spread("a", 100, date(2021, 6, 1), 18).items() if day >= oldest]
    assert sent == [*(f"{name}-0" for name in again), "new-0"]
    assert neighbours.collection.run(only_logs_after=date(2021, 6, 1)).events == []


@pytest.mark.parametrize("world", SHARED, ids=lambda world: f"{world.type} {world.path}")
def test_nothing_comes_again_on_the_way_back_where_a_neighbour_pushed_the_rows_out(
    tmp_path: Path, world: World
) -> None:
    neighbours = Neighbours(tmp_path, world)
    neighbours.put(neighbours.first, spread("a", 25, date(2021, 6, 15), 5))
    neighbours.put(neighbours.last, spread("b", 5, date(2021, 6, 15), 5))
    assert len(neighbours.collection.run(only_logs_after=date(2021, 6, 1)).events) == 30
    neighbours.collected_by_module(neighbours.last, spread("c", 600, date(2021, 6, 19), 1))
    assert neighbours.collection.run(lookback_days=30).events == []
    neighbours.put(neighbours.first, {"new": date(2021, 6, 19)})
    assert neighbours.collection.run().events == ["new-0"]


def test_partition_that_appears_after_a_take_over_is_collected_from_its_first_object(tmp_path: Path) -> None:
    """Only a neighbour that Wazuh's own module has collected can have pushed rows out."""
    neighbours = Neighbours(tmp_path, SHARED[0])
    neighbours.put(neighbours.last, spread("b", 600, date(2021, 6, 1), 18))
    neighbours.collection.run(only_logs_after=date(2021, 6, 1))
    neighbours.put(neighbours.first, spread("a", 10, date(2021, 6, 10), 10))
    assert neighbours.collection.run(only_logs_after=date(2021, 6, 10)).events == [f"a{n:04}-0" for n in range(10)]


def test_accounts_trail_beside_an_organizations_is_not_sent_again(tmp_path: Path) -> None:
    """They share bucket_path, account and region, and their rows are counted together."""
    organization = replace(JOB.source, organization="o-abc123")
    base = "AWSLogs/o-abc123/"
    of_organization = replace(TRAIL, prefix=TRAIL.prefix.replace("AWSLogs/", base))
    names = spread("a", 25, date(2021, 6, 15), 5)
    collection = Collection(
        tmp_path, MemoryStore({trail_key(name, day): trail_body(name) for name, day in names.items()})
    )
    assert len(collection.run(only_logs_after=date(2021, 6, 1)).events) == 25
    more = spread("b", 600, date(2021, 6, 19), 1)
    module = ExistingModule(tmp_path)
    module.write(of_organization, sorted(trail_key(name, day, base=base) for name, day in more.items()))
    collection.store.objects |= {trail_key(name, day, base=base): trail_body(name) for name, day in more.items()}
    assert collection.run(only_logs_after=None, lookback_days=30).events == []
    assert collection.run(source=organization, only_logs_after=date(2021, 6, 1)).events == []


WITHOUT_ACCOUNT = [
    (world, part) for world in WORLDS for part in world.parts if not part.partition.account and part.partition.prefix
]


@pytest.mark.parametrize(("world", "part"), WITHOUT_ACCOUNT, ids=lambda each: getattr(each, "type", ""))
def test_rows_that_each_program_wrote_for_another_account_are_counted_apart(
    tmp_path: Path, world: World, part: Part
) -> None:
    """Ours asks for the role's account: rows of ours are no reason for Wazuh's own module to keep fewer of its own."""
    collection = Collection(tmp_path, bucket=world.bucket(), job=BucketJob(world.source))

    def put(names: dict[str, date]) -> list[str]:
        keys = {part.key(day, name): name for name, day in names.items()}
        collection.store.objects |= {key: body_of(name, 1) for key, name in keys.items()}
        return sorted(keys)

    put(spread("a", 20, date(2021, 6, 15), 1))
    assert len(collection.run(only_logs_after=date(2021, 6, 1)).events) == 20
    theirs = put(spread("b", 600, date(2021, 6, 16), 1))
    ExistingModule(tmp_path, world.bucket()).write(part.partition, theirs, bucket_path=f"acme-logs/{world.path}")
    assert collection.run(lookback_days=30).events == []
    # An object that comes late is still told from those that were pruned, where it sorts behind them.
    put({"c": date(2021, 6, 16)})
    assert collection.run(lookback_days=30).events == ["c-0"]
    put(spread("d", 700, date(2021, 6, 17), 1))
    assert len(collection.run(lookback_days=30).events) == 700
    ExistingModule(tmp_path, world.bucket()).write(part.partition, [], bucket_path=f"acme-logs/{world.path}")
    put({"c2": date(2021, 6, 16)})
    assert collection.run(lookback_days=30).events == ["c2-0"]
