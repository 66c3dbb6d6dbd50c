"""Clients of AWS: profile, role, region, endpoints, proxy and retries, all from one botocore session."""

import gc
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialResolver,
    Credentials,
    RefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError
from botocore.loaders import create_loader
from dateutil.parser import isoparse

from aws_s3 import __version__
from aws_s3.aws.botocore_internals import BotocoreSession, FirstContact, stripped
from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.error_table import FAILURES, translate
from aws_s3.aws.service_data import ServiceData
from aws_s3.errors import ConfigFileError, CredentialsError, EndpointError, UnknownRegionError
from aws_s3.settings import Access

log = logging.getLogger(__name__)

_SESSION_NAME = "WazuhLogParsing"
_CONNECT_TIMEOUT = 5
_BESIDE_DOWNLOADS = 32
"""Connections for listings, besides those for downloads."""

_ADVISORY_REFRESH = 900
_MANDATORY_REFRESH = 600
"""Seconds before a role's credentials expire: botocore's own, for those that last long enough."""

_HOME_PARTITION = "aws"
_KEY_ID = re.compile(r"Credential=(.+?)/\d{8}/")
_REGIONAL_BY_OPTION = ("s3", "sts")
"""Services that serve a whole partition from any of its regions, so that no region need be given."""


class Session:
    """Access to AWS as the options, the profile and the environment say.

    `regions` are the regions of the logs. The constructor sends nothing: `client` fetches a role's
    credentials. Raises UnknownProfileError, ConfigFileError, EndpointError for an endpoint that is not a
    URL, and CredentialsError for half a pair of keys.
    """

    def __init__(self, access: Access, regions: tuple[str, ...] = ()) -> None:
        self._access = access
        self._core = BotocoreSession(access.profile, _sts_client_options(access.sts_endpoint))
        self._profile = self._core.use_profile()
        self._core.register_component("data_loader", ServiceData(self._core.get_config_variable("data_path")))
        self._check_ca_bundle()
        self._region = self._choose_region(regions)
        self._core.set_config_variable("region", self._region or self._home_region())
        # TCP, TLS and gzip all check the body; hashing it again in Python costs more than it adds.
        self._core.set_config_variable("response_checksum_validation", "when_required")
        self._core.set_config_variable("request_checksum_calculation", "when_required")
        self._core.set_default_client_config(self._config())
        FirstContact().register(self._core)
        self._core.register("before-send", self._note_secrets)
        access.secrets.add_url(self._profile.proxy.url if self._profile.proxy else None)
        self._core.register_component("credential_provider", self._credential_chain())

    @property
    def downloads(self) -> TransferConfig:
        """How the profile wants objects downloaded."""
        return self._profile.downloads

    @property
    def region(self) -> str | None:
        """The region of clients that are made without a region, None if nobody gave one."""
        return self._region

    def client(self, service: str, region: str | None = None, *, log_source: bool = True) -> Any:
        """Return a botocore client, for several threads.

        `log_source`: logs are read from this service, so that it uses the service endpoint. Raises the
        errors of `error_table`, because the credentials of a role are fetched here.
        """
        endpoint = self._access.service_endpoint if log_source and service != "sts" else None
        url = _url("--service_endpoint", endpoint) if endpoint else None
        region = region or _region_in(url) or self._region
        if region is None and service not in _REGIONAL_BY_OPTION:
            raise UnknownRegionError(f"There is no region for {service}. Give --regions, or set region in the profile.")
        try:
            with _garbage_left():
                client = self._core.create_client(
                    service, region_name=region, endpoint_url=url, config=self._service_config(service, url)
                )
            self._note_fixed_keys()
            return client
        except (*FAILURES, ValueError) as error:
            raise translate(error, f"access to {service}") from error

    def _note_fixed_keys(self) -> None:
        """Let the mask know keys that are not renewed: to ask for the others would fetch them."""
        credentials = self._core.get_credentials()
        if type(credentials) is Credentials:
            self._access.secrets.add_key_id(credentials.access_key)
            self._access.secrets.add_keys(credentials.secret_key, credentials.token)

    def _note_secrets(self, request: AWSPreparedRequest, **_: Any) -> None:
        """Let the mask know the key ID and the token of a request that is about to leave."""
        key_id = _KEY_ID.search(_text(request.headers.get("Authorization", "")))
        self._access.secrets.add_key_id(key_id[1] if key_id else None)
        self._access.secrets.add_keys(_text(request.headers.get("X-Amz-Security-Token", "")))

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

    def _check_ca_bundle(self) -> None:
        bundle = self._core.get_config_variable("ca_bundle")
        if bundle and not Path(bundle).is_file():
            raise ConfigFileError(
                f"The bundle of certificates {bundle} is not a file. Correct ca_bundle in the AWS configuration file, "
                "or AWS_CA_BUNDLE in the environment."
            )

    def _choose_region(self, asked: tuple[str, ...]) -> str | None:
        """Return the one region asked for; of several, the first if they are of another partition.

        Else the profile's, else the environment's, because the first of several regions by name may be
        one that the caller's account has not enabled.
        """
        environment = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
        configured = self._profile.region or environment
        other_partition = asked and aws_partition_of(asked[0]) != aws_partition_of(configured or self._home_region())
        return asked[0] if len(asked) == 1 or other_partition else configured

    def _home_region(self) -> str:
        """Return the main region of the partition: the role's partition, if there is a role."""
        arn = (self._access.role_arn or "").split(":")
        wanted = arn[1] if len(arn) > 1 else _HOME_PARTITION
        homes = {partition["id"]: str(partition["outputs"]["implicitGlobalRegion"]) for partition in _partitions()}
        return homes.get(wanted, homes[_HOME_PARTITION])

    def _config(self) -> Config:
        """Return the settings of every client, including those of botocore's credential providers."""
        retries, proxy = self._profile.retries, self._profile.proxy
        return Config(
            client_cert=proxy.client_cert if proxy else None,
            connect_timeout=_CONNECT_TIMEOUT,
            max_pool_connections=self.downloads.requests_at_once + _BESIDE_DOWNLOADS,
            proxies={"http": proxy.url, "https": proxy.url} if proxy else None,
            read_timeout=FirstContact.read_timeout,
            proxies_config=dict(proxy.settings) if proxy else None,
            retries={"mode": retries.mode, "total_max_attempts": retries.max_attempts},
        )

    def _service_config(self, service: str, url: str | None) -> Config:
        """Return the settings of the clients of one service."""
        # A fixed name, because botocore composes its own again for each request.
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
        """Return the providers of credentials: the keys given, else boto3's chain; with a role, the role's own."""
        chain = self._given_keys() or self._core.default_chain()
        if self._access.role_arn is None:
            return chain
        return CredentialResolver([_CallableProvider(partial(self._assume_role, self._access.role_arn, chain))])

    def _given_keys(self) -> CredentialResolver | None:
        given = {"--access_key": self._access.access_key or "", "--secret_key": self._access.secret_key or ""}
        key, secret = stripped(given).values()
        if not key and not secret:
            return None
        if not key or not secret:
            raise CredentialsError("--access_key and --secret_key only go together. Give both, or a profile.")
        log.warning(
            "--access_key and --secret_key are deprecated. Use --aws_profile, --iam_role_arn or the environment."
        )
        return CredentialResolver([_CallableProvider(partial(Credentials, key, secret))])

    def _assume_role(self, arn: str, chain: CredentialResolver) -> RefreshableCredentials:
        """Return the role's credentials, which are fetched now, and renewed before they expire."""
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


@contextmanager
def _garbage_left() -> Iterator[None]:
    """Look for no garbage until the block ends: a client's descriptions are many objects that stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


class _CallableProvider:
    """A credential provider for botocore's resolver."""

    METHOD = "aws-s3"

    def __init__(self, load: Callable[[], Credentials]) -> None:
        self.load = load


def _refreshable(fetch: Callable[[], dict[str, str]]) -> RefreshableCredentials:
    """Return credentials that `fetch` renews; short-lived ones are not renewed on every request."""
    first = fetch()
    life = (isoparse(first["expiry_time"]) - datetime.now(timezone.utc)).total_seconds()
    return RefreshableCredentials.create_from_metadata(
        first,
        fetch,
        "assume-role",
        advisory_timeout=min(_ADVISORY_REFRESH, life / 3),
        mandatory_timeout=min(_MANDATORY_REFRESH, life / 5),
    )


def _sts_client_options(endpoint: str | None) -> dict[str, str]:
    """Return the options of every STS client: those of the endpoint, if one is given."""
    if not endpoint:
        return {}
    url = _url("--sts_endpoint", endpoint)
    region = _region_in(url)
    return {"endpoint_url": url} | ({"region_name": region} if region else {})


def _url(option: str, endpoint: str) -> str:
    """Return the endpoint as a URL; a host alone gets https. Raises EndpointError if it is not a URL."""
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
    """Return the partition of the region; for a region unknown to botocore, the partition that its name fits."""
    for partition in _partitions():
        if region in partition["regions"] or re.match(partition["regionRegex"], region):
            return str(partition["id"])
    return _HOME_PARTITION


@cache
def _partitions() -> tuple[Mapping[str, Any], ...]:
    return tuple(create_loader().load_data("partitions")["partitions"])
