"""`--print-iam-policy`: the least that AWS must allow for the other options.

Actions and resources: AWS's Service Authorization Reference. GetCallerIdentity needs no
permission.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from aws_s3.aws.queue_address import QueueAddress
from aws_s3.aws.session import aws_partition_of
from aws_s3.config.log_groups import LogGroupSelection
from aws_s3.console.tables import print_report
from aws_s3.console.terminal import STDERR, NonBlockingWriter
from aws_s3.settings import Access, BucketJob, CollectJob, ServiceJob, SubscriberJob

Statement = dict[str, Any]

_ENCRYPTED = "Objects that are encrypted with a KMS key also need kms:Decrypt on that key."
_ROLE = "The statement AssumeRole is for who calls, the others are for the role."


Request = tuple[Access, CollectJob]
"""A job, and the access that it has."""


def print_policy(requests: Sequence[Request]) -> int:
    """Print one policy for all the jobs on stdout, and its limits on stderr."""
    print_report(json.dumps(policy(requests), indent=2, ensure_ascii=False))
    hints = NonBlockingWriter(STDERR)
    if not all(isinstance(job, ServiceJob) for _, job in requests):
        hints.write(_ENCRYPTED)
    if any(access.role_arn for access, _ in requests):
        hints.write(_ROLE)
    return 0


def policy(requests: Sequence[Request]) -> dict[str, Any]:
    """Return the policy; each statement is there once. Values that no option gives, such as an account, are `*`."""
    statements: list[Statement] = []
    for access, job in requests:
        for statement in (*_of_role(access), *_of_job(job, _partition(access, job.regions))):
            if not any({**known, "Sid": ""} == {**statement, "Sid": ""} for known in statements):
                statements.append(_with_own_name(statement, statements))
    return {"Version": "2012-10-17", "Statement": statements}


def _with_own_name(statement: Statement, others: Sequence[Statement]) -> Statement:
    """Return the statement with a Sid that no other has: IAM refuses repeated ones."""
    names = {other["Sid"] for other in others}
    name = statement["Sid"]
    free = (f"{name}{number}" for number in count(2))
    return {**statement, "Sid": next(filter(lambda candidate: candidate not in names, free)) if name in names else name}


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
        # Listed without its slash as well, to find out which form of the path holds keys.
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{_literal(job.source.path.rstrip('/'))}*"]}}
    yield listing
    actions = ["s3:GetObject", *(["s3:DeleteObject"] if job.remove else [])]
    yield _allow("Objects", actions, [f"{bucket}/{_literal(job.source.path)}*"])


def _of_log_groups(job: ServiceJob, partition: str) -> Iterator[Statement]:
    actions = ["logs:DescribeLogStreams", "logs:GetLogEvents"]
    if job.remove_log_streams:
        actions.append("logs:DeleteLogStream")
    places = [f"arn:{partition}:logs:{region}:*:log-group:" for region in job.regions or ("*",)]
    selections = [LogGroupSelection.parse(group) for group in job.log_groups]
    names = sorted({selection.name for selection in selections if not selection.arn})
    arns = sorted({f"{selection.arn}:*" for selection in selections if selection.arn})
    yield _allow("LogGroups", actions, [*(f"{place}{name}:*" for place in places for name in names), *arns])
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
