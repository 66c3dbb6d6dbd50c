"""The schedule on paper: tables of local times, across the days on which clocks are put forward and back."""

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.config.schedule import Interval, Schedule, parse_day, parse_interval, parse_time, parse_wday

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")
UTC = timezone.utc
SUNDAY = parse_wday("sunday")
MONDAY = parse_wday("monday")


def every(interval: str, *, day: int | None = None, wday: int | None = None, at: str | None = None) -> Schedule:
    return Schedule(parse_interval(interval), day, wday, parse_time(at) if at else None)


def local(text: str, zone: ZoneInfo) -> datetime:
    """Return the moment of `2024-03-10 01:30 -0500`, or of the same without an offset where it is clear."""
    return datetime.fromisoformat(text) if text[-6] in "+-" else datetime.fromisoformat(text).replace(tzinfo=zone)


PLAIN = [
    ("10m", "2024-05-01 10:00", "2024-05-01 10:10"),
    ("90", "2024-05-01 10:00", "2024-05-01 10:01:30"),
    ("90s", "2024-05-01 10:00", "2024-05-01 10:01:30"),
    ("36h", "2024-05-01 10:00", "2024-05-02 22:00"),
    ("2d", "2024-05-01 10:00", "2024-05-03 10:00"),
    ("1w", "2024-05-01 10:00", "2024-05-08 10:00"),
    # 24 hours, over the night that has 23 and the one that has 25.
    ("1d", "2024-03-09 10:00", "2024-03-10 11:00"),
    ("1d", "2024-11-02 10:00", "2024-11-03 09:00"),
    # An hour later, where 02:00 is 03:00, and where 01:30 comes again.
    ("1h", "2024-03-10 01:30", "2024-03-10 03:30"),
    ("1h", "2024-11-03 01:30:00-04:00", "2024-11-03 01:30:00-05:00"),
]
DAILY = [
    (every("1d", at="02:00"), "2024-05-01 02:00", "2024-05-02 02:00"),
    (every("1d", at="02:00"), "2024-05-01 15:37", "2024-05-02 02:00"),
    (every("1d", at="23:59"), "2024-05-01 15:37", "2024-05-01 23:59"),
    (every("1d", at="00:00"), "2024-12-31 00:00", "2025-01-01 00:00"),
    (every("3d", at="02:00"), "2024-05-01 02:00", "2024-05-04 02:00"),
    (every("3d", at="02:00"), "2024-05-01 15:37", "2024-05-04 02:00"),
    (every("1w", at="02:00"), "2024-05-01 02:00", "2024-05-08 02:00"),
    (every("1w", at="02:00"), "2024-05-01 15:37", "2024-05-08 02:00"),
]
WEEKLY = [
    (every("1w", wday=SUNDAY), "2024-05-01 10:00", "2024-05-05 00:00"),
    (every("1w", wday=SUNDAY), "2024-05-05 00:00", "2024-05-12 00:00"),
    (every("1w", wday=SUNDAY, at="18:00"), "2024-05-05 10:00", "2024-05-05 18:00"),
    (every("1w", wday=MONDAY, at="18:00"), "2024-05-06 18:00", "2024-05-13 18:00"),
    (every("2w", wday=MONDAY, at="18:00"), "2024-05-06 18:00", "2024-05-20 18:00"),
    (every("2w", wday=MONDAY, at="18:00"), "2024-05-08 10:00", "2024-05-20 18:00"),
]
MONTHLY = [
    (every("1M"), "2024-05-15 10:00", "2024-06-01 00:00"),
    (every("1M", at="04:00"), "2024-06-01 00:00", "2024-06-01 04:00"),
    (every("1M", day=15), "2024-05-15 00:00", "2024-06-15 00:00"),
    (every("1M", day=31), "2024-01-31 00:00", "2024-02-29 00:00"),
    (every("1M", day=31), "2024-02-29 00:00", "2024-03-31 00:00"),
    (every("1M", day=31), "2023-01-31 00:00", "2023-02-28 00:00"),
    (every("1M", day=31), "2024-03-31 00:00", "2024-04-30 00:00"),
    (every("1M", day=31, at="12:30"), "2024-12-31 12:30", "2025-01-31 12:30"),
    (every("3M", day=1, at="12:30"), "2024-05-01 12:30", "2024-08-01 12:30"),
    (every("12M", day=29), "2024-02-29 00:00", "2025-02-28 00:00"),
]
CHANGES_IN_NEW_YORK = [
    # 02:30 does not exist on the 10th: an hour later.
    (every("1d", at="02:30"), "2024-03-09 02:30", "2024-03-10 03:30"),
    (every("1d", at="02:30"), "2024-03-10 03:30", "2024-03-11 02:30"),
    (every("2d", at="02:30"), "2024-03-10 03:30", "2024-03-12 02:30"),
    (every("1w", wday=SUNDAY, at="02:30"), "2024-03-03 02:30", "2024-03-10 03:30"),
    (every("1d", at="10:00"), "2024-03-09 10:00", "2024-03-10 10:00"),
    # 01:30 comes twice on the 3rd: the first time, and not again.
    (every("1d", at="01:30"), "2024-11-02 01:30", "2024-11-03 01:30:00-04:00"),
    (every("1d", at="01:30"), "2024-11-03 01:30:00-04:00", "2024-11-04 01:30"),
    (every("1d", at="01:30"), "2024-11-03 01:40:00-05:00", "2024-11-04 01:30"),
    (every("1M", day=3, at="01:30"), "2024-10-03 01:30", "2024-11-03 01:30:00-04:00"),
]
CHANGES_IN_BERLIN = [
    (every("1d", at="02:30"), "2024-03-30 02:30", "2024-03-31 03:30"),
    (every("1d", at="02:30"), "2024-10-26 02:30", "2024-10-27 02:30:00+02:00"),
    (every("1d", at="02:30"), "2024-10-27 02:30:00+02:00", "2024-10-28 02:30"),
    (every("1M", day=31, at="02:30"), "2024-02-29 02:30", "2024-03-31 03:30"),
    (every("1w", wday=SUNDAY), "2024-10-20 00:00", "2024-10-27 00:00"),
    (every("1w", wday=SUNDAY), "2024-10-27 00:00", "2024-11-03 00:00"),
]
CASES = [
    *((NEW_YORK, every(interval), last, following) for interval, last, following in PLAIN),
    *((NEW_YORK, *case) for case in (*DAILY, *WEEKLY, *MONTHLY, *CHANGES_IN_NEW_YORK)),
    *((BERLIN, *case) for case in (*DAILY, *WEEKLY, *MONTHLY, *CHANGES_IN_BERLIN)),
    # Where clocks are put forward at midnight, and where a whole day was left out.
    (ZoneInfo("Asia/Beirut"), every("1d", at="00:00"), "2022-03-26 00:00", "2022-03-27 01:00"),
    (ZoneInfo("Asia/Beirut"), every("1d", at="00:00"), "2022-03-27 01:00", "2022-03-28 00:00"),
    (ZoneInfo("Pacific/Apia"), every("1d", at="02:00"), "2011-12-29 02:00", "2011-12-31 02:00"),
    (ZoneInfo("Pacific/Apia"), every("1d", at="02:00"), "2011-12-31 02:00", "2012-01-01 02:00"),
]


@pytest.mark.parametrize(("zone", "schedule", "last", "following"), CASES)
def test_the_next_run(zone: ZoneInfo, schedule: Schedule, last: str, following: str) -> None:
    found = schedule.after(local(last, zone), zone)
    assert found == local(following, zone)
    assert found.tzinfo is UTC


@pytest.fixture
def in_new_york() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    yield
    os.environ.pop("TZ")
    os.environ |= {"TZ": before} if before is not None else {}
    time.tzset()


@pytest.mark.parametrize(("schedule", "last", "following"), CHANGES_IN_NEW_YORK)
def test_without_a_zone_times_are_the_systems(in_new_york: None, schedule: Schedule, last: str, following: str) -> None:
    assert schedule.after(local(last, NEW_YORK)) == local(following, NEW_YORK)


zones = st.sampled_from([NEW_YORK, BERLIN, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata"), UTC])
moments = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
times = st.none() | st.times().map(lambda moment: moment.replace(second=0, microsecond=0, fold=0))
numbers = st.integers(1, 30)
schedules = st.one_of(
    st.builds(Schedule, st.builds(Interval, st.integers(1, 100_000), st.sampled_from("smh"))),
    st.builds(Schedule, st.builds(Interval, numbers, st.just("d")), at=times),
    st.builds(Schedule, st.builds(Interval, numbers, st.just("w")), wday=st.none() | st.integers(0, 6), at=times),
    st.builds(Schedule, st.builds(Interval, numbers, st.just("M")), day=st.none() | st.integers(1, 31), at=times),
)


@given(schedules, zones, moments, moments)
def test_the_next_run_is_later_and_never_before_that_of_an_earlier_one(
    schedule: Schedule, zone: ZoneInfo, one: datetime, other: datetime
) -> None:
    first, second = sorted((one, other))
    assert first < schedule.after(first, zone) <= schedule.after(second, zone)


@given(schedules, zones, moments)
def test_no_interval_is_longer_than_it_may_be(schedule: Schedule, zone: ZoneInfo, last: datetime) -> None:
    """No change of the clocks skips a run: at most they put one off."""
    assert schedule.after(last, zone) - last <= timedelta(seconds=schedule.interval.seconds, hours=1)


@given(zones, moments, st.times())
def test_each_day_has_one_run_at_its_time(zone: ZoneInfo, last: datetime, moment: time_of_day) -> None:
    at = moment.replace(second=0, microsecond=0, fold=0)
    schedule = Schedule(Interval(1, "d"), at=at)
    days = []
    for _ in range(8):
        last = schedule.after(last, zone)
        shown = last.astimezone(zone)
        days.append(shown.date())
        assert shown.time() == at or shown.utcoffset() != (shown - timedelta(days=1)).utcoffset()
    assert days == [days[0] + timedelta(days=number) for number in range(8)]


@pytest.mark.parametrize(
    ("text", "interval"), [("10m", Interval(10, "m")), ("1M", Interval(1, "M")), ("600", Interval(600, "s"))]
)
def test_intervals_are_read(text: str, interval: Interval) -> None:
    assert parse_interval(text) == interval


@pytest.mark.parametrize("text", ["", "0", "0d", "-1m", "1.5h", "10 m", "10D", "1y", "m", "121M", "999999999w", "٣m"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 10m"):
        parse_interval(text)


@pytest.mark.parametrize(("text", "number"), [("sunday", 6), ("Sun", 6), ("MONDAY", 0), ("sat", 5), ("Thu", 3)])
def test_days_of_the_week_are_read(text: str, number: int) -> None:
    assert parse_wday(text) == number


@pytest.mark.parametrize("text", ["", "0", "1", "sundays", "so", "tues"])
def test_what_is_no_day_of_the_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="monday, "):
        parse_wday(text)


@pytest.mark.parametrize("text", ["", "0", "32", "-1", "1.", "last", "³"])
def test_what_is_no_day_of_a_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 31"):
        parse_day(text)
    assert [parse_day("1"), parse_day("31")] == [1, 31]


@pytest.mark.parametrize("text", ["", "24:00", "12:60", "12", "12:5", "12:30:00", "2pm"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hh:mm"):
        parse_time(text)
    assert [parse_time("00:00"), parse_time("9:05")] == [time_of_day(0, 0), time_of_day(9, 5)]


@pytest.mark.parametrize(
    ("interval", "options", "tag"),
    [
        ("10m", {"at": time_of_day(2)}, "<time>"),
        ("24h", {"at": time_of_day(2)}, "<time>"),
        ("10m", {"day": 1}, "<day>"),
        ("1w", {"day": 1}, "<day>"),
        ("1d", {"wday": 0}, "<wday>"),
        ("1M", {"wday": 0}, "<wday>"),
        ("1M", {"wday": 0, "day": 1}, "<wday>"),
    ],
)
def test_what_does_not_go_together_is_refused(interval: str, options: dict[str, int], tag: str) -> None:
    with pytest.raises(ValueError, match=tag):
        Schedule(parse_interval(interval), **options)  # type: ignore[arg-type]
