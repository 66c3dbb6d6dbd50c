"""The levels of `--debug` as logging knows them (SPEC 14): DEBUG is 1, and these are finer."""

import logging

DEBUG_2 = logging.DEBUG - 1
DEBUG_3 = logging.DEBUG - 2
