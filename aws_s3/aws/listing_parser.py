"""Reads the objects of S3's listings: botocore's model-driven parsing doubles the cost of a listing."""

from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_OK = 200


def parse_contents(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Move the objects, with `Key`, `Size`, `ETag` and `StorageClass`, out of an answer into botocore's result.

    botocore emits `before-parse` with both dictionaries, and parses the rest of the first one. An
    answer without the form of S3's stays unchanged.
    """
    if response_dict["status_code"] != _OK:
        return
    try:
        root = ElementTree.fromstring(response_dict["body"])  # noqa: S314 (botocore parses every answer so)
        tag = root.tag.replace("ListBucketResult", "Contents")
        contents = [_described(item, tag.removesuffix("Contents")) for item in root.iterfind(tag)]
    except (ElementTree.ParseError, ValueError):
        return
    root[:] = [element for element in root if element.tag != tag]
    response_dict["body"] = ElementTree.tostring(root)
    if contents:
        customized_response_dict["Contents"] = contents


def _described(item: Element, namespace: str) -> dict[str, Any]:
    """Return the object as botocore describes it. Raises ValueError if the key or the size is missing."""
    key, size = item.findtext(f"{namespace}Key"), item.findtext(f"{namespace}Size")
    if not key or not size:
        raise ValueError
    described = {"Key": key, "Size": int(size), "ETag": item.findtext(f"{namespace}ETag", "")}
    if storage_class := item.findtext(f"{namespace}StorageClass"):
        described["StorageClass"] = storage_class
    return described
