import logging

import pytest

from aws_s3.buckets.discovery import Discovery
from aws_s3.errors import CollectorError, NoAccountsError, StorageError, UnknownRegionError
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import ending
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.settings import BucketJob, BucketLocation
from tests.harness.collecting import BUCKET, AtOnce
from tests.harness.fakes import MemoryStore

KNOWN = frozenset({"us-east-1", "us-east-2", "eu-west-1"})
ONE, TWO = "123456789012", "210987654321"


def find(keys: list[str], job: BucketJob, bucket: LogType | None = None) -> list[str]:
    """Return the prefixes of the partitions in a bucket with these keys."""
    store = MemoryStore(dict.fromkeys(keys, b""))
    bucket = bucket or LOG_TYPES[job.source.type]()
    return [found.prefix for found in Discovery(job, bucket, store, AtOnce(), KNOWN).partitions()]


def job(kind: str = "cloudtrail", path: str = "", accounts: str = "", regions: str = "", **source: str) -> BucketJob:
    return BucketJob(
        BucketLocation(kind, BUCKET, path, **source), accounts=tuple(accounts.split()), regions=tuple(regions.split())
    )


def trail(account: str, region: str, base: str = "AWSLogs/") -> str:
    return f"{base}{account}/CloudTrail/{region}/2021/06/10/a.json.gz"


def test_each_account_has_its_own_regions() -> None:
    keys = [trail(ONE, "us-east-1"), trail(TWO, "eu-west-1"), trail(TWO, "us-east-1")]
    assert find(keys, job()) == [
        f"AWSLogs/{ONE}/CloudTrail/us-east-1/",
        f"AWSLogs/{TWO}/CloudTrail/eu-west-1/",
        f"AWSLogs/{TWO}/CloudTrail/us-east-1/",
    ]


def test_partition_knows_its_account_and_region() -> None:
    store = MemoryStore({trail(ONE, "us-east-1"): b""})
    [found] = Discovery(job(), LOG_TYPES["cloudtrail"](), store, AtOnce(), KNOWN).partitions()
    assert (found.account, found.region, found.label) == (ONE, "us-east-1", f"{ONE}/us-east-1")


@pytest.mark.parametrize(
    "name", ["README", "12345678901", "1234567890123", "١٢٣٤٥٦٧٨٩٠١٢", "o-abc123", "123456789012x"]
)
def test_folder_that_is_no_account_is_passed_over(name: str) -> None:
    assert find([trail(ONE, "us-east-1"), trail(name, "us-east-1")], job()) == [f"AWSLogs/{ONE}/CloudTrail/us-east-1/"]


@pytest.mark.parametrize("name", ["README", "us-east", "us-east-١", "us-east-1x", "Us-East-1", "2021"])
def test_folder_that_is_no_region_is_passed_over(name: str) -> None:
    assert find([trail(ONE, "us-east-1"), trail(ONE, name)], job()) == [f"AWSLogs/{ONE}/CloudTrail/us-east-1/"]


@pytest.mark.parametrize("name", ["us-gov-west-1", "us-iso-east-1", "eusc-de-east-1", "mx-central-1", "xx-newest-12"])
def test_region_of_any_partition_is_found(name: str) -> None:
    assert find([trail(ONE, name)], job()) == [f"AWSLogs/{ONE}/CloudTrail/{name}/"]


def test_accounts_and_regions_that_are_given_are_not_looked_for() -> None:
    store = MemoryStore({trail(ONE, "us-east-1"): b""})
    asked = job(accounts=f"{ONE} {TWO}", regions="eu-west-1 us-east-1")
    found = Discovery(asked, LOG_TYPES["cloudtrail"](), store, AtOnce(), KNOWN).partitions()
    assert [(one.account, one.region) for one in found] == [
        (account, region) for account in (ONE, TWO) for region in ("eu-west-1", "us-east-1")
    ]
    assert store.lists == []


def test_other_folders_of_the_account_are_not_taken_for_trails() -> None:
    assert find([f"AWSLogs/{ONE}/CloudTrail-Digest/us-east-1/2021/06/10/a"], job()) == []


@pytest.mark.parametrize(
    ("source", "base"),
    [
        ({"path": "logs/"}, "logs/AWSLogs/"),
        ({"suffix": "ct/"}, "AWSLogs/ct/"),
        ({"organization": "o-abc123"}, "AWSLogs/o-abc123/"),
        ({"path": "a/b/", "suffix": "c/", "organization": "o-abc123"}, "a/b/AWSLogs/c/o-abc123/"),
    ],
)
def test_path_suffix_and_organization_come_before_the_account(source: dict[str, str], base: str) -> None:
    keys = [trail(ONE, "us-east-1", base), trail(TWO, "us-east-1"), trail(TWO, "us-east-1", "other/AWSLogs/")]
    assert find(keys, job(**source)) == [f"{base}{ONE}/CloudTrail/us-east-1/"]


def test_no_account_folder_is_told_with_the_prefix_and_the_type() -> None:
    with pytest.raises(NoAccountsError, match=r"'some/AWSLogs/'.*'cloudtrail'") as told:
        find(["some/path/file.txt"], job(path="some/"))
    assert told.value.exit_code == 18


def test_organization_that_was_not_given_is_told(caplog: pytest.LogCaptureFixture) -> None:
    keys = [trail(ONE, "us-east-1", "AWSLogs/o-abc123/")]
    with pytest.raises(NoAccountsError):
        find(keys, job())
    [line] = caplog.records
    assert line.levelno == logging.WARNING
    assert "--aws_organization_id" in line.getMessage()


def test_organization_is_told_of_only_where_nothing_else_is(caplog: pytest.LogCaptureFixture) -> None:
    find([trail(ONE, "us-east-1"), trail(ONE, "us-east-1", "AWSLogs/o-abc123/")], job())
    with pytest.raises(NoAccountsError):
        find(["AWSLogs/o-abc123/o-nested/a"], job(organization="o-abc123"))
    assert caplog.records == []


def test_account_without_regions_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="aws_s3")
    keys = [f"AWSLogs/{ONE}/Config/us-east-1/a", trail(TWO, "us-east-1")]
    assert find(keys, job()) == [f"AWSLogs/{TWO}/CloudTrail/us-east-1/"]
    assert [line.levelname for line in caplog.records if ONE in line.getMessage()] == ["DEBUG"]


def test_region_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(UnknownRegionError, match=r"xx-nowhere-1\..*acme-logs") as told:
        find([trail(ONE, "us-east-1")], job(regions="us-east-1 xx-nowhere-1"))
    assert told.value.exit_code == 22


def test_region_newer_than_botocore_is_taken_from_the_bucket() -> None:
    keys = [trail(ONE, "us-east-1"), trail(ONE, "xx-newest-1"), trail(ONE, "eu-west-1"), trail(TWO, "us-east-1")]
    assert find(keys, job(regions="us-east-1 xx-newest-1")) == [
        f"AWSLogs/{ONE}/CloudTrail/us-east-1/",
        f"AWSLogs/{ONE}/CloudTrail/xx-newest-1/",
        f"AWSLogs/{TWO}/CloudTrail/us-east-1/",
    ]


def waf(region: str, acl: str = "acl") -> str:
    return f"AWSLogs/{ONE}/WAFLogs/{region}/{acl}/2021/06/10/01/15/a.log.gz"


@pytest.mark.parametrize("regions", ["", "us-east-1", "eu-west-1 us-east-1"])
def test_cloudfront_is_a_region_that_no_option_removes(regions: str) -> None:
    keys = [waf("cloudfront"), waf("us-east-1"), waf("us-east-1", "other"), waf("README")]
    assert sorted(find(keys, job("waf", regions=regions))) == [
        "",
        f"AWSLogs/{ONE}/WAFLogs/cloudfront/acl/",
        f"AWSLogs/{ONE}/WAFLogs/us-east-1/acl/",
        f"AWSLogs/{ONE}/WAFLogs/us-east-1/other/",
    ]


def test_waf_without_aws_logs_is_read_right_under_the_path() -> None:
    assert find(["waf/2021/06/10/01/a"], job("waf", "waf/")) == ["waf/"]


def test_layout_that_is_not_there_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    keys = ["2021/06/10/01/a", "AWSLogs/o-abc123/123/x"]
    assert find(keys, job("waf")) == [""]
    assert "--aws_organization_id" in caplog.text


def test_guardduty_is_read_through_firehose_only_where_there_are_no_aws_logs() -> None:
    native = f"AWSLogs/{ONE}/GuardDuty/us-east-1/2021/06/10/a.jsonl.gz"
    assert find(["2021/06/10/01/a"], job("guardduty")) == [""]
    assert find(["2021/06/10/01/a", native], job("guardduty")) == [f"AWSLogs/{ONE}/GuardDuty/us-east-1/"]


def test_server_access_is_read_in_every_form_of_delivery() -> None:
    keys = [
        "access/2021-06-10-01-15-00-AAAA",
        "access/2021/06/10/2021-06-10-01-15-00-AAAA",
        f"access/{ONE}/us-east-1/web/2021/06/10/2021-06-10-01-15-00-AAAA",
        f"access/{ONE}/us-east-1/shop/2021/06/10/2021-06-10-01-15-00-AAAA",
    ]
    inner = f"access/{ONE}/us-east-1/"
    assert find(keys, job("server_access", "access/")) == ["access/", "access/", f"{inner}shop/", f"{inner}web/"]


@pytest.mark.parametrize("name", sorted(LOG_TYPES))
def test_every_type_finds_what_its_layouts_say(name: str) -> None:
    bucket = LOG_TYPES[name]()
    for layout in bucket.layouts:
        source = BucketLocation(name, BUCKET, "p/")
        prefix = layout.base(source)
        for level in layout.levels:
            kind, name = type(level).__name__, getattr(level, "name", "")
            folders = {"Account": f"{name}{ONE}", "Region": f"{name}us-east-1", "NameStart": "E1ABCDEFGH"}
            prefix += level if isinstance(level, str) else folders.get(kind, "any")
            prefix += ending(level)
        prefix += layout.stem
        assert prefix in find([f"{prefix}2021/06/10/a"], BucketJob(source), bucket)


def test_folders_are_listed_side_by_side() -> None:
    keys = [trail(f"{number:012}", "us-east-1") for number in range(100)]
    store = MemoryStore(dict.fromkeys(keys, b""))
    executor = DaemonExecutor(8, "test")
    found = Discovery(job(), LOG_TYPES["cloudtrail"](), store, executor, KNOWN).partitions()
    assert [one.account for one in found] == [f"{number:012}" for number in range(100)]


def test_folder_that_cannot_be_listed_ends_it() -> None:
    store = MemoryStore({trail(ONE, "us-east-1"): b""})
    failure: CollectorError = StorageError("no")
    store.failures[f"AWSLogs/{ONE}/CloudTrail/"] = failure
    with pytest.raises(StorageError):
        Discovery(job(), LOG_TYPES["cloudtrail"](), store, AtOnce(), KNOWN).partitions()
