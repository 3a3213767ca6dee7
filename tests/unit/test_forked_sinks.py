"""Sinks of a process that forks: the child takes nothing from its parent, nor from the run after it."""

import os
import subprocess
import sys

import msgspec
import pytest

import rxdag
from rxdag import sources

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Row(msgspec.Struct):
    i: int


JOB = """
import os, signal, sys, time
from pathlib import Path
import rxdag
from rxdag import operators as ops, sinks, sources
life, folder = sys.argv[1], Path(sys.argv[2])

def look(i):
    if life == "drained" and i == 20:
        os.kill(os.getpid(), signal.SIGTERM)
    if life == "drained" and i > 20:
        time.sleep(0.001)  # the drain must come before item 15,000
    if life == "forking" and i == 15_000:
        if os.fork() == 0:
            print("child", flush=True)
            sys.stdin.read()
            os._exit(0)
        os.wait()
    return {"i": i}

numbers = rxdag.from_source(sources.range(20_000), name="numbers")
dag = rxdag.Dag(numbers.pipe(ops.map(look)).to(sinks.jsonl(folder / "out.jsonl"), name="file"), name="bars")
print(rxdag.run(dag, checkpoints=folder / "bars.state")["file"])
"""

WRITING = """
import gc, os, sys
from tests.unit.saved import Context
from rxdag import sinks
from rxdag.contract import Chunk
writer = sinks.jsonl(sys.argv[1]).open(Context())
writer.write(Chunk([{"i": 1}]))
if os.fork() == 0:
    del writer
    gc.collect()
    os._exit(0)
os.wait()
writer.prepare()
writer.close(ok=True)
"""


def test_a_job_goes_on_while_a_forked_child_of_its_killed_process_lives(tmp_path):
    command = [sys.executable, "-c", JOB]
    assert subprocess.run([*command, "drained", tmp_path], check=False).returncode == 143
    parent = subprocess.Popen([*command, "forking", tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout.readline() == "child\n"
        parent.kill()
        parent.wait()
        # The child lives on: it waits for the end of its input.
        last = subprocess.run([*command, "last", tmp_path], capture_output=True, text=True, check=False)
    finally:
        parent.kill()
        parent.stdin.close()
        parent.stdout.close()
        parent.wait()
    assert (last.returncode, last.stdout) == (0, "20000\n"), last.stderr
    assert (tmp_path / "out.jsonl").read_text() == "".join(f'{{"i":{i}}}\n' for i in range(20_000))


def test_a_forked_child_that_forgets_a_sink_writes_none_of_its_parents_rows(tmp_path):
    subprocess.run([sys.executable, "-c", WRITING, tmp_path / "out.jsonl"], check=True)
    assert (tmp_path / "out.jsonl").read_text() == '{"i":1}\n'


CONTINUING = """
import os, sys
from tests.unit.saved import Context
from rxdag import RxDagError, sinks
from rxdag.contract import Chunk
kind, life, path = sys.argv[1:]
writer = getattr(sinks, kind)(path).open(Context())
writer.write(Chunk([{"i": 1}]))
if life == "saved":
    writer.save()
if os.fork() == 0:
    calls = (lambda: writer.write(Chunk([{"i": 2}] * 70_000)), writer.save, writer.prepare, lambda: writer.close(ok=True))
    for call in (*calls, lambda: writer.close(ok=False)):
        try:
            call()
        except RxDagError as error:
            print(str(error).replace(str(os.getppid()), "1"), flush=True)
    os._exit(0)
os.wait()
writer.prepare()
print(writer.close(ok=True))
"""


@pytest.mark.parametrize("life", ["unsaved", "saved"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_forked_child_that_goes_on_using_a_sink_is_refused_and_harms_no_file_of_its_parent(tmp_path, kind, life):
    path = tmp_path / "out"
    # pyarrow has threads, and Python 3.12 and later warn of forks beside threads.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", CONTINUING, kind, life, path]
    done = subprocess.run(command, capture_output=True, text=True)
    *refused, n = done.stdout.splitlines()
    assert (done.stderr, n) == ("", "1")
    assert set(refused) == {
        f'{kind} "{path}": belongs to process 1, and this is a fork of it, without its threads; start runs behind the fork, '
        'or have children spawned: multiprocessing.get_context("spawn")'
    }
    assert len(refused) >= 3
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
    rows = rxdag.from_source(getattr(sources, kind)(path, Row)).collect()
    assert [row.i for row in rows] == [1]
