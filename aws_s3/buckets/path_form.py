"""Which of its forms the path of a source has: with or without a leading slash, with or without one at its end."""

import logging
from collections.abc import Callable
from dataclasses import replace

from aws_s3.aws.s3 import Bucket
from aws_s3.log_types.base import LogType
from aws_s3.settings import BucketJob, BucketLocation

log = logging.getLogger(__name__)


def with_settled_path(
    job: BucketJob, log_type: LogType, bucket: Bucket, is_known: Callable[[BucketLocation], bool]
) -> BucketJob:
    """Return the job with the form of its path under which objects lie.

    The usual form has no leading slash and one at its end. Another is taken only as the user wrote it, where
    the usual one holds no key: a Firehose whose prefix is `/logs/` writes such keys, and so do server access
    logs, whose dates follow a prefix such as `access-`. A source that `is_known` to the state keeps its form,
    without a request.
    """
    forms = [replace(job.source, path=path) for path in _forms(job)]
    if len(forms) == 1:
        return job
    known = next(filter(is_known, forms), None)
    if known is not None:
        return replace(job, source=known)
    holding = [form for form in forms if _holds(bucket, form.path, log_type)]
    if len(holding) > 1:
        log.warning(
            "%s holds objects under %r and under %r: those under %r are collected. Give the other path a source of "
            "its own, in which it is written so that only one of them fits.",
            job.source.bucket,
            holding[0].path,
            holding[1].path,
            holding[0].path,
        )
    return replace(job, source=holding[0]) if holding else job


def _forms(job: BucketJob) -> list[str]:
    """Return the forms, the usual one first."""
    usual, given = job.source.path, job.path_as_given
    if not usual:
        return [usual]
    starts = ("", "/") if given.startswith("/") else ("",)
    ends = ("/", "") if given and not given.endswith("/") else ("/",)
    return [f"{start}{usual.removesuffix('/')}{end}" for end in ends for start in starts]


def _holds(bucket: Bucket, path: str, log_type: LogType) -> bool:
    if path.endswith("/"):
        return bucket.holds(path)
    keys = (item.key for item in next(bucket.pages(path), []))
    dates = [layout.dates for layout in log_type.layouts if not layout.in_awslogs and not layout.levels]
    return any(form.day(key[len(path) :]) for key in keys for form in dates)
