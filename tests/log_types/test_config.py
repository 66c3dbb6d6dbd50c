"""Tests of AWS Config's objects, with items as its developer guide shows them."""

import io
import json
import logging
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aws_s3.codec.records import Event
from aws_s3.errors import ParseError
from aws_s3.log_types.base import ACCOUNT_AND_REGION
from aws_s3.log_types.config import Config
from aws_s3.log_types.layout import UNPADDED, Account, Partition, Region

FOLDER = "AWSLogs/123456789012/Config/us-east-1/"
DAY = f"{FOLDER}2021/6/10/"
HISTORY = (
    f"{DAY}ConfigHistory/123456789012_Config_us-east-1_ConfigHistory_AWS::EC2::Volume_"
    "20210610T011501Z_20210610T011600Z_1.json.gz"
)
SNAPSHOT = (
    f"{DAY}ConfigSnapshot/123456789012_Config_us-east-1_ConfigSnapshot_20210610T011501Z_"
    "3f0b8a1c-5a43-4e8b-9f43-1c2c9a4c8f0e.json.gz"
)
OVERSIZED = (
    f"{DAY}OversizedChangeNotification/AWS::EC2::SecurityGroup/sg-1/123456789012_Config_us-east-1_"
    "ChangeNotification_AWS::EC2::SecurityGroup_sg-1_20210610T011501Z_1623287701000.json.gz"
)
PARTITION = Partition(FOLDER, UNPADDED, "123456789012", "us-east-1")
UTC_TIME = "2021-06-10T01:00:00.500Z"


def parse(content: object) -> list[Event]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return [shaped for item in Config().parse(io.BytesIO(body), HISTORY) for shaped in Config().reshape(item)]


def shaped(configuration: object) -> Any:
    """Return the configuration of an item as it is sent."""
    [event] = parse({"configurationItems": [{"resourceId": "i-1", "configuration": configuration}]})
    assert event["resourceId"] == "i-1"
    return event.get("configuration")


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host in another time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-9:30")
        time.tzset()
        yield
    time.tzset()


def test_objects_lie_in_folders_of_accounts_and_regions_with_unpadded_dates() -> None:
    [layout] = Config.layouts

    assert layout.in_awslogs
    assert layout.levels == (Account(), "Config", Region())
    assert layout.dates is UNPADDED
    assert Config.key_columns == ACCOUNT_AND_REGION


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        (HISTORY, True),
        (SNAPSHOT, True),
        (HISTORY.replace("2021/6/10", "2021/10/6"), True),
        (f"{DAY}ConfigHistory/", False),
        (f"{DAY}ConfigHistory/folder/", False),
        (DAY, False),
        (f"{FOLDER}2021/", False),
        (OVERSIZED, False),
        (f"{DAY}object.json.gz", False),
        (f"{FOLDER}ConfigWritabilityCheckFile", False),
        (f"{FOLDER}ConfigHistory/object.json.gz", False),
    ],
)
def test_histories_and_snapshots_are_taken(key: str, taken: bool) -> None:
    assert Config().accepts(key, PARTITION) is taken


def test_path_before_the_folders_does_not_matter() -> None:
    partition = Partition(f"ConfigHistory/{FOLDER}", UNPADDED, "123456789012", "us-east-1")

    assert Config().accepts(f"ConfigHistory/{HISTORY}", partition)
    assert not Config().accepts(f"ConfigHistory/{OVERSIZED}", partition)


def test_objects_are_in_the_order_of_their_days() -> None:
    keys = [f"{FOLDER}2021/{day}/ConfigHistory/x" for day in ("10/2", "2/10", "2/9")]

    assert [PARTITION.day(key) for key in sorted(keys, key=PARTITION.order)] == [
        date(2021, 2, 9),
        date(2021, 2, 10),
        date(2021, 10, 2),
    ]


def test_each_item_is_an_event() -> None:
    history = {
        "fileVersion": "1.0",
        "configSnapshotId": "3f0b8a1c-5a43-4e8b-9f43-1c2c9a4c8f0e",
        "configurationItems": [
            {
                "configurationItemVersion": "1.3",
                "resourceType": "AWS::EC2::Instance",
                "resourceId": "i-1",
                "tags": {},
                "configuration": {"imageId": "ami-1", "kernelId": None},
                "relationships": [{"resourceId": "x"}],
            },
            {"resourceId": "i-2", "configuration": None, "relationships": []},
        ],
    }

    assert parse(history) == [
        {
            "configurationItemVersion": "1.3",
            "resourceType": "AWS::EC2::Instance",
            "resourceId": "i-1",
            "tags": {},
            "configuration": {"imageId": "ami-1"},
            "relationships": {"resourceId": "x"},
            "source": "config",
        },
        {"resourceId": "i-2", "relationships": [], "source": "config"},
    ]


@pytest.mark.parametrize("content", [{}, {"configurationItems": []}, {"configurationItem": {"resourceId": "i-1"}}])
def test_object_without_items_has_no_events(content: object) -> None:
    assert parse(content) == []


@pytest.mark.parametrize("content", [b"", b"x", b"[]", b'{"configurationItems": [1]}', b'{"configurationItems": [{}'])
def test_broken_object_is_malformed(content: bytes) -> None:
    with pytest.raises(ParseError):
        parse(content)


@pytest.mark.parametrize("configuration", [{}, "text", 1, [1, 2], {"subnetId": "s", "vpc": {"id": 1}}])
def test_other_configuration_stays_as_it_is(configuration: object) -> None:
    assert shaped(configuration) == configuration


@pytest.mark.parametrize(
    ("groups", "sent"),
    [
        ("sg-1", {"groupId": ["sg-1"]}),
        (
            [{"groupId": "sg-1", "groupName": "n1"}, {"groupId": "sg-2"}],
            {"groupId": ["sg-1", "sg-2"], "groupName": ["n1"]},
        ),
        ([{"groupName": "n1"}, {"groupName": "n2"}], {"groupName": ["n1", "n2"]}),
        ([{"groupId": "sg-1", "groupName": None}, {"groupId": None}], {"groupId": ["sg-1"]}),
        ({"groupId": "sg-1"}, {"groupId": ["sg-1"]}),
        ({"groupId": "sg-1", "ownerId": "1"}, {"groupId": ["sg-1"], "ownerId": ["1"]}),
        ({"groupId": ["sg-1", "sg-2"]}, {"groupId": ["sg-1", "sg-2"]}),
        ([{"groupId": "sg-1"}], {"groupId": ["sg-1"]}),
        (["sg-1"], {"groupId": ["sg-1"]}),
        (["sg-1", "sg-2"], {"groupId": ["sg-1", "sg-2"]}),
        ([], {}),
        (7, 7),
        ([7, "sg-1"], [7, "sg-1"]),
    ],
)
def test_security_groups_become_an_object_of_lists(groups: object, sent: object) -> None:
    assert shaped({"securityGroups": groups}) == {"securityGroups": sent}


@pytest.mark.parametrize(
    ("zones", "sent"),
    [
        ("us-east-1a", {"zoneName": ["us-east-1a"]}),
        (["us-east-1a", "us-east-1b"], {"zoneName": ["us-east-1a", "us-east-1b"]}),
        ([{"subnetId": "s1", "zoneName": "z1"}, {"zoneName": "z2"}], {"subnetId": ["s1"], "zoneName": ["z1", "z2"]}),
        ({"zoneName": "z"}, {"zoneName": ["z"]}),
    ],
)
def test_availability_zones_become_an_object_of_lists(zones: object, sent: object) -> None:
    assert shaped({"availabilityZones": zones}) == {"availabilityZones": sent}


@pytest.mark.parametrize("name", ["state", "iamInstanceProfile"])
def test_text_where_others_have_an_object_becomes_its_name(name: str) -> None:
    assert shaped({name: "running"}) == {name: {"name": "running"}}
    assert shaped({name: {"name": "on", "code": 1}}) == {name: {"name": "on", "code": 1}}
    assert shaped({name: 16}) == {name: 16}


def test_content_keeps_only_its_names() -> None:
    inventory = {"SchemaVersion": "1.1", "Content": {"app-1": {"Version": "1"}, "app-2": {}}}

    assert shaped({"AWS:Application": inventory}) == {
        "AWS:Application": {"SchemaVersion": "1.1", "Content": ["app-1", "app-2"]}
    }
    assert shaped({"one": {"Content": {"a": 1}}}) == {"one": {"Content": ["a"]}}
    assert shaped({"text": {"Content": "a"}}) == {"text": {"Content": "a"}}


@pytest.mark.usefixtures("far_from_utc")
@pytest.mark.parametrize(
    ("created", "sent"),
    [
        (1623283200, 1623283200.0),
        (1.5, 1.5),
        (UTC_TIME, 1623286800.0),
        ("2021-06-10T01:00:00Z", 1623286800.0),
        ("2021-06-10T01:00:00.123456789Z", 1623286800.0),
        ("1969-12-31T23:59:59.000Z", -1.0),
    ],
)
def test_created_time_is_epoch_seconds_in_utc(created: object, sent: float) -> None:
    found = shaped({"createdTime": created})["createdTime"]

    assert (found, type(found)) == (sent, float)


@pytest.mark.parametrize(
    "created",
    ["garbage", "", "2021-06-10", "2021-02-30T01:00:00.500Z", "2021-06-10T01:00:00.500+02:00", True, {}, 10**400],
)
def test_other_created_time_is_left_with_a_warning(created: object, caplog: pytest.LogCaptureFixture) -> None:
    found = shaped({"createdTime": created})["createdTime"]

    assert (found, type(found)) == (created, type(created))
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "i-1" in record.getMessage()


def test_good_created_time_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    shaped({"createdTime": UTC_TIME})

    assert not caplog.records


def test_discarded_or_sent_the_parsed_item_is_not_changed() -> None:
    item: Event = {
        "configuration": {"state": "on", "securityGroups": [{"groupId": "a"}, {}], "p": {"Content": {"a": 1}}}
    }
    before = json.dumps(item)

    list(Config().reshape(item))

    assert json.dumps(item) == before


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=100) | st.text(alphabet='{}[]":,1a \n', max_size=60).map(str.encode))
@example(b'{"configurationItems": [{}, {"configuration": {}}]}')
def test_any_bytes_give_events_or_are_malformed(body: bytes) -> None:
    try:
        found = parse(body)
    except ParseError:
        return

    assert len(found) == len(json.loads(body.decode("utf-8-sig", "replace")).get("configurationItems") or [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(UTC_TIME),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["groupId", "zoneName", "Content", "x"]), children)
    ),
    max_leaves=6,
)
MEMBERS = st.sampled_from(["securityGroups", "availabilityZones", "state", "iamInstanceProfile", "createdTime", "x"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(MEMBERS, JSON), max_size=3))
def test_every_configuration_gives_one_event(configurations: list[dict[str, Any]]) -> None:
    items = [{"configuration": configuration} for configuration in configurations]

    assert len(parse({"configurationItems": items})) == len(items)
