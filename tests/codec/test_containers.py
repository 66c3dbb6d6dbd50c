"""Objects that hold many records, and which event each record becomes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.codec.containers import LogEvent, TrailRecord, open_container
from aws_s3.codec.records import Event

TRAIL = {"eventID": "1", "eventSource": "ec2.amazonaws.com", "eventVersion": "1.08"}


def opened(value: Event) -> list[Event]:
    return list(open_container(value))


def logs(*messages: Any, **around: Any) -> Event:
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "g",
        "logStream": "s",
        "subscriptionFilters": ["f"],
        "logEvents": [{"id": "1", "timestamp": 1623286800123, "message": message} for message in messages],
        **around,
    }


COMMON = {"log_group": "g", "log_stream": "s", "owner": "123456789012", "timestamp": "2021-06-10T01:00:00.123Z"}


def test_log_events_are_text_or_the_object_in_them() -> None:
    text, thing, unfinished = opened(logs("a text", '{"a": {"b": 1}}', '{"a": '))
    assert text == {"full_log": "a text", **COMMON, "source": "cloudwatch"}
    assert thing == {"a": {"b": 1}, **COMMON, "source": "cloudwatch"}
    assert unfinished == {"full_log": '{"a": ', **COMMON, "source": "cloudwatch"}
    assert type(text) is type(thing) is LogEvent


def test_what_a_message_says_of_itself_wins_but_for_its_origin() -> None:
    own = {"timestamp": 5, "owner": "me", "source": "app", "log_group": "forged"}
    assert opened(logs(json.dumps(own))) == [{**own, "log_group": "g", "log_stream": "s"}]
    assert opened(logs('{"source": {"ip": 1}}')) == [{"source_value": {"ip": 1}, **COMMON, "source": "cloudwatch"}]


@pytest.mark.parametrize("timestamp", [None, "2021", 10**30, -(10**30), 1.5])
def test_a_time_that_is_none_is_left_as_it_is(timestamp: Any) -> None:
    [event] = opened(logs(logEvents=[{"timestamp": timestamp, "message": "m"}]))
    assert event["timestamp"] == timestamp


def test_control_messages_are_no_events() -> None:
    assert opened(logs("CWL CONTROL MESSAGE: Checking health", messageType="CONTROL_MESSAGE")) == []


@pytest.mark.parametrize("name", ["Records", "logEvents", "findings", "configurationItems"])
def test_an_empty_container_gives_nothing(name: str) -> None:
    assert opened({name: [], "other": 1}) == []


def test_records_of_cloudtrail_are_that_types() -> None:
    trail, other = opened({"Records": [TRAIL, {"eventID": "2"}]})
    assert (type(trail), trail) == (TrailRecord, {**TRAIL, "source": "cloudtrail"})
    assert (type(other), other) == (dict, {"eventID": "2"})


def test_one_finding_and_several_look_alike() -> None:
    around = {"source": "aws.securityhub", "n": [1, 2]}
    assert opened({**around, "findings": [{"Title": "a"}]}) == [{**around, "findings": {"Title": "a"}}]
    assert opened({**around, "findings": [{"Title": "a"}, {"Title": "b"}]}) == [
        {**around, "findings": {"Title": "a"}},
        {**around, "findings": {"Title": "b"}},
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"Records": [{"a": 1}], "others": [{"b": 1}]},
        {"Records": [{"a": 1}], "findings": []},
        {"Records": [{"a": 1}, "text"]},
        {"Records": {"a": 1}},
        {"records": [{"a": 1}]},
        {"items": [{"a": 1}]},
        {"Records": "x"},
        {},
    ],
)
def test_another_object_is_one_event(value: Event) -> None:
    assert opened(value) == [value]


_VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Records", "logEvents", "findings", "configurationItems", "message", "source", "a"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["Records", "logEvents", "findings", "detail", "x"]), _VALUES))
def test_every_element_gives_an_event(value: Event) -> None:
    lists = {
        name: member
        for name, member in value.items()
        if isinstance(member, list) and member and all(isinstance(element, dict) for element in member)
    }
    events = opened(value)
    assert all(isinstance(event, dict) for event in events)
    if len(lists) == 1 and not lists.keys() & {"detail", "x"} and all(value.values()):
        [members] = lists.values()
        assert len(events) == len(members)
