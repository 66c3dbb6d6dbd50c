"""Disks that are full, damaged or read-only, and objects that would fill memory: stories of `scenarios`."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.faults.ground import FEW, MANY, SKIP, Ground, is_told

_PAGE = 4096
_RECORDS = 800
"""Records of 50 kB: 40 MB, which do not stay in memory."""

_MB = 1 << 20
_WITHOUT_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
_BOMB = 150 * _MB
_MOST_MEMORY = 175 * _MB
"""Of the command itself about 60 MB; of a value of the largest size allowed, as much again."""

_PEAK = """
import resource, subprocess, sys
ended = subprocess.run(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(ended.returncode)
"""


def disk_full(ground: Ground) -> None:
    """A limit on the size of files, which the journal soon meets."""
    ground.put(MANY)
    for kilobytes in (0, 120, 200):
        ended = is_told(ground.run(prefix=("prlimit", f"--fsize={kilobytes * 1024}")), 5)
        assert str(ground.state) in ended.output
    is_told(ground.run(), 0)


def state_damaged(damage: Callable[[Path], None]) -> Callable[[Ground], None]:
    """The state is damaged between two runs: nothing is sent until somebody looks after it."""

    def play(ground: Ground) -> None:
        ground.put(4 * FEW)
        is_told(ground.run(), 0)
        ground.put(FEW, first=4 * FEW)
        whole = ground.state.read_bytes()
        damage(ground.state)
        ended = is_told(ground.run(), 5)
        assert ended.events == [] and str(ground.state) in ended.output
        if ground.state.is_dir():
            ground.state.rmdir()
        ground.state.write_bytes(whole)
        is_told(ground.run(), 0)

    return play


def overwrite(state: Path) -> None:
    """Put rubbish into the file's middle."""
    content = bytearray(state.read_bytes())
    middle = len(content) // 2
    content[middle : middle + _PAGE] = Random(8).randbytes(_PAGE)
    state.write_bytes(content)


def swap_pages(state: Path) -> None:
    """Put two pages into each other's place."""
    content = bytearray(state.read_bytes())
    one, other = slice(-2 * _PAGE, -_PAGE), slice(3 * _PAGE, 4 * _PAGE)
    content[one], content[other] = content[other], content[one]
    state.write_bytes(content)


def cut_off(state: Path) -> None:
    """Leave half of the file."""
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])


def no_database(state: Path) -> None:
    """Put another file into its place."""
    state.write_bytes(b"rubbish" * 999)


def folder(state: Path) -> None:
    """Put a folder into its place."""
    state.unlink()
    state.mkdir()


def journal_damaged(ground: Ground) -> None:
    """The journal that a kill left behind is damaged: what it held is forgotten, what was before is not."""
    ground.put(FEW)
    is_told(ground.run(), 0)
    ground.put(MANY, first=FEW)
    run = ground.start()
    run.wait_for(20 * 3)
    run.kill()
    run.end()
    journal = ground.state.with_name(f"{ground.state.name}-wal")
    content = bytearray(journal.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 999] = bytes(999)
    journal.write_bytes(content)
    is_told(ground.run(), 0)
    assert ground.run().events == []


def lock_in_the_way(ground: Ground) -> None:
    """A folder is where the locks should be."""
    ground.put(FEW)
    lock = ground.state.with_name("s3_cloudtrail.lock")
    lock.mkdir()
    ended = is_told(ground.run(), 6)
    assert ended.events == [] and str(lock) in ended.output
    lock.rmdir()
    is_told(ground.run(), 0)


def state_read_only(ground: Ground) -> None:
    ground.put(FEW)
    is_told(ground.run(), 0)
    ground.put(FEW, first=FEW)
    ground.state.chmod(0o440)
    prefix = () if os.geteuid() else _WITHOUT_OVERRIDE
    assert is_told(ground.run(prefix=prefix), 5).events == []
    ground.state.chmod(0o660)
    is_told(ground.run(), 0)


def events_unwritable(ground: Ground) -> None:
    """Events go to a file on a full disk, or to a stdout that nobody reads any more."""
    ground.put(FEW)
    is_told(ground.run("--output", "file:/dev/full"), 13)
    reading, writing = os.pipe()
    os.close(reading)
    assert ground.run("--output", "stdout", stdout=writing, stderr=subprocess.DEVNULL).code == 13
    os.close(writing)
    is_told(ground.run(), 0)


def events_beyond_limit(ground: Ground) -> None:
    """The file of the events may not grow on, in the middle of a line: a later run ends what was begun."""
    ground.put(FEW, records=40)
    path = ground.home / "events"
    with _small_disk(ground.home / "disk", 256) as disk:
        if disk:
            path = disk / "events"
        output = ("--output", f"file:{path}")
        # Without the right to mount, a limit on the size of files does, which the state's journal meets as well.
        prefix = () if disk else ("prlimit", f"--fsize={128 * 1024}")
        first = ground.run(*output, prefix=prefix)
        assert first.code in (5, 13), first.output
        held = path.read_bytes()
        later = ground.home / "later"
        later.write_bytes(held)
    is_told(ground.run("--output", f"file:{later}"), 0)
    lines = later.read_bytes().splitlines()
    whole = [line for line in lines if line.endswith(b"}}")]
    assert len(lines) - len(whole) <= 1
    ground.count(whole)


def state_on_full_disk(ground: Ground) -> None:
    """The state's disk is full, and has room again."""
    ground.put(MANY)
    with _small_disk(ground.home / "disk", 8192) as disk:
        assert disk
        state = ("--state-dir", str(disk))
        filling = disk / "filling"
        for kilobytes in (6500, 8000, 7000):
            filling.write_bytes(bytes(kilobytes * 1024))
            ended = ground.run(*state)
            assert ended.code in (0, 5, 6), ended.output
            filling.unlink()
        is_told(ground.run(*state), 0)


@contextmanager
def _small_disk(folder: Path, kilobytes: int) -> Iterator[Path | None]:
    """Give a disk of that size; None where this user may not mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def may_mount() -> bool:
    """Tell whether this user may mount a disk."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


def bombs(ground: Ground) -> None:
    """Small objects that hold 150 MB: each is malformed, and takes no memory to speak of."""
    keys = ground.put(FEW)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.json", bytes(_BOMB))
    unit = b'{"a":' * 200 + b"[" * 200 + b"1" + b"]" * 200 + b"}" * 200 + b","
    contents = [
        gzip.compress(b'{"Records":[{"a":"' + b"x" * _BOMB, 1),
        gzip.compress(b'{"Records":[' + unit * 2000 + b"1", 1),
    ]
    for key, content in zip(keys, contents, strict=False):
        ground.front.objects[key] = content
    ground.front.objects[f"{keys[9]}.zip"] = zipped.getvalue()
    ground.expect_less(3 * len(contents))
    peak = ground.home / "peak"
    ended = ground.run(SKIP, prefix=(sys.executable, "-c", _PEAK, str(peak)))
    assert (ended.code, len(ended.reasons)) == (0, len(contents) + 1), ended.output
    assert int(peak.read_text()) * 1024 < _MOST_MEMORY, peak.read_text()
    assert ground.run(SKIP).events == []


def odd_objects(ground: Ground) -> None:
    """Archives and JSON as nobody should write them: read where that is possible, else malformed."""
    keys = ground.put(FEW)
    one = json.dumps({"Records": [{"eventID": "00000-0"}, {"eventID": "00000-1"}, {"eventID": "00000-2"}]}).encode()
    ground.front.objects[keys[0]] = b"".join(map(gzip.compress, (b"", one[:9], b"", one[9:], b""))) + b"garbage"
    broken = [
        b"",
        b"{" * 100_000,
        gzip.compress(b'{"Records":[{"a":%s}]}' % (b"9" * 5000)),
        gzip.compress(b'{"Records":[{"a":1},{"a":' + b"[" * 5000 + b"]" * 5000 + b"}]}"),
        _lying_zip(),
    ]
    for key, content in zip(keys[1:], broken, strict=False):
        ground.front.objects[key] = content
    ground.expect_less(3 * len(broken))
    ended = ground.run(SKIP)
    assert ended.code == 0 and len(ended.reasons) in (len(broken) - 1, len(broken)), ended.output
    assert ground.run(SKIP).events == []


def _lying_zip() -> bytes:
    """Return an archive whose member says that it is of another size."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("log", b"{}")
    return file.getvalue().replace(b"\x02\0\0\0\x02\0\0\0", b"\xff\xff\xff\xf0\xff\xff\xff\xf0")


def temporary_files_full(ground: Ground) -> None:
    """No room for temporary files: no object is to blame, and each is sent once there is room."""
    keys = ground.put(FEW)
    text = "x" * 50_000
    for key, level in ((keys[2], 0), (keys[-2], 9)):
        name = key.partition("T")[2].partition("Z")[0].rpartition("T")[2]
        events = [f"{name}-{number}" for number in range(_RECORDS)]
        ground.expect(events)
        records = [{"eventID": event, "text": text} for event in events]
        ground.front.objects[key] = gzip.compress(json.dumps({"Records": records}).encode(), level, mtime=0)
    for options in ((), (SKIP, "--remove"), (SKIP,)):
        ended = is_told(ground.run(*options, prefix=("prlimit", f"--fsize={16 * _MB}")), 7)
        assert "TMPDIR" in ended.output and ended.reasons == []
        assert {keys[2], keys[-2]} <= set(ground.front.objects)
    is_told(ground.run(SKIP), 0)


def memory_short(ground: Ground) -> None:
    """Too little memory for anything, then for threads and large values: a line says so, and no object is to blame."""
    keys = ground.put(FEW)
    record = {"eventID": "large", "list": [str(number) for number in range(200_000)]}
    ground.front.objects[keys[3]] = gzip.compress(json.dumps({"Records": [record]}).encode(), 1, mtime=0)
    ground.expect_less(3)
    for megabytes in (150, 300, 500, 700, 900, 1100, 1300):
        ended = ground.run(SKIP, prefix=("prlimit", f"--as={megabytes * _MB}"))
        # Seen once in 36 plays on a busy machine: native code that gets no memory is a kill.
        crashed = ended.code == -signal.SIGSEGV
        ground.kills += crashed
        assert crashed or ended.code in (0, 1, 5, 15), (megabytes, ended.code, ended.output)
        assert ended.reasons == [], (megabytes, ended.reasons)
        assert "Unknown error" not in ended.output and "Traceback" not in ended.output, (megabytes, ended.output)
    assert ground.run(SKIP).code == 0
