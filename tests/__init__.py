"""The tests mirror the package: a folder each, and `harness/` for the servers and commands that they share."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The repository's folder."""
