"""botocore's descriptions of AWS's services, loaded without the detours that make up half of a client's making.

botocore's own loader looks through the folders of all 400 services before it loads one, and keeps the order of
JSON objects in a slower kind of dictionary, as was necessary before Python 3.7.
"""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import DataNotFoundError
from botocore.loaders import JSONFileLoader, Loader

_FORMS: dict[str, Callable[[bytes], bytes]] = {".json": bytes, ".json.gz": gzip.decompress}


class ServiceData(Loader):  # type: ignore[misc]
    """A loader of botocore that finds a service by its name. `data_path`: further folders, as in AWS_DATA_PATH."""

    def __init__(self, data_path: str | None = None) -> None:
        folders = (data_path or "").split(os.pathsep)
        further = [os.path.expanduser(os.path.expandvars(folder)) for folder in folders if folder]  # noqa: PTH111
        super().__init__(extra_search_paths=further, file_loader=_DataFile())

    def list_available_services(self, type_name: str) -> "_Services":
        """Return the names of the services that have data of the type."""
        return _Services(self, type_name)

    def every_service(self, type_name: str) -> list[str]:
        """Return the same, from the folders of all services."""
        found: list[str] = super().list_available_services(type_name)
        return found


class _DataFile(JSONFileLoader):  # type: ignore[misc]
    """Reads one file, plain or compressed."""

    def load_file(self, file_path: str) -> Any:
        """Return the data of the file, whose ending is left out; None if there is none."""
        for ending, unpacked in _FORMS.items():
            try:
                content = Path(file_path + ending).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            return json.loads(unpacked(content))
        return None


class _Services:
    """The services that have data of a type: whether one has is told by its own folder."""

    def __init__(self, data: ServiceData, type_name: str) -> None:
        self._data = data
        self._type_name = type_name

    def __contains__(self, name: object) -> bool:
        try:
            return bool(self._data.list_api_versions(name, self._type_name))
        except DataNotFoundError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._data.every_service(self._type_name))
