"""A bucket in memory, that lists as S3 does: by the page, after a key, by folders."""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import Level
from aws_s3.errors import CollectorError, StorageError, UnavailableError

ARCHIVED = UnavailableError(StorageError("InvalidObjectState: it is in an archive."), archived=True)
GONE = UnavailableError(StorageError("NoSuchKey: it is gone."), gone=True)


class MemoryStore:
    """Objects by key. What is in `failures` raises: at a key when it is read, at a prefix when it is listed.

    `lists` counts the pages and folders asked for; `undeletable` keys stay; `classes` are storage classes by key.
    An archived object cannot be read unless it is `restored`.
    """

    def __init__(self, objects: Mapping[str, bytes] | None = None, page_size: int = 1000) -> None:
        self.objects = dict(objects or {})
        self.page_size = page_size
        self.failures: dict[str, CollectorError] = {}
        self.undeletable: set[str] = set()
        self.classes: dict[str, str] = {}
        self.restored: set[str] = set()
        self.deleted: list[list[str]] = []
        self.lists: list[tuple[str, str]] = []

    def folders(self, prefix: str, end: str = "/") -> Iterator[str]:
        self._ask(prefix, end)
        rests = (key[len(prefix) :] for key in self._keys(prefix))
        yield from dict.fromkeys(rest.partition(end)[0] for rest in rests if end in rest)

    def holds(self, prefix: str) -> bool:
        return bool(self._keys(prefix))

    def pages(self, prefix: str, start_after: str = "") -> Iterator[list[S3Object]]:
        while True:
            self._ask(prefix, start_after)
            keys = [key for key in self._keys(prefix) if key > start_after]
            yield [self.entry(key) for key in keys[: self.page_size]]
            if len(keys) <= self.page_size:
                return
            start_after = keys[self.page_size - 1]

    def level(self, prefix: str, start_after: str = "", end: str = "/") -> Level:
        self._ask(prefix, f"{start_after}{end}")
        names: dict[str, str] = {}
        for key in self._keys(prefix):
            folder, slash, _ = key[len(prefix) :].partition(end) if end else (key[len(prefix) :], "", "")
            if key > start_after:
                names[f"{prefix}{folder}{slash}"] = folder if slash else ""
        shown = dict(list(names.items())[: self.page_size])
        objects = [self.entry(key) for key, folder in shown.items() if not folder]
        return Level([folder for folder in shown.values() if folder], objects, len(names) > len(shown))

    def get(self, wanted: S3Object) -> IO[bytes]:
        if wanted.key in self.failures:
            raise self.failures[wanted.key]
        if wanted.key not in self.objects:
            raise GONE
        if self.entry(wanted.key).is_archived and wanted.key not in self.restored:
            raise ARCHIVED
        return io.BytesIO(self.objects[wanted.key])

    def delete(self, keys: Sequence[str]) -> list[str]:
        self.deleted.append(list(keys))
        for key in keys:
            if key not in self.undeletable:
                self.objects.pop(key, None)
        return [f"{key} could not be deleted" for key in keys if key in self.undeletable]

    def entry(self, key: str) -> S3Object:
        """Return the object as a listing shows it."""
        body = self.objects[key]
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        return S3Object(key, len(body), etag, self.classes.get(key, "STANDARD"))

    def _ask(self, prefix: str, after: str) -> None:
        self.lists.append((prefix, after))
        if prefix in self.failures:
            raise self.failures[prefix]

    def _keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))
