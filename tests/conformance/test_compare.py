"""Each comparison of the replayer can fail."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.conformance.case import Expectation
from tests.conformance.compare import Seen, differences

HEADER = "1:Wazuh-AWS:"


def event(key: str, **members: Any) -> dict[str, Any]:
    return {"integration": "aws", "aws": {"log_info": {"log_file": key}, **members}}


def datagram(content: Any, header: str = HEADER) -> bytes:
    return (header + (content if isinstance(content, str) else json.dumps(content))).encode()


FIRST, SECOND, OTHER = event("a", eventID="1"), event("a", eventID="2"), event("b", eventID="3")
BAD = {**event("a"), "error_msg": "Failed to parse file a: theirs"}
SEEN = Seen(
    exit=0,
    output="ERROR: no\n",
    datagrams=[datagram(FIRST), datagram(OTHER), datagram(SECOND), datagram("plain")],
    rows={"cloudtrail": [["b/", "1", "k2"], ["b/", "1", "k1"]], "config": []},
    left=["k1"],
    queue=1,
)
WANT = Expectation(
    exit=0,
    messages=[(HEADER, FIRST), (HEADER, SECOND), (HEADER, OTHER), (HEADER, "plain")],
    rows={"cloudtrail": [["b/", "1", "k1"], ["b/", "1", "k2"]]},
    left=["k1"],
    queue=1,
    out=["ERROR: "],
    out_never=["secret"],
)


def test_what_is_as_wanted_has_no_differences() -> None:
    assert differences(WANT, SEEN) == []


def test_what_the_case_does_not_name_is_not_compared() -> None:
    assert differences(Expectation(exit=0), SEEN) == []


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"exit": 1}, "exit 1, want 0"),
        ({"exit": None}, "no exit, want 0"),
        ({"datagrams": SEEN.datagrams[:-1]}, "3 messages, want 4"),
        ({"datagrams": [*SEEN.datagrams, datagram(FIRST)]}, "5 messages, want 4"),
        ({"datagrams": [SEEN.datagrams[i] for i in (2, 1, 0, 3)]}, "message 0 of a: "),
        ({"datagrams": [datagram(FIRST, "1:Other:"), *SEEN.datagrams[1:]]}, "message 0 of no object: "),
        ({"datagrams": [*SEEN.datagrams[:-1], datagram("other")]}, "message 0 of no object: "),
        ({"rows": {"cloudtrail": []}}, "rows of cloudtrail: []"),
        ({"rows": {}}, "rows of cloudtrail: null"),
        ({"rows": {**(SEEN.rows or {}), "config": [["b/"]]}}, "rows of config: "),
        ({"left": []}, "keys left: []"),
        ({"left": None}, "keys left: null"),
        ({"queue": 0}, "messages queued: 0"),
        ({"output": "INFO: all is well"}, "the output lacks 'ERROR: '"),
        ({"output": "ERROR: secret"}, "the output holds 'secret'"),
    ],
)
def test_each_difference_is_told(changed: dict[str, Any], difference: str) -> None:
    found = differences(WANT, replace(SEEN, **changed))
    assert any(line.startswith(difference) for line in found), found


def test_an_error_message_is_compared_up_to_its_reason() -> None:
    want = Expectation(exit=0, messages=[(HEADER, BAD)])
    ours = BAD | {"error_msg": "Failed to parse file a: ours"}
    another = BAD | {"error_msg": "Failed to parse file b: ours"}
    assert differences(want, replace(SEEN, datagrams=[datagram(ours)])) == []
    assert differences(want, replace(SEEN, datagrams=[datagram(another)])) != []


def test_messages_of_no_object_do_not_count_when_only_buckets_do() -> None:
    want = Expectation(exit=0, messages=[(HEADER, FIRST)], buckets_only=True)
    assert differences(want, replace(SEEN, datagrams=[datagram("plain"), datagram(FIRST)])) == []
    assert differences(want, replace(SEEN, datagrams=[datagram("plain")])) != []


def test_of_two_messages_the_big_one_is_cut_and_keeps_what_is_small() -> None:
    want = Expectation(exit=0, oversize=True)
    big = event("a", eventID="big", requestParameters={"id": "keep"})
    marked = json.loads(json.dumps(big))
    marked["aws"]["log_info"]["truncated"] = True
    assert differences(want, replace(SEEN, datagrams=[datagram(FIRST), datagram(marked)])) == []
    assert differences(want, replace(SEEN, datagrams=[datagram(FIRST), datagram(big)])) != []
    assert differences(want, replace(SEEN, datagrams=[datagram(marked)])) != []
