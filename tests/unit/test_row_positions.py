"""Positions in arrays, tables and Parquet files: numbers of rows, malformed ones included."""

import itertools

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.reading import Context, go_on, read_all, stop

from rxdag import SourceError, sources


class Tick(msgspec.Struct):
    ts: int
    price: float


class Checked(msgspec.Struct):
    ts: int
    price: float

    def __post_init__(self):
        if self.ts in (4, 9, 10):
            raise ValueError("no such time")


PRICES = [None if i in (3, 7, 8, 19) else i / 2 for i in range(20)]
TABLE = pa.table({"ts": range(20), "price": PRICES})
LANES = list(itertools.product([False, True], [False, True]))


def arrays(tmp_path, of):
    return sources.arrays({"ts": np.arange(20), "price": PRICES}, of)


def table(tmp_path, of):
    return sources.arrow(pa.concat_tables([TABLE.slice(0, 6), TABLE.slice(6)]), of)


def batch(tmp_path, of):
    return sources.arrow(TABLE.to_batches()[0], of)


def parquet(tmp_path, of):
    path = tmp_path / "t.parquet"
    pq.write_table(TABLE, path, row_group_size=6)
    return sources.parquet(path, of)


@pytest.mark.parametrize("make", [arrays, table, batch, parquet])
@pytest.mark.parametrize(("of", "good"), [(None, 20), (Tick, 16), (Checked, 13)])
@pytest.mark.parametrize(("before", "after"), LANES)
def test_a_table_continues_at_each_item_in_either_lane(tmp_path, make, of, good, before, after):
    source = make(tmp_path, of)
    assert source.no_position is None
    whole, dead = read_all(source)
    assert len(whole) == good
    for n, size in itertools.product(range(good + 1), [1, 4]):
        read, dead_before, position = stop(source, n, columns=before, size=size)
        rest, dead_after = go_on(source, position, columns=after)
        assert read + rest == whole
        assert dead_before + dead_after == dead


@pytest.mark.parametrize("make", [arrays, table, parquet])
def test_at_the_end_malformed_rows_have_been_read(tmp_path, make):
    source = make(tmp_path, Tick)
    context = Context()
    reader = source.open(context)
    while reader.row < 20:
        reader.read(5)
    assert len(context.dead) == 4
    again = source.open(other := Context())
    again.seek(reader.position())
    assert again.read(5) is sources.END
    assert other.dead == []
    for each in (reader, again):
        each.close()


def test_a_row_that_fails_a_reading_fails_it_again_after_the_position():
    source = sources.arrays({"ts": [1, 2, 3], "price": [1.0, None, 3.0]}, Tick)
    first, second = source.open(Context(raises=True)), source.open(Context(raises=True))
    assert len(first.read(3)) == 1
    second.seek(first.position())
    for reader in (first, second):
        with pytest.raises(SourceError, match='arrays: column "price" .* row 2'):
            reader.read(3)


def test_a_position_in_a_parquet_file_is_a_row_group_and_a_row(tmp_path):
    reader = parquet(tmp_path, None).open(Context())
    seen = []
    for n in (0, 4, 2, 13, 5):
        if n:
            reader.read(n)
        position = reader.position()
        seen.append((position["group"], position["row"]))
    reader.close()
    assert seen == [(0, 0), (0, 4), (1, 0), (3, 1), (4, 0)]


def test_a_parquet_file_without_rows_is_at_its_end(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(TABLE.slice(0, 0), path)
    source = sources.parquet(path, Tick)
    _, _, position = stop(source, 0)
    assert go_on(source, position) == ([], [])
    reader = source.open(Context())
    assert reader.read(5) is sources.END
    assert (reader.position()["group"], reader.position()["row"]) == (0, 0)
    reader.close()


def test_a_parquet_file_with_another_footer_is_refused(tmp_path):
    source = parquet(tmp_path, None)
    _, _, position = stop(source, 5)
    pq.write_table(TABLE.slice(0, 19), source.path, row_group_size=6)
    with pytest.raises(SourceError) as caught:
        go_on(source, position)
    assert str(caught.value) == (
        f"parquet: {source.path}: must be the file that the checkpoint was taken from, got one with another footer; put "
        "that file back, or start without the checkpoint"
    )


def test_a_parquet_file_that_was_replaced_while_it_is_read_keeps_its_own_footer(tmp_path):
    source = parquet(tmp_path, None)
    reader = source.open(Context())
    first = reader.position()
    (tmp_path / "t.parquet").unlink()
    pq.write_table(TABLE.slice(0, 19), source.path)
    assert reader.position() == first
    reader.close()


@pytest.mark.parametrize(
    ("longer", "shorter", "label"),
    [
        (sources.arrays([1, 2, 3]), sources.arrays([1, 2]), "arrays"),
        (sources.arrow(TABLE.slice(0, 3)), sources.arrow(TABLE.slice(0, 2)), "arrow"),
    ],
)
def test_a_table_that_has_lost_rows_before_the_position_is_refused(longer, shorter, label):
    _, _, position = stop(longer, 3)
    with pytest.raises(SourceError) as caught:
        go_on(shorter, position)
    assert str(caught.value) == (
        f"{label}: must have 3 rows or more, as when the checkpoint was taken, got 2; put them back, or start without "
        "the checkpoint"
    )
    _, _, position = stop(shorter, 2)
    assert len(go_on(longer, position)[0]) == 1


def test_a_stream_of_batches_has_no_position():
    source = sources.arrow(TABLE.to_reader())
    assert source.no_position == "a RecordBatchReader can be read once only; pass a table"
    reader = source.open(Context())
    assert (len(reader.read(5)), reader.position(), reader.progress()) == (5, None, None)
