"""How a user spelt options: `-` and `_` alike, the names as they were written, and the nearest known names."""

from argparse import Action
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_FEWEST_LETTERS = 3
"""A share of a long option's name, so that its beginning suggests the option."""

OTHER_NAMES = {
    "--only_logs_after": "since after from start start_date begin",
    "--until": "before to end end_date",
    "--iam_role_arn": "role role_arn assume_role",
    "--service_endpoint": "endpoint endpoint_url url",
    "--trail_prefix": "path prefix key_prefix",
    "--trail_suffix": "suffix",
    "--aws_organization_id": "org organization",
    "--aws_account_alias": "alias",
    "--discard-regex": "exclude filter ignore",
    "--debug": "verbose quiet log_level loglevel -v",
    "--daemon": "interval schedule loop",
    "--follow": "watch wait",
    "--inspect": "ls list",
    "--check": "test validate verify doctor",
    "--limit": "max count head max_events",
    "--reparse": "force all full again",
    "--forget": "reset clear",
    "--remove": "delete purge",
    "--retry-failed": "retry",
    "--workers": "jobs threads parallel concurrency",
    "--max-eps": "rate eps rate_limit",
    "--output": "stdout file",
    "--wazuh-home": "home",
    "--state-dir": "state db database",
    "--metrics-file": "metrics prometheus",
    "--print-iam-policy": "policy iam_policy permissions",
    "--config": "conf config_file ossec_conf",
}
"""Names that other tools give to what an option does; those without a dash are long."""


class Spelling:
    """The words of one command line, with each long option's name as the parser knows it.

    `words` are for the parser. `written` maps the long names of the options that were given to the
    names that the user wrote, such as `--only_logs_after` to `-s`; those in `repeated` were given more than once.
    """

    def __init__(self, arguments: Sequence[str], actions: Iterable[Action]) -> None:
        self._long_names = {name: action.option_strings[-1] for action in actions for name in action.option_strings}
        self._alike = {_with_underscores(name): name for name in self._long_names if name.startswith("--")}
        self.written: dict[str, str] = {}
        self.repeated: set[str] = set()
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
            long = self._long_names[known]
            if long in self.written:
                self.repeated.add(long)
            self.written[long] = name
        return word

    def is_before_hyphen(self, option: str) -> bool:
        """Tell whether the word behind the option begins with a hyphen and is no option: perhaps it is a value."""
        pairs = zip(self.words, self.words[1:], strict=False)
        following = next((word for before, word in pairs if self._long_names.get(before) == option), "")
        return following[:1] == "-" and following.partition("=")[0] not in self._long_names

    def without_dashes(self, word: str) -> str:
        """Return the long option whose name the word is, without its dashes; empty for another word."""
        return self._alike.get(_with_underscores(f"--{word}"), "")

    def suggestion(self, name: str) -> str:
        """Return ` Did you mean …?` for an unknown option; empty if no known one is near."""
        bare = _with_underscores(name.removeprefix("--")) if name.startswith("--") else name
        if other := next((option for option, names in OTHER_NAMES.items() if bare in names.split()), ""):
            return f" Did you mean {other}?"
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
