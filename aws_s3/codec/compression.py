"""Taking an object's bytes out of gzip or zip, by its name and its first bytes."""

import io
import logging
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from aws_s3.errors import DecompressError, StorageError

log = logging.getLogger(__name__)

IN_MEMORY = 32 << 20
"""Bytes above which a body lives in a temporary file."""

_LARGEST = 16 << 30
_CHUNK = 1 << 20
_GZIP_CHUNK = 1 << 15
_GZIP_MAGIC = b"\x1f\x8b"
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


def decompress(body: IO[bytes], key: str) -> IO[bytes]:
    """Return the decompressed content of `body`, readable from its start; `body` itself if it is not compressed.

    All of it is proved readable first: a body that breaks in the middle raises DecompressError
    here, not while its events are being sent. So does `.snappy`, which is not supported, and
    content above 16 GiB. Above 32 MB the content is a temporary file, which the caller closes.
    """
    chunks = _unpack(body, key)
    return body if chunks is None else spool(_bounded(_told_of_damage(chunks)))


def spool(chunks: Iterable[bytes]) -> IO[bytes]:
    """Return the chunks as one readable file: in memory, above 32 MB a temporary file.

    Raises StorageError when that file cannot be written, which says nothing about the object.
    """
    content: IO[bytes] = io.BytesIO()
    size = 0
    for chunk in chunks:
        size += len(chunk)
        with _told_of_disk():
            if size > IN_MEMORY and isinstance(content, io.BytesIO):
                content = _to_disk(content)
            content.write(chunk)
    with _told_of_disk():
        content.seek(0)
    return content


def _to_disk(memory: io.BytesIO) -> IO[bytes]:
    disk = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    disk.write(memory.getbuffer())
    return disk


@contextmanager
def _told_of_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"A temporary file for a large object cannot be written: {error.strerror}. "
            "Make room for it, or let TMPDIR name a folder that has room."
        ) from error


def _unpack(body: IO[bytes], key: str) -> Iterator[bytes] | None:
    if key.endswith(".snappy"):
        raise DecompressError("snappy compression is not supported; deliver the logs as gzip or plain text")
    if key.endswith(".zip"):
        return _unzip(body)
    magic = body.read(len(_GZIP_MAGIC))
    body.seek(0)
    return _gunzip(body, key) if key.endswith(".gz") or magic == _GZIP_MAGIC else None


def _gunzip(body: IO[bytes], key: str) -> Iterator[bytes]:
    """Yield the content of all members. What follows them and is no member is padding, as it is to gzip(1).

    GzipFile is not used: it raises there, and the events before would be lost with it.
    """
    data = body.read(_GZIP_CHUNK)
    if data and not data.startswith(_GZIP_MAGIC):
        raise DecompressError("it is not gzip data")
    while data.startswith(_GZIP_MAGIC):
        member = zlib.decompressobj(_WITH_GZIP_HEADER)
        while not member.eof:
            chunk = member.decompress(data, _CHUNK)
            if not chunk and not data:
                raise DecompressError("the gzip data is cut off")
            yield chunk
            if not member.eof:
                data = member.unconsumed_tail or body.read(_GZIP_CHUNK)
        data = _past_zeros(member.unused_data, body)
    if data:
        log.warning("What follows the gzip data of %s is not gzip data and was ignored", key)


def _past_zeros(data: bytes, body: IO[bytes]) -> bytes:
    while len(data := data.lstrip(b"\0")) < len(_GZIP_MAGIC) and (more := body.read(_GZIP_CHUNK)):
        data += more
    return data


def _unzip(body: IO[bytes]) -> Iterator[bytes]:
    with zipfile.ZipFile(body) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        if not members:
            raise DecompressError("the zip archive is empty")
        with archive.open(members[0]) as member:
            while chunk := member.read(_CHUNK):
                yield chunk


def _told_of_damage(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except DecompressError:
        raise
    except Exception as error:  # zipfile has no one class for broken archives: these raise whatever comes
        raise DecompressError(str(error) or type(error).__name__) from error


def _bounded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass the chunks on until they are more than any log: a bomb must not fill the disk."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > _LARGEST:
            raise DecompressError(f"it holds more than {_LARGEST >> 30} GiB")
        yield chunk
