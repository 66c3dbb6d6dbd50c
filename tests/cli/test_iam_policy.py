"""`--print-iam-policy`: it allows each request that a run makes, and no action that none makes."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness.command import Home, put_all
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET, SINCE, trail
from tests.services.front import put_events

RECORDER = """
import json, os
from botocore.client import BaseClient
call = BaseClient._make_api_call
def recorded(self, operation, params):
    with open(os.environ["RECORD"], "a") as file:
        named = {name: params[name] for name in ("Bucket", "Key", "Prefix", "logGroupName") if name in params}
        file.write(json.dumps([self.meta.service_model.service_name, operation, named]) + "\\n")
    return call(self, operation, params)
BaseClient._make_api_call = recorded
"""
ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "DeleteObjects": "s3:DeleteObject",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}
"""The actions that are not named as their operations."""

Request = tuple[str, dict[str, str]]


def policy(home: Home, *options: str) -> list[dict[str, Any]]:
    """Return the statements that are printed, without credentials or AWS."""
    bare = {name: "" for name in home.environment if name.startswith("AWS_")}
    ended = home.run(*options, "--print-iam-policy", environment=bare)
    assert ended.code == 0
    read, _ = json.JSONDecoder().raw_decode(ended.output)
    assert read["Version"] == "2012-10-17"
    statements: list[dict[str, Any]] = read["Statement"]
    return statements


def requests(home: Home, folder: Path, *options: str) -> list[Request]:
    """Run, and return the actions that AWS saw, with what they were about."""
    (folder / "sitecustomize.py").write_text(RECORDER)
    record = folder / "record"
    record.unlink(missing_ok=True)
    # The recorder sees the requests of botocore's clients only.
    through_clients = {"AWS_S3_DIRECT_GET": "0"}
    home.run(*options, environment={"PYTHONPATH": str(folder), "RECORD": str(record), **through_clients})
    seen = map(json.loads, record.read_text().splitlines())
    return [
        (ACTIONS.get(operation, f"{service}:{operation}"), named) for service, operation, named in seen
        if operation != "GetCallerIdentity"
    ]  # fmt: skip


def fits(pattern: str, text: str) -> bool:
    """Tell whether a policy's pattern matches."""
    parts = re.split(r"(\$\{[*?$]\}|\*)", pattern)
    return re.fullmatch("".join(".*" if part == "*" else re.escape(part[-2:-1] if part.startswith("${") else part)
                                for part in parts), text, re.DOTALL) is not None  # fmt: skip


def allows(statement: dict[str, Any], request: Request) -> bool:
    action, named = request
    if action not in statement["Action"]:
        return False
    if action == "s3:ListBucket":
        prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", ["*"])
        return any(fits(prefix, named.get("Prefix", "")) for prefix in prefixes)
    if action == "s3:GetObject":
        text = f"arn:aws:s3:::{named['Bucket']}/{named['Key']}"
        return any(fits(resource, text) for resource in statement["Resource"])
    return True


def allowed(statements: list[dict[str, Any]]) -> set[str]:
    return {action for statement in statements for action in statement["Action"]}


def unmet(statements: list[dict[str, Any]], made: list[Request]) -> list[Request]:
    return [request for request in made if not any(allows(statement, request) for statement in statements)]


@pytest.mark.parametrize("path", ["", "odd*pa?h/$x"])
@pytest.mark.parametrize("remove", [(), ("--remove",)])
def test_bucket(home: Home, emulator: Emulator, tmp_path: Path, path: str, remove: tuple[str, ...]) -> None:
    prefix = f"{path}/" if path else ""
    put_all(emulator, BUCKET, {prefix + key: body for key, body in trail("a").items()})
    options = (*SINCE, *remove, *(("-l", path) if path else ()))
    printed, made = policy(home, *options), requests(home, tmp_path, *options)
    assert unmet(printed, made) == []
    assert {action for action, _ in made} == allowed(printed)


def test_log_groups(home: Home, emulator: Emulator, tmp_path: Path) -> None:
    put_events("/g", "s", [(int(time.time() * 1000) - 600_000, "{}")])
    options = ("-sr", "cloudwatchlogs", "-g", "/g:s,/h", "-s", "2018-JAN-01", "-P")
    printed, made = policy(home, *options), requests(home, tmp_path, *options)
    assert unmet(printed, made) == []
    # Groups are asked for only where one that was read has no streams any more.
    assert allowed(printed) - {action for action, _ in made} == {"logs:DescribeLogGroups"}
    assert "arn:aws:logs:*:*:log-group:/g:*" in printed[0]["Resource"]


def test_inspector(home: Home, tmp_path: Path) -> None:
    options = ("-sr", "inspector", "-r", "us-east-1")
    printed, made = policy(home, *options), requests(home, tmp_path, *options)
    assert {action for action, _ in made} == allowed(printed) == {"inspector2:ListFindings"}


def test_queue(home: Home, emulator: Emulator, tmp_path: Path) -> None:
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    put_all(emulator, BUCKET, {"a": b"a line"})
    body = {"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": "a"}}}]}
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    options = ("-sb", "buckets", "-q", "q")
    printed, made = policy(home, *options), requests(home, tmp_path, *options)
    assert unmet(printed, made) == []
    # Invisibility is renewed only where an object takes its time.
    assert allowed(printed) - {action for action, _ in made} <= {"sqs:ChangeMessageVisibility"}
    assert printed[0]["Resource"] == ["arn:aws:sqs:*:*:q"]
    assert "sqs:GetQueueUrl" not in allowed(policy(home, "-sb", "buckets", "-q", "https://sqs/123456789012/q"))


def test_role_and_partition(home: Home) -> None:
    role = "arn:aws-us-gov:iam::123456789012:role/r"
    assume, listing, _ = policy(home, "-b", BUCKET, "-i", role)
    assert (assume["Action"], assume["Resource"]) == (["sts:AssumeRole"], [role])
    assert listing["Resource"] == [f"arn:aws-us-gov:s3:::{BUCKET}"]
    assert policy(home, "-b", BUCKET, "-r", "cn-north-1")[0]["Resource"] == [f"arn:aws-cn:s3:::{BUCKET}"]
    hints = home.run("-b", BUCKET, "-i", role, "--print-iam-policy").output
    assert "kms:Decrypt" in hints
    assert "AssumeRole is for who calls" in hints
