"""The file of a store: what it is made of, what stands in its way, and its copies."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rxdag import checkpoints
from rxdag.errors import CheckpointError, GraphError
from tests.checkpoints.damage import is_right, parts_of, write


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bars.db"


@pytest.fixture
def connections(monkeypatch):
    """All connections that are made, in their order."""
    made, connect = [], sqlite3.connect

    def remembered(*args, **named):
        made.append(connect(*args, **named))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", remembered)
    return made


def query(path, statement):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(statement).fetchall()


def refusal(call):
    with pytest.raises(CheckpointError) as caught:
        call()
    return str(caught.value)


def test_a_definition_touches_no_disk(tmp_path):
    checkpoints.sqlite(tmp_path / "state" / "bars.db")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", [None, 3, "", "a\0b", object()])
def test_the_path_is_checked_at_once(path):
    with pytest.raises(GraphError, match=r"checkpoints\.sqlite: path must"):
        checkpoints.sqlite(path)


def test_the_directory_is_made_and_nothing_stays_beside_the_file_but_the_lock(tmp_path):
    with checkpoints.sqlite(tmp_path / "a" / "b" / "bars.db").open("bars") as session:
        write(session, 1)
    assert sorted(os.listdir(tmp_path / "a" / "b")) == ["bars.db", "bars.db-lock"]


def test_the_file_says_what_it_is_and_is_written_durably(path, connections):
    with checkpoints.sqlite(path).open("bars"):
        writer = connections[-1]
        assert writer.execute("pragma journal_mode").fetchall() == [("wal",)]
        assert writer.execute("pragma synchronous").fetchall() == [(2,)]  # full
    assert query(path, "pragma journal_mode") == [("delete",)]  # closed, it can be read where nothing can be written
    assert query(path, "pragma application_id") == [(0x72786463,)]
    assert query(path, "pragma user_version") == [(1,)]


def test_no_blob_is_over_16_mb(path):
    data = bytes(range(256)) * 160_000  # 40.96 MB
    store = checkpoints.sqlite(path)
    with store.open("bars") as session:
        session.begin()
        session.put("a", b"1")
        session.put("large", data)
        session.put("b", b"2")
        assert session.commit(graph="1f2e", at_ns=0).bytes == 40_960_002
        assert session.read(1) == {"a": b"1", "large": data, "b": b"2"}
    assert query(path, "select name, length(data) from piece order by position") == [
        ("a", 1),
        ("large", 16_000_000),
        ("large", 16_000_000),
        ("large", 8_960_000),
        ("b", 1),
    ]


def test_the_space_of_old_checkpoints_is_used_again(path):
    sizes = []
    with checkpoints.sqlite(path, keep=2).open("bars") as session:
        for number in range(1, 12):
            write(session, number)
            sizes.append(path.stat().st_size)
    assert sizes[2] == sizes[-1] < 2.5 * sum(map(len, parts_of(1).values()))


def test_the_log_is_empty_behind_a_commit(path):
    with checkpoints.sqlite(path).open("bars") as session:
        write(session, 1)
        assert (path.parent / "bars.db-wal").stat().st_size == 0


def test_a_commit_does_not_wait_for_a_reader(path):
    store = checkpoints.sqlite(path)
    with store.open("bars") as session:
        write(session, 1)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("begin")
            assert reader.execute("select id from checkpoint").fetchall() == [(1,)]
            write(session, 2)
            assert reader.execute("select id from checkpoint").fetchall() == [(1,)]
            assert store.latest().id == 2
        write(session, 3)
    assert is_right(store, store.latest())


def test_what_is_no_store_is_one_clear_error(path, tmp_path):
    where = f'checkpoints "{path}"'
    store = checkpoints.sqlite(path)
    path.write_text("symbol,price\n" * 1000)
    no_database = (
        f"{where}: must be a store of checkpoints, got a file that is no SQLite database; "
        "choose another path, or restore a backup"
    )
    assert [refusal(store.latest), refusal(lambda: store.open("bars"))] == [no_database] * 2
    path.write_bytes(b"")
    empty = f"{where}: must be a store of checkpoints, got an empty file; restore a backup, or delete it"
    assert [refusal(store.latest), refusal(lambda: store.open("bars"))] == [empty] * 2
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("create table bars(price real)")
    other = f"{where}: must be a store of checkpoints, got another database; choose another path"
    assert [refusal(store.latest), refusal(lambda: store.open("bars"))] == [other] * 2
    assert query(path, "select count(*) from bars") == [(0,)]


def test_a_file_of_a_newer_format_asks_for_a_newer_rxdag(path):
    store = checkpoints.sqlite(path)
    with store.open("bars") as session:
        write(session, 1)
    query(path, "pragma user_version = 2")
    newer = f'checkpoints "{path}": must have format 1, got format 2; upgrade rxdag'
    for call in (store.latest, store.list, lambda: store.open("bars"), lambda: store.pin(1), lambda: store.backup("b")):
        assert refusal(call) == newer


def test_a_file_with_other_tables_is_damaged(path):
    store = checkpoints.sqlite(path)
    store.open("bars").close()
    query(path, "alter table piece rename column name to title")
    assert refusal(store.latest) == (
        f'checkpoints "{path}": must have the tables of format 1, got others: the file is damaged; '
        "restore a backup, or choose another path"
    )


def test_a_directory_is_no_file(tmp_path):
    store = checkpoints.sqlite(tmp_path)
    message = f'checkpoints "{tmp_path}": must be a file, got a directory; add a file name to the path'
    assert [refusal(store.latest), refusal(lambda: store.open("bars"))] == [message] * 2


def test_a_part_of_the_path_that_is_a_file_is_named(tmp_path):
    (tmp_path / "state").write_text("")
    path = tmp_path / "state" / "bars.db"
    message = f'checkpoints "{path}": a part of the path is a file; choose another path'
    assert refusal(lambda: checkpoints.sqlite(path).open("bars")) == message


@pytest.mark.parametrize("verb", ["latest", "list", "read", "pin", "backup", "fork"])
def test_what_reads_a_store_makes_none(path, verb):
    checkpoints.sqlite(path.with_name("bars2.db")).open("bars").close()
    store = checkpoints.sqlite(path)
    arguments = {"read": [1], "pin": [1], "backup": ["copy.db"], "fork": ["copy.db"]}.get(verb, [])
    assert refusal(lambda: getattr(store, verb)(*arguments)) == (
        f'checkpoints "{path}": must be a file that exists, got none; did you mean "{path.with_name("bars2.db")}"?'
    )
    assert not path.exists()


FORBIDDEN = {
    "a directory that may not be written to": (
        "folder",
        "permission denied; choose a file and a directory that you may write to",
    ),
    "a file that may not be written to": (
        "file",
        "the file, its directory or its disk is read-only; choose a path that you may write to",
    ),
    "a file that may not be read": (
        "unreadable",
        "the file cannot be opened; check that its directory exists and that you may write to both",
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="has other permissions")
@pytest.mark.parametrize("case", FORBIDDEN)
def test_a_store_without_permission_is_refused_with_the_fix(case):
    what, message = FORBIDDEN[case]
    code = """
import os, sys
import urllib.parse  # which pathlib imports late, when the interpreter's own files may be out of reach
from rxdag import checkpoints
from rxdag.errors import CheckpointError
if os.getuid() == 0:  # who may do all
    os.setgid(65534)
    os.setuid(65534)
try:
    with checkpoints.sqlite(sys.argv[1]).open("bars") as session:
        session.begin()
except CheckpointError as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name, "bars.db")
        if what != "folder":
            checkpoints.sqlite(path).open("bars").close()
            path.with_name("bars.db-lock").chmod(0o666)
            path.chmod(0o444 if what == "file" else 0)
        folder.chmod(0o555 if what == "folder" else 0o777)
        command = [sys.executable, "-c", code, path]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        folder.chmod(0o700)
    assert said == f'checkpoints "{path}": {message}\n'


def test_a_full_disk_ends_the_checkpoint_and_not_the_session(path, connections):
    store = checkpoints.sqlite(path)
    with store.open("bars") as session:
        writer = connections[-1]
        write(session, 1)
        ((pages,),) = writer.execute("pragma page_count").fetchall()
        writer.execute(f"pragma max_page_count = {pages + 2}").fetchall()  # SQLite says the same of a full disk
        session.begin()
        full = f'checkpoints "{path}": the disk is full; free some space or choose another disk'
        assert refusal(lambda: session.put("large", bytes(1_000_000))) == full
        assert "commit must come after begin" in refusal(lambda: session.commit(graph="", at_ns=0))
        assert session.latest().id == 1
        assert is_right(store, store.latest())
        writer.execute("pragma max_page_count = 1000000").fetchall()
        assert write(session, 2).id == 2
    assert is_right(store, store.latest())


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_a_disk_that_is_really_full_has_room_again_later(tmp_path):
    code = """
import os, sys
from rxdag import checkpoints
from rxdag.errors import CheckpointError
from tests.checkpoints.damage import is_right, write
folder = sys.argv[1]
store = checkpoints.sqlite(folder + "/bars.db")
with store.open("bars") as session:
    write(session, 1)
    for left in range(0, 600_000, 20_000):  # less and less room, so that each step of a checkpoint fails once
        with open(folder + "/other", "wb", 0) as other:
            try:
                while True:
                    other.write(bytes(4096))
            except OSError:
                pass
        os.truncate(folder + "/other", max(0, os.path.getsize(folder + "/other") - left))
        number = session.latest().id + 1
        try:
            write(session, number)
        except CheckpointError as error:
            print(error)
            assert session.latest().id == store.latest().id == number - 1
        assert is_right(store, store.latest())
        os.unlink(folder + "/other")
        write(session, session.latest().id + 1)
        assert is_right(store, store.latest())
"""
    mounted = 'mount -t tmpfs -o size=2m none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted, "sh", tmp_path, sys.executable]
    if shutil.which("unshare") is None or subprocess.run([*command[:4], "true"], check=False).returncode:
        pytest.skip("no disk may be mounted here")
    done = subprocess.run([*command, code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    where = f'checkpoints "{tmp_path}/bars.db"'
    assert f"{where}: the disk is full; free some space or choose another disk" in done.stdout.splitlines()


def test_a_kill_during_a_change_of_the_journal_mode_is_undone(path, tmp_path):
    with checkpoints.sqlite(path).open("bars") as session:
        write(session, 1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma cache_size = 1")
        db.execute("begin immediate")
        db.execute("update piece set data = zeroblob(length(data))")  # too large for the cache: it is in the file
        left = {name: (tmp_path / name).read_bytes() for name in ("bars.db", "bars.db-journal")}
    (tmp_path / "killed").mkdir()
    for name, data in left.items():
        (tmp_path / "killed" / name).write_bytes(data)
    store = checkpoints.sqlite(tmp_path / "killed" / "bars.db")
    with store.open("bars") as session:
        assert is_right(store, session.latest())
    assert sorted(os.listdir(tmp_path / "killed")) == ["bars.db", "bars.db-lock"]


def test_a_directory_that_vanishes_ends_the_checkpoint_and_not_the_session(tmp_path):
    folder, away = tmp_path / "state", tmp_path / "away"
    path = folder / "bars.db"
    message = f'checkpoints "{path}": must be the file that was opened, got another one or none; put it back, or restart the run'
    store = checkpoints.sqlite(path)
    with store.open("bars") as session:
        write(session, 1)
        session.begin()
        session.put("a", b"2")
        folder.rename(away)
        assert refusal(lambda: session.commit(graph="1f2e", at_ns=0)) == message
        assert refusal(session.begin) == message
        shutil.copytree(away, folder)  # another file: what is written to the opened one would be lost
        assert refusal(session.begin) == message
        shutil.rmtree(folder)
        away.rename(folder)
        assert session.latest().id == 1
        assert write(session, 2).id == 2
    assert is_right(store, store.latest())


def test_a_backup_is_one_whole_file_while_a_run_writes(path, tmp_path):
    store = checkpoints.sqlite(path)
    with store.open("bars") as session:
        write(session, 1)
        session.begin()
        session.put("large", bytes(3_000_000))
        store.backup(tmp_path / "copies" / "bars.db")
        session.commit(graph="graph 2", at_ns=2)
    assert os.listdir(tmp_path / "copies") == ["bars.db"]
    copy = checkpoints.sqlite(tmp_path / "copies" / "bars.db")
    assert [each.id for each in copy.list()] == [1]
    assert is_right(copy, copy.latest())
    assert [each.id for each in store.list()] == [1, 2]


def test_a_backup_replaces_nothing(path, tmp_path):
    store = checkpoints.sqlite(path)
    store.open("bars").close()
    (tmp_path / "copy.db").write_text("mine")
    for call in (store.backup, store.fork):
        assert refusal(lambda: call(tmp_path / "copy.db")) == (
            f'checkpoints "{path}": must be copied to a path where no file is, got "{tmp_path}/copy.db"; choose another one'
        )
    assert refusal(lambda: store.backup(path)) == (
        f'checkpoints "{path}": must be copied to a path where no file is, got "{path}"; choose another one'
    )
    assert (tmp_path / "copy.db").read_text() == "mine"
    with pytest.raises(GraphError, match="backup: to: path must be a text"):
        store.backup(3)


def test_a_backup_of_a_damaged_store_is_an_error_and_no_file(path, tmp_path):
    store = checkpoints.sqlite(path)
    with store.open("bars") as session:
        write(session, 1)
    query_and_commit(path, "delete from piece where position = 1")
    assert "the content of checkpoint 1 is damaged" in refusal(lambda: store.backup(tmp_path / "copy.db"))
    assert sorted(os.listdir(tmp_path)) == ["bars.db", "bars.db-lock"]


def query_and_commit(path, statement):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(statement)


def test_a_backup_begins_anew_behind_one_that_was_killed(path, tmp_path):
    store = checkpoints.sqlite(path)
    with store.open("bars") as session:
        write(session, 1)
    (tmp_path / "copy.db.part").write_text("half")
    (tmp_path / "copy.db.part-journal").write_text("half")
    store.backup(tmp_path / "copy.db")
    assert sorted(os.listdir(tmp_path)) == ["bars.db", "bars.db-lock", "copy.db"]
    assert is_right(store, checkpoints.sqlite(tmp_path / "copy.db").latest())


def test_a_fork_has_the_content_and_an_identity_of_its_own(path, tmp_path):
    store = checkpoints.sqlite(path, keep=3, on_damage="previous")
    with store.open("bars") as session:
        write(session, 1)
        write(session, 2)
        fork = store.fork(tmp_path / "fork.db")
        assert (fork.keep, fork.on_damage) == (3, "previous")
        with fork.open("shadow") as other:
            assert other.identity != session.identity
            assert [each.id for each in fork.list()] == [1, 2]
            assert is_right(fork, other.latest())
            assert write(other, 3).id == 3
        assert session.latest().id == 2
        assert [each.id for each in store.list()] == [1, 2]
