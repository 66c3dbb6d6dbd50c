"""An object's content as its decoder reads it: decompressed, recognised, as UTF-8 text without padding.

Everything that is not of a kind the decoder reads ends here as a malformed object, so that no bytes but text
ever become events. Magic numbers: the file format specifications of Apache Parquet, ORC, Avro, Arrow and
Hadoop; POSIX (tar); the other formats' own.
"""

import codecs
from collections.abc import Collection, Iterator
from enum import Enum
from typing import IO

from aws_s3.codec.compression import decompress, spool
from aws_s3.errors import ParseError


class Kind(Enum):
    """The kinds of content that a decoder may read; the value is how messages call it."""

    TEXT = "text"
    PARQUET = "Parquet"


TEXT_ONLY = frozenset({Kind.TEXT})

_HEAD = 64 << 10
"""Bytes that are looked at."""

_MOST_CONTROLS = 0.01
_CONTROLS = bytes((*range(9), 11, 12, *range(14, 32), 127))
"""The control characters that text does not hold: all but tab, line feed and carriage return."""

_CHUNK = 1 << 20
_PDF = b"%PDF-"
_BINARY = (
    (b"Obj\x01", "Avro"),
    (b"ARROW1\0", "Arrow"),
    (b"SEQ\x06", "a Hadoop sequence file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xd4\xc3\xb2\xa1", "a packet capture"),
    (b"\xa1\xb2\xc3\xd4", "a packet capture"),
    (b"\n\r\r\n", "a packet capture"),
    (_PDF, "PDF"),
    (b"\x7fELF", "a program"),
)
_PARQUET = b"PAR1"
_ORC = b"ORC"
_TAR, _TAR_AT = b"ustar", 257
_ENCODINGS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def open_content(body: IO[bytes], key: str, kinds: Collection[Kind] = TEXT_ONLY) -> IO[bytes]:
    """Return the content of `body` from its start, as one of `kinds`; `body` itself where it is that already.

    Text is UTF-8 afterwards: UTF-16 with a byte order mark is converted, and NULs at the end, which are padding,
    are cut off. Raises DecompressError and UnavailableError as `decompress` does, and ParseError, which names
    the kind of the content, for another kind than `kinds`.
    """
    content = decompress(body, key)
    head = _head(content)
    if not head:
        return content
    if head.startswith(_PARQUET):
        if Kind.PARQUET not in kinds:
            raise ParseError(f"it is Parquet, and {_expected(kinds)} is expected")
        return content
    if Kind.TEXT not in kinds:
        raise ParseError(f"it is {_binary(head) or 'text'}, and {_expected(kinds)} is expected")
    return _text(content, head)


def _head(content: IO[bytes]) -> bytes:
    head = content.read(_HEAD)
    content.seek(0)
    return head


def _expected(kinds: Collection[Kind]) -> str:
    return " or ".join(kind.value for kind in kinds)


def _text(content: IO[bytes], head: bytes) -> IO[bytes]:
    for mark, encoding in _ENCODINGS:
        if head.startswith(mark):
            content = _as_utf8(content, encoding)
            head = _head(content)
    if len(head) == _HEAD or head.endswith(b"\0"):
        content = _without_padding(content)
        head = _head(content)
    if found := _binary(head):
        raise ParseError(f"it is {found}, and text is expected")
    return content


def _binary(head: bytes) -> str:
    """Return the name of a binary format, by its first bytes; an empty string for text."""
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if not controls:  # The magic numbers hold control characters, or are followed by some.
        return "PDF" if head.startswith(_PDF) else ""
    for magic, name in _BINARY:
        if head.startswith(magic):
            return name
    if head.startswith(_ORC) and controls:
        return "ORC"
    if head.startswith(_TAR, _TAR_AT):
        return "a tar archive"
    return "binary data" if controls > _MOST_CONTROLS * len(head) else ""


def _as_utf8(content: IO[bytes], encoding: str) -> IO[bytes]:
    """Return UTF-16 text in UTF-8, without its byte order mark; invalid UTF-16 becomes U+FFFD."""

    def chunks() -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        content.seek(len(codecs.BOM_UTF16_LE))
        while chunk := content.read(_CHUNK):
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()

    with content:
        return spool(chunks())


def _without_padding(content: IO[bytes]) -> IO[bytes]:
    """Return the content without the NULs at its end."""
    size = end = content.seek(0, 2)
    step = 1
    while end:
        start = max(0, end - step)
        content.seek(start)
        kept = len(content.read(end - start).rstrip(b"\0"))
        end = start + kept
        if kept:
            break
        step = _CHUNK
    content.seek(0)
    if end < size:
        content.truncate(end)
    return content
