"""The daemon on a clock that only moves when it waits or runs: when runs begin, and what a request changes."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from aws_s3.cli.daemon import Daemon, SystemClock
from aws_s3.config.ossec_conf import Block, Wodle
from aws_s3.config.schedule import Interval, Schedule, parse_interval, parse_time
from aws_s3.errors import Interrupted, OssecConfigError

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")
UTC = timezone.utc
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
EVERY_HOUR = Wodle(schedule=Schedule(Interval(1, "h")))
BEGIN = datetime(2024, 5, 1, 10, tzinfo=UTC)


@dataclass
class Life:
    """A daemon from its beginning to the SIGTERM that it gets at `end`.

    `at` says what happens at a moment; `takes` is how long a run takes.
    """

    zone: ZoneInfo
    begin: datetime
    end: datetime
    takes: timedelta | Sequence[timedelta] = timedelta(minutes=3)
    at: dict[datetime, Callable[["Life"], bool]] = field(default_factory=dict)
    wodle: Wodle | OssecConfigError = EVERY_HOUR
    runs: list[datetime] = field(default_factory=list)
    reads: int = 0
    running: bool = False

    def live(self) -> int:
        self.time = self.begin
        return Daemon(self._load, self._run, self, self.zone).run()

    def begun(self) -> list[str]:
        """When runs began, as clocks on the wall showed it."""
        return [f"{moment.astimezone(self.zone):%m-%d %H:%M %z}" for moment in self.runs]

    def _load(self) -> Wodle:
        self.reads += 1
        if isinstance(self.wodle, OssecConfigError):
            raise self.wodle
        return self.wodle

    def _run(self, wodle: Wodle, blocks: Sequence[Block]) -> int:
        assert not self.running
        self.running = True
        self.runs.append(self.time)
        takes = self.takes if isinstance(self.takes, timedelta) else self.takes[len(self.runs) - 1]
        self.time += takes
        self.running = False
        return 7

    def now(self) -> datetime:
        return self.time

    def wait(self, longest: timedelta) -> bool:
        """Wait as the system does: it may return a little late."""
        assert timedelta() <= longest <= MINUTE
        until = self.time + longest
        for moment in sorted(self.at):
            if moment <= until:
                self.time = max(moment, self.time)
                return self.at.pop(moment)(self)
        self.time = until + 0.02 * SECOND
        if self.time >= self.end:
            raise Interrupted("SIGTERM", 143)
        return False


def monthly(zone: ZoneInfo, year: int, month: int) -> tuple[datetime, datetime]:
    """Return the beginning of a month and of the next, there."""
    return datetime(year, month, 1, tzinfo=zone).astimezone(UTC), datetime(year, month + 1, 1, tzinfo=zone)


@pytest.mark.parametrize(
    ("zone", "month", "at", "change", "shown"),
    [
        # On the day of the change, the time is left out, or comes twice.
        (NEW_YORK, 3, "02:30", 10, "03-10 03:30 -0400"),
        (NEW_YORK, 11, "01:30", 3, "11-03 01:30 -0400"),
        (BERLIN, 3, "02:30", 31, "03-31 03:30 +0200"),
        (BERLIN, 10, "02:30", 27, "10-27 02:30 +0200"),
    ],
)
def test_in_a_month_with_a_change_of_clocks_each_day_has_its_run(
    zone: ZoneInfo, month: int, at: str, change: int, shown: str
) -> None:
    begin, end = monthly(zone, 2024, month)
    nightly = Wodle(run_on_start=False, schedule=Schedule(Interval(1, "d"), at=parse_time(at)))
    life = Life(zone, begin, end, wodle=nightly)
    assert life.live() == 0
    days = (end - begin + 2 * HOUR).days
    found = life.begun()
    assert len(found) == days
    assert found[change - 1] == shown
    others = {moment[:11] for number, moment in enumerate(found, 1) if number != change}
    assert others == {f"{month:02}-{day:02} {at}" for day in range(1, days + 1) if day != change}


def test_in_a_month_with_a_change_of_clocks_no_ten_minutes_are_left_out() -> None:
    begin, end = monthly(NEW_YORK, 2024, 3)
    life = Life(NEW_YORK, begin, end, wodle=Wodle())
    life.live()
    assert [round((moment - begin) / MINUTE, 1) for moment in life.runs] == [10.0 * number for number in range(4458)]
    assert end - begin == 743 * HOUR


def test_a_run_on_start_comes_before_the_schedule() -> None:
    schedule = Schedule(Interval(1, "d"), at=parse_time("02:30"))
    for run_on_start, runs in ((True, ["05-01 06:00 -0400", "05-02 02:30 -0400"]), (False, ["05-02 02:30 -0400"])):
        life = Life(NEW_YORK, BEGIN, BEGIN + 36 * HOUR, wodle=Wodle(False, run_on_start, schedule))
        life.live()
        assert life.begun() == runs


def test_a_run_longer_than_its_interval_is_followed_by_the_next_at_once(caplog: pytest.LogCaptureFixture) -> None:
    takes = [150 * MINUTE, 3 * MINUTE, 60 * MINUTE, 3 * MINUTE, 3 * MINUTE]
    life = Life(BERLIN, BEGIN, BEGIN + 6 * HOUR, takes)
    life.live()
    assert [(moment - BEGIN) // MINUTE for moment in life.runs] == [0, 150, 210, 270, 330]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text.partition(" took ")[2] for text in warnings] == [
        "longer than its interval: the next begins at once"
    ] * 2


def test_a_night_that_a_run_took_longer_than_is_made_up_once() -> None:
    schedule = Schedule(Interval(1, "d"), at=parse_time("02:30"))
    life = Life(NEW_YORK, BEGIN, BEGIN + 100 * HOUR, [70 * HOUR, HOUR, HOUR], wodle=Wodle(schedule=schedule))
    life.live()
    assert life.begun() == ["05-01 06:00 -0400", "05-04 04:00 -0400", "05-05 02:30 -0400"]


def test_a_changed_file_holds_from_the_next_run_on() -> None:
    def change(life: Life) -> bool:
        life.wodle = Wodle(schedule=Schedule(parse_interval("10m")))
        return True

    life = Life(BERLIN, BEGIN, BEGIN + 45 * MINUTE, at={BEGIN + 25 * MINUTE: change})
    life.live()
    # The ten minutes since the last run are over.
    assert [(moment - BEGIN) // MINUTE for moment in life.runs] == [0, 25, 35]


def test_a_file_read_again_does_not_put_off_a_run_that_is_due() -> None:
    life = Life(BERLIN, BEGIN, BEGIN + 90 * MINUTE, at={BEGIN: lambda life: True})
    life.live()
    assert (life.reads, [round((moment - BEGIN) / MINUTE) for moment in life.runs]) == (2, [0, 60])


def test_a_request_in_the_midst_of_runs_without_end_is_heard() -> None:
    """One that came while a run took too long is still there when the next is due."""
    changes = []

    def change(life: Life) -> bool:
        changes.append(life.time)
        life.takes = MINUTE
        return True

    life = Life(BERLIN, BEGIN, BEGIN + 5 * HOUR, 90 * MINUTE, at={BEGIN + 90 * MINUTE: change})
    life.live()
    assert (len(changes), life.reads) == (1, 2)
    assert [(moment - BEGIN) // MINUTE for moment in life.runs] == [0, 90, 150, 210, 270]


def test_a_broken_file_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def break_(life: Life) -> bool:
        life.wodle = OssecConfigError("ossec.conf, line 3: it is broken.")
        return True

    life = Life(BERLIN, BEGIN, BEGIN + 150 * MINUTE, at={BEGIN + 10 * MINUTE: break_})
    assert life.live() == 0
    assert len(life.runs) == 3
    [error] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert error == "ossec.conf, line 3: it is broken. Keeping the previous configuration."


def test_a_broken_file_at_the_start_ends_the_daemon() -> None:
    with pytest.raises(OssecConfigError):
        Life(BERLIN, BEGIN, BEGIN + HOUR, wodle=OssecConfigError("broken")).live()


def test_a_disabled_block_ends_the_daemon() -> None:
    def disable(life: Life) -> bool:
        life.wodle = Wodle(disabled=True)
        return True

    life = Life(BERLIN, BEGIN, BEGIN + 5 * HOUR, at={BEGIN + 70 * MINUTE: disable})
    assert (life.live(), len(life.runs)) == (0, 2)
    life = Life(BERLIN, BEGIN, BEGIN + 5 * HOUR, wodle=Wodle(disabled=True))
    assert (life.live(), life.runs) == (0, [])


@pytest.mark.parametrize("years", [-10, -1, 10])
def test_a_clock_that_is_set_puts_no_run_off_for_long(years: int) -> None:
    def set_clock(life: Life) -> bool:
        life.time += timedelta(days=365 * years)
        life.end += timedelta(days=365 * years)
        return False

    life = Life(BERLIN, BEGIN, BEGIN + 150 * MINUTE, at={BEGIN + 10 * MINUTE: set_clock})
    life.live()
    since = [(moment - BEGIN - timedelta(days=365 * years)) // MINUTE for moment in life.runs]
    assert since[1:] == ([10, 70, 130] if years > 0 else [70, 130])


def test_a_clock_that_is_put_back_a_little_repeats_no_run() -> None:
    def set_clock(life: Life) -> bool:
        life.time -= 30 * SECOND
        return False

    schedule = Schedule(Interval(1, "d"), at=parse_time("10:00"))
    life = Life(
        ZoneInfo("UTC"),
        BEGIN,
        BEGIN + HOUR,
        10 * SECOND,
        {BEGIN + 10 * SECOND: set_clock},
        Wodle(False, True, schedule),
    )
    life.live()
    assert len(life.runs) == 1


def test_sigint_is_an_interruption_as_ever() -> None:
    def interrupt(life: Life) -> bool:
        raise Interrupted("SIGINT", 2)

    with pytest.raises(Interrupted):
        Life(BERLIN, BEGIN, BEGIN + HOUR, at={BEGIN + 10 * MINUTE: interrupt}).live()


@pytest.fixture
def clock() -> Iterator[SystemClock]:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    before = [(number, signal.getsignal(number)) for number in (signal.SIGHUP, signal.SIGTERM)]
    yield SystemClock()
    signal.sigtimedwait([signal.SIGHUP], 0)
    for number, handler in before:
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_the_systems_clock_waits_and_shows_the_time(clock: SystemClock) -> None:
    before = time.time()
    assert not clock.wait(timedelta(seconds=0.05))
    assert before + 0.04 < clock.now().timestamp() <= time.time()
    assert not clock.wait(timedelta())


def test_sighup_ends_the_wait_also_when_it_came_before(clock: SystemClock) -> None:
    signal.raise_signal(signal.SIGHUP)
    assert clock.wait(HOUR)
    assert not clock.wait(timedelta())
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGHUP)).start()
    assert clock.wait(HOUR)


def test_sigterm_ends_the_wait_by_its_handler(clock: SystemClock) -> None:
    def stop(number: int, frame: object) -> None:
        raise Interrupted("SIGTERM", 143)

    signal.signal(signal.SIGTERM, stop)
    with pytest.raises(Interrupted):
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        clock.wait(HOUR)


def test_each_block_with_a_schedule_of_its_own_runs_on_it() -> None:
    """The others run on the file's; blocks that are due together run in the file's order, never beside each other."""
    hourly = Block("hourly", ("h",))
    often = Block("often", ("o",), Schedule(parse_interval("20m")))
    nightly = Block("nightly", ("n",), Schedule(Interval(1, "d"), at=parse_time("12:30")))
    runs: list[tuple[int, list[str]]] = []

    class Blocks(Life):
        def _run(self, wodle: Wodle, blocks: Sequence[Block]) -> int:
            runs.append(((self.time - BEGIN) // MINUTE, [block.name for block in blocks]))
            return super()._run(wodle, blocks)

    wodle = Wodle(schedule=Schedule(Interval(1, "h")), blocks=(often, hourly, nightly))
    Blocks(ZoneInfo("UTC"), BEGIN, BEGIN + 155 * MINUTE, MINUTE, wodle=wodle).live()
    assert runs == [
        (0, ["often", "hourly", "nightly"]),
        *((minutes, ["often", "hourly"] if minutes % 60 == 0 else ["often"]) for minutes in range(20, 141, 20)),
        (150, ["nightly"]),
    ]


def test_a_file_read_again_keeps_the_turns_of_its_blocks() -> None:
    kept = Block("kept", ("k",), Schedule(parse_interval("30m")))
    gone = Block("gone", ("g",), Schedule(parse_interval("30m")))
    new = Block("new", ("n",), Schedule(parse_interval("1h")))
    runs: list[tuple[int, list[str]]] = []

    class Blocks(Life):
        def _run(self, wodle: Wodle, blocks: Sequence[Block]) -> int:
            runs.append(((self.time - BEGIN) // MINUTE, [block.name for block in blocks]))
            return super()._run(wodle, blocks)

    def change(life: Life) -> bool:
        life.wodle = Wodle(blocks=(kept, new))
        return True

    at: dict[datetime, Callable[[Life], bool]] = {BEGIN + 10 * MINUTE: change}
    Blocks(ZoneInfo("UTC"), BEGIN, BEGIN + 65 * MINUTE, MINUTE, at, Wodle(blocks=(kept, gone))).live()
    assert runs == [(0, ["kept", "gone"]), (10, ["new"]), (30, ["kept"]), (60, ["kept"])]
