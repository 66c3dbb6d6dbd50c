"""Listings of a bucket without the work that botocore repeats for each: a page of few keys takes a tenth of its time.

DirectList learns the bucket's address from the client's own first listing, as `direct_get` does from a GET. It leaves
every answer but a listing of S3's to the client: retries, redirects and errors are the client's. The environment
variable AWS_S3_DIRECT_GET=0 switches it off; the listings are the same.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from botocore.utils import percent_encode

from aws_s3.aws.botocore_internals import body_through
from aws_s3.aws.direct_get import UNANSWERED, LearnedAddress

_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
_OK = 200
_NAMES = {
    "Prefix": "prefix",
    "Delimiter": "delimiter",
    "StartAfter": "start-after",
    "ContinuationToken": "continuation-token",
    "MaxKeys": "max-keys",
}
"""Parameters of ListObjectsV2 as botocore and as a URL names them."""


class S3Object(NamedTuple):
    """An object as a listing shows it; `size` in bytes, as stored, -1 if unknown."""

    key: str
    size: int
    etag: str
    storage_class: str = ""

    @property
    def is_archived(self) -> bool:
        """Whether it has to be restored before it can be read."""
        return self.storage_class in _ARCHIVES


class Listing(NamedTuple):
    """One page: objects, the prefixes of folders with their slash, and the token of the next page, if there is one."""

    objects: list[S3Object]
    folders: list[str]
    token: str | None

    @classmethod
    def parsed(cls, body: bytes) -> "Listing | None":
        """Return the listing of an answer; None if it lacks a member that S3's have."""
        try:
            root = ElementTree.fromstring(body)  # noqa: S314 (botocore parses every answer so)
            return cls._of(root)
        except (ElementTree.ParseError, KeyError, TypeError, ValueError):
            return None

    @classmethod
    def _of(cls, root: Element) -> "Listing | None":
        space, found, _ = root.tag.partition("ListBucketResult")
        if not found:
            return None
        names = [f"{space}{name}" for name in ("Key", "Size", "ETag", "StorageClass")]
        objects, folders, rest = [], [], {}
        for element in root:
            if element.tag == f"{space}Contents":
                objects.append(_object({each.tag: each.text for each in element}, names))
            elif element.tag == f"{space}CommonPrefixes":
                folders.append(_filled(element.findtext(f"{space}Prefix")))
            else:
                rest[element.tag.removeprefix(space)] = element.text
        if rest.get("EncodingType") == "url":
            objects = [item._replace(key=_unquoted(item.key)) if _is_quoted(item.key) else item for item in objects]
            folders = list(map(_unquoted, folders))
        is_truncated = {"true": True, "false": False}[_filled(rest["IsTruncated"])]
        return cls(objects, folders, _filled(rest["NextContinuationToken"]) if is_truncated else None)

    @classmethod
    def of_page(cls, page: Mapping[str, Any]) -> "Listing | None":
        """Return the listing that botocore parsed; None if it lacks a member that S3's have."""
        try:
            objects = [
                S3Object(item["Key"], item["Size"], item.get("ETag", ""), item.get("StorageClass", ""))
                for item in page.get("Contents", ())
            ]
            folders = [folder["Prefix"] for folder in page.get("CommonPrefixes", ())]
            return cls(objects, folders, page["NextContinuationToken"] if page["IsTruncated"] else None)
        except KeyError:
            return None


def _object(item: Mapping[str, str | None], names: list[str]) -> S3Object:
    key, size, etag, storage_class = names
    return S3Object(_filled(item[key]), int(_filled(item[size])), item.get(etag) or "", item.get(storage_class) or "")


def _filled(text: str | None) -> str:
    if not text:
        raise ValueError("a member of the listing is empty")
    return text


def _is_quoted(text: str) -> bool:
    return "%" in text or "+" in text


def _unquoted(text: str) -> str:
    """Undo the encoding of a listing's names: that of forms, in which `+` is a space."""
    return unquote_to_bytes(text.replace("+", " ")).decode()


def parse_early(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Parse an answer, and leave nothing of it to botocore's parser, which is slow. botocore emits `before-parse`.

    An answer without the form of S3's stays unchanged.
    """
    if response_dict["status_code"] != _OK:
        return
    listing = Listing.parsed(response_dict["body"])
    if listing is not None:
        response_dict["body"] = b"<ListBucketResult/>"
        customized_response_dict[PARSED] = listing


PARSED = "ParsedListing"
"""The member of botocore's result in which `parse_early` leaves the listing."""


class DirectList:
    """Lists one bucket through the connections of `client`, in any thread.

    A body must make 1 kB of progress in `stall_seconds`.
    """

    def __init__(self, client: Any, *, enabled: bool, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._address = LearnedAddress(client, "ListObjectsV2", enabled=enabled)

    def page(self, request: Mapping[str, str | int]) -> Listing | None:
        """Return a page, None if the client is to be asked instead. `request` is as for `list_objects_v2`."""
        address = self._address.known
        if address is None:
            return None
        given = {_NAMES[name]: str(value) for name, value in request.items() if name in _NAMES and value}
        given |= {"list-type": "2", "encoding-type": "url"}
        query = "&".join(f"{name}={percent_encode(value)}" for name, value in sorted(given.items()))
        path = address.path or "/"
        try:
            body = body_through(address.pool, f"{path}?{query}", address.headers(path, query), self._stall_seconds)
        except UNANSWERED:
            return None
        return None if body is None else Listing.parsed(body)

    def learning(self) -> AbstractContextManager[None]:
        """Learn the address from the client's listing in this block."""
        return self._address.learning()
