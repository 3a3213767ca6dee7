"""Files that a run continues from a checkpoint: their part files, and what is said if one does not fit."""

import os

import msgspec
import pyarrow.parquet as pq
import pytest
from tests.unit.saved import Context

import rxdag
from rxdag import SourceError, sinks, sources
from rxdag.codec import Codec
from rxdag.contract import Chunk

ROWS = [{"a": i, "b": f"x{i}"} for i in range(30)]


class Row(msgspec.Struct, frozen=True):
    a: int
    b: str


MAKES = pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl])


def opened(sink, saved=None):
    writer = sink.open(Context())
    try:
        if saved is not None:
            writer.restore(Codec().decode(Codec().encode(saved)))
    except Exception:
        writer.close(ok=False)
        raise
    return writer


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def saved_of(sink, items=ROWS):
    """Return what the writer of a run that fails has saved."""
    writer = opened(sink)
    writer.write(Chunk(list(items)))
    saved = writer.save()
    writer.close(ok=False)
    return saved


def test_a_file_of_which_only_the_header_was_saved_continues(tmp_path):
    writer = opened(
        sinks.csv(tmp_path / "x", columns=["a", "b"]), saved_of(sinks.csv(tmp_path / "x", columns=["a", "b"]), [])
    )
    writer.write(Chunk(ROWS[:1]))
    assert writer.close(ok=True) == 1
    assert (tmp_path / "x").read_text() == "a,b\n0,x0\n"


@pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl, sinks.parquet])
@pytest.mark.parametrize("name", ["x", "x.gz"])
def test_what_was_written_behind_a_checkpoint_is_undone(tmp_path, make, name, monkeypatch):
    monkeypatch.setattr("rxdag.sinks._arrow._GROUP_ROWS", 2)
    writer = opened(make(tmp_path / name))
    writer.write(Chunk(ROWS[:5]))
    saved = writer.save()
    writer.write(Chunk(ROWS[5:]))
    writer.save()
    writer.close(ok=False)
    assert opened(make(tmp_path / name), saved).close(ok=True) == 5
    source = {sinks.csv: sources.csv, sinks.jsonl: sources.jsonl, sinks.parquet: sources.parquet}[make]
    assert rxdag.from_source(source(tmp_path / name, Row)).collect() == [Row(i, f"x{i}") for i in range(5)]


def test_a_parquet_file_may_be_saved_for_the_first_time_once_it_is_prepared(tmp_path):
    writer = opened(sinks.parquet(tmp_path / "x"))
    writer.write(Chunk(ROWS))
    writer.prepare()
    saved = writer.save()
    assert writer.close(ok=True) == 30
    assert pq.read_table(tmp_path / "x").to_pylist() == ROWS
    assert opened(sinks.parquet(tmp_path / "x"), saved).close(ok=True) == 30
    assert pq.read_table(tmp_path / "x").to_pylist() == ROWS


def test_a_vanished_part_file_of_a_parquet_file_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("rxdag.sinks._arrow._GROUP_ROWS", 2)
    sink = sinks.parquet(tmp_path / "x")
    rxdag.run(rxdag.from_source(sources.iterable(ROWS)).to(sink))
    saved = saved_of(sink)
    (tmp_path / saved["part"]).unlink()
    with pytest.raises(
        SourceError, match=r'^parquet: ".*x" must have the part file of its checkpoint, ".*" of [0-9,]+ bytes, got none'
    ):
        opened(sink, saved)


@MAKES
def test_what_was_saved_does_not_change_with_later_writes(tmp_path, make):
    writer = opened(make(tmp_path / "x"))
    writer.write(Chunk(ROWS[:1]))
    saved = writer.save()
    before = Codec().encode(saved)
    writer.write(Chunk(ROWS[1:]))
    writer.save()
    writer.close(ok=True)
    assert Codec().encode(saved) == before


@MAKES
def test_other_runs_leave_the_part_file_of_a_checkpoint_alone(tmp_path, make):
    saved = saved_of(make(tmp_path / "x"))
    rxdag.run(rxdag.from_source(sources.iterable([{"a": 1}])).to(make(tmp_path / "y")))
    rxdag.run(rxdag.from_source(sources.iterable([{"a": 1}])).to(make(tmp_path / "x")))
    assert names_in(tmp_path) == [saved["part"], "x", "y"]
    assert opened(make(tmp_path / "x"), saved).close(ok=True) == 30
    assert names_in(tmp_path) == ["x", "y"]


def test_a_run_that_begins_anew_with_checkpoints_removes_the_old_part_file_at_its_end(tmp_path):
    saved_of(sinks.csv(tmp_path / "x"))
    saved_of(sinks.csv(tmp_path / "other"))
    writer = opened(sinks.csv(tmp_path / "x"))
    writer.write(Chunk([{"a": 1}]))
    writer.save()
    assert len(names_in(tmp_path)) == 3
    writer.close(ok=True)
    other, mine = names_in(tmp_path)
    assert other.startswith(".other.")
    assert mine == "x"


def test_a_run_that_continues_removes_what_a_checkpoint_that_failed_has_left(tmp_path):
    saved_of(sinks.csv(tmp_path / "x"), ROWS[:3])
    saved = saved_of(sinks.csv(tmp_path / "x"))
    assert len(names_in(tmp_path)) == 2
    writer = opened(sinks.csv(tmp_path / "x"), saved)
    assert names_in(tmp_path) == [saved["part"]]
    writer.close(ok=True)


@MAKES
@pytest.mark.parametrize("name", ["x", "x.gz"])
def test_a_run_that_fails_behind_a_checkpoint_leaves_its_part_file_to_continue_from(tmp_path, make, name):
    sink = make(tmp_path / name)
    writer = opened(sink)
    writer.write(Chunk(ROWS[:20]))
    saved = writer.save()
    writer.write(Chunk(ROWS[20:25]))
    writer.close(ok=False)
    assert names_in(tmp_path) == [saved["part"]]
    writer = opened(sink, saved)
    writer.write(Chunk(ROWS[20:]))
    writer.close(ok=True)
    whole = opened(make(tmp_path / f"whole{name}"))
    whole.write(Chunk(ROWS[:20]))
    whole.save()
    whole.write(Chunk(ROWS[20:]))
    whole.close(ok=True)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole{name}").read_bytes()


@MAKES
@pytest.mark.parametrize("name", ["x", "x.gz"])
def test_a_file_that_has_its_name_already_is_left_as_it_is(tmp_path, make, name):
    sink = make(tmp_path / name)
    writer = opened(sink)
    writer.write(Chunk(ROWS))
    saved = writer.save()
    writer.close(ok=True)
    before = (tmp_path / name).read_bytes()
    again = opened(sink, saved)
    assert again.close(ok=True) == 30
    assert (tmp_path / name).read_bytes() == before
    assert names_in(tmp_path) == [name]


def test_a_vanished_part_file_is_an_error_though_an_old_file_has_the_name(tmp_path):
    (tmp_path / "x").write_text("yesterday" * 100)
    saved = saved_of(sinks.csv(tmp_path / "x"))
    (tmp_path / saved["part"]).unlink()
    with pytest.raises(SourceError) as raised:
        opened(sinks.csv(tmp_path / "x"), saved)
    assert str(raised.value) == (
        f'csv: "{tmp_path}/x" must have the part file of its checkpoint, "{tmp_path}/{saved["part"]}" of 194 bytes, got '
        "none; put it back, or start over"
    )
    assert (tmp_path / "x").read_text() == "yesterday" * 100


def test_a_part_file_that_is_too_short_or_another_one_is_an_error(tmp_path):
    saved = saved_of(sinks.csv(tmp_path / "x"))
    part = tmp_path / saved["part"]
    data = part.read_bytes()
    part.write_bytes(data[:100])
    with pytest.raises(SourceError, match=r"of 194 bytes, got one of 100; put it back, or start over$"):
        opened(sinks.csv(tmp_path / "x"), saved)
    part.write_bytes(b"?" + data[1:])
    with pytest.raises(SourceError, match=r"of 194 bytes, got another file of that name; put it back"):
        opened(sinks.csv(tmp_path / "x"), saved)
    part.write_bytes(data)
    assert opened(sinks.csv(tmp_path / "x"), saved).close(ok=True) == 30


def test_a_part_file_that_another_run_has_open_is_an_error(tmp_path):
    writer = opened(sinks.csv(tmp_path / "x"))
    writer.write(Chunk(ROWS))
    saved = writer.save()
    with pytest.raises(
        SourceError, match=r'^csv: ".*x" must be written by one run, got another one that has ".*" open'
    ):
        opened(sinks.csv(tmp_path / "x"), saved)
    writer.write(Chunk(ROWS[:1]))
    assert writer.close(ok=True) == 31


def test_a_run_that_continues_in_another_file_is_an_error(tmp_path):
    saved = saved_of(sinks.csv(tmp_path / "x"))
    with pytest.raises(SourceError, match=r'must write to the same file, got ".*/y", and a checkpoint of "\.x\.'):
        opened(sinks.csv(tmp_path / "y"), saved)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs are those of POSIX")
def test_a_device_or_a_fifo_cannot_be_continued_and_says_so(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    end = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        for path in (os.devnull, tmp_path / "fifo"):
            sink = sinks.csv(path)
            assert sink.delivery == "at least once"
            writer = opened(sink)
            assert writer.save() is None
            writer.close(ok=True)
    finally:
        os.close(end)
    assert sinks.csv(tmp_path / "x").delivery == "exactly once"


def test_a_sink_is_told_the_names_of_its_node_and_its_dag():
    seen = []

    class Asks(rxdag.Sink):
        def open(self, context):
            seen.append((context.name, context.dag))
            return sinks.null().open(context)

    rxdag.run(rxdag.Dag(rxdag.from_source(sources.range(1)).to(Asks(), name="db"), name="bars"))
    assert seen == [("db", "bars")]


@MAKES
def test_a_run_that_completes_a_file_leaves_the_saved_part_of_a_live_run_and_removes_that_of_a_dead_one(tmp_path, make):
    dead = saved_of(make(tmp_path / "x"))
    live = opened(make(tmp_path / "x"))
    live.write(Chunk(ROWS[:1]))
    kept = live.save()
    other = opened(make(tmp_path / "x"))
    other.write(Chunk(ROWS[:2]))
    other.save()
    other.close(ok=True)
    assert dead["part"] not in names_in(tmp_path)
    assert names_in(tmp_path) == [kept["part"], "x"]
    live.close(ok=False)
