"""Tests of reading formats: whatever the arrangement and the size of the reads, nothing changes and nothing is lost."""

import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aws_s3.codec import json_and_lines as formats
from aws_s3.codec.json_and_lines import (
    JsonScanner,
    array_field,
    array_items,
    check_lines,
    holds_json,
    json_list,
    json_value,
    json_values,
    text_lines,
)
from aws_s3.errors import ParseError

MIB = 1 << 20
LARGE_VALUE = 16 * MIB
LARGE_LINE = 16 * MIB
ZERO_BEFORE_DIGIT = re.compile(r"(?<![\w.])0\d")


class ShortReads(io.BytesIO):
    """A file that gives at most `step` bytes a read, as a pipe may: where a text is cut must not matter."""

    def __init__(self, content: bytes, step: int) -> None:
        super().__init__(content)
        self._step = step

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size, self._step) if size is not None and size >= 0 else self._step)


STEPS = st.integers(1, 40) | st.just(MIB)
SPACES = st.text(alphabet=" \t\r\n", max_size=40)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(['":00012.5,"', '\\"', "\\", "\U0001f600", "\u2028", "{", "]"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)
WRITERS: st.SearchStrategy[Callable[[Any], str]] = st.sampled_from(
    [
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False, indent=3),
        lambda value: json.dumps(value, separators=(" \n\t ,", ":" + " " * 30)),
    ]
)


def outcome(values: Iterator[Any]) -> tuple[list[Any], bool]:
    """Return the values before the end or a ParseError, and whether there was one."""
    found = []
    try:
        for value in values:
            found.append(value)  # noqa: PERF402 (the values before the failure count)
    except ParseError:
        return found, True
    return found, False


def scanned(body: io.BytesIO) -> Iterator[Any]:
    """Yield the values as they stand, lists as lists."""
    scanner = JsonScanner(body)
    while scanner.peek():
        yield scanner.value()


def same(one: object, other: object) -> bool:
    """Tell whether two values are the same also in their types: 1 is neither 1.0 nor True."""
    return repr(one) == repr(other)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, max_size=5), WRITERS, SPACES, STEPS)
def test_values_are_those_of_json_however_they_are_arranged(
    values: list[Any], write: Callable[[Any], str], space: str, step: int
) -> None:
    text = space + (space or " ").join(map(write, values)) + space

    assert same(list(scanned(ShortReads(text.encode(), step))), values)


@settings(max_examples=40, deadline=None)
@given(st.lists(OBJECTS, max_size=5), WRITERS, STEPS)
def test_objects_follow_each_other_with_nothing_between(
    values: list[Any], write: Callable[[Any], str], step: int
) -> None:
    text = "".join(map(write, values))

    assert same(list(json_values(ShortReads(text.encode(), step))), values)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(VALUES, max_size=4), max_size=4), SPACES, STEPS)
def test_lists_are_opened_wherever_they_stand(lists: list[list[Any]], space: str, step: int) -> None:
    text = space.join(map(json.dumps, lists))

    assert same(list(json_values(ShortReads(text.encode(), step))), [value for values in lists for value in values])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.from_regex(r"\A-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?\Z"), max_size=5),
    STEPS,
)
def test_numbers_are_whole_wherever_the_text_is_cut(numbers: list[str], step: int) -> None:
    text = f"[{','.join(numbers)}] {' '.join(numbers)}"
    values = [json.loads(number) for number in numbers]

    assert same(list(scanned(ShortReads(text.encode(), step))), [values, *values])
    assert same(list(json_values(ShortReads(text.encode(), step))), [*values, *values])


@settings(max_examples=40, deadline=None)
@given(OBJECTS, st.lists(OBJECTS, max_size=5), OBJECTS, WRITERS, STEPS)
def test_field_gives_its_objects_wherever_it_stands(
    before: dict[str, Any], records: list[Any], after: dict[str, Any], write: Callable[[Any], str], step: int
) -> None:
    assume("Records" not in before and "Records" not in after)
    text = write({**before, "Records": records, **after})

    assert same(list(array_field(ShortReads(text.encode(), step), "Records")), records)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(OBJECTS, max_size=3), st.data(), STEPS)
def test_field_of_a_damaged_text_is_refused_exactly_where_json_is(
    records: list[Any], data: st.DataObject, step: int
) -> None:
    text = json.dumps({"a": 1, "Records": records, "b": [None]})
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.sampled_from(["", *'{}[]":,x1 \\'])) + text[at + 1 :]
    assume(not ZERO_BEFORE_DIGIT.search(damaged))

    found, refused = outcome(array_field(ShortReads(damaged.encode(), step), "Records"))

    expected = _field_by_json_loads(damaged)
    assert refused == (expected is None)
    assert refused or same(found, expected)


def _field_by_json_loads(text: str) -> list[Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    records = value.get("Records")
    if records is None:
        return []
    return records if isinstance(records, list) and all(isinstance(record, dict) for record in records) else None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,-.eEtrufals\\012 \n', max_size=40).map(str.encode), STEPS)
def test_any_bytes_give_values_or_a_parse_error(body: bytes, step: int) -> None:
    for read in (json_values, scanned, lambda file: array_field(file, "a")):
        assert same(outcome(read(ShortReads(body, step)))[1], outcome(read(io.BytesIO(body)))[1])


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='{}[]":,-.eE\\u12 \n', max_size=30), STEPS)
def test_text_is_refused_exactly_where_json_is(text: str, step: int) -> None:
    try:
        expected = [json.loads(text)]
    except ValueError:
        expected = []

    found, refused = outcome(scanned(ShortReads(text.encode(), step)))

    if expected:
        assert same((found, refused), (expected, False))
    else:
        assert refused or len(found) != 1


def padded(value: Any) -> str:
    """Write a value as JSON, its numbers with leading zeros."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(name)}: {padded(member)}' for name, member in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(padded, value))}]"
    text = json.dumps(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return text
    return f"-000{text[1:]}" if text.startswith("-") else f"000{text}"


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(OBJECTS, max_size=4), STEPS)
def test_leading_zeros_are_dropped_of_numbers_and_of_nothing_else(values: list[Any], step: int) -> None:
    text = "".join(map(padded, values))
    field = f'{{"count": 007, "Records": {padded(values)}, "last": -00.50}}'

    assert same(list(json_values(ShortReads(text.encode(), step))), values)
    assert same(list(array_field(ShortReads(field.encode(), step), "Records")), values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"lat":00012.5,"lon":-004.25}', {"lat": 12.5, "lon": -4.25}),
        ('{"s":"\\":007,\\\\","n":007}', {"s": '":007,\\', "n": 7}),
        ('{"n":[00, 000.001, 01e-05, 100.007, 00e1]}', {"n": [0, 0.001, 1e-05, 100.007, 0.0]}),
    ],
)
def test_macie_s_numbers_are_numbers(text: str, value: dict[str, Any]) -> None:
    assert list(json_values(io.BytesIO(text.encode()))) == [value]


def test_many_numbers_with_leading_zeros_are_read_in_a_time_that_grows_with_the_text_only() -> None:
    body = b"[" + b",".join([b'{"lat":0012.5,"name":"0012.5"}'] * 20_000) + b"]"

    values = list(json_values(io.BytesIO(body)))

    assert len(values) == 20_000
    assert all(value == {"lat": 12.5, "name": "0012.5"} for value in values)


CUT = '{"a": "x", "b": ["y", {}], "c": {"d": "z"}}'


@pytest.mark.parametrize(
    "text", ['{"a": 1 2}', '{"a": 0x1}', '{"a": 1.2.3}', '{"a": 0 1}', '{"a": "0"1}', '{"a": --01}']
)
def test_other_numbers_that_are_not_json_stay_errors(text: str) -> None:
    with pytest.raises(ParseError, match="not JSON"):
        list(json_values(io.BytesIO(text.encode())))


@pytest.mark.parametrize("length", range(1, len(CUT)))
def test_json_that_ends_early_is_told_as_cut_off(length: int) -> None:
    with pytest.raises(ParseError, match="the JSON is cut off"):
        list(json_values(io.BytesIO(CUT[:length].encode())))


def test_names_that_stand_for_no_number_are_text() -> None:
    body = io.BytesIO(b'{"a": NaN, "b": [-Infinity, Infinity]}')

    assert list(json_values(body)) == [{"a": "NaN", "b": ["-Infinity", "Infinity"]}]


@pytest.mark.parametrize("step", range(1, 20))
def test_half_of_a_surrogate_pair_stays_alone(step: int) -> None:
    text = r'{"pair": "\ud83d\ude00", "half": "\ud83d", "other": "\ude00\ud83d"}'

    assert list(json_values(ShortReads(text.encode(), step))) == [json.loads(text)]


def test_byte_order_mark_is_no_part_of_the_text() -> None:
    assert list(json_values(io.BytesIO(b'\xef\xbb\xbf{"a": 1}'))) == [{"a": 1}]


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert list(json_values(io.BytesIO(b'{"a": "\xff"}'))) == [{"a": "\ufffd"}]


def test_half_of_a_character_at_the_end_is_not_dropped() -> None:
    assert outcome(json_values(io.BytesIO(b'{"a": 1}\xe2\x82'))) == ([{"a": 1}], True)


@pytest.mark.parametrize("step", [1, 7, MIB])
def test_same_field_twice_gives_the_objects_of_both(step: int) -> None:
    body = ShortReads(b'{"Records": [{"n": 1}], "Records": [{"n": 2}]}', step)

    assert list(array_field(body, "Records")) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("text", ["{}", '{"Other": [{"n": 1}]}', '{"Records": null}', '{"Records": []}'])
def test_object_without_the_field_gives_nothing(text: str) -> None:
    assert list(array_field(io.BytesIO(text.encode()), "Records")) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "1",
        '{"Records": [{"n": 1}]',
        '{"Records": [{"n": 1},]}',
        '{"Records": [{"n": 1}],}',
        '{"Records": [{"n": 1}]} x',
        '{"Records": [{"n": 1}]}{"Records": [{"n": 2}]}',
        '{"Records": [{"n": 1} {"n": 2}]}',
        '{"Records": [{"n": 1}, 2]}',
        '{"Records": {"n": 1}}',
        '{"Records": 0}',
        "{1: 2}",
        '{["a"]: 2}',
    ],
)
@pytest.mark.parametrize("step", [3, MIB])
def test_what_is_not_one_object_with_a_list_of_objects_is_refused(text: str, step: int) -> None:
    with pytest.raises(ParseError):
        list(array_field(ShortReads(text.encode(), step), "Records"))


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"Records": [{"a": [1, {"b":', b'{"Records": '])
def test_deep_nesting_is_a_parse_error(opening: bytes) -> None:
    body = opening * 100_000

    for read in (json_values, lambda file: array_field(file, "Records")):
        with pytest.raises(ParseError):
            list(read(io.BytesIO(body)))


def test_number_of_too_many_digits_is_a_parse_error() -> None:
    with pytest.raises(ParseError, match="digits"):
        list(json_values(io.BytesIO(b'{"a": %s}' % (b"9" * 5000))))


def test_large_list_is_not_read_as_a_whole() -> None:
    body = io.BytesIO(b"[" + b",".join([b'{"a": "bcdefgh"}'] * 500_000) + b"]")

    assert next(json_values(body)) == {"a": "bcdefgh"}
    assert body.tell() < MIB


def test_lists_one_after_the_other_are_not_read_as_a_whole() -> None:
    body = io.BytesIO(b'[{"a": "bcdefgh"}]\n' * 500_000)
    values = json_values(body)

    for _ in range(1000):
        assert next(values) == {"a": "bcdefgh"}
    assert body.tell() < MIB


def test_error_in_a_large_file_is_found_where_it_is() -> None:
    body = io.BytesIO(b'{"a": 1}{"b" 2}' + b'{"a": 1}' * 500_000)

    with pytest.raises(ParseError, match="Expecting ':' delimiter: '2}"):
        list(json_values(body))
    assert body.tell() < MIB


def test_value_larger_than_any_record_is_a_parse_error() -> None:
    body = io.BytesIO(b'{"a": "' + b"x" * (2 * LARGE_VALUE + 2 * MIB))

    with pytest.raises(ParseError, match="longer than 16 MiB"):
        list(json_values(body))


def test_value_of_many_chunks_is_read() -> None:
    body = io.BytesIO(b'{"Records": [{"a": "%s"}, {"b": 1}]}' % (b"x" * 5 * MIB))

    assert [len(str(record)) > MIB for record in array_field(body, "Records")] == [True, False]


def test_after_an_error_the_rest_of_the_line_can_be_stepped_over() -> None:
    scanner = JsonScanner(ShortReads(b'{"a": 1} {"b": broken} {"c": 1}\n\n{"d": 1}\nbroken', 5))

    assert scanner.value() == {"a": 1}
    with pytest.raises(ParseError):
        scanner.value()
    scanner.skip_line()
    assert scanner.value() == {"d": 1}
    assert scanner.peek() == "b"
    scanner.skip_line()
    assert scanner.peek() == ""


@pytest.mark.parametrize("step", [1, MIB])
def test_values_after_a_list_are_read(step: int) -> None:
    scanner = JsonScanner(ShortReads(b'[1, [2], {"a": 3}] {"b": 4}', step))

    assert list(array_items(scanner)) == [1, [2], {"a": 3}]
    assert scanner.value() == {"b": 4}


@pytest.mark.parametrize(
    ("text", "is_json"),
    [
        ('{"a": 1}', True),
        (' \r\n\t{"a": 1}', True),
        ("[]", True),
        ("\ufeff[", True),
        ('[ \n{"a": 1}', True),
        ("[[", True),
        ('["a"]', True),
        ("[2021-06-10] text", False),
        ("[INFO] text", False),
        ("{broken", True),
        ("2 123456789012 eni-1", False),
        ("version account-id", False),
        ("- - -", False),
        ('"text"', False),
        ("null", False),
        ("", False),
        (" \n", False),
    ],
)
def test_beginning_tells_json_from_text(text: str, is_json: bool) -> None:
    body = io.BytesIO(text.encode())

    assert holds_json(body) == is_json
    assert body.read() == text.encode()


def test_lines_are_without_their_ends_and_blank_ones_are_left_out() -> None:
    body = io.BytesIO(b"\xef\xbb\xbffirst\r\n\n\r\n \t \n second \nthi\rrd\n \r\n\xff")

    assert list(text_lines(body)) == ["first", " second ", "thi\rrd", "\ufffd"]


@pytest.mark.parametrize("body", [b"", b"\n\r\n", b" \n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_nothing_is_no_line(body: bytes) -> None:
    assert list(text_lines(io.BytesIO(body))) == []


def test_line_too_long_is_a_parse_error_after_those_before_it() -> None:
    found, refused = outcome(text_lines(io.BytesIO(b"first\n" + b"x" * LARGE_LINE)))

    assert (found, refused) == (["first"], True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n\ufeff", exclude_categories=["Cs"]))))
def test_no_line_is_lost(texts: list[str]) -> None:
    body = io.BytesIO("\n".join(texts).encode())

    assert list(text_lines(body)) == [text for text in texts if text and not text.isspace()]


@given(
    st.lists(st.sampled_from([b"a", b" ", b"\xff", b"\r", b"\n", "ñ".encode(), b"\xef\xbb\xbf"]), max_size=80).map(
        b"".join
    )
)
def test_lines_are_proved_as_they_are_read_however_they_lie_in_chunks(body: bytes) -> None:
    with patch.object(formats, "_CHUNK", 7), patch.object(formats, "_LARGEST_LINE", 20):
        try:
            read = list(text_lines(io.BytesIO(body)))
        except ParseError:
            with pytest.raises(ParseError):
                check_lines(io.BytesIO(body))
            return
        check_lines(io.BytesIO(body))
    found = (line.rstrip("\r") for line in body.decode("utf-8-sig", "replace").split("\n"))
    assert read == [line for line in found if line.strip()]


NUMBERS = ["-0", "1e999", "-1E400", "0.1", "1E5", "9223372036854775807", "18446744073709551616", "1e-7", "5e-324"]
ODD = ['"\\ud800"', '"\\u0000"', "01", "NaN", '"a', "[[[", "\ufeff1", "1 2", '"Records"', '{"Records":[]}']


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), SCALARS | st.lists(SCALARS, max_size=3), max_size=3).map(json.dumps)
        | st.sampled_from([f'{{"n":{number}}}' for number in NUMBERS])
        | st.sampled_from([f'{{"n":{odd}}}' for odd in ODD]),
        max_size=4,
    ),
    st.sampled_from(["utf-8", "latin-1"]),
)
def test_the_fast_decoder_sees_what_the_scanner_sees(records: list[str], encoding: str) -> None:
    inside = ",".join(records).encode(encoding, "replace")
    assert formats._fast_decode is not None
    fast = json_list(inside)
    if fast is not None:
        body = io.BytesIO(b"[%b]" % inside)
        assert repr(outcome(array_items(JsonScanner(body)))) == repr((fast, False))
    with patch.object(formats, "_fast_decode", None):
        assert repr(json_list(inside)) == repr(fast)


def _loaded(load: Callable[[bytes], Any], text: bytes) -> str:
    try:
        return repr(load(text))
    except (ValueError, RecursionError):
        return "no JSON"


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), SCALARS | st.lists(SCALARS, max_size=3), max_size=3).map(json.dumps)
        | st.sampled_from([*NUMBERS, *ODD]),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
)
def test_a_value_in_memory_is_what_the_standard_library_loads(values: list[str], encoding: str) -> None:
    text = (values[0] if len(values) == 1 else f"[{','.join(values)}]").encode(encoding, "replace")
    assert _loaded(json_value, text) == _loaded(json.loads, text)
