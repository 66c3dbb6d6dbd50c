import logging
import os
import re
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from aws_s3.errors import (
    CredentialsError,
    EmptyBucketError,
    EndpointError,
    Interrupted,
    NoAccountsError,
    SinkConnectError,
    StateError,
    StorageError,
    ThrottledError,
    UnavailableError,
)
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.levels import DEBUG_2
from aws_s3.pipeline.signals import StopRequest
from aws_s3.settings import BucketJob, BucketLocation, DiscardRule
from aws_s3.state.bucket_state import BucketState
from tests.harness.collecting import BUCKET, DAY, NOW, Collection, ListSink, trail, trail_body, trail_key
from tests.harness.fakes import GONE
from tests.state.test_locks import holder

OTHER = "eu-west-1"
DENIED = UnavailableError(CredentialsError("AccessDenied: no."))
SLOW_DOWN = UnavailableError(ThrottledError("SlowDown: later."))
NO_GZIP = {trail_key("b") + ".gz": b"this is no gzip"}
NO_JSON = {trail_key("b"): b"this is no JSON"}
LAST_EVENTS = DiscardRule("eventID", re.compile(".*-2"))
TOMORROW = timedelta(days=1)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path)


@pytest.fixture(autouse=True)
def level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="aws_s3")


def put(collection: Collection, *objects: dict[str, bytes]) -> None:
    for item in objects:
        collection.store.objects |= item


def lines(caplog: pytest.LogCaptureFixture, level: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == level]


def last_run(collection: Collection) -> date | None:
    with closing(collection.state()) as state:
        return state.history().last_run


def waiting(collection: Collection) -> int:
    with closing(collection.state()) as state:
        return state.failed_objects.count_pending()


def refusing_after(count: int, error: Exception) -> ListSink:
    """Return a sink that takes so many messages and then fails."""
    sink = ListSink()

    def fail() -> None:
        if len(sink.messages) >= count:
            raise error

    sink.fail = fail
    return sink


@contextmanager
def listening(collection: Collection) -> Iterator[None]:
    """Let signals interrupt the runs."""
    old = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    collection.stop_request.install()
    try:
        yield
    finally:
        for number, handler in old:
            signal.signal(number, handler)


# What is new


def test_what_was_sent_is_not_sent_again_and_late_objects_are_sent_once(collection: Collection) -> None:
    put(collection, trail("b"), trail("d"))
    assert collection.run().events == ["b-0", "d-0"]
    put(collection, trail("a"), trail("c"), trail("late", DAY - TOMORROW), trail("too-late", DAY - 2 * TOMORROW))
    assert collection.run().events == ["late-0", "a-0", "c-0"]
    assert collection.run().events == []


def test_nothing_before_the_floor_is_sent(collection: Collection) -> None:
    put(collection, trail("old", date(2021, 5, 31)), trail("new", date(2021, 6, 1)))
    assert collection.run(lookback_days=30).events == ["new-0"]
    assert collection.run(lookback_days=30, only_logs_after=date(2021, 5, 1)).events == []


def test_without_a_date_the_first_run_takes_the_day_it_began(collection: Collection) -> None:
    put(collection, trail("yesterday", NOW.date() - TOMORROW), trail("today", NOW.date()))
    assert collection.run(only_logs_after=None).events == ["today-0"]


def test_region_that_appears_is_collected_from_the_last_complete_run_less_the_lookback(collection: Collection) -> None:
    put(collection, trail("known"))
    assert collection.run().events == ["known-0"]
    put(collection, *(trail(f"new{age}", NOW.date() - age * TOMORROW, OTHER) for age in range(4)))
    collection.now += 2 * TOMORROW
    assert collection.run(only_logs_after=None).events == ["new1-0", "new0-0"]


def test_key_dated_in_a_far_future_does_not_end_collection(collection: Collection) -> None:
    put(collection, trail("a"), trail("far", date(2099, 1, 1)))
    assert collection.run().events == ["a-0", "far-0"]
    put(collection, trail("b"), trail("c", DAY + TOMORROW))
    assert collection.run().events == ["b-0", "c-0"]


def test_events_come_in_the_order_of_the_keys_however_much_is_ahead(collection: Collection) -> None:
    put(collection, *(trail(f"{number:03}", events=2) for number in range(25)))
    events = [f"{number:03}-{event}" for number in range(25) for event in range(2)]
    for ahead in (1, 3, 1000):
        collection.objects_ahead = ahead
        assert collection.run(reparse=True).events == events


def test_object_without_events_is_done(collection: Collection) -> None:
    put(collection, trail("a", events=0))
    assert collection.run(remove=True).events == []
    assert collection.store.objects == {}


# Nothing there


def test_empty_bucket_is_told_unless_something_was_collected_from_it(
    collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EmptyBucketError, match=re.escape("No files were found in 'acme-logs/'. No logs will be")):
        collection.run()
    put(collection, trail("a"))
    collection.run(remove=True)
    assert collection.store.objects == {}
    assert collection.run().code == 0
    assert any("No files were found in 'acme-logs/'" in line for line in lines(caplog, "INFO"))


def test_missing_accounts_are_told_unless_something_was_collected(collection: Collection) -> None:
    put(collection, {"some/file.txt": b""})
    with pytest.raises(NoAccountsError):
        collection.run()
    put(collection, trail("a"))
    collection.run(remove=True)
    assert collection.run().code == 0


def test_object_right_under_the_path_counts_as_something(tmp_path: Path) -> None:
    job = BucketJob(BucketLocation("custom", BUCKET, "kms/"))
    collection = Collection(tmp_path, bucket=LOG_TYPES["custom"](), job=job)
    put(collection, {"kms/nodate.json": b""})
    assert collection.run().code == 0


# Objects that cannot be read


@pytest.mark.parametrize(("broken", "code", "words"), [(NO_GZIP, 8, "decompress"), (NO_JSON, 9, "parse")])
def test_malformed_object_stops_its_partition_and_no_other(
    collection: Collection, caplog: pytest.LogCaptureFixture, broken: dict[str, bytes], code: int, words: str
) -> None:
    put(collection, trail("a"), broken, trail("c"), trail("d", region="us-west-1"), trail("e", region="us-west-1"))
    before = dict(collection.store.objects)
    for _ in range(2):
        ended = collection.run(remove=True)
        assert ended.code == code
    assert set(before) - set(collection.store.objects) == {
        trail_key("a"),
        trail_key("d", region="us-west-1"),
        trail_key("e", region="us-west-1"),
    }
    assert [line for line in lines(caplog, "ERROR") if words in line and next(iter(broken)) in line]
    assert last_run(collection) is None


def test_malformed_object_that_was_mended_is_sent(collection: Collection) -> None:
    put(collection, trail("a"), NO_JSON, trail("c"))
    assert collection.run().events == ["a-0"]
    put(collection, trail("b"))
    assert collection.run().events == ["b-0", "c-0"]


@pytest.mark.parametrize(("broken", "words"), [(NO_GZIP, "Failed to decompress"), (NO_JSON, "Failed to parse")])
def test_malformed_object_that_is_skipped_becomes_an_error_event_once(
    collection: Collection, broken: dict[str, bytes], words: str
) -> None:
    put(collection, trail("a"), broken, trail("c"))
    sink = ListSink()
    assert collection.run(sink, skip_on_error=True, remove=True).code == 0
    assert (sink.events[0], sink.events[2]) == ("a-0", "c-0")
    assert sink.messages[1] == {
        "integration": "aws",
        "aws": {
            "log_info": {"aws_account_alias": "", "log_file": next(iter(broken)), "s3bucket": BUCKET},
            "aws_account_id": "123456789012",
        },
        "error_msg": sink.events[1],
    }
    assert sink.events[1].startswith(f"{words} file {next(iter(broken))}: ")
    assert collection.store.objects == broken
    again = collection.run(skip_on_error=True, remove=True)
    assert (again.code, again.events) == (0, [])
    assert collection.run(remove=True).code == 0
    assert collection.store.objects == broken


def test_place_moves_over_what_was_skipped(collection: Collection) -> None:
    """Else a partition of which all is malformed would be listed from its floor for ever."""
    put(collection, NO_JSON)
    collection.run(skip_on_error=True)
    with closing(collection.state()) as state:
        [newest_day] = state._database.query("SELECT place FROM collection_partition")
    assert tuple(newest_day) == ("2021-06-10",)


@pytest.mark.parametrize(("failure", "code"), [(DENIED, 3), (SLOW_DOWN, 16), (GONE, 7)])
def test_unavailable_object_stops_its_partition_and_no_other(
    collection: Collection, failure: UnavailableError, code: int
) -> None:
    put(collection, trail("a"), trail("b"), trail("c"), trail("d", region="us-west-1"))
    collection.store.failures[trail_key("b")] = failure
    ended = collection.run()
    assert (ended.code, ended.events) == (code, ["a-0", "d-0"])
    assert (waiting(collection), last_run(collection)) == (0, None)
    collection.store.failures.clear()
    assert collection.run().events == ["b-0", "c-0"]


def test_unavailable_object_that_is_skipped_is_never_marked_nor_deleted_and_sent_once_later(
    collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    put(collection, trail("a"), trail("b"), trail("c"))
    collection.store.failures[trail_key("b")] = SLOW_DOWN
    for _ in range(2):
        ended = collection.run(skip_on_error=True, remove=True)
        assert ended.code == 0
        assert set(collection.store.objects) == {trail_key("b")}
    assert [line for line in lines(caplog, "ERROR") if "SlowDown" in line and "again" in line]
    assert lines(caplog, "WARNING") == ["1 object could not be fetched: later runs try again"] * 2
    collection.store.failures.clear()
    collection.now += TOMORROW
    assert collection.run(skip_on_error=True, remove=True).events == ["b-0"]
    assert collection.store.objects == {}
    assert waiting(collection) == 0


def test_unavailable_object_is_tried_again_however_old_it_is(collection: Collection) -> None:
    put(collection, trail("a"), trail("b", DAY + 9 * TOMORROW))
    collection.store.failures[trail_key("a")] = SLOW_DOWN
    assert collection.run(skip_on_error=True).events == ["b-0"]
    collection.store.failures.clear()
    assert collection.run().events == ["a-0"]


def test_object_that_fails_again_stops_nothing_but_tells_its_code(collection: Collection) -> None:
    put(collection, trail("a"), trail("b"))
    collection.store.failures[trail_key("a")] = SLOW_DOWN
    assert collection.run(skip_on_error=True).events == ["b-0"]
    put(collection, trail("c"))
    ended = collection.run()
    assert (ended.code, ended.events) == (16, ["c-0"])
    assert waiting(collection) == 1


def test_object_that_is_malformed_once_it_can_be_had_stops_nothing_either(collection: Collection) -> None:
    put(collection, NO_JSON, trail("c"))
    collection.store.failures[trail_key("b")] = SLOW_DOWN
    assert collection.run(skip_on_error=True).events == ["c-0"]
    collection.store.failures.clear()
    put(collection, trail("d"))
    ended = collection.run()
    assert (ended.code, ended.events) == (9, ["d-0"])
    collection.now += TOMORROW
    assert len(collection.run(skip_on_error=True).events) == 1
    assert waiting(collection) == 0


def test_object_that_stays_gone_is_dropped_after_a_day(
    collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    put(collection, trail("a"), trail("b"))
    collection.store.failures[trail_key("a")] = GONE
    collection.run(skip_on_error=True)
    del collection.store.objects[trail_key("a")]
    caplog.clear()
    collection.run(skip_on_error=True)
    assert lines(caplog, "ERROR") == []
    collection.now += TOMORROW
    collection.run(skip_on_error=True)
    collection.run(skip_on_error=True)
    [line] = lines(caplog, "ERROR")
    assert "given up" in line
    assert waiting(collection) == 0


def test_object_whose_folder_is_gone_is_dropped_too(collection: Collection, caplog: pytest.LogCaptureFixture) -> None:
    put(collection, trail("a"), trail("b", region=OTHER))
    collection.store.failures[trail_key("b", region=OTHER)] = DENIED
    collection.run(skip_on_error=True)
    del collection.store.objects[trail_key("b", region=OTHER)]
    caplog.clear()
    for _ in range(3):
        collection.run(skip_on_error=True)
        collection.now += TOMORROW
    [line] = lines(caplog, "ERROR")
    assert "given up" in line and "s3://acme-logs/" in line
    assert waiting(collection) == 0


def test_object_that_waits_in_a_bucket_that_was_emptied_is_dropped_too(collection: Collection) -> None:
    put(collection, trail("a"))
    collection.store.failures[trail_key("a")] = DENIED
    collection.run(skip_on_error=True)
    collection.store.objects.clear()
    for _ in range(3):
        assert collection.run().code == 0
        collection.now += TOMORROW
    assert waiting(collection) == 0


def test_run_of_some_regions_lets_objects_of_others_wait(collection: Collection) -> None:
    put(collection, trail("a"), trail("b", region=OTHER))
    collection.store.failures[trail_key("b", region=OTHER)] = DENIED
    collection.run(skip_on_error=True)
    for _ in range(3):
        collection.run(skip_on_error=True, regions=("us-east-1",))
        collection.now += TOMORROW
    collection.store.failures.clear()
    assert collection.run().events == ["b-0"]


def test_first_failure_gives_the_exit_code(collection: Collection) -> None:
    put(collection, NO_JSON, trail("d", region=OTHER))
    collection.store.failures[trail_key("d", region=OTHER)] = DENIED
    assert collection.run().code == 3


def test_failure_of_the_whole_run_ends_it_and_what_was_done_stays_done(collection: Collection) -> None:
    put(collection, trail("a"), trail("b"))
    collection.store.failures[trail_key("b")] = EndpointError("away")
    with pytest.raises(EndpointError):
        collection.run(remove=True)
    assert set(collection.store.objects) == {trail_key("b")}
    collection.store.failures.clear()
    assert collection.run().events == ["b-0"]


def test_partition_that_cannot_be_listed_gives_its_code(collection: Collection) -> None:
    put(collection, trail("a"), trail("b", region=OTHER))
    listing = trail_key("", region=OTHER).partition("2021")[0]
    collection.store.failures[listing] = StorageError("no")
    ended = collection.run()
    assert (ended.code, ended.events) == (7, ["a-0"])
    assert last_run(collection) is None


# An object of which a part was sent


def test_rest_of_an_object_is_sent_once_when_the_listener_is_back(collection: Collection) -> None:
    put(collection, trail("a", events=3), trail("b", events=3))
    events: list[str] = []
    for accepted in (4, 0, 1, 0):
        sink = refusing_after(accepted, SinkConnectError("away"))
        with pytest.raises(SinkConnectError):
            collection.run(sink)
        events += sink.events
    assert events == ["a-0", "a-1", "a-2", "b-0", "b-1"]
    assert collection.run().events == ["b-2"]
    assert collection.run().events == []


def test_all_that_was_accepted_counts_even_when_it_could_not_be_recorded(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(collection, trail("a", events=2))
    with monkeypatch.context() as patch, pytest.raises(SinkConnectError):
        patch.setattr("aws_s3.state.bucket_state.BucketState.mark_done", _fail_to_record)
        collection.run()
    assert collection.run().events == []


def _fail_to_record(*_: object) -> None:
    raise SinkConnectError("as if")


def test_nothing_is_sent_that_there_is_no_room_to_record(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(collection, trail("a"))
    sink = ListSink()
    with monkeypatch.context() as patch, pytest.raises(StateError):
        patch.setattr("aws_s3.state.database._MIN_FREE_BYTES", 1 << 60)
        collection.run(sink)
    assert sink.messages == []
    assert collection.run().events == ["a-0"]


def test_object_that_was_written_again_is_sent_from_its_start(collection: Collection) -> None:
    put(collection, trail("a", events=3))
    with pytest.raises(SinkConnectError):
        collection.run(refusing_after(2, SinkConnectError("away")))
    put(collection, {trail_key("a"): trail_body("x", 2)})
    assert collection.run().events == ["x-0", "x-1"]


def test_other_discarding_sends_an_object_from_its_start(collection: Collection) -> None:
    put(collection, trail("a", events=4))
    with pytest.raises(SinkConnectError):
        collection.run(refusing_after(2, SinkConnectError("away")))
    assert collection.run(discard=LAST_EVENTS).events == ["a-0", "a-1", "a-3"]


def test_same_discarding_sends_the_rest(collection: Collection) -> None:
    put(collection, trail("a", events=4))
    with pytest.raises(SinkConnectError):
        collection.run(refusing_after(2, SinkConnectError("away")), discard=LAST_EVENTS)
    assert collection.run(discard=LAST_EVENTS).events == ["a-3"]


def test_signal_ends_the_run_with_what_was_accepted_recorded(collection: Collection) -> None:
    put(collection, trail("a", events=3), trail("b", events=3), trail("c"))
    sink = ListSink()

    def stop_at_fifth() -> None:
        if len(sink.messages) == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    sink.fail = stop_at_fifth
    with listening(collection), pytest.raises(Interrupted) as told:
        collection.run(sink)
    assert told.value.exit_code == 143
    # The messages at hand go first.
    assert sink.events == ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2"]
    collection.stop_request = StopRequest()
    assert collection.run().events == ["c-0"]


def test_signal_while_an_object_is_recorded_leaves_no_part_of_it(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(collection, trail("a", events=2), trail("b"))
    record = BucketState.mark_done

    def record_and_stop(self: BucketState, partition: Partition, key: str, account: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        record(self, partition, key, account)

    with listening(collection), monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(BucketState, "mark_done", record_and_stop)
        collection.run()
    with closing(collection.state()) as state:
        assert state._database.query("SELECT * FROM collection_partial") == []
    collection.stop_request = StopRequest()
    assert collection.run().events == ["b-0"]


def test_reparse_sends_all_of_an_object_of_which_a_part_was_sent(collection: Collection) -> None:
    put(collection, trail("a", events=3))
    with pytest.raises(SinkConnectError):
        collection.run(refusing_after(2, SinkConnectError("away")))
    with pytest.raises(SinkConnectError):
        collection.run(refusing_after(1, SinkConnectError("away")), reparse=True)
    assert collection.run().events == ["a-2"]


# Removing


def test_processed_objects_are_removed_in_batches_and_others_stay(collection: Collection) -> None:
    many = [trail(f"{number:04}", events=0) for number in range(1100)]
    others = trail("old", date(2021, 5, 10)) | {"other/file.txt": b"", "AWSLogs/123456789012/Config/a": b""}
    put(collection, *many, others)
    assert collection.run(remove=True).code == 0
    assert collection.store.objects == others
    assert [len(batch) for batch in collection.store.deleted] == [1000, 100]


def test_object_that_was_processed_before_is_removed_too(collection: Collection) -> None:
    put(collection, trail("a"), trail("b"))
    collection.run()
    put(collection, trail("c"))
    assert collection.run(remove=True).events == ["c-0"]
    assert collection.store.objects == {}


def test_object_is_removed_only_after_its_events_were_accepted(collection: Collection) -> None:
    put(collection, trail("a"), trail("b", events=2))
    with pytest.raises(SinkConnectError):
        collection.run(refusing_after(2, SinkConnectError("away")), remove=True)
    assert set(collection.store.objects) == {trail_key("b")}


def test_removal_that_fails_is_an_error_line_and_nothing_more(
    collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    put(collection, trail("a"), trail("b"))
    collection.store.undeletable.add(trail_key("a"))
    ended = collection.run(remove=True)
    assert (ended.code, ended.events) == (0, ["a-0", "b-0"])
    assert lines(caplog, "ERROR") == [f"{trail_key('a')} could not be deleted"]
    assert set(collection.store.objects) == {trail_key("a")}
    collection.store.undeletable.clear()
    assert collection.run(remove=True).events == []
    assert collection.store.objects == {}


def test_nothing_is_removed_unless_asked(collection: Collection) -> None:
    put(collection, trail("a"))
    collection.run()
    assert set(collection.store.objects) == {trail_key("a")}
    assert not any(collection.store.deleted)


def test_events_that_are_discarded_do_not_keep_an_object(collection: Collection) -> None:
    put(collection, trail("a", events=3))
    ended = collection.run(remove=True, discard=DiscardRule("eventID", re.compile("a")))
    assert ended.events == []
    assert collection.store.objects == {}


# Reparse


def test_reparse_sends_everything_again_and_changes_nothing(collection: Collection) -> None:
    put(collection, *(trail(name, date(2021, 6, day)) for day, name in ((9, "a"), (10, "b"), (11, "c"))))
    collection.run()
    with closing(collection.state()) as state:
        before = state._database.query("SELECT * FROM collection_partition"), state.history()
    collection.now += TOMORROW
    assert collection.run(reparse=True, only_logs_after=None).events == ["a-0", "b-0", "c-0"]
    assert collection.run(reparse=True, only_logs_after=date(2021, 6, 10)).events == ["b-0", "c-0"]
    with closing(collection.state()) as state:
        assert state._database.query("SELECT * FROM collection_partition") == before[0]
    assert collection.run().events == []


def test_object_that_only_a_reparse_saw_is_not_sent_again(collection: Collection) -> None:
    put(collection, trail("a"))
    collection.run()
    put(collection, trail("older", date(2021, 5, 1)), trail("b"))
    assert collection.run(reparse=True, only_logs_after=date(2021, 5, 1)).events == ["older-0", "a-0", "b-0"]
    assert collection.run().events == []


def test_reparse_from_a_late_day_leaves_the_days_before_to_the_next_run(collection: Collection) -> None:
    put(collection, trail("a"))
    collection.run()
    put(collection, trail("b", DAY + TOMORROW), trail("c", DAY + 5 * TOMORROW))
    collection.now += TOMORROW
    assert collection.run(reparse=True, only_logs_after=DAY + 5 * TOMORROW).events == ["c-0"]
    assert last_run(collection) == NOW.date()
    assert collection.run().events == ["b-0"]


def test_reparse_removes_what_was_accepted(collection: Collection) -> None:
    put(collection, trail("a"), trail("b"))
    collection.run()
    with pytest.raises(SinkConnectError):
        collection.run(refusing_after(1, SinkConnectError("away")), reparse=True, remove=True)
    assert set(collection.store.objects) == {trail_key("b")}


def test_reparse_of_an_object_that_waits_ends_its_waiting(collection: Collection) -> None:
    put(collection, trail("a"), trail("b"))
    collection.store.failures[trail_key("a")] = SLOW_DOWN
    collection.run(skip_on_error=True)
    collection.store.failures.clear()
    assert collection.run(reparse=True).events == ["a-0", "b-0"]
    assert collection.run().events == []


def test_reparse_that_fails_leaves_what_was_done_done(collection: Collection) -> None:
    put(collection, trail("a"), trail("b"))
    collection.run()
    collection.store.failures[trail_key("a")] = SLOW_DOWN
    put(collection, {trail_key("b"): b"no JSON"})
    ended = collection.run(reparse=True, skip_on_error=True)
    assert (ended.code, len(ended.events)) == (0, 1)
    collection.store.failures.clear()
    assert waiting(collection) == 0
    assert collection.run(remove=True).events == []
    assert collection.store.objects == {}


def test_reparse_keeps_a_new_object_that_cannot_be_had(collection: Collection) -> None:
    put(collection, trail("a"), trail("older", date(2021, 5, 1)))
    collection.store.failures[trail_key("older", date(2021, 5, 1))] = SLOW_DOWN
    collection.run(reparse=True, only_logs_after=date(2021, 5, 1), skip_on_error=True)
    collection.store.failures.clear()
    assert collection.run().events == ["older-0"]


# The source as a whole


def test_run_that_failed_nowhere_is_complete(collection: Collection) -> None:
    put(collection, trail("a"))
    collection.run()
    assert last_run(collection) == NOW.date()
    collection.now += 3 * TOMORROW
    collection.run()
    assert last_run(collection) == NOW.date() + 3 * TOMORROW


def test_run_that_skipped_is_complete(collection: Collection) -> None:
    put(collection, NO_JSON, trail("c"))
    collection.store.failures[trail_key("c")] = SLOW_DOWN
    collection.run(skip_on_error=True)
    assert last_run(collection) == NOW.date()


def test_partition_that_another_run_holds_is_passed_over_and_the_run_is_not_complete(collection: Collection) -> None:
    put(collection, trail("a"), trail("b", region=OTHER))
    prefix = trail_key("", region=OTHER).partition("2021")[0]
    with closing(collection.state()) as state:
        name = f"{state.source.name} {prefix} %Y/%m/%d"
    with holder(collection.folder / "lock", name):
        ended = collection.run()
    assert (ended.code, ended.events) == (0, ["a-0"])
    assert last_run(collection) is None
    assert collection.run().events == ["b-0"]


def test_account_of_the_caller_is_asked_only_where_a_key_holds_none(tmp_path: Path) -> None:
    asked: list[str] = []

    def account() -> str:
        asked.append("asked")
        return "999999999999"

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    trails = Collection(tmp_path / "a", account=account)
    put(trails, trail("a"))
    trails.run()
    assert asked == []
    job = BucketJob(BucketLocation("custom", BUCKET), only_logs_after=DAY)
    custom = Collection(tmp_path / "b", bucket=LOG_TYPES["custom"](), job=job, account=account)
    put(custom, {"2021/06/10/01/a": b'{"eventID": "a"}', "2021/06/10/01/b": b'{"eventID": "b"}'})
    assert custom.run().events == ["a", "b"]
    assert asked == ["asked"]
    with closing(custom.state(job)) as state:
        assert {tuple(row) for row in state._database.query("SELECT aws_account_id FROM custom")} == {("999999999999",)}


def test_number_of_events_is_told(collection: Collection, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(DEBUG_2, logger="aws_s3")
    put(collection, trail("a", events=3))
    collection.run(remove=True)
    told = lines(caplog, "Level 9")
    assert any(line.startswith("+++ Sent 3 events") and line.endswith("to Wazuh") for line in told)
    assert f"+++ Remove file from S3 Bucket:{trail_key('a')}" in told


# Trying failed objects again, and nothing else


def test_all_failed_objects_are_tried_again_now_and_nothing_else(
    collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    put(collection, trail("a"), NO_JSON, trail("c"), trail("d", region="us-west-1"))
    collection.store.failures[trail_key("a")] = SLOW_DOWN
    for _ in range(3):
        # After each attempt it waits longer for the next one.
        collection.run(skip_on_error=True)
    collection.store.failures.clear()
    put(collection, trail("b"), trail("e"))
    before = last_run(collection)
    ended = collection.run(retry_failed=True, skip_on_error=True, remove=True)
    assert (ended.code, ended.events) == (0, ["a-0", "b-0"])
    assert "+++ Tried 2 failed objects again" in lines(caplog, "DEBUG")
    assert not {trail_key("a"), trail_key("b")} & set(collection.store.objects)
    assert (waiting(collection), last_run(collection)) == (0, before)
    assert collection.run(retry_failed=True).events == []
    assert collection.run().events == ["e-0"]


def test_malformed_object_that_still_is_stays_remembered_and_gives_no_second_event(collection: Collection) -> None:
    put(collection, NO_JSON, trail("c"))
    assert len(collection.run(skip_on_error=True).events) == 2
    assert collection.run(retry_failed=True, skip_on_error=True, remove=True).events == []
    ended = collection.run(retry_failed=True, remove=True)
    assert (ended.code, ended.events) == (9, [])
    collection.store.failures[trail_key("b")] = DENIED
    assert collection.run(retry_failed=True).code == 3
    assert collection.run(skip_on_error=True).events == []
    collection.store.failures.clear()
    put(collection, trail("b"))
    assert collection.run(retry_failed=True).events == ["b-0"]


def test_malformed_object_that_is_gone_is_forgotten(collection: Collection) -> None:
    put(collection, NO_JSON, trail("c"))
    collection.run(skip_on_error=True)
    del collection.store.objects[trail_key("b")]
    assert collection.run(retry_failed=True).code == 7
    assert collection.run(retry_failed=True).code == 0


def test_unavailable_object_that_fails_again_is_put_off(collection: Collection) -> None:
    put(collection, trail("a"), trail("b"))
    collection.store.failures[trail_key("a")] = SLOW_DOWN
    collection.run(skip_on_error=True)
    assert collection.run(retry_failed=True).code == 16
    assert waiting(collection) == 1


def test_partition_that_another_run_holds_is_passed_over_by_a_retry(collection: Collection) -> None:
    put(collection, NO_JSON)
    collection.run(skip_on_error=True)
    put(collection, trail("b"))
    with closing(collection.state()) as state:
        name = f"{state.source.name} {trail_key('').partition('2021')[0]} %Y/%m/%d"
    with holder(collection.folder / "lock", name):
        assert collection.run(retry_failed=True).events == []
    assert collection.run(retry_failed=True).events == ["b-0"]
