"""The line that sums up a run."""

from datetime import date
from typing import Any

import pytest

from aws_s3.console.summary import RunSummary, source_name
from aws_s3.pipeline.stats import RequestCounts, RunStats, Stopwatch
from aws_s3.settings import BucketJob, BucketLocation, CollectJob, ServiceJob, SubscriberJob

BUCKET = BucketJob(BucketLocation("cloudtrail", "acme-logs"))
GROUPS = ServiceJob("cloudwatchlogs", log_groups=("g1", "g2"))
INSPECTOR = ServiceJob("inspector")
QUEUE = SubscriberJob("buckets", "acme-queue")


def text(job: CollectJob, exit_code: int = 0, **figures: Any) -> str:
    return RunSummary(job, RunStats(**figures)).text(exit_code)


@pytest.mark.parametrize(
    ("job", "name"),
    [
        (BUCKET, "acme-logs (cloudtrail)"),
        (BucketJob(BucketLocation("waf", "acme-logs", "a/b/")), "acme-logs/a/b (waf)"),
        (GROUPS, "g1,g2 (cloudwatchlogs)"),
        (INSPECTOR, "inspector"),
        (QUEUE, "acme-queue (buckets)"),
        (SubscriberJob("buckets", "q", type="waf"), "q (waf)"),
    ],
)
def test_a_source_has_a_name(job: CollectJob, name: str) -> None:
    assert source_name(job) == name


@pytest.mark.parametrize(
    ("job", "figures", "said"),
    [
        (
            BUCKET,
            {"objects": 20, "events": 100, "bytes": 4096, "newest": 1795651200.0},
            "acme-logs (cloudtrail): 20 objects, 100 events, 4.1 kB in 0.0 s, newest 2026-11-26",
        ),
        (BUCKET, {"objects": 1, "events": 1, "bytes": 8}, "acme-logs (cloudtrail): 1 object, 1 event, 8 B in 0.0 s"),
        (BUCKET, {}, "acme-logs (cloudtrail): nothing new in 0.0 s"),
        (
            BUCKET,
            {"older": date(2021, 6, 10)},
            "acme-logs (cloudtrail): nothing new in 0.0 s (all objects are older than the first day to collect; "
            "--only_logs_after 2021-JUN-10 collects one of them)",
        ),
        (
            BUCKET,
            {"requests": RequestCounts({"LIST": 1000, "GET": 0})},
            "acme-logs (cloudtrail): nothing new in 0.0 s, 1,000 LIST (USD 0.0050)",
        ),
        (
            GROUPS,
            {"requests": RequestCounts({"DescribeLogStreams": 1, "GetLogEvents": 30})},
            "g1,g2 (cloudwatchlogs): nothing new in 0.0 s, 1 DescribeLogStreams, 30 GetLogEvents (no list price)",
        ),
        (
            BUCKET,
            {"objects": 2, "events": 9, "bytes": 25_300_000, "failed": 3, "malformed": 1, "held": 2, "dropped": 5},
            "acme-logs (cloudtrail): 2 objects, 9 events, 25 MB in 0.0 s, 3 could not be read, 1 malformed, "
            "2 left to another run, 5 dropped by Wazuh",
        ),
        (
            GROUPS,
            {"objects": 2, "events": 7, "newest": 1795651260.0, "waiting": Stopwatch(4000.0)},
            "g1,g2 (cloudwatchlogs): 2 log streams, 7 events in 0.0 s, newest 2026-11-26 00:01Z, "
            "waited 67 min for Wazuh",
        ),
        (
            INSPECTOR,
            {"objects": 1, "waiting": Stopwatch(9000.0)},
            "inspector: 1 region, 0 events in 0.0 s, waited 2 h 30 min for Wazuh",
        ),
    ],
)
def test_a_summary_says_what_was_collected_and_what_failed(job: CollectJob, figures: dict[str, Any], said: str) -> None:
    assert text(job, **figures) == said


def test_a_failure_has_its_exit_code() -> None:
    assert text(BUCKET, 7) == "acme-logs (cloudtrail): nothing collected in 0.0 s, exit code 7"


def test_a_run_without_end_is_summed_up_each_hour() -> None:
    seconds, told = [0.0], list[str]()
    stats = RunStats()
    summary = RunSummary(QUEUE, stats, clock=lambda: seconds[0])
    for seconds[0] in range(0, 3 * 3600, 20):
        stats.objects += 1
        stats.events += 5
        summary.tell_hourly(told.append)
    assert told == [
        "acme-queue (buckets): 181 objects, 905 events in 60 min",
        "acme-queue (buckets): 361 objects, 1,805 events in 2 h 0 min",
    ]
