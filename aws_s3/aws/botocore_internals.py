"""Everything that relies on parts of botocore and urllib3 that their makers may change without notice.

It holds for botocore 1.34 to 1.44 with urllib3 2.0 to 2.8. `tests/aws/test_botocore_internals.py` has a
test for each part, so that a release that breaks one is noticed before a user notices it. Each part
says how the program goes on without it.
"""

import importlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from getpass import getpass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import botocore.session
import urllib3.exceptions
from botocore.awsrequest import AWSPreparedRequest
from botocore.credentials import AssumeRoleProvider, ConfigProvider, CredentialResolver, EnvProvider
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    CredentialRetrievalError,
    ReadTimeoutError,
    RefreshWithMFAUnsupportedError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError, ResponseParserFactory
from botocore.response import StreamingBody
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.util import Timeout

from aws_s3.aws.config_file import DEFAULT, ConfigFile, Profile, broken_file, expanded
from aws_s3.errors import CollectorError, UnknownProfileError

log = logging.getLogger(__name__)

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_FIRST_ATTEMPTS = 3
_READ_TIMEOUT = 60
_OK = 200
_THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded")
_PROGRESS = 1024
_READ = 1 << 20
_UNLIMITED = 1 << 62


@dataclass(frozen=True)
class ClientParts:
    """The parts of a botocore client that the direct requests share with it.

    `pools` has urllib3's `connection_from_url`, `proxies` botocore's `proxy_url_for`, `credentials`
    botocore's `get_frozen_credentials`. Without them, every request goes through the client.
    """

    pools: Any
    proxies: Any
    credentials: Any

    @classmethod
    def of(cls, client: Any) -> "ClientParts | None":
        """Return the client's parts, None if this release of botocore or urllib3 has them elsewhere."""
        http_session = getattr(getattr(client, "_endpoint", None), "http_session", None)
        pools = getattr(http_session, "_manager", None)
        proxies = getattr(http_session, "_proxy_config", None)
        credentials = getattr(getattr(client, "_request_signer", None), "_credentials", None)
        has_connections = hasattr(HTTPConnectionPool, "_get_conn") and hasattr(HTTPConnectionPool, "_put_conn")
        if pools is None or proxies is None or credentials is None or not has_connections:
            return None
        return cls(pools, proxies, credentials)


@dataclass(frozen=True)
class ExpectedAnswer:
    """The answer that a listed object has: `size` in bytes, `etag` empty if unknown.

    `stall_seconds`: the body must make 1 kB of progress in this time.
    """

    size: int
    etag: str
    stall_seconds: float

    def fits(self, status: int, length: int | None, etag: str | None, request_id: str | None) -> bool:
        """Tell whether S3 gave the answer, and whether it is the listed object."""
        if status != _OK or length != self.size:
            return False
        if etag and self.etag:
            return etag.strip('"') == self.etag.strip('"')
        return bool(etag or request_id)


def get_through(pool: Any, path: str, headers: Mapping[str, str], expected: ExpectedAnswer) -> bytes | None:
    """GET `path` over a connection of the urllib3 pool; return the body, None for another answer than expected.

    `headers` are sent as they are. Raises OSError, HTTPException or urllib3's HTTPError.
    """
    return _exchange(pool, path, headers, lambda response, length: _expected_body(response, length, expected))


def body_through(
    pool: Any, path: str, headers: Mapping[str, str], stall_seconds: float, posted: bytes | None = None
) -> bytes | None:
    """Do the same for an answer of unknown length: return the whole body of a success. `posted` makes it a POST."""
    return _exchange(pool, path, headers, lambda response, length: _whole_body(response, length, stall_seconds), posted)


def _exchange(
    pool: Any,
    path: str,
    headers: Mapping[str, str],
    take: Callable[[Any, int | None], bytes | None],
    posted: bytes | None = None,
) -> bytes | None:
    """Make the request; `take` reads the body from urllib3's or http.client's response, whose length may be known."""
    connection = pool._get_conn()
    if connection.sock is None:
        # urllib3 opens connections, because it knows the time-outs and certificates.
        pool._put_conn(connection)
        response = pool.urlopen(
            _method(posted), path, posted, headers, retries=False, assert_same_host=False, preload_content=False,
            decode_content=False,
        )  # fmt: skip
        content = take(response, response.length_remaining)
        response.release_conn()
        return content
    try:
        response = _answered(connection, path, headers, posted)
        content = take(response, response.length)
        if content is None or response.will_close:
            connection.close()
    except BaseException:
        connection.close()
        raise
    finally:
        pool._put_conn(connection)
    return content


def _method(posted: bytes | None) -> str:
    return "GET" if posted is None else "POST"


def _answered(connection: Any, path: str, headers: Mapping[str, str], posted: bytes | None) -> Any:
    """Send the request over an open connection; return http.client's response, or one of the same form."""
    if (http := _http_answer()) is not None:
        connection.sock.sendall(http.request(path, headers, posted))
        return http.HttpAnswer(connection.sock)
    # The methods of the base class: urllib3's own take as long again.
    HTTPConnection.request(connection, _method(posted), path, posted, headers)
    return HTTPConnection.getresponse(connection)


@lru_cache(maxsize=1)
def _http_answer() -> Any:
    """Return the module that needs the extra `fast`, None without it; a run without a direct request loads none."""
    try:
        return importlib.import_module("aws_s3.aws.http_answer")
    except ImportError:
        return None


def _whole_body(response: Any, length: int | None, stall_seconds: float) -> bytes | None:
    """Read the body of a success to its end; close any other answer, and one that ends early."""
    if response.status == _OK:
        read = steady_reader(response, stall_seconds)
        content = b"".join(iter(lambda: read(_READ), b""))
        # http.client's response ends, and sets its connection free, only by a read of the rest.
        if length in (None, len(content)) and not response.read():
            return content
    response.close()
    return None


def _expected_body(response: Any, length: int | None, expected: ExpectedAnswer) -> bytes | None:
    """Read the body of urllib3's or http.client's response, if the answer is the expected one; else close it."""
    headers = response.headers
    if not expected.fits(response.status, length, headers.get("etag"), headers.get("x-amz-request-id")):
        response.close()
        return None
    read = steady_reader(response, expected.stall_seconds)
    content = read(expected.size)
    if len(content) < expected.size:
        content = b"".join(_rest(read, content, expected.size))
    # http.client's response ends, and sets its connection free, only by a read of the rest.
    return content if len(content) == expected.size and not response.read() else None


def _rest(read: Callable[[int], bytes], begin: bytes, size: int) -> Iterator[bytes]:
    chunk = begin
    while chunk:
        yield chunk
        size -= len(chunk)
        chunk = read(size) if size else b""


def steady_reader(stream: Any, stall_seconds: float) -> Callable[[int], bytes]:
    """Return a function that reads at most so many bytes as soon as there are any, empty at the end.

    It raises TimeoutError if reading took `stall_seconds` without 1 kB of progress: a time-out of the
    socket never comes while single bytes drip in. A stream that cannot read so has no deadline.
    """
    read_some = prompt_reader(stream)
    if read_some is None:
        return lambda size: bytes(stream.read(size))
    progress, waited = 0, 0.0

    def read(size: int) -> bytes:
        nonlocal progress, waited
        if waited > stall_seconds:
            raise TimeoutError(f"fewer than {_PROGRESS:,} bytes came in {stall_seconds:.0f} s")
        began = time.monotonic()
        chunk = read_some(size)
        waited += time.monotonic() - began
        progress += len(chunk)
        if progress >= _PROGRESS:
            progress, waited = 0, 0.0
        return chunk

    return read


def prompt_reader(stream: Any) -> Callable[[int], bytes] | None:
    """Return the function of a response that reads at most so many bytes as soon as there are any; None without one.

    Responses of urllib3 before 2.2 keep theirs inside: `_fp` is http.client's response, and within `_error_catcher`
    failures become urllib3's own.
    """
    inner: Any = getattr(stream, "_fp", None)
    if hasattr(stream, "read1") or not (hasattr(inner, "read1") and hasattr(stream, "_error_catcher")):
        return getattr(stream, "read1", None)

    def read_some(size: int) -> bytes:
        with stream._error_catcher():
            return bytes(inner.read1(size))

    return read_some


class _SteadyBody(StreamingBody):  # type: ignore[misc]
    """botocore's body of an answer, whose `read` gives up when the body stalls; it keeps the bytes before."""

    def __init__(self, body: Any, url: str, stall_seconds: float) -> None:
        super().__init__(body._raw_stream, body._content_length)
        self._url = url
        self._read_some = steady_reader(body._raw_stream, stall_seconds)
        self._failure: Exception | None = None

    def read(self, amt: int | None = None) -> bytes:
        """Return the next `amt` bytes, fewer before a failure and at the end.

        Raises ReadTimeoutError, ResponseStreamingError and IncompleteReadError.
        """
        parts = []
        missing = amt or _UNLIMITED
        while missing and self._failure is None:
            try:
                chunk = self._read_some(min(missing, _READ))
                if not chunk:
                    self._verify_content_length()
                    break
            except Exception as error:
                self._failure = self._translated(error)
                break
            self._amount_read += len(chunk)
            missing -= len(chunk)
            parts.append(chunk)
        if self._failure and (amt is None or not parts):
            raise self._failure
        return b"".join(parts)

    def _translated(self, error: Exception) -> Exception:
        translated = error
        if isinstance(error, TimeoutError | urllib3.exceptions.ReadTimeoutError):
            translated = ReadTimeoutError(endpoint_url=self._url, error=error)
        elif isinstance(error, urllib3.exceptions.ProtocolError):
            translated = ResponseStreamingError(error=error)
        return translated


def steady_body(body: Any, url: str, stall_seconds: float) -> Any:
    """Return the body of an answer from `url` with a deadline: 1 kB of progress in `stall_seconds`.

    Bodies of other kinds than botocore's plain one stay as they are.
    """
    is_plain = type(body) is StreamingBody and hasattr(body, "_raw_stream") and hasattr(body, "_content_length")
    return _SteadyBody(body, url, stall_seconds) if is_plain else body


def on_sent(client: Any, operation: str, see: Callable[[AWSPreparedRequest], None]) -> None:
    """Let `see` look at each signed request of an operation before it is sent."""

    def handle(request: AWSPreparedRequest, **_: Any) -> None:
        see(request)

    client.meta.events.register(f"before-send.*.{operation}", handle)


def on_get_answered(client: Any, check: Callable[[dict[str, Any], str], None]) -> None:
    """Let `check` look at each parsed answer of GetObject, and its URL; an exception that it raises is the call's."""

    def handle(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        check(parsed, http_response.url)

    client.meta.events.register("after-call.s3.GetObject", handle)


def on_answered(client: Any, operation: str, parse: Callable[..., None]) -> None:
    """Let `parse` take what it can out of the answers to an operation before botocore parses the rest.

    Releases of botocore without this event parse everything themselves, which is slower.
    """
    # With a star, the handler comes before botocore's own look for errors, which parses the whole answer.
    event = f"before-parse.*.{operation}"
    client.meta.events.register(event, parse, unique_id=event)


def on_throttled(client: Any, see: Callable[[str], None]) -> None:
    """Let `see` have the operation of each request that AWS refuses because there were too many, also before a retry.

    Releases of botocore without these parts tell nothing; their own retries wait longer and longer all the same.
    """

    def handle(response: Any = None, operation: Any = None, **_: Any) -> None:
        try:
            code = response[1]["Error"]["Code"]
        except (TypeError, LookupError):
            return
        if code in _THROTTLED:
            see(operation.name)

    client.meta.events.register("needs-retry", handle)


class StrictParserFactory(ResponseParserFactory):  # type: ignore[misc]
    """Makes parsers that turn every failure on an answer that is not AWS's into ResponseParserError.

    botocore's own parsers raise KeyError, AttributeError and others, depending on the answer.
    """

    def create_parser(self, protocol_name: str) -> Any:
        """Create a parser, as the base class does."""
        parser = super().create_parser(protocol_name)
        parse = parser.parse

        def checked(response: Any, shape: Any) -> Any:
            try:
                parsed = parse(response, shape)
                if isinstance(parsed.get("Error", {}).get("Code", ""), str):
                    return parsed
            except ResponseParserError:
                raise
            except Exception as error:
                raise ResponseParserError(f"{type(error).__name__}: {error}") from error
            raise ResponseParserError("the error code is not a string")

        parser.parse = checked
        return parser


class FirstContact:
    """Ends the attempts at an endpoint that never answered, so that a wrong one is reported within 30 s.

    A connection is tried three times. An endpoint that is silent is given up at once: clients are made
    with the short `read_timeout`, which becomes botocore's usual one with the first answer. Without these
    parts of botocore, the first request is tried as often as every other, and time-outs stay short.
    """

    read_timeout = 25
    """Seconds without a byte; long polling of SQS takes 20."""

    def __init__(self) -> None:
        self._reached: set[str] = set()

    def register(self, session: Any) -> None:
        """Watch the attempts of all clients that the botocore session makes from now on."""
        session.register("needs-retry", self._limit)

    def _limit(self, response: Any, endpoint: Any, attempts: int, caught_exception: Exception | None, **_: Any) -> None:
        """Raise the exception after which botocore would try again."""
        if response is not None:
            self._reached.add(endpoint.host)
            _set_read_timeout(endpoint.http_session, _READ_TIMEOUT)
            return
        is_last = attempts >= _FIRST_ATTEMPTS or isinstance(caught_exception, ReadTimeoutError)
        if caught_exception and is_last and endpoint.host not in self._reached:
            raise caught_exception


def _set_read_timeout(http_session: Any, seconds: float) -> None:
    """Let the requests of botocore's HTTP session wait `seconds` for a byte from now on."""
    old = getattr(http_session, "_timeout", None)
    if not isinstance(old, Timeout) or old.read_timeout == seconds:
        return
    new = Timeout(connect=old.connect_timeout, read=seconds)
    http_session._timeout = new
    for manager in (http_session._manager, *http_session._proxy_managers.values()):
        manager.connection_pool_kw["timeout"] = new
        for key in manager.pools.keys():  # noqa: SIM118 - not a dict, and without an iterator
            pool = manager.pools.get(key)
            if pool is not None:
                pool.timeout = new


def stripped(keys: Mapping[str, str]) -> dict[str, str]:
    """Return keys without white space around them, with one WARNING if there is any: it makes no valid header."""
    found = {name: value.strip() for name, value in keys.items()}
    if names := [name for name, value in keys.items() if value != found[name]]:
        log.warning("The white space around the value of %s is ignored.", ", ".join(names))
    return found


class ToldChain(CredentialResolver):  # type: ignore[misc]
    """A chain of credential providers whose failures all are botocore's errors, which name the provider.

    Providers let errors of their files, commands and answers through as they come. `_refresh_using` makes credentials
    of a role, when the first request is signed; without it, such an error is an unknown one.
    """

    def load_credentials(self) -> Any:
        """Return the credentials of the first provider that has some; None if none has."""
        for provider in self.providers:
            with _told(provider.METHOD):
                credentials = provider.load()
            if credentials is None:
                continue
            if refresh := getattr(credentials, "_refresh_using", None):
                credentials._refresh_using = _told(provider.METHOD)(refresh)
            return credentials
        return None


@contextmanager
def _told(provider: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, CollectorError):
        raise
    except Exception as error:
        raise CredentialRetrievalError(provider=provider, error_msg=str(error) or type(error).__name__) from error


def _ask_for_code(prompt: str) -> str:
    """Ask for the code of an MFA device. Raises RefreshWithMFAUnsupportedError where no terminal is."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise RefreshWithMFAUnsupportedError from None
    return getpass(prompt)


class BotocoreSession(botocore.session.Session):  # type: ignore[misc]
    """botocore's session with our reading of the profile, and with `sts_options` for every STS client.

    botocore's credential providers make their STS clients by `create_client`, too.
    """

    def __init__(self, profile: str | None, sts_options: Mapping[str, str]) -> None:
        super().__init__(profile=DEFAULT if profile and profile.lower() == DEFAULT else profile)
        self._sts_options = sts_options
        self.register_component("response_parser_factory", StrictParserFactory())

    def create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """Create a client, as the base class does."""
        if service_name == "sts":
            kwargs |= self._sts_options
        return super().create_client(service_name, *args, **kwargs)

    def use_profile(self) -> Profile:
        """Read the profile, put its section in front of botocore's own reading, and return it.

        botocore does not know [NAME] and [Default], and gives other profiles nothing of [default].
        Raises UnknownProfileError and ConfigFileError.
        """
        asked = self.get_config_variable("profile")
        name = asked or DEFAULT
        path = self._file("config_file")
        file = ConfigFile.read(path)
        profiles = self._known_profiles()
        if asked and asked not in profiles and asked not in file:
            credentials = self._file("credentials_file")
            raise UnknownProfileError(
                f"Profile {asked} is neither in {path} nor in {credentials}. Add it there, or check --aws_profile "
                "and AWS_PROFILE."
            )
        profile = file.profile(name, os.environ)
        profiles[name] = {**profile.section, **profiles.get(name, {})}
        return profile

    def default_chain(self) -> CredentialResolver:
        """Return botocore's chain of credential providers, with one more for the sections of `use_profile`."""
        chain = self.get_component("credential_provider")
        name = self.get_config_variable("profile") or DEFAULT
        sections = ConfigProvider(str(self._file("config_file")), name, lambda _: self.full_config)
        chain.insert_after(ConfigProvider.METHOD, sections)
        # With a profile, botocore leaves the environment's keys out.
        if any(provider.METHOD == EnvProvider.METHOD for provider in chain.providers):
            keys = {name: os.environ[name] for name in _KEYS if name in os.environ}
            chain.insert_before(EnvProvider.METHOD, EnvProvider(environ=os.environ | stripped(keys)))
        for provider in chain.providers:
            if isinstance(provider, AssumeRoleProvider):
                provider._prompter = _ask_for_code
        return ToldChain(chain.providers)

    def configures_s3_endpoint(self) -> bool:
        """Tell whether the environment or the profile names an endpoint for S3, in any form botocore reads."""
        section = self.get_scoped_config()
        services = self.full_config.get("services", {}).get(section.get("services"), {})
        return bool(
            os.environ.get("AWS_ENDPOINT_URL_S3")
            or os.environ.get("AWS_ENDPOINT_URL")
            or section.get("endpoint_url")
            or services.get("s3", {}).get("endpoint_url")
        )

    def _known_profiles(self) -> dict[str, Any]:
        try:
            profiles: dict[str, Any] = self.full_config["profiles"]
        except ConfigParseError as error:
            raise broken_file(Path(error.kwargs["path"]), error.kwargs["error"]) from None
        return profiles

    def _file(self, variable: str) -> Path:
        return expanded(self.get_config_variable(variable))
