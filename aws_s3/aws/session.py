"""Clients of AWS: profile, role, region, endpoints, proxy and retries, all from one botocore session (SPEC 2)."""

import logging
import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    ConfigProvider,
    CredentialResolver,
    Credentials,
    RefreshableCredentials,
)
from botocore.exceptions import ConfigParseError, NoCredentialsError
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError, ResponseParserFactory
from dateutil.parser import isoparse

from aws_s3 import __version__
from aws_s3.aws.config_file import DEFAULT, ConfigFile, Profile, TransferConfig, broken_file, expanded
from aws_s3.aws.error_table import FAILURES, translate
from aws_s3.errors import CredentialsError, EndpointError, UnknownProfileError, UnknownRegionError
from aws_s3.settings import Access

log = logging.getLogger(__name__)

_SESSION_NAME = "WazuhLogParsing"
_CONNECT_TIMEOUT = 5
_FIRST_ATTEMPTS = 3
_BESIDE_DOWNLOADS = 32
"""Connections for listings, and for the downloads of workers."""

_ADVISORY_REFRESH = 900
_MANDATORY_REFRESH = 600
"""Seconds before a role's credentials expire: botocore's own, for those that last long enough."""

_HOME_PARTITION = "aws"
_REGIONAL_BY_OPTION = ("s3", "sts")
"""The services that serve a whole partition from any of its regions, so that none need be given."""


class Session:
    """Access to AWS as the options, the profile and the environment say.

    `regions` are those whose logs are asked for. Raises UnknownProfileError, ConfigFileError, EndpointError
    for what is no URL, and CredentialsError for half a pair of keys. Making one sends nothing: with a
    role its credentials are fetched by `client`.
    """

    def __init__(self, access: Access, regions: tuple[str, ...] = ()) -> None:
        self._access = access
        self._core = _BotocoreSession(access)
        self._profile = self._core.use_profile()
        self._region = self._choose_region(regions)
        self._core.set_config_variable("region", self._region or self._home_region())
        # Hashing each body again in Python costs more than it tells: TCP, TLS and gzip all check it.
        self._core.set_config_variable("response_checksum_validation", "when_required")
        self._core.set_config_variable("request_checksum_calculation", "when_required")
        self._core.set_default_client_config(self._config())
        self._core.register("needs-retry", _FailFastOnUnreachable().limit)
        self._core.register_component("credential_provider", self._credential_chain())

    @property
    def downloads(self) -> TransferConfig:
        """How the profile wants objects downloaded."""
        return self._profile.downloads

    @property
    def region(self) -> str | None:
        """The region of clients that are made without one, as far as anybody gave it."""
        return self._region

    def client(self, service: str, region: str | None = None, *, log_source: bool = True) -> Any:
        """Return a botocore client, for several threads. `log_source`: logs are read from this service.

        Only then, the service endpoint is its endpoint. Raises what `aws_errors` makes of failures:
        for a role, its credentials are fetched here.
        """
        endpoint = self._access.service_endpoint if log_source and service != "sts" else None
        url = _url("--service_endpoint", endpoint) if endpoint else None
        region = region or _region_in(url) or self._region
        if region is None and service not in _REGIONAL_BY_OPTION:
            raise UnknownRegionError(f"There is no region for {service}. Give --regions, or set region in the profile.")
        try:
            return self._core.create_client(
                service, region_name=region, endpoint_url=url, config=self._service_config(service, url)
            )
        except (*FAILURES, ValueError) as error:
            raise translate(error, f"access to {service}") from error

    def account(self) -> str:
        """Return the ID of the account that the credentials belong to; STS is asked once."""
        return self._account

    def service_regions(self, service: str) -> list[str]:
        """Return the regions of the caller's partition that have the service, sorted (botocore's data)."""
        partition = aws_partition_of(self._region or self._home_region())
        return sorted(self._core.get_available_regions(service, partition))

    @cached_property
    def _account(self) -> str:
        sts = self.client("sts", log_source=False)
        try:
            return str(sts.get_caller_identity()["Account"])
        except FAILURES as error:
            raise translate(error, "the account of the credentials (GetCallerIdentity)") from error

    def _choose_region(self, asked: tuple[str, ...]) -> str | None:
        """Return the one region asked for; of several, the first if they are of another partition.

        Else the profile's, else the environment's: of the regions whose logs lie in one bucket, the
        first by name may well be one that the caller's account has not enabled.
        """
        environment = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
        configured = self._profile.region or environment
        other_partition = asked and aws_partition_of(asked[0]) != aws_partition_of(configured or self._home_region())
        return asked[0] if len(asked) == 1 or other_partition else configured

    def _home_region(self) -> str:
        """Return the region that stands for the whole partition: the role's partition, if there is a role."""
        arn = (self._access.role_arn or "").split(":")
        wanted = arn[1] if len(arn) > 1 else _HOME_PARTITION
        homes = {partition["id"]: str(partition["outputs"]["implicitGlobalRegion"]) for partition in _partitions()}
        return homes.get(wanted, homes[_HOME_PARTITION])

    def _config(self) -> Config:
        """Return what holds for every client, also for those of botocore's credential providers."""
        retries, proxy = self._profile.retries, self._profile.proxy
        return Config(
            client_cert=proxy.client_cert if proxy else None,
            connect_timeout=_CONNECT_TIMEOUT,
            max_pool_connections=self.downloads.max_concurrent_requests + _BESIDE_DOWNLOADS,
            proxies={"http": proxy.url, "https": proxy.url} if proxy else None,
            proxies_config=dict(proxy.settings) if proxy else None,
            retries={"mode": retries.mode, "total_max_attempts": retries.max_attempts},
        )

    def _service_config(self, service: str, url: str | None) -> Config:
        """Return what holds for clients of one service only."""
        # A fixed name: botocore puts its own together anew for each request.
        options: dict[str, Any] = {"user_agent": f"aws-s3/{__version__}"}
        version = self._profile.signature_version
        if version and version.startswith("s3") == (service == "s3"):
            options["signature_version"] = version
        if service == "s3":
            options["s3"] = self._s3_settings(custom_endpoint=bool(url) or self._core.configures_s3_endpoint())
        return Config(**options)

    def _s3_settings(self, *, custom_endpoint: bool) -> dict[str, Any]:
        settings = dict(self._profile.s3)
        if custom_endpoint and settings.get("use_accelerate_endpoint"):
            log.warning("use_accelerate_endpoint is ignored beside an endpoint of your own.")
            settings["use_accelerate_endpoint"] = False
        return settings

    def _credential_chain(self) -> CredentialResolver:
        """Return where credentials come from: the keys given, else boto3's chain; from these, the role's."""
        chain = self._given_keys() or self._core.default_chain()
        if self._access.role_arn is None:
            return chain
        return CredentialResolver([_CallableProvider(partial(self._assume_role, self._access.role_arn, chain))])

    def _given_keys(self) -> CredentialResolver | None:
        key, secret = self._access.access_key, self._access.secret_key
        if not key and not secret:
            return None
        if not key or not secret:
            raise CredentialsError("--access_key and --secret_key only go together. Give both, or a profile.")
        log.warning(
            "--access_key and --secret_key are deprecated. Use --aws_profile, --iam_role_arn or the environment."
        )
        return CredentialResolver([_CallableProvider(partial(Credentials, key, secret))])

    def _assume_role(self, arn: str, chain: CredentialResolver) -> RefreshableCredentials:
        """Return the role's credentials, which are fetched now and again before they expire."""
        source = chain.load_credentials()
        if source is None:
            raise NoCredentialsError
        options = {
            "RoleSessionName": _SESSION_NAME,
            "ExternalId": self._access.external_id,
            "DurationSeconds": self._access.role_duration,
        }
        given = {name: value for name, value in options.items() if value is not None}
        fetcher = AssumeRoleCredentialFetcher(self._core.create_client, source, arn, given)

        def fetch() -> dict[str, str]:
            try:
                return dict(fetcher.fetch_credentials())
            except FAILURES as error:
                raise translate(error, f"role {arn}") from error

        return _refreshable(fetch)


class _Parsers(ResponseParserFactory):  # type: ignore[misc]
    """Makes parsers that raise ResponseParserError of any answer that is none of AWS's; botocore's raise whatever."""

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
            raise ResponseParserError("The code of the error is no text")

        parser.parse = checked
        return parser


class _BotocoreSession(botocore.session.Session):  # type: ignore[misc]
    """botocore's session, with the profile's section as we read it, and the STS endpoint for every STS client."""

    def __init__(self, access: Access) -> None:
        profile = access.profile
        super().__init__(profile=DEFAULT if profile and profile.lower() == DEFAULT else profile)
        self._sts_url = _url("--sts_endpoint", access.sts_endpoint) if access.sts_endpoint else None
        self.register_component("response_parser_factory", _Parsers())

    def create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """Create a client, as the base class does; botocore's credential providers come here too."""
        if service_name == "sts" and self._sts_url:
            region = _region_in(self._sts_url) or kwargs.get("region_name")
            kwargs |= {"endpoint_url": self._sts_url, "region_name": region}
        return super().create_client(service_name, *args, **kwargs)

    def use_profile(self) -> Profile:
        """Read the profile, let botocore know it as we do, and return it.

        botocore knows no [NAME] and no [Default], and takes nothing from [default] for others.
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
        """Return botocore's chain of credential providers, which also looks into the sections it does not know."""
        chain = self.get_component("credential_provider")
        name = self.get_config_variable("profile") or DEFAULT
        sections = ConfigProvider(str(self._file("config_file")), name, lambda _: self.full_config)
        chain.insert_after(ConfigProvider.METHOD, sections)
        return chain

    def configures_s3_endpoint(self) -> bool:
        """Tell whether the environment or the profile name an endpoint, as botocore looks for one."""
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


class _FailFastOnUnreachable:
    """Ends the attempts at an endpoint that never answered: a wrong one is told within seconds."""

    def __init__(self) -> None:
        self._reached: set[str] = set()

    def limit(self, response: Any, endpoint: Any, attempts: int, caught_exception: Exception | None, **_: Any) -> None:
        """Raise the exception that botocore would try again after: a handler of its `needs-retry`."""
        if response is not None:
            self._reached.add(endpoint.host)
        elif caught_exception and attempts >= _FIRST_ATTEMPTS and endpoint.host not in self._reached:
            raise caught_exception


class _CallableProvider:
    """A credential provider, as botocore's resolver asks one."""

    METHOD = "aws-s3"

    def __init__(self, load: Callable[[], Credentials]) -> None:
        self.load = load


def _refreshable(fetch: Callable[[], dict[str, str]]) -> RefreshableCredentials:
    """Return credentials that `fetch` renews; those that live shortly are not renewed all the time."""
    first = fetch()
    life = (isoparse(first["expiry_time"]) - datetime.now(timezone.utc)).total_seconds()
    return RefreshableCredentials.create_from_metadata(
        first,
        fetch,
        "assume-role",
        advisory_timeout=min(_ADVISORY_REFRESH, life / 3),
        mandatory_timeout=min(_MANDATORY_REFRESH, life / 5),
    )


def _url(option: str, endpoint: str) -> str:
    """Return the endpoint as a URL, over https unless it says otherwise."""
    url = endpoint if "://" in endpoint else f"https://{endpoint}"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        valid = False
    if not valid:
        raise EndpointError(f"{option} is not a URL: {endpoint}. Give HOST, HOST:PORT or a URL.")
    return url


def _region_in(url: str | None) -> str | None:
    """Return the region that the host names: requests to an AWS endpoint are signed for its own region."""
    labels = (urlsplit(url).hostname or "").split(".") if url else []
    return next((label for label in labels if label in known_regions()), None)


@cache
def known_regions() -> frozenset[str]:
    """Return every region of every partition, from botocore's endpoint data."""
    return frozenset(
        region for partition in _partitions() for region in partition["regions"] if not region.endswith("-global")
    )


def aws_partition_of(region: str) -> str:
    """Return the partition of the region; where botocore does not know it, the one that its name looks like."""
    for partition in _partitions():
        if region in partition["regions"] or re.match(partition["regionRegex"], region):
            return str(partition["id"])
    return _HOME_PARTITION


@cache
def _partitions() -> tuple[Mapping[str, Any], ...]:
    return tuple(create_loader().load_data("partitions")["partitions"])
