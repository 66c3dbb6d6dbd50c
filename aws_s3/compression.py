"""Taking an object's bytes out of gzip or zip, by its name and its first bytes (SPEC 5)."""

import gzip
import io
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO

from aws_s3.errors import DecompressError

IN_MEMORY = 32 << 20
"""Bytes above which a body lives in a temporary file."""

_LARGEST = 16 << 30
_CHUNK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_BROKEN = (zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError)


def decompress(body: IO[bytes], key: str) -> IO[bytes]:
    """Return the decompressed content of `body`, readable from its start.

    All of it is proved readable first: a body that breaks in the middle raises DecompressError
    here, not while its events are being sent. So does `.snappy`, which is not supported, and
    content above 16 GiB. Above 32 MB the content is a temporary file, which the caller closes.
    """
    try:
        chunks = _unpack(body, key)
        return body if chunks is None else spool(_bounded(chunks))
    except _BROKEN as error:
        raise DecompressError(str(error) or type(error).__name__) from error


def spool(chunks: Iterable[bytes]) -> IO[bytes]:
    """Return the chunks as one readable file: in memory, above 32 MB a temporary file."""
    content: IO[bytes] = io.BytesIO()
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > IN_MEMORY and isinstance(content, io.BytesIO):
            content = _to_disk(content)
        content.write(chunk)
    content.seek(0)
    return content


def _to_disk(memory: io.BytesIO) -> IO[bytes]:
    disk = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    disk.write(memory.getbuffer())
    return disk


def _unpack(body: IO[bytes], key: str) -> Iterator[bytes] | None:
    if key.endswith(".snappy"):
        raise DecompressError("snappy compression is not supported; deliver the logs as gzip or plain text")
    if key.endswith(".zip"):
        return _unzip(body)
    magic = body.read(len(_GZIP_MAGIC))
    body.seek(0)
    if key.endswith(".gz") or magic == _GZIP_MAGIC:
        return _read(gzip.GzipFile(fileobj=body, mode="rb"))
    return None


def _unzip(body: IO[bytes]) -> Iterator[bytes]:
    with zipfile.ZipFile(body) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        if not members:
            raise zipfile.BadZipFile("the archive is empty")
        yield from _read(archive.open(members[0]))


def _read(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _bounded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass the chunks on until they are more than any log: a bomb must not fill the disk."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > _LARGEST:
            raise DecompressError(f"it holds more than {_LARGEST >> 30} GiB")
        yield chunk
