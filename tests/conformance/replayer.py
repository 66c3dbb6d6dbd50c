"""Replays recorded cases: the installed command, over real HTTP, a real socket and real SQLite."""

import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.conformance.case import Case, Placeholders, Run, Setup
from tests.conformance.compare import Seen, differences
from tests.conformance.stage import Stage, create_flow_logs
from tests.harness.command import COMMAND, Home, new_home
from tests.harness.emulator import Emulator
from tests.harness.listener import Listener

TABLES = (
    *("cloudtrail", "config", "vpcflow", "custom", "guardduty", "waf", "alb", "clb", "nlb"),
    *("s3_server_access", "cisco_umbrella", "cloudwatch_logs"),
)
"""The tables that the existing module knows; our own may change."""

_DATABASES = ("s3_cloudtrail.db", "aws_services.db")
_NOT_COMPARED = {"processed_date", "scan_date", "next_token", "start_time", "end_time"}
_SECONDS = 60


def replay(recorded: Mapping[str, Any], emulator: Emulator, command: Path = COMMAND) -> list[str]:
    """Run what the case recorded; return how it differs from what was expected, a line each.

    `recorded` is the content of the case's file; the emulator is empty.
    """
    with new_home(emulator) as home:
        flow_logs = create_flow_logs(emulator, recorded["setup"].get("flow_logs", {}))
        placeholders = Placeholders(datetime.now(timezone.utc), emulator.url, home.path / "files", flow_logs)
        case = Case.of(placeholders.fill(recorded))
        return _Replay(case, emulator, home, command).differences()


class _Replay:
    """One case at work."""

    def __init__(self, case: Case, emulator: Emulator, home: Home, command: Path) -> None:
        self._case = case
        self._home = home
        self._command = command
        self._stage = Stage(emulator, case.setup)

    def differences(self) -> list[str]:
        _write_files(self._home.path, self._case.setup)
        self._stage.fill()
        return [
            f"run {number}: {difference}"
            for number, run in enumerate(self._case.runs)
            for difference in differences(run.expect, self._seen(run))
        ]

    def _seen(self, run: Run) -> Seen:
        self._stage.prepare(run)
        listener = None if run.no_socket else Listener(self._home.socket)
        code, output = self._execute(run)
        return Seen(
            exit=code,
            output=output,
            datagrams=listener.close() if listener else (),
            rows=read_rows(self._home.state.parent),
            left=self._stage.keys() if run.expect.left is not None else None,
            queue=self._stage.queued() if run.expect.queue is not None else None,
        )

    def _execute(self, run: Run) -> tuple[int | None, str]:
        try:
            ended = subprocess.run(
                [self._command, *run.args],
                env={**self._home.environment, **self._case.setup.env},
                cwd=run.cwd,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired as late:
            return None, (late.output or b"").decode("utf-8", "replace")
        return ended.returncode, ended.stdout


def read_rows(folder: Path) -> dict[str, list[list[Any]]]:
    """Return the rows of the tables that the existing module knows, without the times."""
    rows: dict[str, list[list[Any]]] = {}
    for path in (folder / name for name in _DATABASES):
        if path.exists():
            with closing(sqlite3.connect(path)) as database:
                rows |= {table: _rows(database, table) for table in TABLES if _columns(database, table)}
    return rows


def _rows(database: sqlite3.Connection, table: str) -> list[list[Any]]:
    ignored = _NOT_COMPARED | ({"aws_account_id"} if table == "cloudwatch_logs" else set())
    columns = ", ".join(name for name in _columns(database, table) if name not in ignored)
    return [list(row) for row in database.execute(f"SELECT {columns} FROM {table}")]


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _write_files(home: Path, setup: Setup) -> None:
    files = {f"files/{name}": text for name, text in setup.files.items()}
    files |= {".aws/config": setup.aws_config, ".aws/credentials": setup.aws_credentials}
    for name, text in files.items():
        if text:
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_text(text)
