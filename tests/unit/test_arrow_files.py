"""Files in Arrow's IPC format: what is written is read back, from any position."""

import datetime

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather
from tests.unit.reading import Context

import rxdag
from rxdag import GraphError, NodeError, col, sinks, sources, testing
from rxdag import operators as ops

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)


class Row(msgspec.Struct, frozen=True):
    n: int
    x: float | None
    text: str
    at: datetime.datetime


ROWS = [Row(n, None if n % 5 == 0 else n / 4, f"t{n % 3}", NOON + datetime.timedelta(seconds=n)) for n in range(300)]


def written(path, rows=ROWS, **options):
    rxdag.run(rxdag.from_source(sources.iterable(rows)).to(sinks.arrow_file(path, **options)))
    return path


def batched(path):
    """A file of 30 batches of 10 rows, 5 of them empty."""
    table = feather.read_table(written(path))
    with pa.ipc.new_file(path, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=10):
            writer.write_batch(batch)
            if batch["n"][0].as_py() % 60 == 0:
                writer.write_batch(batch.slice(0, 0))
    return path


def test_items_are_read_back_equal_and_by_other_readers(tmp_path):
    path = written(tmp_path / "x.arrow")
    assert rxdag.from_source(sources.arrow_file(path, Row)).collect() == ROWS
    assert feather.read_table(path)["n"].to_pylist() == list(range(300))
    assert [row["text"] for row in rxdag.from_source(sources.arrow_file(path)).head(2)] == ["t0", "t1"]


def test_no_items_give_an_empty_file(tmp_path):
    path = written(tmp_path / "x.arrow", [], schema=pa.schema([("n", pa.int64())]))
    assert rxdag.from_source(sources.arrow_file(path)).collect() == []


def test_a_file_of_several_batches_obeys_the_laws_of_sources(tmp_path):
    path = batched(tmp_path / "x.arrow")
    testing.check_source(lambda: sources.arrow_file(path, Row))


def test_columns_are_read_without_items(tmp_path):
    feather.write_feather(pa.table({"bid": np.arange(4.0), "ask": np.arange(4.0) + 0.5}), tmp_path / "x", "lz4")
    spread = rxdag.from_source(sources.arrow_file(tmp_path / "x")).pipe(ops.map(col.ask - col.bid))
    assert spread.collect() == [0.5] * 4


def failure(source):
    with pytest.raises(NodeError) as raised:
        rxdag.from_source(source).collect()
    return str(raised.value.__cause__)


def test_a_file_that_is_missing_or_a_directory_is_an_error(tmp_path):
    written(tmp_path / "ticks.arrow")
    assert failure(sources.arrow_file(tmp_path / "tick.arrow")) == (
        f'arrow_file: path must be a file, got "{tmp_path}/tick.arrow"; did you mean "{tmp_path}/ticks.arrow"?'
    )
    assert failure(sources.arrow_file(tmp_path)) == f'arrow_file: path must be a file, got the directory "{tmp_path}"'


@pytest.mark.parametrize("data", [b"", b"ARROW1", b"a,b\n1,2\n"])
def test_a_file_in_another_format_is_an_error(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    message = f"arrow_file: {tmp_path}/x: must be a whole file in Arrow's IPC format, got "
    assert failure(sources.arrow_file(tmp_path / "x")).startswith(message)


def test_a_truncated_file_is_an_error(tmp_path):
    path = written(tmp_path / "x")
    path.write_bytes(path.read_bytes()[:-20])
    assert "must be a whole file in Arrow's IPC format, got" in failure(sources.arrow_file(path))


def test_a_file_with_another_footer_is_not_that_of_the_checkpoint(tmp_path):
    def reader(path):
        return sources.arrow_file(path, Row).open(Context())

    one, other = reader(written(tmp_path / "x")), reader(written(tmp_path / "y", ROWS[:7]))
    with pytest.raises(
        rxdag.SourceError, match="must be the file that the checkpoint was taken from, got one with another"
    ):
        other.seek(one.position())
    one.close()
    other.close()


def test_files_are_rolled_and_divided(tmp_path):
    written(tmp_path / "{text}" / "x.arrow", roll="1GB")
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.arrow"))] == [
        "t0/x-000001.arrow",
        "t1/x-000002.arrow",
        "t2/x-000003.arrow",
    ]


def test_append_needs_numbered_files():
    with pytest.raises(
        GraphError,
        match="^arrow_file: append must be given with roll=, since a file of this format cannot be continued$",
    ):
        sinks.arrow_file("x.arrow", append=True)


def test_a_spec_reads_and_writes_arrow_files(tmp_path):
    written(tmp_path / "in.arrow")
    text = "name: job\nnodes:\n  n: {source: arrow_file, path: in.arrow}\n  out: {sink: arrow_file, input: n, path: o.arrow, roll: 1GB}\n"
    rxdag.run(rxdag.load_spec(text=text, base=tmp_path))
    assert feather.read_table(tmp_path / "o-000001.arrow").num_rows == 300
