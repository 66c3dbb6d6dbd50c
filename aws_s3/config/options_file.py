"""The options of a home, in HOME/wodles/aws/aws-s3.options: Wazuh's daemon passes options of its own only."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aws_s3.errors import UsageError
from aws_s3.wazuh.home import read_bytes


@dataclass(frozen=True)
class Line:
    """The words of an option and its values, and the number of the line in which they begin."""

    number: int
    words: tuple[str, ...]


def read_options(path: Path) -> list[Line]:
    """Return the words of the file: as a shell writes them, `#` begins a comment. Without the file there are none.

    A line that does not begin with an option goes on with the one before. Raises UsageError for a file that
    cannot be read or is no text, or a quote without end.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not valid UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if "\0" in text:
        raise UsageError(f"{path} is no text: it holds NUL characters")
    lines: list[Line] = []
    for line in _split(path, text):
        if lines and not line.words[0].startswith("-"):
            lines[-1] = Line(lines[-1].number, (*lines[-1].words, *line.words))
        else:
            lines.append(line)
    return lines


def _split(path: Path, text: str) -> Iterator[Line]:
    begun, pending = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        begun = begun if pending else number
        # A backslash that ends a line joins the next one to it, which a line without option does anyway.
        pending += line.removesuffix("\\") + "\n"
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:
            # A quote goes on in the next line.
            continue
        pending = ""
        if words:
            yield Line(begun, tuple(words))
    if pending:
        raise UsageError(f"{path}, line {begun}: a quote that begins here has no end")
