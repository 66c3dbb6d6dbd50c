"""What collectors are measured against: one GET after the other, parsed plainly, a socket connection an event.

`python -m tests.bench.plain_loop trail|lines SOCKET [LIMIT]` sends every event of the benchmark's bucket,
or of its first LIMIT objects.
"""

import gzip
import json
import socket
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import boto3
from botocore.config import Config

from tests.bench.corpus import BUCKET


def _records(data: bytes) -> Iterator[dict[str, Any]]:
    yield from json.loads(data)["Records"]


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    names, *lines = data.decode().splitlines()
    for line in lines:
        yield dict(zip(names.split(" "), line.split(" "), strict=False))


def main(parse: str, path: str, limit: str = "") -> None:
    """Send everything."""
    s3 = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 10}))
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    items = (item["Key"] for page in pages for item in page.get("Contents", ()))
    for key in islice(items, int(limit) if limit else None):
        data = gzip.decompress(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        for event in {"trail": _records, "lines": _lines}[parse](data):
            message = {"integration": "aws", "aws": {"log_info": {"log_file": key, "s3bucket": BUCKET}, **event}}
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.connect(path)
                end.send(b"1:Wazuh-AWS:" + json.dumps(message).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
