"""Tables of Delta Lake: each row is added once, whoever else writes to the table."""

import dataclasses
import datetime
import sys

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.saved import Context

import rxdag
from rxdag import CheckpointError, GraphError, MissingExtra, NodeError, SourceError, checkpoints, sinks, sources
from rxdag.codec import Codec
from rxdag.contract import Chunk

ROWS = [{"a": i, "k": f"k{i % 2}"} for i in range(6)]


@pytest.fixture
def deltalake():
    return pytest.importorskip("deltalake", reason="deltalake is not installed")


def rows_of(deltalake, path):
    return sorted(deltalake.DeltaTable(path).to_pyarrow_table().to_pylist(), key=lambda row: row["a"])


def opened(sink, saved=None):
    writer = sink.open(Context())
    if saved is not None:
        writer.restore(Codec().decode(Codec().encode(saved)))
    return writer


def run(sink, rows=ROWS):
    return rxdag.run(rxdag.from_source(sources.iterable(rows)).to(sink, name="out"))["out"]


def test_without_the_package_the_error_tells_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(MissingExtra, match="^delta: deltalake must be installed, and is not; run pip install "):
        opened(sinks.delta(tmp_path / "t"))


@pytest.mark.parametrize("given", ["k", [1], None])
def test_partitions_are_given_as_names(given):
    with pytest.raises(GraphError, match="^delta: partition_by must be a tuple of names, got"):
        sinks.delta("t", partition_by=given)


def test_rows_are_added_in_one_commit_to_a_partitioned_table(tmp_path, deltalake):
    assert run(sinks.delta(tmp_path / "t", partition_by=["k"])) == 6
    assert rows_of(deltalake, tmp_path / "t") == ROWS
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == ["_delta_log", "k=k0", "k=k1"]
    assert run(sinks.delta(tmp_path / "t"), [{"a": 9, "k": "new"}]) == 1
    assert rows_of(deltalake, tmp_path / "t") == [*ROWS, {"a": 9, "k": "new"}]
    assert [each["operation"] for each in deltalake.DeltaTable(tmp_path / "t").history()] == [
        "WRITE",
        "WRITE",
        "CREATE TABLE",
    ]


@dataclasses.dataclass(frozen=True)
class Typed:
    a: int
    at: datetime.datetime
    ns: np.datetime64
    x: float | None


def test_types_that_delta_lacks_are_stored_as_wider_ones(tmp_path, deltalake):
    at = datetime.datetime(2026, 6, 1, 12, 0, 0, 5, datetime.UTC)
    run(sinks.delta(tmp_path / "t"), [Typed(0, at, np.datetime64("2026-06-01T12:00:00.000001000"), None)])
    table = deltalake.DeltaTable(tmp_path / "t").to_pyarrow_table()
    assert table.schema.field("at").type == pa.timestamp("us", "UTC")
    assert table["at"].to_pylist() == [at]


def test_a_time_that_would_be_rounded_fails_the_run_and_adds_nothing(tmp_path, deltalake):
    rows = [{"a": 1, "at": np.datetime64("2026-06-01T12:00:00.000000001")}]
    with pytest.raises(
        NodeError, match="delta: values must fit into microseconds and 64 bits with a sign, got .* would lose"
    ):
        run(sinks.delta(tmp_path / "t"), rows)
    assert not deltalake.DeltaTable.is_deltatable(str(tmp_path / "t"))


def test_items_with_other_fields_than_the_table_are_refused(tmp_path, deltalake):
    run(sinks.delta(tmp_path / "t"))
    with pytest.raises(NodeError, match='items must have the fields of .*, got another field, "z"'):
        run(sinks.delta(tmp_path / "t"), [{"a": 1, "z": 2}])
    assert rows_of(deltalake, tmp_path / "t") == ROWS


def test_rows_of_a_checkpoint_are_added_once_it_is_durable_and_once_only(tmp_path, deltalake):
    sink = sinks.delta(tmp_path / "t")
    first = opened(sink)
    first.write(Chunk(ROWS[:2]))
    before = first.save()
    assert not deltalake.DeltaTable.is_deltatable(str(tmp_path / "t"))
    second = opened(sink, before)  # killed before the commit
    assert rows_of(deltalake, tmp_path / "t") == ROWS[:2]
    third = opened(sink, before)  # killed behind it
    third.write(Chunk(ROWS[2:]))
    assert third.close(ok=True) == 6
    assert rows_of(deltalake, tmp_path / "t") == ROWS
    second.close(ok=False)


def test_a_run_on_a_copy_of_the_state_is_refused(tmp_path, deltalake):
    sink = sinks.delta(tmp_path / "t")
    one, other = opened(sink), opened(sink)
    for writer, rows in ((one, ROWS[:2]), (other, ROWS[2:])):
        writer.write(Chunk(rows))
    saved = other.save()
    one.save()
    one.publish()
    with pytest.raises(
        SourceError, match='delta: table .* was written by another run of this dag: sink "out" of dag "job"'
    ):
        other.publish()
    with pytest.raises(SourceError, match="must be at epoch 0, got 1"):
        opened(sink, saved)
    assert rows_of(deltalake, tmp_path / "t") == ROWS[:2]


def test_a_commit_by_another_run_behind_the_comparison_is_refused(tmp_path, deltalake, monkeypatch):
    sink = sinks.delta(tmp_path / "t")
    run(sink, ROWS[:1])
    one, other = opened(sink), opened(sink)
    for writer, rows in ((one, ROWS[1:2]), (other, ROWS[2:])):
        writer.write(Chunk(rows))
        writer.save()
    write = deltalake.write_deltalake

    def late(*args, **named):
        monkeypatch.setattr(deltalake, "write_deltalake", write)
        one.publish()
        write(*args, **named)

    monkeypatch.setattr(deltalake, "write_deltalake", late)
    with pytest.raises(SourceError, match="Concurrent transaction failed"):
        other.publish()
    assert rows_of(deltalake, tmp_path / "t") == ROWS[:2]


def test_fresh_is_refused_while_the_table_holds_rows_of_the_dag(tmp_path, deltalake):
    store = checkpoints.memory()
    rows = rxdag.from_source(sources.iterable(ROWS), name="rows")
    dag = rxdag.Dag(rows.to(sinks.delta(tmp_path / "t"), name="out"), name="job")
    assert rxdag.run(dag, checkpoints=store)["out"] == 6
    assert rxdag.run(dag, checkpoints=store).was_done
    with pytest.raises(CheckpointError, match=rf'its table "{tmp_path}/t" is at epoch 1: choose another table'):
        rxdag.run(dag, checkpoints=store, fresh=True)
    assert rows_of(deltalake, tmp_path / "t") == ROWS


def test_a_spec_knows_the_sink(tmp_path, deltalake):
    text = (
        "name: job\nnodes:\n  n: {source: iterable, items: [{a: 1, k: x}]}\n"
        "  out: {sink: delta, input: n, path: t, partition_by: [k]}\n"
    )
    rxdag.run(rxdag.load_spec(text=text, base=tmp_path))
    assert rows_of(deltalake, tmp_path / "t") == [{"a": 1, "k": "x"}]
