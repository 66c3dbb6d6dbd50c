"""Which events a rule keeps from being sent."""

import logging
import re
import signal
import subprocess
import sys
from typing import Any

import pytest

from aws_s3.pipeline.event_rules import EventRules, discards, matches
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


FOREVER = "a" * 40 + "b"


def test_an_event_on_which_the_rule_runs_too_long_is_sent_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    rules = EventRules(rule("a", "(a+)+$"))
    try:
        kept = [rules.keeps({"a": value}, discards) for value in ("aaa", FOREVER, "aaa", "b")]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    assert kept == [False, True, False, True]
    assert rules.counts.discarded == 2
    assert [record.levelname for record in caplog.records if record.levelno > logging.INFO] == ["WARNING"]
    assert caplog.messages[-1].startswith('The "(a+)+$" regex ran for over a second on one event')


def test_many_short_evaluations_are_none_that_runs_too_long() -> None:
    """They take several seconds of processor time together."""
    rules = EventRules(rule("a", "(a+)+$"))
    event = {"a": "a" * 17 + "b"}
    try:
        assert all(rules.keeps(event, discards) for _ in range(300))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    assert rules.counts.discarded == 0


AT_THE_END = """
import re, signal, time
from aws_s3.pipeline.event_rules import EventRules, discards
from aws_s3.settings import DiscardRule
print(EventRules(DiscardRule("a", re.compile("b"))).keeps({"a": "b"}, discards))
class Slow:
    def __del__(self):
        [None for _ in range(30_000_000)]
import sys
sys.slow = Slow()
"""


def test_the_timer_does_not_kill_a_program_that_takes_time_to_end() -> None:
    ended = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True, timeout=300)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("False\n", "", 0)
