"""Which options of a job are to be changed, so that it collects an object that it does not find."""

import re
import shlex
from collections.abc import Iterable, Iterator

from aws_s3.log_types.layout import AWS_LOGS, Account, DateFormat, Layout, Level, Region, ending
from aws_s3.log_types.recognition import Reading, readings, words_of
from aws_s3.settings import BucketJob

_DATE_FOLDERS = re.compile(r"(?:\d{4}([/-]\d{1,2}){0,2}/)(?:\d\d/)?", re.ASCII)


def reads(job: BucketJob, reading: Reading) -> bool:
    """Tell whether the job's options collect objects such as the reading's, of some day."""
    return not any(_changes(job, reading))


def advice(job: BucketJob, key: str) -> str:
    """Return the options to change so that the job collects the object; empty where none would.

    `-t vpcflow`, or `-l logs/ (the path must end before AWSLogs/)`.
    """
    best = next(iter(readings(key, job.source.type)), None)
    if best is None:
        return ""
    reasons = [reason] if (reason := _path_fault(job.source.path, best)) else []
    changes = " ".join(_changes(job, best))
    return f"{changes} ({reasons[0]})" if changes and reasons else changes


def _changes(job: BucketJob, reading: Reading) -> Iterator[str]:
    source = job.source
    if reading.type != source.type:
        yield f"-t {reading.type}"
    for option, is_now, ought in (
        ("-l", source.path, reading.path),
        ("-L", source.suffix, reading.suffix),
        ("-O", source.organization, reading.organization),
        ("--layout", "", reading.layout),
    ):
        if is_now != ought:
            yield shlex.join(words_of(option, ought)) if ought else f"without {option}"
    if job.accounts and reading.account and reading.account not in job.accounts:
        yield f"-c {reading.account}"
    if job.regions and reading.region and reading.region not in job.regions:
        yield f"-r {reading.region}"


def _path_fault(path: str, reading: Reading) -> str:
    """Return the mistake in the given path, if it is one of the two usual mistakes."""
    if path.startswith(reading.path + AWS_LOGS):
        return f"the path must end before {AWS_LOGS}"
    if path.startswith(reading.path) and _DATE_FOLDERS.match(path[len(reading.path) :]):
        return "the date does not belong into the path"
    return ""


def where(job: BucketJob, layouts: Iterable[Layout]) -> str:
    """Return, as patterns, where the job looks: `AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/`."""
    return " and ".join(patterns(job, layouts))


def patterns(job: BucketJob, layouts: Iterable[Layout]) -> Iterator[str]:
    """Yield the pattern of each layout, below the job's path, up to the date."""
    return (_where(job, layout) for layout in layouts)


def _where(job: BucketJob, layout: Layout) -> str:
    levels = "".join(_level_shown(level, job) + ending(level) for level in layout.levels)
    return f"{layout.base(job.source)}{levels}{layout.stem}{_date_shown(layout.dates)}"


def _level_shown(level: Level, job: BucketJob) -> str:
    if isinstance(level, Account):
        return level.name + _one_of(job.accounts, "{account}")
    if isinstance(level, Region):
        return level.name + _one_of(job.regions, "{region}")
    return level if isinstance(level, str) else "{any}"


def _one_of(asked: tuple[str, ...], otherwise: str) -> str:
    return f"{{{','.join(asked)}}}" if len(asked) > 1 else "".join(asked) or otherwise


def _date_shown(dates: DateFormat) -> str:
    names = (
        {"%Y": "{yyyy}", "%m": "{m}", "%d": "{d}"} if dates.unpadded else {"%Y": "{yyyy}", "%m": "{mm}", "%d": "{dd}"}
    )
    text = dates.text
    for code, name in names.items():
        text = text.replace(code, name)
    return f"{text}/" if dates.is_folder or dates.unpadded else f"{text}-"
