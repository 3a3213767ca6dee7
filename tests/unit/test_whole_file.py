"""Files that are there whole or not at all: links, devices, modes, what a killed run has left, and power loss."""

import errno
import gzip
import os
import signal
import stat
import subprocess
import sys

import pytest

import rxdag
from rxdag import NodeError, sinks, sources

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links, modes and devices are those of POSIX")
MAKES = pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl, sinks.parquet])


def write(sink, items=(1, 2)):
    rxdag.run(rxdag.from_source(sources.iterable(list(items))).to(sink, name="out"))


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@MAKES
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_replaced(tmp_path, make, exists):
    folder = tmp_path / "deep"
    folder.mkdir()
    target = folder / "target"
    if exists:
        target.write_text("old")
    (tmp_path / "second").symlink_to(target)
    (tmp_path / "first").symlink_to("second")
    write(make(tmp_path / "first"))
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert target.read_bytes() not in (b"", b"old")
    assert names_in(folder) == ["target"]
    assert names_in(tmp_path) == ["deep", "first", "second"]


def test_a_link_to_itself_is_an_error_that_names_it(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(NodeError, match='sink "out": csv: cannot write ".*loop": Too many levels of symbolic links'):
        write(sinks.csv(tmp_path / "loop"))


@MAKES
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode_and_owner(tmp_path, make, mode):
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(mode)
    if os.getuid() == 0:
        os.chown(path, 1234, 4321)
    owner = (path.stat().st_uid, path.stat().st_gid)
    write(make(path))
    assert path.read_bytes() != b"old"
    assert mode_of(path) == mode
    assert (path.stat().st_uid, path.stat().st_gid) == owner


def test_data_of_a_private_file_is_private_while_it_is_written(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(0o600)
    seen = []

    def look(_):
        seen.append({each.name: oct(mode_of(each)) for each in tmp_path.iterdir()})

    numbers = rxdag.from_source(sources.range(1))
    rxdag.run(numbers.to(sinks.csv(path)), numbers.to(sinks.call(look)))
    assert len(seen[0]) == 2
    assert set(seen[0].values()) == {"0o600"}


@MAKES
def test_a_new_file_has_the_mode_of_the_umask_which_no_sink_changes(tmp_path, make, monkeypatch):
    before = os.umask(0o027)
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("a sink changed the umask"))
    try:
        write(make(tmp_path / "x"))
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert mode_of(tmp_path / "x") == 0o640


def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "x").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everything
    with pytest.raises(NodeError, match="Permission denied; choose a file and a directory that you may write to"):
        write(sinks.csv(tmp_path / "x"))
    assert (tmp_path / "x").read_text() == "old"


@MAKES
@pytest.mark.parametrize("name", ["fifo", "fifo.gz", "link"])
def test_a_fifo_is_written_through(tmp_path, make, name):
    if name == "link":
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "link").symlink_to("fifo")
    else:
        os.mkfifo(tmp_path / name)
    before = names_in(tmp_path)
    end = os.open(tmp_path / name, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(make(tmp_path / name))
        got = os.read(end, 1 << 16)
    finally:
        os.close(end)
    if name == "fifo.gz" and make is not sinks.parquet:
        got = gzip.decompress(got)
    assert got[:4] == {sinks.csv: b"valu", sinks.jsonl: b"1\n2\n", sinks.parquet: b"PAR1"}[make]
    assert names_in(tmp_path) == before
    assert stat.S_ISFIFO((tmp_path / name).stat().st_mode)


def test_a_fifo_that_nobody_reads_is_an_error_and_not_a_wait(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NodeError, match='cannot write ".*fifo": No such device or address; start its reader'):
        write(sinks.csv(tmp_path / "fifo"))


@MAKES
def test_a_device_is_written_through(make):
    write(make(os.devnull))
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_the_standard_output_is_written_through_where_it_is_a_file(tmp_path):
    code = (
        "import rxdag; from rxdag import sinks, sources\n"
        "print('before', flush=True); rxdag.run(rxdag.from_source(sources.range(2)).to(sinks.jsonl('/dev/stdout')))"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "before\n0\n1\n"


# ---- what a killed run has left

KILLED = """
import os, signal, sys, rxdag
from rxdag import sinks, sources
def kill(x):
    os.kill(os.getpid(), signal.SIGKILL)
numbers = rxdag.from_source(sources.range(3))
rxdag.run(numbers.to(getattr(sinks, sys.argv[1])(sys.argv[2])), numbers.to(sinks.call(kill)))
"""


@MAKES
def test_the_next_run_removes_what_killed_ones_have_left(tmp_path, make):
    for name in ("x[1].csv", "of yesterday"):
        done = subprocess.run([sys.executable, "-c", KILLED, make.__name__, str(tmp_path / name)])
        assert done.returncode == -signal.SIGKILL
        assert len(names_in(tmp_path)) == 1
    write(make(tmp_path / "today"))
    assert names_in(tmp_path) == ["today"]


def test_a_run_leaves_alone_what_others_write_now_and_files_that_only_look_alike(tmp_path):
    path = tmp_path / "x"
    alike = [".x.12345678.part", ".x.rxdag.part", "x.12345678.rxdag.part", ".x.1234567890.rxdag.part"]
    for name in alike:
        (tmp_path / name).write_text("mine")
    ingress = sources.ingress()
    run = rxdag.start(rxdag.from_source(ingress).to(sinks.csv(path)))
    ingress.push("first")
    write(sinks.csv(path), ["second"])
    assert path.read_text() == "value\nsecond\n"
    assert run.drain().state == "completed"
    assert path.read_text() == "value\nfirst\n"
    assert names_in(tmp_path) == sorted([*alike, "x"])


@pytest.mark.timeout(20)
def test_nothing_is_made_followed_or_waited_for_where_parts_are_removed(tmp_path):
    folder, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    folder.mkdir()
    os.mkfifo(folder / ".x.00000000.rxdag.part")
    (folder / ".y.00000000.rxdag.part").symlink_to(elsewhere)
    (folder / ".z.00000000.rxdag.part").mkdir()
    write(sinks.csv(folder / "a"))
    assert not elsewhere.exists()
    assert names_in(folder) == [f".{name}.00000000.rxdag.part" for name in "xyz"] + ["a"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOTSUP])
def test_a_file_whose_owner_cannot_be_set_is_written_all_the_same(tmp_path, monkeypatch, number):
    def refuses(*_):
        raise OSError(number, os.strerror(number))

    (tmp_path / "x").write_text("old")
    monkeypatch.setattr(os, "chown", refuses)
    write(sinks.csv(tmp_path / "x"))
    assert (tmp_path / "x").read_text() == "value\n1\n2\n"


# ---- power loss


@MAKES
def test_the_file_is_synced_before_it_has_its_name_and_the_folders_after(tmp_path, make, monkeypatch):
    synced, fsync = [], os.fsync

    def watched(fd):
        name = os.readlink(f"/proc/self/fd/{fd}")
        synced.append(("part" if name.endswith(".part") else os.path.relpath(name, tmp_path), os.path.exists(path)))
        return fsync(fd)

    path = tmp_path / "new" / "deep" / "x"
    monkeypatch.setattr(os, "fsync", watched)
    write(make(path))
    assert synced == [("part", False), ("new/deep", True), ("new", True), (".", True)]


def test_a_file_system_that_cannot_sync_folders_is_none_the_worse(tmp_path, monkeypatch):
    fsync = os.fsync

    def of_files_only(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(22, "Invalid argument")
        return fsync(fd)

    monkeypatch.setattr(os, "fsync", of_files_only)
    write(sinks.csv(tmp_path / "x"))
    assert names_in(tmp_path) == ["x"]
