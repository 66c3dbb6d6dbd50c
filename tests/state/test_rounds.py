"""Objects arrive in any order, runs end anyhow, options change: the model says what each run must send."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.errors import SinkConnectError, StorageError, UnavailableError
from aws_s3.settings import BucketJob, DiscardRule
from aws_s3.state.database import Database, Execute
from aws_s3.state.start_day import History, PartitionCheckpoint, StartDay, StartRequest, choose_start_day
from tests.harness.collecting import ACCOUNT, JOB, REGION, Collection, ListSink
from tests.state.worlds import WORLDS, World, body_of

KEPT = 2
EXAMPLES = 12
"""Of each world: together as many as the suite has time for."""
SECOND_EVENTS = DiscardRule("eventID", re.compile(".*-1"))
UNAVAILABLE = UnavailableError(StorageError("SlowDown: later."))


class KilledError(BaseException):
    """The end of a process that gets no chance to tidy up."""


@dataclass
class Fate:
    """When a process dies: after so many moments; then nothing works any more."""

    moments: int | None = None

    def moment(self) -> None:
        if self.moments is None:
            return
        self.moments -= 1
        if self.moments < 0:
            raise KilledError


@dataclass(frozen=True)
class Item:
    """An object as the model knows it."""

    key: str
    day: date
    part: str
    events: tuple[str, ...]

    def sent_with(self, discard: DiscardRule | None) -> list[str]:
        return [event for event in self.events if discard is None or not discard.regex.match(event)]


@dataclass
class Model:
    """The state as it should be."""

    known: dict[str, PartitionCheckpoint] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    partial: dict[str, tuple[DiscardRule | None, int]] = field(default_factory=dict)
    last_run: date | None = None


@dataclass(frozen=True)
class Step:
    """One object that a run comes to, and the events it then sends."""

    item: Item
    events: list[str]
    in_turn: bool
    is_broken: bool


@dataclass(frozen=True)
class Round:
    """What happens, then the run with its options and its end.

    An arrival is an object's age in days, the start of its name, the number of its partition and how many
    events it holds; `toggles` are objects that break or are mended, counted from the last to arrive.
    """

    days: int
    arrivals: list[tuple[int, str, int, int]]
    toggles: list[int]
    job: BucketJob
    since: int | None
    end: str
    moments: int


ARRIVALS = st.tuples(
    st.sampled_from((0, 0, 1, 1, 2, 3, 6, -2)), st.sampled_from("abcdef"), st.integers(0, 2), st.integers(0, 3)
)
JOBS = st.builds(
    replace,
    st.just(JOB),
    lookback_days=st.sampled_from((1, 1, 1, 0, 2, 4)),
    discard=st.sampled_from((None, None, SECOND_EVENTS)),
    skip_on_error=st.booleans(),
    reparse=st.sampled_from((False, False, False, True)),
    remove=st.sampled_from((False, False, True)),
    accounts=st.sampled_from(((), (), (ACCOUNT,))),
    regions=st.sampled_from(((), (), (REGION,))),
)
ROUNDS = st.builds(
    Round,
    days=st.sampled_from((0, 0, 1, 2, 4)),
    arrivals=st.lists(ARRIVALS, max_size=5),
    toggles=st.lists(st.integers(0, 9), max_size=2),
    job=JOBS,
    since=st.sampled_from((None, None, None, 12, 2, 1, 0, -3)),
    end=st.sampled_from(("whole", "whole", "killed", "no listener")),
    moments=st.integers(0, 40),
)


class Collecting:
    """Runs the real collector, listings and state; only the bucket, the socket and death are made up."""

    def __init__(self, world: World, folder: Path, fate: Fate) -> None:
        self.world = world
        self.partitions = {part.name: part.partition for part in world.parts}
        self.collection = Collection(folder, bucket=world.bucket(), job=replace(JOB, source=world.source))
        self.fate = fate
        self.items: dict[str, Item] = {}
        self.model = Model()
        self.rows_before: set[str] = set()

    @property
    def today(self) -> date:
        return self.collection.now.date()

    def play(self, round_: Round) -> None:
        self.collection.now += timedelta(round_.days)
        for arrival in round_.arrivals:
            self._arrive(*arrival)
        for number in round_.toggles:
            if number < len(self.items):
                self._toggle(list(self.items)[-1 - number])
        if not self.items:
            return
        since = None if round_.since is None else self.today - timedelta(round_.since)
        job = replace(round_.job, source=self.world.source, only_logs_after=since)
        starts, steps = self._expected(job)
        if job.skip_on_error and not job.reparse and since is None:
            assert self._promised(job, starts) <= {step.item.key for step in steps} | self.model.failed
        if round_.end == "killed":
            self._run_killed(job, steps, round_.moments)
        elif round_.end == "no listener":
            self._run_without_listener(job, starts, steps, round_.moments // 4)
        else:
            self._run_whole(job, starts, steps)
        removed = set(self.items) - set(self.collection.store.objects)
        assert removed <= self.model.done

    def _arrive(self, age: int, name: str, number: int, events: int) -> None:
        day = self.today - timedelta(age)
        name = f"{name}{len(self.items)}"
        part = self.world.parts[number % len(self.world.parts)]
        key = part.key(day, name)
        self.items[key] = Item(key, day, part.name, tuple(f"{name}-{number}" for number in range(events)))
        self.collection.store.objects[key] = body_of(name, events)

    def _promised(self, job: BucketJob, starts: dict[str, StartDay]) -> set[str]:
        """Return the objects that are new within the look-back, however the start of a run is decided."""
        promised = set()
        for key in self.collection.store.objects:
            item = self.items[key]
            known = self.model.known.get(item.part, PartitionCheckpoint())
            if item.part in starts and known.newest_day and key not in self.model.done:
                bounds = filter(None, (known.floor, known.skipped_to, known.pruned))
                if item.day >= max(known.newest_day - timedelta(job.lookback_days), *bounds):
                    promised.add(key)
        return promised

    def _toggle(self, key: str) -> None:
        if not self.collection.store.failures.pop(key, None):
            self.collection.store.failures[key] = UNAVAILABLE

    def _run_whole(self, job: BucketJob, starts: dict[str, StartDay], steps: list[Step]) -> None:
        ended = self.collection.run(**changes(job))
        assert ended.events == [event for step in steps for event in step.events]
        has_failed = any(step.is_broken for step in steps) and not job.skip_on_error
        assert ended.code == (UNAVAILABLE.exit_code if has_failed else 0)
        self._apply(job, starts, steps)
        if job.remove:
            processed = {step.item.key for step in steps if not step.is_broken}
            assert not processed & set(self.collection.store.objects)
        if not has_failed and not any(start.skips_days for start in starts.values()):
            self.model.last_run = self.today
        self._compare(job)

    def _run_without_listener(
        self, job: BucketJob, starts: dict[str, StartDay], steps: list[Step], accepted: int
    ) -> None:
        """The listener goes after some messages: what it took of the object in hand is remembered."""
        if accepted >= sum(len(step.events) for step in steps):
            return self._run_whole(job, starts, steps)
        sink = ListSink()

        def fail() -> None:
            if len(sink.messages) == accepted:
                raise SinkConnectError("nobody listens")

        sink.fail = fail
        with pytest.raises(SinkConnectError):
            self.collection.run(sink, **changes(job))
        assert sink.events == [event for step in steps for event in step.events][:accepted]
        whole, cut, rest = split(steps, accepted)
        # Partitions are begun ahead: all of these few.
        self._apply(job, starts, whole)
        if rest and not job.reparse:
            earlier = len(cut.item.sent_with(job.discard)) - len(cut.events)
            self.model.partial[cut.item.key] = (job.discard, earlier + rest)
        self._compare(job)
        return None

    def _run_killed(self, job: BucketJob, steps: list[Step], moments: int) -> None:
        """The process dies: what was committed counts, and only the object in hand may come again."""
        self.fate.moments = moments
        sink = ListSink(fail=self.fate.moment)
        try:
            self.collection.run(sink, **changes(job))
        except KilledError:
            pass
        finally:
            self.fate.moments = None
        assert sink.events == [event for step in steps for event in step.events][: len(sink.messages)]
        with closing(self.collection.state(job)) as state:
            rows = self._rows(state)
            failed = self._failed(state)
            known = {name: state.checkpoint(partition) for name, partition in self.partitions.items()}
            last_run = state.history().last_run
        old = self.rows_before | self.model.done - self.model.failed
        new = [step for step in steps if not step.is_broken and step.item.key not in old]
        pruned = {name: now.pruned or date.min for name, now in known.items()}

        def is_recorded(step: Step) -> bool:
            forgotten = step.item.day < pruned[step.item.part] if step.in_turn else step.item.key not in failed
            return step.item.key in rows or (forgotten and not job.reparse)

        recorded = [step for step in new if is_recorded(step)]
        sent = set(sink.events)
        assert all(sent.issuperset(step.events) for step in recorded)
        assert len([step for step in new if step not in recorded and sent.intersection(step.events)]) <= 1
        self.model.done |= {step.item.key for step in recorded}
        self.model.failed = failed
        self.model.known = {name: now for name, now in known.items() if now != PartitionCheckpoint()}
        self.model.last_run = last_run
        for key in self.model.done:
            self.model.partial.pop(key, None)

    def _expected(self, job: BucketJob) -> tuple[dict[str, StartDay], list[Step]]:
        """Return where each partition starts, and what the run comes to, in order."""
        floors = [known.floor for known in self.model.known.values() if known.floor]
        history = History(self.model.last_run, min(floors, default=None))
        asked = StartRequest(self.today, job.only_logs_after, job.lookback_days, job.reparse)
        starts: dict[str, StartDay] = {}
        steps: list[Step] = []
        with closing(self.collection.state(job)) as state:
            due = {
                name: state.failed_objects.due_for_retry(partition, 1000) for name, partition in self.partitions.items()
            }
            self.rows_before = self._rows(state)
        # A reparse sends again what was forgotten too: as if it was new.
        settled = (self.rows_before if job.reparse else self.model.done) | self.model.failed
        for part in self.world.asked(job, self.collection.store.objects):
            met = self.model.done | self.model.failed
            is_bound = any(self.items[key].part == part for key in met)
            known = replace(self.model.known.get(part, PartitionCheckpoint()), is_bound=is_bound)
            starts[part] = choose_start_day(known, history, asked)
            again = [] if job.reparse else [self.items[failed.key] for failed in due[part]]
            steps += [self._step(item, job, in_turn=False) for item in again]
            steps += self._new_steps(part, starts[part], job, settled)
        return starts, steps

    def _new_steps(self, part: str, start: StartDay, job: BucketJob, settled: set[str]) -> Iterator[Step]:
        there = map(self.items.__getitem__, self.collection.store.objects)
        listed = (item for item in there if item.part == part and item.day >= start.day)
        for item in sorted(listed, key=lambda item: self.partitions[part].order(item.key)):
            if item.key in settled and not job.reparse:
                continue
            step = self._step(item, job, in_turn=item.key not in settled)
            yield step
            if step.is_broken and not job.skip_on_error:
                return

    def _step(self, item: Item, job: BucketJob, *, in_turn: bool) -> Step:
        if item.key in self.collection.store.failures:
            return Step(item, [], in_turn, is_broken=True)
        discard, accepted = self.model.partial.get(item.key, (None, 0))
        if job.reparse or discard != job.discard:
            accepted = 0
        return Step(item, item.sent_with(job.discard)[accepted:], in_turn, is_broken=False)

    def _apply(self, job: BucketJob, starts: dict[str, StartDay], steps: list[Step]) -> None:
        for part, start in starts.items():
            known = self.model.known.get(part, PartitionCheckpoint())
            self.model.known[part] = replace(known, floor=start.floor, skipped_to=start.skipped_to)
        for step in steps:
            key, part = step.item.key, step.item.part
            if step.is_broken:
                if step.in_turn and job.skip_on_error:
                    self.model.failed.add(key)
                continue
            self.model.done.add(key)
            self.model.failed.discard(key)
            self.model.partial.pop(key, None)
            if step.in_turn and step.item.day <= self.today and not starts[part].skips_days:
                known = self.model.known[part]
                self.model.known[part] = replace(known, newest_day=max(step.item.day, known.newest_day or date.min))

    def _compare(self, job: BucketJob) -> None:
        """The state knows what the model does; what it pruned is behind every window of until now."""
        with closing(self.collection.state(job)) as state:
            assert self._failed(state) == self.model.failed
            rows = self._rows(state)
            assert rows <= self.model.done
            for part, expected in self.model.known.items():
                known = state.checkpoint(self.partitions[part])
                assert replace(known, pruned=None) == replace(expected, pruned=None)
                if known.pruned != expected.pruned:
                    assert not job.reparse
                    assert known.pruned and known.pruned > (expected.pruned or date.min)
                    assert known.newest_day and known.pruned <= known.newest_day - timedelta(job.lookback_days)
                forgotten = {key for key in self.model.done - rows if self.items[key].part == part}
                assert all(self.items[key].day < (known.pruned or date.min) for key in forgotten)
                self.model.known[part] = known

    def _rows(self, state: Any) -> set[str]:
        return {key for partition in self.partitions.values() for key in state._processed.keys_of(partition)}

    def _failed(self, state: Any) -> set[str]:
        return set(state.failed_objects.failed_keys(sorted(self.items)) if self.items else ())


def mortal_database(fate: Fate) -> type[Database]:
    """Return a database whose process can die before and after each commit."""

    class MortalDatabase(Database):
        @contextmanager
        def transaction(self, *, of_sent_events: bool = False) -> Iterator[Execute]:
            fate.moment()
            with super().transaction(of_sent_events=of_sent_events) as execute:
                yield execute
                fate.moment()
            fate.moment()

    return MortalDatabase


def changes(job: BucketJob) -> dict[str, Any]:
    names = ("accounts", "regions", "lookback_days", "only_logs_after", "discard", "skip_on_error", "reparse", "remove")
    return {name: getattr(job, name) for name in names}


def split(steps: list[Step], accepted: int) -> tuple[list[Step], Step, int]:
    """Return the steps done when the next message is refused, the step in hand, and how much of it was taken."""
    for number, step in enumerate(steps):
        if accepted < len(step.events):
            return steps[:number], step, accepted
        accepted -= len(step.events)
    raise AssertionError("all was accepted")


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: f"{world.type} {world.path}")
@settings(max_examples=EXAMPLES, deadline=None)
@given(rounds=st.lists(ROUNDS, min_size=1, max_size=12))
def test_each_run_sends_what_it_must_once(world: World, rounds: list[Round]) -> None:
    fate = Fate()
    with TemporaryDirectory(prefix="state") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("aws_s3.state.processed_objects._NEWEST_KEPT", KEPT)
        patch.setattr("aws_s3.state.bucket_state.Database", mortal_database(fate))
        collecting = Collecting(world, Path(folder), fate)
        for round_ in rounds:
            collecting.play(round_)
