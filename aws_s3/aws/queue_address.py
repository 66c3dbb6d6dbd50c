"""The names that a queue has on the command line: its name, its URL or its ARN."""

import re
from dataclasses import dataclass

_NAME = r"[A-Za-z0-9_-]{1,80}(?:\.fifo)?"
_REGION = r"[a-z]{2,}(?:-[a-z]+)+-\d{1,2}"
_BARE = re.compile(rf"(?P<name>{_NAME})", re.ASCII)
_ARN = re.compile(rf"arn:[a-z-]+:sqs:(?P<region>{_REGION}):(?P<account>\d{{12}}):(?P<name>{_NAME})", re.ASCII)
_URL = re.compile(rf"https?://(?P<host>[^/\s]+)/(?:\S+/)?(?P<account>\d{{12}})/(?P<name>{_NAME})", re.ASCII)
_REGION_IN_HOST = re.compile(rf"(?:^|\.)({_REGION})\.", re.ASCII)


@dataclass(frozen=True)
class QueueAddress:
    """A queue's name, with its region, account and URL where they are known; else empty."""

    name: str
    region: str = ""
    account: str = ""
    url: str = ""

    @classmethod
    def parse(cls, text: str) -> "QueueAddress":
        """Return the address of a name, a URL or an ARN. Raises ValueError for another text."""
        if found := _BARE.fullmatch(text):
            return cls(text)
        if found := _ARN.fullmatch(text):
            return cls(found["name"], found["region"], found["account"])
        if found := _URL.fullmatch(text):
            region = _REGION_IN_HOST.search(found["host"])
            return cls(found["name"], region[1] if region else "", found["account"], text)
        raise ValueError(f"{text!r} is not a queue name, URL or ARN")
