"""Reading log formats as streams: JSON in any arrangement, and lines of text.

Every function takes a binary file and yields one value at a time, so that memory does not grow with
the object. Text is UTF-8; what is not becomes U+FFFD. Content that is not of the format raises
ParseError, and nothing else.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, Any

from aws_s3.errors import ParseError

_fast_decode: Callable[[bytes], Any] | None
try:  # The extra `fast`.
    from orjson import loads as _fast_decode
except ImportError:
    _fast_decode = None

_SMALL = 1 << 20
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * 19
_CHUNK = 1 << 17
# No record is near it; what is read may take forty times as much memory as its text.
_LARGEST_VALUE = 16 << 20
_LARGEST_LINE = 16 << 20
_SPACE = re.compile(r"[ \t\r\n]*")
# NaN and Infinity are not JSON, but written by careless programs: their names are what can be sent.
_DECODER = json.JSONDecoder(parse_constant=str)
# How far before the end of a cut text the decoder may stop, at most: within `-Infinity`, or an escape.
_LONGEST_TOKEN = 16
_ZERO_AND_DIGIT = re.compile(r"0\d", re.ASCII)
_LEADING_ZEROS = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*"?)|(?<![\w.+-])(-?)0+(?=\d)', re.ASCII | re.DOTALL)


def text_lines(body: IO[bytes]) -> Iterator[str]:
    """Yield each line that holds anything, without its end. A line of over 16 MiB raises ParseError."""
    return chain.from_iterable(line_blocks(body))


def line_blocks(body: IO[bytes]) -> Iterator[Iterator[str]]:
    """Yield the same lines in blocks: several lines, or a long one, of which few fit into memory."""
    encoding = "utf-8-sig"
    for block in _whole_lines(body):
        yield filter(None, (line.rstrip("\r") for line in block.decode(encoding, "replace").split("\n")))
        encoding = "utf-8"


def check_lines(body: IO[bytes]) -> None:
    """Raise ParseError where `text_lines` would."""
    for _ in _whole_lines(body):
        pass


def _whole_lines(body: IO[bytes]) -> Iterator[bytes]:
    """Yield the content in blocks that end where a line does, without that line's end."""
    rest = b""
    while chunk := body.read(_CHUNK):
        whole, end, begun = chunk.rpartition(b"\n")
        if end:
            yield rest + whole
            rest = b""
        rest += begun
        if len(rest) >= _LARGEST_LINE:
            raise ParseError(f"a line is longer than {_LARGEST_LINE >> 20} MiB")
    yield rest


def holds_json(body: IO[bytes]) -> bool:
    """Tell JSON objects and lists of them from text, by how it begins; `body` is at its start again.

    Broken JSON is still JSON. What begins as another value is text, as no event can be made of such:
    `2 123456789012 eni-1 …`, `[2021-06-10] …`.
    """
    scanner = JsonScanner(body)
    # An empty string, at the end of a list that is cut off, is in any.
    found = scanner.peek() == "{" or (scanner.take("[") and scanner.peek() in '{["]')
    body.seek(0)
    return found


def json_values(body: IO[bytes]) -> Iterator[Any]:
    """Yield JSON values that follow each other with nothing, white space or newlines between.

    Of a list, its values are yielded instead.
    """
    scanner = JsonScanner(body)
    while first := scanner.peek():
        if first == "[":
            yield from array_items(scanner)
        else:
            yield scanner.value()


def array_field(body: IO[bytes], field: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the list `field` of the one JSON object in `body`; none without that field."""
    if (whole := _decoded(body, field)) is not None:
        yield from whole
        return
    scanner = JsonScanner(body)
    for name in _names(scanner):
        if name == field and scanner.peek() == "[":
            yield from _objects(scanner, field)
        elif scanner.value() is not None and name == field:
            raise ParseError(f"{field!r} is not a list")
    if scanner.peek():
        raise ParseError("there is more after the end of the JSON object")


def _decoded(body: IO[bytes], field: str) -> list[dict[str, Any]] | None:
    """Return the objects of a small file with a fast decoder, None where it may see another thing in the text.

    `body` is at its start again.
    """
    if _fast_decode is None:
        return None
    text = body.read(_SMALL)
    body.seek(0)
    # It makes floats of integers beyond 64 bits, and takes the last of several fields of one name.
    if len(text) == _SMALL or _LONG_NUMBER in text.translate(_DIGITS) or text.count(f'"{field}"'.encode()) != 1:
        return None
    try:
        found = _fast_decode(text)
    except ValueError:
        return None
    objects = found.get(field) if type(found) is dict else None
    return objects if type(objects) is list and all(type(value) is dict for value in objects) else None


def _names(scanner: "JsonScanner") -> Iterator[str]:
    """Yield the names of the JSON object that the scanner stands before; who asks steps over the values."""
    scanner.expect("{")
    more = scanner.peek() != "}"
    while more:
        if scanner.peek() != '"':
            raise ParseError("a member of the JSON object has no name")
        name: str = scanner.value()
        scanner.expect(":")
        yield name
        more = scanner.take(",")
    scanner.expect("}")


def _objects(scanner: "JsonScanner", field: str) -> Iterator[dict[str, Any]]:
    for value in array_items(scanner):
        if type(value) is not dict:
            raise ParseError(f"{field!r} holds a value that is not an object")
        yield value


def array_items(scanner: "JsonScanner") -> Iterator[Any]:
    """Yield the values of the JSON list that the scanner stands before."""
    if scanner.holds_rest():
        # Small files: one call of the decoder is faster than one for each value.
        yield from scanner.value()
        return
    scanner.expect("[")
    more = scanner.peek() != "]"
    while more:
        yield scanner.value()
        more = scanner.take(",")
    scanner.expect("]")


class JsonScanner:
    """Reads JSON values one by one from a binary file, holding no more of it than one value needs.

    Numbers with leading zeros, which are not JSON, are read as if they had none: Macie writes them.
    """

    def __init__(self, body: IO[bytes]) -> None:
        self._body = body
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._buffer = ""
        self._at = 0
        self._ended = False

    def peek(self) -> str:
        """Return the next character that is not white space, or an empty string at the end."""
        while True:
            self._at = _SPACE.match(self._buffer, self._at).end()  # type: ignore[union-attr] # matches empty
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._fill():
                return ""

    def take(self, character: str) -> bool:
        """Step over `character` if it comes next; tell whether it did."""
        found = self.peek() == character
        self._at += found
        return found

    def expect(self, character: str) -> None:
        """Step over `character`; raises ParseError when something else comes."""
        if not self.take(character):
            found = self.peek()
            raise ParseError(f"{character!r} is missing before {found!r}" if found else "the JSON is cut off")

    def value(self) -> Any:
        """Return the next value and step over it. Raises ParseError, and stays where it is, if there is none."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except RecursionError as error:
                raise ParseError("the JSON is nested too deeply") from error
            except ValueError as error:
                if self._drop_zeros(getattr(error, "pos", 0)) or (_may_be_cut(error) and self._fill()):
                    continue
                raise ParseError(f"not JSON: {_reason(error)}") from error
            if isinstance(value, (int, float)) and (self._drop_zeros(end) or self._goes_on(end)):
                continue
            self._at = end
            return value

    def skip_line(self) -> None:
        """Step over what is left of the line."""
        while (end := self._buffer.find("\n", self._at)) < 0:
            self._at = len(self._buffer)
            if not self._fill():
                return
        self._at = end + 1

    def holds_rest(self) -> bool:
        """Tell whether all that is left of the file has been read; that needs a look ahead of one chunk."""
        if len(self._buffer) - self._at < _CHUNK:
            self._fill()
        return self._ended

    def _drop_zeros(self, at: int) -> bool:
        """Take leading zeros off all numbers that have been read, if the decoder stopped at `at` for one.

        It takes the first zero for the whole number, and finds a digit behind it.
        """
        if not _ZERO_AND_DIGIT.match(self._buffer, at - 1):
            return False
        text = self._buffer[self._at :]
        # What a string holds is matched too, and put back.
        self._buffer = _LEADING_ZEROS.sub(r"\1\2", text)
        self._at = 0
        return len(self._buffer) < len(text)

    def _goes_on(self, end: int) -> bool:
        """Tell whether a number that ends at `end` may be longer; there is more of the file now."""
        return end + len("e-") >= len(self._buffer) and self._fill()

    def _fill(self) -> bool:
        """Read on, in steps that grow with the value at hand; False, and nothing moved, at the end of the file."""
        if self._ended:
            return False
        held = len(self._buffer) - self._at
        if held > _LARGEST_VALUE:
            raise ParseError(f"a JSON value is longer than {_LARGEST_VALUE >> 20} MiB")
        data = self._body.read(max(_CHUNK, held))
        self._ended = not data
        more = self._decoder.decode(data, final=self._ended)
        if not more:
            return self._fill()
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        return True


def _may_be_cut(error: ValueError) -> bool:
    """Tell whether the text could be JSON if it went on."""
    if not isinstance(error, json.JSONDecodeError):
        return True
    return error.pos + _LONGEST_TOKEN > len(error.doc) or error.msg.startswith("Unterminated string")


def _reason(error: ValueError) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return "a number has too many digits"
    return f"{error.msg}: {error.doc[error.pos : error.pos + 20]!r}"
