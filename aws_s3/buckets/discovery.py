"""Finding a source's partitions: walking the folder levels of its layouts."""

import logging
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from aws_s3.aws.s3 import Folders
from aws_s3.errors import NoAccountsError, UnknownRegionError
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import (
    ACCOUNT_FOLDER,
    AWS_LOGS,
    REGION_NAME,
    Account,
    AnyFolder,
    Layout,
    Level,
    NameStart,
    Partition,
    Region,
)
from aws_s3.settings import BucketJob

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Folder:
    """A folder on the way to a partition."""

    prefix: str
    account: str = ""
    region: str = ""


class Discovery:
    """Finds the partitions of one job. The folders of one level are listed side by side, by `executor`.

    `known_regions` are the regions that botocore knows; the job's other regions must be folders of the bucket.
    """

    def __init__(
        self,
        job: BucketJob,
        log_type: LogType,
        bucket: Folders,
        executor: Executor,
        known_regions: frozenset[str],
    ) -> None:
        self._job = job
        self._log_type = log_type
        self._bucket = bucket
        self._executor = executor
        self._new_regions = set(job.regions) - known_regions
        self._bases_without_accounts: list[str] = []
        self._has_other_folders = False

    @property
    def may_serve_again(self) -> bool:
        """Tell whether the result of `partitions` may serve for a while: accounts were found where there are any.

        Folders outside of accounts are few requests, and new ones are to be found at once.
        """
        return not self._bases_without_accounts and not self._has_other_folders

    def partitions(self) -> list[Partition]:
        """Return the partitions of every layout that applies.

        Raises NoAccountsError if the type has only account folders and there is none, and UnknownRegionError
        for a region of the job that neither botocore nor the bucket knows.
        """
        layouts = list(self._layouts())
        found = [partition for layout in layouts for partition in self._walk(layout)]
        if self._bases_without_accounts and not found:
            self._refuse_no_accounts(self._bases_without_accounts[0])
        if missing := self._new_regions - {partition.region for partition in found}:
            raise UnknownRegionError(
                f"Unknown region: {', '.join(sorted(missing))}. No AWS partition has it, nor has the bucket "
                f"{self._job.source.bucket} a folder of that name. Check --regions."
            )
        return found

    def _layouts(self) -> Iterator[Layout]:
        """Yield the layouts that apply: those under AWSLogs/ where the path holds it, otherwise or also the others."""
        layouts = self._log_type.layouts
        if len(layouts) == 1:
            yield from layouts
            return
        source = self._job.source
        has_aws_logs = any(layout.in_awslogs for layout in layouts) and self._bucket.holds(source.path + AWS_LOGS)
        for layout in layouts:
            applies = layout.in_awslogs == has_aws_logs or (self._log_type.every_layout and not layout.in_awslogs)
            if applies and self._has_first_level(layout):
                yield layout

    def _has_first_level(self, layout: Layout) -> bool:
        """Tell whether the bucket may hold the layout; one LIST for a layout whose account folders have a name."""
        first = layout.levels[0] if layout.levels else ""
        if not isinstance(first, Account) or not first.name:
            return True
        return self._bucket.holds(layout.base(self._job.source) + first.name)

    def _walk(self, layout: Layout) -> Iterator[Partition]:
        base = layout.base(self._job.source)
        self._has_other_folders |= bool(layout.levels) and not any(isinstance(each, Account) for each in layout.levels)
        folders: Iterable[_Folder] = [_Folder(base)]
        for level in layout.levels:
            steps = self._executor.map(lambda folder, level=level: self._step(folder, level), folders)
            folders = [folder for step in steps for folder in step]
            if isinstance(level, Account) and layout.in_awslogs and not folders:
                self._bases_without_accounts.append(base)
                self._warn_of_organization(base)
        for folder in folders:
            yield Partition(folder.prefix + layout.stem, layout.dates, folder.account, folder.region)

    def _step(self, folder: _Folder, level: Level) -> list[_Folder]:
        """Return the folders of one level under `folder`."""
        prefix = folder.prefix
        if isinstance(level, str):
            return [replace(folder, prefix=f"{prefix}{level}/")]
        if isinstance(level, Account):
            names = self._job.accounts or self._accounts(prefix, level)
            return [replace(folder, prefix=f"{prefix}{level.name}{name}/", account=name) for name in names]
        if isinstance(level, Region):
            names = self._regions(folder, level)
            return [replace(folder, prefix=f"{prefix}{level.name}{name}/", region=name) for name in names]
        if isinstance(level, NameStart):
            return [replace(folder, prefix=f"{prefix}{name}.") for name in self._name_starts(prefix, level)]
        assert isinstance(level, AnyFolder)
        return [replace(folder, prefix=f"{prefix}{name}/") for name in self._bucket.folders(prefix)]

    def _accounts(self, prefix: str, level: Account) -> list[str]:
        return [name for name in self._bucket.folders(prefix + level.name) if ACCOUNT_FOLDER.fullmatch(name)]

    def _name_starts(self, prefix: str, level: NameStart) -> list[str]:
        names = (level.start + rest for rest in self._bucket.folders(prefix + level.start, "."))
        return [name for name in names if re.fullmatch(level.pattern, name)]

    def _regions(self, folder: _Folder, level: Region) -> list[str]:
        asked = self._job.regions
        if asked and not self._new_regions:
            return [*asked, *level.also]
        listed = [
            name
            for name in self._bucket.folders(folder.prefix + level.name)
            if name in level.also or (name in asked if asked else REGION_NAME.fullmatch(name))
        ]
        if not listed:
            log.debug("+++ No regions found for AWS Account %s", folder.account)
        return listed

    def _warn_of_organization(self, base: str) -> None:
        if not self._job.source.organization and any(name.startswith("o-") for name in self._bucket.folders(base)):
            log.warning("%s holds the folder of an organization. Give its ID with --aws_organization_id.", base)

    def _refuse_no_accounts(self, base: str) -> None:
        if not self._log_type.every_layout:
            raise NoAccountsError(
                f"No logs found in '{base}'. Check the provided prefix and the location of the logs for the "
                f"bucket type '{self._log_type.name}'"
            )
