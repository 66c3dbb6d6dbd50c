"""The stories of a collection on a server that is not moto: all once, then nothing, then what came late once."""

import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.harness.command import Home, decoded, kill, new_home, wait_until
from tests.harness.listener import Listener
from tests.servers.processes import Endpoint, ministack

pytestmark = pytest.mark.slow

BUCKET = "acme-logs"
SINCE = ("-s", "2021-JUN-01")


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with ministack() as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def home(server: Endpoint) -> Iterator[Home]:
    with new_home(server) as home:
        yield home


def trail(name: str, day: str = "2021/06/10", prefix: str = "") -> tuple[str, bytes]:
    """Return the key and the content of an object with two events."""
    name_of_file = f"123456789012_CloudTrail_us-east-1_{day.replace('/', '')}T0115Z_{name}"
    key = f"{prefix}AWSLogs/123456789012/CloudTrail/us-east-1/{day}/{name_of_file}"
    events = [{"eventID": f"{name}-{number}"} for number in (1, 2)]
    return f"{key}.json.gz", gzip.compress(json.dumps({"Records": events}).encode())


def put(server: Endpoint, name: str, day: str = "2021/06/10", prefix: str = "") -> None:
    server.put_object(BUCKET, *trail(name, day, prefix))


def both(*names: str) -> list[str]:
    return [f"{name}-{number}" for name in names for number in (1, 2)]


@pytest.mark.parametrize("workers", ["1", "3"])
def test_bucket_comes_whole_then_nothing_then_late_objects_once(server: Endpoint, home: Home, workers: str) -> None:
    prefix = f"bucket{workers}/"
    names = [f"a{number:03}" for number in range(40)]
    for name in names:
        put(server, name, prefix=prefix)
    run = ("-b", BUCKET, "-l", prefix, *SINCE, "--workers", workers)
    first = home.run(*run)
    assert (first.code, first.events) == (0, both(*names))
    assert home.run(*run).events == []
    put(server, "a000-late", prefix=prefix)
    put(server, "z", "2021/06/11", prefix=prefix)
    later = home.run(*run)
    assert (later.code, later.events) == (0, both("a000-late", "z"))
    assert home.run(*run).events == []


def test_first_day_is_listed(server: Endpoint, home: Home) -> None:
    put(server, "before", "2021/06/09", prefix="days/")
    put(server, "first", "2021/06/10", prefix="days/")
    assert home.run("-b", BUCKET, "-l", "days/", "-s", "2021-JUN-10").events == both("first")


def test_removal_leaves_nothing(server: Endpoint, home: Home) -> None:
    for name in ("a", "b"):
        put(server, name, prefix="removed/")
    assert home.run("-b", BUCKET, "-l", "removed/", *SINCE, "-R").events == both("a", "b")
    assert server.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="removed/")["KeyCount"] == 0


def test_killed_three_times_it_loses_nothing_and_repeats_an_object_each_time_at_most(
    server: Endpoint, home: Home
) -> None:
    names = [f"k{number:03}" for number in range(60)]
    for name in names:
        put(server, name, prefix="killed/")
    run = ("-b", BUCKET, "-l", "killed/", *SINCE)
    arrived: Counter[str] = Counter()
    for least in (20, 40, 60):
        listener = Listener(home.socket)
        process = home.start(*run)
        wait_until(lambda: len(listener.received) >= min(least, 120 - arrived.total()))  # noqa: B023 - called at once
        time.sleep(random.Random(least).random() / 100)
        kill(process)
        arrived.update(message["aws"]["eventID"] for message in decoded(listener.close()))
    arrived.update(home.run(*run).events)
    assert sorted(arrived) == both(*names)
    assert len({event.partition("-")[0] for event, count in arrived.items() if count > 1}) <= 3


def queue(server: Endpoint, name: str, **attributes: str) -> str:
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "30", **attributes})["QueueUrl"]
    arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return arn


def notify(server: Endpoint, prefix: str, **target: object) -> None:
    rules = [{"Name": "prefix", "Value": prefix}]
    kind, [(name, arn)] = next(iter(target)), target.items()
    entry = {name: arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
    configuration = {"QueueArn": "QueueConfigurations", "TopicArn": "TopicConfigurations"}[kind]
    server.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={configuration: [entry]}
    )


def test_queue_of_the_buckets_notifications_is_emptied_once(server: Endpoint, home: Home) -> None:
    notify(server, "queued/", QueueArn=queue(server, "q1"))
    names = [f"n{number}" for number in range(12)]
    for name in names:
        put(server, name, prefix="queued/")
    run = ("-sb", "buckets", "-q", "q1", "-t", "cloudtrail")
    first = home.run(*run)
    assert (first.code, sorted(first.events)) == (0, sorted(both(*names)))
    second = home.run(*run)
    assert (second.code, second.events) == (0, [])


def test_notifications_by_way_of_sns_are_understood(server: Endpoint, home: Home) -> None:
    sns = server.client("sns")
    topic = sns.create_topic(Name="objects")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue(server, "q2"))
    notify(server, "published/", TopicArn=topic)
    for name in ("x", "y"):
        put(server, name, prefix="published/")
    ended = home.run("-sb", "buckets", "-q", "q2", "-t", "cloudtrail")
    assert (ended.code, sorted(ended.events)) == (0, both("x", "y"))


def send(server: Endpoint, name: str, *names: str, prefix: str) -> None:
    """Send a message for each object, as S3 does; one of a queue that keeps the order is its own group."""
    sqs = server.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    for number, each in enumerate(names):
        key, _ = trail(each, prefix=prefix)
        body = {"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}]}
        order = {"MessageGroupId": f"g{number}", "MessageDeduplicationId": each} if name.endswith(".fifo") else {}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body), **order)


def test_queue_that_keeps_the_order_is_emptied_once(server: Endpoint, home: Home) -> None:
    queue(server, "q3.fifo", FifoQueue="true")
    for name in ("x", "y", "z"):
        put(server, name, prefix="fifo/")
    send(server, "q3.fifo", "x", "y", "z", prefix="fifo/")
    run = ("-sb", "buckets", "-q", "q3.fifo", "-t", "cloudtrail")
    ended = home.run(*run)
    assert (ended.code, sorted(ended.events)) == (0, both("x", "y", "z"))
    assert home.run(*run).events == []


def test_message_whose_object_is_missing_goes_to_the_dead_letters_and_the_others_are_sent(
    server: Endpoint, home: Home
) -> None:
    policy = json.dumps({"deadLetterTargetArn": queue(server, "dead"), "maxReceiveCount": "2"})
    queue(server, "q4", RedrivePolicy=policy)
    put(server, "there", prefix="dead/")
    send(server, "q4", "missing", "there", prefix="dead/")
    run = ("-sb", "buckets", "-q", "q4", "-t", "cloudtrail")
    ended = [home.run(*run) for _ in range(4)]
    assert [each.events for each in ended] == [both("there"), [], [], []]
    assert (ended[0].code, ended[-1].code) == (7, 0)
    sqs = server.client("sqs")
    [letter] = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="dead")["QueueUrl"])["Messages"]
    assert "missing" in letter["Body"]


def test_four_collectors_share_a_queue(server: Endpoint, home: Home) -> None:
    queue(server, "q5")
    names = [f"c{number:02}" for number in range(40)]
    for name in names:
        put(server, name, prefix="shared/")
    send(server, "q5", *names, prefix="shared/")
    listener = Listener(home.socket)
    run = ("-sb", "buckets", "-q", "q5", "-t", "cloudtrail")
    processes = [home.start(*run, "--state-dir", str(home.path / f"state{number}")) for number in range(4)]
    ended: list[tuple[str, int]] = [(process.communicate(timeout=120)[0], process.returncode) for process in processes]
    assert ended == [("", 0)] * 4
    assert sorted(message["aws"]["eventID"] for message in decoded(listener.close())) == both(*names)


def test_log_group_comes_whole_then_nothing_then_new_events_once(server: Endpoint, home: Home) -> None:
    logs = server.client("logs")
    logs.create_log_group(logGroupName="/acme/app")
    logs.create_log_stream(logGroupName="/acme/app", logStreamName="s1")

    def log(*messages: str) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": json.dumps({"text": text})} for text in messages]
        logs.put_log_events(logGroupName="/acme/app", logStreamName="s1", logEvents=events)

    log("one", "two")
    run = ("-sr", "cloudwatchlogs", "-g", "/acme/app", "-r", "us-east-1")
    first = home.run(*run)
    assert (first.code, [message["text"] for message in first.messages]) == (0, ["one", "two"])
    assert home.run(*run).messages == []
    log("three")
    assert [message["text"] for message in home.run(*run).messages] == ["three"]
