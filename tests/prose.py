"""The words of the project. `python -m tests.prose [PATH …]` prints two habits to avoid, as shares of all sentences.

Counted are the sentences of docstrings and comments in Python files, and of the prose in Markdown files. A sentence
that asks ("What is sent?") counts neither as one with "what" as a noun nor as one with a headless beginning.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT

MOST_WHAT = 0.02
"""The share of sentences that may hold "what" as a noun."""

MOST_HEADLESS = 0.002
"""The share that may begin without a subject: "Of all ports the first" is sometimes the shortest form."""

OWN_TEXTS = ("aws_s3", "README.md", ".github")

_WHAT = re.compile(r"\bwhat\b", re.IGNORECASE)
_HEADLESS = re.compile(r"(?:What|Of|Where|Who|Those)\b")
_END = re.compile(r"(?<=[.!?:])[)\"”]*\s+(?=[`*\"“(]*[A-Z])")
_DIRECTIVE = re.compile(r"#\s*(?:noqa|type:|pragma|!)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|#>]|\d+\.)\s)")
_CODE = re.compile(r"`[^`]*`")
_WORDS = re.compile(r"[A-Za-z’']{2,}")


@dataclass(frozen=True)
class Habits:
    """The sentences of some texts: all of them, and those with a habit."""

    sentences: int
    what: list[str]
    headless: list[str]

    def __str__(self) -> str:
        return (
            f"{self.sentences} sentences; {_share(self.what, self.sentences)} with “what” as a noun; "
            f"{_share(self.headless, self.sentences)} begin with What, Of, Where, Who or Those"
        )


def habits(sentences: Iterable[str]) -> Habits:
    """Count."""
    everything = list(sentences)
    told = [sentence for sentence in everything if not sentence.rstrip().endswith("?")]
    return Habits(
        len(everything),
        [sentence for sentence in told if _WHAT.search(sentence)],
        [sentence for sentence in told if _HEADLESS.match(sentence)],
    )


def sentences_of(path: Path) -> Iterator[str]:
    """Yield the sentences of a file, or of the Python and Markdown files in a folder."""
    if path.is_dir():
        for found in sorted(path.rglob("*")):
            if found.suffix in (".py", ".md"):
                yield from sentences_of(found)
        return
    text = path.read_text(encoding="utf-8")
    paragraphs = markdown_paragraphs(text) if path.suffix == ".md" else python_paragraphs(text)
    for paragraph in paragraphs:
        for sentence in _END.split(" ".join(paragraph.split())):
            if len(_WORDS.findall(sentence)) > 1:
                yield sentence.lstrip('`*"“( ')


def python_paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of docstrings, also of those below constants, and the comments of a module."""
    for node in ast.walk(ast.parse(text)):
        for statement in getattr(node, "body", ()) if not isinstance(node, ast.Lambda | ast.IfExp) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield from re.split(r"\n\s*\n", str(statement.value.value))
    yield from comments(text)


def comments(text: str) -> Iterator[str]:
    """Yield the comments of a module; lines that follow each other are one."""
    block: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not _DIRECTIVE.match(token.string):
            if block and token.start[0] != last + 1:
                yield " ".join(block)
                block = []
            block.append(token.string.lstrip("# "))
            last = token.start[0]
    if block:
        yield " ".join(block)


def markdown_paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs, list items and table rows, without code blocks; code in a line keeps its place only."""
    for block in _BLOCK.split(_FENCE.sub("\n\n", text)):
        cleaned = re.sub(r"^\s*(?:[-*>]|#+|\d+\.)\s+", "", block)
        yield from (cell for cell in _CODE.sub("`x`", cleaned).split("|") if cell.strip(" -"))


def _share(some: list[str], everything: int) -> str:
    return f"{len(some)} ({len(some) / max(everything, 1):.1%})"


if __name__ == "__main__":
    chosen = [Path(word) for word in sys.argv[1:] if not word.startswith("-")] or [ROOT / name for name in OWN_TEXTS]
    found = habits(sentence for path in chosen for sentence in sentences_of(path))
    if "-v" in sys.argv:
        print(*found.what, "", *found.headless, sep="\n")
    print(found)
