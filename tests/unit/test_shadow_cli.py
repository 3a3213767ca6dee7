"""`rxdag run --shadow`: a changed job goes on with the state of a killed one, beside it, and changes nothing of it."""

import asyncio
import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import rxdag
from rxdag import checkpoints, sinks, sources
from rxdag import operators as ops
from rxdag.cli._load import Loaded
from rxdag.cli._shadow import shadowed
from rxdag.cli._state import node_state
from rxdag.errors import CheckpointError
from rxdag.runtime import Shadow

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

JOB = """
import os, signal
import rxdag
from rxdag import aggregates as agg, operators as ops, sinks, sources, windows

def seen(i):
    life = os.environ.get("LIFE")
    if life == "first" and i == 2_000:
        os.kill(os.getpid(), signal.SIGTERM)  # takes a checkpoint
    if life == "second" and i == 9_000:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"ts": i, "i": i}

numbers = rxdag.from_source(sources.range(12_000), name="numbers").pipe(ops.map(seen), name="seen")
timed = numbers.pipe(ops.event_time("ts", unit="ms"), name="time")
sums = timed.pipe(ops.window_all(windows.tumbling("1s"), agg.sum("i")), name="sums")
dag = rxdag.Dag(
    sums.to(sinks.csv("out/sums.csv"), name="csv"),
    sums.buffered(max_items=4).on("files").to(sinks.jsonl("out/deep/sums.jsonl.gz", roll="checkpoint"), name="rolled"),
    sums.to(sinks.sqlite("out/sums.db", "sums"), name="table"),
    name="job",
)
"""


def command(folder, *words, life=""):
    done = subprocess.run(
        [sys.executable, "-m", "rxdag.cli", *words], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "LIFE": life}, timeout=100,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def job(tmp_path):
    """A folder with a job that was killed half way, behind a checkpoint."""
    (tmp_path / "job.py").write_text(JOB)
    run = ("run", "job.py", "--checkpoints", "job.state", "--every", "1h", "--quiet")
    assert command(tmp_path, *run, life="first")[0] == 143
    assert command(tmp_path, *run, life="second")[0] == -signal.SIGKILL
    return tmp_path


def content(folder):
    """Return the bytes of all files that a job has made."""
    paths = [*folder.glob("job.state*"), *(folder / "out").rglob("*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


def rows(path):
    with path.open() as file:
        return [(row["start"], row["value"]) for row in csv.DictReader(file)]


def test_a_changed_job_is_compared_with_the_old_one_and_neither_touches_the_original(job):
    before = content(job)
    (job / "new.py").write_text(JOB.replace('agg.sum("i")', "agg.sum('i')"))
    (job / "wrong.py").write_text(JOB.replace('"i": i}', '"i": i + (i == 7_500)}'))
    for name, into in (("job", "old"), ("new", "new"), ("wrong", "wrong")):
        assert command(job, "run", f"{name}.py", "--shadow", "job.state", "--into", into, "--quiet") == (0, "", "")
    assert content(job) == before
    code, out, _ = command(job, "diff", "old", "new")
    assert (code, out.count("equal")) == (0, 3)
    code, out, _ = command(job, "diff", "old", "wrong")
    assert code == 1
    assert out.count("1 line differs") == 3
    assert "7499500" in out
    assert "7499501" in out


def test_the_shadow_has_the_rows_that_the_original_writes_behind_its_checkpoint(job):
    written = {name: node_state(str(job / "job.state"), name, None)["writer"]["n"] for name in ("csv", "rolled")}
    assert command(job, "run", "job.py", "--shadow", "job.state", "--quiet")[0] == 0
    assert command(job, "run", "job.py", "--checkpoints", "job.state", "--quiet")[0] == 0
    whole = rows(job / "out/sums.csv")
    assert whole == [(f"{i * 10**9}", f"{i * 10**6 + 499_500}") for i in range(12)]
    assert rows(job / "job.shadow/sums.csv") == whole[written["csv"] :]
    with gzip.open(job / "job.shadow/deep/sums.jsonl.gz", "rt") as file:
        assert [str(json.loads(line)["value"]) for line in file] == [value for _, value in whole[written["rolled"] :]]
    assert sorted(written.values())[-1] >= 1


def test_a_change_that_does_not_fit_the_state_is_refused_as_in_the_upgrade_itself(job):
    (job / "new.py").write_text(JOB.replace('tumbling("1s")', 'tumbling("2s")'))
    code, _, err = command(job, "run", "new.py", "--shadow", "job.state", "--into", "new")
    assert (code, "pass --allow-drop sums" in err) == (1, True)
    assert not (job / "new").exists()
    assert command(job, "run", "new.py", "--shadow", "job.state", "--into", "new", "--allow-drop", "sums")[0] == 0


def test_a_drained_shadow_leaves_what_it_has_written(job):
    (job / "new.py").write_text(JOB.replace("i == 2_000", "i == 5_500"))
    code, _, err = command(job, "run", "new.py", "--shadow", "job.state", "--into", "new", life="first")
    assert code == 143, err
    assert 3 <= len(rows(job / "new/sums.csv")) < 11


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shadow", "job.state", "--checkpoints", "x"], "--shadow: must be given without --checkpoints, --every and --fresh"),
        (["--shadow", "job.state", "--every", "1s"], "--shadow: must be given without"),
        (["--into", "x"], "--into: must be given with --shadow"),
        (["--shadow", "job.state", "--into", "."], '--into: must be a folder that is empty or does not exist, got "."'),
    ],
)  # fmt: skip
def test_wrong_usage_is_refused(tmp_path, words, message):
    (tmp_path / "job.py").write_text(JOB)
    code, _, err = command(tmp_path, "run", "job.py", *words)
    assert code == 2
    assert err.startswith(f"error: {message}")


def test_a_store_that_is_missing_or_of_a_job_that_is_done_is_refused(tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    code, _, err = command(tmp_path, "run", "job.py", "--shadow", "job.state")
    assert (code, "must be a file that exists, got none" in err) == (1, True)
    assert command(tmp_path, "run", "job.py", "--checkpoints", "job.state")[0] == 0
    code, _, err = command(tmp_path, "run", "job.py", "--shadow", "job.state")
    assert (code, err) == (
        1,
        'error: checkpoints "job.state": must have a checkpoint to continue from, got checkpoint 2 of a job that is done; '
        "use an earlier backup\n",
    )
    assert not (tmp_path / "job.shadow").exists()


def test_items_that_rest_in_front_of_a_sink_go_to_the_one_that_replaces_it(tmp_path):
    at_work = threading.Event()

    async def never(item):
        at_work.set()
        await asyncio.Event().wait()

    numbers = rxdag.from_source(sources.iterable([1, 2, 3], replay=True), name="numbers")
    dag = rxdag.Dag(numbers.pipe(ops.map(lambda i: i)).to(sinks.acall(never), name="out"), name="job")
    run = rxdag.start(dag, checkpoints=tmp_path / "job.state")
    at_work.wait()
    run.checkpoint()
    run.cancel()
    run.wait()
    shadow = Shadow(checkpoints.sqlite(tmp_path / "job.state"))
    assert rxdag.run(dag.replace({"out": sinks.collect()}), checkpoints=shadow)["out"] == [1, 2, 3]
    with pytest.raises(CheckpointError, match='"other"'):
        rxdag.run(rxdag.Dag(numbers.to(sinks.collect(), name="out"), name="other"), checkpoints=shadow)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_shadow_follows_the_journal_of_a_running_job_and_records_nothing(tmp_path, wrapped):
    feed = sources.ingress()
    recorded = sources.journal(feed, tmp_path / "journal")
    source = sources.then(sources.iterable([{"i": 0}]), recorded, key="i", overlap=10) if wrapped else recorded

    def job(name, *operators):
        stream = rxdag.from_source(source, name="ticks").pipe(*operators, ops.filter(lambda _: True))
        return rxdag.Dag(stream.to(sinks.jsonl(tmp_path / name), name="out"), name="job")

    run = rxdag.start(job("out.jsonl"), checkpoints=tmp_path / "job.state")
    run.checkpoint()
    for i in (1, 2):
        feed.push({"i": i})
    changed = Loaded(
        job("new.jsonl", ops.map(lambda item: {"new": item["i"]}), ops.filter(lambda item: item["new"])), {}
    )
    loaded, shadow = shadowed(changed, tmp_path / "job.state", tmp_path / "shadow")
    beside = rxdag.start(loaded.dag, checkpoints=shadow)
    feed.complete()
    assert (run.wait()["out"], beside.wait()["out"]) == (2 + wrapped, 2)
    assert (tmp_path / "shadow/new.jsonl").read_text() == '{"new":1}\n{"new":2}\n'
    again = rxdag.from_source(sources.journal_reader(tmp_path / "journal"), name="ticks")
    assert again.collect() == [{"i": 1}, {"i": 2}]
