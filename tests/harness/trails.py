"""Objects of a trail in a bucket, and the options that collect all of them."""

import gzip
import json
from datetime import date

BUCKET = "acme-logs"
ACCOUNT = "123456789012"
DAY = date(2021, 6, 10)
SINCE = ("-b", BUCKET, "--only_logs_after", "2021-JUN-01")


def trail(
    name: str, day: date = DAY, region: str = "us-east-1", account: str = ACCOUNT, records: int = 1
) -> dict[str, bytes]:
    """Return one CloudTrail object; its events are called `name-0`, `name-1`, …"""
    folder = f"AWSLogs/{account}/CloudTrail/{region}/{day:%Y/%m/%d}"
    events = [{"eventID": f"{name}-{number}", "requestParameters": {"n": number}} for number in range(records)]
    body = gzip.compress(json.dumps({"Records": events}).encode(), mtime=0)
    return {f"{folder}/{account}_CloudTrail_{region}_{day:%Y%m%d}T{name}.json.gz": body}


def trails(count: int, records: int = 1) -> dict[str, bytes]:
    objects: dict[str, bytes] = {}
    for number in range(count):
        objects |= trail(f"{number:05}Z", records=records)
    return objects
