"""The lock of a store: one run at a time, whatever the path is called, and free when its process is dead."""

import os
import re
import socket
import subprocess
import sys

import pytest

from rxdag import checkpoints
from rxdag.errors import CheckpointError, RxDagError
from tests.checkpoints.damage import parts_of, write

HOLDER = """
import sys
from rxdag import checkpoints
from tests.checkpoints.damage import parts_of, write
session = checkpoints.sqlite(sys.argv[1]).open("bars")
write(session, 1)
print("open", flush=True)
sys.stdin.read()
"""
FORKING = """
import os, sys
from rxdag import checkpoints
session = checkpoints.sqlite(sys.argv[1]).open("bars")
if os.fork() == 0:
    print("child", flush=True)
    sys.stdin.read()
    os._exit(0)
os.wait()
"""


@pytest.fixture
def hold(tmp_path):
    """Start a program that holds the store, and return it when it does."""
    started = []

    def hold(code=HOLDER):
        process = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "bars.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() in ("open\n", "child\n")
        return process

    yield hold
    for process in started:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()


def test_a_second_process_is_told_who_holds_the_store(tmp_path, hold):
    holder = hold()
    path = tmp_path / "bars.db"
    with pytest.raises(CheckpointError) as caught:
        checkpoints.sqlite(path).open("quotes")
    assert re.sub(r"since \S+Z;", "since *;", str(caught.value)) == (
        f'checkpoints "{path}": must be used by one run at a time, got dag "bars" in process {holder.pid} '
        f'on host "{socket.gethostname()}" since *; stop that run, or choose another path'
    )
    assert re.search(r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ;", str(caught.value))


def test_a_store_is_read_pinned_and_copied_while_another_process_holds_it(tmp_path, hold):
    hold()
    store = checkpoints.sqlite(tmp_path / "bars.db")
    assert store.latest().id == 1
    assert len(store.read(1)) == 5
    store.pin(1)
    assert [(each.id, each.is_pinned) for each in store.list()] == [(1, True)]
    store.backup(tmp_path / "copy.db")
    assert checkpoints.sqlite(tmp_path / "copy.db").read(1) == store.read(1)


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path, hold):
    holder = hold()
    holder.kill()
    holder.wait()
    with checkpoints.sqlite(tmp_path / "bars.db").open("quotes") as session:
        assert session.latest().id == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(tmp_path, hold):
    parent = hold(FORKING)
    with pytest.raises(CheckpointError, match=f"process {parent.pid} "):
        checkpoints.sqlite(tmp_path / "bars.db").open("quotes")
    parent.kill()
    parent.wait()
    # The child lives on: it waits for the end of its input.
    checkpoints.sqlite(tmp_path / "bars.db").open("quotes").close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_cannot_write(tmp_path):
    code = """
import os, sys
from rxdag import checkpoints
session = checkpoints.sqlite(sys.argv[1]).open("bars")
if os.fork() == 0:
    try:
        session.begin()
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    session.close()
    os._exit(0)
os.wait()
session.begin()
print(session.commit(graph="1f2e", at_ns=0).id, flush=True)
"""
    path = tmp_path / "bars.db"
    out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout
    refused, committed = out.splitlines()
    assert re.match(rf'{RxDagError.__name__} checkpoints "{path}": belongs to process \d+, and this is a fork', refused)
    assert committed == "1"


def test_all_paths_to_a_file_are_one_store(tmp_path, monkeypatch):
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    (tmp_path / "link.db").symlink_to(tmp_path / "state" / "bars.db")
    monkeypatch.chdir(tmp_path / "state")
    paths = ["bars.db", "../state/bars.db", "../link/bars.db", "../link.db", tmp_path / "state" / "bars.db"]
    for n, first in enumerate(paths, 1):
        with checkpoints.sqlite(first).open("bars") as session:
            for other in paths:
                with pytest.raises(CheckpointError, match='got dag "bars"'):
                    checkpoints.sqlite(other).open("quotes")
            assert write(session, n).id == n
    assert sorted(os.listdir(tmp_path / "state")) == ["bars.db", "bars.db-lock"]
    assert sorted(os.listdir(tmp_path)) == ["link", "link.db", "state"]


def test_a_session_stays_with_its_file_when_the_working_directory_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with checkpoints.sqlite("bars.db").open("bars") as session:
        write(session, 1)
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
        write(session, 2)
        assert session.read(2) == parts_of(2)
    assert os.listdir(tmp_path / "other") == []


@pytest.mark.parametrize("owner", ["x" * 100_000, "\ud800", 'a"b', "", "a\nb"])
def test_any_name_of_a_holder_is_shown_in_one_line(tmp_path, owner):
    store = checkpoints.sqlite(tmp_path / "bars.db")
    with store.open(owner), pytest.raises(CheckpointError) as caught:
        store.open("quotes")
    assert f"process {os.getpid()} on host" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refused_run_does_not_take_the_name_of_the_holder(tmp_path):
    store = checkpoints.sqlite(tmp_path / "bars.db")
    with store.open("bars"):
        for _ in range(2):
            with pytest.raises(CheckpointError, match='got dag "bars"'):
                store.open("quotes")


def test_a_session_that_is_forgotten_frees_the_lock(tmp_path):
    code = """
import gc, sys, warnings
from rxdag import checkpoints
warnings.simplefilter("ignore", ResourceWarning)
store = checkpoints.sqlite(sys.argv[1])
store.open("bars")
gc.collect()
store.open("quotes").close()
"""
    subprocess.run([sys.executable, "-c", code, tmp_path / "bars.db"], check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="does not delete a file that is open")
def test_of_two_runs_whose_lock_was_deleted_the_one_that_is_behind_writes_nothing_more(tmp_path):
    path = tmp_path / "bars.db"
    store = checkpoints.sqlite(path)
    with store.open("first") as first:
        write(first, 1)
        (tmp_path / "bars.db-lock").unlink()
        with store.open("second") as second:
            write(second, 2)
            with pytest.raises(CheckpointError) as caught:
                first.begin()
            assert str(caught.value) == (
                f'checkpoints "{path}": must be used by one run at a time, got checkpoint 2 of another run after 1 of this '
                "one; stop this run, and do not delete the -lock file of a run that is alive"
            )
            assert write(second, 3).id == 3
    assert [each.id for each in store.list()] == [2, 3]
    assert store.read(3) == parts_of(3)
