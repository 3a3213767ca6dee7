"""A store that is damaged at random places: what it says must be right, or an error."""

import collections
import contextlib
import random
import shutil
import sqlite3
from pathlib import Path

from rxdag import checkpoints
from rxdag.errors import CheckpointError

FILES = ("bars.db", "bars.db-wal", "bars.db-lock")
WEIGHTS = {"flip": 6, "cut": 2, "overwritten": 2}


def parts_of(number):
    """The parts of checkpoint `number`, small and large, so that pages of all kinds are in the file."""
    seeded = random.Random(number)
    return {f"node {n}": seeded.randbytes(size) for n, size in enumerate((0, 40, 900, 20_000, 150_000))}


def write(session, number):
    session.begin()
    for name, data in parts_of(number).items():
        session.put(name, data)
    return session.commit(graph=f"graph {number}", at_ns=number)


def settled(folder):
    """A store with checkpoints 3 and 4, and free pages; all of it in the database."""
    store = checkpoints.sqlite(folder / "bars.db")
    with store.open("bars") as session:
        session.begin()
        session.put("larger than the others", bytes(300_000))
        session.commit(graph="graph 1", at_ns=1)
        for number in (2, 3, 4):
            write(session, number)
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}


def in_the_log(folder):
    """The files of a run that was killed, with checkpoint 3 in the database and 4 in the log, since a reader was there."""
    store = checkpoints.sqlite(folder / "bars.db")
    with store.open("bars") as session:
        for number in (1, 2, 3):
            write(session, number)
        with contextlib.closing(sqlite3.connect(folder / "bars.db", isolation_level=None)) as reader:
            reader.execute("begin")
            reader.execute("select count(*) from checkpoint").fetchall()
            write(session, 4)
            return {name: (folder / name).read_bytes() for name in FILES}


def damaged(files, seeded):
    """A kind of damage, and the files with it."""
    kind = seeded.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
    name = seeded.choice([each for each in files if not each.endswith("-lock")])
    data = bytearray(files[name])
    at = seeded.randrange(len(data))
    if seeded.random() < 0.3:  # where the tables and their pages begin, which are few
        at = seeded.choice(range(0, len(data), 4096)) + min(seeded.randrange(120), 100)
    if kind == "flip":
        data[min(at, len(data) - 1)] ^= 1 << seeded.randrange(8)
    elif kind == "cut":
        del data[at if seeded.random() < 0.5 else at // 4096 * 4096 :]
    else:
        junk = seeded.randbytes(seeded.choice((4, 100, 5000, 20_000))) if seeded.random() < 0.7 else bytes(4096)
        data[at : at + len(junk)] = junk[: len(data) - at]
    return f"{kind} {name}", {**files, name: bytes(data)}


def lay(files, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def is_right(store, checkpoint):
    """Whether a checkpoint and its content are those that were written."""
    wanted = parts_of(checkpoint.id)
    facts = (checkpoint.graph, checkpoint.at_ns, checkpoint.is_done, checkpoint.bytes)
    size = sum(map(len, wanted.values()))
    return facts == (f"graph {checkpoint.id}", checkpoint.id, False, size) and store.read(checkpoint.id) == wanted


def outcome(files, folder):
    """What a store in damaged files says: "right", "error", "error with 3", or what is wrong with it."""
    lay(files, folder)
    store = checkpoints.sqlite(folder / "bars.db")
    said = set()
    for look in (store.latest, lambda: _opened(store)):
        try:
            checkpoint = look()
        except CheckpointError as error:
            if str(folder / "bars.db") not in str(error) or "\n" in str(error):
                return f"WRONG: {error}"
            if error.whole is not None and not is_right(store, checkpoints.Checkpoint(*facts_of(error.whole))):
                return f"WRONG: {error.whole} is not whole"
            said.add("error" if error.whole is None else f"error with {error.whole}")
        else:
            if checkpoint is None or checkpoint.id != 4 or not is_right(store, checkpoint):
                return f"WRONG: {checkpoint}"
            said.add("right")
    return _gone_back(files, folder) or " and ".join(sorted(said))


def facts_of(number):
    return number, number, False, sum(map(len, parts_of(number).values())), f"graph {number}"


def _opened(store):
    with store.open("bars") as session:
        return session.latest()


def _gone_back(files, folder):
    """What is wrong with a store that goes back; None if it goes back to what is whole, and goes on from there."""
    lay(files, folder)
    store = checkpoints.sqlite(folder / "bars.db", on_damage="previous")
    try:
        session = store.open("bars")
    except CheckpointError as error:
        return None if error.whole is None else f"WRONG: {error.whole} is whole: {error}"
    with session:
        checkpoint = session.latest()
        if checkpoint is not None and not is_right(store, checkpoint):
            return f"WRONG: back at {checkpoint}"
        number = session.begin()
        if number <= 4:
            return f"WRONG: {number} is used twice"
        session.abandon()
        write(session, 5)
    with store.open("bars") as session:
        if session.latest() is None or session.latest().id != 5 or not is_right(store, session.latest()):
            return f"WRONG: {session.latest()} was committed"
    return None


def trials(folder, count, seed=0):
    """The outcomes of damaging, each with the kinds of damage that led to it."""
    laid = []
    for make in (settled, in_the_log):
        made = Path(folder, make.__name__)
        made.mkdir()
        laid.append(make(made))
    found = collections.Counter()
    for n in range(count):
        kind, files = damaged(laid[n % 2], random.Random(f"{seed} {n}"))
        found[outcome(files, Path(folder, "trial")), kind] += 1
    return found
