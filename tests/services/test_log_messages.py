"""The messages of log events."""

import json
import re
from typing import Any

import pytest

from aws_s3.pipeline.event_rules import EventRules
from aws_s3.services.log_group_api import LogEvent, LogStream
from aws_s3.services.log_messages import LogMessages
from aws_s3.settings import DiscardRule
from aws_s3.state.log_streams import Group

STREAM = LogStream("s", "123456789012", None, 0)
MOMENT = 1_623_286_800_007


def message(text: str, wrap: bool = False, limit: int | None = None, rule: DiscardRule | None = None) -> bytes | None:
    return LogMessages(Group("us-east-1", "g"), EventRules(rule, limit), wrap).encode(STREAM, LogEvent(MOMENT, 0, text))


@pytest.mark.parametrize("text", ["None of it", '{"a":1,\n "b": null}', "[1, 2]", "", "a\nb", "{broken", "12"])
def test_event_is_sent_as_it_is(text: str) -> None:
    assert message(text) == text.encode()


def test_text_without_utf_8_form_is_sent_all_the_same() -> None:
    assert message("half \ud83d") == b"half ?"


DISCARDED = {
    '{"level": "debug", "m": 1}': True,
    '{"level": "error", "m": "debug"}': False,
    '{"a": {"level": "debug"}}': False,
    "debug: text": True,
    "error: debug": False,
    '["debug"]': False,
    '"debug"': False,
}


@pytest.mark.parametrize(("text", "is_discarded"), DISCARDED.items())
def test_field_of_json_or_the_whole_of_text_is_looked_at(text: str, is_discarded: bool) -> None:
    assert (message(text, rule=DiscardRule("level", re.compile("debug"))) is None) is is_discarded


@pytest.mark.parametrize(("text", "is_discarded"), [('{"level": 1}', True), ("level", False)])
def test_without_a_field_the_whole_of_everything_is_looked_at(text: str, is_discarded: bool) -> None:
    assert (message(text, rule=DiscardRule("", re.compile(r'\{"level'))) is None) is is_discarded


@pytest.mark.parametrize(
    ("text", "content"),
    [("text", "text"), ('{"a": [1, null]}', {"a": [1, None]}), ("[1]", "[1]"), ("{" * 9999, "{" * 9999)],
)
def test_envelope(text: str, content: Any) -> None:
    assert json.loads(message(text, wrap=True) or b"") == {
        "integration": "aws",
        "aws": {
            "source": "cloudwatchlogs",
            "log_info": {
                "aws_account_id": "123456789012", "region": "us-east-1", "log_group": "g", "log_stream": "s",
            },
            "timestamp": "2021-06-10T01:00:00.007Z",
            "message": content,
        },
    }  # fmt: skip


def test_long_text_is_cut_at_a_character() -> None:
    assert message("ü" * 100, limit=51) == ("ü" * 25).encode()


def test_long_json_is_shrunk_and_not_marked() -> None:
    shrunk = message(json.dumps({"a": "x" * 500, "kept": 1}), limit=200)
    assert shrunk is not None and len(shrunk) <= 200
    assert json.loads(shrunk)["kept"] == 1
    assert "log_info" not in json.loads(shrunk)


@pytest.mark.parametrize("text", ["x" * 1000, json.dumps({"a": "x" * 1000})])
def test_long_message_in_an_envelope_is_shrunk_and_marked(text: str) -> None:
    shrunk = message(text, wrap=True, limit=500)
    assert shrunk is not None and len(shrunk) <= 500
    assert json.loads(shrunk)["aws"]["log_info"]["truncated"] is True
