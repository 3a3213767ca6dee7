"""`rxdag run --workers`: processes that share the keys of a graph, started and stopped as one job."""

import contextlib
import os
import re
import select
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import rxdag
from rxdag import checkpoints, sinks, sources
from rxdag import operators as ops
from rxdag.cli import _workers, main
from rxdag.errors import GraphError

pytestmark = pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")

JOB = """
import rxdag
from rxdag import aggregates as agg, operators as ops, sinks, sources, windows

trades = rxdag.from_source(sources.simulated_trades(seed=7, trades=4_000), name="trades")
bars = (
    trades.pipe(ops.event_time("trade_ms", unit="ms", out_of_order="5s"), name="times")
    .pipe(ops.shard("symbol"), name="share")
    .pipe(ops.key_by("symbol"), name="keys")
    .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")), name="bars")
)
"""
FILE = JOB + 'dag = rxdag.Dag(bars.to(sinks.csv("bars.csv"), name="out"), name="bars")\n'
STDOUT = JOB + 'dag = rxdag.Dag(bars.to(sinks.stdout(), name="out"), name="bars")\n'

ENDLESS = """
import os, rxdag
from rxdag import operators as ops, sinks, sources

def told(n):
    print("pid", os.getpid(), flush=True)
    return n

numbers = rxdag.from_source(sources.interval("10ms"), name="numbers")
first = numbers.pipe(ops.filter(lambda n: n < 1)).pipe(ops.map(told)).to(sinks.null(), name="first")
shared = numbers.pipe(ops.shard(lambda n: n)).pipe(ops.map(FUNCTION)).to(sinks.jsonl("numbers.jsonl"), name="out")
dag = rxdag.Dag(first, shared, name="numbers")
"""


def job(folder, text):
    (folder / "job.py").write_text(text)
    return folder


def command(*args):
    return [sys.executable, "-m", "rxdag.cli", "run", "job.py", *args]


def ran(folder, *args):
    return subprocess.run(command(*args), cwd=folder, capture_output=True, text=True, timeout=120)


def started(folder, *args):
    """The command, once both workers run, and the process ids of the workers."""
    job = subprocess.Popen(
        command("--workers", "2", *args), cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert job.stdout is not None
    pids = [int(job.stdout.readline().removeprefix("pid ")) for _ in range(2)]
    return job, pids


def test_the_files_of_all_workers_have_the_rows_of_one_run(tmp_path):
    job(tmp_path, FILE)
    assert ran(tmp_path).returncode == 0
    done = ran(tmp_path, "--workers", "3", "--checkpoints", "bars.state")
    assert (done.returncode, done.stdout) == (0, "")
    shares = [(tmp_path / f"bars-{i}.csv").read_text().splitlines() for i in range(3)]
    head, *rows = (tmp_path / "bars.csv").read_text().splitlines()
    assert [share[0] for share in shares] == [head] * 3
    assert sorted(row for share in shares for row in share[1:]) == sorted(rows)
    assert all(len(share) > 1 for share in shares)
    assert sorted(path.name for path in tmp_path.glob("*.state")) == ["bars-0.state", "bars-1.state", "bars-2.state"]
    books = re.findall(r"^(\d): bars (\d)/3: completed", done.stderr, re.M)
    assert sorted(books) == [("0", "0"), ("1", "1"), ("2", "2")]


def test_lines_of_workers_that_share_stdout_stay_whole(tmp_path):
    job(tmp_path, STDOUT)
    alone = ran(tmp_path, "--quiet").stdout.splitlines()
    together = ran(tmp_path, "--quiet", "--workers", "2").stdout.splitlines()
    assert sorted(together) == sorted(alone)
    assert len(alone) > 20


def test_ctrl_c_drains_each_worker_once(tmp_path):
    process, _ = started(job(tmp_path, ENDLESS.replace("FUNCTION", "lambda n: n")))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(re.findall(r"numbers \d/2: completed, drained", errors)) == 2
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["numbers-0.jsonl", "numbers-1.jsonl"]


def test_a_worker_that_fails_cancels_the_others(tmp_path):
    done = ran(job(tmp_path, ENDLESS.replace("FUNCTION", "lambda n: 1 // (n - 40)")), "--workers", "2")
    assert done.returncode == 1
    assert (
        len(re.findall(r"^worker [01] of 2 has failed with exit code 1; the others are cancelled$", done.stderr, re.M))
        == 1
    )
    assert "ZeroDivisionError" in done.stderr
    assert list(tmp_path.glob("*.jsonl")) == []


def test_a_worker_that_is_killed_ends_the_job(tmp_path):
    process, pids = started(job(tmp_path, ENDLESS.replace("FUNCTION", "lambda n: n")))
    os.kill(pids[1], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 137
    assert re.search(r"^worker [01] of 2 was killed by SIGKILL$", errors, re.M)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_worker_that_is_killed_starts_again_if_failed_runs_do(tmp_path):
    process, pids = started(job(tmp_path, ENDLESS.replace("FUNCTION", "lambda n: n")), "--restart", "on_failure")
    os.kill(pids[0], signal.SIGKILL)
    assert process.stdout is not None
    again = int(process.stdout.readline().removeprefix("pid "))
    assert again not in pids
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert re.search(r"^worker [01] of 2 was killed by SIGKILL; it starts again in 1 s$", errors, re.M)


def gone(pid):
    """True once a process has exited; waits for it."""
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(pid)], [], [], 60)
    return not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] == "Z"


def test_workers_are_drained_if_the_process_that_started_them_is_killed(tmp_path):
    process, pids = started(job(tmp_path, ENDLESS.replace("FUNCTION", "lambda n: n")))
    process.kill()
    process.communicate(timeout=60)
    assert [gone(pid) for pid in pids] == [True, True]
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["numbers-0.jsonl", "numbers-1.jsonl"]


def test_the_end_of_a_worker_is_seen_though_its_children_hold_its_output_open(tmp_path):
    text = ENDLESS.replace("FUNCTION", "lambda n: n").replace(
        "    print(", "    import subprocess\n    print(subprocess.Popen(['sleep', '600']).pid)\n    print("
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "rxdag.cli", "run", "job.py", "--workers", "2"],
        cwd=job(tmp_path, text), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    pids = [int(line.removeprefix("pid ")) for line in lines if line.startswith("pid ")]
    try:
        os.kill(pids[0], signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    finally:
        for line in lines:
            if not line.startswith("pid "):
                os.kill(int(line), signal.SIGKILL)
    assert process.returncode == 137
    assert errors.count("was killed by SIGKILL") == 1


def test_a_name_of_a_spec_may_begin_with_a_dash(tmp_path):
    job(tmp_path, FILE).joinpath("job.py").rename(tmp_path / "-job.py")
    done = subprocess.run(
        [sys.executable, "-m", "rxdag.cli", "run", "--workers", "2", "--", "-job.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, len(list(tmp_path.glob("*.csv")))) == (0, 2), done.stderr


def test_results_that_cannot_be_written_fail_the_job(tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command("--workers", "2"), cwd=job(tmp_path, STDOUT), stdout=full, stderr=subprocess.PIPE, timeout=120
        )
    assert done.returncode == 1
    assert re.search(rb"^stdout of worker \d of 2 must be written, and was not: .*No space left", done.stderr, re.M)
    assert b"Traceback" not in done.stderr


def test_messages_that_cannot_be_written_stop_no_worker(tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command("--workers", "2"), cwd=job(tmp_path, FILE), stderr=full, timeout=120)
    assert (done.returncode, len(list(tmp_path.glob("*.csv")))) == (0, 2)


def test_a_signal_reaches_a_worker_that_is_being_started(tmp_path, monkeypatch):
    worker = _workers._Worker(
        0, 1, [sys.executable, "-c", "import time; time.sleep(600)"], prefixed=False, restarts=True
    )
    start = subprocess.Popen

    def signalled(*args, **how):
        worker.send(signal.SIGTERM)
        return start(*args, **how)

    monkeypatch.setattr(subprocess, "Popen", signalled)
    assert worker.run() == 143


def test_the_state_of_one_share_is_refused_by_another(tmp_path):
    job(tmp_path, FILE.replace("4_000", "200_000"))
    first = ran(tmp_path, "--shard", "0/2", "--checkpoints", "bars.state", "--until", "300ms")
    assert first.returncode == 0, first.stderr
    other = ran(tmp_path, "--shard", "1/2", "--checkpoints", "bars.state")
    assert other.returncode != 0
    assert 'must be the graph of the checkpoint, but the checkpoint is of dag "bars 0/2"' in other.stderr


@pytest.mark.parametrize(("before", "after"), [("2", "3"), ("3", "2"), ("1", "2"), ("2", "1")])
def test_another_number_of_workers_is_refused_before_any_of_them_starts(before, after, tmp_path):
    job(tmp_path, FILE)
    store = ["--checkpoints", "bars.state", "--workers"]
    assert ran(tmp_path, *store, before).returncode == 0
    stores = sorted(tmp_path.glob("*.state"))
    refused = ran(tmp_path, *store, after)
    assert refused.returncode != 0
    assert refused.stderr.count("pass the same number of workers as before") == 1
    assert "worker" not in refused.stderr.replace("workers", "")
    assert sorted(tmp_path.glob("*.state")) == stores
    assert ran(tmp_path, *store, after, "--fresh").returncode == 0


def test_workers_with_checkpoints_share_a_table(tmp_path):
    def dag(where):
        words = rxdag.from_source(sources.iterable([*"abcdefgh"]), name="words")
        spelt = words.pipe(ops.shard(lambda word: word), name="share").pipe(
            ops.map(lambda word: {"word": word}), name="spelt"
        )
        return rxdag.Dag(spelt.to(sinks.sqlite(where, "words"), name="out"), name="words")

    for worker in range(2):
        store = checkpoints.sqlite(tmp_path / f"words-{worker}.state")
        rxdag.run(dag(tmp_path / "words.db").shard(worker, 2), checkpoints=store)
    with contextlib.closing(sqlite3.connect(tmp_path / "words.db")) as db:
        assert sorted(word for (word,) in db.execute("select word from words")) == [*"abcdefgh"]
        jobs = db.execute("select dag from _rxdag_epochs order by dag").fetchall()
    assert jobs == [("words 0/2",), ("words 1/2",)]


@pytest.mark.parametrize("kind", ["map_async", "lookup"])
def test_workers_record_in_folders_of_their_own_and_each_is_replayed(kind, tmp_path):
    calls = []

    async def ask(n):
        calls.append(n)
        return n * 10

    answers = tmp_path / "answers"
    asking = (
        ops.map_async(ask, record=answers)
        if kind == "map_async"
        else ops.lookup(ask, key=lambda n: n, into=lambda n, found: found, record=answers)
    )
    ticks = rxdag.from_source(sources.journal(sources.iterable(range(6)), tmp_path / "ticks"), name="ticks")
    asked = ticks.pipe(ops.shard(lambda n: n), name="share").pipe(asking, name="asked")
    dag = rxdag.Dag(asked.to(sinks.collect(), name="out"), name="ticks")
    shares = [rxdag.run(dag.shard(worker, 2))["out"] for worker in range(2)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers-0", "answers-1", "ticks-0", "ticks-1"]
    calls.clear()
    again = [
        rxdag.run(dag.shard(worker, 2).replace({"ticks": sources.journal_reader(tmp_path / f"ticks-{worker}")}))["out"]
        for worker in range(2)
    ]
    assert (again, calls) == (shares, [])
    assert sorted(shares[0] + shares[1]) == [0, 10, 20, 30, 40, 50]


def test_a_journal_inside_other_sources_is_that_of_the_worker(tmp_path):
    journal = sources.journal(sources.iterable([{"n": 2}]), tmp_path / "ticks")
    both = sources.then(sources.iterable([{"n": 1}]), journal, key="n", overlap=1)
    share = rxdag.from_source(both, name="both").pipe(ops.shard("n"), name="share")
    rxdag.run(rxdag.Dag(share.to(sinks.null(), name="out")).shard(1, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["ticks-1"]


def test_files_of_their_own_do_not_make_workers_divide_the_items(tmp_path):
    async def ask(n):
        return n

    asked = rxdag.from_source(sources.iterable([1])).pipe(ops.map_async(ask, record=tmp_path))
    with pytest.raises(GraphError, match="must have an ops.shard"):
        rxdag.Dag(asked.to(sinks.null())).shard(0, 2)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["job.py", "--workers", "2", "--shard", "0/2"], "--workers: must be given without --shard"),
        (["job.py", "--workers", "2", "--shadow", "bars.state"], "--workers: must be given without --shadow"),
        (["-", "--workers", "2"], "--workers: must be given with a file, got -; stdin can be read once only"),
        (["job.py", "--workers", "2"], 'must have an ops.shard(key), got none; without one, each worker would process all'),
    ],
)  # fmt: skip
def test_what_workers_cannot_share_is_refused_once(args, told, tmp_path, monkeypatch, capfd):
    job(tmp_path, FILE.replace('.pipe(ops.shard("symbol"), name="share")', ""))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["run", *args])
    assert left.value.code == 2
    assert capfd.readouterr().err.count(told) == 1
