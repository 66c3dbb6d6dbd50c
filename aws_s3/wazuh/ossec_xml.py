"""The elements of ossec.conf. It is not quite XML: it has several roots, and other modules' parts may hold anything."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

_SPECIAL = re.compile(rb"<!\[CDATA\[.*?\]\]>|<!--.*?(?:-->|\Z)|<!DOCTYPE|&(?!#?\w+;)", re.DOTALL)
_VISIBLE = re.compile(rb"[^\n]")
_ROOT = re.compile(rb"<(agent_config|ossec_config)(?=[\s>])([^>]*)>")


class OssecSyntaxError(Exception):
    """The file is wrong in `line`."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass
class Element:
    """An element, and the line in which it begins. `text` is all text between its tags that is in no other tag.

    `agent_filter` has the attributes of the `<agent_config>` that a `<wodle>` stands in, empty without any.
    """

    tag: str
    attributes: Mapping[str, str]
    line: int
    text: str = ""
    children: list["Element"] = field(default_factory=list)
    agent_filter: str = ""


def wodles(content: bytes, name: str) -> list[Element]:
    """Return the `<wodle>` elements of that name, as `elements` does."""
    return elements(content, "wodle", name)


def elements(content: bytes, tag: str, name: str | None = None) -> list[Element]:
    """Return the elements with that tag, and that `name` attribute if one is given; nothing else needs to be XML.

    A `&` that begins no reference stands for itself, and a comment may hold anything, as to Wazuh.
    Raises OssecSyntaxError for one of these elements that is not XML, and for a document type: none is
    needed, and its entities could be made to fill the memory.
    """
    text = _SPECIAL.sub(_plain, content)
    found = []
    for begin in re.finditer(rb"<%s(?=[\s/>])" % tag.encode(), text):
        if element := _Parser(name).parse(text, begin.start()):
            element.agent_filter = _agent_filter(text, begin.start())
            found.append(element)
    return found


def _agent_filter(text: bytes, begin: int) -> str:
    """Return the attributes of the `<agent_config>` that is the last root opened before `begin`."""
    roots = _ROOT.findall(text, 0, begin)
    name, attributes = roots[-1] if roots else (b"", b"")
    return " ".join(attributes.decode("utf-8", "replace").split()) if name == b"agent_config" else ""


def _plain(found: re.Match[bytes]) -> bytes:
    text = found[0]
    if text.startswith(b"<![CDATA["):
        return text
    if text == b"&":
        return b"&amp;"
    line = found.string.count(b"\n", 0, found.start()) + 1
    if not text.startswith(b"<!--"):
        raise OssecSyntaxError(line, "a document type is not allowed")
    if not text.endswith(b"-->"):
        raise OssecSyntaxError(line, "a comment begins here and does not end")
    return _VISIBLE.sub(b" ", text)


class _Complete(Exception):
    """The element has ended, or has another name than the one to find."""


class _Parser:
    """Reads one element, and nothing after it."""

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._open: list[Element] = []
        self._found: Element | None = None
        self._expat = expat.ParserCreate("UTF-8")
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._characters

    def parse(self, text: bytes, begin: int) -> Element | None:
        """Return the element that begins there, None if it has another name."""
        try:
            # Lines count from the beginning of the file.
            self._expat.Parse(b"\n" * text.count(b"\n", 0, begin), False)  # noqa: FBT003
            self._expat.Parse(text[begin:], True)  # noqa: FBT003
        except _Complete:
            pass
        except expat.ExpatError as error:
            inside = f" in <{self._open[-1].tag}> of line {self._open[-1].line}" if self._open else ""
            reason = f"this is not XML: {expat.ErrorString(error.code)}{inside}"
            raise OssecSyntaxError(error.lineno, f"{reason}. In values, write &lt; for < and &amp; for &") from None
        return self._found

    def _start(self, tag: str, attributes: Mapping[str, Any]) -> None:
        if not self._open and self._name is not None and attributes.get("name") != self._name:
            raise _Complete
        element = Element(tag, attributes, self._expat.CurrentLineNumber)
        if self._open:
            self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, tag: str) -> None:
        del tag
        element = self._open.pop()
        element.text = element.text.strip()
        if not self._open:
            self._found = element
            raise _Complete

    def _characters(self, text: str) -> None:
        self._open[-1].text += text
