"""State of a program that is run as `python job.py` and as `rxdag run job.py`: each continues what the other began."""

import os
import subprocess
import sys

import pytest
from tests.unit.test_checkpointed_runs import settled, stop_at, virtual

from rxdag import checkpoints
from rxdag.cli._load import load

JOB = """\
import sys

import msgspec

import rxdag
from rxdag import checkpoints, operators as ops, sinks
from tests.unit.test_checkpointed_runs import Steady, settled, stop_at, virtual


class Sum(msgspec.Struct, frozen=True):
    n: int


rows = rxdag.from_source(Steady(tuple(range(10))), name="rows")
sums = rows.pipe(ops.scan(Sum(0), lambda total, n: Sum(total.n + n)), name="sums")
dag = rxdag.Dag(sums.to(sinks.collect(), name="out"), name="job")

if __name__ == "__main__":
    store = checkpoints.sqlite(sys.argv[1])
    result = stop_at(dag, store, 45) if sys.argv[2:] else settled(virtual(dag, store))
    print([each.n for each in result["out"]], {type(each).__module__ for each in result["out"]})
"""
SUMS = [0, 1, 3, 6, 10, 15, 21, 28, 36, 45]


@pytest.fixture
def job(tmp_path):
    path = tmp_path / "a-job.py"
    path.write_text(JOB)
    yield path
    sys.modules.pop("a_job", None)


def as_program(path, *args):
    command = [sys.executable, path, *args]
    with_tests = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=with_tests).stdout


def imported(path):
    return load(str(path), [], [], outside=False).dag


def test_rxdag_run_continues_what_the_program_began(job, tmp_path):
    began = as_program(job, tmp_path / "state", "stop")
    result = settled(virtual(imported(job), checkpoints.sqlite(tmp_path / "state")))
    assert began == "[0, 1, 3, 6, 10] {'__main__'}\n"
    assert [(each.n, type(each).__module__) for each in result["out"]] == [(n, "a_job") for n in SUMS]


def test_the_program_continues_what_rxdag_run_began(job, tmp_path):
    began = stop_at(imported(job), checkpoints.sqlite(tmp_path / "state"), 45)
    assert [each.n for each in began["out"]] == SUMS[:5]
    assert as_program(job, tmp_path / "state") == f"{SUMS} {{'__main__'}}\n"
