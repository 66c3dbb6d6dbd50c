"""Reading log formats as streams: JSON in any arrangement, and lines of text.

Every function takes a binary file and yields one value at a time, so that memory does not grow with
the object. Text is UTF-8; invalid bytes become U+FFFD. Content that is not of the format raises
ParseError, and nothing else.
"""

import codecs
import json
import re
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import IO, Any

from aws_s3.codec.records import TextLine
from aws_s3.errors import ParseError

_fast_decode: Callable[[bytes], Any] | None
try:  # The extra `fast`.
    from orjson import loads as _fast_decode
except ImportError:
    _fast_decode = None

_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * 19
_LARGE_INTEGER = re.compile(rb"(?:\A|[\s:,\[])-?[0-9]{19}")
_CHUNK = 1 << 17
# No record is near it.
_LARGEST_VALUE = 16 << 20
# Members and elements take more memory than their text: a list of sixteen million characters that holds empty
# objects takes 2 GB. These many take 30 MB.
_MOST_MEMBERS = 250_000
_COUNTED_FROM = 1 << 20
_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[][{},]', re.DOTALL)
_LARGEST_LINE = 16 << 20
_DIRECTIVES = ("#Version", "#Fields", "#Software", "#Date")
_BLANKS = " \t\r\n"
WHITE = _BLANKS.encode()
"""The white space of JSON."""

_SPACE = re.compile(rf"[{_BLANKS}]*")
# NaN and Infinity are not JSON, but some programs write them: their names are sent as strings.
_DECODER = json.JSONDecoder(parse_constant=str)
# How far before the end of a cut text the decoder may stop, at most: within `-Infinity`, or an escape.
_LONGEST_TOKEN = 16
_UNTERMINATED = "Unterminated string"
_CUT_OFF = "the JSON is cut off"
_ZERO_AND_DIGIT = re.compile(r"0\d", re.ASCII)
_LEADING_ZEROS = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*"?)|(?<![\w.+-])(-?)0+(?=\d)', re.ASCII | re.DOTALL)

_HEAD = 4096
_DOCUMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*([{\[<])")


def text_lines(body: IO[bytes], *, directives: bool = False) -> Iterator[str]:
    """Yield each line that holds more than blanks, without its end; `directives` such as `#Version: 1.0` if asked for.

    A line of over 16 MiB raises ParseError.
    """
    return chain.from_iterable(line_blocks(body, directives=directives))


def line_blocks(body: IO[bytes], *, directives: bool = False) -> Iterator[Iterator[str]]:
    """Yield the lines of `text_lines` in blocks: several lines, or a long one, of which few fit into memory."""
    for text in _decoded_blocks(body):
        yield _content_lines(text, directives=directives)


def _content_lines(text: str, *, directives: bool = False) -> Iterator[str]:
    lines: Iterable[str] = text.split("\n")
    if "\r" in text:
        lines = (line.rstrip("\r") for line in lines)
    # To look for a character alone takes a hundredth of the time that two together take.
    has_directives = "#" in text and (text.startswith("#") or "\n#" in text)
    return filter(_is_content if has_directives and not directives else str.strip, lines)


def whole_lines(body: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield the content in blocks of about `size` bytes that end where a line does, its end included.

    The lines of each, by `lines_of`, are those of `text_lines`.
    """
    while block := body.read(size):
        yield block + body.readline(_LARGEST_LINE)


def lines_of(block: bytes, *, is_first: bool) -> list[str]:
    """Return the lines of a block of `whole_lines`, blank ones left out; `is_first`: the file begins with the block."""
    return list(_content_lines(block.decode("utf-8-sig" if is_first else "utf-8", "replace")))


def _decoded_blocks(body: IO[bytes]) -> Iterator[str]:
    encoding = "utf-8-sig"
    for block in _whole_lines(body):
        yield block.decode(encoding, "replace")
        encoding = "utf-8"


def _is_content(line: str) -> bool:
    """Tell a line from blanks and from a directive of W3C's Extended Log File Format, such as `#Fields: date time`."""
    return line.strip() != "" and not line.startswith(_DIRECTIVES)


def first_lines(body: IO[bytes], count: int) -> list[str]:
    """Return the first lines of `text_lines`; `body` is at its start again."""
    try:
        return list(islice(text_lines(body), count))
    finally:
        body.seek(0)


def check_lines(body: IO[bytes]) -> None:
    """Raise ParseError where `text_lines` would, and as `check_start` does."""
    check_start(body)
    for _ in _whole_lines(body):
        pass


def check_start(body: IO[bytes]) -> None:
    """Raise ParseError for JSON and for markup, such as an error page, where lines of fields are expected.

    No format of such lines begins so. `body` is at its start again.
    """
    found = _DOCUMENT.match(body.read(_HEAD))
    body.seek(0)
    if found:
        name = "HTML or XML" if found[1] == b"<" else "JSON"
        raise ParseError(f"it is {name}, and lines of fields are expected")


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

    Broken JSON is still JSON. Content that begins with another value is text, because such a value makes no event:
    `2 123456789012 eni-1 …`, `[2021-06-10] …`.
    """
    scanner = JsonScanner(body)
    # An empty string, at the end of a list that is cut off, is in any.
    found = scanner.peek() == "{" or (scanner.take("[") and scanner.peek() in '{["]')
    body.seek(0)
    return found


def json_values(body: IO[bytes]) -> Iterator[Any]:
    """Yield JSON values that follow each other with nothing, white space or newlines between.

    A list yields its values instead.
    """
    scanner = JsonScanner(body)
    while first := scanner.peek():
        if first == "[":
            yield from array_items(scanner)
        else:
            yield scanner.value()


def values_and_lines(body: IO[bytes], opened: Container[str] = ()) -> Iterator[Any]:
    """Yield JSON values as `json_values` does, and lines of text among lines of JSON as TextLine.

    Text is expected only if the first line alone is a JSON object. A line that begins with `{` is JSON.
    A value too large to be held, whose members in `opened` are lists, is yielded in parts: for each element one
    object with the list of that element alone.
    """
    scanner = JsonScanner(body)
    mixed: bool | None = None
    while first := scanner.peek_in_line():
        if scanner.indent is not None and first != "{" and _is_text(scanner, first):
            mixed = _begins_with_object(body) if mixed is None else mixed
            if mixed:
                line = scanner.indent + scanner.rest_of_line()
                if _is_content(line):
                    yield TextLine(line)
                continue
        if first == "[":
            yield from array_items(scanner)
        elif first == "{":
            yield from _object_or_parts(scanner, opened)
        else:
            yield scanner.value()


def _is_text(scanner: "JsonScanner", first: str) -> bool:
    return first != "[" or scanner.second() not in ("{", "[", "]", '"')


def _begins_with_object(body: IO[bytes]) -> bool:
    """Tell whether the first line alone is a JSON object; `body` stays where it is."""
    position = body.tell()
    body.seek(0)
    line = body.readline(_LARGEST_LINE).decode("utf-8-sig", "replace").strip(_BLANKS)
    body.seek(position)
    try:
        value, end = _DECODER.raw_decode(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and end == len(line)


def _object_or_parts(scanner: "JsonScanner", opened: Container[str]) -> Iterator[Any]:
    """Yield the object that the scanner stands before, or its parts if it is too large."""
    try:
        value = scanner.value()
    except TooLargeError as error:
        too_large = error
    else:
        yield value
        return
    lists = 0
    scanner.expect("{")
    for name in _names(scanner, more=scanner.peek() != "}"):
        if name in opened and scanner.peek() == "[":
            lists += 1
            yield from ({name: [element]} for element in _checked(array_items(scanner), name))
        else:
            lists += _is_list_of_objects(scanner.value())
    if lists != 1:
        raise too_large


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(element, dict) for element in value)


def array_field(body: IO[bytes], field: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the list `field` of the one JSON object in `body`; none without that field."""
    scanner = JsonScanner(body)
    scanner.expect("{")
    yield from _field_objects(scanner, field, _names(scanner, more=scanner.peek() != "}"))


def rest_of_array_field(body: IO[bytes], field: str) -> Iterator[dict[str, Any]]:
    """Yield what `array_field` yields from an element of the list on, at which `body` is."""
    scanner = JsonScanner(body)
    yield from _checked(_elements(scanner, more=True), field)
    yield from _field_objects(scanner, field, _names(scanner, more=scanner.take(",")))


def _field_objects(scanner: "JsonScanner", field: str, names: Iterator[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        if name == field and scanner.peek() == "[":
            yield from _checked(array_items(scanner), field)
        elif scanner.value() is not None and name == field:
            raise ParseError(f"{field!r} is not a list")
    if scanner.peek():
        raise ParseError("there is more after the end of the JSON object")


def json_list(inside: bytes) -> list[Any] | None:
    """Return the values of a list by the text between its brackets; None if a JsonScanner has to see what it is."""
    text = b"[%b]" % inside
    with suppress(ValueError):
        values: list[Any] = _fast_value(text)
        return values
    decoded = text.decode("utf-8", "replace")
    try:
        values, end = _DECODER.raw_decode(decoded)
    except (ValueError, RecursionError):
        return None
    return values if end == len(decoded) else None


def json_value(text: bytes) -> Any:
    """Return the value of JSON that is held in memory, as `json.loads` does. Raises ValueError and RecursionError."""
    with suppress(ValueError):
        return _fast_value(text)
    return json.loads(text)


def _fast_value(text: bytes) -> Any:
    """Return the value of JSON. Raises ValueError where the standard library may read it, or read it otherwise."""
    # The fast decoder makes floats of integers beyond 64 bits.
    if _fast_decode is None or (_LONG_NUMBER in text.translate(_DIGITS) and _LARGE_INTEGER.search(text)):
        raise ValueError
    return _fast_decode(text)


def _names(scanner: "JsonScanner", *, more: bool) -> Iterator[str]:
    """Yield the names of the JSON object that the scanner is in, if there are more; who asks steps over the values."""
    while more:
        if scanner.peek() != '"':
            raise ParseError("a member of the JSON object has no name")
        name: str = scanner.value()
        scanner.expect(":")
        yield name
        more = scanner.take(",")
    scanner.expect("}")


def _checked(values: Iterator[Any], field: str) -> Iterator[dict[str, Any]]:
    for value in values:
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
    yield from _elements(scanner, more=scanner.peek() != "]")


def _elements(scanner: "JsonScanner", *, more: bool) -> Iterator[Any]:
    """Yield the values of the JSON list that the scanner is in, if there are more."""
    while more:
        yield scanner.value()
        more = scanner.take(",")
    scanner.expect("]")


class TooLargeError(ParseError):
    """A JSON value is longer, or has more members, than what is held in memory."""


class JsonScanner:
    """Reads JSON values one by one from a binary file, and holds no more of it than one value needs.

    It exists beside libraries such as ijson because Macie writes numbers with leading zeros, which are not JSON and
    are read here as if they had none, and because the decoder of the standard library, which is written in C, reads
    whole values several times as fast as a parser that yields each token.
    """

    def __init__(self, body: IO[bytes]) -> None:
        self._body = body
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._buffer = ""
        self._at = 0
        self._ended = False
        self.indent: str | None = ""

    def peek_in_line(self) -> str:
        """Return the next character as `peek` does; `indent` is the white space before it in its line.

        `indent` is None if a value precedes the character in its line.
        """
        while True:
            blank = _SPACE.match(self._buffer, self._at)[0]  # type: ignore[index] # matches empty
            self._at += len(blank)
            _, newline, indent = blank.rpartition("\n")
            if newline:
                self.indent = indent
            elif self.indent is not None:
                self.indent += blank
                if len(self.indent) > _LARGEST_LINE:
                    raise ParseError(f"a line is longer than {_LARGEST_LINE >> 20} MiB")
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._fill():
                return ""

    def second(self) -> str:
        """Return the character behind the next one and white space, an empty string at the end; step over none."""
        while True:
            at = _SPACE.match(self._buffer, self._at + 1).end()  # type: ignore[union-attr] # matches empty
            if at < len(self._buffer):
                return self._buffer[at]
            if not self._fill():
                return ""

    def rest_of_line(self) -> str:
        """Return the text up to the end of the line, and step over it."""
        while (end := self._buffer.find("\n", self._at)) < 0 and self._fill():
            pass
        line = self._buffer[self._at : end if end >= 0 else len(self._buffer)]
        self._at += len(line)
        return line.rstrip("\r")

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
            raise ParseError(f"{character!r} is missing before {found!r}" if found else _CUT_OFF)

    def value(self) -> Any:
        """Return the next value and step over it. Raises ParseError, and stays where it is, if there is none."""
        self.peek()
        self.indent = None
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except RecursionError as error:
                raise ParseError("the JSON is nested too deeply") from error
            except ValueError as error:
                if self._drop_zeros(getattr(error, "pos", 0)) or (_may_be_cut(error) and self._fill()):
                    continue
                raise ParseError(_reason(error)) from error
            if isinstance(value, (int, float)) and (self._drop_zeros(end) or self._goes_on(end)):
                continue
            self._at = end
            return value

    def skip_line(self) -> None:
        """Step over the rest of the line."""
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
        # Strings are matched as a whole, too, and put back.
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
            raise TooLargeError(f"a JSON value is longer than {_LARGEST_VALUE >> 20} MiB")
        data = self._body.read(max(_CHUNK, min(held, _LARGEST_VALUE - held)))
        self._ended = not data
        more = self._decoder.decode(data, final=self._ended)
        if not more:
            return self._fill()
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        if len(self._buffer) > _COUNTED_FROM:
            _limit_members(self._buffer)
        return True


def _limit_members(text: str) -> None:
    """Raise TooLargeError if the JSON value that the text begins with has too many members and elements."""
    depth = count = 0
    for token in _STRUCTURE.finditer(text):
        mark = token[0]
        if mark in ("{", "["):
            depth += 1
        elif mark in ("}", "]"):
            depth -= 1
        elif mark != ",":
            continue
        count += 1
        if count > 2 * _MOST_MEMBERS:
            raise TooLargeError(f"a JSON value has more than {_MOST_MEMBERS:,} members")
        if depth <= 0:
            return


def _may_be_cut(error: ValueError) -> bool:
    """Tell whether the text could be JSON if it went on."""
    if not isinstance(error, json.JSONDecodeError):
        return True
    return error.pos + _LONGEST_TOKEN > len(error.doc) or error.msg.startswith(_UNTERMINATED)


def _reason(error: ValueError) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return "not JSON: a number has too many digits"
    is_at_end = _SPACE.match(error.doc, error.pos).end() == len(error.doc)  # type: ignore[union-attr] # matches empty
    if is_at_end or error.msg.startswith(_UNTERMINATED):
        return _CUT_OFF
    return f"not JSON: {error.msg}: {error.doc[error.pos : error.pos + 20]!r}"
