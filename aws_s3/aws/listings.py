"""Listings of a bucket without the work that botocore repeats for each: a page of few keys takes a tenth of its time.

DirectList learns from the client's own first listing where requests go and for which region they are signed, as
`direct_get` does. It leaves every answer but a listing of S3's to the client: retries, redirects and errors are the
client's. The environment variable AWS_S3_DIRECT_GET=0 switches it off; the listings are the same.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from threading import local
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError
from botocore.utils import percent_encode
from urllib3.exceptions import HTTPError

from aws_s3.aws.botocore_internals import ClientParts, body_through, on_listing_sent
from aws_s3.aws.sigv4 import host_header, signed_headers

_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^,]+/([a-z0-9-]+)/s3/aws4_request,")
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


@dataclass(frozen=True)
class _Address:
    """The place of a bucket. `region` is the one that requests are signed for, `agent` the client's User-Agent."""

    host: str
    path: str
    region: str
    agent: str
    pool: Any


class DirectList:
    """Lists one bucket through the connections of `client`, in any thread.

    It needs what `DirectGet` needs. A body must make 1 kB of progress in `stall_seconds`.
    """

    def __init__(self, client: Any, *, enabled: bool, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._address: _Address | None = None
        self._thread = local()
        self._parts = ClientParts.of(client) if enabled else None
        if self._parts and (client.meta.config.retries or {}).get("mode") != "adaptive":
            on_listing_sent(client, self._see)

    def page(self, request: Mapping[str, str | int]) -> Listing | None:
        """Return a page, None if the client is to be asked instead. `request` is as for `list_objects_v2`."""
        address = self._address
        if address is None or self._parts is None:
            return None
        given = {_NAMES[name]: str(value) for name, value in request.items() if name in _NAMES and value}
        given |= {"list-type": "2", "encoding-type": "url"}
        query = "&".join(f"{name}={percent_encode(value)}" for name, value in sorted(given.items()))
        try:
            credentials = self._parts.credentials.get_frozen_credentials()
            headers = signed_headers(address.host, address.path, address.region, credentials, query=query)
            headers["user-agent"] = address.agent
            body = body_through(address.pool, f"{address.path}?{query}", headers, self._stall_seconds)
        except (BotoCoreError, HTTPError, HTTPException, OSError, ValueError):
            return None
        return None if body is None else Listing.parsed(body)

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Learn the address from the client's listing in this block, if the block succeeds.

        Until then, requests of all threads go through the client.
        """
        self._address = None
        self._thread.is_learning, self._thread.learned = True, None
        try:
            yield
            self._address = self._thread.learned or self._address
        finally:
            self._thread.is_learning = False

    def _see(self, request: AWSPreparedRequest) -> None:
        """Learn from a request of the client; only that of the final attempt is remembered."""
        if not getattr(self._thread, "is_learning", False) or self._parts is None:
            return
        scope = _SCOPE.match(_text(request.headers.get("Authorization", "")))
        self._thread.learned = None
        if scope and not self._parts.proxies.proxy_url_for(request.url):
            # The client is about to give this pool the certificates to trust, and to use it.
            pool = self._parts.pools.connection_from_url(request.url)
            url = urlsplit(request.url)
            agent = _text(request.headers["User-Agent"])
            self._thread.learned = _Address(host_header(url), url.path or "/", scope[1], agent, pool)


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header
