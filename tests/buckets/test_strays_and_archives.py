"""Objects that are no logs, and objects in an archive: neither stops the logs beside it."""

import logging
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import IO

import pytest

from aws_s3.aws.listings import S3Object
from aws_s3.errors import CollectorError
from aws_s3.state.failed_objects import FailedObject
from aws_s3.state.overview import overview
from tests.harness.collecting import ACCOUNT, DAY, Collection, trail, trail_key
from tests.harness.fakes import ARCHIVED

FOLDER = trail_key("").rpartition("/")[0]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection(tmp_path)
    made.store.objects |= trail("a") | trail("z")
    return made


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("name", ["README", "README.md", "x.ok", "ELBAccessLogTestFile", "_SUCCESS", ""])
def test_stray_is_passed_over_in_silence(name: str, collection: Collection, caplog: pytest.LogCaptureFixture) -> None:
    collection.store.objects[f"{FOLDER}/{name}"] = b"no log"
    ended = collection.run()
    assert (ended.code, ended.events, warnings(caplog)) == (0, ["a-0", "z-0"], [])


@pytest.mark.parametrize("name", ["notes.txt", "backup.tar", f"{ACCOUNT}_CloudTrail.tmp", "000_CloudTrail_x.json.gz"])
def test_malformed_stranger_stops_nothing_and_is_told_once(
    name: str, collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    key = f"{FOLDER}/{name}"
    collection.store.objects[key] = b"no log"
    ended = collection.run(remove=True)
    assert (ended.code, ended.events) == (0, ["a-0", "z-0"])
    [line] = warnings(caplog)
    assert key in line
    assert list(collection.store.objects) == [key]
    caplog.clear()
    assert (collection.run(remove=True).code, warnings(caplog)) == (0, [])
    assert list(collection.store.objects) == [key]


def test_readable_object_with_a_strangers_name_is_a_log(collection: Collection) -> None:
    collection.store.objects[f"{FOLDER}/copy of b.txt"] = b'{"Records": [{"eventID": "b"}]}'
    assert collection.run().events == ["a-0", "z-0", "b"]


def test_malformed_log_stops_its_partition(collection: Collection) -> None:
    collection.store.objects[trail_key("m")] = b"no log"
    ended = collection.run()
    assert (ended.code, ended.events) == (9, ["a-0"])


def test_malformed_stranger_becomes_an_error_event_with_skip_on_error(collection: Collection) -> None:
    collection.store.objects[f"{FOLDER}/notes.txt"] = b"no log"
    ended = collection.run(skip_on_error=True)
    assert (ended.code, len(ended.events)) == (0, 3)


def archive(collection: Collection, name: str, day: date = DAY, storage: str = "GLACIER") -> str:
    key = trail_key(name, day)
    collection.store.objects |= trail(name, day)
    collection.store.classes[key] = storage
    return key


@pytest.mark.parametrize("storage", ["GLACIER", "DEEP_ARCHIVE"])
def test_archived_object_is_passed_over_without_a_request(
    storage: str, collection: Collection, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(collection, "m", storage=storage)
    archive(collection, "n", date(2021, 6, 12), storage)
    requests: list[str] = []
    monkeypatch.setattr(collection.store, "get", recording(collection, requests))
    ended = collection.run()
    assert (ended.code, ended.events) == (0, ["a-0", "z-0"])
    assert requests == [trail_key("a"), trail_key("z")]
    [line] = warnings(caplog)
    assert "an archive holds 2 objects from 2021-06-10 to 2021-06-12" in line
    assert "--reparse --only_logs_after 2021-JUN-10" in line
    with closing(collection.state()) as state:
        assert state.failed_objects.count_pending() == 0
    [status] = overview(collection.folder).sources
    assert status.archived == 2
    collection.store.classes.clear()
    assert collection.run().events == ["m-0", "n-0"]
    [status] = overview(collection.folder).sources
    assert status.archived == 0


def recording(collection: Collection, requests: list[str]) -> Callable[[S3Object], IO[bytes]]:
    get = collection.store.get

    def recorded(wanted: S3Object) -> IO[bytes]:
        requests.append(wanted.key)
        return get(wanted)

    return recorded


def test_restored_object_is_collected_by_a_reparse(collection: Collection) -> None:
    key = archive(collection, "m")
    collection.run()
    collection.store.restored.add(key)
    assert collection.run(reparse=True).events == ["a-0", "m-0", "z-0"]
    assert collection.run().events == []


def test_object_that_only_the_download_shows_as_archived_is_no_failure(
    collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    key = archive(collection, "m", storage="INTELLIGENT_TIERING")
    collection.store.failures[key] = ARCHIVED
    for skip in (False, True):
        ended = collection.run(skip_on_error=skip)
        assert ended.code == 0
        assert any("an archive holds 1 object from 2021-06-10 to 2021-06-10" in line for line in warnings(caplog))
    with closing(collection.state()) as state:
        assert state.failed_objects.count_pending() == 0


def test_archived_object_that_failed_before_is_tried_no_more(collection: Collection) -> None:
    key = archive(collection, "m")
    with closing(collection.state()) as state:
        state.failed_objects.schedule_retry(FailedObject(key, 1, "e"), CollectorError("x"))
    assert collection.run().code == 0
    with closing(collection.state()) as state:
        assert state.failed_objects.count_pending() == 0


def test_source_that_finds_nothing_tells_it_until_it_found_something(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    collection = Collection(tmp_path)
    collection.store.objects["AWSLogs/123456789012/vpcflowlogs/us-east-1/2021/06/10/a.log.gz"] = b""
    for _ in range(2):
        caplog.clear()
        assert collection.run().code == 0
        [line] = warnings(caplog)
        assert "-t vpcflow" in line
    caplog.clear()
    collection.store.objects = trail("a")
    assert (collection.run().events, warnings(caplog)) == (["a-0"], [])
    collection.store.objects = trail("b", date(2021, 5, 1))
    assert (collection.run().events, warnings(caplog)) == ([], [])


def test_error_of_an_empty_path_tells_where_logs_lie(tmp_path: Path) -> None:
    collection = Collection(tmp_path)
    collection.store.objects = trail("a", base="trails/AWSLogs/")
    with pytest.raises(CollectorError, match=r"collect: -l trails/\.$") as told:
        collection.run()
    assert told.value.exit_code == 18


def test_hint_that_may_not_list_the_bucket_is_left_out(tmp_path: Path) -> None:
    collection = Collection(tmp_path)
    collection.store.objects = trail("a", base="trails/AWSLogs/")
    collection.store.failures[""] = CollectorError("denied")
    with pytest.raises(CollectorError, match=r"bucket type 'cloudtrail'\.$"):
        collection.run()
