"""Every code and exception of AWS that has a row: which exit code it becomes, and what the message says."""

import errno
import http.client
import json
import pickle
import ssl
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import botocore.exceptions as boto
import pytest
import urllib3.exceptions
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from botocore.retries.standard import ThrottledRetryableChecker
from urllib3.connectionpool import HTTPConnectionPool

from aws_s3.aws.error_table import (
    _BOTOCORE,
    CODES,
    EXCEPTIONS,
    FAILURES,
    ErrorMapping,
    ForeignAnswerError,
    is_foreign,
    translate,
    translate_object,
)
from aws_s3.errors import CredentialsError, ObjectError, ResourceError, StorageError, ThrottledError, UnavailableError

WHAT = "object s3://acme-logs/a.gz"

CODES_OF_EXITS = {
    3: """InvalidAccessKeyId InvalidClientTokenId UnrecognizedClientException SignatureDoesNotMatch
        InvalidSignatureException IncompleteSignature IncompleteSignatureException InvalidToken InvalidSecurity
        AuthFailure 401 MissingAuthenticationToken MissingAuthenticationTokenException MissingSecurityHeader
        CredentialsNotSupported ExpiredToken ExpiredTokenException TokenRefreshRequired UnauthorizedException
        InvalidIdentityToken IDPRejectedClaim IDPCommunicationError AssumeRole.AccessDenied
        AssumeRole.ValidationError AssumeRoleWithWebIdentity.AccessDenied RegionDisabledException
        AccessDenied AccessDeniedException AllAccessDisabled AuthorizationError Forbidden UnauthorizedAccess
        UnauthorizedOperation 403 KMS.AccessDeniedException AccountProblem NotSignedUp OptInRequired
        SubscriptionRequiredException""",
    7: """NoSuchBucket InvalidBucketName PermanentRedirect TemporaryRedirect 301 307 IllegalLocationConstraint
        IllegalLocationConstraintException AuthorizationHeaderMalformed NoSuchKey NoSuchVersion 404
        PreconditionFailed 412 InvalidRange 416 InvalidObjectState KMS. KMS.DisabledException
        KMS.NotFoundException KMS.KMSInvalidStateException InternalError InternalFailure InternalServerError
        ServiceUnavailable ServiceUnavailableException RequestTimeout RequestTimeoutException 500 502 503 504
        NeverHeardOf""",
    15: "407",
    16: """BandwidthLimitExceeded EC2ThrottledException KMS.ThrottlingException LimitExceededException OverLimit
        PriorRequestNotComplete ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled
        RequestThrottledException SlowDown ThrottledException Throttling ThrottlingException TooManyRequests
        TooManyRequestsException TransactionInProgressException 429 509""",
    19: "RequestTimeTooSkewed RequestExpired RequestInTheFuture",
    20: "AWS.SimpleQueueService.NonExistentQueue QueueDoesNotExist",
}

OF_ONE_OBJECT = f"""{CODES_OF_EXITS[16]}
    AccessDenied AccessDeniedException AllAccessDisabled AuthorizationError Forbidden UnauthorizedAccess
    UnauthorizedOperation 403 NoSuchKey NoSuchVersion 404 PreconditionFailed 412 InvalidRange 416
    InvalidObjectState KMS. KMS.AccessDeniedException KMS.DisabledException KMS.NotFoundException
    KMS.KMSInvalidStateException InternalError InternalFailure InternalServerError ServiceUnavailable
    ServiceUnavailableException RequestTimeout RequestTimeoutException 500 502 503 504 NeverHeardOf"""

ROWS = [(code, exit_code) for exit_code, codes in CODES_OF_EXITS.items() for code in codes.split()]

URL = "https://s3.eu-west-1.amazonaws.com/acme-logs"

RAISED: list[tuple[Exception, int]] = [
    (boto.NoCredentialsError(), 3),
    (boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), 3),
    (boto.CredentialRetrievalError(provider="process", error_msg="exit status 1"), 3),
    (boto.MetadataRetrievalError(error_msg="timed out"), 3),
    (boto.InvalidIMDSEndpointError(endpoint="x"), 3),
    (boto.InvalidIMDSEndpointModeError(mode="x", valid_modes="y"), 3),
    (boto.RefreshWithMFAUnsupportedError(), 3),
    (boto.NoAuthTokenError(), 3),
    (boto.TokenRetrievalError(provider="sso", error_msg="expired"), 3),
    (boto.SSOError(), 3),
    (boto.SSOTokenLoadError(error_msg="no token"), 3),
    (boto.UnauthorizedSSOTokenError(), 3),
    (boto.ProfileNotFound(profile="ghost"), 23),
    (boto.NoRegionError(), 22),
    (boto.InvalidRegionError(region_name="mars"), 22),
    (boto.UnknownRegionError(region_name="mars", error_msg=""), 22),
    (boto.ServiceNotInRegionError(service_name="s3", region_name="mars"), 22),
    (boto.EndpointConnectionError(endpoint_url=URL, error="refused"), 15),
    (boto.ConnectTimeoutError(endpoint_url=URL, error="timed out"), 15),
    (boto.ConnectionError(error="no route"), 15),
    (boto.ReadTimeoutError(endpoint_url=URL, error="timed out"), 15),
    (boto.ConnectionClosedError(endpoint_url=URL), 15),
    (boto.HTTPClientError(error="no CA bundle"), 15),
    (boto.SSLError(endpoint_url=URL, error="certificate verify failed"), 15),
    (boto.ProxyConnectionError(proxy_url="http://***:***@proxy:8080"), 15),
    (boto.UnknownEndpointError(service_name="s3", region_name="mars"), 15),
    (boto.EndpointVariantError(tags="fips"), 15),
    (boto.EndpointResolutionError(msg="A custom endpoint cannot be combined with S3 Accelerate"), 15),
    (ValueError("Invalid endpoint: https://a b"), 15),
    (ConnectionResetError(104, "Connection reset by peer"), 15),
    (TimeoutError("timed out"), 15),
    (ssl.SSLError(1, "certificate verify failed"), 15),
    (urllib3.exceptions.HTTPError("something"), 15),
    (urllib3.exceptions.LocationParseError("http://[bad"), 15),
    (urllib3.exceptions.SSLError("certificate verify failed"), 15),
    (urllib3.exceptions.ReadTimeoutError(HTTPConnectionPool("host"), "/", "Read timed out."), 15),
    (urllib3.exceptions.ProxyError("Cannot connect to proxy", OSError("407")), 15),
    (boto.ResponseStreamingError(error="reset"), 7),
    (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), 7),
    (boto.ChecksumError(checksum_type="md5", expected_checksum="a", actual_checksum="b"), 7),
    (boto.FlexibleChecksumError(error_msg="crc32"), 7),
    (urllib3.exceptions.ProtocolError("Connection broken"), 7),
    (http.client.IncompleteRead(b""), 7),
    (ResponseParserError("Unable to parse response: <html>"), 7),
    (boto.InvalidProxiesConfigError(error="x"), 17),
    (boto.ConfigParseError(path="/root/.aws/config", error="x"), 17),
    (boto.ConfigNotFound(path="/root/.aws/config"), 17),
    (boto.InvalidConfigError(error_msg="The source profile x must have credentials."), 17),
    (boto.InfiniteLoopConfigError(source_profile="a", visited_profiles="a"), 17),
    (boto.InvalidDefaultsMode(mode="a", valid_modes="b"), 17),
    (boto.InvalidRetryModeError(provided_retry_mode="a", valid_modes="b"), 17),
    (boto.InvalidS3AddressingStyleError(s3_addressing_style="a"), 17),
    (boto.InvalidS3UsEast1RegionalEndpointConfigError(s3_us_east_1_regional_endpoint_config="a"), 17),
    (boto.InvalidSTSRegionalEndpointsConfigError(sts_regional_endpoints_config="a"), 17),
    (boto.UnknownSignatureVersionError(signature_version="s5"), 17),
    (boto.UnsupportedSignatureVersionError(signature_version="s5"), 17),
    (ValueError("invalid literal for int() with base 10: 'x'"), 17),
    (boto.CapacityNotAvailableError(), 16),
    (ForeignAnswerError(error="not S3's"), 7),
    (boto.ParamValidationError(report='Invalid bucket name "A"'), 2),
    (boto.RangeError(value=1, param="x", type_name="integer", min_value=2, max_value=3), 2),
    (boto.MissingDependencyException(msg="CRT"), 10),
    (boto.PaginationError(message="loop"), 7),
]
LATER = {"LoginError", "InvalidChecksumConfigError"}
"""Classes that the oldest botocore lacks."""

if hasattr(boto, "InvalidChecksumConfigError"):
    RAISED.append((boto.InvalidChecksumConfigError(config_key="a", valid_options="b", config_value="c"), 17))

OBJECTS_OWN = (
    *(boto.ReadTimeoutError, boto.ConnectionClosedError, TimeoutError, boto.ResponseStreamingError),
    *(boto.IncompleteReadError, boto.ChecksumError, boto.FlexibleChecksumError),
    *(urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError, http.client.IncompleteRead),
    *(boto.CapacityNotAvailableError, ResponseParserError, ForeignAnswerError, boto.PaginationError),
)


def client_error(
    code: str, message: str = "told by AWS", status: int = 400, operation: str = "GetObject"
) -> ClientError:
    prefix, dot, rest = code.partition(".")
    if dot and prefix.startswith("AssumeRole"):
        operation, code = prefix, rest
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )


@pytest.mark.parametrize(("code", "exit_code"), ROWS)
def test_code_becomes_an_error_that_names_it_and_the_next_step(code: str, exit_code: int) -> None:
    error = translate(client_error(code), "bucket acme-logs")
    assert error.exit_code == exit_code
    shown = code.removeprefix("AssumeRole.").removeprefix("AssumeRoleWithWebIdentity.")
    told, _, advice = str(error).partition(f"Bucket acme-logs: {shown}: told by AWS. ")
    assert not told and advice.endswith(".")


@pytest.mark.parametrize(("code", "exit_code"), ROWS)
def test_code_of_one_object_leaves_the_others(code: str, exit_code: int) -> None:
    error = translate_object(client_error(code), WHAT)
    assert isinstance(error, UnavailableError) == (code in OF_ONE_OBJECT.split())
    assert error.exit_code == exit_code
    assert str(error).startswith("Object s3://acme-logs/a.gz: ")


def test_each_code_of_the_table_is_tested() -> None:
    assert set(CODES) <= {code for code, _ in ROWS}


@pytest.mark.parametrize(("raised", "exit_code"), RAISED, ids=lambda row: type(row).__name__)
def test_exception_becomes_an_error_that_names_the_next_step(raised: Exception, exit_code: int) -> None:
    error = translate(raised, "bucket acme-logs")
    assert error.exit_code == exit_code
    assert str(error).startswith("Bucket acme-logs: ") and str(error).endswith(".")
    if not isinstance(raised, ResponseParserError):  # Its words hold the answer.
        assert str(raised).split(":")[0].rstrip(".") in str(error)


@pytest.mark.parametrize(("raised", "exit_code"), RAISED, ids=lambda row: type(row).__name__)
def test_exception_of_one_object_leaves_the_others(raised: Exception, exit_code: int) -> None:
    error = translate_object(raised, WHAT)
    assert isinstance(error, ObjectError) == isinstance(raised, OBJECTS_OWN)
    assert error.exit_code == exit_code


def test_each_exception_of_the_table_is_tested() -> None:
    tested = {base for raised, _ in RAISED for base in type(raised).__mro__}
    assert {kind.__name__ for kind in EXCEPTIONS if kind not in tested} <= LATER


def test_each_exception_of_the_table_exists_in_this_botocore() -> None:
    there = {kind.__name__ for kind in EXCEPTIONS if kind.__module__ == "botocore.exceptions"}
    assert set(_BOTOCORE) - there <= LATER


def test_class_decides_and_not_its_name() -> None:
    namesake = type("ConnectionError", (Exception,), {})
    assert translate(namesake("x"), "bucket b").exit_code == 7


def test_login_that_expired_is_told() -> None:
    for name in ("LoginRefreshRequired", "LoginTokenLoadError"):
        error_type = getattr(boto, name, None)
        if error_type is not None:
            assert translate(error_type(error_msg="x"), "bucket b").exit_code == 3


def test_advice_of_every_row_is_a_sentence() -> None:
    meanings: list[ErrorMapping] = [*CODES.values(), *EXCEPTIONS.values()]
    assert [meaning for meaning in meanings if not meaning.advice.endswith(".")] == []


def botocore_throttles() -> Iterator[str]:
    yield from ThrottledRetryableChecker._THROTTLED_ERROR_CODES
    definitions = json.loads(files("botocore").joinpath("data", "_retry.json").read_text())["definitions"]
    named: list[Any] = [rule["applies_when"].get("response", {}) for rule in definitions.values()]
    for response in named:
        if "service_error_code" in response:
            yield response["service_error_code"]


def test_every_name_that_botocore_has_for_throttling_is_throttling() -> None:
    assert [code for code in botocore_throttles() if not isinstance(throttled(code), ThrottledError)] == []


def throttled(code: str) -> Exception:
    return translate(client_error(code), "bucket b")


def test_throttling_names_the_retry_settings() -> None:
    assert "max_attempts" in str(throttled("SlowDown")) and "retry_mode" in str(throttled("SlowDown"))


@pytest.mark.parametrize(
    ("status", "exit_code"), [(401, 3), (403, 3), (429, 16), (500, 7), (503, 7), (400, 7), (418, 7)]
)
def test_code_without_row_counts_by_its_status(status: int, exit_code: int) -> None:
    assert translate(client_error("New", status=status), "bucket b").exit_code == exit_code


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("SignatureDoesNotMatch", "Signature expired: 20210610T010000Z is now earlier than 20210610T011000Z"),
        ("InvalidSignatureException", "Signature not yet current: 20210610T010000Z is still later than"),
        ("AccessDenied", "Request has expired"),
    ],
)
def test_clock_is_told_by_the_message_too(code: str, message: str) -> None:
    assert translate(client_error(code, message), "bucket b").exit_code == 19


@pytest.mark.parametrize("code", ["NoSuchKey", "404"])
def test_missing_object_is_gone(code: str) -> None:
    error = translate_object(client_error(code, status=404), WHAT)
    assert isinstance(error, UnavailableError) and error.gone


def test_archived_object_is_told_apart_also_by_a_worker() -> None:
    error = translate_object(client_error("InvalidObjectState", status=403), WHAT)
    assert isinstance(error, UnavailableError) and error.archived and not error.gone
    assert pickle.loads(pickle.dumps(error)).archived


def test_denied_object_is_not_gone() -> None:
    error = translate_object(client_error("AccessDenied", status=403), WHAT)
    assert isinstance(error, UnavailableError) and not error.gone


def test_error_of_ours_passes_unchanged() -> None:
    ours = CredentialsError("role x")
    assert translate(ours, "bucket b") is ours
    assert translate_object(ours, WHAT) is ours


def test_message_is_one_line_and_shows_what_an_exception_from_elsewhere_is() -> None:
    error = translate(ConnectionResetError("broken\n  pipe"), "bucket b")
    assert str(error).startswith("Bucket b: ConnectionResetError: broken pipe. ")


def test_url_that_is_unknown_is_not_shown_as_none() -> None:
    for error_type in (boto.ReadTimeoutError, boto.EndpointConnectionError, boto.ConnectTimeoutError):
        message = str(translate(error_type(endpoint_url=None, error=OSError("x")), "bucket b"))
        assert "None" not in message and "  " not in message


def foreign(code: str, headers: dict[str, str], status: int = 403, operation: str = "GetObject") -> ClientError:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return ClientError({"Error": {"Code": code, "Message": "<html>"}, "ResponseMetadata": metadata}, operation)


HTML, REQUEST_ID = {"Content-Type": "text/html"}, {"x-amz-request-id": "1"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (foreign("403", HTML), True),
        (foreign("403", {"Content-Type": "application/json", "x-amzn-RequestId": "1"}), False),
        (foreign("403", REQUEST_ID), False),
        (foreign("AccessDenied", HTML), False),
        (foreign("", REQUEST_ID), True),
        (foreign("Unknown", HTML), True),
        (foreign("404", {"content-length": "0"}, 404, "HeadObject"), False),
        (foreign("403", HTML, 403, "HeadObject"), True),
        (foreign("403", HTML | REQUEST_ID, 403, "HeadObject"), False),
        (foreign("407", HTML, 407), False),
        (foreign("429", HTML, 429), False),
        (foreign("403", {}), False),
    ],
)
def test_answer_without_code_and_request_id_is_foreign(error: ClientError, expected: bool) -> None:
    assert is_foreign(error) is expected
    assert ("does not come from AWS" in str(translate(error, "bucket b"))) is expected
    assert ("<html>" in str(translate(error, "bucket b"))) is not expected


def test_answer_without_message_is_told() -> None:
    answer = ClientError({"Error": {"Code": "403"}}, "HeadObject")
    assert str(translate(answer, "bucket b")).startswith("Bucket b: 403: no message. ")
    assert isinstance(translate(ClientError({}, "HeadObject"), "bucket b"), StorageError)


@pytest.mark.parametrize(
    "raised",
    [
        boto.ProxyConnectionError(proxy_url="http://user:s3cret@proxy:8080"),
        boto.HTTPClientError(error="Failed to parse: http://user:s3cret@pro xy:8080"),
        boto.HTTPClientError(error="Invalid header value b'Basic s3cret=='"),
        client_error("ValidationError", "Value 's3cret' at 'externalId' failed", operation="AssumeRole"),
        client_error("InvalidAccessKeyId", "AKIAS3CRETS3CRETS3CR does not exist"),
        client_error("InvalidToken", "The token of ASIAS3CRETS3CRETS3CR is malformed"),
    ],
)
def test_message_shows_no_secret(raised: Exception) -> None:
    message = str(translate(raised, "bucket b"))
    assert "s3cret" not in message.lower() and "***" in message


@pytest.mark.parametrize("raised", [raised for raised, _ in RAISED if not isinstance(raised, ValueError)])
def test_failures_are_what_callers_catch(raised: Exception) -> None:
    assert isinstance(raised, FAILURES)


def test_memory_that_is_missing_is_neither_the_networks_nor_the_objects_fault() -> None:
    for translated in (translate, translate_object):
        error = translated(boto.HTTPClientError(error=MemoryError()), WHAT)
        assert isinstance(error, ResourceError) and "too little memory" in str(error)


def test_descriptors_that_are_missing_are_neither_the_networks_nor_the_objects_fault() -> None:
    refused = urllib3.exceptions.NewConnectionError(None, "Failed to establish a new connection")  # type: ignore[arg-type]
    refused.__context__ = OSError(errno.EMFILE, "Too many open files")
    for translated in (translate, translate_object):
        error = translated(boto.EndpointConnectionError(endpoint_url="http://127.0.0.1", error=refused), WHAT)
        assert isinstance(error, ResourceError) and "Too few file descriptors" in str(error)


def test_errors_of_the_machine_are_no_failures_of_aws() -> None:
    assert not issubclass(OSError, FAILURES) and not issubclass(ValueError, FAILURES)
