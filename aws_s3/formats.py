"""Reading log formats as streams: JSON in any arrangement, and lines of text.

Every function takes a binary file and yields one value at a time, so that memory does not grow with
the object. Text is UTF-8; what is not becomes U+FFFD. Content that is not of the format raises
ParseError, and nothing else.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO, Any

from aws_s3.errors import ParseError

_CHUNK = 1 << 18
_LARGEST_VALUE = 64 << 20
_LARGEST_LINE = 16 << 20
_SPACE = re.compile(r"[ \t\r\n]*")
# NaN and Infinity are not JSON, but written by careless programs: their names are what can be sent.
_DECODER = json.JSONDecoder(parse_constant=str)


def lines(body: IO[bytes]) -> Iterator[str]:
    """Yield each line that holds anything, without its end. A line of over 16 MiB raises ParseError."""
    encoding = "utf-8-sig"
    while line := body.readline(_LARGEST_LINE):
        if len(line) == _LARGEST_LINE:
            raise ParseError(f"a line is longer than {_LARGEST_LINE >> 20} MiB")
        if line := line.rstrip(b"\r\n"):
            yield line.decode(encoding, "replace")
        encoding = "utf-8"


def json_values(body: IO[bytes]) -> Iterator[Any]:
    """Yield JSON values that follow each other with nothing, white space or newlines between."""
    scanner = JsonScanner(body)
    while scanner.peek():
        yield scanner.value()


def array_field(body: IO[bytes], field: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the list `field` of the one JSON object in `body`; none without that field."""
    scanner = JsonScanner(body)
    scanner.expect("{")
    while scanner.peek() != "}":
        name = scanner.value()
        scanner.expect(":")
        if name == field and scanner.peek() == "[":
            yield from _objects(scanner, field)
        elif scanner.value() is not None and name == field:
            raise ParseError(f"{field!r} is not a list")
        if scanner.peek() != "}":
            scanner.expect(",")
            if not isinstance(name, str) or scanner.peek() != '"':
                raise ParseError("the object has a name that is not a string")
    scanner.expect("}")
    if scanner.peek():
        raise ParseError("there is more after the end of the JSON object")


def _objects(scanner: "JsonScanner", field: str) -> Iterator[dict[str, Any]]:
    for value in array_items(scanner):
        if type(value) is not dict:
            raise ParseError(f"{field!r} holds a value that is not an object")
        yield value


def array_items(scanner: "JsonScanner") -> Iterator[Any]:
    """Yield the values of the JSON list that the scanner stands before."""
    scanner.expect("[")
    if scanner.peek() == "]":
        return scanner.expect("]")
    yield scanner.value()
    while scanner.peek() != "]":
        scanner.expect(",")
        yield scanner.value()
    return scanner.expect("]")


class JsonScanner:
    """Reads JSON values one by one from a binary file, holding no more of it than one value needs."""

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

    def expect(self, character: str) -> None:
        """Step over `character`; raises ParseError when something else comes."""
        found = self.peek()
        if found != character:
            raise ParseError(f"{character!r} is missing before {found!r}" if found else "the JSON is cut off")
        self._at += 1

    def value(self) -> Any:
        """Return the next value and step over it. Raises ParseError where there is none."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except RecursionError as error:
                raise ParseError("the JSON is nested too deeply") from error
            except ValueError as error:
                if self._fill():
                    continue
                raise ParseError(f"not JSON: {_reason(error)}") from error
            # A number at the buffer's end may go on behind it.
            if end < len(self._buffer) or not self._fill():
                self._at = end
                return value

    def _fill(self) -> bool:
        """Read on, in steps that grow with the value at hand; False at the end of the file."""
        if self._ended:
            return False
        held = len(self._buffer) - self._at
        if held > _LARGEST_VALUE:
            raise ParseError(f"a JSON value is longer than {_LARGEST_VALUE >> 20} MiB")
        data = self._body.read(max(_CHUNK, held))
        self._ended = not data
        more = self._decoder.decode(data, final=self._ended)
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        return bool(more) or self._fill()


def _reason(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)
