import os
import resource
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest

from aws_s3.errors import StateCreateError, StateError
from aws_s3.state import database as module
from aws_s3.state.database import WRITER_TAG, Database
from tests import ROOT
from tests.harness.collecting import Collection

NOBODY = 65534
THINGS = (("things", "CREATE TABLE thing (name TEXT PRIMARY KEY)"),)
OPEN = """
import os, sys
from pathlib import Path
from aws_s3.errors import StateError
from aws_s3.state.database import Database
if sys.argv[2:]:
    os.setuid(int(sys.argv[2]))
try:
    Database(Path(sys.argv[1]), ()).close()
except StateError as error:
    print(error.exit_code, error)
"""
FILL = """
import sys
from pathlib import Path
from aws_s3.errors import StateError
from aws_s3.state.database import Database
database = Database(Path(sys.argv[1]), (("things", "CREATE TABLE thing (name TEXT PRIMARY KEY)"),))
try:
    for number in range(100_000):
        with database.transaction() as execute:
            execute("INSERT INTO thing VALUES (?)", (f"{number:050}",))
        print(number, flush=True)
except StateError as error:
    print(error.exit_code, error)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may look into, which pytest's are not."""
    with TemporaryDirectory(prefix="state") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def names(database: Database) -> list[str]:
    return [name for (name,) in database.query("SELECT name FROM thing ORDER BY name")]


def rows(database: Database, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in database.query(sql)]


def put(database: Database, name: str) -> None:
    with database.transaction() as execute:
        execute("INSERT INTO thing VALUES (?)", (name,))


def open_as_user(path: Path) -> str:
    """Open the file as a user whose permissions count, which root's do not; return what that told."""
    user = [str(NOBODY)] if os.geteuid() == 0 else []
    command = [sys.executable, "-c", OPEN, str(path), *user]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, cwd=ROOT).stdout


def test_another_connection_sees_what_a_transaction_committed(tmp_path: Path) -> None:
    with (
        closing(Database(tmp_path / "db", THINGS)) as one,
        closing(Database(tmp_path / "db", THINGS)) as other,
    ):
        put(one, "a")
        assert names(other) == ["a"]


def test_failed_transaction_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "db", THINGS)) as database:
        with pytest.raises(KeyboardInterrupt), database.transaction() as execute:
            execute("INSERT INTO thing VALUES ('a')")
            raise KeyboardInterrupt
        put(database, "b")
        assert names(database) == ["b"]


def test_commit_that_fails_is_taken_back(tmp_path: Path) -> None:
    schema = (
        ("a", "CREATE TABLE a (x PRIMARY KEY)"),
        ("b", "CREATE TABLE b (x REFERENCES a DEFERRABLE INITIALLY DEFERRED)"),
    )
    with closing(Database(tmp_path / "db", schema)) as database:
        database.query("PRAGMA foreign_keys = ON")
        with pytest.raises(StateError, match="FOREIGN KEY"), database.transaction() as execute:
            execute("INSERT INTO b VALUES (1)")
        with database.transaction() as execute:
            execute("INSERT INTO a VALUES (1)")
        assert rows(database, "SELECT count(*) FROM b") == [(0,)]


def test_each_migration_is_applied_once_and_in_order(tmp_path: Path) -> None:
    more = (*THINGS, ("colour", "ALTER TABLE thing ADD COLUMN colour TEXT"))
    for migrations in (THINGS, THINGS, more, more):
        Database(tmp_path / "db", migrations).close()
    with closing(Database(tmp_path / "db", more)) as database:
        assert [row[1] for row in database.query("PRAGMA table_info(thing)")] == ["name", "colour"]


def test_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    Database(tmp_path / "db", THINGS).close()
    with pytest.raises(StateError):
        Database(tmp_path / "db", (*THINGS, ("good", "CREATE TABLE good (x)"), ("bad", "CREATE GARBAGE")))
    with closing(Database(tmp_path / "db", (*THINGS, ("good", "CREATE TABLE good (x)")))) as database:
        assert rows(database, "SELECT count(*) FROM good") == [(0,)]


def test_journal_is_a_write_ahead_log(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "db", THINGS)) as database:
        assert rows(database, "PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_files_are_shared_with_the_group_of_the_folder_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, -1, NOBODY)
    old = os.umask(umask)
    try:
        with closing(Database(tmp_path / "db", THINGS)) as database:
            put(database, "a")
            files = sorted(tmp_path.iterdir())
            assert [path.name for path in files] == ["db", "db-shm", "db-wal"]
            for path in files:
                assert stat.S_IMODE(path.stat().st_mode) == 0o660, path
                assert path.stat().st_gid == tmp_path.stat().st_gid, path
    finally:
        os.umask(old)


def test_mode_that_an_administrator_gave_stays(tmp_path: Path) -> None:
    Database(tmp_path / "db", THINGS).close()
    (tmp_path / "db").chmod(0o600)
    Database(tmp_path / "db", THINGS).close()
    assert stat.S_IMODE((tmp_path / "db").stat().st_mode) == 0o600


def test_link_to_another_disk_is_followed_and_its_target_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    target = tmp_path / "disk" / "db"
    target.touch(0o600)
    (tmp_path / "db").symlink_to(target)
    with closing(Database(tmp_path / "db", THINGS)) as database:
        put(database, "a")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert (tmp_path / "db").is_symlink() and target.stat().st_size


def test_link_to_a_file_of_another_kind_leaves_it_as_it_is(tmp_path: Path) -> None:
    target = tmp_path / "shadow"
    target.write_text("root:*:19000:0:99999:7:::\n" * 99)
    target.chmod(0o600)
    (tmp_path / "db").symlink_to(target)
    with pytest.raises(StateError, match=str(tmp_path / "db")):
        Database(tmp_path / "db", THINGS)
    assert target.read_text() == "root:*:19000:0:99999:7:::\n" * 99
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_another_program_reads_the_file_as_it_is_left_behind(tmp_path: Path) -> None:
    """All of it is in the one file, and an older SQLite, or one in another process, opens it."""
    path = tmp_path / "db"
    with closing(Database(path, THINGS)) as database:
        put(database, "a")
    assert [entry.name for entry in tmp_path.iterdir()] == ["db"]
    script = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())"
    for sql, told in (
        ("SELECT name FROM thing", "[('a',)]"),
        ("PRAGMA journal_mode = DELETE", "[('delete',)]"),
        ("SELECT name FROM thing", "[('a',)]"),
    ):
        ended = subprocess.run([sys.executable, "-c", script, str(path), sql], capture_output=True, encoding="utf-8")
        assert ended.stdout.strip() == told, ended.stderr


def test_new_folder_is_made(tmp_path: Path) -> None:
    Database(tmp_path / "new" / "db", THINGS).close()
    assert (tmp_path / "new" / "db").is_file()


@pytest.mark.parametrize("folder", ["wodles/aws", "missing/new"])
def test_folder_of_wazuhs_and_a_mistaken_path_are_not_made(folder: str, tmp_path: Path) -> None:
    (tmp_path / "wodles").mkdir()
    path = tmp_path / folder / "db"
    with pytest.raises(StateCreateError, match=str(path)) as told:
        Database(path, THINGS)
    assert told.value.exit_code == 6


def test_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.mkdir()
    with pytest.raises(StateError, match=str(path)) as told:
        Database(path, THINGS)
    assert told.value.exit_code == 5


@pytest.mark.parametrize("content", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_damaged_file_is_told_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "db"
    path.write_bytes(content)
    with pytest.raises(StateError, match=str(path)) as told:
        Database(path, THINGS)
    assert told.value.exit_code == 5
    assert path.read_bytes() == content


@pytest.mark.parametrize("first", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("change", ["overwritten", "swapped", "cut off"])
def test_damage_in_the_middle_is_told_before_anything_is_sent(tmp_path: Path, change: str, first: float) -> None:
    path = tmp_path / "db"
    with closing(Database(path, THINGS)) as database, database.transaction() as execute:
        for number in range(5000):
            execute("INSERT INTO thing VALUES (?)", (f"{number:050}",))
    content = bytearray(path.read_bytes())
    page = int(len(content) * first) // 4096 * 4096
    if change == "overwritten":
        content[page : page + 4096] = b"\xaa" * 4096
    elif change == "swapped":
        content[page : page + 4096], content[8192:12288] = content[8192:12288], content[page : page + 4096]
    else:
        del content[page:]
    path.write_bytes(content)
    with pytest.raises(StateError, match=str(path)) as told:
        Database(path, THINGS)
    assert told.value.exit_code == 5 and "\n" not in str(told.value)


def test_large_file_is_checked_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGES_CHECKED_EACH_TIME", 10)
    path = tmp_path / "db"
    with closing(Database(path, THINGS)) as database, database.transaction() as execute:
        for number in range(5000):
            execute("INSERT INTO thing VALUES (?)", (f"{number:050}",))
    Database(path, THINGS).close()
    content = bytearray(path.read_bytes())
    page = len(content) // 2 // 4096 * 4096
    content[page : page + 4096] = b"\xaa" * 4096
    path.write_bytes(content)
    Database(path, THINGS).close()
    with closing(sqlite3.connect(path)) as connection:
        [(today,)] = connection.execute("PRAGMA user_version")
        connection.execute(f"PRAGMA user_version = {today - 1}")
    with pytest.raises(StateError, match="cannot be used"):
        Database(path, THINGS)


def test_file_that_may_not_be_written_is_told(folder: Path) -> None:
    path = folder / "db"
    Database(path, THINGS).close()
    path.chmod(0o444)
    folder.chmod(0o777)
    told = open_as_user(path)
    assert told.startswith("5 ") and str(path) in told


def test_folder_that_may_not_be_written_is_told(folder: Path) -> None:
    folder.chmod(0o555)
    told = open_as_user(folder / "db")
    assert told.startswith("6 ") and str(folder / "db") in told


def test_folder_that_may_not_be_written_with_a_file_that_may_is_told(folder: Path) -> None:
    path = folder / "db"
    Database(path, THINGS).close()
    path.chmod(0o666)
    folder.chmod(0o555)
    told = open_as_user(path)
    assert told.startswith("5 ") and str(path) in told


def test_disk_that_fills_up_is_told_and_what_was_committed_stays(tmp_path: Path) -> None:
    path = tmp_path / "db"
    ended = subprocess.run(
        [sys.executable, "-c", FILL, str(path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
    )
    *committed, told = ended.stdout.splitlines()
    assert told.startswith("5 ") and str(path) in told
    with closing(Database(path, THINGS)) as database:
        assert names(database) == [f"{int(number):050}" for number in committed]
        assert len(committed) > 10
        assert rows(database, "PRAGMA integrity_check") == [("ok",)]


def test_disk_with_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "db"
    with closing(Database(path, THINGS)) as database:
        database.ensure_writable()
        monkeypatch.setattr("aws_s3.state.database._MIN_FREE_BYTES", 1 << 60)
        with pytest.raises(StateError, match=str(path)):
            database.ensure_writable()


def test_folder_that_went_away_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state" / "db"
    path.parent.mkdir()
    with closing(Database(path, THINGS)) as database:
        path.parent.rename(tmp_path / "elsewhere")
        with pytest.raises(StateError, match=str(path)):
            database.ensure_writable()


def test_lock_of_another_program_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "db"
    Database(path, THINGS).close()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def release() -> None:
        time.sleep(0.3)
        other.execute("COMMIT")

    thread = Thread(target=release)
    thread.start()
    with closing(Database(path, THINGS)) as database:
        put(database, "a")
    thread.join()
    other.close()


def test_lock_that_never_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "db"
    Database(path, THINGS).close()
    monkeypatch.setattr("aws_s3.state.database._PATIENCE_S", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="locked"):
            Database(path, THINGS)


def test_many_programs_may_create_the_file_at_once(tmp_path: Path) -> None:
    script = OPEN + "\nprint('done')"
    command = [sys.executable, "-c", script, str(tmp_path / "db")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", cwd=ROOT) for _ in range(5)]
    assert [process.communicate()[0] for process in running] == ["done\n"] * 5


def test_a_file_of_the_existing_module_becomes_ours_once(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.executescript(
            "CREATE TABLE metadata (key 'text' NOT NULL, value 'text' NOT NULL, PRIMARY KEY (key, value));"
            "INSERT INTO metadata VALUES ('version', '4.14.7');"
            "CREATE TABLE log_progress (x); CREATE TABLE trail_progress (x);"
            "CREATE TABLE thing (name TEXT PRIMARY KEY);"
        )
    on_foreign_write = ("INSERT INTO thing VALUES ('taken over')",)
    for _ in range(2):
        with closing(Database(path, (), on_foreign_write)) as database:
            assert names(database) == ["taken over"]
            assert rows(database, "SELECT * FROM metadata") == [("version", WRITER_TAG)]
            tables = {name for (name,) in database.query("SELECT name FROM sqlite_master")}
            assert not tables & {"log_progress", "trail_progress"}


def test_the_whole_state_is_told_unusable_before_anything_is_sent(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "missing" / "folder")
    with pytest.raises(StateCreateError):
        collection.run()
    assert collection.store.lists == []
