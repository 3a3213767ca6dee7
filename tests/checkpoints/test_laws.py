"""What every store holds to, in a file or in memory."""

import threading

import pytest

from rxdag import checkpoints
from rxdag.checkpoints import Checkpoint
from rxdag.errors import CheckpointError, GraphError


@pytest.fixture(params=["sqlite", "memory"])
def make(request, tmp_path):
    def make(**options):
        if request.param == "memory":
            return checkpoints.memory(**options)
        return checkpoints.sqlite(tmp_path / "bars.db", **options)

    return make


@pytest.fixture
def store(make):
    return make()


def where(store):
    return "checkpoints.memory" if isinstance(store, checkpoints.MemoryStore) else f'checkpoints "{store.path}"'


def commit(session, **parts):
    session.begin()
    for name, data in parts.items():
        session.put(name, data)
    return session.commit(graph="1f2e", at_ns=1_700_000_000_000_000_000)


def ids(store):
    return [checkpoint.id for checkpoint in store.list()]


def test_a_new_store_has_no_checkpoint(store):
    with store.open("bars") as session:
        assert session.latest() is None
        assert store.latest() is None
        assert store.list() == ()


def test_a_committed_checkpoint_is_read_by_the_next_session(store):
    with store.open("bars") as session:
        assert session.begin() == 1
        session.put("dedupe", b"state")
        session.put("bars", bytes(100))
        written = session.commit(graph="1f2e", at_ns=1_700_000_000_000_000_000)
    wanted = Checkpoint(id=1, at_ns=1_700_000_000_000_000_000, is_done=False, bytes=105, graph="1f2e")
    assert written == wanted
    with store.open("bars") as session:
        assert session.latest() == wanted
        assert list(session.read(1).items()) == [("dedupe", b"state"), ("bars", bytes(100))]


def test_the_mark_of_a_run_that_had_ended_is_kept(store):
    with store.open("bars") as session:
        session.begin()
        session.commit(graph="1f2e", at_ns=0, is_done=True)
    with store.open("bars") as session:
        assert session.latest() == Checkpoint(id=1, at_ns=0, is_done=True, bytes=0, graph="1f2e")


@pytest.mark.parametrize("name", ["a", "node A / kernel", "Größe", "名", 'a"b', "a'b", "%s"])
@pytest.mark.parametrize("data", [b"", b"\0", bytes(range(256))])
def test_a_part_returns_byte_for_byte_under_its_name(store, name, data):
    with store.open("bars") as session:
        commit(session, **{name: data})
        assert session.read(1) == {name: data}


def test_the_newest_checkpoints_remain(make):
    store = make(keep=3)
    with store.open("bars") as session:
        for n in range(1, 6):
            commit(session, a=b"%d" % n)
            assert ids(store) == list(range(max(1, n - 2), n + 1))
        assert [store.read(n)["a"] for n in (3, 4, 5)] == [b"3", b"4", b"5"]


def test_one_checkpoint_remains_if_no_more_are_kept(make):
    store = make(keep=1)
    with store.open("bars") as session:
        commit(session, a=b"1")
        session.begin()
        assert session.latest().id == 1
        assert session.read(1) == {"a": b"1"}
        session.abandon()
        commit(session, a=b"2")
    assert ids(store) == [2]


def test_a_pinned_checkpoint_remains_until_it_is_unpinned(store):
    with store.open("bars") as session:
        commit(session, a=b"1")
        store.pin(1)
        for n in (2, 3, 4):
            commit(session, a=b"%d" % n)
        assert [(each.id, each.is_pinned) for each in store.list()] == [(1, True), (3, False), (4, False)]
        assert store.read(1) == {"a": b"1"}
        store.unpin(1)
        assert [(each.id, each.is_pinned) for each in store.list()] == [(1, False), (3, False), (4, False)]
        commit(session, a=b"5")
        assert ids(store) == [4, 5]


def test_a_checkpoint_that_is_not_committed_leaves_nothing(store):
    with store.open("bars") as session:
        commit(session, a=b"1")
        assert session.begin() == 2
        session.put("b", b"2")
        session.abandon()
        assert session.begin() == 2
        session.put("b", b"3")
        assert session.begin() == 2
        session.put("c", b"4")
        session.commit(graph="1f2e", at_ns=0)
        assert session.read(2) == {"c": b"4"}
        session.begin()
        session.put("d", b"5")
    with store.open("bars") as session:
        assert session.latest().id == 2
        assert ids(store) == [1, 2]


def test_ids_go_on_in_the_next_session(store):
    for n in (1, 2, 3, 4):
        with store.open("bars") as session:
            assert commit(session).id == n


def test_the_identity_of_a_store_stays(store):
    with store.open("bars") as session:
        first = session.identity
    with store.open("bars") as session:
        assert session.identity == first != ""


def test_a_second_run_is_refused_until_the_first_has_closed(store):
    first = store.open("bars")
    with pytest.raises(CheckpointError, match='must be used by one run at a time, got dag "bars"'):
        store.open("quotes")
    first.close()
    store.open("quotes").close()


def test_closing_twice_does_not_free_the_lock_of_another(store):
    first = store.open("bars")
    first.close()
    with store.open("quotes"):
        first.close()
        with pytest.raises(CheckpointError, match='got dag "quotes"'):
            store.open("bars")


@pytest.mark.parametrize("verb", ["begin", "put", "commit", "abandon"])
def test_a_closed_session_is_refused(store, verb):
    session = store.open("bars")
    session.close()
    calls = {
        "begin": session.begin,
        "put": lambda: session.put("a", b""),
        "commit": lambda: session.commit(graph="", at_ns=0),
        "abandon": session.abandon,
    }
    with pytest.raises(CheckpointError) as caught:
        calls[verb]()
    assert str(caught.value) == f"{where(store)}: {verb} must come before close; open the store again"


@pytest.mark.parametrize("verb", ["put", "commit"])
def test_a_checkpoint_must_begin_first(store, verb):
    with store.open("bars") as session:
        commit(session)
        with pytest.raises(CheckpointError) as caught:
            session.put("a", b"") if verb == "put" else session.commit(graph="", at_ns=0)
    assert str(caught.value) == (
        f"{where(store)}: {verb} must come after begin; a put or commit that fails ends the checkpoint"
    )


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("", b"", "name of a part must be a printable text, got ''"),
        ("a\nb", b"", r"name of a part must be a printable text, got 'a\nb'"),
        ("\ud800", b"", r"name of a part must be a printable text, got '\ud800'"),
        (3, b"", "name of a part must be a printable text, got 3"),
        ("a", b"", 'each part must have a name of its own, got "a" twice'),
        ("b", "text", 'part "b" must be bytes, got a str'),
    ],
)
def test_a_part_that_is_refused_ends_the_checkpoint_and_not_the_session(store, name, data, message):
    with store.open("bars") as session:
        session.begin()
        session.put("a", b"1")
        with pytest.raises(CheckpointError) as caught:
            session.put(name, data)
        assert str(caught.value) == f"{where(store)}: {message}"
        with pytest.raises(CheckpointError, match="commit must come after begin"):
            session.commit(graph="", at_ns=0)
        assert commit(session, a=b"2").id == 1


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"graph": None}, "graph must be a printable text, got None"),
        ({"graph": "\ud800"}, r"graph must be a printable text, got '\ud800'"),
        ({"at_ns": 2**63}, "at_ns must be a whole number of ns since the epoch, got 9223372036854775808"),
        ({"at_ns": 1.5}, "at_ns must be a whole number of ns since the epoch, got 1.5"),
        ({"is_done": 1}, "is_done must be True or False, got 1"),
    ],
)
def test_facts_that_could_not_be_returned_are_refused(store, facts, message):
    with store.open("bars") as session:
        session.begin()
        with pytest.raises(CheckpointError) as caught:
            session.commit(**{"graph": "1f2e", "at_ns": 0, **facts})
        assert str(caught.value) == f"{where(store)}: {message}"
        assert store.list() == ()
        assert commit(session).id == 1


@pytest.mark.parametrize("verb", ["read", "pin", "unpin"])
@pytest.mark.parametrize("number", [0, 1, 4, "2", None])
def test_an_unknown_id_is_refused_with_the_known_ones(store, verb, number):
    with store.open("bars") as session:
        for _ in range(3):
            commit(session)
    with pytest.raises(CheckpointError) as caught:
        getattr(store, verb)(number)
    assert str(caught.value) == f"{where(store)}: id must be that of a checkpoint in it (2, 3), got {number!r}"


def test_checkpoints_are_written_by_other_threads_than_the_one_that_opened(store):
    with store.open("bars") as session:

        def write(n):
            commit(session, a=b"%d" % n)

        for n in (1, 2, 3):
            thread = threading.Thread(target=write, args=(n,))
            thread.start()
            thread.join()
        assert session.latest().id == 3
        assert session.read(3) == {"a": b"3"}


def test_reading_beside_a_writer_sees_whole_checkpoints_only(store):
    with store.open("bars") as session:
        commit(session, a=b"1", b=b"1")

        def write():
            for n in range(2, 30):
                commit(session, a=b"%d" % n, b=b"%d" % n)

        thread = threading.Thread(target=write)
        thread.start()
        seen, refused = [store.latest().id], set()
        while thread.is_alive():
            for checkpoint in store.list():
                try:
                    parts = store.read(checkpoint.id)
                except CheckpointError as error:
                    refused.add(str(error).partition(" (")[0])
                else:
                    assert parts == {"a": b"%d" % checkpoint.id, "b": b"%d" % checkpoint.id}
            seen.append(store.latest().id)
        thread.join()
    assert seen == sorted(seen)
    assert refused <= {f"{where(store)}: id must be that of a checkpoint in it"}  # deleted meanwhile
    assert ids(store) == [28, 29]


@pytest.mark.parametrize("keep", [0, -1, 1.5, "2", True, None])
def test_the_number_to_keep_is_checked_at_once(make, keep):
    with pytest.raises(GraphError, match="keep must be"):
        make(keep=keep)
