"""The mask of everything that the program prints: lines, tracebacks, tables and metrics show no secret.

It knows the values in use, whatever sentence of AWS, a proxy or a library repeats them, and the forms
of secrets that nobody registered.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from urllib.parse import quote, unquote, urlsplit

MASK = "***"

_LEAST_OF_KEY = 8
_LEAST_OF_KEY_ID = 16
_LEAST_OF_PASSWORD = 4
"""Characters: shorter values are words of ordinary text, in test environments above all."""

_PATTERNS = (
    # The login of a URL.
    re.compile(r"(?<=://)[^/\s@\"'<>,]+(?=@)"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    # Session tokens of STS begin with one of a few version numbers in base64.
    re.compile(r"\b(?:IQoJ|FwoG|FQoG|AQoD)[A-Za-z0-9+/=]{40,}"),
    re.compile(r"(?i)(?<=\bbasic )[a-z0-9+/]+=*"),
    re.compile(r"(?i)(?<=value ')[^']*(?=' at '(?:externalId|tokenCode))"),
)
_KEYS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
_URLS = re.compile(r"(?i)(?:https?|all)_proxy|aws_endpoint_url(?:_\w+)?")
_OPTIONS = {"-a", "-k", "-x"}
_LONG_OPTIONS = ("--access_k", "--secret_k", "--external_i")


class Secrets:
    """The secret values of one run; several threads may add and mask at once."""

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()
        self._known: re.Pattern[str] | None = None

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> "Secrets":
        """Return the keys, tokens and passwords of an environment."""
        secrets = cls()
        secrets.add_environment(environ)
        return secrets

    def add_keys(self, *values: str | None) -> None:
        """Add secret keys, tokens and external IDs."""
        self._add(value for value in values if value and len(value.strip()) >= _LEAST_OF_KEY)

    def add_key_id(self, value: str | None) -> None:
        """Add an access key ID, which may be a secret key that somebody gave in its place."""
        self._add([value] if value and len(value.strip()) >= _LEAST_OF_KEY_ID else [])

    def add_url(self, url: str | None) -> None:
        """Add the user and the password of a URL, as they are and percent-encoded."""
        text = url or ""
        try:
            login = urlsplit(text if "://" in text else f"//{text}").netloc.rpartition("@")[0]
        except ValueError:
            login = text.rpartition("@")[0]
        password = login.partition(":")[2]
        decoded = unquote(password)
        forms = {password, decoded, quote(decoded, safe="")}
        self._add(form for form in forms if len(form) >= _LEAST_OF_PASSWORD)

    def add_environment(self, environ: Mapping[str, str]) -> None:
        """Add the keys, tokens and passwords of an environment."""
        self.add_keys(*(environ.get(name) for name in _KEYS))
        self.add_key_id(environ.get("AWS_ACCESS_KEY_ID"))
        for name, value in environ.items():
            if _URLS.fullmatch(name):
                self.add_url(value)

    def add_arguments(self, words: Sequence[str]) -> None:
        """Add the values of secret options of a command line that need not be valid."""
        for word, following in pairwise((*words, "")):
            option, equals, value = word.partition("=")
            name = option.replace("-", "_").replace("__", "--", 1) if option.startswith("--") else option
            if name in _OPTIONS or name.startswith(_LONG_OPTIONS):
                self.add_keys(value if equals else following)
            elif word[:2] in _OPTIONS:
                self.add_keys(word[2:])
            elif "://" in word:
                self.add_url(value if equals else word)

    def mask(self, text: str) -> str:
        """Return the text with `***` in place of each secret."""
        known = self._known
        if known is not None:
            text = known.sub(MASK, text)
        return mask_patterns(text)

    def _add(self, values: Iterable[str]) -> None:
        new = {value.strip() for value in values} - set(self._values)
        if not new:
            return
        self._values = (*self._values, *new)
        # A value may be part of another one: the longest goes first.
        longest_first = sorted(self._values, key=len, reverse=True)
        # An ordinary word may hold a short password: only whole words are masked.
        self._known = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, longest_first))})(?![A-Za-z0-9])")


def mask_patterns(text: str) -> str:
    """Return the text with `***` in place of each secret that its form alone gives away."""
    for pattern in _PATTERNS:
        text = pattern.sub(MASK, text)
    return text
