"""The main job on sample objects: fill a local bucket, collect it twice; the second time nothing is new.

Some events go to stdout, counts to stderr; the exit code is 0 only if every event came exactly once.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness.command import COMMAND
from tests.harness.emulator import Emulator
from tests.sample.generator import SampleObject, sample

_BUCKET = "sample-trail"
_DAYS = 3
_SHOWN = 3


def main() -> int:
    """Return the exit code."""
    now = datetime.now(timezone.utc)
    objects = sample(now, _DAYS)
    since = now - timedelta(days=_DAYS - 1)
    with Emulator() as emulator, TemporaryDirectory(prefix="sample") as folder:
        _fill(emulator, objects)
        try:
            first = _collect(emulator, Path(folder), since)
            _show(first)
            second = _collect(emulator, Path(folder), since)
        except subprocess.CalledProcessError as failed:
            print(f"aws-s3 ended with exit code {failed.returncode}; its lines above say why", file=sys.stderr)
            return 1
    return _report(objects, first, second)


def _fill(emulator: Emulator, objects: Sequence[SampleObject]) -> None:
    emulator.client("s3").create_bucket(Bucket=_BUCKET)
    for stored in objects:
        emulator.put_object(_BUCKET, stored.key, stored.body())
    print(f"{len(objects)} sample objects lie in the bucket {_BUCKET} at {emulator.url}", file=sys.stderr)


def _collect(emulator: Emulator, home: Path, since: datetime) -> list[str]:
    """Run the installed command; return the events that it printed, a line each."""
    options = ["--bucket", _BUCKET, "--only_logs_after", f"{since:%Y-%b-%d}"]
    options += ["--output", "stdout", "--state-dir", str(home)]
    print("$ aws-s3", *options, file=sys.stderr)
    ended = subprocess.run(
        [COMMAND, *options], env=emulator.environment(home), stdout=subprocess.PIPE, check=True, encoding="utf-8"
    )
    return ended.stdout.splitlines()


def _show(events: Sequence[str]) -> None:
    for event in events[:_SHOWN]:
        print(json.dumps(json.loads(event), indent=2))
    print(f"… and {len(events) - _SHOWN} more", flush=True)


def _report(objects: Sequence[SampleObject], first: Sequence[str], second: Sequence[str]) -> int:
    wanted = sorted(record["eventID"] for stored in objects for record in stored.records)
    if sorted(json.loads(line)["aws"]["eventID"] for line in first) != wanted:
        print(f"first run: {len(first)} events, which are not the {len(wanted)} of the sample", file=sys.stderr)
        return 1
    if second:
        print(f"second run: {len(second)} events, all of them repeated", file=sys.stderr)
        return 1
    print(f"first run: {len(first)} events; second run: nothing new (0 events)", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
