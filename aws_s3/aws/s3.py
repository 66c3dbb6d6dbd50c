"""A bucket in S3: its keys from a start on, its folders, getting and deleting its objects."""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol

from aws_s3.aws.botocore_internals import on_answered
from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.download import STALL_SECONDS, Downloader
from aws_s3.aws.error_table import FAILURES, not_from, translate, translate_object
from aws_s3.aws.listings import PARSED, DirectList, Listing, S3Object, parse_early
from aws_s3.errors import StorageError

_PAGES_REMEMBERED = 5
KEYS_A_DELETION = 1000
"""The most keys that DeleteObjects takes."""

_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ufffd\U00010000-\U0010ffff]")
"""Characters that a key may have and XML, of which DeleteObjects is made, may not."""


@dataclass(frozen=True)
class Level:
    """One page of the names right under a prefix: folders without their slash, objects, and whether more follow."""

    folders: list[str]
    objects: list[S3Object]
    has_more: bool


class Folders(Protocol):
    """The part of a bucket that discovery uses."""

    def folders(self, prefix: str, end: str = "/") -> Iterator[str]:
        """Yield the names of the folders right under `prefix`; with another `end`, the names up to it."""

    def holds(self, prefix: str) -> bool:
        """Tell whether any key begins with `prefix`."""


class Bucket(Folders, Protocol):
    """A bucket, as collectors use it."""

    def pages(self, prefix: str, start_after: str = "") -> Iterator[list[S3Object]]:
        """Yield the objects under `prefix` that sort after `start_after`, in key order, by the page."""

    def get(self, wanted: S3Object) -> IO[bytes]:
        """Return the object's content, readable from its start."""

    def delete(self, keys: Sequence[str]) -> list[str]:
        """Delete the objects; return a line for each that could not be deleted."""


class S3Bucket:
    """A bucket behind a boto3 S3 client, which may be used by several threads.

    Every method raises the errors of `error_table`; `get` raises UnavailableError for failures that
    affect one object only. `count` is called for each LIST and DELETE, in any thread.
    """

    def __init__(
        self, client: Any, bucket: str, downloads: TransferConfig, count: Callable[[str], None] = lambda _: None
    ) -> None:
        self._client = client
        self._count = count
        self._bucket = bucket
        self._downloader = Downloader(client, bucket, downloads)
        self._direct = DirectList(client, enabled=downloads.direct_get, stall_seconds=STALL_SECONDS)
        on_answered(client, "ListObjectsV2", parse_early)

    def folders(self, prefix: str, end: str = "/") -> Iterator[str]:
        """Yield the names of the folders right under `prefix`, of all pages; with another `end`, the names up to it."""
        for page in self._list(Prefix=prefix, Delimiter=end):
            yield from (folder[len(prefix) : -1] for folder in page.folders)

    def holds(self, prefix: str) -> bool:
        """Tell whether any key begins with `prefix`."""
        return bool(next(self._list(Prefix=prefix, MaxKeys=1)).objects)

    def pages(self, prefix: str, start_after: str = "") -> Iterator[list[S3Object]]:
        """Yield the objects under `prefix` that sort after `start_after`, in key order, by the page."""
        # Some servers name a key twice, in one page or in pages that follow each other.
        recent: deque[set[str]] = deque(maxlen=_PAGES_REMEMBERED)
        for page in self._list(Prefix=prefix, StartAfter=start_after):
            objects = {item.key: item for item in page.objects if not any(item.key in keys for keys in recent)}
            recent.append(set(objects))
            yield list(objects.values())

    def level(self, prefix: str, start_after: str = "", end: str = "/") -> Level:
        """Return the first page of the folders and objects right under `prefix` that sort after `start_after`.

        With an empty `end`, the objects are all those whose keys begin with the prefix.
        """
        page = next(self._list(Prefix=prefix, Delimiter=end, StartAfter=start_after))
        return Level([folder[len(prefix) : -1] for folder in page.folders], page.objects, page.token is not None)

    def get(self, wanted: S3Object) -> IO[bytes]:
        """Return the object's content; one over 32 MB is a temporary file, which the caller closes."""
        try:
            return self._downloader.get(wanted.key, wanted.size, wanted.etag)
        except FAILURES as error:
            raise translate_object(error, f"object s3://{self._bucket}/{wanted.key}") from error

    def delete(self, keys: Sequence[str]) -> list[str]:
        """Delete the objects; return a line for each that could not be deleted."""
        failed = []
        for batch in _deletions(keys):
            self._count("DELETE")
            try:
                failed += self._delete_batch(batch)
            except FAILURES as error:
                failed.append(str(translate(error, f"deletion of {len(batch)} objects of {self._bucket}")))
        return failed

    def _delete_batch(self, keys: Sequence[str]) -> list[str]:
        if _NOT_IN_XML.search(keys[0]):
            self._client.delete_object(Bucket=self._bucket, Key=keys[0])
            return []
        answer = self._client.delete_objects(
            Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
        return [
            f"object s3://{self._bucket}/{error.get('Key')} could not be deleted: "
            f"{error.get('Code')}: {error.get('Message')}"
            for error in answer.get("Errors", ())
        ]

    def _list(self, **request: Any) -> Iterator[Listing]:
        request["Bucket"] = self._bucket
        while True:
            self._count("LIST")
            page = self._direct.page(request) or self._through_client(request)
            if page is None or page.token == request.get("ContinuationToken", ""):
                # A portal or proxy on the way answers 200 too. An empty listing would say that all is well,
                # and the same page again and again would never end.
                raise StorageError(not_from("S3", f"bucket {self._bucket}"))
            yield page
            if page.token is None:
                return
            request["ContinuationToken"] = page.token

    def _through_client(self, request: Mapping[str, Any]) -> Listing | None:
        """Return a page; None if the answer is no listing of S3's."""
        try:
            with self._direct.learning():
                answer = self._client.list_objects_v2(**request)
        except FAILURES as error:
            raise translate(error, f"bucket {self._bucket}") from error
        listing: Listing | None = answer.get(PARSED) or Listing.of_page(answer)
        return listing


def _deletions(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the keys as they can be deleted by one request each: together, or alone where XML cannot name the key."""
    together = [key for key in keys if not _NOT_IN_XML.search(key)]
    for first in range(0, len(together), KEYS_A_DELETION):
        yield together[first : first + KEYS_A_DELETION]
    yield from ([key] for key in keys if _NOT_IN_XML.search(key))
