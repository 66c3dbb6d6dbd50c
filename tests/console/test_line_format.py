"""The forms of log lines."""

import json
import logging

from hypothesis import given
from hypothesis import strategies as st

from aws_s3.console.line_format import JsonFormat, LineFormat, StampedFormat, TextFormat
from aws_s3.pipeline.levels import DEBUG_2, about


def record(level: int, text: str, key: str = "") -> logging.LogRecord:
    made = logging.getLogger("aws_s3.x").makeRecord("aws_s3.x", level, "", 0, "%s", (text,), None, extra=about(key))
    made.created = 1764212645.25
    return made


def lines(line_format: LineFormat, level: int, text: str, *traceback: str, key: str = "") -> list[str]:
    return list(line_format.lines(record(level, text, key), traceback))


def test_text_has_the_level_and_the_message_and_a_traceback_below() -> None:
    assert lines(TextFormat(), logging.ERROR, "gone\nERROR: x", "Traceback", "  a\tb") == [
        "ERROR: gone\\x0aERROR: x",
        "  Traceback",
        "    a\\x09b",
    ]
    assert lines(TextFormat(), DEBUG_2, "found") == ["DEBUG: found"]


def test_a_time_stamp_is_utc() -> None:
    assert lines(StampedFormat(), logging.INFO, "fine") == ["2025-11-27T03:04:05Z INFO: fine"]


def test_json_names_time_level_message_source_and_key() -> None:
    [line] = lines(JsonFormat("acme-logs (waf)"), DEBUG_2, "++ Found new log: a/b", key="a/b")
    assert json.loads(line) == {
        "time": "2025-11-27T03:04:05.250Z",
        "level": "DEBUG",
        "message": "++ Found new log: a/b",
        "source": "acme-logs (waf)",
        "key": "a/b",
    }
    [line] = lines(JsonFormat(), logging.ERROR, "x", "Traceback", "  y")
    assert json.loads(line)["traceback"] == "Traceback\n  y"
    assert "key" not in json.loads(line)


@given(st.text())
def test_json_is_one_line_whatever_the_message(text: str) -> None:
    [line] = lines(JsonFormat(text), logging.INFO, text)
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == text
