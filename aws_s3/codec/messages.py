"""Messages as Wazuh takes them: the envelope, the encoding, and the size rule."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, Protocol

from aws_s3.codec.delimited import ColumnBatch, batch_events

_fast_encode: Callable[[Any], bytes] | None
try:  # The extra `fast`.
    from orjson import dumps as _fast_encode
except ImportError:
    _fast_encode = None

HEADER = b"1:Wazuh-AWS:"
LARGEST = 65_280
"""Bytes of the largest message, header included, that passes every Wazuh agent and server."""

_ESCAPED = bytes((*range(0x20), *b'"\\'))
_CUT = "…[truncated]"
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)
_ASCII_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def bucket_log_info(alias: str, key: str, bucket: str) -> dict[str, Any]:
    """Return the `log_info` of an event that came from an object of a bucket."""
    return {"aws_account_alias": alias, "log_file": key, "s3bucket": bucket}


def envelope(log_info: dict[str, Any], event: dict[str, Any], account: str = "") -> dict[str, Any]:
    """Return the message of an event; `account` is added where the type carries it.

    A `log_info` of the event's own becomes `event_log_info`, because nothing that was logged may forge its origin.
    """
    body = {"log_info": log_info} | event | {"log_info": log_info}
    if "log_info" in event:
        body["event_log_info"] = event["log_info"]
    if account:
        body["aws_account_id"] = account
    return {"integration": "aws", "aws": body}


class Encoder(Protocol):
    """Makes messages of events: each message is JSON in UTF-8 on one line."""

    def message(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the message of an event as an object."""

    def encode(self, event: dict[str, Any]) -> bytes:
        """Return the message of an event as JSON in UTF-8, on one line."""

    def encode_all(self, events: Iterable[dict[str, Any]]) -> list[bytes]:
        """Return the messages of events, each as `encode` makes it."""

    def encode_columns(self, batch: ColumnBatch) -> bytes:
        """Return the messages of a batch that has rows as lines, each as `encode` makes it."""


class Envelope:
    """Encodes the events of one object in Wazuh's envelope, whose own JSON is made once."""

    def __init__(self, log_info: dict[str, Any], account: str = "") -> None:
        self._log_info = log_info
        self._account = account
        self._head = encode(envelope(log_info, {})).removesuffix(b"}}") + b","
        self._tail = b"," + encode({"aws_account_id": account})[1:] + b"}" if account else b"}}"

    def message(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the message of an event."""
        return envelope(self._log_info, event, self._account)

    def encode(self, event: dict[str, Any]) -> bytes:
        """Return the message of an event as JSON in UTF-8, on one line."""
        if not event or "log_info" in event or "aws_account_id" in event:
            # The event and the envelope have members of one name.
            return encode(self.message(event))
        return self._head + _encoded(event)[1:-1] + self._tail

    def encode_all(self, events: Iterable[dict[str, Any]]) -> list[bytes]:
        """Return the messages of events, each as `encode` makes it: usual ones without a call for each."""
        head, tail, fast = self._head, self._tail, _fast_encode
        if fast is None:
            return list(map(self.encode, events))
        messages = []
        for event in events:
            if event and "log_info" not in event and "aws_account_id" not in event:
                try:
                    encoded = fast(event)
                except TypeError:
                    encoded = b"null"
                if b"null" not in encoded:
                    messages.append(head + encoded[1:-1] + tail)
                    continue
            messages.append(self.encode(event))
        return messages

    def encode_columns(self, batch: ColumnBatch) -> bytes:
        """Return the messages of a batch that has rows as lines, as `encode` makes them of the events."""
        if not _is_plain(batch) or not {"log_info", "aws_account_id"}.isdisjoint(batch):
            return join_lines(map(self.encode, batch_events(batch)))
        # Nothing needs to be escaped: the values are put between the parts that all messages share.
        first, *others = _names(tuple(batch))
        before = (self._head.decode() + first, *(f'",{name}' for name in others))
        columns = chain.from_iterable(zip(map(repeat, before), batch.values(), strict=True))
        pieces = zip(*columns, repeat(f'"{self._tail.decode()}\n'))
        return "".join(chain.from_iterable(pieces)).encode()


class PlainEncoder:
    """Encodes events without an envelope."""

    def message(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event."""
        return event

    def encode(self, event: dict[str, Any]) -> bytes:
        """Return the event as JSON in UTF-8, on one line."""
        return encode(event)

    def encode_all(self, events: Iterable[dict[str, Any]]) -> list[bytes]:
        """Return the events as JSON in UTF-8, each on one line."""
        return list(map(encode, events))

    def encode_columns(self, batch: ColumnBatch) -> bytes:
        """Return the messages of a batch that has rows as lines."""
        return join_lines(map(encode, batch_events(batch)))


@lru_cache(maxsize=16)
def _names(names: Sequence[str]) -> Sequence[str]:
    """Return the JSON text before each value of these names: the name, and the quote that opens the value."""
    return [encode({name: ""})[1:-2].decode() for name in names]


def join_lines(messages: Iterable[bytes]) -> bytes:
    """Return the messages as lines."""
    return b"\n".join((*messages, b""))


def _is_plain(batch: ColumnBatch) -> bool:
    """Tell whether no string of the table holds a character that JSON escapes."""
    text = "".join(map("".join, batch.values())).encode()
    return len(text.translate(None, _ESCAPED)) == len(text)


def encode(message: dict[str, Any]) -> bytes:
    """Return the message as JSON in UTF-8, on one line."""
    # A copy: orjson's own keeps all the room that it was written in.
    return bytes(memoryview(_encoded(message)))


def _encoded(message: dict[str, Any]) -> bytes:
    if _fast_encode is not None:
        try:
            encoded = _fast_encode(message)
        except TypeError:
            pass  # Integers beyond 64 bits, lone surrogates, nesting beyond 254 levels.
        else:
            # A null may stand for a number that is none, which is sent by its name.
            if b"null" not in encoded:
                return encoded
    try:
        return _ENCODER.encode(message).encode()
    except ValueError:
        # Lone surrogates have no UTF-8 form, and infinite numbers no JSON form.
        return _ASCII_ENCODER.encode(_finite(message)).encode()


def shrink(message: dict[str, Any], limit: int) -> bytes:
    """Return the message encoded in at most `limit` bytes, with `truncated` in its log_info if it has one.

    The longest strings are cut, no shorter than is needed; if that is not enough, the longest lists
    too, and as the last resort names and the objects with most members.
    """
    content, build = _content(message)
    if _size(build({})) > limit:
        content, build = message, dict
    try:
        for cut, shortest in ((_cut_strings, 64), (_cut_lists, 1), (_cut_members, 1)):
            least = cut(content, shortest)
            if _size(build(least)) <= limit:
                return encode(build(_longest_fitting(content, cut, build, limit, shortest)))
            content = least
    except RecursionError:  # nested deeper than Wazuh reads
        pass
    return encode(build({}))


def cut_text(text: str, limit: int) -> bytes:
    """Return `text` in UTF-8, cut at a character's end to at most `limit` bytes."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").encode()


Cut = Callable[[Any, int], Any]
Build = Callable[[dict[str, Any]], dict[str, Any]]


def _content(message: dict[str, Any]) -> tuple[dict[str, Any], Build]:
    """Return the part of the message that may be cut, and a function that puts the rest around it again."""
    body = message.get("aws")
    if not isinstance(body, dict):
        return message, dict
    log_info = body.get("log_info")
    if not isinstance(log_info, dict):
        return body, lambda cut: {**message, "aws": cut}
    marked = {"log_info": {**log_info, "truncated": True}}
    content = {name: value for name, value in body.items() if name != "log_info"}
    return content, lambda cut: {**message, "aws": {**marked, **cut}}


def _size(message: dict[str, Any]) -> int:
    return len(encode(message))


def _longest_fitting(content: Any, cut: Cut, build: Build, limit: int, shortest: int) -> Any:
    """Return the content cut as little as fits: `shortest` is known to."""
    fits, too_long = shortest, limit
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if _size(build(cut(content, middle))) <= limit:
            fits = middle
        else:
            too_long = middle
    return cut(content, fits)


def _cut_strings(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else value[: longest - len(_CUT)] + _CUT
    return _with_parts(value, _cut_strings, longest)


def _cut_lists(value: Any, longest: int) -> Any:
    return _with_parts(value[:longest] if isinstance(value, list) else value, _cut_lists, longest)


def _cut_members(value: Any, longest: int) -> Any:
    if isinstance(value, dict):
        value = {_cut_strings(name, 64): member for name, member in list(value.items())[:longest]}
    return _with_parts(value, _cut_members, longest)


def _with_parts(value: Any, cut: Cut, longest: int) -> Any:
    """Return a copy of a list or an object whose elements or members are cut; another value as it is."""
    if isinstance(value, list):
        return [cut(element, longest) for element in value]
    if isinstance(value, dict):
        return {name: cut(member, longest) for name, member in value.items()}
    return value


def _finite(value: Any) -> Any:
    """Return a copy in which infinite numbers are their names."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [_finite(element) for element in value]
    if isinstance(value, dict):
        return {name: _finite(member) for name, member in value.items()}
    return value
