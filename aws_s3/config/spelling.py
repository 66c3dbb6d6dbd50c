"""How a user spelt options: `-` and `_` alike, the names as they were written, and the nearest known names."""

from argparse import Action
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_FEWEST_LETTERS = 3
"""A share of a long option's name, so that its beginning suggests the option."""


class Spelling:
    """The words of one command line, with each long option's name as the parser knows it.

    `words` are for the parser. `written` maps the long names of the options that were given to the
    names that the user wrote, such as `--only_logs_after` to `-s`.
    """

    def __init__(self, arguments: Sequence[str], actions: Iterable[Action]) -> None:
        self._long_names = {name: action.option_strings[-1] for action in actions for name in action.option_strings}
        self._alike = {_with_underscores(name): name for name in self._long_names if name.startswith("--")}
        self.written: dict[str, str] = {}
        self.words = [self._as_known(word) for word in arguments]

    def _as_known(self, word: str) -> str:
        name, separator, value = word.partition("=")
        if name.startswith("--"):
            known = self._alike.get(_with_underscores(name), name)
            word = f"{known}{separator}{value}"
        else:
            # -dVALUE is -d as well, unless the whole word is an option's name, as -df is.
            known = name = name if name in self._long_names else word[:2]
        if known in self._long_names:
            self.written[self._long_names[known]] = name
        return word

    def suggestion(self, name: str) -> str:
        """Return ` Did you mean …?` for an unknown option; empty if no known one is near."""
        known = sorted(set(self._long_names.values()))
        is_long = name.startswith("--") and len(name) >= len("--") + _FEWEST_LETTERS
        begun = [option for option in known if is_long and option.startswith(name)]
        return did_you_mean(name, begun or known) if name.startswith("--") else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean …?` with the known name that is nearest; empty if none is near."""
    by_spelling = {_with_underscores(option): option for option in known}
    nearest = get_close_matches(_with_underscores(name).lower(), by_spelling, n=1)
    return f" Did you mean {by_spelling[nearest[0]]}?" if nearest else ""


def _with_underscores(name: str) -> str:
    return name.replace("-", "_")
