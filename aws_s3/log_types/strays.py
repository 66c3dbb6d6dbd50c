"""Objects that AWS and its tools leave beside the logs: they are no logs, whatever the type."""

_NAMES = ("", "_SUCCESS", "ConfigWritabilityCheckFile")
_ENDINGS = (".ok", "TestFile")


def is_stray(key: str) -> bool:
    """Tell whether the object is a folder's marker, a test file of AWS, or a note: no run reads it."""
    name = key.rpartition("/")[2]
    return name in _NAMES or name.startswith("README") or name.endswith(_ENDINGS)
