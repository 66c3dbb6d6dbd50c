"""The levels of `--debug` as levels of logging: `--debug 1` is DEBUG, 2 and 3 are finer."""

import logging
from collections.abc import Mapping

DEBUG_2 = logging.DEBUG - 1
DEBUG_3 = logging.DEBUG - 2

STANDING: Mapping[str, bool] = {"is_standing": True}
"""The `extra` of a WARNING that says the same in each run: under Wazuh's daemon it is written once a day."""


def about(key: str) -> Mapping[str, str]:
    """Return the `extra` of a line about an object, so that JSON lines name its key apart."""
    return {"key": key}
