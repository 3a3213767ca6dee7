"""The end of a run while its last checkpoint but one is still being written."""

import contextlib
import sqlite3
import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

import rxdag
from rxdag import checkpoints, sinks, sources
from rxdag import operators as ops
from rxdag.checkpoints._memory import MemorySession
from rxdag.contract import Sink, Writer
from rxdag.engine import SourceNode
from rxdag.errors import NodeError
from rxdag.runtime import Execution
from rxdag.runtime._handles import execute
from rxdag.runtime._recovery import Recovery, begun

PATIENCE_S = 30


@dataclass(frozen=True)
class Prepared(Sink[Any, int]):
    """Calls a function when its output is to be made durable."""

    prepare: Any
    label = "prepared"
    delivery = "exactly once"

    def open(self, context):
        return PreparedWriter(self.prepare)


class PreparedWriter(Writer):
    def __init__(self, prepare):
        self.prepare = prepare

    def write(self, chunk):
        return None

    def save(self):
        return {}

    def restore(self, saved):
        return None

    def close(self, *, ok):
        return 0


def begun_run(dag, store):
    return begun(Execution(rxdag.compile(dag)), Recovery.of(store, {"every": "1h"}, "run"))


def test_a_checkpoint_that_is_durable_while_the_sinks_prepare_publishes_no_row_behind_it(tmp_path, monkeypatch):
    """A run that fails afterwards continues from that checkpoint, which knows nothing of such rows."""
    begun, published = threading.Event(), threading.Event()
    commit, confirm = MemorySession.commit, SourceNode.confirm

    def commit_late(self, *, is_done=False, **facts):
        assert is_done or begun.wait(PATIENCE_S)
        return commit(self, is_done=is_done, **facts)

    def confirmed(self, position):  # behind the sinks of its thread
        confirm(self, position)
        published.set()

    def fail():
        begun.set()
        assert published.wait(PATIENCE_S)
        raise OSError(28, "No space left on device")

    def run(prepare):
        def row(n):
            if n == 0:
                made.checkpointing.request()
            return {"n": n}

        rows = rxdag.from_source(sources.range(10), name="n").pipe(ops.map(row), name="rows")
        table = rows.to(sinks.sqlite(tmp_path / "out.db", "out"), name="table")
        other = rows.buffered(max_items=64).on("files").to(Prepared(prepare), name="other")
        made = begun_run(rxdag.Dag(table, other, name="job"), store)
        return execute(made)

    store = checkpoints.memory()
    with monkeypatch.context() as late:
        late.setattr(MemorySession, "commit", commit_late)
        late.setattr(SourceNode, "confirm", confirmed)
        with pytest.raises(NodeError, match="No space left on device"):
            run(fail)

    assert store.latest().id == 1
    assert run(partial(int, 0)).state == "completed"
    with contextlib.closing(sqlite3.connect(tmp_path / "out.db")) as db:
        assert [n for (n,) in db.execute("select n from out")] == [*range(10)]
