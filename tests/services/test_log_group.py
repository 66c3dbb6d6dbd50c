"""A log group run after run: what is sent, once; what is kept when something goes wrong."""

import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.errors import DeniedError, RequestError, SinkSendError, StateError
from aws_s3.services import log_group
from aws_s3.state.log_streams import Group
from aws_s3.state.service_state import FILE, ServiceState
from tests.services.memory import ACCOUNT, DAY, MINUTE, REGION, Collecting, KilledError


@pytest.fixture
def collecting(tmp_path: Path) -> Collecting:
    return Collecting(tmp_path)


# Of how many minutes ago an event is when it comes in, in which stream, and what it says.
PUT = st.tuples(st.just("put"), st.sampled_from((0, 0, 4, 5)), st.sampled_from("ssst"), st.sampled_from("ab"))
# How many minutes later, from how many days ago on (None: not said), and after how many messages it fails, and how.
RUN = st.tuples(
    st.just("run"),
    st.sampled_from((0, 0, 0, 1, 6)),
    st.sampled_from((None, None, None, 0, 1, 2)),
    st.sampled_from((None, None, None, 0, 1, 2, 5)),
    st.sampled_from(("refused", "killed")),
)
DAYS = st.tuples(st.just("days"), st.sampled_from((0, 0, 0, 1)))


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(steps=st.lists(st.one_of(PUT, PUT, RUN, RUN, DAYS), min_size=4, max_size=40), lag=st.booleans())
def test_every_event_is_sent_once_whatever_happens(steps: list[tuple[Any, ...]], lag: bool) -> None:
    page, kills, expected = 2, 0, Counter[str]()
    with TemporaryDirectory() as folder:
        collecting = Collecting(Path(folder), page)
        collecting.logs.groups["g"] = {}
        collecting.logs.lag = lag
        for kind, number, *rest in steps:
            if kind == "put":
                # Messages that say the same, in the same millisecond, are events of their own.
                collecting.put(f"{rest[1]}{len(expected) // 2}", number, rest[0], ingested_ago=0)
                expected[f"{rest[1]}{len(expected) // 2}"] += 1
            elif kind == "days":
                collecting.now += number * DAY
            else:
                kills += failing_run(collecting, number, *rest)
        collecting.run(only_logs_after=date(2021, 6, 1))
    sent = Counter(collecting.sink.messages)
    assert not expected - sent
    assert (sent - expected).total() <= kills * page


def failing_run(collecting: Collecting, minutes: int, days: int | None, left: int | None, how: str) -> int:
    """Run, from so many days ago on, until so many messages are left; return how often it was killed."""
    today = datetime.fromtimestamp((collecting.now + minutes * MINUTE) / 1000, timezone.utc).date()
    since = None if days is None else today - timedelta(days)
    collecting.sink.left = left
    collecting.sink.fail = collecting.kill if how == "killed" else collecting.refuse
    try:
        collecting.run(minutes=minutes, only_logs_after=since)
    except SinkSendError:
        return 0
    except (StateError, KilledError):
        return 1
    finally:
        collecting.sink.left = None
    return 0


def test_stream_begins_today_unless_told_otherwise(collecting: Collecting) -> None:
    collecting.put("yesterday", ago=13 * 60)
    collecting.put("today", ago=11 * 60)
    assert collecting.run().messages == ["today"]
    assert collecting.run(only_logs_after=date(2021, 6, 9)).messages == ["yesterday"]


def test_start_of_a_stream_is_kept_although_nothing_was_in_it(collecting: Collecting) -> None:
    collecting.logs.groups["g"] = {"s": []}
    collecting.run()
    collecting.put("written on the first day")
    collecting.now += DAY
    assert collecting.run().messages == ["written on the first day"]


def test_start_of_a_group_is_kept_although_it_was_empty(collecting: Collecting) -> None:
    collecting.logs.groups["g"] = {}
    collecting.run()
    collecting.put("written on the first day")
    collecting.now += DAY
    assert collecting.run().messages == ["written on the first day"]


def test_new_stream_of_a_known_group_begins_five_minutes_before_the_last_run(collecting: Collecting) -> None:
    collecting.put("old")
    collecting.run()
    last = collecting.now
    collecting.logs.put("new", last - 5 * MINUTE - 1, "before")
    collecting.logs.put("new", last - 5 * MINUTE, "within")
    collecting.now += 3 * DAY
    assert collecting.run().messages == ["within"]


def test_run_that_failed_somewhere_is_no_reason_to_begin_a_new_stream_later(collecting: Collecting) -> None:
    collecting.put("old")
    collecting.run()
    last = collecting.now
    collecting.logs.before = lambda operation, request: refuse_when(operation == "get_log_events")
    assert [str(failure) for failure in collecting.run(minutes=60).failures] == ["refused"]
    collecting.logs.before = lambda operation, request: None
    collecting.logs.put("new", last, "written before the failing run")
    assert collecting.run(minutes=60).messages == ["written before the failing run"]


def test_older_start_brings_the_older_events_only_and_in_order(collecting: Collecting) -> None:
    for day in range(6):
        collecting.put(f"{day} days ago", ago=day * 24 * 60)
    runs = [collecting.run(only_logs_after=date(2021, 6, day)).messages for day in (9, 7, 5, 7, 10)]
    assert runs == [
        ["1 days ago", "0 days ago"],
        ["3 days ago", "2 days ago"],
        ["5 days ago", "4 days ago"],
        [],
        [],
    ]


def test_newer_start_leaves_out_what_a_later_older_one_brings(collecting: Collecting) -> None:
    collecting.put("first", ago=5 * 24 * 60)
    assert collecting.run(only_logs_after=date(2021, 6, 5)).messages == ["first"]
    collecting.put("between", ago=2 * 24 * 60)
    collecting.put("last")
    assert collecting.run(only_logs_after=date(2021, 6, 10)).messages == ["last"]
    assert collecting.run().messages == []
    assert collecting.run(only_logs_after=date(2021, 6, 5)).messages == ["between"]


def test_start_in_the_future_is_not_remembered(collecting: Collecting) -> None:
    collecting.put("now")
    assert collecting.run(only_logs_after=date(2099, 1, 1)).messages == []
    assert collecting.run().messages == ["now"]


def test_reparse_sends_today_again_and_the_next_run_nothing(collecting: Collecting) -> None:
    for name, ago in (("yesterday", 24 * 60), ("today", 60)):
        collecting.put(name, ago)
    collecting.run(only_logs_after=date(2021, 6, 1))
    collecting.put("new")
    assert collecting.run(reparse=True).messages == ["today", "new"]
    assert collecting.run(reparse=True, only_logs_after=date(2021, 6, 9)).messages == ["yesterday", "today", "new"]
    assert collecting.run(only_logs_after=date(2021, 6, 1)).messages == []


def test_reparse_does_not_leave_out_what_came_before_today(collecting: Collecting) -> None:
    collecting.put("sent")
    collecting.run()
    collecting.put("late in the evening")
    collecting.now += DAY
    assert collecting.run(reparse=True).messages == ["late in the evening"]
    assert collecting.run().messages == []


def test_events_that_say_the_same_in_the_same_millisecond_are_all_sent_once(collecting: Collecting) -> None:
    for _ in range(7):
        collecting.put("same")
    assert collecting.run(minutes=1).messages == ["same"] * 7
    for _ in range(2):
        collecting.logs.put("s", collecting.now - MINUTE, "same", collecting.now - MINUTE)
    assert collecting.run().messages == ["same"] * 2
    assert collecting.run().messages == []


def test_text_is_sent_as_it_is(collecting: Collecting) -> None:
    texts = ["None of these is dropped", "None", '{"a":  1, "b": null}', "  spaces  ", "zwei\nZeilen ü"]
    for text in texts:
        collecting.put(text)
    assert collecting.run().messages == texts


def test_only_streams_with_the_prefix_are_read_and_no_others_forgotten(collecting: Collecting) -> None:
    for stream in ("audit-1", "audit-2", "scheduler"):
        collecting.put(f"of {stream}", stream=stream)
    assert collecting.run("g:audit-").messages == ["of audit-1", "of audit-2"]
    assert collecting.run("g").messages == ["of scheduler"]
    collecting.run("g:audit-")
    assert known(collecting) == {"audit-1", "audit-2", "scheduler"}


def test_group_read_as_a_whole_was_read_by_prefix_too(collecting: Collecting) -> None:
    collecting.put("old")
    collecting.run("g")
    collecting.logs.put("audit", collecting.now - DAY, "before")
    collecting.logs.put("audit", collecting.now - 2 * MINUTE, "since")
    assert collecting.run("g:audit").messages == ["since"]


def test_two_accounts_with_the_same_names_have_each_their_place(collecting: Collecting) -> None:
    sent = []
    groups: dict[str, Any] = {"111111111111": {}, "222222222222": {}}
    for number in range(4):
        for account, own in groups.items():
            collecting.logs.account, collecting.logs.groups = account, own
            collecting.put(f"{account} {number}", ago=number, ingested_ago=0)
            sent += collecting.run().messages
    assert Counter(sent) == Counter(f"{account} {number}" for account in groups for number in range(4))


def test_stream_that_is_gone_is_forgotten_of_its_account_only(collecting: Collecting) -> None:
    groups: dict[str, Any] = {"111111111111": {}, "222222222222": {}}
    for account, own in groups.items():
        collecting.logs.account, collecting.logs.groups = account, own
        for stream in ("keep", "go"):
            collecting.put(f"{account} {stream}", stream=stream)
        collecting.run()
    del groups["222222222222"]["g"]["go"]
    collecting.run()
    assert known(collecting, "111111111111") == {"keep", "go"}
    assert known(collecting, "222222222222") == {"keep"}
    assert compatible_rows(collecting) == {"keep", "go"}


def test_last_stream_that_is_gone_is_forgotten(collecting: Collecting) -> None:
    collecting.put("a")
    collecting.run()
    collecting.logs.groups["g"].clear()
    collecting.run()
    assert known(collecting) == compatible_rows(collecting) == set()


@pytest.mark.parametrize("page", [0, 1])
def test_listing_that_fails_forgets_nothing(collecting: Collecting, page: int) -> None:
    for stream in "abcd":
        collecting.put(f"of {stream}", stream=stream)
    collecting.run()
    collecting.logs.before = lambda operation, request: refuse_when(
        operation == "describe_log_streams" and int(request["nextToken"] or 0) >= 2 * page
    )
    ran = collecting.run()
    assert ([type(failure) for failure in ran.failures], ran.messages) == ([RequestError], [])
    collecting.logs.before = lambda operation, request: None
    assert known(collecting) == compatible_rows(collecting) == set("abcd")
    assert collecting.run(only_logs_after=date(2021, 6, 1)).messages == []


def test_stream_that_goes_while_it_is_read_is_no_failure(collecting: Collecting) -> None:
    for stream in "ab":
        collecting.put(f"of {stream}", stream=stream)
    gone = {"a"}

    def vanish(operation: str, request: dict[str, Any]) -> None:
        if operation == "get_log_events" and request["logStreamName"] in gone:
            collecting.logs.groups["g"].pop("a", None)

    collecting.logs.before = vanish
    ran = collecting.run()
    assert (ran.messages, ran.failures) == (["of b"], [])


def test_stream_that_fails_keeps_its_place_and_the_others_are_read(collecting: Collecting) -> None:
    for stream in "abc":
        collecting.put(f"of {stream}", stream=stream)
    collecting.logs.before = lambda operation, request: refuse_when(request.get("logStreamName") == "b")
    ran = collecting.run()
    assert (ran.messages, len(ran.failures)) == (["of a", "of c"], 1)
    collecting.logs.before = lambda operation, request: None
    assert collecting.run().messages == ["of b"]


def test_missing_or_denied_group_does_not_keep_the_others_from_being_read(collecting: Collecting) -> None:
    for group in "abc":
        collecting.logs.put("s", collecting.now, f"of {group}", group=group)

    def deny(operation: str, request: dict[str, Any]) -> None:
        if request.get("logGroupName") == "b":
            raise DeniedError("Log group b: AccessDeniedException.")

    collecting.logs.before = deny
    ran = collecting.run("a", "b", "c", "ghost")
    assert ran.messages == ["of a", "of c"]
    assert [failure.exit_code for failure in ran.failures] == [16, 16]
    assert "group b" in str(ran.failures[0]) and "ghost" in str(ran.failures[1])


def test_streams_are_deleted_when_one_more_look_finds_nothing(collecting: Collecting) -> None:
    for stream in "ab":
        collecting.put(f"of {stream}", stream=stream)
    looks = Counter[str]()

    def write_more(operation: str, request: dict[str, Any]) -> None:
        if operation == "get_log_events" and request["nextToken"] is None:
            looks[request["logStreamName"]] += 1
            if request["logStreamName"] == "a" and looks["a"] == 2:
                collecting.logs.put("a", collecting.now, "written meanwhile")

    collecting.logs.before = write_more
    assert collecting.run(remove_log_streams=True).messages == ["of a", "of b", "written meanwhile"]
    assert looks == {"a": 3, "b": 2}
    assert collecting.logs.groups == {"g": {}}
    assert known(collecting) == compatible_rows(collecting) == set()


def test_last_look_before_a_deletion_sends_nothing_again(collecting: Collecting) -> None:
    collecting.put("event")
    collecting.run()
    assert collecting.run(remove_log_streams=True, reparse=True).messages == ["event"]
    assert collecting.logs.groups == {"g": {}}


def test_busy_stream_is_left_when_its_events_are_newer_than_the_run(collecting: Collecting) -> None:
    def write_more(operation: str, request: dict[str, Any]) -> None:
        if operation == "get_log_events":
            count = len(collecting.logs.groups["g"]["s"])
            assert count < 1000
            collecting.logs.put("s", collecting.now + count * MINUTE // 2, f"event {count}")

    collecting.logs.before = write_more
    collecting.put("event 0")
    first = collecting.run().messages
    assert 10 <= len(first) <= 20
    collecting.logs.before = lambda operation, request: None
    rest = collecting.run(minutes=60).messages
    assert first + rest == [f"event {number}" for number in range(len(first) + len(rest))]


def test_stream_that_is_written_all_the_time_is_not_deleted(collecting: Collecting) -> None:
    def write_more(operation: str, request: dict[str, Any]) -> None:
        if operation == "get_log_events" and request["nextToken"] is None:
            collecting.logs.put("s", collecting.now, f"event {len(collecting.logs.groups['g']['s'])}")

    collecting.put("event 0")
    collecting.logs.before = write_more
    ran = collecting.run(remove_log_streams=True)
    assert ran.messages == [f"event {number}" for number in range(len(ran.messages))]
    assert len(collecting.logs.groups["g"]["s"]) == len(ran.messages)


def test_stream_of_which_nothing_was_accepted_is_not_deleted(collecting: Collecting) -> None:
    collecting.put("before the start", ago=3 * 24 * 60)
    collecting.logs.groups["g"]["empty"] = []
    collecting.put("refused", stream="t")
    collecting.sink.left, collecting.sink.fail = 0, collecting.refuse
    with pytest.raises(SinkSendError):
        collecting.run(remove_log_streams=True)
    collecting.sink.left = None
    assert collecting.logs.groups["g"].keys() == {"s", "empty", "t"}
    collecting.run(remove_log_streams=True)
    assert collecting.logs.groups["g"].keys() == {"s", "empty"}


def test_expired_token_restarts_from_the_recorded_time(collecting: Collecting) -> None:
    for number in range(10):
        collecting.put(f"event {number}", ago=100 - number)
    calls = iter(range(100))

    def expire(operation: str, request: dict[str, Any]) -> None:
        collecting.logs.expired = operation == "get_log_events" and next(calls) in (2, 6)

    collecting.logs.before = expire
    assert collecting.run().messages == [f"event {number}" for number in range(10)]
    assert collecting.run().failures == []


@pytest.mark.parametrize("expiring", [{3}, {3, 5}, {2, 6}])
def test_expired_token_makes_reparse_begin_no_second_time(collecting: Collecting, expiring: set[int]) -> None:
    for number in range(10):
        collecting.put(f"event {number}", ago=100 - number)
    calls = iter(range(100))

    def expire(operation: str, request: dict[str, Any]) -> None:
        collecting.logs.expired = operation == "get_log_events" and next(calls) in expiring

    collecting.run()
    collecting.logs.before = expire
    assert collecting.run(reparse=True).messages == [f"event {number}" for number in range(10)]


def test_tokens_that_always_expire_end_in_a_failure(collecting: Collecting) -> None:
    collecting.put("event")
    collecting.logs.expired = True
    assert [failure.exit_code for failure in collecting.run().failures] == [16]


def test_idle_stream_costs_one_request_and_still_shows_what_is_new(collecting: Collecting) -> None:
    collecting.put("old", ago=60)
    collecting.run()
    collecting.logs.calls.clear()
    assert collecting.run().messages == []
    assert reads(collecting) == 1
    collecting.logs.lag = True
    collecting.put("new")
    assert collecting.run().messages == ["new"]


def test_token_that_expired_between_runs_is_done_without(collecting: Collecting) -> None:
    collecting.put("old", ago=60)
    collecting.run()
    collecting.run()
    collecting.put("new")

    def expire(operation: str, request: dict[str, Any]) -> None:
        collecting.logs.expired = reads(collecting) == 1

    collecting.logs.lag = True
    collecting.logs.calls.clear()
    collecting.logs.before = expire
    assert collecting.run().messages == ["new"]


def test_late_event_is_seen_although_the_stream_was_quiet(collecting: Collecting) -> None:
    collecting.put("newest", ago=60)
    collecting.run()
    collecting.run()
    collecting.put("late", ago=63, ingested_ago=0)
    assert collecting.run().messages == ["late"]


def test_thousands_of_dormant_streams_take_turns(collecting: Collecting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_group, "_DORMANT_A_RUN", 3)
    for number in range(10):
        collecting.put(f"old {number}", ago=3 * 24 * 60, stream=f"s{number}")
    assert len(collecting.run(only_logs_after=date(2021, 6, 1)).messages) == 10
    collecting.logs.calls.clear()
    for _ in range(4):
        collecting.run()
    assert read_streams(collecting) == Counter({f"s{number}": 1 for number in range(10)} | {"s0": 2, "s1": 2})
    for number in (3, 8):
        collecting.put(f"new {number}", stream=f"s{number}")
    assert collecting.run().messages == ["new 3", "new 8"]


def test_streams_that_were_quiet_for_less_than_a_day_are_all_read(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_group, "_DORMANT_A_RUN", 3)
    for number in range(10):
        collecting.put(f"old {number}", ago=2 * 60, stream=f"s{number}")
    collecting.run()
    collecting.logs.calls.clear()
    collecting.run()
    assert len(read_streams(collecting)) == 10


def test_dormant_streams_that_rest_at_first_begin_when_they_were_first_asked_for(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_group, "_DORMANT_A_RUN", 1)
    for number in range(4):
        collecting.put(f"old {number}", ago=3 * 24 * 60, stream=f"s{number}")
    assert collecting.run().messages == []
    assert len(read_streams(collecting)) == 1
    collecting.put("written on the first day", stream="s3")
    collecting.now += DAY
    assert collecting.run().messages == ["written on the first day"]


@pytest.mark.slow
def test_state_does_not_grow_with_the_events(collecting: Collecting) -> None:
    for number in range(300):
        collecting.put(f"event {number}", ago=number)
    assert len(collecting.run().messages) == 300
    assert count_rows(collecting, "collection_log_seen") <= 6
    for number in range(5):
        collecting.put(f"new {number}")
        collecting.run()
    assert count_rows(collecting, "collection_log_seen") == 1


def test_group_that_another_run_works_on_is_passed_over(collecting: Collecting) -> None:
    collecting.put("event")
    script = (
        "import sys; from pathlib import Path; from aws_s3.state.locks import Locks\n"
        f"assert Locks(Path(sys.argv[1])).acquire('{ACCOUNT} {REGION} g'); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(collecting.folder / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin and other.stdout
        other.stdout.readline()
        assert collecting.run().messages == []
        other.stdin.close()
    assert collecting.run().messages == ["event"]


def refuse_when(condition: bool) -> None:
    if condition:
        raise RequestError("refused")


def reads(collecting: Collecting) -> int:
    return sum(read_streams(collecting).values())


def read_streams(collecting: Collecting) -> Counter[str]:
    """Return how often each stream was read from a place in it on, whatever the pages."""
    reads = [request for operation, request in collecting.logs.calls if operation == "get_log_events"]
    return Counter(request["logStreamName"] for request in reads)


def known(collecting: Collecting, account: str = ACCOUNT) -> set[str]:
    with closing(ServiceState(collecting.folder)) as state:
        return set(state.streams.checkpoints(Group(REGION, "g"), account))


def compatible_rows(collecting: Collecting) -> set[str]:
    with closing(sqlite3.connect(collecting.folder / FILE)) as database:
        return {name for (name,) in database.execute("SELECT aws_log_stream FROM cloudwatch_logs")}


def count_rows(collecting: Collecting, table: str) -> int:
    with closing(sqlite3.connect(collecting.folder / FILE)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_groups_come_in_their_order_and_one_that_fails_does_not_stop_the_others(collecting: Collecting) -> None:
    for group in ("g", "h", "i"):
        for number in range(7):
            collecting.logs.put("s", collecting.now - MINUTE, f"{group}{number}", group=group)

    def refuse(operation: str, request: dict[str, Any]) -> None:
        token = request.get("nextToken") or ""
        if operation == "get_log_events" and request["logGroupName"] == "h" and token.endswith("/2"):
            raise DeniedError("no")

    collecting.logs.before = refuse
    ran = collecting.run("g", "h", "i", "missing")
    assert ran.messages == [
        *(f"g{number}" for number in range(7)),
        *("h0", "h1", "h2"),
        *(f"i{number}" for number in range(7)),
    ]
    assert len(ran.failures) == 2
    collecting.logs.before = lambda operation, request: None
    assert collecting.run("g", "h", "i").messages == ["h3", "h4", "h5", "h6"]


def test_the_first_pages_of_the_next_groups_are_fetched_before_the_first_group_is_over(collecting: Collecting) -> None:
    for group in ("g", "h", "i"):
        for number in range(7):
            collecting.logs.put("s", collecting.now - MINUTE, f"{group}{number}", group=group)
    asked: list[str] = []

    def note(operation: str, request: dict[str, Any]) -> None:
        if operation == "get_log_events":
            asked.append(request["logGroupName"])

    collecting.logs.before = note
    collecting.run("g", "h", "i")
    assert asked[:3] == ["g", "h", "i"]


def test_selections_with_streams_in_common_are_read_one_after_the_other(collecting: Collecting) -> None:
    for stream in ("a1", "a2", "b"):
        for number in range(7):
            collecting.put(f"{stream}-{number}", stream=stream)
    ran = collecting.run("g:a", "g", "g:a2")
    assert Counter(ran.messages) == Counter(f"{stream}-{number}" for stream in ("a1", "a2", "b") for number in range(7))
