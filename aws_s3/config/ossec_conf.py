"""The aws-s3 block of ossec.conf, turned into the settings that the equivalent command lines give (SPEC 13)."""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from aws_s3.config.options import SERVICES, SUBSCRIBERS, check_job, parse
from aws_s3.config.schedule import Interval, Schedule, parse_day, parse_interval, parse_time, parse_wday
from aws_s3.errors import CollectorError, OssecConfigError
from aws_s3.log_types import LOG_TYPES
from aws_s3.settings import Settings
from aws_s3.wazuh.ossec_xml import Element, OssecSyntaxError, wodles

log = logging.getLogger(__name__)

T = TypeVar("T")

NAME = "aws-s3"

_ACCESS = ("aws_profile", "iam_role_arn", "iam_role_duration", "sts_endpoint", "service_endpoint")
_KEYS = ("access_key", "secret_key")
_LOGS = ("aws_organization_id", "aws_account_id", "aws_account_alias", "only_logs_after", "regions")
_SWITCHES = ("remove_from_bucket", "remove_log_streams")
_OPTIONS = {
    "name": "--bucket",
    "path": "--trail_prefix",
    "path_suffix": "--trail_suffix",
    "sqs_name": "--queue",
    "discard_regex": "--discard-regex",
    "remove_from_bucket": "--remove",
    "remove_log_streams": "--remove-log-streams",
}
"""The options that are not called as their tags are."""

_NAMED = {**{f"--{tag}": f"<{tag}>" for tag in (*_ACCESS, *_KEYS, *_LOGS, "aws_log_groups", "external_id")}}
_NAMED |= {option: f"<{tag}>" for tag, option in _OPTIONS.items()}
_NAMED |= {"--discard-field": 'its attribute "field"'}
_OPTION = re.compile(r"(?:argument )?(?:-\w+/)?(--[\w-]+)")
_TAG = re.compile(r"<(\w+)>")

_SCHEDULE = ("interval", "day", "wday", "time")
_OLD = ("remove_from_bucket", *_KEYS)
_DEFAULT_INTERVALS = {"day": Interval(1, "M"), "wday": Interval(1, "w"), "time": Interval(1, "d")}


@dataclass(frozen=True)
class _Kind:
    """A kind of block: its tags, and the option that its type is the value of."""

    tags: tuple[str, ...]
    type_option: str
    types: Collection[str]
    needs: str | None = None


_KINDS = {
    "bucket": _Kind(
        ("name", "path", "path_suffix", "remove_from_bucket", *_LOGS, *_ACCESS, *_KEYS, "discard_regex"),
        "--type",
        LOG_TYPES,
        needs="name",
    ),
    "service": _Kind(
        ("aws_log_groups", "remove_log_streams", *_LOGS, *_ACCESS, *_KEYS, "discard_regex"), "--service", SERVICES
    ),
    "subscriber": _Kind(("sqs_name", "external_id", *_ACCESS, "discard_regex"), "--subscriber", SUBSCRIBERS),
}
"""In the order in which blocks run."""


@dataclass(frozen=True)
class Block:
    """One collection of the file. `name` is for messages; of `settings`, the job and the access are the block's."""

    name: str
    settings: Settings


@dataclass(frozen=True)
class Wodle:
    """What the file says. `blocks` are in the order in which they run."""

    disabled: bool = False
    run_on_start: bool = True
    schedule: Schedule = field(default_factory=Schedule)
    blocks: tuple[Block, ...] = ()


def load(path: Path) -> Wodle:
    """Return what the last aws-s3 block of the file says. Of a disabled one, nothing more is looked at.

    Raises OssecConfigError, which names file, line and tag, and what is allowed there.
    """
    try:
        found = wodles(path.read_bytes(), NAME)
        if not found:
            raise OssecConfigError(f'{path} holds no <wodle name="{NAME}">. Add one, or give another --config.')
        reading = _Reading(path)
        for unused in found[:-1]:
            reading.warn(unused, "is not used: a later one takes its place")
        return reading.wodle(found[-1])
    except OssecSyntaxError as fault:
        raise OssecConfigError(f"{path}, line {fault.line}: {fault}.") from None
    except OSError as error:
        raise OssecConfigError(f"Cannot read {path}: {error.strerror}. Check --config.") from error


class _Reading:
    """What one reading of the file makes of its elements."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def warn(self, element: Element, text: str) -> None:
        """Log what is odd about an element that is taken nevertheless."""
        log.warning("%s, line %d: this <%s> %s.", self._path, element.line, element.tag, text)

    def wodle(self, wodle: Element) -> Wodle:
        """Return what the block says."""
        if any(child.tag == "disabled" and _is_yes(child) for child in wodle.children):
            self.warn(wodle, "is disabled: nothing runs")
            return Wodle(disabled=True)
        _check_attributes(wodle, "name")
        given = _given(wodle, ("disabled", "run_on_start", "skip_on_error", *_SCHEDULE, *_OLD, *_KINDS), _KINDS)
        old = {tag: given[tag] for tag in _OLD if tag in given}
        for element in old.values():
            self.warn(element, "is an old form that holds for a <bucket> without type: put it into the <bucket>")
        words = ["--skip_on_error"] if _says_yes(given, "skip_on_error", default=False) else []
        blocks = tuple(self._block(child, words, old) for tag in _KINDS for child in wodle.children if child.tag == tag)
        if not blocks:
            raise OssecSyntaxError(wodle.line, f"<wodle> holds none of {_listed(_KINDS)}")
        run_on_start = _says_yes(given, "run_on_start", default=True)
        return Wodle(run_on_start=run_on_start, schedule=_schedule(wodle, given), blocks=blocks)

    def _block(self, block: Element, words: Iterable[str], old: Mapping[str, Element]) -> Block:
        kind = _KINDS[block.tag]
        _check_attributes(block, "type")
        type_ = block.attributes.get("type", "").strip()
        if block.tag == "bucket" and "type" not in block.attributes:
            self.warn(block, "has no type, which is an old form: it is read as cloudtrail")
            given = {**old, **(_given(block, kind.tags) if block.children else {"name": block})}
        elif "type" not in block.attributes:
            raise OssecSyntaxError(block.line, f'<{block.tag}> needs the attribute "type": {" or ".join(kind.types)}')
        else:
            words = [*words, f"{kind.type_option}={type_}"]
            given = _given(block, kind.tags)
        if kind.needs and kind.needs not in given:
            raise OssecSyntaxError(block.line, f"<{block.tag}> needs <{kind.needs}>")
        settings = _settings([*words, *_words(given)], block, given)
        name = given[kind.needs].text if kind.needs else type_
        return Block(f"{block.tag} {name} (line {block.line})", settings)


def _given(parent: Element, tags: Iterable[str], repeatable: Iterable[str] = ()) -> dict[str, Element]:
    """Return the elements in `parent` by their tags, which are of these, each there once."""
    if parent.text:
        raise OssecSyntaxError(parent.line, f"<{parent.tag}> holds text that is in no tag")
    given: dict[str, Element] = {}
    for child in parent.children:
        if child.tag not in tags:
            raise OssecSyntaxError(child.line, f"<{child.tag}> is unknown in <{parent.tag}>. Use {_listed(tags)}")
        if child.tag in given and child.tag not in repeatable:
            raise OssecSyntaxError(child.line, f"<{child.tag}> is there already, in line {given[child.tag].line}")
        given[child.tag] = child
    return given


def _check_attributes(element: Element, *allowed: str) -> None:
    for name in element.attributes:
        if name not in allowed:
            may = f'only "{allowed[0]}"' if allowed else "none"
            raise OssecSyntaxError(
                element.line, f'<{element.tag}> has the unknown attribute "{name}": it may have {may}'
            )


def _check_value(element: Element, *attributes: str) -> None:
    """Raise Fault where an element is more than a value."""
    _check_attributes(element, *attributes)
    if element.children:
        raise OssecSyntaxError(element.children[0].line, f"<{element.tag}> is to hold a value, and no tag")


def _is_yes(element: Element) -> bool:
    _check_value(element)
    if element.text.lower() not in ("yes", "no"):
        raise OssecSyntaxError(element.line, f"<{element.tag}>: {element.text!r} is not yes or no")
    return element.text.lower() == "yes"


def _says_yes(given: Mapping[str, Element], tag: str, *, default: bool) -> bool:
    return _is_yes(given[tag]) if tag in given else default


def _words(given: Mapping[str, Element]) -> Iterator[str]:
    """Yield the words of a command line that say the same; none takes another for its value."""
    for tag, element in given.items():
        option = _OPTIONS.get(tag, f"--{tag}")
        if tag in _SWITCHES:
            yield from [option] if _is_yes(element) else []
            continue
        _check_value(element, *(["field"] if tag == "discard_regex" else []))
        yield f"{option}={element.text}"
        if "field" in element.attributes:
            yield f"--discard-field={element.attributes['field'].strip()}"


def _settings(words: list[str], block: Element, given: Mapping[str, Element]) -> Settings:
    """Return the settings of a command line; its errors name the tags in the place of options."""
    try:
        settings = parse(words)
        check_job(settings)
    except CollectorError as error:
        text = _OPTION.sub(lambda option: _NAMED.get(option[1], option[0]), str(error)).removesuffix(".")
        raise OssecSyntaxError(_line(text, given, block), f"<{block.tag}>: {text}") from None
    return settings


def _schedule(wodle: Element, given: Mapping[str, Element]) -> Schedule:
    """Return the schedule; without an interval, it is the least that the other tags go with."""
    interval = next((_DEFAULT_INTERVALS[tag] for tag in _DEFAULT_INTERVALS if tag in given), Interval())
    try:
        return Schedule(
            interval=_parsed(given, "interval", parse_interval) or interval,
            day=_parsed(given, "day", parse_day),
            wday=_parsed(given, "wday", parse_wday),
            at=_parsed(given, "time", parse_time),
        )
    except ValueError as error:
        raise OssecSyntaxError(_line(str(error), given, wodle), str(error)) from None


def _parsed(given: Mapping[str, Element], tag: str, parse_value: Callable[[str], T]) -> T | None:
    if tag not in given:
        return None
    element = given[tag]
    _check_value(element)
    try:
        return parse_value(element.text)
    except ValueError as error:
        raise OssecSyntaxError(element.line, f"<{tag}>: {element.text!r} is not valid: {error}") from None


def _line(text: str, given: Mapping[str, Element], default: Element) -> int:
    """Return the line of the tag that a message names first."""
    named = (given[tag] for tag in _TAG.findall(text) if tag in given)
    return next(named, default).line


def _listed(tags: Iterable[str]) -> str:
    return ", ".join(f"<{tag}>" for tag in tags)
