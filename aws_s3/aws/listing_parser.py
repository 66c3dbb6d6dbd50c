"""Reading S3's listings: botocore describes each object as its model says, which takes as long again as all else.

Newer versions of it show an answer before they parse it, and go on with what is left.
"""

from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

EVENT = "before-parse.*.ListObjectsV2"
"""With a star, it comes before botocore's own look for errors, which parses all that is still there."""

_OK = 200


def parse_contents(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Take the objects, with `Key`, `Size` and `ETag`, out of an answer and into botocore's result.

    An answer that is not as S3's are is left to botocore as it is.
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
    """Return the object as botocore describes it. Raises ValueError when something is missing."""
    key, size = item.findtext(f"{namespace}Key"), item.findtext(f"{namespace}Size")
    if not key or not size:
        raise ValueError
    return {"Key": key, "Size": int(size), "ETag": item.findtext(f"{namespace}ETag", "")}
