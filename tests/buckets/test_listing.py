from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.aws.listings import S3Object
from aws_s3.buckets.listing import list_partition
from aws_s3.log_types.layout import SLASHED, UNPADDED, DateFormat, Partition
from aws_s3.log_types.server_access import FLAT, SLASHED_BY_YEAR
from tests.harness.fakes import MemoryStore

TODAY = date(2021, 6, 20)
START = date(2021, 6, 10)


def listed(store: MemoryStore, partition: Partition, start: date = START, today: date = TODAY) -> list[str]:
    return [item.key for page in list_partition(store, partition, start, today) for item in page]


def store_of(*keys: str, page_size: int = 1000) -> MemoryStore:
    return MemoryStore(dict.fromkeys(keys, b""), page_size)


def test_listing_begins_at_the_start_day() -> None:
    keys = [f"p/2021/06/{day:02}/{name}" for day in (8, 9, 10, 11) for name in "ab"]
    store = store_of(*keys, "p/2020/12/31/a")
    assert listed(store, Partition("p/", SLASHED)) == keys[4:]
    assert store.lists == [("p/", "p/2021/06/10/")]


@pytest.mark.parametrize("start", [date(1, 1, 1), date(999, 12, 31)])
def test_start_in_a_year_of_few_digits_is_before_everything(start: date) -> None:
    store = store_of("p/2021/06/10/a")
    assert listed(store, Partition("p/", SLASHED), start) == ["p/2021/06/10/a"]


def test_day_to_come_is_listed_too() -> None:
    keys = ["p/2021/06/20/a", "p/2099/01/01/a"]
    assert listed(store_of(*keys), Partition("p/", SLASHED)) == keys


def test_keys_that_are_not_of_the_layout_are_left_out() -> None:
    junk = [
        "2021/06/10",
        "2021/06/31/a",
        "2021/06/1/a",
        "2021-06-10/a",
        "2021/6/10/a",
        "2022/x/a",
        "9999",
        "+/2021/06/10/a",
    ]
    store = store_of("p/2021/06/10/a", "p/2021/06/10/", *(f"p/{key}" for key in junk))
    assert listed(store, Partition("p/", SLASHED)) == ["p/2021/06/10/a"]


def test_keys_that_need_encoding_are_listed_as_they_are() -> None:
    keys = sorted(f"p+%20 &/2021/06/10/{name}" for name in ("a b", "a+b", "a%2Fb", "ключ", "x\ny", "😀", "?#"))
    store = store_of(*keys, page_size=2)
    assert listed(store, Partition("p+%20 &/", SLASHED)) == keys


def test_path_at_the_root_does_not_run_on_into_other_folders() -> None:
    store = store_of("2021/06/10/a", *(f"AWSLogs/{number:05}" for number in range(50)), page_size=5)
    assert listed(store, Partition("", SLASHED)) == ["2021/06/10/a"]
    assert len(store.lists) == 1


def test_listing_goes_on_while_dates_may_come() -> None:
    keys = [*(f"2021/06/{day:02}/a" for day in range(10, 21)), "9999/12/31/a"]
    store = store_of(*keys, *(f"{number}-junk" for number in range(3000, 3020)), "AWSLogs/a", page_size=3)
    assert listed(store, Partition("", SLASHED)) == keys


def test_effort_does_not_grow_with_the_history() -> None:
    old = [f"p/2020/{month:02}/{day:02}/a" for month in range(1, 13) for day in range(1, 29)]
    store = store_of(*old, "p/2021/06/10/a", page_size=10)
    assert listed(store, Partition("p/", SLASHED)) == ["p/2021/06/10/a"]
    assert len(store.lists) == 1


def test_store_that_knows_no_start_costs_time_and_no_more() -> None:
    class Endpoint(MemoryStore):
        def pages(self, prefix: str, start_after: str = "") -> Iterator[list[S3Object]]:
            return super().pages(prefix)

    store = Endpoint(dict.fromkeys(["p/2021/06/09/a", "p/2021/06/10/a"], b""))
    assert listed(store, Partition("p/", SLASHED)) == ["p/2021/06/10/a"]


def test_page_without_new_objects_is_passed_on() -> None:
    """It shows that the listing goes on."""
    store = store_of(*(f"p/2021/06/10{number}" for number in range(4)), "p/2021/06/11/a", page_size=2)
    assert [len(page) for page in list_partition(store, Partition("p/", SLASHED), START, TODAY)] == [0, 0, 1]


def test_unpadded_days_come_in_the_order_of_the_calendar() -> None:
    days = ["2021/6/9", "2021/6/10", "2021/6/11", "2021/9/30", "2021/10/1", "2021/12/31", "2022/1/2", "2022/1/10"]
    keys = [f"p/{day}/ConfigHistory/{name}" for day in days for name in "ab"]
    store = store_of(*keys, "p/2021/6/x/a", "p/README/a", "p/2020/1/1/a", "p/2021/5/31/a", "p/2021/6/31/a")
    assert listed(store, Partition("p/", UNPADDED)) == keys[2:]
    assert listed(store, Partition("p/", UNPADDED), date(2021, 6, 9)) == keys
    assert listed(store, Partition("p/", UNPADDED), date(2021, 12, 5)) == keys[10:]


def test_unpadded_folders_before_the_start_are_not_looked_into() -> None:
    keys = [f"p/{year}/{month}/{day}/a" for year in (2019, 2020, 2021) for month in (1, 6, 7) for day in (1, 10)]
    store = store_of(*keys)
    assert listed(store, Partition("p/", UNPADDED)) == ["p/2021/6/10/a", "p/2021/7/1/a", "p/2021/7/10/a"]
    assert {prefix for prefix, _ in store.lists} == {
        *("p/", "p/2021/", "p/2021/6/", "p/2021/7/", "p/2021/6/10/", "p/2021/7/1/", "p/2021/7/10/")
    }


@pytest.mark.parametrize(
    ("dates", "other"), [(FLAT, "2021/06/10/2021-06-10-01-15-00-A"), (SLASHED_BY_YEAR, "2021-06-10-01-15-00-A")]
)
def test_years_are_listed_alone_where_other_keys_lie_between(dates: DateFormat, other: str) -> None:
    def key(day: str) -> str:
        return f"p/{day}-01-15-00-A" if dates is FLAT else f"p/{day.replace('-', '/')}/{day}-01-15-00-A"

    days = ["2020-12-31", "2021-01-01", "2021-12-31", "2022-01-01", "2022-02-03"]
    accounts = [f"p/{number:012}/x" for number in range(2021_0000_0000, 2021_0000_0030)]
    store = store_of(*map(key, days), f"p/{other}", *accounts, "p/2021x", page_size=4)
    for today, count, lists in ((date(2021, 12, 31), 5, 3), (date(2021, 12, 30), 3, 2)):
        store.lists.clear()
        found = listed(store, Partition("p/", dates), date(2020, 12, 31), today)
        assert found == list(map(key, days[:count]))
        assert len(store.lists) == lists


def test_year_after_this_one_is_listed_since_clocks_differ() -> None:
    store = store_of("2021-12-31-23-59-00-A", "2022-01-01-00-00-00-A")
    assert listed(store, Partition("", FLAT), date(2021, 12, 31), date(2021, 12, 31)) == sorted(store.objects)


def test_years_before_s3_are_not_listed() -> None:
    store = store_of("2021-06-10-01-15-00-A")
    assert listed(store, Partition("", FLAT), date(1, 1, 1), date(2021, 6, 20)) == ["2021-06-10-01-15-00-A"]
    assert len(store.lists) < 20


KEYS = st.builds(
    lambda day, name: f"p/{day:%Y/%m/%d}/{name}",
    st.dates(date(2021, 5, 1), date(2021, 8, 1)),
    st.text(alphabet="ab/~0Aé", max_size=3),
)


@given(
    st.lists(KEYS | st.text(alphabet="p/20216-x", max_size=12), max_size=40),
    st.dates(date(2021, 4, 1), date(2021, 9, 1)),
    st.integers(1, 5),
)
def test_listing_finds_every_object_of_the_start_day_and_later(keys: list[str], start: date, page_size: int) -> None:
    partition = Partition("p/", SLASHED)
    # The marker of the first day's folder may stay away: it is no object of any type.
    marker = f"p/{start:%Y/%m/%d}/"
    expected = sorted(key for key in set(keys) - {marker} if (day := partition.day(key)) and day >= start)
    assert listed(store_of(*keys, page_size=page_size), partition, start) == expected


@given(
    st.lists(st.tuples(st.dates(date(2021, 1, 1), date(2022, 12, 31)), st.sampled_from("abc")), max_size=30),
    st.dates(date(2020, 12, 1), date(2023, 1, 31)),
    st.integers(1, 3),
)
def test_unpadded_listing_finds_every_object_in_order(
    objects: list[tuple[date, str]], start: date, page_size: int
) -> None:
    partition = Partition("p/", UNPADDED)
    keys = {f"p/{day.year}/{day.month}/{day.day}/{name}": (day, name) for day, name in objects}
    expected = sorted((key for key in keys if keys[key][0] >= start), key=lambda key: keys[key])
    assert listed(store_of(*keys, page_size=page_size), partition, start) == expected


@given(
    st.sampled_from([SLASHED, UNPADDED, FLAT, SLASHED_BY_YEAR]),
    st.lists(st.dates(date(2020, 11, 1), date(2022, 2, 1)), max_size=30),
    st.dates(date(2020, 10, 1), date(2022, 3, 1)),
    st.dates(date(2020, 10, 1), date(2022, 3, 1)) | st.just(date.max),
    st.integers(1, 4),
)
def test_listing_until_a_day_finds_the_objects_of_that_day_and_earlier(
    dates: DateFormat, days: list[date], start: date, until: date, page_size: int
) -> None:
    partition = Partition("p/", dates)
    store = store_of(*(f"p/{written(dates, day)}" for day in days), page_size=page_size)
    everything = listed(store, partition, start)
    pages = list_partition(store, partition, start, TODAY, until)
    assert [item.key for page in pages for item in page] == [
        key for key in everything if (day := partition.day(key)) and day <= until
    ]


def written(dates: DateFormat, day: date) -> str:
    """Return what follows the partition's prefix in a key of the day."""
    if dates is UNPADDED:
        return f"{day.year}/{day.month}/{day.day}/a"
    return {SLASHED: f"{day:%Y/%m/%d}/a", FLAT: f"{day}-01-15-00-A"}.get(dates, f"{day:%Y/%m/%d}/{day}-01-15-00-A")


@pytest.mark.parametrize("dates", [SLASHED, UNPADDED, FLAT, SLASHED_BY_YEAR])
def test_effort_does_not_grow_with_the_days_after_the_last_one(dates: DateFormat) -> None:
    partition, until = Partition("p/", dates), date(2021, 6, 10)
    later = [written(dates, until + timedelta(number)) for number in range(1, 400)]
    store = store_of(f"p/{written(dates, until)}", *(f"p/{key}" for key in later), page_size=10)
    pages = list_partition(store, partition, until, date(2022, 7, 1), until)
    assert [item.key for page in pages for item in page] == [f"p/{written(dates, until)}"]
    # Unpadded days need a request for each level of folders.
    assert len(store.lists) <= (4 if dates is UNPADDED else 1)
