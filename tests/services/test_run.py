"""The command against the emulator, over real HTTP, with faults in between: as an operator sees it."""

import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any

import botocore.session
import pytest

from aws_s3.aws.session import known_regions
from tests.harness.aws_server import Answer
from tests.harness.command import Ended, Home, decoded, kill, new_home, wait_until
from tests.harness.emulator import Emulator
from tests.harness.listener import FullListener, Listener
from tests.services.front import Call, Front, json_answer, put_events, refusal, streams_of

GROUP = "/aws/app"
SINCE = ("-s", "2018-JAN-01")
MINUTE = 60_000
DAY = 24 * 60 * MINUTE


@pytest.fixture
def home(emulator: Emulator) -> Iterator[Home]:
    with new_home(emulator) as made:
        yield made


@pytest.fixture
def front(emulator: Emulator, home: Home) -> Iterator[Front]:
    with Front(emulator) as front:
        home.environment = {**home.environment, "AWS_ENDPOINT_URL": front.url}
        yield front


def now() -> int:
    return int(time.time() * 1000)


def numbered(first: int, count: int, start: int) -> list[tuple[int, str]]:
    """Return events a second apart from `start` on."""
    return [(start + number * 1000, json.dumps({"n": first + number})) for number in range(count)]


def logs(home: Home, *arguments: str, groups: str = GROUP, **options: Any) -> Ended:
    return home.run("-sr", "cloudwatchlogs", "-g", groups, *arguments, **options)


def numbers(ended: Ended) -> list[int]:
    return [message["n"] for message in ended.messages]


def test_example_of_the_documentation(home: Home, emulator: Emulator) -> None:
    long_ago = int(datetime(2018, 1, 1, tzinfo=timezone.utc).timestamp() * 1000)
    regions = ("us-east-1", "us-west-1", "eu-central-1")
    for index, region in enumerate(regions):
        for offset, group in enumerate(("log_group1", "log_group2")):
            first = 10 * (2 * index + offset)
            events = [*numbered(first, 2, long_ago - 2000), *numbered(first + 2, 3, long_ago)]
            put_events(group, "stream", [*events, (now(), json.dumps({"n": first + 5}))], region)
    options = ("--aws_profile", "default", "--regions", ",".join(regions), *SINCE)
    (home.path / ".aws").mkdir()
    (home.path / ".aws/credentials").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    ended = logs(home, *options, groups="log_group1,log_group2")
    assert (ended.code, sorted(numbers(ended))) == (0, sorted(10 * k + n for k in range(6) for n in range(2, 6)))
    assert logs(home, *options, groups="log_group1,log_group2").messages == []


def test_group_that_only_some_of_the_regions_have_is_no_failure(home: Home) -> None:
    put_events("here", "s", numbered(1, 1, now()), "us-east-1")
    put_events("there", "s", numbered(2, 1, now()), "eu-west-1")
    ended = logs(home, "-r", "us-east-1,eu-west-1", groups="here, there")
    assert (ended.code, ended.errors, sorted(numbers(ended))) == (0, [], [1, 2])


def test_thousands_of_events_in_many_pages_some_of_them_empty(home: Home, front: Front) -> None:
    front.page, front.sparse = 500, True
    start = now() - 2 * 60 * MINUTE
    for stream in range(3):
        put_events(GROUP, f"s{stream}", numbered(10_000 * stream, 2000, start))
    ended = logs(home)
    assert ended.code == 0
    for stream in range(3):
        of_stream = [number for number in numbers(ended) if number // 10_000 == stream]
        assert of_stream == list(range(10_000 * stream, 10_000 * stream + 2000))
    assert logs(home).messages == []


def test_only_what_is_new_is_sent_of_many_streams(home: Home, front: Front) -> None:
    for stream in range(30):
        put_events(GROUP, f"s{stream:02}", numbered(1000 * stream, 100, now() - 60 * MINUTE))
    assert len(logs(home, *SINCE).messages) == 3000
    front.calls.clear()
    for stream in (3, 11, 29):
        put_events(GROUP, f"s{stream:02}", [(now(), json.dumps({"n": -stream}))])
    assert numbers(logs(home, *SINCE)) == [-3, -11, -29]
    assert front.calls["GetLogEvents"] <= 30 + 2 * 3
    assert front.calls.total() == front.calls["GetLogEvents"] + front.calls["DescribeLogStreams"]


def test_ever_older_starts_bring_each_event_once(home: Home, front: Front) -> None:
    front.page = 40
    start = now() - 40 * DAY
    for stream in range(3):
        put_events(GROUP, f"s{stream}", [(start + 6 * 60 * MINUTE * n, json.dumps({"n": n})) for n in range(160)])
    sent = Counter[int]()
    for days in (3, 17, 60):
        day = datetime.now(timezone.utc) - timedelta(days)
        arrived = numbers(logs(home, "-s", f"{day:%Y-%b-%d}"))
        assert arrived
        sent.update(arrived)
    assert sent == Counter(dict.fromkeys(range(160), 3))


@pytest.mark.parametrize("kills", [6])
def test_killed_between_pages_it_loses_nothing_and_repeats_one_page_at_most(
    home: Home, front: Front, kills: int
) -> None:
    page, chance = 10, random.Random(4)
    front.page = page
    for stream in range(4):
        put_events(GROUP, f"s{stream}", numbered(1000 * stream, 250, now() - 60 * MINUTE))
    expected = {1000 * stream + number for stream in range(4) for number in range(250)}
    listener = Listener(home.socket)
    for _ in range(kills):
        kill_after(len(listener.received) + chance.randint(1, 60), home, listener)
    sent = Counter(message["n"] for message in decoded(listener.close()))
    sent.update(numbers(logs(home, *SINCE)))
    assert set(sent) == expected
    assert sent.total() - len(expected) <= kills * page


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 100_000], ids=["each at its time", "all at one time"])
def test_killed_within_a_page_it_repeats_a_part_of_it(home: Home, front: Front, at_once: int) -> None:
    """A page has 10,000 events; those that were accepted are recorded a thousand at a time."""
    start = now() - 60 * MINUTE
    put_events(GROUP, "s", [(start + number // at_once, json.dumps({"n": number})) for number in range(10_000)])
    listener = Listener(home.socket, hold=4500)
    process = home.start("-sr", "cloudwatchlogs", "-g", GROUP, *SINCE)
    wait_until(lambda: len(listener.received) >= 4500 or process.poll() is not None)
    kill(process)
    first = [message["n"] for message in decoded(listener.close())]
    assert 4500 <= len(first) < 10_000
    again = numbers(logs(home, *SINCE))
    assert set(first) | set(again) == set(range(10_000))
    assert len(first) + len(again) - 10_000 <= 1000


def kill_after(received: int, home: Home, listener: Listener) -> None:
    process = home.start("-sr", "cloudwatchlogs", "-g", GROUP, *SINCE)
    wait_until(lambda: len(listener.received) >= received or process.poll() is not None)
    assert process.poll() is None, "it ended before it could be killed"
    kill(process)


def test_terminated_it_repeats_nothing(home: Home, front: Front) -> None:
    put_events(GROUP, "s", numbered(0, 5000, now() - 120 * MINUTE))
    listener = FullListener(home.socket)
    process = home.start("-sr", "cloudwatchlogs", "-g", GROUP, *SINCE)
    wait_until(listener.has_some)
    process.terminate()
    output, _ = process.communicate(timeout=120)
    assert (process.returncode, "SIGTERM received." in output) == (143, True)
    arrived = [message["n"] for message in decoded(listener.close())]
    assert 0 < len(arrived) < 5000
    assert arrived + numbers(logs(home, *SINCE)) == list(range(5000))


def test_two_accounts_with_the_same_names_and_one_state(home: Home, emulator: Emulator) -> None:
    accounts = ("111111111111", "222222222222")
    sent = Counter[int]()
    for round_number in range(3):
        for index, account in enumerate(accounts):
            number = 10 * round_number + index
            put_events(GROUP, "s", [(now() - 1000 * (index + 1), json.dumps({"n": number}))], account=account)
            ended = logs(home, *SINCE, environment=keys_of(emulator, account))
            assert ended.code == 0
            sent.update(numbers(ended))
    assert sent == Counter(10 * number + index for number in range(3) for index in range(2))


def keys_of(emulator: Emulator, account: str) -> dict[str, str]:
    """Return credentials of an account of the emulator's."""
    arn = f"arn:aws:iam::{account}:role/collector"
    keys = emulator.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }


def test_missing_group_is_told_and_the_others_are_read(home: Home) -> None:
    for number, group in enumerate(("a", "c")):
        put_events(group, "s", numbered(number, 1, now()))
    ended = logs(home, groups="a,ghost,c")
    assert (ended.code, numbers(ended)) == (16, [0, 1])
    [error] = ended.errors
    assert "ghost" in error and "us-east-1" in error


def test_denied_group_is_told_and_the_others_are_read(home: Home, front: Front) -> None:
    for number, group in enumerate("abc"):
        put_events(group, "s", numbered(number, 1, now()))
    front.fault = lambda call: refusal("AccessDeniedException") if call.members["logGroupName"] == "b" else None
    ended = logs(home, groups="a,b,c")
    assert (ended.code, numbers(ended)) == (16, [0, 2])
    [error] = ended.errors
    assert "group b" in error and "AccessDeniedException" in error


def test_throttling_is_waited_for(home: Home, front: Front) -> None:
    put_events(GROUP, "s", numbered(0, 3, now()))
    refused = iter([True, False, True, False])

    def throttle(call: Call) -> Answer | None:
        return refusal("ThrottlingException") if next(refused, False) else None

    front.fault = throttle
    ended = logs(home)
    assert (ended.code, numbers(ended)) == (0, [0, 1, 2])


def test_throttled_after_all_retries_the_place_is_kept(home: Home, front: Front) -> None:
    (home.path / ".aws").mkdir()
    (home.path / ".aws/config").write_text("[default]\nmax_attempts = 2\nretry_mode = standard\n")
    front.page = 10
    put_events(GROUP, "s", numbered(0, 50, now() - 60 * MINUTE))
    front.fault = lambda call: refusal("ThrottlingException") if front.calls["GetLogEvents"] > 3 else None
    ended = logs(home)
    assert (ended.code, numbers(ended)) == (16, list(range(30)))
    assert "ThrottlingException" in ended.errors[0] and "max_attempts" in ended.errors[0]
    front.fault = lambda call: None
    assert numbers(logs(home)) == list(range(30, 50))


def test_endpoint_out_of_reach_is_told_and_left(home: Home) -> None:
    began = time.monotonic()
    ended = logs(home, "--service_endpoint", "http://127.0.0.1:9")
    assert (ended.code, len(ended.errors)) == (15, 1)
    assert time.monotonic() - began < 60


def test_expired_token_restarts_from_the_recorded_time(home: Home, front: Front) -> None:
    front.page = 10
    put_events(GROUP, "s", numbered(0, 45, now() - 60 * MINUTE))
    expired = iter([False] * 3 + [True] + [False] * 100)

    def expire(call: Call) -> Answer | None:
        return refusal("InvalidParameterException") if call.operation == "GetLogEvents" and next(expired) else None

    front.fault = expire
    assert numbers(logs(home)) == list(range(45))
    assert logs(home).messages == []


def test_late_events_and_those_of_the_last_millisecond_are_sent_once(home: Home) -> None:
    start = now()
    put_events(GROUP, "s", [(start, '{"n": 1}'), (start, '{"n": 2}')])
    assert numbers(logs(home)) == [1, 2]
    put_events(GROUP, "s", [(start, '{"n": 2}'), (start, '{"n": 3}'), (start - 4 * MINUTE, '{"n": 4}')])
    assert numbers(logs(home)) == [4, 2, 3]
    assert numbers(logs(home)) == []


def test_streams_are_deleted_after_their_events_were_accepted(home: Home) -> None:
    for number, stream in enumerate("ab"):
        put_events(GROUP, stream, numbered(number, 1, now()))
    ended = logs(home, "-P", "-d", "1")
    assert (ended.code, sorted(numbers(ended)), streams_of(GROUP)) == (0, [0, 1], set())
    assert f"INFO: {GROUP} (cloudwatchlogs): 2 log streams, 2 events in " in ended.output


def test_stream_prefix_after_a_colon(home: Home) -> None:
    for number, stream in enumerate(("kube-apiserver-audit-1", "kube-apiserver-1", "authenticator")):
        put_events("/aws/eks/x/cluster", stream, numbered(number, 1, now()))
    assert numbers(logs(home, groups="/aws/eks/x/cluster:kube-apiserver-audit")) == [0]


def test_envelope_tells_where_an_event_is_from(home: Home) -> None:
    moment = now()
    put_events(GROUP, "s", [(moment, '{"a": [1, null]}'), (moment + 1, "plain text")])
    json_message, text_message = logs(home, "--cloudwatch-envelope").messages
    iso = datetime.fromtimestamp(moment / 1000, timezone.utc).isoformat(timespec="milliseconds")
    place = {"aws_account_id": "123456789012", "region": "us-east-1", "log_group": GROUP, "log_stream": "s"}
    assert json_message == {
        "integration": "aws",
        "aws": {
            "source": "cloudwatchlogs",
            "log_info": place,
            "timestamp": iso.replace("+00:00", "Z"),
            "message": {"a": [1, None]},
        },
    }
    assert text_message["aws"]["message"] == "plain text"


def test_what_the_existing_module_read_is_not_sent_again(home: Home) -> None:
    start = now() - 60 * MINUTE
    put_events(GROUP, "s", numbered(0, 10, start))
    with closing(sqlite3.connect(home.state.parent / "aws_services.db")) as database, database:
        database.execute(
            "CREATE TABLE cloudwatch_logs (aws_region 'text' NOT NULL, aws_log_group 'text' NOT NULL, aws_log_stream "
            "'text' NOT NULL, next_token 'text', start_time 'integer', end_time 'integer', "
            "PRIMARY KEY (aws_region, aws_log_group, aws_log_stream))"
        )
        row = ("us-east-1", GROUP, "s", "f/7", start + 3000, start + 6000)
        database.execute("INSERT INTO cloudwatch_logs VALUES (?, ?, ?, ?, ?, ?)", row)
    assert numbers(logs(home)) == [7, 8, 9]
    assert numbers(logs(home, *SINCE)) == [0, 1, 2]


def test_late_events_right_after_a_take_over_are_sent_once(home: Home) -> None:
    """They came in after the newest event that the other module has sent, and are not older than 5 minutes."""
    start = now() - 60 * MINUTE
    put_events(GROUP, "s", numbered(0, 4, start))
    with closing(sqlite3.connect(home.state.parent / "aws_services.db")) as database, database:
        database.execute(
            "CREATE TABLE cloudwatch_logs (aws_region 'text' NOT NULL, aws_log_group 'text' NOT NULL, aws_log_stream "
            "'text' NOT NULL, next_token 'text', start_time 'integer', end_time 'integer', "
            "PRIMARY KEY (aws_region, aws_log_group, aws_log_stream))"
        )
        row = ("us-east-1", GROUP, "s", "f/7", start, start + 3000)
        database.execute("INSERT INTO cloudwatch_logs VALUES (?, ?, ?, ?, ?, ?)", row)
    put_events(GROUP, "s", numbered(10, 3, start + 1500))
    assert numbers(logs(home)) == [10, 11, 12]
    put_events(GROUP, "s", numbered(13, 1, start + 2500))
    assert numbers(logs(home)) == [13]
    assert numbers(logs(home)) == []


def test_all_regions_are_looked_at_where_none_is_given_but_for_those_opted_out_of(home: Home, front: Front) -> None:
    for number, region in enumerate(("us-east-1", "eu-west-1")):
        put_events(GROUP, "s", numbered(number, 1, now()), region)
    front.fault = lambda call: refusal("UnrecognizedClientException") if call.region.startswith("ap-") else None
    ended = logs(home, "-d", "1", environment={"AWS_DEFAULT_REGION": ""})
    assert (ended.code, ended.errors, sorted(numbers(ended))) == (0, [], [0, 1])
    assert "INFO: Neither --regions nor the profile gives a region" in ended.output


def test_credentials_that_every_region_refuses_are_told(home: Home, front: Front) -> None:
    front.fault = lambda call: refusal("UnrecognizedClientException")
    ended = logs(home, environment={"AWS_DEFAULT_REGION": ""})
    assert (ended.code, len(ended.errors)) == (3, 1)


def test_region_that_fails_does_not_keep_the_others_from_being_read(home: Home, front: Front) -> None:
    for number, region in enumerate(("us-east-1", "us-west-1")):
        put_events(GROUP, "s", numbered(number, 1, now()), region)
    front.fault = lambda call: refusal("UnrecognizedClientException") if call.region == "us-east-1" else None
    ended = logs(home, "-r", "us-east-1,us-west-1")
    assert (ended.code, numbers(ended)) == (3, [1])


def test_example_of_the_documentation_for_inspector(home: Home, emulator: Emulator) -> None:
    for number, region in enumerate(("us-east-1", "us-east-2")):
        found = {"findingArn": f"arn:{number}", "updatedAt": "2021-06-10T02:00:00Z", "type": "PACKAGE_VULNERABILITY"}
        content = {"results": [[found]], "account_id": "123456789012", "region": region}
        emulator.post("/moto-api/static/inspector2/findings-results", content)
    arguments = ("-sr", "inspector", "-r", "us-east-1,us-east-2", *SINCE)
    ended = home.run(*arguments)
    assert ended.code == 0
    assert [message["aws"]["findingArn"] for message in ended.messages] == ["arn:0", "arn:1"]
    assert home.run(*arguments).messages == []


def test_account_that_cannot_be_asked_for_ends_the_scans_of_all_regions(home: Home, front: Front) -> None:
    expired = b"<ErrorResponse><Error><Code>ExpiredToken</Code><Message>told</Message></Error></ErrorResponse>"
    front.fault = lambda call: Answer(403, expired)
    ended = home.run("-sr", "inspector", "-d", "1", environment={"AWS_DEFAULT_REGION": ""})
    assert (ended.code, len(ended.errors), front.calls.total()) == (3, 1, 1)


def test_region_that_has_no_inspector_is_refused(home: Home) -> None:
    core = botocore.session.get_session()
    partitions = core.get_available_partitions()
    has_it = {region for name in partitions for region in core.get_available_regions("inspector2", name)}
    region = min(known_regions() - has_it)
    ended = home.run("-sr", "inspector", "-r", region)
    assert (ended.code, region in ended.errors[0]) == (22, True)


def test_group_of_a_linked_account_is_read_by_its_arn_in_its_region(home: Home, front: Front) -> None:
    """moto knows no linked accounts: these answers have the members that AWS's have."""
    put_events(GROUP, "s", numbered(1, 1, now()))
    arn = f"arn:aws:logs:eu-west-1:210987654321:log-group:{GROUP}"
    event = {"timestamp": now(), "ingestionTime": now(), "message": json.dumps({"n": 7})}
    stream = {"logStreamName": "s", "arn": f"{arn}:log-stream:s", "creationTime": now(), "lastIngestionTime": now()}
    asked: list[tuple[str, str]] = []

    def linked(call: Call) -> Answer | None:
        if call.members.get("logGroupIdentifier") != arn:
            return None
        asked.append((call.operation, call.region))
        if call.operation == "DescribeLogStreams":
            return json_answer({"logStreams": [stream]})
        events = [] if call.members.get("nextToken") else [event]
        return json_answer({"events": events, "nextForwardToken": "t", "nextBackwardToken": "b"})

    front.fault = linked
    ended = logs(home, groups=f"{GROUP},{arn}:*")
    assert (ended.code, sorted(numbers(ended))) == (0, [1, 7])
    assert {region for _, region in asked} == {"eu-west-1"}
    ended = logs(home, "-P", groups=arn)
    assert ended.code == 2
