"""Runs on two copies of one state: the later one is refused by the sinks that the other has written to since."""

import contextlib
import shutil
import sqlite3

import pyarrow.parquet as pq
import pytest

import rxdag
from rxdag import checkpoints, sinks, sources
from rxdag import operators as ops
from rxdag.engine.drivers import VirtualClock
from rxdag.runtime import Execution
from rxdag.runtime._recovery import Recovery, begun
from rxdag.testing import settle_virtual

ITEMS = 60


class Killed(Exception):
    """The process is gone."""


def life(sink, state, *, every, end=None, quiet=()):
    """Run a job on a state until an item ends it, with a checkpoint behind each `every` items; without rows for the quiet ones."""
    made = None

    def note(n):
        if n == end:
            raise Killed
        if n % every == 0:
            made.checkpointing.request()
        return {"n": n}

    rows = rxdag.from_source(sources.range(1, ITEMS), name="rows").pipe(ops.map(note), name="note")
    rows = rows.pipe(ops.filter(lambda row: row["n"] not in quiet))
    dag = rxdag.Dag(rows.to(sink, name="out"), name="job")
    made = Execution(rxdag.compile(dag), VirtualClock(), quantum=1)
    begun(made, Recovery.of(checkpoints.sqlite(state, keep=2), {"every": "1h"}, "run"))
    return settle_virtual(made)


def copy(state, to):
    """Copy a state that no process has open."""
    for path in to.parent.glob(f"{to.name}*"):
        path.unlink()
    shutil.copy(state, to)


def numbers_in_files(folder):
    lines = [line for path in sorted(folder.glob("out*.jsonl")) for line in path.read_text().splitlines()]
    return [int(line.removeprefix('{"n":').removesuffix("}")) for line in lines]


def numbers_in_table(folder):
    with contextlib.closing(sqlite3.connect(folder / "out.db")) as db:
        return [n for (n,) in db.execute("select n from out order by rowid")]


SINKS = {
    "file": (lambda folder: sinks.jsonl(folder / "out.jsonl"), numbers_in_files),
    "numbered by checkpoint": (lambda folder: sinks.jsonl(folder / "out.jsonl", roll="checkpoint"), numbers_in_files),
    "numbered by size": (lambda folder: sinks.jsonl(folder / "out.jsonl", roll=60), numbers_in_files),
    "table": (lambda folder: sinks.sqlite(folder / "out.db", "out"), numbers_in_table),
    "numbered parquet": (
        lambda folder: sinks.parquet(folder / "out.parquet", roll=2_000),
        lambda folder: [
            n for path in sorted(folder.glob("out*.parquet")) for n in pq.read_table(path)["n"].to_pylist()
        ],
    ),
    "upserted table": (lambda folder: sinks.sqlite(folder / "out.db", "out", upsert=("n",)), numbers_in_table),
}
WHOLE = list(range(1, ITEMS))


def outcome(run):
    """Return what a life gives, or the message with which it is refused."""
    try:
        result = run()
    except (rxdag.RxDagError, Killed) as error:
        return str(error)
    return "completed" if result.error is None else str(result.error)


@pytest.fixture(params=SINKS)
def job(request, tmp_path):
    """A function that runs a life of a job on a state, and one that returns the numbers in its output."""
    make, numbers = SINKS[request.param]
    return (lambda state, **how: outcome(lambda: life(make(tmp_path), tmp_path / state, **how))), lambda: numbers(
        tmp_path
    )


def test_a_run_that_failed_continues_also_if_a_file_of_its_checkpoint_was_completed_since(job):
    run, numbers = job
    assert [run("a", every=7, end=end) for end in (23, 33, 45)] == [
        f'node "note" failed on {end}: Killed: ' for end in (23, 33, 45)
    ]
    assert run("a", every=7) == "completed"
    assert numbers() == WHOLE


def test_an_older_copy_that_is_put_back_is_refused_or_gives_the_whole_output(job, tmp_path):
    run, numbers = job
    run("a", every=5, end=23)
    copy(tmp_path / "a", tmp_path / "b")
    run("a", every=7, end=41)
    copy(tmp_path / "a", tmp_path / "newer")
    copy(tmp_path / "b", tmp_path / "a")
    told = run("a", every=5)
    if told != "completed":
        assert "must end before number" in told or "was written by another run of this dag" in told
        assert run("newer", every=7) == "completed"  # the refused start has changed nothing
    assert numbers() == WHOLE


def test_two_copies_that_run_in_turn_give_the_whole_output_or_the_later_one_is_refused(job, tmp_path):
    run, numbers = job
    run("a", every=5, end=23)
    copy(tmp_path / "a", tmp_path / "b")
    told = [run("a", every=7, end=33), run("b", every=4, end=37), run("a", every=7, end=50), run("b", every=4)]
    told.append(run("a", every=7))
    assert "completed" in told
    assert numbers() == WHOLE


def test_a_newer_copy_is_refused_once_an_older_one_has_gone_on_in_its_place(tmp_path):
    """The last checkpoint of the newer copy covers no file that waits for its name: no rows come from 30 to 49."""

    def run(state, **how):
        sink = sinks.jsonl(tmp_path / "out.jsonl", roll="checkpoint")
        return outcome(lambda: life(sink, tmp_path / state, quiet=range(30, 50), **how))

    def files():
        return sorted(path.name for path in tmp_path.glob("out-*.jsonl"))

    run("a", every=5, end=13)
    copy(tmp_path / "a", tmp_path / "b")
    run("a", every=5, end=45)
    assert files() == [f"out-00000{n}.jsonl" for n in (1, 2, 3, 4, 5, 6)]
    assert "must end before number 3" in run("b", every=4)
    for n in (3, 4, 5, 6):
        (tmp_path / f"out-00000{n}.jsonl").unlink()
    assert "failed on 18" in run("b", every=4, end=18)
    assert files() == [f"out-00000{n}.jsonl" for n in (1, 2, 3, 4)]
    assert run("a", every=5) == (
        f'sink "out": jsonl: "{tmp_path}/out-000004.jsonl" must be the file that the run of the checkpoint has made, got '
        "that of a run on another copy of its checkpoints; continue that run, or start over"
    )
    assert run("b", every=4) == "completed"
    assert numbers_in_files(tmp_path) == [*range(1, 30), *range(50, ITEMS)]
