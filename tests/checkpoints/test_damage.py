"""A damaged store: what is read is right, or an error that names the file and the checkpoint that is whole."""

import contextlib
import shutil
import sqlite3

import pytest

from rxdag import checkpoints
from rxdag.errors import CheckpointError, GraphError
from tests.checkpoints.damage import in_the_log, is_right, lay, settled, trials, write


def test_damage_is_never_taken_for_content(tmp_path):
    found = trials(tmp_path, 300)
    assert [said for said, _ in found if said.startswith("WRONG")] == []
    # Damage of each kind was found, with an older checkpoint to go on from, and without one.
    said = {said for said, _ in found}
    assert {"right", "error", "error with 3", "error with 4 and right"} <= said
    assert ("error with 3", "flip bars.db-wal") in found


@pytest.fixture
def path(tmp_path):
    """A store with checkpoints 3 and 4."""
    settled(tmp_path)
    return tmp_path / "bars.db"


def change(path, statement, *values):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(statement, values)


CHANGES = {
    "update piece set data = zeroblob(40) where checkpoint = 4 and position = 1": "the content of checkpoint 4 is damaged",
    "update piece set name = 'node 7' where checkpoint = 4 and position = 1": "the content of checkpoint 4 is damaged",
    "update piece set data = 'text' where checkpoint = 4 and position = 1": "the content of checkpoint 4 is damaged",
    "delete from piece where checkpoint = 4 and position = 0": "the content of checkpoint 4 is damaged",
    "update piece set position = 9 where checkpoint = 4 and position = 1": "the content of checkpoint 4 is damaged",
    "update checkpoint set at_ns = 5 where id = 4": "the row of checkpoint 4 is damaged",
    "update checkpoint set graph = 'other' where id = 4": "the row of checkpoint 4 is damaged",
    "update checkpoint set is_done = 1 where id = 4": "the row of checkpoint 4 is damaged",
    "update checkpoint set is_pinned = 1 where id = 4": "the row of checkpoint 4 is damaged",
    "update checkpoint set id = 5 where id = 4": "checkpoint 4 is missing",
    "delete from checkpoint where id = 4": "checkpoint 4 is missing",
    "delete from store": "the row of the store is damaged",
    "update store set identity = 'other'": "the row of the store is damaged",
    "update store set last = 3": "the row of the store is damaged",
}


@pytest.mark.parametrize("statement", CHANGES)
def test_a_changed_row_is_an_error_that_names_the_checkpoint_that_is_whole(path, statement):
    change(path, statement)
    number = 4 if "store" in statement else 3
    for look in (checkpoints.sqlite(path).latest, lambda: checkpoints.sqlite(path).open("bars")):
        with pytest.raises(CheckpointError) as caught:
            look()
        assert str(caught.value) == (
            f'checkpoints "{path}": must be undamaged, got damage: {CHANGES[statement]}; '
            f'checkpoint {number} is whole, and on_damage="previous" goes on from it'
        )
        assert caught.value.whole == number


def test_without_a_whole_checkpoint_the_error_says_so(path):
    change(path, "update piece set data = zeroblob(1) where position = 1")
    for on_damage in ("raise", "previous"):
        with pytest.raises(CheckpointError) as caught:
            checkpoints.sqlite(path, on_damage=on_damage).open("bars")
        assert str(caught.value) == (
            f'checkpoints "{path}": must be undamaged, got damage: the content of checkpoint 4 is damaged; '
            "restore a backup, or choose another path to start over"
        )
        assert caught.value.whole is None


def test_reading_a_damaged_checkpoint_names_the_one_that_is_whole(path):
    change(path, "delete from piece where checkpoint = 3 and position = 2")
    store = checkpoints.sqlite(path)
    assert store.latest().id == 4
    with pytest.raises(CheckpointError) as caught:
        store.read(3)
    assert str(caught.value) == (
        f'checkpoints "{path}": must be undamaged, got damage: the content of checkpoint 3 is damaged; '
        'checkpoint 4 is whole, and on_damage="previous" goes on from it'
    )


def test_a_store_goes_back_to_the_previous_checkpoint_if_it_is_told(path):
    change(path, "update piece set data = zeroblob(40) where checkpoint = 4 and position = 1")
    store = checkpoints.sqlite(path, on_damage="previous")
    assert store.latest().id == 3
    with store.open("bars") as session:
        assert is_right(session, session.latest())
        assert [each.id for each in store.list()] == [3]
        assert write(session, 5).id == 5  # and not 4, which sinks may have seen
    assert [each.id for each in checkpoints.sqlite(path).list()] == [3, 5]


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("delete from piece where checkpoint = 5", [(1, True), (4, False)]),
        ("delete from store", [(1, True), (4, False), (5, False)]),
    ],
)
def test_going_back_keeps_the_identity_and_pinned_checkpoints(tmp_path, statement, left):
    store = checkpoints.sqlite(tmp_path / "bars.db", on_damage="previous")
    with store.open("bars") as session:
        identity = session.identity
        for number in range(1, 6):
            write(session, number)
            if number == 1:
                store.pin(1)
    change(store.path, statement)
    with store.open("bars") as session:
        assert session.identity == identity
        assert [(each.id, each.is_pinned) for each in store.list()] == left
        assert session.begin() == 6


def test_a_damaged_store_is_not_changed_by_an_error(tmp_path):
    (tmp_path / "made").mkdir()
    files = in_the_log(tmp_path / "made")
    log = bytearray(files["bars.db-wal"])
    log[5000] ^= 1
    files["bars.db-wal"] = bytes(log)
    lay(files, tmp_path / "trial")
    for _ in range(2):
        with pytest.raises(CheckpointError, match="checkpoint 4 is missing; checkpoint 3 is whole"):
            checkpoints.sqlite(tmp_path / "trial" / "bars.db").open("bars")
    assert {name: (tmp_path / "trial" / name).read_bytes() for name in ("bars.db", "bars.db-wal")} == {
        "bars.db": files["bars.db"],
        "bars.db-wal": files["bars.db-wal"],
    }


def test_a_store_that_was_replaced_by_an_older_one_is_an_error(path, tmp_path):
    shutil.copy(path, tmp_path / "older.db")
    with checkpoints.sqlite(path).open("bars") as session:
        write(session, 5)
    shutil.copy(tmp_path / "older.db", path)
    with pytest.raises(CheckpointError, match="got damage: checkpoint 5 is missing; checkpoint 4 is whole"):
        checkpoints.sqlite(path).open("bars")
    with checkpoints.sqlite(path, on_damage="previous").open("bars") as session:
        assert session.latest().id == 4
        assert session.begin() == 6


def test_a_store_that_was_deleted_begins_anew_whatever_is_left_of_it(tmp_path):
    (tmp_path / "made").mkdir()
    files = in_the_log(tmp_path / "made")
    del files["bars.db"]
    assert len(files["bars.db-wal"]) > 100_000
    lay(files, tmp_path / "trial")
    with checkpoints.sqlite(tmp_path / "trial" / "bars.db").open("bars") as session:
        assert session.latest() is None
        assert session.begin() == 1


@pytest.mark.parametrize("on_damage", ["ignore", "", None, True, 3])
def test_the_policy_for_damage_is_checked_at_once(on_damage):
    with pytest.raises(GraphError) as caught:
        checkpoints.sqlite("bars.db", on_damage=on_damage)
    assert str(caught.value) == (f'checkpoints.sqlite: on_damage must be "raise" or "previous", got {on_damage!r}')
