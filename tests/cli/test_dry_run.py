"""`--dry-run`: what a run would collect, without sending, deleting or recording anything."""

import gzip
import re
from pathlib import Path

import pytest

from aws_s3.log_types import LOG_TYPES
from aws_s3.wazuh.ledger import NAME as LEDGER
from tests.harness.command import Ended, Home, put_all
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET, SINCE, trail
from tests.subscribers.test_bucket_type import KEYS
from tests.wazuh.test_install import BODIES

WOULD = re.compile(r"^Would collect ([\d,]+) objects?", re.MULTILINE)


def counted(ended: Ended) -> int:
    assert (ended.code, ended.messages) == (0, [])
    found = WOULD.search(ended.output)
    assert found, ended.output
    return int(found[1].replace(",", ""))


def files(folder: Path) -> dict[str, bytes]:
    """Return the files but for the ledger of the pace, which belongs to Wazuh's home and not to the state."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LEDGER}


@pytest.mark.parametrize("name", sorted(LOG_TYPES))
def test_dry_run_of_every_type_tells_what_the_run_then_sends(name: str, home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, {f"p/{KEYS[name]}": gzip.compress(BODIES.get(name, "1 2 3").encode())})
    path = "p/dnslogs" if name == "cisco_umbrella" else "p"
    options = (*SINCE, "-t", name, "-l", path)
    assert counted(home.run(*options, "--dry-run")) == 1
    assert files(home.state.parent) == {}
    assert len(home.run(*options).messages) == 1
    before = files(home.state.parent)
    assert counted(home.run(*options, "--dry-run")) == 0
    assert files(home.state.parent) == before


def test_dry_run_tells_partitions_sizes_and_requests(home: Home, emulator: Emulator) -> None:
    large = {"AWSLogs/123456789012/CloudTrail/us-east-1/2021/06/12/z.json": b" " * 20_000_000}
    put_all(emulator, BUCKET, trail("a") | large | trail("c", region="eu-west-1"))
    output = home.run(*SINCE, "--dry-run", "--remove").output
    head, _, europe, america, requests = output.splitlines()
    assert re.fullmatch(rf"Would collect 3 objects of 20\.0 MB from {BUCKET}/ \(cloudtrail\)", head)
    assert europe.split()[:2] == ["123456789012/eu-west-1", "1"]
    assert america.split() == ["123456789012/us-east-1", "2", "20.0", "MB", "2021-06-10", "2021-06-12"]
    # Three ranges of 8 MB, and one request for each of the small ones.
    assert requests == (
        "Requests: about 5 LIST (this run made them too), 5 GET, 1 DELETE: USD <0.0001 at the list price of us-east-1"
    )


def test_dry_run_tells_that_all_objects_are_older_than_the_first_day(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trail("a"))
    head, reason, _ = home.run("-b", BUCKET, "--dry-run").output.splitlines()
    assert head.startswith("Would collect 0 objects of 0 B")
    assert reason.endswith("older than the first day to collect; --only_logs_after 2021-JUN-10 collects one of them")


def test_dry_run_counts_failed_objects_and_those_of_a_retry(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trail("a") | {next(iter(trail("b"))): b"no gzip"})
    home.run(*SINCE, "--skip_on_error")
    assert counted(home.run(*SINCE, "--dry-run")) == 0
    assert counted(home.run(*SINCE, "--dry-run", "--retry-failed")) == 1


def test_dry_run_deletes_nothing_that_was_processed(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trail("a"))
    home.run(*SINCE)
    home.run(*SINCE, "--dry-run", "--remove")
    listed = emulator.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert [item["Key"] for item in listed] == list(trail("a"))


def test_dry_run_needs_no_listener(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trail("a"))
    process = home.start(*SINCE, "--dry-run")
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.startswith("Would collect 1 object of")) == (0, True)


def test_dry_run_of_a_bucket_that_is_not_there_fails_as_the_run_would(home: Home) -> None:
    ended = home.run("-b", "no-such-bucket", "--dry-run")
    assert (ended.code, len(ended.errors)) == (7, 1)
