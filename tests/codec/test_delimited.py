"""Tests of splitting delimited text: quotes of every kind, and no line that eats another."""

import csv
import logging
import re
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec.delimited import batch_events, column_batches, comma_fields, csv_records, named, spaced_fields

fast = settings(max_examples=150, deadline=None)
STARTS = re.compile(r'"?\d')
ODD_TEXT = st.text(alphabet='a ,"', max_size=20) | st.text(alphabet='ab ,"\\[]\n\0é', max_size=40)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('a "b c" d', ["a", "b c", "d"]),
        ('a "b  c " d', ["a", "b  c ", "d"]),
        ('"a" "" "-"', ["a", "", "-"]),
        ("a  b", ["a", "", "b"]),
        ('a "b"  ', ["a", "b"]),
        ("", [""]),
        (r'1 "say \"hi\" now" "next"', ["1", r"say \"hi\" now", "next"]),
        (r'1 "say \x22hi\x22" "next"', ["1", r"say \x22hi\x22", "next"]),
        (r'1 "C:\dir\" "next"', ["1", "C:\\dir\\", "next"]),
        ('1 "a "stray" agent" - "next"', ["1", 'a "stray" agent', "-", "next"]),
        ('1 "a stray" agent" "next"', ["1", 'a stray" agent', "next"]),
        ('1 "cut off in', ["1", "cut off in"]),
        ('a"b"c d', ['a"b"c', "d"]),
        ('"" b"" c', ['" b"', "c"]),
        ('"a"b "c"', ['a"b "c']),
    ],
)
def test_spaces_separate_fields_but_not_inside_quotes(line: str, fields: list[str]) -> None:
    assert spaced_fields(line) == fields


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ('"a","b,c",""', ["a", "b,c", ""]),
        ("a,b,,d", ["a", "b", "", "d"]),
        ('"say ""hi"", ok","x"', ['say "hi", ok', "x"]),
        ('"a"",""b","c"', ['a","b', "c"]),
        ('"two\nlines",x', ["two\nlines", "x"]),
        ('"a "stray" quote","x"', ['a "stray" quote', "x"]),
        ('x,"cut off, in', ["x", "cut off, in"]),
        ("nul\0,\r", ["nul\0", "\r"]),
    ],
)
def test_commas_separate_fields_but_not_inside_quotes(record: str, fields: list[str]) -> None:
    assert comma_fields(record) == fields


@fast
@given(st.lists(st.text(alphabet='ab ,"\né', max_size=8), min_size=1, max_size=8))
def test_what_the_csv_module_wrote_is_read_back(fields: list[str]) -> None:
    written = ",".join('"' + field.replace('"', '""') + '"' for field in fields)

    assert comma_fields(written) == fields
    assert [comma_fields(record) for record in csv_records([written], STARTS)] == [fields]


@fast
@given(st.lists(st.text(alphabet="ab ,\\é", max_size=8), min_size=1, max_size=8))
def test_quoted_fields_are_split_as_the_csv_module_does(fields: list[str]) -> None:
    line = "x " + " ".join(f'"{field}"' for field in fields)

    assert spaced_fields(line) == next(csv.reader([line], delimiter=" ")) == ["x", *fields]


@fast
@given(st.lists(st.text(alphabet="ab ,\\é", max_size=8), min_size=1, max_size=8))
def test_a_quote_never_closed_leaves_the_fields_before_it_alone(fields: list[str]) -> None:
    line = "x " + " ".join(f'"{field}"' for field in fields)

    assert spaced_fields(f'{line} "never closed') == ["x", *fields, "never closed"]


@fast
@given(ODD_TEXT)
def test_no_character_but_quotes_and_delimiters_is_lost(line: str) -> None:
    assert re.sub('[ "]', "", "".join(spaced_fields(line))) == re.sub('[ "]', "", line)
    assert re.sub('[ ,"]', "", "".join(comma_fields(line))) == re.sub('[ ,"]', "", line)


@pytest.mark.parametrize("line", ['" ' * 100_000, '"a' * 100_000, '"' * 100_000, '""" ' * 50_000, '" "a' * 50_000])
def test_quotes_all_over_a_long_line_take_no_longer_than_other_text(line: str) -> None:
    assert spaced_fields(line)
    assert comma_fields(line.replace(" ", ","))


def test_a_field_that_goes_on_in_the_next_line_is_joined() -> None:
    lines = ['1,"a', "b", 'c",2', "3,d"]

    assert list(csv_records(lines, STARTS)) == ['1,"a\nb\nc",2', "3,d"]


@pytest.mark.parametrize(
    "lines",
    [
        ['1,"stray', "2,b", "3,c"],
        ['1,"stray', '2,"stray', "3,c"],
        ["1,a", '2,"stray at the end'],
        ['1,"stray', "b", "c", "2,d"],
    ],
)
def test_a_stray_quote_eats_no_other_line(lines: list[str]) -> None:
    assert list(csv_records(lines, STARTS)) == lines


def test_a_stray_quote_does_not_hold_a_large_file_in_memory() -> None:
    lines = ['1,"stray', *(["x" * 100_000] * 12), 'late",2']

    assert list(csv_records(lines, STARTS)) == lines


@fast
@given(st.lists(st.text(alphabet='1a,"', min_size=1, max_size=6), max_size=12))
def test_records_hold_every_line_in_order(lines: list[str]) -> None:
    assert "\n".join(csv_records(lines, STARTS)).split("\n") == (lines or [""])


def test_missing_columns_are_left_out_and_those_without_a_name_have_a_number(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    events = list(named([["1"], ["1", "2"], ["1", "2", "3"], ["1", "2", "3", "4"]], ("a", "b"), "alb", "some/key"))

    short = {"a": "1", "b": "2"}
    assert events == [{"a": "1"}, short, {**short, "column_3": "3"}, {**short, "column_3": "3", "column_4": "4"}]
    assert [record.getMessage() for record in caplog.records] == [
        "2 lines of type alb in some/key have up to 4 columns instead of 2 known columns; "
        "the others are sent as column_N"
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_line_of_blanks_does_not_become_an_event_of_millions_of_columns() -> None:
    fields = ["x"] * 100_000
    [event] = named([fields.copy()], ("a", "b"), "alb", "some/key")
    assert len(event) == 1000
    assert " ".join(event.values()).split(" ") == fields
    [batch] = column_batches([[fields.copy()]], ("a", "b"), "alb", "some/key")
    assert list(batch_events(batch)) == [event]


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ('a, "b, c",  "d"', ["a", "b, c", "d"]),
        (' "a", "b"', ["a", "b"]),
        ('a, "b "" c", d "e"', ["a", 'b " c', ' d "e"']),
        ("a, b", ["a", " b"]),
    ],
)
def test_a_blank_before_a_quote_is_no_part_of_the_value(record: str, fields: list[str]) -> None:
    assert comma_fields(record) == fields


def test_nothing_is_told_when_every_column_has_a_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    assert list(named([["1"], ["1", "2"]], ("a", "b"), "alb", "some/key"))
    assert not caplog.records


@fast
@given(st.lists(st.lists(st.text("ab", max_size=2), min_size=1, max_size=4), max_size=300))
def test_tables_hold_the_same_events(rows: list[list[str]]) -> None:
    names = ("a", "b", "a")
    made = chain.from_iterable(map(batch_events, column_batches([rows[:100], rows[100:]], names, "alb", "some/key")))
    assert list(made) == list(named(rows, names, "alb", "some/key"))


def test_columns_of_tables_that_have_no_name_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rows = [["1"], *([["1", "2", "3"]] * 300), ["1", "2", "3", "4"]]
    assert len(list(column_batches([rows], ("a", "b"), "alb", "some/key"))) > 3
    [record] = caplog.records
    assert record.getMessage().startswith("301 lines of type alb in some/key have up to 4 columns instead of 2 known")
