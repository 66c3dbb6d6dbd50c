"""Downloads objects as the profile says: in ranges, at a rate, so many at once."""

import io
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

from aws_s3.aws.botocore_internals import on_get_answered
from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.direct_get import DirectGet
from aws_s3.aws.rate_limiter import RateLimiter
from aws_s3.codec.compression import IN_MEMORY, spool

_CHUNK = 1 << 20
_RATED_CHUNK = 1 << 16
_RESUMES = 5
_CHUNKS_UNWRITTEN = 64
_CUT_BODY = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/", re.ASCII)


class Downloader:
    """Downloads objects of one bucket, from several threads; raises the exceptions of the client.

    Together they never have more requests at work than `max_concurrent_requests`. Below the multipart
    threshold an object is one request; from it on, ranges side by side. With a rate, there are no ranges.
    """

    def __init__(self, client: Any, bucket: str, settings: TransferConfig) -> None:
        self._client = client
        self._bucket = bucket
        self._settings = settings
        self._rate = RateLimiter(settings.max_bandwidth) if settings.max_bandwidth else None
        self._direct = DirectGet(client, enabled=settings.direct_get)
        on_get_answered(client, _check_range)
        self._free = threading.Semaphore(settings.max_concurrent_requests)
        self._taking = threading.Lock()

    def get(self, key: str, size: int) -> IO[bytes]:
        """Return the content of an object of `size` bytes, -1 for unknown; one over 32 MB is a temporary file."""
        parts = self._settings.requests_for(size)
        with self._permits(min(parts, self._settings.max_concurrent_requests)) as requests:
            if parts > 1:
                return self._in_ranges(key, size, requests)
            direct = 0 <= size <= IN_MEMORY and self._rate is None
            if direct and (content := self._direct.get(key)) is not None and len(content) >= size:
                return io.BytesIO(content)
            return self._through_client(key, size)

    @contextmanager
    def _permits(self, count: int) -> Iterator[int]:
        """Wait until `count` requests more may be at work; one waits for several at a time."""
        with self._taking:
            for _ in range(count):
                self._free.acquire()
        try:
            yield count
        finally:
            self._free.release(count)

    def _through_client(self, key: str, size: int) -> IO[bytes]:
        with self._direct.learning(key):
            return spool(self._chunks(key, size))

    def _chunks(self, key: str, size: int) -> Iterator[bytes]:
        """Yield the object's content; a body that is cut, or shorter than listed, continues where it ended."""
        request: dict[str, Any] = {"Bucket": self._bucket, "Key": key}
        received = resumes = 0
        while True:
            try:
                answer = self._client.get_object(**request)
                request["IfMatch"] = answer["ETag"]
                for chunk in answer["Body"].iter_chunks(_RATED_CHUNK if self._rate else _CHUNK):
                    received += len(chunk)
                    if self._rate:
                        self._rate.wait(len(chunk))
                    yield chunk
                if received < size:
                    raise IncompleteReadError(actual_bytes=received, expected_bytes=size)
                return
            except ClientError as error:
                # It was written again, shorter, after it was listed: there is no more of it.
                if received and error.response.get("Error", {}).get("Code") == "InvalidRange":
                    return
                raise
            except _CUT_BODY:
                resumes += 1
                if resumes > _RESUMES:
                    raise
            request["Range"] = f"bytes={received}-"

    def _in_ranges(self, key: str, size: int, requests: int) -> IO[bytes]:
        """Download ranges side by side, as s3transfer does it: well for large objects, slowly for small ones."""
        from s3transfer.exceptions import RetriesExceededError
        from s3transfer.manager import TransferConfig, TransferManager

        config = TransferConfig(
            multipart_threshold=self._settings.multipart_threshold,
            multipart_chunksize=self._settings.multipart_chunksize,
            max_request_concurrency=requests,
            # What is downloaded and not yet written is memory: s3transfer's own limit is 256 MB.
            max_io_queue_size=_CHUNKS_UNWRITTEN,
        )
        content: IO[bytes] = tempfile.TemporaryFile() if size > IN_MEMORY else io.BytesIO()  # noqa: SIM115 - the caller's
        try:
            with TransferManager(self._client, config) as manager:
                manager.download(self._bucket, key, content).result()
        except RetriesExceededError as error:
            raise error.last_exception from error
        content.seek(0)
        return content


def _check_range(parsed: Mapping[str, Any]) -> None:
    """Raise IncompleteReadError if a range is shorter than it says, because something on the way cut it."""
    found = _RANGE.match(parsed.get("ContentRange", ""))
    told = int(found[2]) - int(found[1]) + 1 if found else None
    if told is not None and parsed.get("ContentLength") != told:
        raise IncompleteReadError(actual_bytes=parsed.get("ContentLength"), expected_bytes=told)
