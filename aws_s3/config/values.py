"""The checks of single values of the command line: each returns the value to use, or raises an error.

They are argparse types: all raise argparse.ArgumentTypeError, whose text becomes that of a UsageError.
"""

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from aws_s3.aws.queue_address import QueueAddress
from aws_s3.config.spelling import did_you_mean
from aws_s3.log_types.layout import REGION_NAME
from aws_s3.log_types.layout_pattern import parse_layout
from aws_s3.log_types.recognition import FORBIDDEN_IN_PATH
from aws_s3.settings import Output

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_BUCKET_NAME = re.compile(r"(?!xn--)(?!.*(-s3alias|--ol-s3)$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_BUCKET_ADDRESSES = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"s3://([^/]+)/?(.*)",
        r"arn:aws[a-z-]*:s3:::([^/]+)/?(.*)",
        r"https?://s3[.-][^/]*/([^/]+)/?(.*)",
        r"https?://([^/]+?)\.s3[.-][^/]*/?(.*)",
        r"https?://[^/]*console[^/]*/s3/buckets/([^/?]+)()\S*",
        r"([^/:]+)/(.*)",
    )
)
"""The forms in which AWS's console and other tools show a bucket and a path in it."""
_DATE = re.compile(r"([1-9]\d{3})-(?:([A-Za-z]{3})|(\d{2}))-(\d{2})", re.ASCII)
_DAYS_AGO = re.compile(r"(\d{1,5})d", re.ASCII)
_NAMED_DAYS = {"today": 0, "yesterday": 1}
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_LOG_GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}(:[^:*]{1,512})?", re.ASCII)
_LOG_GROUP_ARN = re.compile(
    r"(arn:aws[a-z-]*:logs:[a-z0-9-]+:\d{12}:log-group:[.\-_/#A-Za-z0-9]{1,512})(?::\*|:log-stream:([^:*]{1,512})\*?)?",
    re.ASCII,
)
_LISTEN_ADDRESS = re.compile(r"(?:(?:\[([0-9A-Fa-f:.]+(?:%\w+)?)\]|([^\s:\[\]/]*)):)?(\d{1,5})", re.ASCII)
_LAST_PORT = 65535


def shown(text: str) -> str:
    """Return `text` as messages show it: to argparse `-secret_key=…` is a value of `-s`, and a secret."""
    return repr(text.partition("=")[0])


def bucket_name(text: str) -> str:
    """Check a bucket's name."""
    if _BUCKET_NAME.fullmatch(text):
        return text
    for found in filter(None, (form.fullmatch(text) for form in _BUCKET_ADDRESSES)):
        if _BUCKET_NAME.fullmatch(found[1]):
            path = f", and {found[2]} as the path (-l, or <path> in ossec.conf)" if found[2] else ""
            raise ArgumentTypeError(f"{shown(text)} is not a bucket name. Write {found[1]} here{path}")
    raise ArgumentTypeError(
        f"{shown(text)} is not a bucket name, which has 3 to 63 lower-case letters, digits, '-' and '.'"
    )


def account_list(text: str) -> tuple[str, ...]:
    """Check account IDs, separated by commas; return them sorted, each once."""
    return _listed(text, _matching(_ACCOUNT, "a 12-digit account ID"))


def region_list(text: str) -> tuple[str, ...]:
    """Check names of regions, separated by commas; return them sorted, each once."""
    return _listed(text, _region)


def _region(text: str) -> str:
    if not REGION_NAME.fullmatch(text):
        # The regions are botocore's, whose import takes longer than all else here.
        from aws_s3.aws.session import known_regions

        hint = did_you_mean(text, known_regions()) or " Write regions as us-east-1,eu-west-1"
        raise ArgumentTypeError(f"{shown(text)} is not a region.{hint}")
    return text


def log_group_list(text: str) -> tuple[str, ...]:
    """Check log groups, separated by commas: `NAME`, `NAME:STREAM_PREFIX` or an ARN.

    They are returned sorted, each once; an ARN without the `:*` that AWS writes at its end.
    """
    return _listed(text, _log_group)


def _log_group(text: str) -> str:
    if found := _LOG_GROUP_ARN.fullmatch(text):
        return f"{found[1]}:{found[2]}" if found[2] else found[1]
    reason = ", and no wildcard is possible: name each group" if "*" in text else ""
    return _matching(_LOG_GROUP, f"a log group name or ARN{reason}")(text)


def _matching(pattern: re.Pattern[str], kind: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ArgumentTypeError(f"{shown(text)} is not {kind}")
        return text

    return check


def _listed(text: str, check: Callable[[str], str]) -> tuple[str, ...]:
    given = [item.strip() for item in text.split(",") if item.strip()]
    if any(item.split()[1:] for item in given):
        raise ArgumentTypeError(f"{shown(text)} has a space within a value. Write commas between values")
    items = set(map(check, given))
    if not items:
        raise ArgumentTypeError("the list is empty")
    return tuple(sorted(items))


class KeyPrefix(NamedTuple):
    """A path in a bucket: `path` is empty or ends with its only outer slash, `as_given` has those of the user."""

    path: str = ""
    as_given: str = ""


def key_prefix(text: str) -> KeyPrefix:
    """Check a path in a bucket; a backslash counts as a slash."""
    if found := FORBIDDEN_IN_PATH.search(text):
        raise ArgumentTypeError(f"{shown(text)} holds {found[0]!r}, which is not allowed in a path")
    given = text.replace("\\", "/")
    path = given.removeprefix("/")
    return KeyPrefix(path if not path or path.endswith("/") else f"{path}/", given)


def layout(text: str) -> str:
    """Check the pattern of a layout."""
    try:
        parse_layout(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{shown(text)}: {error}") from error
    return text


def queue(text: str) -> str:
    """Check a queue's name, URL or ARN."""
    try:
        QueueAddress.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    return text


def day(text: str) -> date:
    """Return the UTC day: `2018-AUG-21`, `2018-08-21`, `today`, `yesterday` or `7d`, seven days ago."""
    ago = _DAYS_AGO.fullmatch(text)
    if ago or text.lower() in _NAMED_DAYS:
        days = int(ago[1]) if ago else _NAMED_DAYS[text.lower()]
        return datetime.now(timezone.utc).date() - timedelta(days=days)
    found = _DATE.fullmatch(text)
    try:
        if found:
            month = _MONTHS.index(found[2].upper()) + 1 if found[2] else int(found[3])
            return date(int(found[1]), month, int(found[4]))
    except ValueError:
        pass
    raise ArgumentTypeError(
        f"{shown(text)} is not a date. Use 2018-AUG-21, 2018-08-21, today, yesterday, or 7d for seven days ago"
    )


def role_arn(text: str) -> str:
    """Check that the text has the parts of a role's ARN."""
    parts = text.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or not (parts[1] and parts[2] and parts[5]):
        raise ArgumentTypeError(f"{shown(text)} is not of the form arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE")
    return text


def number(first: int, last: int) -> Callable[[str], int]:
    """Return a check of whole numbers from `first` to `last`."""

    def check(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not first <= int(text) <= last:
            raise ArgumentTypeError(f"{shown(text)} is not a number from {first} to {last}")
        return int(text)

    return check


def regex(text: str) -> re.Pattern[str] | None:
    """Return the compiled regex. None for an empty one, which would discard everything."""
    try:
        return re.compile(text) if text else None
    except (re.error, RecursionError, OverflowError) as error:
        raise ArgumentTypeError(f"the regex {text!r} does not compile: {error}") from error


def listen_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, or of a port alone on the loopback interface; IPv6 is `[::1]:9100`."""
    found = _LISTEN_ADDRESS.fullmatch(text)
    if not found or not 1 <= int(found[3]) <= _LAST_PORT:
        raise ArgumentTypeError(
            f"{shown(text)} is not PORT, HOST:PORT or [IPV6]:PORT, with a port from 1 to {_LAST_PORT}: "
            "9100, 0.0.0.0:9100 or [::1]:9100"
        )
    return found[1] or found[2] or "127.0.0.1", int(found[3])


def log_format(text: str) -> str:
    """Check the name of a form of log lines."""
    if text not in ("text", "json"):
        raise ArgumentTypeError(f"{shown(text)} is not text or json")
    return text


def output(text: str) -> Output:
    """Return where events go."""
    kind, _, path = text.partition(":")
    if text == "stdout" or (kind in ("file", "unix") and path):
        return Output(kind, Path(path) if path else None)
    hint = " Did you mean stdout?" if text in ("-", "json", "/dev/stdout") else ""
    if not hint and re.search(r"[./]", text):
        hint = f" Did you mean file:{text}?"
    raise ArgumentTypeError(f"{shown(text)} is not stdout, file:PATH or unix:PATH.{hint}")
