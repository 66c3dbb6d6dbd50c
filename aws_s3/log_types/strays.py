"""Objects that AWS and its tools leave beside the logs: they are no logs, whatever the type."""

import re

_STRAY = re.compile(
    r"(?:.*/)?(?:README[^/]*|[^/]*\.ok|[^/]*TestFile|_SUCCESS|ConfigWritabilityCheckFile|)", re.ASCII | re.DOTALL
)


def is_stray(key: str) -> bool:
    """Tell whether the object is a folder's marker, a test file of AWS, or a note: it is passed over."""
    return _STRAY.fullmatch(key) is not None
