"""The whole way, as an operator sees it: the command, HTTP, a socket, SQLite."""

import random
import shutil
import sqlite3
import time
from collections import Counter
from datetime import date, datetime, timedelta, timezone

import pytest

from tests.harness.command import Home, decoded, kill, put_all, wait_until
from tests.harness.emulator import Emulator
from tests.harness.listener import Listener
from tests.harness.trails import BUCKET, DAY, SINCE, trail, trails

REGIONS = ("eu-west-1", "us-east-1")


def test_what_was_collected_is_not_sent_again_and_late_objects_are_sent_once(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trails(1100))
    since = ("-b", BUCKET, "--only_logs_after", "2021-JUN-08")
    counts = [Counter(home.run(*since).events) for _ in range(3)]
    assert [len(count) for count in counts] == [1100, 0, 0]
    assert set(counts[0].values()) == {1}
    put_all(emulator, BUCKET, trail("00000A-late") | trail("late", DAY - timedelta(1)))
    put_all(emulator, BUCKET, trail("before-floor", date(2021, 6, 7)))
    assert home.run(*since).events == ["late-0", "00000A-late-0"]
    assert home.run(*since).events == []


def test_region_that_appears_is_collected_from_the_last_run_less_the_lookback(home: Home, emulator: Emulator) -> None:
    today = datetime.now(timezone.utc).date()
    put_all(emulator, BUCKET, trail("known", today - timedelta(5)))
    since = f"{today - timedelta(5):%Y-%b-%d}"
    assert home.run("-b", BUCKET, "-s", since).events == ["known-0"]
    for age in range(3):
        put_all(emulator, BUCKET, trail(f"new-{age}", today - timedelta(age), "eu-west-1"))
    assert home.run("-b", BUCKET).events == ["new-1-0", "new-0-0"]


def test_each_account_has_its_own_regions(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trail("a", region="us-east-1") | trail("b", region="eu-west-1", account="210987654321"))
    put_all(emulator, BUCKET, trail("c", region="ap-south-2", account="210987654321"))
    assert sorted(home.run(*SINCE).events) == ["a-0", "b-0", "c-0"]


@pytest.mark.parametrize("workers", ["1", "2", "4"])
def test_order_within_each_partition_is_the_same_with_any_number_of_workers(
    home: Home, emulator: Emulator, workers: str
) -> None:
    # More objects than are read without workers.
    for number in range(260):
        put_all(emulator, BUCKET, trail(f"{number:05}Z", region=REGIONS[number % 2], records=number % 4))
    arrived = home.run(*SINCE, "--workers", workers).messages
    for remainder, region in enumerate(REGIONS):
        events = [message["aws"] for message in arrived if f"/{region}/" in message["aws"]["log_info"]["log_file"]]
        assert [event["eventID"] for event in events] == [
            f"{number:05}Z-{event}" for number in range(remainder, 260, 2) for event in range(number % 4)
        ]


@pytest.mark.parametrize("kills", [8])
def test_killed_at_any_moment_it_loses_nothing_and_repeats_one_object_at_most(
    home: Home, emulator: Emulator, kills: int
) -> None:
    objects, records = 120, 5
    put_all(emulator, BUCKET, trails(objects, records))
    seen: Counter[str] = Counter()
    for attempt in range(kills + 1):
        listener = Listener(home.socket)
        process = home.start(*SINCE)
        if attempt < kills:
            share = random.randint(1, objects * records // kills)
            wait_until(lambda: len(listener.received) >= share or process.poll() is not None)  # noqa: B023
            kill(process)
        else:
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0, output
        arrived = [message["aws"]["eventID"] for message in decoded(listener.close())]
        repeated = {event.partition("-")[0] for event in arrived if seen[event]}
        assert len(repeated) <= 1
        seen.update(arrived)
    assert len(seen) == objects * records


def test_listener_that_restarts_gets_every_event_once(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trails(150, 5))
    listener = Listener(home.socket, hold=100)
    process = home.start(*SINCE)
    wait_until(lambda: len(listener.received) >= 100)
    first = decoded(listener.close())
    time.sleep(1)
    listener = Listener(home.socket)
    output, _ = process.communicate(timeout=60)
    events = Counter(message["aws"]["eventID"] for message in [*first, *decoded(listener.close())])
    assert process.returncode == 0, output
    assert (len(events), set(events.values())) == (750, {1})


def test_listener_that_stays_away_ends_the_run_and_the_next_completes_it(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trails(60, 20))
    listener = Listener(home.socket, hold=100)
    process = home.start(*SINCE)
    wait_until(lambda: len(listener.received) >= 100)
    events = Counter(message["aws"]["eventID"] for message in decoded(listener.close()))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 11
    assert output.startswith("ERROR: Cannot connect to Wazuh")
    events.update(home.run(*SINCE).events)
    assert (len(events), set(events.values())) == (1200, {1})


@pytest.mark.parametrize("level", ["0", "1", "2", "3"])
def test_secret_is_never_printed(home: Home, emulator: Emulator, level: str) -> None:
    put_all(emulator, BUCKET, trail("a"))
    ended = home.run(*SINCE, "-a", "AKIAEXAMPLEKEY", "-k", "s3cr3t/that+nobody=sees", "--debug", level)
    assert ended.events == ["a-0"]
    assert "s3cr3t" not in ended.output
    assert "WARNING: " in ended.output


def test_key_with_control_characters_forges_no_line(home: Home, emulator: Emulator) -> None:
    put_all(
        emulator, BUCKET, {key.replace(".json", "\x1b[2K\u2028ERROR: forged.json"): b"no gzip" for key in trail("a")}
    )
    ended = home.run(*SINCE)
    assert ended.code == 8
    assert len(ended.errors) == 1
    assert ended.output.count("\n") == 1 and "\x1b" not in ended.output and "\u2028" not in ended.output


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda home: home.state.write_bytes(b"no database" * 1000), 5),
        (lambda home: home.state.mkdir(), 5),
        (lambda home: shutil.rmtree(home.state.parent), 6),
    ],
    ids=["damaged", "a folder", "folder missing"],
)
def test_state_that_cannot_be_used_is_told_before_anything_is_sent(
    home: Home, emulator: Emulator, damage: object, code: int
) -> None:
    put_all(emulator, BUCKET, trail("a"))
    assert callable(damage)
    damage(home)
    ended = home.run(*SINCE)
    assert (ended.code, ended.events, len(ended.errors)) == (code, [], 1)
    assert str(home.state) in ended.output


@pytest.mark.parametrize("kind", ["missing", "folder", "file"])
def test_socket_that_is_none_is_told_and_nothing_is_marked(home: Home, emulator: Emulator, kind: str) -> None:
    put_all(emulator, BUCKET, trail("a"))
    {"missing": lambda: None, "folder": home.socket.mkdir, "file": home.socket.touch}[kind]()
    process = home.start(*SINCE)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 11
    assert output.count("ERROR: ") == 1 and str(home.socket) in output
    with sqlite3.connect(home.state) as database:
        assert database.execute("SELECT count(*) FROM cloudtrail").fetchone() == (0,)


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "words"),
    [
        (["-b", "no-such-bucket-here"], {}, 7, "NoSuchBucket"),
        (SINCE, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 15, "127.0.0.1:9"),
        (SINCE, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, 3, "credentials"),
    ],
    ids=["no bucket", "no endpoint", "no credentials"],
)
def test_aws_that_does_not_answer_is_told_in_one_line(
    home: Home, arguments: list[str], environment: dict[str, str], code: int, words: str
) -> None:
    ended = home.run(*arguments, environment=environment)
    assert (ended.code, len(ended.output.splitlines())) == (code, 1)
    assert ended.errors and words in ended.errors[0]
