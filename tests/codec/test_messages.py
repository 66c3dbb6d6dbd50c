"""The envelope, the encoding and the size rule."""

import json
import math
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aws_s3.codec import messages as module
from aws_s3.codec.delimited import batch_events
from aws_s3.codec.messages import (
    HEADER,
    LARGEST,
    Envelope,
    PlainEncoder,
    bucket_log_info,
    cut_text,
    encode,
    envelope,
    join_lines,
    shrink,
)

MARK = "…[truncated]"
LOG_INFO = bucket_log_info("alias", "AWSLogs/año/key.json.gz", "acme-logs")
LIMIT = 2000

characters = st.characters(codec="utf-8") | st.sampled_from('\\"\n\x00é漢🙂\ud800')
texts = st.text(characters, max_size=30)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
small = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
times = st.integers(1, 60)
large = (
    st.builds(lambda text, times: text * times, texts, times)
    | st.builds(lambda value, times: [value] * times, small, times)
    | st.builds(lambda value, times: {f"{number}": value for number in range(times)}, small, times)
)
values = small | large | st.lists(large, max_size=3)
events = st.dictionaries(texts.filter(lambda name: name != "log_info"), values, max_size=4)


def is_cut_of(result: Any, original: Any) -> bool:
    """Tell whether `result` is `original`, less what the size rule may take."""
    if isinstance(original, dict) and isinstance(result, dict):
        if set(result) <= set(original):
            return all(is_cut_of(member, original[name]) for name, member in result.items())
        return len(result) <= len(original)
    if isinstance(original, list) and isinstance(result, list):
        return len(result) <= len(original) and all(map(is_cut_of, result, original))
    if isinstance(original, str) and isinstance(result, str) and result != original:
        return result.endswith(MARK) and original.startswith(result.removesuffix(MARK))
    return bool(result == original)


def sent(message: dict[str, Any]) -> Any:
    """Return the message as whoever reads JSON sees it."""
    return json.loads(encode(message))


def test_the_envelope_is_the_documented_one() -> None:
    event = {"eventID": "1", "aws_account_id": "of the event"}
    assert list(envelope(LOG_INFO, event, "123456789012")["aws"].items()) == [
        ("log_info", {"aws_account_alias": "alias", "log_file": "AWSLogs/año/key.json.gz", "s3bucket": "acme-logs"}),
        ("eventID", "1"),
        ("aws_account_id", "123456789012"),
    ]
    assert envelope(LOG_INFO, {"a": 1}) == {"integration": "aws", "aws": {"log_info": LOG_INFO, "a": 1}}


def test_the_envelope_leaves_the_event_alone() -> None:
    event = {"eventID": "1"}
    envelope(LOG_INFO, event, "123456789012")
    assert event == {"eventID": "1"}


def test_the_encoding_is_compact_utf_8() -> None:
    assert encode({"a": ["ñ🙂\u2028", 1.5, True, None, 10**30]}) == (
        '{"a":["ñ🙂\u2028",1.5,true,null,1000000000000000000000000000000]}'.encode()
    )


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        ([1e999, {"a": -1e999}], ["inf", {"a": "-inf"}]),
        ("\ud800", "\ud800"),
        ({"\udfff": "ñ"}, {"\udfff": "ñ"}),
        (["\ud800", math.nan], ["\ud800", "nan"]),
    ],
)
def test_what_has_no_form_in_json_or_utf_8_is_sent_all_the_same(value: Any, read: Any) -> None:
    encoded = encode({"v": value})
    assert json.loads(encoded) == {"v": read}
    encoded.decode("utf-8")


@given(events)
@settings(max_examples=100, deadline=None)
def test_any_message_is_one_line_of_json(event: dict[str, Any]) -> None:
    encoded = encode(envelope(LOG_INFO, event))
    assert b"\n" not in encoded
    assert encoded.decode("utf-8")
    assert json.loads(encoded)["aws"]["log_info"] == LOG_INFO


@given(st.dictionaries(texts, values, max_size=4))
@example({"n": 2**64, "m": -(2**63) - 1})
@example({"f": [1e16, 1e-7, -0.0, 5e-324, 1.7976931348623157e308]})
@example({"deep": json.loads("[" * 300 + "]" * 300)})
@settings(max_examples=200, deadline=None)
def test_the_fast_encoder_sends_what_the_plain_one_does(message: dict[str, Any]) -> None:
    assert module._fast_encode is not None
    fast = repr(sent(message))
    with patch.object(module, "_fast_encode", None):
        assert fast == repr(sent(message))


@given(
    st.dictionaries(st.sampled_from(["log_info", "aws_account_id", "a", "ñ\ud800"]), small), st.sampled_from(["", "1"])
)
@settings(max_examples=100, deadline=None)
def test_the_encoded_envelope_is_that_of_the_message(event: dict[str, Any], account: str) -> None:
    around = Envelope(LOG_INFO, account)
    assert repr(json.loads(around.encode(event))) == repr(sent(envelope(LOG_INFO, event, account)))
    assert around.message(event) == envelope(LOG_INFO, event, account)


@given(
    st.lists(st.sampled_from(["log_info", "aws_account_id", "a%s", 'ñ"', "null", "b"]), min_size=1, unique=True),
    st.integers(1, 5),
    st.sampled_from(["", "1%"]),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_a_table_is_encoded_as_its_events_are(names: list[str], rows: int, account: str, data: st.DataObject) -> None:
    plain = st.text("a%é漢", max_size=5)
    strings = data.draw(st.sampled_from([plain, plain, plain | st.text(st.characters(codec="utf-8"), max_size=5)]))
    table = {name: data.draw(st.lists(strings, min_size=rows, max_size=rows)) for name in names}
    for around in (Envelope({"log_file": "100%.gz"}, account), PlainEncoder()):
        assert around.encode_columns(table) == join_lines(map(around.encode, batch_events(table)))


def test_the_limit_is_that_of_agents_and_servers() -> None:
    assert (HEADER, LARGEST) == (b"1:Wazuh-AWS:", 65_280)


@given(events, st.integers(300, LIMIT))
@example({"s": "\x00" * 3000}, 500)
@example({"s": "漢" * 3000, "t": "a" * 3000}, 500)
@example({"x" * 3000: 1, "x" * 3001: 2}, 500)
@example({f"{number}": number for number in range(3000)}, 500)
@example({"a": [[{"b": [{f"{number}": {} for number in range(3000)}]}]]}, 500)
@example({"a": ["x" * 64] * 3000}, 500)
@example({"a": [math.inf, "\ud800" * 3000]}, 500)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_message_shrinks_to_the_limit(event: dict[str, Any], limit: int) -> None:
    message = envelope(LOG_INFO, event)
    original = sent(message)
    shrunk = shrink(message, limit)
    assert len(shrunk) <= limit
    read = json.loads(shrunk.decode("utf-8"))
    assert read["integration"] == "aws"
    assert read["aws"].pop("log_info") == {**LOG_INFO, "truncated": True}
    del original["aws"]["log_info"]
    assert is_cut_of(read["aws"], original["aws"])
    assert sent(message) == sent(envelope(LOG_INFO, event))


@given(values, st.integers(300, LIMIT))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_message_without_log_info_shrinks_unmarked(value: Any, limit: int) -> None:
    for message in ({"integration": "aws", "aws": {"finding": value}}, {"row": value, "aws": "text"}):
        shrunk = shrink(message, limit)
        assert len(shrunk) <= limit
        assert is_cut_of(json.loads(shrunk), sent(message))


def shrunk(event: dict[str, Any], limit: int = LIMIT) -> Any:
    encoded = shrink(envelope(LOG_INFO, event), limit)
    assert len(encoded) <= limit
    return json.loads(encoded)["aws"]


@pytest.mark.parametrize("character", ["x", "é", "漢", "🙂", "\x00", '"'])
def test_the_longest_string_is_cut_no_shorter_than_is_needed(character: str) -> None:
    event = {"id": "keep", "long": character * 5000, "number": 7, "list": ["a", "b"]}
    encoded = shrink(envelope(LOG_INFO, event), LIMIT)
    read = json.loads(encoded)["aws"]
    assert LIMIT - 6 <= len(encoded) <= LIMIT
    assert read["long"].endswith(f"{character}{MARK}")
    assert {name: read[name] for name in ("id", "number", "list")} == {"id": "keep", "number": 7, "list": ["a", "b"]}


def test_the_longest_strings_are_cut_to_one_length_and_shorter_ones_stay_whole() -> None:
    event = {"a": "a" * 5000, "b": ["b" * 3000], "c": {"c": "c" * 400}, "d": "d" * 40}
    read = shrunk(event)
    assert len(read["a"]) == len(read["b"][0]) > 400
    assert (read["c"], read["d"]) == ({"c": "c" * 400}, "d" * 40)


def test_a_string_that_its_mark_would_not_shorten_is_not_cut() -> None:
    texts = ["x" * length for length in range(85, 115)]
    read = shrunk({"texts": texts}, len(encode(envelope(LOG_INFO, {"texts": texts}))) - 50)["texts"]
    assert any(text.endswith(MARK) for text in read)
    assert all(text == whole or len(text) < len(whole) for text, whole in zip(read, texts, strict=True))


def test_no_list_is_cut_while_strings_can_be() -> None:
    numbers = list(range(300))
    read = shrunk({"numbers": numbers, "text": "x" * 5000})
    assert read["numbers"] == numbers
    assert read["text"].endswith(MARK)


def test_then_the_longest_lists_are_cut_no_shorter_than_is_needed() -> None:
    event = {"id": "keep", "long": list(range(5000)), "short": [1, 2, 3]}
    encoded = shrink(envelope(LOG_INFO, event), LIMIT)
    read = json.loads(encoded)["aws"]
    assert LIMIT - 5 <= len(encoded) <= LIMIT
    assert read["long"] == list(range(len(read["long"])))
    assert (read["id"], read["short"]) == ("keep", [1, 2, 3])


def test_lists_inside_lists_are_cut_too() -> None:
    read = shrunk({"rows": [list(range(1000)) for _ in range(3)]})
    assert len(read["rows"]) == 3
    assert {len(row) for row in read["rows"]} == {len(read["rows"][0])}


def test_at_last_objects_lose_members() -> None:
    read = shrunk({"id": "keep", "map": {f"{number:05}": number for number in range(1000)}})
    assert read["id"] == "keep"
    assert 100 < len(read["map"]) < 1000


def test_names_are_cut_only_when_nothing_else_helps() -> None:
    name = "n" * 300
    assert shrunk({name: "x" * 5000})[name].endswith(MARK)
    (cut,) = shrunk({"n" * 5000: 1}).keys() - {"log_info"}
    assert cut.endswith(MARK)


def test_a_message_nested_deeper_than_python_recurses_still_leaves_its_log_info() -> None:
    deep: Any = "x" * 5000
    for _ in range(900):
        deep = [deep]
    assert shrunk({"deep": deep})["log_info"] == {**LOG_INFO, "truncated": True}


def test_what_is_kept_is_cut_only_when_it_is_itself_too_large() -> None:
    message = envelope(bucket_log_info("a" * 5000, "key", "bucket"), {"id": "x"})
    read = json.loads(shrink(message, LIMIT))
    assert len(encode(read)) <= LIMIT
    assert read["aws"]["log_info"]["log_file"] == "key"
    assert read["aws"]["id"] == "x"


@given(st.text(characters), st.integers(0, 100))
@example("漢字", 4)
@settings(max_examples=100, deadline=None)
def test_text_is_cut_at_a_character_s_end(text: str, limit: int) -> None:
    cut = cut_text(text, limit)
    whole = text.encode("utf-8", "replace")
    assert whole.startswith(cut)
    assert min(len(whole), limit) - 3 <= len(cut) <= limit
    cut.decode("utf-8")
