"""`--print-iam-policy`: the least that AWS must allow for the other options.

Actions and resources: AWS's Service Authorization Reference. GetCallerIdentity needs no
permission.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from aws_s3.aws.queue_address import QueueAddress
from aws_s3.aws.session import aws_partition_of
from aws_s3.console.tables import print_report
from aws_s3.console.terminal import STDERR, NonBlockingWriter
from aws_s3.settings import Access, BucketJob, CollectJob, ServiceJob, Settings, SubscriberJob

Statement = dict[str, Any]

_ENCRYPTED = "Objects that are encrypted with a KMS key also need kms:Decrypt on that key."
_ROLE = "The statement AssumeRole is for who calls, the others are for the role."


def print_policy(settings: Settings, job: CollectJob) -> int:
    """Print the policy on stdout, and hints on stderr."""
    print_report(json.dumps(policy(settings.access, job), indent=2, ensure_ascii=False))
    hints = NonBlockingWriter(STDERR)
    if not isinstance(job, ServiceJob):
        hints.write(_ENCRYPTED)
    if settings.access.role_arn:
        hints.write(_ROLE)
    return 0


def policy(access: Access, job: CollectJob) -> dict[str, Any]:
    """Return the policy. Parts that the options do not name, such as an account, are `*`."""
    statements = [*_of_role(access), *_of_job(job, _partition(access, job.regions))]
    return {"Version": "2012-10-17", "Statement": statements}


def _of_job(job: CollectJob, partition: str) -> Iterator[Statement]:
    if isinstance(job, BucketJob):
        return _of_bucket(job, f"arn:{partition}:s3:::{job.source.bucket}")
    if isinstance(job, SubscriberJob):
        return _of_queue(job, partition)
    return _of_log_groups(job, partition) if job.name == "cloudwatchlogs" else _of_inspector()


def _partition(access: Access, regions: Sequence[str]) -> str:
    if access.role_arn:
        return access.role_arn.split(":")[1]
    return aws_partition_of(regions[0]) if regions else "aws"


def _of_role(access: Access) -> Iterator[Statement]:
    if access.role_arn:
        yield _allow("AssumeRole", ["sts:AssumeRole"], [access.role_arn])


def _of_bucket(job: BucketJob, bucket: str) -> Iterator[Statement]:
    listing = _allow("ListBucket", ["s3:ListBucket"], [bucket])
    if job.source.path:
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{_literal(job.source.path)}*"]}}
    yield listing
    actions = ["s3:GetObject", *(["s3:DeleteObject"] if job.remove else [])]
    yield _allow("Objects", actions, [f"{bucket}/{_literal(job.source.path)}*"])


def _of_log_groups(job: ServiceJob, partition: str) -> Iterator[Statement]:
    actions = ["logs:DescribeLogStreams", "logs:GetLogEvents"]
    if job.remove_log_streams:
        actions.append("logs:DeleteLogStream")
    places = [f"arn:{partition}:logs:{region}:*:log-group:" for region in job.regions or ("*",)]
    groups = sorted({group.partition(":")[0] for group in job.log_groups})
    yield _allow("LogGroups", actions, [f"{place}{group}:*" for place in places for group in groups])
    # Asked for the account of a group that has no streams any more.
    yield _allow("FindLogGroups", ["logs:DescribeLogGroups"], [f"{place}*" for place in places])


def _of_inspector() -> Iterator[Statement]:
    yield _allow("Findings", ["inspector2:ListFindings"], ["*"])


def _of_queue(job: SubscriberJob, partition: str) -> Iterator[Statement]:
    address = QueueAddress.parse(job.queue)
    region = address.region or next(iter(job.regions), "*")
    actions = ["GetQueueAttributes", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"]
    if not address.url:
        actions.insert(0, "GetQueueUrl")
    queue = f"arn:{partition}:sqs:{region}:{address.account or '*'}:{address.name}"
    yield _allow("Queue", [f"sqs:{action}" for action in actions], [queue])
    # Only its messages tell which buckets they are about.
    yield _allow("Objects", ["s3:GetObject"], [f"arn:{partition}:s3:::*"])


def _allow(name: str, actions: list[str], resources: list[str]) -> Statement:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}


def _literal(path: str) -> str:
    """Return the path as a policy takes it to the letter (IAM: `${*}`, `${?}` and `${$}`)."""
    return "".join(f"${{{character}}}" if character in "*?$" else character for character in path)
