"""Which form of its path a source has: with or without slashes at its ends."""

import logging
from collections.abc import Collection, Iterable

import pytest

from aws_s3.buckets.path_form import with_settled_path
from aws_s3.log_types import LOG_TYPES
from aws_s3.settings import BucketJob, BucketLocation
from tests.harness.command import new_home, put_all
from tests.harness.emulator import Emulator
from tests.harness.fakes import MemoryStore

DAY = "2021/06/10/01/a"
ACCESS = "2021-06-10-01-15-00-3E57427F33A59F07"


def settled(given: str, keys: Iterable[str], kind: str = "custom", known: Collection[str] = ()) -> str:
    usual = f"{given.removeprefix('/').removesuffix('/')}/" if given else ""
    job = BucketJob(BucketLocation(kind, "acme-logs", usual), path_as_given=given)
    store = MemoryStore(dict.fromkeys(keys, b""))
    return with_settled_path(job, LOG_TYPES[kind](), store, lambda source: source.path in known).source.path


@pytest.mark.parametrize(
    ("given", "keys", "path"),
    [
        ("logs/", [f"logs/{DAY}"], "logs/"),
        ("logs", [f"logs/{DAY}"], "logs/"),
        ("/logs", [f"logs/{DAY}"], "logs/"),
        ("/logs", [f"/logs/{DAY}"], "/logs/"),
        ("/logs/", [f"/logs/{DAY}"], "/logs/"),
        ("logs/", [f"/logs/{DAY}"], "logs/"),
        ("/logs", [f"/logs{DAY}"], "/logs"),
        ("firehose", [f"firehose{DAY}"], "firehose"),
        ("firehose", [f"firehose-x/{DAY}"], "firehose/"),
        ("firehose/", [f"firehose{DAY}"], "firehose/"),
        ("logs", [], "logs/"),
        ("", [DAY], ""),
    ],
)
def test_form_is_that_under_which_keys_lie(given: str, keys: list[str], path: str) -> None:
    assert settled(given, keys) == path


def test_target_prefix_of_server_access_logs_needs_no_slash() -> None:
    assert settled("access-", [f"access-{ACCESS}"], "server_access") == "access-"
    assert settled("access", [f"access-{ACCESS}"], "server_access") == "access/"


def test_form_of_a_trail_always_ends_with_a_slash() -> None:
    assert settled("logs", ["logs2021/06/10/x"], "cloudtrail") == "logs/"


def test_where_both_forms_hold_keys_the_usual_is_taken_and_told(caplog: pytest.LogCaptureFixture) -> None:
    assert settled("/logs", [f"/logs/{DAY}", f"logs/{DAY}"]) == "logs/"
    [line] = caplog.records
    assert line.levelno == logging.WARNING
    assert "'logs/' and under '/logs/'" in line.getMessage()


def test_form_that_the_state_knows_is_kept_without_a_request() -> None:
    store = MemoryStore({f"logs/{DAY}": b""})
    job = BucketJob(BucketLocation("custom", "acme-logs", "logs/"), path_as_given="/logs")
    found = with_settled_path(job, LOG_TYPES["custom"](), store, lambda source: source.path == "/logs/")
    assert (found.source.path, store.lists) == ("/logs/", [])


def test_form_once_decided_is_kept(emulator: Emulator) -> None:
    """The state knows it, so objects that appear under another form later change nothing."""
    emulator.client("s3").create_bucket(Bucket="acme-logs")
    with new_home(emulator) as home:
        arguments = ("-b", "acme-logs", "-t", "custom", "-l", "/logs", "-s", "2021-JUN-01")
        put_all(emulator, "acme-logs", {f"/logs/{DAY}": b'{"eventID": "one"}'})
        assert home.run(*arguments).events == ["one"]
        put_all(emulator, "acme-logs", {f"logs/{DAY}": b'{"eventID": "other"}', f"/logs/{DAY}2": b'{"eventID": "two"}'})
        ended = home.run(*arguments)
    assert (ended.events, ended.output) == (["two"], "")


def test_prefix_of_server_access_logs_is_collected_as_it_is_given(emulator: Emulator) -> None:
    line = b"owner bucket [10/Jun/2021:01:15:00 +0000] 192.0.2.1 - ID REST.GET.OBJECT key"
    emulator.client("s3").create_bucket(Bucket="acme-logs")
    put_all(emulator, "acme-logs", {f"access-{ACCESS}": line})
    with new_home(emulator) as home:
        arguments = ("-b", "acme-logs", "-t", "server_access", "-l", "access-", "-s", "2021-JUN-01")
        assert "Would collect 1 object of" in home.run(*arguments, "--dry-run").output
        [message] = home.run(*arguments).messages
        assert message["aws"]["log_info"]["log_file"] == f"access-{ACCESS}"
        assert home.run(*arguments).messages == []
