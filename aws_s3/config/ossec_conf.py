"""The aws-s3 module of ossec.conf becomes the settings that the equivalent command lines give.

Whatever Wazuh runs is taken, with a WARNING where the file's meaning is not obvious.
"""

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aws_s3.config.combinations import check_job
from aws_s3.config.command_line import parse
from aws_s3.config.options import SERVICES, SUBSCRIBERS
from aws_s3.config.ossec_schedule import SCHEDULE_TAGS, schedule_of
from aws_s3.config.schedule import Schedule
from aws_s3.config.spelling import did_you_mean
from aws_s3.errors import CollectorError, OssecConfigError
from aws_s3.log_types import LOG_TYPES
from aws_s3.settings import Settings
from aws_s3.wazuh.ossec_xml import Element, OssecSyntaxError, wodles

log = logging.getLogger(__name__)

NAME = "aws-s3"

_ACCESS = ("aws_profile", "iam_role_arn", "iam_role_duration", "sts_endpoint", "service_endpoint")
_KEYS = ("access_key", "secret_key")
_LOGS = ("aws_organization_id", "aws_account_id", "aws_account_alias", "only_logs_after", "regions")
_SWITCHES = ("remove_from_bucket", "remove_log_streams")
_MAY_BE_EMPTY = ("regions", "only_logs_after", "iam_role_arn", "iam_role_duration")
"""Wazuh takes these without a value, and passes no option for them."""

_OPTIONS = {tag: f"--{tag}" for tag in (*_ACCESS, *_KEYS, *_LOGS, "aws_log_groups", "external_id")} | {
    "name": "--bucket",
    "path": "--trail_prefix",
    "path_suffix": "--trail_suffix",
    "layout": "--layout",
    "sqs_name": "--queue",
    "discard_regex": "--discard-regex",
    "remove_from_bucket": "--remove",
    "remove_log_streams": "--remove-log-streams",
}
_TAGS = {option: tag for tag, option in _OPTIONS.items()}
_SHOWN = {option: f"<{tag}>" for option, tag in _TAGS.items()} | {"--discard-field": 'its attribute "field"'}
"""Options as messages about a file name them."""

_OLD = ("remove_from_bucket", *_KEYS)
_OLD_ALIAS = "LEGACY"
_BACKSLASHES = re.compile(r"\\+")


@dataclass(frozen=True)
class _Kind:
    """A kind of block: its tags, and the option that its type is the value of."""

    tags: tuple[str, ...]
    type_option: str
    types: Collection[str]
    needs: str | None = None


_KINDS = {
    "bucket": _Kind(
        ("name", "path", "path_suffix", "layout", "remove_from_bucket", *_LOGS, *_ACCESS, *_KEYS, "discard_regex"),
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


def _place_of(tag: str) -> str:
    """Return ` It is for <bucket> and <service>.`, the blocks that take the tag; empty if none does."""
    places = " and ".join(f"<{name}>" for name, kind in _KINDS.items() if tag in kind.tags)
    return f" It is for {places}." if places else ""


@dataclass(frozen=True)
class Block:
    """One collection of the file: the command line that is equivalent, in long options; `name` is for messages.

    `schedule` is its own, None if it runs on the file's.
    """

    name: str
    words: tuple[str, ...]
    schedule: Schedule | None = None

    @property
    def settings(self) -> Settings:
        """The settings as of now, because `7d` is another day tomorrow; only the job and the access are the block's."""
        return parse(self.words)


@dataclass(frozen=True)
class Wodle:
    """The file's module. `blocks` are in the order in which they run."""

    disabled: bool = False
    run_on_start: bool = True
    schedule: Schedule = field(default_factory=Schedule)
    blocks: tuple[Block, ...] = ()


def read_ossec_conf(path: Path) -> Wodle:
    """Return the last aws-s3 module of the file. Nothing in a disabled module is checked.

    Raises OssecConfigError, which names file, line and tag, and the values allowed there.
    """
    try:
        found = wodles(path.read_bytes(), NAME)
        if not found:
            raise OssecConfigError(f'{path} holds no <wodle name="{NAME}">. Add one, or give another --config.')
        reader = _ConfReader(path)
        for unused in found[:-1]:
            reader.warn(unused, "is not used: a later one takes its place")
        return reader.wodle(found[-1])
    except OssecSyntaxError as error:
        raise OssecConfigError(f"{path}, line {error.line}: {error}.") from None
    except OSError as error:
        raise OssecConfigError(f"Cannot read {path}: {error.strerror}. Check --config.") from error


class _ConfReader:
    """Turns the elements of one file into its module."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def warn(self, element: Element, text: str) -> None:
        """Log the oddities of an element that is taken nevertheless."""
        log.warning("%s, line %d: this <%s> %s.", self._path, element.line, element.tag, text)

    def wodle(self, wodle: Element) -> Wodle:
        """Return the module of this element."""
        if wodle.agent_filter:
            raise OssecSyntaxError(
                wodle.line,
                f"<wodle> stands in <agent_config {wodle.agent_filter}>, which is for some agents only: "
                "put it into a file of its own, in <ossec_config>",
            )
        if any(child.tag == "disabled" and _is_yes(child) for child in wodle.children):
            self.warn(wodle, "is disabled: nothing runs")
            return Wodle(disabled=True)
        own_tags = ("disabled", "run_on_start", "skip_on_error", *SCHEDULE_TAGS, *_OLD)
        given = self._given(wodle, own_tags, others=_KINDS)
        old = {tag: given[tag] for tag in _OLD if tag in given}
        for element in old.values():
            self.warn(element, "is an old form that holds for a <bucket> without type: put it into the <bucket>")
        words = ["--skip_on_error"] if _says_yes(given, "skip_on_error", default=False) else []
        blocks = tuple(self._block(child, words, old) for tag in _KINDS for child in wodle.children if child.tag == tag)
        if not blocks:
            raise OssecSyntaxError(wodle.line, f"<wodle> holds none of {_listed(_KINDS)}")
        run_on_start = _says_yes(given, "run_on_start", default=True)
        schedule = schedule_of(given, self.warn) or Schedule()
        return Wodle(run_on_start=run_on_start, schedule=schedule, blocks=blocks)

    def _block(self, block: Element, words: Iterable[str], old: Mapping[str, Element]) -> Block:
        kind = _KINDS[block.tag]
        if block.tag == "bucket" and "type" not in block.attributes and not block.children:
            self.warn(block, f"has no type, which is an old form: it is read as cloudtrail, its alias is {_OLD_ALIAS}")
            words = [*words, f"--aws_account_alias={_OLD_ALIAS}"]
            given = {**old, "name": block}
        elif "type" not in block.attributes:
            raise OssecSyntaxError(block.line, f'<{block.tag}> needs the attribute "type": {" or ".join(kind.types)}')
        else:
            words = [*words, f"{kind.type_option}={block.attributes['type'].strip()}"]
            given = self._given(block, (*kind.tags, *SCHEDULE_TAGS))
        if kind.needs and kind.needs not in given:
            raise OssecSyntaxError(block.line, f"<{block.tag}> needs <{kind.needs}>")
        words = (*words, *self._words(given))
        for option, reason in _checked(words, block, given).unused:
            self.warn(given.get(_TAGS.get(option, ""), block), f"is not used: {reason}")
        name = given[kind.needs].text if kind.needs else block.attributes["type"].strip()
        return Block(f"{block.tag} {name} (line {block.line})", words, schedule_of(given, self.warn))

    def _given(self, parent: Element, tags: Iterable[str], others: Iterable[str] = ()) -> dict[str, Element]:
        """Return the elements in `parent` by their tags, of which the last counts; `others` may be there as well."""
        if parent.text:
            # A comment that lost its marks; Wazuh ignores it.
            log.info("%s, line %d: <%s> holds text that is in no tag.", self._path, parent.line, parent.tag)
        given: dict[str, Element] = {}
        for child in parent.children:
            if child.tag not in (*tags, *others):
                known = [f"<{tag}>" for tag in (*tags, *others)]
                hint = _place_of(child.tag) or did_you_mean(f"<{child.tag}>", known)
                text = f"<{child.tag}> is unknown in <{parent.tag}>.{hint} Use {', '.join(known)}"
                raise OssecSyntaxError(child.line, text)
            if child.tag in given:
                self.warn(child, f"takes the place of the one in line {given[child.tag].line}")
            if child.tag not in others:
                given[child.tag] = child
        return given

    def _words(self, given: Mapping[str, Element]) -> Iterator[str]:
        """Yield the words of the equivalent command line; none takes another for its value."""
        for tag, element in given.items():
            if tag in SCHEDULE_TAGS:
                continue
            option, text = _OPTIONS[tag], _value(element)
            if tag in _SWITCHES:
                yield from [option] if _is_yes(element) else []
            elif tag in _MAY_BE_EMPTY and not text:
                self.warn(element, "is empty, which is as if it were not there")
            elif tag == "discard_regex":
                yield f"{option}={self._regex(element)}"
                if "field" in element.attributes:
                    yield f"--discard-field={element.attributes['field'].strip()}"
            else:
                yield f"{option}={text}"

    def _regex(self, element: Element) -> str:
        """Return the regex as Wazuh's daemon of the file's time passes it: one up to 4.14.7 drops backslashes."""
        runs = _BACKSLASHES.findall(element.text)
        if not runs or any(len(run) % 2 for run in runs):
            return element.text
        log.info(
            "%s, line %d: the backslashes of this <discard_regex> are halved, because all of them are doubled.",
            self._path,
            element.line,
        )
        return _BACKSLASHES.sub(lambda run: "\\" * (len(run[0]) // 2), element.text)


def _value(element: Element) -> str:
    """Return the text of an element. Raises OssecSyntaxError if it holds other elements."""
    if element.children:
        raise OssecSyntaxError(element.children[0].line, f"<{element.tag}> must hold a value, not a tag")
    return element.text


def _is_yes(element: Element) -> bool:
    text = _value(element).lower()
    if text not in ("yes", "no"):
        raise OssecSyntaxError(element.line, f"<{element.tag}>: {element.text!r} is not yes or no")
    return text == "yes"


def _says_yes(given: Mapping[str, Element], tag: str, *, default: bool) -> bool:
    return _is_yes(given[tag]) if tag in given else default


def _checked(words: Iterable[str], block: Element, given: Mapping[str, Element]) -> Settings:
    """Return the block's settings.

    Raises OssecSyntaxError for values that the command line would refuse, with tags in the place of options.
    """
    try:
        settings = parse(tuple(words))
        check_job(settings)
    except CollectorError as error:
        text = error.with_names(_SHOWN).removesuffix(".")
        named = (given[_TAGS[option]] for option in error.options if _TAGS.get(option) in given)
        raise OssecSyntaxError(next(named, block).line, f"<{block.tag}>: {text}") from None
    return settings


def _listed(tags: Iterable[str]) -> str:
    return ", ".join(f"<{tag}>" for tag in tags)
