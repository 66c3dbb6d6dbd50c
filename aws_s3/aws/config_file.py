"""The AWS configuration file: a profile's section, its keys read and checked."""

import configparser
import logging
import math
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from aws_s3.errors import ConfigFileError

log = logging.getLogger(__name__)

T = TypeVar("T")

DEFAULT = "default"

_KB = 1024
_MB = _KB**2
_UNITS = {"": 1, "B": 1, "KB": _KB, "MB": _MB, "GB": _KB**3, "TB": _KB**4}
_BIT_UNITS = {"b": 1, "Kb": _KB, "Mb": _MB, "Gb": _KB**3}

_ATTEMPTS = {"legacy": 5, "standard": 3, "adaptive": 3}
"""Attempts of each retry mode, as boto3 documents them."""

_ENVIRONMENT = {
    "AWS_RETRY_MODE": "retry_mode",
    "AWS_MAX_ATTEMPTS": "max_attempts",
    "AWS_S3_DIRECT_GET": "environment.direct_get",
}
"""Environment variables that go before the keys of the file: boto3's own, and ours, which has no key."""

_KNOWN = {
    *("s3.max_concurrent_requests", "s3.max_queue_size", "s3.multipart_threshold", "s3.multipart_chunksize"),
    *("s3.max_bandwidth", "s3.use_accelerate_endpoint", "s3.addressing_style"),
    *("proxy.host", "proxy.port", "proxy.username", "proxy.password"),
    *("proxy.ca_bundle", "proxy.client_cert", "proxy.use_forwarding_for_https"),
}

_WRITTEN_OTHERWISE = {
    "retries": "retry_mode and max_attempts",
    "proxies": "PROFILE.proxy.host, .port, .username and .password",
    "proxies_config": "PROFILE.proxy.ca_bundle, .client_cert and .use_forwarding_for_https",
}
"""boto3's names for groups of settings, and the keys that hold them in the file."""

_CREDENTIALS = (
    *("aws_", "sso_", "role_", "source_profile", "credential_", "web_identity_", "login_session"),
    *("external_id", "mfa_serial", "duration_seconds"),
)
"""Prefixes of credential keys, which are never inherited from [default]."""


_REQUESTS_A_PROCESS = 24
"""With 10 or 16, a process waits for answers of 20 ms; with 32 it takes no more objects than with 24."""


@dataclass(frozen=True)
class TransferConfig:
    """How objects are downloaded: sizes in bytes, `max_bandwidth` in bytes a second.

    `max_concurrent_requests`: objects at once, of all processes together; None leaves the number to each process.
    `direct_get`: small objects may be got past the client, which is faster.
    """

    max_concurrent_requests: int | None = None
    max_queue_size: int = 1000
    multipart_threshold: int = 8 * _MB
    multipart_chunksize: int = 8 * _MB
    max_bandwidth: int | None = None
    direct_get: bool = True

    @property
    def requests_at_once(self) -> int:
        """The objects that one process downloads at once, if there is no other."""
        return self.max_concurrent_requests or _REQUESTS_A_PROCESS

    def requests_for(self, size: int) -> int:
        """Return how many GETs an object of `size` bytes takes; a bandwidth limit leaves no ranges."""
        if size < self.multipart_threshold or self.max_bandwidth:
            return 1
        return math.ceil(size / self.multipart_chunksize)


@dataclass(frozen=True)
class RetryConfig:
    """botocore's retry mode, and its attempts including the first."""

    mode: str = "standard"
    max_attempts: int = 10


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy: `url` with user and password, `settings` as botocore's `proxies_config`."""

    url: str = field(repr=False)
    settings: Mapping[str, Any]

    @property
    def forwards(self) -> bool:
        """Whether https requests go to the proxy as they are: the only TLS is then that with the proxy."""
        return bool(self.settings.get("proxy_use_forwarding_for_https"))

    @property
    def client_cert(self) -> str | None:
        """The certificate of forwarded requests: older urllib3 ignores `settings` for them."""
        found: str | None = self.settings.get("proxy_client_cert") if self.forwards else None
        return found


@dataclass(frozen=True)
class Profile:
    """The settings of a profile's section. `section` is the section in botocore's form."""

    region: str | None = None
    signature_version: str | None = None
    retries: RetryConfig = RetryConfig()
    downloads: TransferConfig = TransferConfig()
    s3: Mapping[str, Any] = field(default_factory=dict)
    proxy: Proxy | None = None
    section: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class _Value:
    """A value, and its key as the user wrote it."""

    key: str
    text: str = field(repr=False)


class ConfigFile:
    """The sections of the file: `[default]` in any case, `[profile NAME]` and `[NAME]`."""

    def __init__(self, path: Path, sections: Mapping[str, Mapping[str, str]]) -> None:
        self._path = path
        self._sections = sections
        self._headers = _headers(sections)

    @classmethod
    def read(cls, path: Path) -> "ConfigFile":
        """Read the file, which need not exist. Raises ConfigFileError if it cannot be read or parsed."""
        # Users write [DEFAULT], which is the parser's own name for its section of defaults.
        parser = configparser.RawConfigParser(default_section="")
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            pass
        except OSError as error:
            raise ConfigFileError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from None
        except (configparser.Error, UnicodeDecodeError) as error:
            raise broken_file(path, error) from None
        return cls(path, {name: dict(parser[name]) for name in parser.sections()})

    def __contains__(self, profile: str) -> bool:
        return profile in self._headers

    def profile(self, name: str, environ: Mapping[str, str]) -> Profile:
        """Return the settings of the profile's section, or else of `[default]`; defaults without either.

        Raises ConfigFileError, naming file, section and key, for a value that does not parse.
        """
        known = name if name in self else DEFAULT
        header = self._headers.get(known, known)
        values = self._sections.get(header, {})
        if known != name:
            values = {key: text for key, text in values.items() if not key.startswith(_CREDENTIALS)}
        return _Section(self._path, header, known, values, environ).profile()


def expanded(text: str) -> Path:
    """Return the path with its variables and `~` replaced, as in botocore."""
    # Path.expanduser raises where the user has no home, as in a container under any number.
    return Path(os.path.expanduser(os.path.expandvars(text)))  # noqa: PTH111


def broken_file(path: Path, error: Exception) -> ConfigFileError:
    """Return the error for a file that configparser refuses. The line itself may hold a secret: only its number."""
    line = getattr(error, "lineno", None) or next((number for number, _ in getattr(error, "errors", ())), None)
    reason = "is neither [SECTION] nor KEY = VALUE"
    if isinstance(error, configparser.DuplicateSectionError):
        reason = f"begins section [{error.section}] a second time"
    elif isinstance(error, configparser.DuplicateOptionError):
        reason = f"sets {error.option} in section [{error.section}] a second time"
    elif isinstance(error, UnicodeDecodeError):
        reason = "is not UTF-8"
    where = f"line {line} " if line else "a line "
    return ConfigFileError(f"{path}: {where}{reason}. Correct it.")


def _headers(sections: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the header of each profile's section; `[profile NAME]` goes before `[NAME]`."""
    plain, prefixed = {}, {}
    for header in sections:
        try:
            words = shlex.split(header)
        except ValueError:
            continue
        name = DEFAULT if words and words[-1].lower() == DEFAULT else "".join(words[-1:])
        if len(words) == 1:
            plain[name] = header
        elif len(words) == 2 and words[0] == "profile":
            prefixed[name] = header
    return plain | prefixed


class _Section:
    """One section: its values by key, those of `s3` and `proxy` as `s3.KEY` in whichever form they stand."""

    def __init__(
        self, path: Path, header: str, profile: str, values: Mapping[str, str], environ: Mapping[str, str]
    ) -> None:
        self._where = f"{path}, section [{header}], "
        self._values: dict[str, _Value] = {}
        self._botocore: dict[str, Any] = {}
        for key, text in values.items():
            self._take(key, text, f"{profile.lower()}.")
        for variable, key in _ENVIRONMENT.items():
            if environ.get(variable):
                self._values[key] = _Value(f"environment variable {variable}", environ[variable])

    def profile(self) -> Profile:
        """Return the checked values."""
        region = self._read("region", _region) or self._read("region_name", _region)
        ca_bundle = self._read("ca_bundle", _file)
        proxy = self._proxy()
        if proxy is None or not proxy.settings or proxy.forwards:
            # Behind a proxy that speaks plain HTTP, the certificates to trust are those of the endpoints,
            # as the proxy presents them: one that opens TLS signs them itself.
            ca_bundle = ca_bundle or self._read("proxy.ca_bundle", _file)
        found = {"region": region, "ca_bundle": ca_bundle}
        return Profile(
            region=region,
            signature_version=self._read("signature_version", _one_of("s3", "s3v4", "s3v4a", "v2", "v4", "v4a")),
            retries=self._retries(),
            downloads=self._downloads(),
            s3=self._s3(),
            proxy=proxy,
            section=self._botocore | {key: text for key, text in found.items() if text},
        )

    def _take(self, key: str, text: str, prefix: str) -> None:
        if key in _WRITTEN_OTHERWISE:
            log.warning("%s%s has no effect: write %s.", self._where, key, _WRITTEN_OTHERWISE[key])
            return
        if text.startswith("\n"):
            nested = dict(self._nested(key, text))
            self._botocore[key] = nested
            for name, value in nested.items():
                self._values.setdefault(f"{key}.{name.lower()}", _Value(f"{key}: {name}", value))
            return
        self._botocore[key] = text
        short = key.removeprefix(prefix)
        if short in _KNOWN:
            self._values[short] = _Value(key, text)
        elif short != key or ".s3." in key or ".proxy." in key:
            log.warning("%s%s has no effect: the key is unknown or of another profile.", self._where, key)
        else:
            self._values[key] = _Value(key, text)

    def _nested(self, key: str, text: str) -> list[tuple[str, str]]:
        """Return the indented lines under the key, read as in the AWS CLI."""
        pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
        if not all(equals for _, equals, _ in pairs):
            raise self._error(key, "indented lines of KEY = VALUE")
        return [(name.strip(), value.strip()) for name, _, value in pairs]

    def _read(self, key: str, convert: Callable[[str], T]) -> T | None:
        """Return the converted value; None where the key is missing or empty."""
        value = self._values.get(key)
        if value is None or not value.text:
            return None
        try:
            return convert(value.text)
        except ValueError as expected:
            raise self._error(value.key, str(expected)) from None

    def _error(self, key: str, expected: str) -> ConfigFileError:
        return ConfigFileError(f"{self._where}{key}: the value is not {expected}. Correct it.")

    def _retries(self) -> RetryConfig:
        mode = self._read("retry_mode", _one_of(*_ATTEMPTS))
        attempts = self._read("max_attempts", _count)
        if mode is None:
            return RetryConfig(max_attempts=attempts) if attempts else RetryConfig()
        return RetryConfig(mode, attempts or _ATTEMPTS[mode])

    def _downloads(self) -> TransferConfig:
        found = {
            "max_concurrent_requests": self._read("s3.max_concurrent_requests", _count),
            "max_queue_size": self._read("s3.max_queue_size", _count),
            "multipart_threshold": self._read("s3.multipart_threshold", _size),
            "multipart_chunksize": self._read("s3.multipart_chunksize", _size),
            "max_bandwidth": self._read("s3.max_bandwidth", _rate),
        }
        direct_get = self._read("environment.direct_get", _switch) is not False
        return TransferConfig(
            **{key: number for key, number in found.items() if number is not None}, direct_get=direct_get
        )

    def _s3(self) -> dict[str, Any]:
        found = {
            "use_accelerate_endpoint": self._read("s3.use_accelerate_endpoint", _truth),
            "addressing_style": self._read("s3.addressing_style", _one_of("auto", "virtual", "path")),
        }
        return {key: value for key, value in found.items() if value is not None}

    def _proxy(self) -> Proxy | None:
        host = self._read("proxy.host", _host)
        port = self._read("proxy.port", _port)
        user = self._read("proxy.username", _ascii)
        password = self._read("proxy.password", _ascii)
        settings = {
            "proxy_ca_bundle": self._read("proxy.ca_bundle", _file),
            "proxy_client_cert": self._read("proxy.client_cert", _file),
            "proxy_use_forwarding_for_https": self._read("proxy.use_forwarding_for_https", _truth),
        }
        if host is None:
            if port or user or password:
                raise self._error("proxy.host", "set, while other keys of the proxy are")
            return None
        scheme, name = host
        login = f"{quote(user, safe='')}:{quote(password or '', safe='')}@" if user else ""
        url = f"{scheme}://{login}{name}" + (f":{port}" if port else "")
        # botocore opens these files for any proxy, but they say how TLS with the proxy itself is done.
        wanted = {key: value for key, value in settings.items() if value is not None and scheme == "https"}
        return Proxy(url, wanted)


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text) or int(text) < 1:
        raise ValueError("a number from 1 up")
    return int(text)


def _size(text: str) -> int:
    number = re.fullmatch(r"([0-9]+)\s*([A-Z]{0,2})", text, re.IGNORECASE)
    if number is None or number[2].upper() not in _UNITS or int(number[1]) < 1:
        raise ValueError("a number of bytes, or one with a unit, such as 16MB")
    return int(number[1]) * _UNITS[number[2].upper()]


def _rate(text: str) -> int:
    """Read a rate as in the AWS CLI: `MB/s` is bytes, `Mb/s` bits."""
    bits = re.fullmatch(r"([0-9]+)\s*([KMG]?b)/s", text)
    try:
        rate = int(bits[1]) * _BIT_UNITS[bits[2]] // 8 if bits else _size(text.removesuffix("/s").rstrip())
    except ValueError:
        rate = 0
    if not rate:
        raise ValueError("a number of bytes a second, such as 50MB/s")
    return rate


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("0 or 1")
    return text == "1"


def _one_of(*choices: str) -> Callable[[str], str]:
    def choose(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text.lower()

    return choose


def _region(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", text):
        raise ValueError("a region, such as us-east-1")
    return text


def _file(text: str) -> str:
    path = expanded(text)
    if not path.is_file():
        raise ValueError("a file that exists")
    return str(path)


def _host(text: str) -> tuple[str, str]:
    """Return the scheme, `http` where none is given, and the host."""
    host = re.fullmatch(r"(?:(https?)://)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])/?", text)
    if host is None:
        raise ValueError("a host name (user, password and port have keys of their own)")
    return host[1] or "http", host[2]


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise ValueError("a port, 1 to 65535")
    return int(text)


def _ascii(text: str) -> str:
    """Reject text that cannot be encoded in the Proxy-Authorization header."""
    if not text.isascii():
        raise ValueError("in ASCII characters")
    return text
