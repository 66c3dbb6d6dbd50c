"""A trial of a bucket's set-up: its listing, and one object, as a run reads them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice

from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import S3Bucket
from aws_s3.aws.session import Session, known_regions
from aws_s3.buckets.discovery import Discovery
from aws_s3.buckets.nothing_found import about_key, hint, nearest_key, nothing_of_any_day
from aws_s3.buckets.object_source import Origin, WorkItem
from aws_s3.buckets.path_form import with_settled_path
from aws_s3.buckets.reader import BucketReader
from aws_s3.buckets.run import LISTING_THREADS
from aws_s3.errors import CollectorError, EmptyBucketError, NoAccountsError
from aws_s3.log_types import log_type_of
from aws_s3.log_types.layout import Partition
from aws_s3.log_types.strays import is_stray
from aws_s3.pipeline.decode import messages_in
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.stats import counted
from aws_s3.settings import BucketJob

_PAGES = 5


class BucketTrial:
    """Lists the bucket as a run does, and reads one object. Nothing is sent or recorded.

    `partitions` are those that `find` found, None before.
    """

    def __init__(self, job: BucketJob, session: Callable[[], Session]) -> None:
        self._job = job
        self._session = session
        self._log_type = log_type_of(job.source)
        self.partitions: Sequence[Partition] | None = None

    def find(self) -> str:
        """List the path and find the partitions; return a remark. Raises EmptyBucketError and NoAccountsError."""
        self._log_type.check_path(self._job.source.path)
        bucket = self._bucket()
        self._job = with_settled_path(self._job, self._log_type, bucket, lambda _: False)
        source = self._job.source
        try:
            self.partitions = self._found(bucket)
        except (EmptyBucketError, NoAccountsError) as error:
            next_step = hint(self._job, self._log_type, bucket)
            raise type(error)(f"{str(error).rstrip('.')}. {next_step}".rstrip()) from error
        return f"s3://{source.bucket}/{source.path} can be listed, {counted(len(self.partitions), 'partition')}"

    def _found(self, bucket: S3Bucket) -> Sequence[Partition]:
        source = self._job.source
        if not bucket.holds(source.path):
            raise EmptyBucketError(f"No files were found in '{source.bucket}/{source.path}'.")
        executor = DaemonExecutor(LISTING_THREADS, "listing")
        regions = known_regions() if self._job.regions else frozenset[str]()
        return Discovery(self._job, self._log_type, bucket, executor, regions).partitions()

    def read(self) -> str:
        """Read and parse the first object that the type accepts; return a remark. Raises ObjectError if it cannot.

        Raises EmptyBucketError if the bucket holds only logs that the job does not collect.
        """
        assert self.partitions is not None
        bucket = self._bucket()
        archived = ""
        for partition, item in self._objects(bucket, self.partitions):
            if not item.is_archived:
                count = self._count_events(bucket, WorkItem(partition, item, Origin.NEW))
                return f"{item.key} holds {counted(count, 'event')}"
            archived = item.key
        if archived:
            return f"none is read, because those looked at are in an archive, such as {archived}"
        if key := self._nearest_key(bucket):
            nothing = nothing_of_any_day(self._job, self._log_type, self.partitions)
            raise EmptyBucketError(f"{nothing[:1].upper()}{nothing[1:]}. {about_key(self._job, key)}")
        return "no object of the type lies there yet: none is read"

    def _objects(self, bucket: S3Bucket, partitions: Iterable[Partition]) -> Iterator[tuple[Partition, S3Object]]:
        for partition in partitions:
            pages = islice(bucket.pages(partition.prefix), _PAGES)
            for item in chain.from_iterable(pages):
                if self._log_type.accepts(item.key, partition) and not is_stray(item.key):
                    yield partition, item

    def _count_events(self, bucket: S3Bucket, work: WorkItem) -> int:
        reader = BucketReader(
            bucket, self._log_type, self._job.source.bucket, "", skip_on_error=False, rules=EventRules()
        )
        with reader.fetch(work) as content:
            return sum(len(messages_in(batch)) for batch in reader.decode(work, content))

    def _nearest_key(self, bucket: S3Bucket) -> str:
        # A policy may allow the path alone.
        with suppress(CollectorError):
            return nearest_key(self._job, self._log_type, bucket)
        return ""

    def _bucket(self) -> S3Bucket:
        session = self._session()
        return S3Bucket(session.client("s3"), self._job.source.bucket, session.downloads)
