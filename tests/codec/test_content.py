"""Which bytes are read as text, and how the others are named."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.codec.content import Kind, open_content
from aws_s3.errors import DecompressError, ParseError

TEXT = "2 123456789012 eni-1 ñ\n".encode()
PARQUET = b"PAR1\x15\x04\x15\x14PAR1"


def packed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def content(body: bytes, key: str = "log", kinds: frozenset[Kind] = frozenset({Kind.TEXT})) -> bytes:
    with open_content(io.BytesIO(body), key, kinds) as file:
        return file.read()


def zipped(body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("log"), body)
    return file.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        TEXT,
        TEXT + b"\0" * 200_000,
        packed(TEXT + b"\0"),
        packed(packed(TEXT)),
        zipped(TEXT),
        bz2.compress(TEXT),
        lzma.compress(TEXT),
        TEXT.decode().encode("utf-16"),
        b"\xfe\xff" + TEXT.decode().encode("utf-16-be"),
        packed(TEXT.decode().encode("utf-16")),
    ],
)
def test_text_is_found_under_its_wrapping(body: bytes) -> None:
    assert content(body) == TEXT


@pytest.mark.parametrize("body", [b"", b"\0", b"\0" * 3_000_000])
def test_padding_alone_is_nothing(body: bytes) -> None:
    assert content(body) == b""


@pytest.mark.parametrize(
    "body",
    [
        b"a\0b" + b"x" * 400,
        b"\xef\xbb\xbftext",
        b"\xff\xfa latin 1 \xe4\xf6\xfc",
        b"ORCA is a whale\n",
        b"\t\r\n" * 100,
        b"x" * 100_000 + b"\0" * 5000 + b"x",
        b"\x1b[31mred\x1b[0m " + b"x" * 300,
    ],
)
def test_text_is_returned_as_it_is(body: bytes) -> None:
    file = io.BytesIO(body)
    assert open_content(file, "log") is file
    assert file.read() == body


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (PARQUET, "Parquet"),
        (b"PAR1", "Parquet"),
        (b"ORC\x0a\x03\0\0", "ORC"),
        (b"Obj\x01\x04\x14avro.codec", "Avro"),
        (b"ARROW1\0\0\xff", "Arrow"),
        (b"SEQ\x06\x19org.apache", "a Hadoop sequence file"),
        (b"x" * 257 + b"ustar\x0000", "a tar archive"),
        (b"%PDF-1.7\n", "PDF"),
        (bytes(range(256)), "binary data"),
        (b"x" * 97 + b"\0\0x", "binary data"),
        (b"\xff\xfe" + b"\1\0" * 20, "binary data"),
        (b"\x80" * 10 + b"\x01", "binary data"),
        (b'{"a": 1}\n' + b"\x01\x02" * 20, "binary data"),
        (b"[2021-06-10] " + b"\x01\x02" * 20, "binary data"),
    ],
)
@pytest.mark.parametrize("wrap", [bytes, packed])
def test_other_content_is_malformed_and_named(body: bytes, name: str, wrap: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ParseError, match=f"^it is {name}, and text is expected") as raised:
        content(wrap(body))
    assert raised.value.exit_code == 9


def test_parquet_is_for_whoever_reads_it() -> None:
    assert content(PARQUET, kinds=frozenset({Kind.PARQUET})) == PARQUET
    assert content(packed(PARQUET), kinds=frozenset(Kind)) == PARQUET
    with pytest.raises(ParseError, match="it is text, and Parquet is expected"):
        content(TEXT, kinds=frozenset({Kind.PARQUET}))
    with pytest.raises(ParseError, match="it is binary data, and Parquet is expected"):
        content(bytes(range(30)), kinds=frozenset({Kind.PARQUET}))


@given(st.binary(max_size=300))
def test_any_bytes_are_text_without_loss_or_malformed(body: bytes) -> None:
    try:
        found = content(body)
    except (ParseError, DecompressError):
        return
    if not body.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert found == body.rstrip(b"\0")
    assert sum(byte < 9 for byte in found) <= 0.01 * len(found)


@given(st.text(max_size=300))
def test_text_in_utf_16_is_the_same_text(text: str) -> None:
    stripped = text.rstrip("\0")
    try:
        assert content(text.encode("utf-16")) == stripped.encode()
    except ParseError:
        with pytest.raises(ParseError):
            content(text.encode())
