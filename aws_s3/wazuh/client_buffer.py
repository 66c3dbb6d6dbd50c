"""The `<client_buffer>` of an agent of Wazuh 4.x, as the agent reads it.

It stands in etc/ossec.conf, which may have several roots, and in etc/shared/agent.conf, which the manager
sends and which wins. Source: Wazuh's reference of the local and the centralized configuration.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from aws_s3.wazuh.budget import ClientBuffer
from aws_s3.wazuh.home import WazuhHome, read_bytes, read_text
from aws_s3.wazuh.ossec_xml import Element, OssecSyntaxError, elements

log = logging.getLogger(__name__)

_LOWEST_RATE = 50
_QUEUE_SIZES = (1, 100_000)
_RATES = (1, 1000)
_PATTERN = re.compile(r"[*\\^$!()]")
_KEY_LINE = re.compile(r"^\d+ (\S+) ", re.MULTILINE)


def client_buffer(home: WazuhHome) -> ClientBuffer:
    """Return the buffer that the agent's files configure; Wazuh's defaults where they say nothing or cannot be read."""
    buffer = ClientBuffer()
    for element in _read(home, "ossec.conf", "client_buffer"):
        buffer = _changed(buffer, element)
    for block in _read(home, "shared/agent.conf", "agent_config"):
        central = buffer
        for element in block.children:
            if element.tag == "client_buffer":
                central = _changed(central, element)
        if not block.attributes:
            buffer = central
        elif _may_be_meant(block.attributes, home):
            # A profile is not looked up: the smaller room is right in either case.
            buffer = _smaller(buffer, central)
    return replace(buffer, rate=max(buffer.rate, _LOWEST_RATE))


def _read(home: WazuhHome, name: str, tag: str) -> Iterable[Element]:
    try:
        return elements(read_bytes(home.path / "etc" / name), tag)
    except FileNotFoundError:
        reason = "it does not exist"
        if name != "ossec.conf":
            return ()
    except OSError as error:
        reason = error.strerror or str(error)
    except OssecSyntaxError as error:
        reason = f"line {error.line}: {error}"
    log.info(
        "The client buffer in %s cannot be read, and counts as Wazuh's default: %s", home.path / "etc" / name, reason
    )
    return ()


def _changed(buffer: ClientBuffer, element: Element) -> ClientBuffer:
    settings: dict[str, tuple[str, Callable[[str], Any]]] = {
        "queue_size": ("size", lambda text: _within(text, *_QUEUE_SIZES)),
        "events_per_second": ("rate", lambda text: _within(text, *_RATES)),
        "disabled": ("is_disabled", lambda text: {"yes": True, "no": False}[text]),
    }
    for child in element.children:
        name, convert = settings.get(child.tag, ("", str))
        try:
            if name:
                buffer = replace(buffer, **{name: convert(child.text)})
        except (ValueError, KeyError):
            log.info(
                "<%s>%s</%s> of <client_buffer> is invalid, and counts as if it were not there",
                child.tag,
                child.text,
                child.tag,
            )
    return buffer


def _within(text: str, first: int, last: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not first <= int(text) <= last:
        raise ValueError(text)
    return int(text)


def _smaller(one: ClientBuffer, other: ClientBuffer) -> ClientBuffer:
    return ClientBuffer(
        min(one.size, other.size), min(one.rate, other.rate), is_disabled=one.is_disabled and other.is_disabled
    )


def _may_be_meant(attributes: Mapping[str, str], home: WazuhHome) -> bool:
    """Tell whether a block for certain agents can be for this one, which runs on Linux or another Unix."""
    if "windows" in attributes.get("os", "").lower():
        return False
    try:
        own = _KEY_LINE.search(read_text(home.path / "etc" / "client.keys"))
    except OSError:
        own = None
    names = attributes.get("name")
    # A pattern is not matched: the block may be meant.
    return names is None or own is None or bool(_PATTERN.search(names)) or own[1] in names.split("|")
