"""Undoing compression: gzip, zip, bzip2, xz and zstd, recognised by an object's first bytes, whatever its name says.

Magic numbers: RFC 1952 (gzip), PKWARE's APPNOTE (zip), the bzip2 and xz file format descriptions, RFC 8878
(zstd), Google's "Snappy framing format description".
"""

import bz2
import importlib
import io
import logging
import lzma
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any
from zlib import MAX_WBITS

from aws_s3.errors import CollectorError, DecompressError, MissingExtraError, StorageError, UnavailableError
from aws_s3.wazuh.extras import how_to_install

_decompressobj: Callable[[int], Any]
try:  # The extra `fast`: the same in half the time.
    from zlib_ng.zlib_ng import decompressobj as _decompressobj
except ImportError:
    from zlib import decompressobj as _decompressobj

log = logging.getLogger(__name__)

IN_MEMORY = 32 << 20
"""Bytes above which a body lives in a temporary file."""

_LARGEST = 16 << 30
_DEEPEST = 3
_CHUNK = 1 << 20
_INPUT = 1 << 15
_ZSTD_INPUT = 1 << 10
"""Bytes of zstd that give at most 32 MiB: a block of four bytes stands for up to 128 KiB."""

_GZIP = b"\x1f\x8b"
_WITH_GZIP_HEADER = 16 + MAX_WBITS
_XZ_MEMORY = 128 << 20
"""Bytes that a decoder may take: `xz -9` needs 65 MiB, a forged header asks for 4 GiB."""

_SNAPPY_FRAMED = b"\xff\x06\x00\x00sNaPpY"
_HEAD = 18
"""Bytes at the beginning that tell any of the formats."""


def decompress(body: IO[bytes], key: str) -> IO[bytes]:
    """Return the decompressed content of `body`, readable from its start; `body` itself if it is not compressed.

    Up to three layers are undone, such as gzip in gzip. All of the content is read here: a body that breaks
    in the middle raises DecompressError now, not while its events are being sent. So do snappy, an ending
    that names a compression over bytes that are not compressed, and layers of more than 16 GiB together.
    zstd raises UnavailableError where no library for it is installed. Content above 32 MB is a temporary
    file, which the caller closes.
    """
    limit = _Limit()
    for layer in range(_DEEPEST + 1):
        unpack = _unpacker(body, key if layer == 0 else "")
        if unpack is None:
            break
        if layer == _DEEPEST:
            raise DecompressError(f"it is compressed more than {_DEEPEST} times")
        packed, body = body, spool(limit.apply(_as_decompress_errors(unpack(body, key))))
        if layer:
            packed.close()
    return body


def spool(chunks: Iterable[bytes], in_memory: int | None = None) -> IO[bytes]:
    """Return the chunks as one readable file: in memory, above `in_memory` bytes (32 MB) a temporary file.

    Raises StorageError when that file cannot be written, which says nothing about the object.
    """
    content: IO[bytes] = io.BytesIO()
    largest = IN_MEMORY if in_memory is None else in_memory
    size = 0
    for chunk in chunks:
        size += len(chunk)
        with as_storage_errors():
            if size > largest and isinstance(content, io.BytesIO):
                content = _to_disk(content)
            content.write(chunk)
    with as_storage_errors():
        content.seek(0)
    return content


def temporary_file() -> IO[bytes]:
    """Return a new file without a name, which the caller closes. Raises StorageError."""
    with as_storage_errors():
        return tempfile.TemporaryFile()


def _to_disk(memory: io.BytesIO) -> IO[bytes]:
    disk = temporary_file()
    disk.write(memory.getbuffer())
    return disk


@contextmanager
def as_storage_errors() -> Iterator[None]:
    """Raise StorageError for the errors of the system about a temporary file: no object is to blame for them."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"A temporary file for a large object cannot be written: {error.strerror}. "
            "Make room for it, or let TMPDIR name a folder that has room."
        ) from error


_Unpack = Callable[[IO[bytes], str], Iterator[bytes]]


def _unpacker(body: IO[bytes], key: str) -> _Unpack | None:
    """Return the reader that undoes the outermost compression; None if the content is not compressed."""
    head = body.read(_HEAD)
    body.seek(0)
    if key.endswith(".snappy") or head.startswith(_SNAPPY_FRAMED) or _is_hadoop_snappy(head):
        raise DecompressError("snappy compression is not supported; deliver the logs as gzip or plain text")
    if head[:1] in _FIRST_BYTES:
        for magics, unpack in _BY_MAGIC:
            if head.startswith(magics):
                return unpack
    ending = key.rpartition(".")[2]
    if ending == "zip":  # An archive may have other bytes in front.
        return _unzip
    if head and ending in _BY_ENDING:
        raise DecompressError(f"it is not {_BY_ENDING[ending]} data")
    return None


def _is_hadoop_snappy(head: bytes) -> bool:
    """Recognise Hadoop's framing: the block's size, the chunk's size, and the chunk, which begins with its own size.

    The sizes are big-endian 32-bit numbers, the chunk's own is a varint; a block of one chunk states one size twice.
    """
    block, chunk = head[:4], head[4:8]
    size = 0
    for place, byte in enumerate(head[8:13]):
        size |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            break
    return head[:1] == b"\0" and chunk[:1] == b"\0" and size > 0 and size == int.from_bytes(block, "big")


def _gunzip(body: IO[bytes], key: str) -> Iterator[bytes]:
    """Yield the content of all members. Bytes behind the last member are padding, as gzip(1) treats them.

    GzipFile is not used: it raises there, and the events before would be lost with it.
    """
    data = body.read(_INPUT)
    while data.startswith(_GZIP):
        member = _decompressobj(_WITH_GZIP_HEADER)
        while not member.eof:
            chunk = member.decompress(data, _CHUNK)
            if not chunk and not data:
                raise DecompressError("the gzip data is cut off")
            yield chunk
            if not member.eof:
                data = member.unconsumed_tail or body.read(_INPUT)
        data = _past_zeros(member.unused_data, body)
    if data:
        log.warning("Ignored what follows the gzip data of %s, because it is not gzip data", key)


def _past_zeros(data: bytes, body: IO[bytes]) -> bytes:
    while len(data := data.lstrip(b"\0")) < len(_GZIP) and (more := body.read(_INPUT)):
        data += more
    return data


def _unzip(body: IO[bytes], key: str) -> Iterator[bytes]:
    with zipfile.ZipFile(body) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        if not members:
            raise DecompressError("the zip archive is empty")
        if len(members) > 1:
            log.warning("The zip archive %s holds %d files: only the first one is read", key, len(members))
        with archive.open(members[0]) as member:
            yield from _chunks(member)


def _unbzip2(body: IO[bytes], key: str) -> Iterator[bytes]:
    del key
    return _streams(body, bz2.BZ2Decompressor)


def _unxz(body: IO[bytes], key: str) -> Iterator[bytes]:
    del key
    return _streams(body, partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _XZ_MEMORY))


def _streams(body: IO[bytes], new: Callable[[], Any]) -> Iterator[bytes]:
    """Yield the content of all streams; zeros between and after them are padding."""
    data = body.read(_INPUT)
    stream = new()
    while data or not stream.eof:
        chunk = stream.decompress(data, _CHUNK)
        yield chunk
        if stream.eof:
            data, stream = _past_zeros(stream.unused_data, body), new()
            if not data:
                return
        else:
            data = body.read(_INPUT) if stream.needs_input else b""
            if not data and stream.needs_input:
                raise DecompressError("the compressed data is cut off")


def _unzstd(body: IO[bytes], key: str) -> Iterator[bytes]:
    del key
    try:
        ensure_zstd()
    except MissingExtraError as error:
        raise UnavailableError(error) from error
    if (standard := _module("compression.zstd")) is not None:
        return _streams(body, standard.ZstdDecompressor)
    return _zstd_frames(body, _module("zstandard").ZstdDecompressor().decompressobj)


def ensure_zstd() -> None:
    """Raise MissingExtraError if neither Python nor a library reads zstd."""
    if _module("compression.zstd") is None and _module("zstandard") is None:
        raise MissingExtraError(
            f"Reading zstd needs Python 3.14 or the library zstandard. Install it: {how_to_install('zstandard')}"
        )


def _zstd_frames(body: IO[bytes], new: Callable[[], Any]) -> Iterator[bytes]:
    """Yield the content of all frames. The input goes in small parts, because the output of each has no limit."""
    frame = new()
    data = body.read(_ZSTD_INPUT)
    while data:
        yield frame.decompress(data)
        data = frame.unused_data or body.read(_ZSTD_INPUT)
        if frame.eof and data:
            frame = new()
    if not frame.eof:
        raise DecompressError("the compressed data is cut off")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _chunks(file: Any) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


_BY_MAGIC: tuple[tuple[bytes | tuple[bytes, ...], _Unpack], ...] = (
    (_GZIP, _gunzip),
    # A member, or the end of an archive without any.
    ((b"PK\x03\x04", b"PK\x05\x06"), _unzip),
    # A level from 1 to 9, then a block or the end of the stream.
    (
        tuple(b"BZh%d%s" % (level, block) for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90")),
        _unbzip2,
    ),
    (b"\xfd7zXZ\0", _unxz),
    (b"\x28\xb5\x2f\xfd", _unzstd),
)
_FIRST_BYTES = frozenset((b"\x1f", b"P", b"B", b"\xfd", b"\x28"))
"""The first bytes of the magic numbers: most objects are told from compressed ones by one look."""

_BY_ENDING = {"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd"}


def _as_decompress_errors(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except (CollectorError, MemoryError):
        raise
    except Exception as error:  # zipfile raises many classes for a corrupt archive.
        raise DecompressError(str(error) or type(error).__name__) from error


class _Limit:
    """Ends a decompression whose layers are together larger than any log: a bomb must not fill the disk."""

    def __init__(self) -> None:
        self._left = _LARGEST

    def apply(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the chunks on, or raise DecompressError."""
        for chunk in chunks:
            self._left -= len(chunk)
            if self._left < 0:
                raise DecompressError(f"it holds more than {_LARGEST >> 30} GiB")
            yield chunk
