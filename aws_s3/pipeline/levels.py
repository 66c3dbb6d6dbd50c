"""The levels of `--debug` as levels of logging: `--debug 1` is DEBUG, 2 and 3 are finer."""

import logging

DEBUG_2 = logging.DEBUG - 1
DEBUG_3 = logging.DEBUG - 2
