"""The general reshaping, rule by rule."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec.reshape import reshape, reshape_own, without_nulls


@pytest.mark.parametrize(
    ("event", "shaped"),
    [
        ({"a": None, "b": 1}, {"b": 1}),
        ({"a": {"b": None, "c": {"d": None}}}, {"a": {"c": {}}}),
        ({"a": [None, {"b": None}]}, {"a": [None, {"b": None}]}),
        ({"a": False, "b": 0, "c": "", "d": {}, "e": []}, {"a": False, "b": 0, "c": "", "d": {}, "e": []}),
    ],
)
def test_nulls_are_removed_from_objects_not_from_lists(event: dict[str, Any], shaped: dict[str, Any]) -> None:
    assert reshape(event) == shaped
    assert without_nulls(event) == shaped


@pytest.mark.parametrize(
    ("event", "shaped"),
    [
        ({"a": ["x"]}, {"a": "x"}),
        ({"a": {"b": {"c": [1]}}}, {"a": {"b": {"c": 1}}}),
        ({"a": [["x"]]}, {"a": ["x"]}),
        ({"a": [{"b": ["x"], "c": None}]}, {"a": {"b": ["x"], "c": None}}),
        ({"a": ["x", "y"]}, {"a": ["x", "y"]}),
        ({"a": [["x"], ["y"]]}, {"a": [["x"], ["y"]]}),
        ({"a": []}, {"a": []}),
        ({"a": [None]}, {"a": None}),
    ],
)
def test_a_list_of_one_becomes_its_element_which_is_not_looked_into(
    event: dict[str, Any], shaped: dict[str, Any]
) -> None:
    assert reshape(event) == shaped


def test_without_nulls_leaves_lists_of_one_alone() -> None:
    assert without_nulls({"a": ["x"], "tags": ["y"], "sourceIPAddress": "192.0.2.1"}) == {
        "a": ["x"],
        "tags": ["y"],
        "sourceIPAddress": "192.0.2.1",
    }


@pytest.mark.parametrize("address", ["198.51.100.7", "0.0.0.0", "999.999.999.999"])
def test_what_looks_like_an_ipv4_address_is_copied(address: str) -> None:
    assert reshape({"sourceIPAddress": address})["source_ip_address"] == address
    assert reshape({"sourceIPAddress": [address]})["source_ip_address"] == address


@pytest.mark.parametrize(
    "address",
    [
        "s3.amazonaws.com",
        "AWS Internal",
        "2001:db8::1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.4 ",
        "1.2.3.4\n",
        "1.2.3.١",
        7,
        None,
    ],
)
def test_another_address_is_not(address: Any) -> None:
    assert "source_ip_address" not in reshape({"sourceIPAddress": address})


@pytest.mark.parametrize(
    ("tags", "shaped"),
    [
        ({"k": "v"}, {"k": "v"}),
        (["x", "y"], {"value": ["x", "y"]}),
        (["single"], {"value": "single"}),
        ([{"k": "v"}], {"k": "v"}),
        ([], {"value": []}),
        ("text", {"value": "text"}),
        (0, {"value": 0}),
    ],
)
def test_tags_become_an_object(tags: Any, shaped: Any) -> None:
    assert reshape({"tags": tags}) == {"tags": shaped}


def test_tags_that_are_null_are_removed_and_deeper_ones_left() -> None:
    assert reshape({"tags": None, "a": {"tags": "x", "sourceIPAddress": "192.0.2.1"}}) == {
        "a": {"tags": "x", "sourceIPAddress": "192.0.2.1"}
    }


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=15,
)


def holds_null(event: dict[str, Any]) -> bool:
    """Tell whether a member is null, at any depth of nested objects."""
    return any(member is None or (isinstance(member, dict) and holds_null(member)) for member in event.values())


@given(st.dictionaries(st.text(max_size=3), values, max_size=5))
@settings(max_examples=100, deadline=None)
def test_the_event_itself_is_left_alone_and_no_null_stays(event: dict[str, Any]) -> None:
    before = repr(event)
    assert not holds_null(without_nulls(event))
    assert reshape(event).keys() <= event.keys()
    assert repr(event) == before


@given(st.dictionaries(st.text(max_size=3) | st.sampled_from(["tags", "sourceIPAddress"]), values, max_size=5))
@settings(max_examples=200, deadline=None)
def test_an_event_reshaped_itself_is_what_its_copy_would_be(event: dict[str, Any]) -> None:
    shaped = reshape(event)
    assert repr(reshape_own(event)) == repr(shaped) == repr(event)
