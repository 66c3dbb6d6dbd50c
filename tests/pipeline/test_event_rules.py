"""Which events a rule keeps from being sent."""

import re
from typing import Any

import pytest

from aws_s3.pipeline.event_rules import discards, matches
from aws_s3.settings import DiscardRule

EVENT = {
    "eventName": "DescribeInstances",
    "readOnly": True,
    "count": 12,
    "ratio": 0.5,
    "nothing": None,
    "empty": "",
    "userIdentity": {"type": "IAMUser", "groups": ["ops", "dev"]},
    "resources": [{"arn": "arn:1", "tags": [{"key": "a"}, {"key": "b"}]}, "text", {"arn": "arn:2"}, None],
    "matrix": [[["deep"]]],
    "a.b": "dotted name",
}


def rule(field: str, regex: str) -> DiscardRule:
    return DiscardRule(field, re.compile(regex))


@pytest.mark.parametrize(
    ("field", "regex"),
    [
        ("eventName", "Describe"),
        ("eventName", ".*Instances$"),
        ("readOnly", "true$"),
        ("count", "12$"),
        ("ratio", r"0\.5"),
        ("empty", "$"),
        ("userIdentity.type", "IAM"),
        ("userIdentity.groups", "dev"),
        ("resources.arn", "arn:2"),
        ("resources.tags.key", "b"),
        ("resources", "text"),
        ("matrix", "deep"),
    ],
)
def test_an_event_that_matches_is_discarded(field: str, regex: str) -> None:
    assert discards(rule(field, regex), EVENT)


@pytest.mark.parametrize(
    ("field", "regex"),
    [
        ("eventName", "Instances"),
        ("eventName", "describe"),
        ("readOnly", "True"),
        ("nothing", ".*"),
        ("missing", ".*"),
        ("userIdentity", ".*"),
        ("userIdentity.missing", ".*"),
        ("userIdentity.type.deeper", ".*"),
        ("eventName.deeper", ".*"),
        ("resources.arn", "arn:3"),
        ("a.b", ".*"),
        ("", ".*"),
    ],
)
def test_another_event_is_sent(field: str, regex: str) -> None:
    assert not discards(rule(field, regex), EVENT)


def test_deciding_changes_nothing() -> None:
    event: dict[str, Any] = {"a": [{"b": "x"}]}
    discards(rule("a.b", "x"), event)
    assert event == {"a": [{"b": "x"}]}


def test_a_line_is_matched_from_its_start() -> None:
    assert matches(re.compile("debug"), "debug: x")
    assert not matches(re.compile("debug"), "not debug")
