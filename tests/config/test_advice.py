"""Which options of a job are to be changed so that it collects an object."""

from collections.abc import Iterable
from datetime import date

import pytest
from hypothesis import given

from aws_s3.buckets.discovery import Discovery
from aws_s3.buckets.listing import list_partition
from aws_s3.buckets.path_form import with_settled_path
from aws_s3.config.advice import advice, reads
from aws_s3.config.command_line import parse
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.recognition import readings
from aws_s3.settings import BucketJob
from tests.harness.collecting import AtOnce
from tests.harness.fakes import MemoryStore
from tests.log_types.test_recognition import DAYS, FOLDERS, moved
from tests.subscribers.test_bucket_type import KEYS

ONE, TWO = "123456789012", "210987654321"
TRAIL = KEYS["cloudtrail"]
FLOWS = KEYS["vpcflow"]

WRONG_SETTINGS = [
    ("wrong type", "-t cloudtrail", FLOWS, "-t vpcflow"),
    ("the default type", "", KEYS["guardduty"], "-t guardduty"),
    ("another load balancer", "-t nlb", KEYS["alb"], "-t alb"),
    ("a path one level off", "-t custom -l logs", "logs/app/2021/06/10/01/a", "-l logs/app/"),
    ("a path too deep", "-t custom -l logs/app/x", "logs/app/2021/06/10/01/a", "-l logs/app/"),
    ("no path", "-t cloudtrail", f"org/trail/{TRAIL}", "-l org/trail/"),
    ("a path that ends in AWSLogs", "-l AWSLogs", TRAIL, "without -l (the path must end before AWSLogs/)"),
    ("a path below AWSLogs", f"-l p/AWSLogs/{ONE}", f"p/{TRAIL}", "-l p/ (the path must end before AWSLogs/)"),
    (
        "a date in the path",
        "-t custom -l logs/2021/06",
        "logs/2021/06/10/01/a",
        "-l logs/ (the date does not belong into the path)",
    ),
    ("another account", f"-c {TWO}", TRAIL, f"-c {ONE}"),
    ("another region", "-r eu-west-1", TRAIL, "-r us-east-1"),
    ("no organization", "", TRAIL.replace("AWSLogs/", "AWSLogs/o-abc1234567/"), "-O o-abc1234567"),
    ("another suffix", "-L trails", TRAIL.replace("AWSLogs/", "AWSLogs/org/"), "-L org/"),
    (
        "a Hive prefix",
        "-t custom -l vault",
        "vault/year=2022/month=03/day=05/hour=01/s-1-2022-03-05-01-00-00-a.gz",
        "--layout 'year={yyyy}/month={mm}/day={dd}/'",
    ),
    (
        "a service without a type",
        "-t alb",
        f"AWSLogs/{ONE}/globalaccelerator/us-east-1/2021/06/10/a.log.gz",
        "-t custom --layout 'AWSLogs/{account}/globalaccelerator/{region}/{yyyy}/{mm}/{dd}/'",
    ),
    ("a Firehose of WAF", "-t waf -l waf", "waf/acl/2021/06/10/01/a", "-l waf/acl/"),
    ("server access logs as custom", "-t custom", f"s3/{KEYS['server_access']}", "-t server_access -l s3/"),
    ("a target prefix left out", "-t server_access", "access-2021-06-10-01-15-00-3E57427F33A59F07", "-l access-"),
    ("Umbrella's folder left out", "-t custom -l u", f"u/{KEYS['cisco_umbrella']}", "-t cisco_umbrella -l u/dnslogs/"),
]


def job_of(words: Iterable[str]) -> BucketJob:
    job = parse(["-b", "acme-logs", *words]).job
    assert isinstance(job, BucketJob)
    return job


def collected(job: BucketJob, keys: Iterable[str]) -> set[str]:
    """Return the keys that a run with these options collects."""
    store, bucket = MemoryStore(dict.fromkeys(keys, b"")), LOG_TYPES[job.source.type]()
    settled = with_settled_path(job, bucket, store, lambda source: False)
    partitions = Discovery(settled, bucket, store, AtOnce(), frozenset(job.regions)).partitions()
    return {
        item.key
        for partition in partitions
        for page in list_partition(store, partition, date(2006, 1, 1), date(2021, 6, 20))
        for item in page
        if bucket.accepts(item.key, partition)
    }


@pytest.mark.parametrize(
    ("words", "key", "told"), [case[1:] for case in WRONG_SETTINGS], ids=[c[0] for c in WRONG_SETTINGS]
)
def test_wrong_setting_is_told_with_the_options_that_read_the_key(words: str, key: str, told: str) -> None:
    assert advice(job_of(words.split()), key) == told


def test_key_that_the_options_read_needs_no_advice() -> None:
    job = job_of(["-l", "p"])
    assert advice(job, f"p/{TRAIL}") == ""
    assert reads(job, readings(f"p/{TRAIL}")[0])


@pytest.mark.parametrize("name", sorted(KEYS))
@given(path=FOLDERS, other=FOLDERS, day=DAYS)
def test_options_for_a_key_collect_exactly_it(name: str, path: str, other: str, day: date) -> None:
    key = path + moved(KEYS[name], day)
    best = readings(key)[0]
    strangers = {f"{other}notes.txt", f"{other}x{moved(KEYS[name], day)}", f"x{key}"} - {key}
    others = {stranger for stranger in strangers if not stranger.startswith(best.path) or "notes" in stranger}
    assert collected(job_of(best.options()), {key, *others}) == {key}
    assert reads(job_of(best.options()), best)


@pytest.mark.parametrize("name", sorted(KEYS))
def test_account_and_region_of_the_key_narrow_the_options_to_it(name: str) -> None:
    best = readings(f"p/{KEYS[name]}")[0]
    if best.account and best.region != "cloudfront":
        job = job_of([*best.options(), "-c", best.account, *(("-r", best.region) if best.region else ())])
        assert collected(job, {f"p/{KEYS[name]}", f"p/{KEYS[name].replace(ONE, TWO)}"}) == {f"p/{KEYS[name]}"}
