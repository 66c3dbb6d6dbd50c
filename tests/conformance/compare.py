"""What a run gave, against what its case expects."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from tests.conformance.case import Expectation, Message

_HEADER = "1:Wazuh-AWS:"
_SHOWN = 400


@dataclass(frozen=True)
class Seen:
    """What a run gave. `exit` is None when it did not end; `left`, `queue` are None where there is none.

    `rows` holds the tables that the existing module knows, also those without rows.
    """

    exit: int | None
    output: str
    datagrams: Sequence[bytes] = ()
    rows: Mapping[str, Sequence[Sequence[Any]]] | None = None
    left: Sequence[str] | None = None
    queue: int | None = None


def differences(want: Expectation, seen: Seen) -> list[str]:
    """Return how `seen` differs from what is wanted, a line each; nothing when it is as it should be."""
    checks = (_exit, _messages, _oversize, _rows, _left, _queue, _output)
    return [line for check in checks for line in check(want, seen)]


def _exit(want: Expectation, seen: Seen) -> Iterator[str]:
    if want.exit is not None and seen.exit != want.exit:
        code = "no exit" if seen.exit is None else f"exit {seen.exit}"
        yield f"{code}, want {want.exit}; the output ends {seen.output.strip()[-_SHOWN:]!r}"


def _messages(want: Expectation, seen: Seen) -> Iterator[str]:
    if want.messages is None:
        return
    got = _counted(want, seen)
    wanted = [_without_reason((header, content)) for header, content in want.messages]
    if len(got) != len(wanted):
        yield f"{len(got)} messages, want {len(wanted)}"
    got_of, wanted_of = _by_object(got), _by_object(wanted)
    for key in sorted(got_of.keys() | wanted_of.keys()):
        yield from _first_difference(key, got_of.get(key, []), wanted_of.get(key, []))


def _oversize(want: Expectation, seen: Seen) -> Iterator[str]:
    if not want.oversize:
        return
    got = _counted(want, seen)
    events = [content["aws"] for _, content in got if isinstance(content, dict)]
    cut = [event for event in events if event["log_info"].get("truncated") is True]
    kept = [(event.get("eventID"), event["requestParameters"].get("id")) for event in cut]
    if len(got) != 2 or kept != [("big", "keep")]:
        yield f"{len(got)} messages, want 2; cut: {kept}, want eventID 'big' with id 'keep'"


def _rows(want: Expectation, seen: Seen) -> Iterator[str]:
    if want.rows is None:
        return
    got = seen.rows or {}
    # A table that the case does not name has no rows; whether it exists is nobody's business.
    named = {table: rows for table, rows in got.items() if rows or table in want.rows}
    for table in sorted(named.keys() | want.rows.keys()):
        yield from _unequal(f"rows of {table}", _sorted(named.get(table)), _sorted(want.rows.get(table)))


def _left(want: Expectation, seen: Seen) -> Iterator[str]:
    if want.left is not None:
        yield from _unequal("keys left", seen.left, want.left)


def _queue(want: Expectation, seen: Seen) -> Iterator[str]:
    if want.queue is not None:
        yield from _unequal("messages queued", seen.queue, want.queue)


def _output(want: Expectation, seen: Seen) -> Iterator[str]:
    for text in want.out:
        if text not in seen.output:
            yield f"the output lacks {text!r}: {seen.output.strip()[-_SHOWN:]!r}"
    for text in want.out_never:
        if text in seen.output:
            yield f"the output holds {text!r}"


def _counted(want: Expectation, seen: Seen) -> list[Message]:
    messages = [_without_reason(_message(datagram)) for datagram in seen.datagrams]
    return [message for message in messages if not want.buckets_only or _object_of(message)]


def _message(datagram: bytes) -> Message:
    text = datagram.decode("utf-8", "replace")
    header, content = (_HEADER, text[len(_HEADER) :]) if text.startswith(_HEADER) else ("?", text)
    try:
        return header, json.loads(content)
    except ValueError:
        return header, content


def _without_reason(message: Message) -> Message:
    """Return the message with its error_msg up to the first `: `: behind it stand a parser's own words."""
    header, content = message
    if isinstance(content, dict) and isinstance(content.get("error_msg"), str):
        return header, content | {"error_msg": content["error_msg"].split(": ")[0]}
    return message


def _object_of(message: Message) -> str:
    """Return the key of the object that the message came from; empty when from none."""
    try:
        return str(message[1]["aws"]["log_info"]["log_file"])
    except (TypeError, KeyError):
        return ""


def _by_object(messages: Sequence[Message]) -> dict[str, list[Message]]:
    """Group the messages: their order within an object is promised, that of objects is not."""
    grouped: dict[str, list[Message]] = {}
    for message in messages:
        grouped.setdefault(_object_of(message), []).append(message)
    return grouped


def _first_difference(key: str, got: Sequence[Message], wanted: Sequence[Message]) -> Iterator[str]:
    for number, (one, other) in enumerate(zip_longest(got, wanted)):
        if one != other:
            yield from _unequal(f"message {number} of {key or 'no object'}", one, other)
            return


def _unequal(what: str, got: Any, wanted: Any) -> Iterator[str]:
    if got != wanted:
        yield f"{what}: {_shown(got)}, want {_shown(wanted)}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:_SHOWN]


def _sorted(rows: Sequence[Sequence[Any]] | None) -> list[list[Any]] | None:
    return None if rows is None else sorted(map(list, rows), key=repr)
