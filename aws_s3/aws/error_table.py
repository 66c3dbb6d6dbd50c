"""AWS's error codes and botocore's exceptions: one table that gives each our error and the next step."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

import botocore.exceptions
import urllib3.exceptions
from botocore.exceptions import BotoCoreError, ClientError, ProxyConnectionError, ResponseStreamingError
from botocore.parsers import ResponseParserError

from aws_s3.errors import (
    ClockError,
    CollectorError,
    ConfigFileError,
    CredentialsError,
    EndpointError,
    MissingExtraError,
    QueueMissingError,
    ResourceError,
    StorageError,
    ThrottledError,
    UnavailableError,
    UnknownProfileError,
    UnknownRegionError,
    UsageError,
    missing_resource,
)
from aws_s3.secrets_mask import mask_patterns
from aws_s3.wazuh.extras import how_to_install


class ForeignAnswerError(ResponseStreamingError):  # type: ignore[misc]
    """An answer with status 200 that S3 did not give, such as the page of a portal; it may be gone a moment later."""

    fmt = "{error}"


FAILURES = (
    *(BotoCoreError, ClientError, ResponseParserError, urllib3.exceptions.HTTPError, HTTPException),
    *(ssl.SSLError, ConnectionError, TimeoutError),
)
"""The exceptions that a call of AWS raises and `translate` understands."""


@dataclass(frozen=True)
class ErrorMapping:
    """Our error for a failure, and the next step.

    `object_only`: when a GET of an object fails so, only that object is affected (UnavailableError).
    """

    error: type[CollectorError]
    advice: str
    object_only: bool = False


NO_CREDENTIALS = ErrorMapping(
    CredentialsError,
    "Give credentials: --aws_profile, the environment, or a role of the instance or container.",
)
INVALID_KEYS = ErrorMapping(
    CredentialsError, "Check the access key and its secret key in the profile or the environment, and the region."
)
EXPIRED = ErrorMapping(
    CredentialsError, "Renew the credentials, or give --iam_role_arn: a role's are renewed before they expire."
)
LOGIN = ErrorMapping(CredentialsError, "Log in again (aws sso login, aws login) with the profile.")
SOURCE = ErrorMapping(
    CredentialsError, "Check the service or command that the profile or the environment gets credentials from."
)
CODE_NEEDED = ErrorMapping(
    CredentialsError,
    "The profile's mfa_serial asks for a code at a terminal: use a role or a user that needs none.",
)
ROLE_DENIED = ErrorMapping(
    CredentialsError,
    "Check the role's ARN and its trust policy, the permission sts:AssumeRole, and --external_id.",
)
ROLE_REFUSED = ErrorMapping(
    CredentialsError,
    "Check --iam_role_duration against the role's longest session (an hour for a role assumed by a role), "
    "and --external_id.",
)
STS_REGION = ErrorMapping(
    CredentialsError, "Activate STS in the region for the account, or give another with --sts_endpoint."
)
DENIED = ErrorMapping(
    CredentialsError,
    "Check the permissions of the user or role, the bucket's or queue's policy, and the key's.",
    object_only=True,
)
ACCOUNT = ErrorMapping(CredentialsError, "Check in AWS's console that the account is active and signed up for it.")
CLOCK = ErrorMapping(ClockError, "Set this machine's clock (NTP): it differs from AWS's.")
THROTTLED = ErrorMapping(
    ThrottledError,
    "AWS throttles, also after all retries: raise max_attempts, or set retry_mode = adaptive, in the profile of "
    "the AWS configuration file.",
    object_only=True,
)
NO_BUCKET = ErrorMapping(StorageError, "Check the bucket's name.")
OTHER_REGION = ErrorMapping(
    StorageError, "The bucket is in another region: set it as region in the profile, or check the endpoint's."
)
GONE = ErrorMapping(StorageError, "It was removed before it was read.", object_only=True)
CHANGED = ErrorMapping(StorageError, "It was written again while it was read; the next run reads it.", object_only=True)
ARCHIVED = ErrorMapping(StorageError, "It is in an archive: restore it to a class that can be read.", object_only=True)
KMS = ErrorMapping(
    StorageError, "Check the KMS key's state and policy: the object is encrypted with it.", object_only=True
)
KMS_DENIED = ErrorMapping(
    CredentialsError, "Allow kms:Decrypt with the KMS key that the object is encrypted with.", object_only=True
)
SERVER = ErrorMapping(StorageError, "AWS failed, also after all retries; the next run tries again.", object_only=True)
CUT = ErrorMapping(StorageError, "The answer was cut off; the next run reads it again.", object_only=True)
NOT_AWS = ErrorMapping(
    StorageError, "The answer does not come from AWS: check the endpoint, the proxy and the network.", object_only=True
)
NOT_STS = ErrorMapping(
    EndpointError, "The endpoint does not serve STS: name one that does with --sts_endpoint or AWS_ENDPOINT_URL_STS."
)
NO_QUEUE = ErrorMapping(QueueMissingError, "Check --queue, and that the region is the queue's.")
UNREACHABLE = ErrorMapping(
    EndpointError,
    "Check the endpoint (--service_endpoint, --sts_endpoint), the region, DNS, the network and the proxy.",
)
SILENT = ErrorMapping(
    EndpointError, "The endpoint stopped answering: check the network and the proxy.", object_only=True
)
TLS = ErrorMapping(
    EndpointError, "Check the endpoint's name, and that ca_bundle (or AWS_CA_BUNDLE) holds its certificate's issuer."
)
NO_TLS = ErrorMapping(
    EndpointError, "The port does not speak TLS: give an endpoint with http://, or the port that does."
)
PROXY = ErrorMapping(EndpointError, "Check proxy.host and proxy.port, or HTTP_PROXY and HTTPS_PROXY.")
PROXY_LOGIN = ErrorMapping(
    EndpointError, "Check proxy.username and proxy.password, or the login in HTTP_PROXY and HTTPS_PROXY."
)
PROXY_FAILURE = ErrorMapping(
    EndpointError, "The proxy cannot reach the endpoint: check the endpoint, and the proxy's DNS and network."
)
PROXY_REFUSAL = ErrorMapping(
    EndpointError, "Let the proxy's administrator allow the endpoint, or add its host to NO_PROXY."
)
NOT_A_URL = ErrorMapping(EndpointError, "Give the endpoint as HOST, HOST:PORT or a URL.")
NO_ENDPOINT = ErrorMapping(EndpointError, "Check that the region has the service, and the endpoint settings.")
NO_PROFILE = ErrorMapping(UnknownProfileError, "Check --aws_profile, and source_profile in the AWS configuration file.")
NO_REGION = ErrorMapping(
    UnknownRegionError, "Give --regions, or set region in the profile or AWS_DEFAULT_REGION in the environment."
)
CONFIG = ErrorMapping(ConfigFileError, "Correct the AWS configuration file or the AWS variables of the environment.")
PROXY_FILES = ErrorMapping(
    ConfigFileError,
    "Check proxy.ca_bundle and proxy.client_cert in the AWS configuration file: PEM files, with the key.",
)
PARAMETERS = ErrorMapping(UsageError, "Check the value given for it.")
EXTRA = ErrorMapping(MissingExtraError, f"Install awscrt ({how_to_install('awscrt')}), and try again.")
OTHER = ErrorMapping(
    StorageError, "AWS's documentation explains the code; --debug 2 shows where it came up.", object_only=True
)

CODES = {
    # Identity
    "InvalidAccessKeyId": INVALID_KEYS,
    "InvalidClientTokenId": INVALID_KEYS,
    "UnrecognizedClientException": INVALID_KEYS,
    "SignatureDoesNotMatch": INVALID_KEYS,
    "InvalidSignatureException": INVALID_KEYS,
    "IncompleteSignature": INVALID_KEYS,
    "IncompleteSignatureException": INVALID_KEYS,
    "InvalidToken": INVALID_KEYS,
    "InvalidSecurity": INVALID_KEYS,
    "AuthFailure": INVALID_KEYS,
    "401": INVALID_KEYS,
    "MissingAuthenticationToken": NO_CREDENTIALS,
    "MissingAuthenticationTokenException": NO_CREDENTIALS,
    "MissingSecurityHeader": NO_CREDENTIALS,
    "CredentialsNotSupported": INVALID_KEYS,
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "UnauthorizedException": LOGIN,
    "InvalidIdentityToken": SOURCE,
    "IDPRejectedClaim": SOURCE,
    "IDPCommunicationError": SOURCE,
    "AssumeRole.AccessDenied": ROLE_DENIED,
    "AssumeRole.ValidationError": ROLE_REFUSED,
    "AssumeRoleWithWebIdentity.AccessDenied": ROLE_DENIED,
    "RegionDisabledException": STS_REGION,
    # Permissions
    "AccessDenied": DENIED,
    "AccessDeniedException": DENIED,
    "AllAccessDisabled": DENIED,
    "AuthorizationError": DENIED,
    "Forbidden": DENIED,
    "UnauthorizedAccess": DENIED,
    "UnauthorizedOperation": DENIED,
    "403": DENIED,
    "AccountProblem": ACCOUNT,
    "NotSignedUp": ACCOUNT,
    "OptInRequired": ACCOUNT,
    "SubscriptionRequiredException": ACCOUNT,
    # When
    "RequestTimeTooSkewed": CLOCK,
    "RequestExpired": CLOCK,
    "RequestInTheFuture": CLOCK,
    # How often: every name of botocore's retry modes, and the names of S3 and SQS
    "BandwidthLimitExceeded": THROTTLED,
    "EC2ThrottledException": THROTTLED,
    "KMS.ThrottlingException": THROTTLED,
    "LimitExceededException": THROTTLED,
    "OverLimit": THROTTLED,
    "PriorRequestNotComplete": THROTTLED,
    "ProvisionedThroughputExceededException": THROTTLED,
    "RequestLimitExceeded": THROTTLED,
    "RequestThrottled": THROTTLED,
    "RequestThrottledException": THROTTLED,
    "SlowDown": THROTTLED,
    "ThrottledException": THROTTLED,
    "Throttling": THROTTLED,
    "ThrottlingException": THROTTLED,
    "TooManyRequests": THROTTLED,
    "TooManyRequestsException": THROTTLED,
    "TransactionInProgressException": THROTTLED,
    "429": THROTTLED,
    "509": THROTTLED,
    # Buckets and their regions
    "NoSuchBucket": NO_BUCKET,
    "InvalidBucketName": NO_BUCKET,
    "PermanentRedirect": OTHER_REGION,
    "TemporaryRedirect": OTHER_REGION,
    "301": OTHER_REGION,
    "307": OTHER_REGION,
    "IllegalLocationConstraint": OTHER_REGION,
    "IllegalLocationConstraintException": OTHER_REGION,
    "AuthorizationHeaderMalformed": OTHER_REGION,
    # Objects
    "NoSuchKey": GONE,
    "NoSuchVersion": GONE,
    "404": GONE,
    "PreconditionFailed": CHANGED,
    "412": CHANGED,
    "InvalidRange": CHANGED,
    "416": CHANGED,
    "InvalidObjectState": ARCHIVED,
    "KMS.AccessDeniedException": KMS_DENIED,
    "KMS.": KMS,
    # Queues
    "AWS.SimpleQueueService.NonExistentQueue": NO_QUEUE,
    "QueueDoesNotExist": NO_QUEUE,
    # AWS itself, and proxies before it
    "InternalError": SERVER,
    "InternalFailure": SERVER,
    "InternalServerError": SERVER,
    "ServiceUnavailable": SERVER,
    "ServiceUnavailableException": SERVER,
    "RequestTimeout": SERVER,
    "RequestTimeoutException": SERVER,
    "500": SERVER,
    "502": SERVER,
    "503": SERVER,
    "504": SERVER,
    "407": PROXY_LOGIN,
}
"""AWS's code, or with `OPERATION.` before it; an HTTP status where the answer holds no code; `KMS.` for all of KMS."""

_BOTOCORE = {
    "NoCredentialsError": NO_CREDENTIALS,
    "PartialCredentialsError": INVALID_KEYS,
    "CredentialRetrievalError": SOURCE,
    "MetadataRetrievalError": SOURCE,
    "InvalidIMDSEndpointError": SOURCE,
    "InvalidIMDSEndpointModeError": SOURCE,
    "RefreshWithMFAUnsupportedError": CODE_NEEDED,
    "NoAuthTokenError": LOGIN,
    "TokenRetrievalError": LOGIN,
    "SSOError": LOGIN,
    "SSOTokenLoadError": LOGIN,
    "UnauthorizedSSOTokenError": LOGIN,
    "LoginError": LOGIN,
    "ProfileNotFound": NO_PROFILE,
    "NoRegionError": NO_REGION,
    "InvalidRegionError": NO_REGION,
    "UnknownRegionError": NO_REGION,
    "ServiceNotInRegionError": NO_REGION,
    "EndpointConnectionError": UNREACHABLE,
    "ConnectTimeoutError": UNREACHABLE,
    "ConnectionError": UNREACHABLE,
    "HTTPClientError": UNREACHABLE,
    "ReadTimeoutError": SILENT,
    "ConnectionClosedError": SILENT,
    "ResponseStreamingError": CUT,
    "IncompleteReadError": CUT,
    "ChecksumError": CUT,
    "FlexibleChecksumError": CUT,
    "SSLError": TLS,
    "ProxyConnectionError": PROXY,
    "InvalidProxiesConfigError": PROXY_FILES,
    "BaseEndpointResolverError": NO_ENDPOINT,
    "EndpointProviderError": NO_ENDPOINT,
    "CapacityNotAvailableError": THROTTLED,
    "ParamValidationError": PARAMETERS,
    "ValidationError": PARAMETERS,
    "MissingDependencyException": EXTRA,
    "ConfigParseError": CONFIG,
    "ConfigNotFound": CONFIG,
    "InvalidConfigError": CONFIG,
    "InvalidChecksumConfigError": CONFIG,
    "InvalidDefaultsMode": CONFIG,
    "InvalidRetryConfigurationError": CONFIG,
    "InvalidS3AddressingStyleError": CONFIG,
    "InvalidS3UsEast1RegionalEndpointConfigError": CONFIG,
    "InvalidSTSRegionalEndpointsConfigError": CONFIG,
    "UnknownSignatureVersionError": CONFIG,
    "UnsupportedSignatureVersionError": CONFIG,
}
"""By name, because not every release of botocore has all of these classes."""

EXCEPTIONS: Mapping[type[Exception], ErrorMapping] = {
    **{
        getattr(botocore.exceptions, name): row for name, row in _BOTOCORE.items() if hasattr(botocore.exceptions, name)
    },
    ResponseParserError: NOT_AWS,
    ForeignAnswerError: NOT_AWS,
    urllib3.exceptions.HTTPError: UNREACHABLE,
    urllib3.exceptions.LocationValueError: NOT_A_URL,
    urllib3.exceptions.ProtocolError: CUT,
    urllib3.exceptions.ProxyError: PROXY,
    urllib3.exceptions.SSLError: TLS,
    urllib3.exceptions.ReadTimeoutError: SILENT,
    HTTPException: CUT,
    ssl.SSLError: TLS,
    ConnectionError: UNREACHABLE,
    TimeoutError: SILENT,
    ValueError: CONFIG,
}
"""By class; an exception without a row has the row of its nearest base class.

ValueError: botocore raises it of settings when it makes a client.
"""

TEXTS = {
    re.compile(r"(?i)wrong.version.number|record.layer.failure|packet.length.too.long|http.request\]"): NO_TLS,
    re.compile(r"Tunnel connection failed: 407"): PROXY_LOGIN,
    re.compile(r"Tunnel connection failed: 5"): PROXY_FAILURE,
    re.compile(r"Tunnel connection failed: \d"): PROXY_REFUSAL,
    re.compile(r"signature (has )?expired|signature not yet current|request has expired", re.IGNORECASE): CLOCK,
    re.compile(r"Invalid endpoint:"): NOT_A_URL,
}
"""Failures that only the message shows: AWS calls a wrong clock a wrong signature or a denial, too."""

_OF_STS = ("GetCallerIdentity", "AssumeRole", "AssumeRoleWithWebIdentity")
_DEEPEST = 5
_LONGEST_NAME = 60
_NO_URL = re.compile(r"( on| to)?( the)? endpoint URL: \"None\"")
_NOT_FOREIGN = (407, 429)
"""Statuses that mean the same, whoever answers."""


def translate(error: Exception, what: str) -> CollectorError:
    """Return the failure as our error. `what` names the thing that was asked for: `bucket acme-logs`.

    The message names it, AWS's code and words, and the next step; no secret.
    """
    if isinstance(error, CollectorError):
        return error
    if lack := missing_resource(error):
        return lack
    row = _row(error)
    return row.error(about(what, f"{_words(error)} {row.advice}"))


def translate_object(error: Exception, what: str) -> CollectorError:
    """Return a failure to get one object; UnavailableError if the other objects are not affected."""
    translated = translate(error, what)
    row = _row(error)
    if isinstance(error, CollectorError) or isinstance(translated, ResourceError) or not row.object_only:
        return translated
    return UnavailableError(translated, gone=row is GONE, archived=row is ARCHIVED)


def about(what: str, sentences: str) -> str:
    """Return a message about a thing: `Bucket acme-logs: …`."""
    return f"{what[:1].upper()}{what[1:]}: {sentences}"


def not_from(service: str, what: str) -> str:
    """Return the message for an answer that does not have the form of the service's answers."""
    return about(what, f"the answer does not come from {service}. Check the endpoint and the proxy.")


def _row(error: Exception) -> ErrorMapping:
    text = f"{error} {_reason(error)}"
    for pattern, row in TEXTS.items():
        if pattern.search(text):
            return row
    if isinstance(error, ClientError) and is_foreign(error):
        return NOT_STS if error.operation_name in _OF_STS else NOT_AWS
    keys = _codes(error) if isinstance(error, ClientError) else ()
    bases = (base for base in type(error).__mro__ if issubclass(base, Exception))
    found = [*(CODES.get(key) for key in keys), *(EXCEPTIONS.get(base) for base in bases)]
    return next((row for row in found if row), OTHER)


def is_foreign(error: ClientError) -> bool:
    """Tell whether the answer comes from a proxy, a portal or another service than the one that was asked.

    AWS's errors have a code in the body, which other S3 servers give, too, and a request ID in the headers
    (x-amz-request-id, x-amzn-requestid). Answers to HEAD have no body: botocore takes the status for the code.
    """
    answer = error.response.get("ResponseMetadata", {})
    status = answer.get("HTTPStatusCode")
    headers = {name.lower(): value for name, value in answer.get("HTTPHeaders", {}).items()}
    if status in _NOT_FOREIGN or not headers:
        return False
    code = str(error.response.get("Error", {}).get("Code", ""))
    is_signed = any(name.startswith(("x-amz-", "x-amzn-")) for name in headers)
    if error.operation_name.startswith("Head"):
        return not is_signed and headers.get("content-type", "").startswith("text/html")
    return code in ("", "Unknown") or (code == str(status) and not is_signed)


def _codes(error: ClientError) -> tuple[str, ...]:
    """Return the keys of CODES for AWS's answer, the most specific first."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    group, dot, _ = code.partition(".")
    return f"{error.operation_name}.{code}", code, group + dot, status


def _words(error: Exception) -> str:
    """Return the words of AWS or botocore, in one line that ends in a full stop."""
    text = _NO_URL.sub("", str(error))
    if isinstance(error, ProxyConnectionError):
        text = f"{text}: {_reason(error)}"
    elif isinstance(error, ResponseParserError):
        text = "the answer cannot be parsed"
    elif isinstance(error, ClientError) and is_foreign(error):
        text = _kind_of(error.response.get("ResponseMetadata", {}))
    elif isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        text = f"{answer.get('Code', 'Unknown')}: {answer.get('Message') or 'no message'}"
    elif type(error).__module__.partition(".")[0] != "botocore":
        text = f"{type(error).__name__}: {text}"
    text = " ".join(text.split())
    text = mask_patterns(text)
    return text.rstrip(". ") + "."


def _reason(error: BaseException) -> str:
    """Return the text of the innermost failure: `Tunnel connection failed: 403 Forbidden`, `Connection refused`."""
    innermost = _innermost(error)
    return getattr(innermost, "strerror", None) or str(innermost)


def _innermost(error: BaseException) -> BaseException:
    """Return the failure that a library's exception is about."""
    for _ in range(_DEEPEST):
        wrapped = getattr(error, "kwargs", {}).get("error")
        inner = wrapped or getattr(error, "original_error", None) or error.__cause__
        if not isinstance(inner, BaseException):
            break
        error = inner
    return error


def _kind_of(answer: Mapping[str, Any]) -> str:
    """Return the kind of a foreign answer: `403 Forbidden (text/html from squid/5.7)`. Its body stays out."""
    status = answer.get("HTTPStatusCode", 0)
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    headers = {name.lower(): value for name, value in answer.get("HTTPHeaders", {}).items()}
    kind = headers.get("content-type", "").partition(";")[0] or "no content"
    server = headers.get("server") or headers.get("via")
    return f"{status} {phrase} ({kind}{f' from {server[:_LONGEST_NAME]}' if server else ''})"
