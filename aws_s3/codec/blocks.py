"""Cutting content into blocks that can be read alone, in any order and in any process.

A cut costs a search; the reading of a block proves that it was in the right place. JSON has no second reading: where an
element of a list is expected, and the text up to a comma is a list's inside, an element is expected behind the comma.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, Any, NamedTuple

from aws_s3.codec.json_and_lines import WHITE, json_list, lines_of, whole_lines

SIZE = 1 << 15
"""Bytes of a block: what Python makes of it fits into a processor's cache."""

_LARGEST = 1 << 20
"""Bytes of the largest block: values that are longer are left to the scanner, which limits their members."""


class Block(NamedTuple):
    """Some of an object's content: `data` begins at the byte `start`. `names`: of the columns, if lines have some."""

    start: int
    data: bytes
    names: tuple[str, ...] = ()


class IrregularError(Exception):
    """From the byte `start` on, where a block begins, content is not what blocks can hold; 0: it is so as a whole.

    `names` are those of the block.
    """

    def __init__(self, start: int, names: tuple[str, ...] = ()) -> None:
        super().__init__(start, names)
        self.start = start
        self.names = names


def list_blocks(body: IO[bytes], field: str) -> Iterator[Block]:
    """Yield the inside of the list `field` of the one JSON object in `body`, cut between objects.

    Only strings may be members before the list, and none behind it. Cuts are made where an object begins with the same
    name as the first one. Raises IrregularError.
    """
    text = body.read(SIZE)
    opening = _opening(field).match(text)
    if opening is None:
        raise IrregularError(0)
    start = opening.start("object")
    text = text[start:]
    between = b""
    while more := body.read(SIZE):
        text += more
        if not between:
            found = _cut_before(opening["object"]).search(text)
            between = found[0] if found else b""
        cut = text.rfind(between) + 1 if between else 0
        if cut:
            yield Block(start, text[:cut])
            cut = text.index(b",", cut) + 1
            start += cut
            text = text[cut:]
        elif len(text) > _LARGEST:
            raise IrregularError(start)
    inside = _without_end(text, b"]", b"}")
    if inside is None:
        raise IrregularError(start)
    yield Block(start, inside)


def line_blocks(body: IO[bytes], names: tuple[str, ...] = ()) -> Iterator[Block]:
    """Yield the content cut between lines; `names` are those of the columns."""
    start = 0
    for data in whole_lines(body, SIZE):
        yield Block(start, data, names)
        start += len(data)


def block_lines(block: Block) -> list[str]:
    """Return the lines of a block of `line_blocks` that hold more than blanks, without their ends."""
    return lines_of(block.data, is_first=block.start == 0)


def _without_end(text: bytes, *marks: bytes) -> bytes | None:
    """Return the text without the marks at its end, white space aside; None if it ends otherwise."""
    for mark in reversed(marks):
        text = text.rstrip(WHITE)
        if not text.endswith(mark):
            return None
        text = text[:-1]
    return text


@lru_cache
def _opening(field: str) -> re.Pattern[bytes]:
    """Return what the content begins with, up to the name of the first object's first member."""
    string = r'"[^"\\\x00-\x1f]*" '
    members = rf'(?:(?!"{field}"){string}: {string}, )*'
    pattern = rf'(?:\xef\xbb\xbf)? \{{ {members}"{field}" : \[ (?P<object>\{{ {string}:)'
    # Nothing but a blank may follow a blank, so that no two repetitions meet.
    return re.compile(pattern.replace(" ", r"[ \t\r\n]*").encode())


@lru_cache
def _cut_before(name: bytes) -> re.Pattern[bytes]:
    """Return the text between two objects of which the second one begins with this name."""
    return re.compile(rb"\}([ \t\r\n]*,[ \t\r\n]*)" + re.escape(name))


def block_objects(block: Block) -> list[dict[str, Any]]:
    """Return the objects of a block of `list_blocks`. Raises IrregularError if it holds anything else."""
    values = json_list(block.data)
    if values is None or not {dict}.issuperset(map(type, values)):
        raise IrregularError(block.start)
    return values
