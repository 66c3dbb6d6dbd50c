import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.errors import ParseError
from aws_s3.log_types.cloudtrail import CloudTrail

KEY = "AWSLogs/123456789012/CloudTrail/us-east-1/2021/06/10/a.json.gz"


def events(content: Any) -> list[Any]:
    text = content if isinstance(content, str) else json.dumps(content)
    return list(CloudTrail().parse(io.BytesIO(text.encode()), KEY))


def sent(**event: Any) -> dict[str, Any]:
    [shaped] = CloudTrail().reshape(event)
    return shaped


def test_each_record_is_an_event_of_cloudtrail() -> None:
    assert events({"Records": [{"eventID": "a"}, {"eventID": "b", "source": "other"}]}) == [
        {"eventID": "a", "source": "cloudtrail"},
        {"eventID": "b", "source": "cloudtrail"},
    ]


@pytest.mark.parametrize("content", [{}, {"Records": []}, {"Other": [{"eventID": "a"}]}])
def test_object_without_records_has_no_events(content: Any) -> None:
    assert events(content) == []


@pytest.mark.parametrize(
    "content", ["", "[]", '{"Records": [', '{"Records": {}}', '{"Records": [1]}', '{"Records": []} x']
)
def test_what_is_no_trail_is_malformed(content: str) -> None:
    with pytest.raises(ParseError):
        events(content)


@pytest.mark.parametrize("member", ["additionalEventData", "responseElements", "requestParameters"])
@pytest.mark.parametrize(
    ("value", "shaped"),
    [
        ({"a": 1}, {"a": 1}),
        ("text", {"string": "text"}),
        (12.5, {"string": "12.5"}),
        (True, {"string": "True"}),
        ([1, "b"], {"string": "[1, 'b']"}),
        (["only"], {"string": "only"}),
        ([{"a": 1}], {"a": 1}),
        ("", {"string": ""}),
    ],
)
def test_member_that_is_indexed_as_an_object_becomes_one(member: str, value: Any, shaped: Any) -> None:
    assert sent(**{member: value}) == {member: shaped}


def test_null_member_is_removed() -> None:
    assert sent(requestParameters=None, responseElements=None) == {}


@pytest.mark.parametrize(
    ("value", "shaped"),
    [(True, {"value": True}), (False, {"value": False}), ("true", "true"), ({"value": 1}, {"value": 1})],
)
def test_boolean_termination_flag_becomes_an_object(value: Any, shaped: Any) -> None:
    parameters = {"disableApiTermination": value, "instanceId": "i-1"}
    assert sent(requestParameters=parameters) == {
        "requestParameters": {"disableApiTermination": shaped, "instanceId": "i-1"}
    }


def test_event_itself_stays_as_it_was() -> None:
    event = {"requestParameters": {"disableApiTermination": True}, "responseElements": "x"}
    list(CloudTrail().reshape(event))
    assert event == {"requestParameters": {"disableApiTermination": True}, "responseElements": "x"}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["requestParameters", "responseElements", "tags", "other"]), values))
def test_members_are_objects_whatever_they_were(event: dict[str, Any]) -> None:
    shaped = sent(**event)
    assert all(isinstance(shaped.get(name, {}), dict) for name in ("requestParameters", "responseElements"))
