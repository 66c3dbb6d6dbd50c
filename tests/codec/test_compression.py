"""What comes out of an object's bytes, whatever they are: all of it, or one of our errors."""

import bz2
import gzip
import io
import logging
import lzma
import os
import resource
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec import compression
from aws_s3.codec.compression import decompress, spool
from aws_s3.errors import DecompressError, StorageError, UnavailableError

TEXT = "one line of a log, ñ\n".encode() * 50
GZIP = gzip.compress(TEXT, mtime=0)


def zipped(*contents: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number, content in enumerate(contents):
            archive.writestr(zipfile.ZipInfo(f"log{number}"), content, method)
    return file.getvalue()


def nested(layers: int) -> bytes:
    """Compress the text several times."""
    body = TEXT
    for _ in range(layers):
        body = gzip.compress(body, mtime=0)
    return body


def content(body: bytes, key: str) -> bytes:
    with decompress(io.BytesIO(body), key) as file:
        return file.read()


def reason(body: bytes, key: str) -> str:
    with pytest.raises(DecompressError) as raised:
        decompress(io.BytesIO(body), key)
    assert raised.value.exit_code == 8
    return str(raised.value)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (TEXT, "log"),
        (TEXT, "log.json"),
        (TEXT, "log.gz.txt"),
        (GZIP, "log.json.gz"),
        (GZIP, "log"),
        (GZIP, "log.csv"),
        (gzip.compress(TEXT, 0, mtime=0), "log.gz"),
        (gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:], mtime=0), "log.gz"),
        (gzip.compress(b"", mtime=0) + GZIP + gzip.compress(b"", mtime=0), "log"),
        (GZIP + b"\0" * 100_000, "log.gz"),
        (gzip.compress(TEXT[:100], mtime=0) + b"\0" * 100_000 + gzip.compress(TEXT[100:], mtime=0), "log.gz"),
        (zipped(TEXT), "log.zip"),
        (zipped(TEXT, method=zipfile.ZIP_STORED), "log.zip"),
        (zipped(TEXT, b"another"), "log.zip"),
        (zipped(TEXT), "log"),
        (zipped(TEXT), "log.gz"),
        (b"stub" + zipped(TEXT), "log.zip"),
        (bz2.compress(TEXT), "log"),
        (bz2.compress(TEXT[:100]) + bz2.compress(TEXT[100:], 1) + b"\0" * 9, "log.bz2"),
        (lzma.compress(TEXT), "log.gz"),
        (lzma.compress(TEXT[:100]) + b"\0" * 4 + lzma.compress(TEXT[100:]), "log.xz"),
        (nested(2), "log.gz"),
        (nested(3), "log"),
        (gzip.compress(bz2.compress(lzma.compress(TEXT)), mtime=0), "log.gz"),
        (gzip.compress(GZIP[:50], mtime=0) + gzip.compress(GZIP[50:], mtime=0), "log"),
    ],
)
def test_the_content_is_what_was_compressed(body: bytes, key: str) -> None:
    assert content(body, key) == TEXT


@pytest.mark.parametrize(("body", "key"), [(b"", "log"), (b"", "log.gz"), (gzip.compress(b"", mtime=0), "log.gz")])
def test_what_holds_nothing_is_empty(body: bytes, key: str) -> None:
    assert content(body, key) == b""


def test_what_is_not_compressed_is_not_copied() -> None:
    body = io.BytesIO(TEXT)
    assert decompress(body, "log") is body
    assert body.tell() == 0


def test_a_folder_in_an_archive_is_no_log() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("logs/", b"")
        archive.writestr("logs/log", TEXT)
    assert content(file.getvalue(), "log.zip") == TEXT


@pytest.mark.parametrize("garbage", [b"x", b"garbage\n" * 10_000, b"\0\0garbage", b"\x1f", b"\x1fx\x8b"])
def test_what_follows_gzip_data_does_not_cost_it_its_events(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert content(GZIP + garbage, "folder/log.gz") == TEXT
    (record,) = caplog.records
    assert "folder/log.gz" in record.getMessage()


@pytest.mark.parametrize("body", [GZIP, GZIP + GZIP, GZIP + b"\0" * 10, TEXT])
def test_whole_objects_are_no_warning(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    content(body, "log")
    assert caplog.records == []


@pytest.mark.parametrize("length", range(2, len(GZIP)))
def test_a_gzip_object_that_is_cut_off_is_told(length: int) -> None:
    assert "cut off" in reason(GZIP[:length], "log.gz")


def test_a_second_member_that_is_broken_is_told() -> None:
    assert "cut off" in reason(GZIP + GZIP[:-1], "log.gz")
    assert "incorrect data check" in reason(GZIP + GZIP[:-8] + b"\1" * 8, "log.gz")


@pytest.mark.parametrize(
    ("body", "key", "told"),
    [
        (b"not gzip at all", "log.gz", "it is not gzip data"),
        (b"\x1f", "log.gz", "it is not gzip data"),
        (TEXT, "log.bz2", "it is not bzip2 data"),
        (TEXT, "log.xz", "it is not xz data"),
        (TEXT, "log.zst", "it is not zstd data"),
        (bz2.compress(TEXT)[:-3], "log", "cut off"),
        (lzma.compress(TEXT)[:-3], "log", "cut off"),
        (bz2.compress(TEXT)[:30] + b"x" * 20, "log", "Invalid data stream"),
        (b"\x1f\x8bnonsense", "log", "unknown compression method"),
        (GZIP[:-4] + b"\0" * 4, "log.gz", "incorrect length check"),
        (b"snappy", "log.snappy", "snappy compression is not supported"),
        (b"\xff\x06\0\0sNaPpY\0", "log", "snappy compression is not supported"),
        (b"\0\0\0\x0b\0\0\0\x0d\x0b\x28hello world", "log", "snappy compression is not supported"),
        (nested(4), "log.gz", "it is compressed more than 3 times"),
        (b"", "log.zip", "not a zip file"),
        (TEXT, "log.zip", "not a zip file"),
        (zipped(), "log.zip", "the zip archive is empty"),
        (zipped(TEXT)[:-10], "log.zip", "not a zip file"),
    ],
)
def test_what_is_broken_is_told(body: bytes, key: str, told: str) -> None:
    assert told in reason(body, key)


def test_an_encrypted_archive_is_told() -> None:
    body = bytearray(zipped(TEXT))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(header) + flags] |= 1
    assert "encrypted" in reason(bytes(body), "log.zip")


def test_a_member_that_is_damaged_is_told() -> None:
    body = bytearray(zipped(TEXT, method=zipfile.ZIP_STORED))
    body[60] ^= 1
    assert "CRC" in reason(bytes(body), "log.zip")


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (gzip.compress(bytes(5000), mtime=0), "log.gz"),
        (zipped(bytes(5000)), "log.zip"),
        (bz2.compress(bytes(5000)), "log"),
        (lzma.compress(bytes(5000)), "log"),
    ],
)
def test_a_bomb_does_not_fill_the_disk(body: bytes, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_LARGEST", 5000)
    assert len(content(body, key)) == 5000
    monkeypatch.setattr(compression, "_LARGEST", 4999)
    assert "more than" in reason(body, key)


def test_the_limit_counts_all_layers_together(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = gzip.compress(os.urandom(3000))
    body = gzip.compress(inner)
    monkeypatch.setattr(compression, "_LARGEST", 3000 + len(inner))
    assert len(content(body, "log.gz")) == 3000
    monkeypatch.setattr(compression, "_LARGEST", 2999 + len(inner))
    assert "more than" in reason(body, "log.gz")


def test_a_forged_header_takes_no_memory() -> None:
    forged = bytearray(lzma.compress(TEXT, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]))
    assert "emory" in reason(bytes(forged), "log")


def test_zstd_is_read_where_a_library_is() -> None:
    zstandard = pytest.importorskip("zstandard")
    frame = zstandard.ZstdCompressor().compress(TEXT * 100)
    assert content(frame, "log.gz") == TEXT * 100
    assert content(frame + frame, "log.zst") == TEXT * 200
    for length in range(4, len(frame)):
        assert reason(frame[:length], "log")
    assert "more than" in _with_limit(5000, zstandard.ZstdCompressor().compress(bytes(5001)))


def test_zstd_without_a_library_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_module", lambda name: None)
    with pytest.raises(UnavailableError, match="zstd") as raised:
        decompress(io.BytesIO(b"\x28\xb5\x2f\xfdx"), "log")
    assert raised.value.exit_code == 10


def _with_limit(limit: int, body: bytes) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "_LARGEST", limit)
        return reason(body, "log")


METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
SEEDS = [
    (GZIP + GZIP, "log.gz"),
    (bz2.compress(TEXT), "log"),
    (lzma.compress(TEXT), "log"),
    (nested(2), "log"),
    *((zipped(TEXT, method=method), "log.zip") for method in METHODS),
]


def damaged(seed: bytes, data: st.DataObject) -> bytes:
    body = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        body = body or bytearray(b"x")
    return bytes(body)


@given(st.sampled_from(SEEDS), st.data())
@settings(max_examples=300, deadline=None)
def test_damage_anywhere_is_told_or_does_not_matter(seed: tuple[bytes, str], data: st.DataObject) -> None:
    with suppress(DecompressError):
        content(damaged(seed[0], data), seed[1])


def _outcome(body: bytes) -> bytes | type[Exception]:
    try:
        return content(body, "log.gz")
    except DecompressError as error:
        return type(error)


@given(st.binary(max_size=3000), st.integers(0, 9), st.booleans(), st.data())
@settings(max_examples=300, deadline=None)
def test_the_fast_library_reads_what_zlib_reads(text: bytes, level: int, whole: bool, data: st.DataObject) -> None:
    body = gzip.compress(text * 3, level, mtime=0) + gzip.compress(text, mtime=0)
    body = body if whole else damaged(body, data)
    assert compression._decompressobj is not zlib.decompressobj
    found = _outcome(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "_decompressobj", zlib.decompressobj)
        assert _outcome(body) == found


# Large objects: in a temporary file.


def megabytes(count: int) -> Iterator[bytes]:
    return (bytes([number % 256]) * (1 << 20) for number in range(count))


@pytest.mark.parametrize("chunks", [[], [b""], [b"a", b"", b"bc"]])
def test_chunks_become_a_file_at_its_start(chunks: list[bytes]) -> None:
    with spool(chunks) as file:
        assert (file.tell(), file.read()) == (0, b"".join(chunks))


@pytest.mark.parametrize(("count", "in_memory"), [(32, True), (33, False)])
def test_above_32_megabytes_content_is_in_a_temporary_file(count: int, in_memory: bool) -> None:
    with spool(megabytes(count)) as file:
        assert isinstance(file, io.BytesIO) == in_memory
        for expected in megabytes(count):
            assert file.read(1 << 20) == expected
        assert file.read() == b""


def test_large_compressed_content_is_in_a_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "IN_MEMORY", 1000)
    for body, key in ((GZIP, "log.gz"), (zipped(TEXT), "log.zip")):
        with decompress(io.BytesIO(body), key) as file:
            assert not isinstance(file, io.BytesIO)
            assert file.read() == TEXT


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Let no file of this process grow above `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_not_the_object_s_fault() -> None:
    with disk_of(33 << 20), pytest.raises(StorageError, match=r"temporary file.*TMPDIR") as raised:
        spool(megabytes(40))
    assert raised.value.exit_code == 7
    body = gzip.compress(bytes(40 << 20), 1, mtime=0)
    with disk_of(33 << 20), pytest.raises(StorageError, match="temporary file"):
        decompress(io.BytesIO(body), "log.gz")


def test_a_missing_temporary_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "IN_MEMORY", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(StorageError, match="No such file or directory"):
        decompress(io.BytesIO(GZIP), "log.gz")


def test_what_fails_while_chunks_come_is_not_the_disk_s_fault() -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        spool(broken())


def test_files_of_a_zip_archive_that_are_not_read_are_told(caplog: pytest.LogCaptureFixture) -> None:
    assert decompress(io.BytesIO(zipped(TEXT, b"more")), "a.zip").read() == TEXT
    [record] = caplog.records
    assert record.getMessage() == "The zip archive a.zip holds 2 files: only the first one is read"
