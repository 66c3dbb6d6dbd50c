"""Tests of the bodies of queue messages, with those that AWS's user guides show."""

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.subscribers.notifications import NotifiedObject, UnknownNotification, notified_objects

PUT: dict[str, Any] = {
    "eventVersion": "2.1",
    "eventSource": "aws:s3",
    "awsRegion": "us-west-2",
    "eventTime": "1970-01-01T00:00:00.000Z",
    "eventName": "ObjectCreated:Put",
    "s3": {
        "s3SchemaVersion": "1.0",
        "configurationId": "testConfigRule",
        "bucket": {"name": "amzn-s3-demo-bucket", "arn": "arn:aws:s3:::amzn-s3-demo-bucket"},
        "object": {
            "key": "HappyFace.jpg",
            "size": 1024,
            "eTag": "d41d8cd98f00b204e9800998ecf8427e",
            "sequencer": "0055AED6DCD90281E5",
        },
    },
}
TEST = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2014-10-13T15:57:02.089Z",
    "Bucket": "amzn-s3-demo-bucket",
    "RequestId": "5582815E1AEA5ADF",
}
EVENT_BRIDGE: dict[str, Any] = {
    "version": "0",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111122223333",
    "detail": {
        "version": "0",
        "bucket": {"name": "aws-security-data-lake-us-east-1-abc"},
        "object": {
            "key": "aws/CLOUD_TRAIL_MGMT/2.0/region=us-east-1/accountId=111122223333/a+b.gz.parquet",
            "size": 5,
            "etag": "b1946ac92492d2347c6235b4d2611184",
            "sequencer": "00617F08299329D189",
        },
        "requester": "securitylake.amazonaws.com",
    },
}


def put(key: str, bucket: str = "b", **members: Any) -> dict[str, Any]:
    return {**members, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}


def sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:…", "Message": body})


def keys(*records: Any) -> list[str]:
    return [found.key for found in notified_objects(json.dumps({"Records": records}))]


def test_s3_tells_bucket_key_size_and_version() -> None:
    [found] = notified_objects(json.dumps({"Records": [PUT]}))

    assert (found.bucket, found.key, found.size) == ("amzn-s3-demo-bucket", "HappyFace.jpg", 1024)
    assert "0055AED6DCD90281E5" in found.version


def test_every_record_counts_in_order() -> None:
    assert keys(put("b"), put("a"), put("c")) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("a/fi+ve%3D1.json", "a/fi ve=1.json"),
        ("a/fi%20ve.json", "a/fi ve.json"),
        ("one%2Btwo", "one+two"),
        ("caf%C3%A9", "café"),
        ("100%25", "100%"),
    ],
)
def test_keys_of_s3_are_decoded(written: str, key: str) -> None:
    assert keys(put(written)) == [key]


def test_keys_of_event_bridge_are_as_they_are() -> None:
    [found] = notified_objects(json.dumps(EVENT_BRIDGE))

    assert found.bucket == "aws-security-data-lake-us-east-1-abc"
    assert found.key == EVENT_BRIDGE["detail"]["object"]["key"]
    assert found.size == 5


def test_least_that_must_be_there_is_bucket_and_key() -> None:
    body = {"detail": {"bucket": {"name": "b"}, "object": {"key": "k"}}}

    assert notified_objects(json.dumps(body)) == [NotifiedObject("b", "k")]
    assert notified_objects(json.dumps({"Records": [put("k")]})) == [NotifiedObject("b", "k")]


@pytest.mark.parametrize("body", [{"Records": [PUT]}, EVENT_BRIDGE, TEST])
def test_sns_around_it_changes_nothing(body: Any) -> None:
    text = json.dumps(body)

    assert notified_objects(sns(text)) == notified_objects(sns(sns(text))) == notified_objects(text)


def test_test_event_names_nothing() -> None:
    assert notified_objects(json.dumps(TEST)) == []


@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "s3:ObjectTagging:Put", "LifecycleExpiration:Delete"])
def test_event_without_content_is_passed_over(name: str) -> None:
    assert keys(put("a", eventName=name), put("b", eventName="ObjectCreated:Copy")) == ["b"]


def test_deletion_from_event_bridge_is_passed_over() -> None:
    assert notified_objects(json.dumps({**EVENT_BRIDGE, "detail-type": "Object Deleted"})) == []


@pytest.mark.parametrize("name", ["ObjectCreated:Put", "ObjectRestore:Completed", "NewKindOfEvent", None, 7])
def test_event_that_may_bring_content_counts(name: Any) -> None:
    assert keys(put("a", eventName=name)) == ["a"]


def test_two_writings_of_one_object_are_told_apart() -> None:
    later = json.loads(json.dumps(PUT))
    later["s3"]["object"]["sequencer"] = "0055AED6DCD90281E6"
    first, again, second = notified_objects(json.dumps({"Records": [PUT, PUT, later]}))

    assert first == again
    assert first != second


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "7",
        "null",
        "{}",
        '{"Records": []}',
        '{"Records": {}}',
        '{"Records": ["a"]}',
        '{"Records": [{"s3": {"bucket": {"name": "b"}}}]}',
        '{"Records": [{"s3": {"bucket": {"name": ""}, "object": {"key": "k"}}}]}',
        '{"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": 7}}}]}',
        '{"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "\\ud800"}}}]}',
        '{"detail": {"object": {"key": "k"}}}',
        '{"detail": "text"}',
        '{"Message": "hello"}',
        '{"s3Bucket": "b", "s3ObjectKey": ["k"]}',
        "[" * 100_000,
        '{"detail": {"object": {"key": ' + "9" * 5000 + "}}}",
    ],
)
def test_another_body_is_unknown(body: str) -> None:
    with pytest.raises(UnknownNotification):
        notified_objects(body)


def test_one_record_of_another_form_makes_the_whole_unknown() -> None:
    with pytest.raises(UnknownNotification):
        keys(put("a"), {"Sns": {}})


def test_message_within_messages_without_end_is_unknown() -> None:
    body = json.dumps({"Records": [PUT]})
    for _ in range(10):
        body = sns(body)
    with pytest.raises(UnknownNotification):
        notified_objects(body)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Records", "s3", "bucket", "name", "object", "key", "size", "detail", "Message", "Event"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(_VALUES)
@settings(max_examples=50, deadline=None)
def test_any_body_is_known_or_unknown(value: Any) -> None:
    try:
        for found in notified_objects(json.dumps(value)):
            assert found.bucket
            assert found.key
    except UnknownNotification:
        pass


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_any_key_comes_back_from_its_encoding(key: str) -> None:
    assert keys(put(quote_plus(key))) == [key]


def test_an_event_of_eventbridge_without_an_object_is_the_content_itself() -> None:
    event = {"detail-type": "GuardDuty Finding", "source": "aws.guardduty", "detail": {"id": "ñ", "n": 2**70}}
    [found] = notified_objects(json.dumps({"Type": "Notification", "Message": json.dumps(event)}), "id-1")
    assert (found.bucket, found.key, found.event and json.loads(found.event)) == ("", "id-1", event)
    assert found.event is not None and found.size == len(found.event)


@pytest.mark.parametrize(
    "event", [{"detail": {"id": 1}}, {"detail-type": 1, "detail": {}}, {"detail-type": "x", "detail": {"object": {}}}]
)
def test_other_details_are_unknown(event: dict[str, Any]) -> None:
    with pytest.raises(UnknownNotification):
        notified_objects(json.dumps(event))
