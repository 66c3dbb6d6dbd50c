"""Downloads objects as the profile says: in ranges, at a rate, so many at once.

An answer counts as the object only if S3 gave it: proxies, portals and caches answer with status 200, too.
"""

import io
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import IO, Any

from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

from aws_s3.aws.botocore_internals import on_get_answered, steady_body
from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.direct_get import DirectGet
from aws_s3.aws.error_table import ForeignAnswerError
from aws_s3.aws.rate_limiter import RateLimiter
from aws_s3.codec.compression import IN_MEMORY, as_storage_errors, spool, temporary_file

STALL_SECONDS = 60.0
"""Seconds in which a body must make 1 kB of progress."""

_CHUNK = 1 << 20
_RATED_CHUNK = 1 << 16
_RESUMES = 5
_FIRST_PAUSE = 0.1
_SMALLEST_SPOOL = 1 << 16
_BROKEN_BODY = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
_CHANGED = ("PreconditionFailed", "412")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/", re.ASCII)


class _WholeObjectNeeded(Exception):
    """The object cannot be read in ranges: it was replaced, or the server ignores ranges."""


class Downloader:
    """Downloads objects of one bucket, from several threads; raises the exceptions of the client.

    Together they never have more requests at work than `requests_at_once`. Below the multipart
    threshold an object is one request; from it on, ranges side by side. With a rate, there are no ranges.
    """

    def __init__(
        self, client: Any, bucket: str, settings: TransferConfig, stall_seconds: float = STALL_SECONDS
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._settings = settings
        self._stall_seconds = stall_seconds
        self._rate = RateLimiter(settings.max_bandwidth) if settings.max_bandwidth else None
        self._direct = DirectGet(client, enabled=settings.direct_get, stall_seconds=stall_seconds)
        on_get_answered(client, self._check_answer)
        self._free = threading.Semaphore(settings.requests_at_once)
        self._taking = threading.Lock()

    def get(self, key: str, size: int, etag: str) -> IO[bytes]:
        """Return the content of an object that was listed with `size` bytes (-1: unknown) and `etag` ("": unknown).

        Content over 32 MB, or longer than listed, is a temporary file.
        """
        parts = self._settings.requests_for(size)
        with self._permits(min(parts, self._settings.requests_at_once)) as requests:
            if parts > 1:
                try:
                    return self._in_ranges(key, size, etag, requests)
                except _WholeObjectNeeded:
                    return self._through_client(key, size, etag)
            direct = 0 <= size <= IN_MEMORY and self._rate is None
            if direct and (content := self._direct.get(key, size, etag)) is not None:
                return io.BytesIO(content)
            return self._through_client(key, size, etag)

    @contextmanager
    def _permits(self, number: int) -> Iterator[int]:
        """Wait until `number` requests more may be at work; one thread at a time waits for several."""
        with self._taking:
            for _ in range(number):
                self._free.acquire()
        try:
            yield number
        finally:
            self._free.release(number)

    def _through_client(self, key: str, size: int, etag: str) -> IO[bytes]:
        # The queue of downloads has counted `size` bytes of memory for this object.
        in_memory = IN_MEMORY if size < 0 else min(max(size, _SMALLEST_SPOOL), IN_MEMORY)
        with self._direct.learning(key):
            return spool(self._chunks(key, size, etag), in_memory)

    def _chunks(self, key: str, size: int, etag: str) -> Iterator[bytes]:
        """Yield the object's content; a body that ends early, or stalls, continues where it ended."""
        request: dict[str, Any] = {"Bucket": self._bucket, "Key": key}
        received = 0
        for resumes in count():
            try:
                answer = self._client.get_object(**request)
                if not received:
                    size = self._expected_size(key, size, etag, answer)
                if answer.get("ETag"):
                    request["IfMatch"] = answer["ETag"]
                skipped = 0 if "ContentRange" in answer else received
                for chunk in _after(skipped, self._body(answer)):
                    received += len(chunk)
                    yield chunk
                if received < size:
                    raise IncompleteReadError(actual_bytes=received, expected_bytes=size)
                return
            except ClientError as error:
                # The object was replaced by a shorter one after it was listed: it has no more bytes.
                if received and _code(error) in ("InvalidRange", "416"):
                    return
                raise
            except _BROKEN_BODY as error:
                _pause_before_resume(resumes, error)
            if received:
                request["Range"] = f"bytes={received}-"

    def _expected_size(self, key: str, size: int, etag: str, answer: Mapping[str, Any]) -> int:
        """Return the size of the object whose first answer came; raise ForeignAnswerError if it is another one.

        If the answer differs from the listing, one HEAD decides whether the object was replaced.
        """
        found, length = answer.get("ETag", ""), answer.get("ContentLength", size)
        is_listed = _same(found, etag) if found and etag else size in (-1, length)
        if is_listed or (found and not etag):
            return size
        head = self._client.head_object(Bucket=self._bucket, Key=key)
        is_replaced = _same(head.get("ETag", ""), found) if found else head.get("ContentLength") == length
        if not is_replaced:
            raise ForeignAnswerError(error="the answer is neither the listed object nor a newer one")
        return int(head.get("ContentLength", length))

    def _body(self, answer: Mapping[str, Any]) -> Iterator[bytes]:
        for chunk in answer["Body"].iter_chunks(_RATED_CHUNK if self._rate else _CHUNK):
            if self._rate:
                self._rate.wait(len(chunk))
            yield chunk

    def _in_ranges(self, key: str, size: int, etag: str, requests: int) -> IO[bytes]:
        """Download ranges side by side, by as many threads as there are `requests`, into a temporary file."""
        request = self._request_of_ranges(key, size, etag)
        chunk_size = self._settings.multipart_chunksize
        firsts = deque(range(0, size, chunk_size))
        failures: list[Exception] = []
        content = temporary_file()

        def work() -> None:
            try:
                while not failures:
                    first = firsts.popleft()
                    self._write_range(content, request, first, min(first + chunk_size, size) - 1)
            except IndexError:
                """Other threads have the last ranges."""
            except Exception as error:
                failures.append(error)

        # Not an executor, whose threads would be waited for when a signal ends the program.
        threads = [threading.Thread(target=work, daemon=True, name="range") for _ in range(requests)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            content.close()
            raise failures[0]
        return content

    def _request_of_ranges(self, key: str, size: int, etag: str) -> dict[str, str]:
        """Return the request for the object as it was listed, or as it is now if its ETag is unknown."""
        request = {"Bucket": self._bucket, "Key": key}
        if not etag:
            head = self._client.head_object(**request)
            etag = head.get("ETag", "")
            if head.get("ContentLength", size) != size:
                raise _WholeObjectNeeded
        return request | ({"IfMatch": etag} if etag else {})

    def _write_range(self, content: IO[bytes], request: Mapping[str, Any], first: int, last: int) -> None:
        """Write the bytes from `first` to `last` to their place; a body that ends early continues where it ended."""
        position = first
        for resumes in count():
            try:
                answer = self._client.get_object(**request, Range=f"bytes={position}-{last}")
                if "ContentRange" not in answer:
                    raise _WholeObjectNeeded
                for chunk in self._body(answer):
                    with as_storage_errors():
                        os.pwrite(content.fileno(), chunk, position)
                    position += len(chunk)
                if position > last:
                    return
                raise IncompleteReadError(actual_bytes=position - first, expected_bytes=last + 1 - first)
            except ClientError as error:
                if _code(error) in _CHANGED:
                    raise _WholeObjectNeeded from error
                raise
            except _BROKEN_BODY as error:
                _pause_before_resume(resumes, error)

    def _check_answer(self, parsed: dict[str, Any], url: str) -> None:
        """Let only S3's answers to GetObject pass, and give their bodies a deadline.

        Raises ForeignAnswerError, or IncompleteReadError if a range is shorter than it says, because
        something on the way cut it.
        """
        if "Body" not in parsed:
            return
        headers = parsed["ResponseMetadata"].get("HTTPHeaders", {})
        if not parsed.get("ETag") and "x-amz-request-id" not in headers:
            raise ForeignAnswerError(error="status 200 without the ETag and the request ID of S3's answers")
        found = _RANGE.match(parsed.get("ContentRange", ""))
        stated = int(found[2]) - int(found[1]) + 1 if found else None
        if stated is not None and parsed.get("ContentLength") != stated:
            raise IncompleteReadError(actual_bytes=parsed.get("ContentLength"), expected_bytes=stated)
        parsed["Body"] = steady_body(parsed["Body"], url, self._stall_seconds)


def _pause_before_resume(resumes: int, error: Exception) -> None:
    """Raise the error after the last resume; else wait, if something else than S3 answered."""
    if resumes >= _RESUMES:
        raise error
    if isinstance(error, ForeignAnswerError):
        time.sleep(_FIRST_PAUSE * 2**resumes)


def _after(skipped: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the bytes after the first `skipped`: a server that ignores ranges sends all of them again."""
    for chunk in chunks:
        if skipped < len(chunk):
            yield chunk[skipped:]
        skipped = max(skipped - len(chunk), 0)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _same(etag: str, other: str) -> bool:
    """Compare ETags; some servers quote them in one place only."""
    return etag.strip('"') == other.strip('"')
