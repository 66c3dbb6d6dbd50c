"""Taking an object's bytes out of gzip or zip, by its name and its first bytes (SPEC 5)."""

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
_GZIP_MAGIC = b"\x1f\x8b"
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


def decompress(body: IO[bytes], key: str) -> IO[bytes]:
    """Return the decompressed content of `body`, readable from its start; `body` itself if it is not compressed.

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
    disk = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - the caller closes it
    disk.write(memory.getbuffer())
    return disk
