"""Numbered files: when one is complete, when it gets its name, and what restarts and bad input do to them."""

import os
import re
import sys
from datetime import timedelta

import msgspec
import pyarrow.parquet as pq
import pytest
from tests.unit.packed import ENDS, packer
from tests.unit.saved import Context

import rxdag
from rxdag import (
    CheckpointError,
    CompileError,
    GraphError,
    MissingExtra,
    NodeError,
    SourceError,
    checkpoints,
    sinks,
    sources,
)
from rxdag import operators as ops
from rxdag.codec import Codec
from rxdag.contract import Chunk
from rxdag.engine.drivers import VirtualClock

ROWS = [{"a": i} for i in range(10)]
HOUR = 3_600_000_000_000
MAKES = pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl])


class Row(msgspec.Struct):
    a: int


def opened(sink, saved=None, *, saves=True, clock=None):
    context = Context(saves=saves)
    context.clock = clock or VirtualClock()
    writer = sink.open(context)
    if saved is not None:
        writer.restore(Codec().decode(Codec().encode(saved)))
    return writer


def texts(folder):
    """Return the content of all files by name; of part files only that they are there."""
    return {
        path.name if not path.name.startswith(".") else "part": "" if path.name.startswith(".") else path.read_text()
        for path in sorted(folder.iterdir())
    }


def run(sink, items=ROWS):
    return rxdag.run(rxdag.from_source(sources.iterable(items)).to(sink, name="out"))["out"]


# ---- when a file is complete


def test_files_of_a_size_end_before_the_row_that_would_exceed_it_and_each_has_the_header(tmp_path):
    assert run(sinks.csv(tmp_path / "x.csv", roll=8)) == 10
    assert texts(tmp_path) == {
        "x-000001.csv": "a\n0\n1\n2\n",
        "x-000002.csv": "a\n3\n4\n5\n",
        "x-000003.csv": "a\n6\n7\n8\n",
        "x-000004.csv": "a\n9\n",
    }


def test_a_row_that_is_longer_than_the_size_has_a_file_of_its_own(tmp_path):
    assert run(sinks.jsonl(tmp_path / "x.jsonl", roll=4), ["a", "b" * 9, "c"]) == 3
    assert texts(tmp_path) == {"x-000001.jsonl": '"a"\n', "x-000002.jsonl": '"bbbbbbbbb"\n', "x-000003.jsonl": '"c"\n'}


@pytest.mark.parametrize("sizes", [(1,) * 10, (10,), (3, 4, 3)])
def test_where_files_end_does_not_depend_on_chunks_or_checkpoints(tmp_path, sizes):
    writer, at = opened(sinks.csv(tmp_path / "x.csv", roll="0.008kB")), 0
    for n in sizes:
        writer.write(Chunk(ROWS[at : at + n]))
        writer.save()
        writer.publish()
        at += n
    assert writer.close(ok=True) == 10
    assert [texts(tmp_path)[f"x-00000{i}.csv"] for i in (1, 4)] == ["a\n0\n1\n2\n", "a\n9\n"]


def test_files_of_an_interval_end_with_it_in_utc(tmp_path):
    clock = VirtualClock()
    clock.advance_to(10 * HOUR + HOUR // 2)
    writer = opened(sinks.csv(tmp_path / "x.csv", roll="1h"), saves=False, clock=clock)
    writer.write(Chunk(ROWS[:1]))
    clock.advance_to(11 * HOUR - 1)
    writer.write(Chunk(ROWS[1:2]))
    assert texts(tmp_path) == {"part": ""}
    clock.advance_to(11 * HOUR)
    writer.write(Chunk(ROWS[2:3]))
    assert texts(tmp_path) == {"part": "", "x-000001.csv": "a\n0\n1\n"}
    clock.advance_to(14 * HOUR)
    assert writer.close(ok=True) == 3
    assert texts(tmp_path) == {"x-000001.csv": "a\n0\n1\n", "x-000002.csv": "a\n2\n"}


def test_a_checkpoint_completes_the_file_of_an_interval_that_is_over(tmp_path):
    clock = VirtualClock()
    writer = opened(sinks.jsonl(tmp_path / "x.jsonl", roll=timedelta(hours=1)), clock=clock)
    writer.write(Chunk(ROWS[:1]))
    writer.save()
    writer.publish()
    assert list(texts(tmp_path)) == ["part"]
    clock.advance_to(HOUR)
    writer.save()
    assert list(texts(tmp_path)) == ["part"]
    writer.publish()
    assert texts(tmp_path) == {"x-000001.jsonl": '{"a":0}\n'}
    writer.close(ok=True)


@MAKES
def test_each_checkpoint_with_rows_completes_a_file_and_names_it_once_it_is_durable(tmp_path, make):
    writer = opened(make(tmp_path / "x.txt", roll="checkpoint"))
    for rows in (ROWS[:2], [], ROWS[2:3]):
        writer.write(Chunk(rows))
        writer.save()
        assert f"x-00000{1 if rows == ROWS[:2] else 2}.txt" not in texts(tmp_path)
        writer.publish()
    assert writer.close(ok=True) == 3
    assert list(texts(tmp_path)) == ["x-000001.txt", "x-000002.txt"]


def test_a_checkpoint_that_fails_names_nothing_and_the_next_one_names_both_files(tmp_path):
    writer = opened(sinks.csv(tmp_path / "x.csv", roll="checkpoint"))
    writer.write(Chunk(ROWS[:1]))
    writer.save()  # not durable: publish is not called
    writer.write(Chunk(ROWS[1:2]))
    writer.save()
    assert list(texts(tmp_path)) == ["part"]
    writer.publish()
    assert texts(tmp_path) == {"x-000001.csv": "a\n0\n", "x-000002.csv": "a\n1\n"}
    writer.close(ok=True)


@pytest.mark.parametrize("end", ENDS)
def test_compressed_files_keep_their_ending_and_can_be_read_each_by_itself(tmp_path, end):
    assert run(sinks.csv(tmp_path / f"x.y.csv{end}", roll=8)) == 10
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert names == [f"x.y-00000{i}.csv{end}" for i in (1, 2, 3, 4)]
    assert packer(end).decompress((tmp_path / names[1]).read_bytes()) == b"a\n3\n4\n5\n"


@pytest.mark.parametrize("end", ENDS)
def test_a_compressed_file_of_many_pieces_is_read_back(tmp_path, end):
    writer = opened(sinks.jsonl(tmp_path / f"x.jsonl{end}", roll="1GB"))
    for row in ROWS:
        writer.write(Chunk([row]))
        writer.save()  # ends a piece
    assert writer.close(ok=True) == 10
    rows = rxdag.from_source(sources.jsonl(tmp_path / f"x-000001.jsonl{end}", Row)).collect()
    assert [row.a for row in rows] == [*range(10)]


def test_zstd_without_its_package_is_an_error_that_tells_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd", None)
    with pytest.raises(MissingExtra if sys.version_info < (3, 14) else ImportError):
        opened(sinks.csv(tmp_path / "x.csv.zst"))
    assert texts(tmp_path) == {}


def test_no_items_give_no_file(tmp_path):
    assert run(sinks.csv(tmp_path / "x.csv", columns=["a"], roll="1MB"), []) == 0
    assert texts(tmp_path) == {}


# ---- Parquet


def tables(folder):
    return {path.name: pq.read_table(path).to_pylist() for path in sorted(folder.glob("x-*"))}


def test_parquet_files_of_a_size_end_with_the_row_group_that_reaches_it(tmp_path, monkeypatch):
    monkeypatch.setattr("rxdag.sinks._arrow._GROUP_ROWS", 2)
    assert run(sinks.parquet(tmp_path / "x.parquet", roll=1)) == 10
    assert tables(tmp_path) == {f"x-00000{i + 1}.parquet": ROWS[2 * i : 2 * i + 2] for i in range(5)}
    assert len(os.listdir(tmp_path)) == 5


def test_parquet_files_of_checkpoints_are_named_once_they_are_durable(tmp_path):
    writer = opened(sinks.parquet(tmp_path / "x.parquet", roll="checkpoint"))
    for rows in (ROWS[:3], [], ROWS[3:]):
        writer.write(Chunk(rows))
        writer.save()
        writer.publish()
    assert writer.close(ok=True) == 10
    assert tables(tmp_path) == {"x-000001.parquet": ROWS[:3], "x-000002.parquet": ROWS[3:]}
    assert len(os.listdir(tmp_path)) == 2


def test_parquet_files_of_an_interval_end_with_it_and_continue_over_checkpoints(tmp_path):
    clock = VirtualClock()
    sink = sinks.parquet(tmp_path / "x.parquet", roll="1h")
    writer = opened(sink, clock=clock)
    writer.write(Chunk(ROWS[:1]))
    saved = writer.save()
    writer.close(ok=False)
    writer = opened(sink, saved, clock=clock)
    writer.write(Chunk(ROWS[1:2]))
    clock.advance_to(HOUR)
    writer.write(Chunk(ROWS[2:]))
    writer.save()
    writer.publish()
    assert tables(tmp_path) == {"x-000001.parquet": ROWS[:2]}
    assert writer.close(ok=True) == 10
    assert tables(tmp_path)["x-000002.parquet"] == ROWS[2:]
    assert len(os.listdir(tmp_path)) == 2


def test_a_parquet_file_is_appended_to_by_numbers_only(tmp_path):
    with pytest.raises(
        GraphError, match=r"^parquet: append must be given with roll=, since a file of this format cannot be continued$"
    ):
        sinks.parquet("x.parquet", append=True)
    for _ in range(2):
        run(sinks.parquet(tmp_path / "x.parquet", roll="1GB", append=True))
    assert list(tables(tmp_path)) == ["x-000001.parquet", "x-000002.parquet"]


# ---- runs


def rolling(folder, **options):
    numbers = rxdag.from_source(sources.range(30), name="numbers").pipe(ops.rechunk(10))
    return rxdag.Dag(numbers.to(sinks.jsonl(folder / "x.jsonl", **options), name="out"), name="job")


def test_a_run_without_checkpoints_names_complete_files_at_once_and_drops_the_open_one_if_it_fails(tmp_path):
    def fails(row):
        if row["a"] == 8:
            raise ValueError("eight")
        return row

    rows = rxdag.from_source(sources.iterable(ROWS)).pipe(ops.map(fails))
    with pytest.raises(NodeError, match="eight"):
        rxdag.run(rows.to(sinks.csv(tmp_path / "x.csv", roll=8)))
    assert texts(tmp_path) == {"x-000001.csv": "a\n0\n1\n2\n", "x-000002.csv": "a\n3\n4\n5\n"}


@pytest.mark.parametrize("make", [sinks.jsonl, sinks.parquet])
def test_a_job_that_is_done_stays_so_if_its_files_forbid_to_begin_anew(tmp_path, make):
    store = checkpoints.memory()
    rows = rxdag.from_source(sources.iterable(ROWS), name="rows")
    dag = rxdag.Dag(rows.to(make(tmp_path / "x", roll="checkpoint"), name="out"), name="job")
    assert rxdag.run(dag, checkpoints=store)["out"] == 10
    with pytest.raises(CheckpointError) as raised:
        rxdag.run(dag, checkpoints=store, fresh=True)
    assert str(raised.value) == (
        f'dag "job": fresh=True must find no rows of earlier runs, but sink "out" has some: its files "{tmp_path}/x-*" end '
        "with number 1: move them away, or pass append=True; remove them, or continue without fresh=True"
    )
    assert rxdag.run(dag, checkpoints=store).was_done
    (tmp_path / "x-000001").unlink()
    assert rxdag.run(dag, checkpoints=store, fresh=True)["out"] == 10


def test_a_run_with_checkpoints_names_what_they_cover_and_a_later_one_has_nothing_to_do(tmp_path):
    store = checkpoints.memory()
    lines = rxdag.from_source(sources.range(4), name="lines")
    dag = rxdag.Dag(lines.to(sinks.jsonl(tmp_path / "x.jsonl", roll="checkpoint"), name="out"), name="job")
    result = rxdag.run(dag, checkpoints=store)
    assert result["out"] == 4
    assert texts(tmp_path) == {"x-000001.jsonl": "0\n1\n2\n3\n"}
    assert rxdag.run(dag, checkpoints=store).was_done
    assert texts(tmp_path) == {"x-000001.jsonl": "0\n1\n2\n3\n"}


# ---- restarts


def test_a_restart_continues_the_open_file_and_removes_the_files_behind_the_checkpoint(tmp_path):
    sink = sinks.csv(tmp_path / "x.csv", roll=8)
    first = opened(sink)
    first.write(Chunk(ROWS[:4]))
    saved = first.save()
    first.write(Chunk(ROWS[4:]))
    later = first.save()
    assert (saved["next"], later["next"]) == (3, 5)
    first.close(ok=False)
    assert len(list(tmp_path.iterdir())) == 4
    writer = opened(sink, saved)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [saved["open"][0]["part"]]
    assert texts(tmp_path)["x-000001.csv"] == "a\n0\n1\n2\n"
    writer.write(Chunk(ROWS[4:]))
    assert writer.close(ok=True) == 10
    assert texts(tmp_path) == {
        "x-000001.csv": "a\n0\n1\n2\n",
        "x-000002.csv": "a\n3\n4\n5\n",
        "x-000003.csv": "a\n6\n7\n8\n",
        "x-000004.csv": "a\n9\n",
    }


def test_a_run_that_fails_leaves_no_part_file_that_no_checkpoint_covers(tmp_path):
    writer = opened(sinks.csv(tmp_path / "x.csv", roll=8))
    writer.write(Chunk(ROWS))
    writer.close(ok=False)
    assert texts(tmp_path) == {}


def test_a_file_that_was_named_already_is_left_as_it_is(tmp_path):
    sink = sinks.csv(tmp_path / "x.csv", roll="checkpoint")
    writer = opened(sink)
    writer.write(Chunk(ROWS))
    saved = writer.save()
    writer.publish()
    before = (tmp_path / "x-000001.csv").stat()
    again = opened(sink, saved)
    assert again.close(ok=True) == 10
    after = (tmp_path / "x-000001.csv").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_vanished_file_that_a_checkpoint_covers_is_an_error(tmp_path):
    sink = sinks.csv(tmp_path / "x.csv", roll="checkpoint")
    writer = opened(sink)
    writer.write(Chunk(ROWS))
    saved = writer.save()
    writer.close(ok=False)
    (tmp_path / saved["closed"][0]["part"]).unlink()
    with pytest.raises(SourceError, match=r'x-000001.csv" must have the part file of its checkpoint.*got none'):
        opened(sink, saved)


def test_files_that_are_ahead_of_an_older_checkpoint_are_refused(tmp_path):
    sink = sinks.csv(tmp_path / "x.csv", roll="checkpoint")
    writer = opened(sink)
    older = writer.save()
    writer.write(Chunk(ROWS))
    writer.save()
    writer.publish()
    with pytest.raises(SourceError) as raised:
        opened(sink, older)
    assert str(raised.value) == (
        f'csv: "{tmp_path}/x-*.csv" must end before number 1, the next of the checkpoint, got number 1 of a later one; '
        f'continue from the newest checkpoint, or remove all "{tmp_path}/x-*.csv" from number 1 on, to go back to this one'
    )


def way_back(folder, sink, saved):
    """Return what the error says about going back, after doing it."""
    with pytest.raises(SourceError) as raised:
        opened(sink, saved)
    way = str(raised.value).partition("from the newest checkpoint, or ")[2].removesuffix(", to go back to this one")
    for step in way.split(" and "):
        if step.startswith("rename"):
            os.rename(*re.findall('"(.+?)"', step))
        else:
            first = int(re.search("from number ([0-9]+) on", step)[1])
            for path in folder.glob("x-*"):
                if int(path.stem.removeprefix("x-")) >= first:
                    path.unlink()
    return way.replace(f"{folder}/", "").replace(saved["open"][0]["part"] if saved["open"] else "?", "PART")


@pytest.mark.parametrize(
    ("roll", "at", "said"),
    [
        ("checkpoint", 2, 'remove all "x-*.csv" from number 2 on'),
        ("checkpoint", 8, 'remove all "x-*.csv" from number 4 on'),
        (8, 2, 'rename "x-000001.csv" to "PART" and remove all "x-*.csv" from number 2 on'),
        (8, 4, 'rename "x-000002.csv" to "PART" and remove all "x-*.csv" from number 3 on'),
        (8, 8, 'rename "x-000003.csv" to "PART"'),
    ],
)
def test_an_older_checkpoint_gives_the_same_files_once_later_ones_are_out_of_the_way(tmp_path, roll, at, said):
    sink = sinks.csv(tmp_path / "x.csv", roll=roll)
    sizes, older = {2: 2, 4: 2, 8: 4, 10: 2}, {}
    writer, done = opened(sink), 0
    for end in sizes:
        writer.write(Chunk(ROWS[done:end]))
        older[end], done = writer.save(), end
        writer.publish()
    whole = texts(tmp_path)
    writer.close(ok=False)
    assert way_back(tmp_path, sink, older[at]) == said
    writer = opened(sink, older[at])
    for end in (each for each in sizes if each > at):
        writer.write(Chunk(ROWS[end - sizes[end] : end]))
        writer.save()
        writer.publish()
    assert texts(tmp_path) == whole
    assert writer.close(ok=True) == 10


def test_a_checkpoint_whose_open_parquet_file_is_gone_cannot_be_gone_back_to(tmp_path, monkeypatch):
    monkeypatch.setattr("rxdag.sinks._arrow._GROUP_ROWS", 2)
    sink = sinks.parquet(tmp_path / "x.parquet", roll=2000)
    writer = opened(sink)
    writer.write(Chunk(ROWS[:2]))
    older = writer.save()
    writer.write(Chunk(ROWS * 90))
    writer.close(ok=True)
    with pytest.raises(SourceError, match=r"newest checkpoint, or start over: an open file of this one is gone$"):
        opened(sink, older)


# ---- bad input


@pytest.mark.parametrize("name", ["file/x.csv", f"{'x' * 250}.csv"])
def test_a_path_that_cannot_be_written_is_an_error_that_names_it(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(NodeError, match=r'csv: cannot write "/.*-000001\.csv": (Not a dir|File name too)'):
        run(sinks.csv(tmp_path / name, roll=8))


def test_files_of_an_earlier_run_are_refused_and_kept(tmp_path):
    run(sinks.csv(tmp_path / "x.csv", roll=8))
    with pytest.raises(NodeError) as raised:
        run(sinks.csv(tmp_path / "x.csv", roll=8))
    assert str(raised.value.__cause__) == (
        f'csv: "{tmp_path}/x-*.csv" must not exist when a run begins, got number 4 of an earlier one; move the files away, '
        "or pass append=True to continue its numbering"
    )
    assert texts(tmp_path)["x-000004.csv"] == "a\n9\n"


def test_with_append_a_run_numbers_on_behind_the_highest_file(tmp_path):
    for name in ("x-000009.csv", "x-12.csv", "x-000011.jsonl", "y-000012.csv", "x-0000013.csv.gz"):
        (tmp_path / name).write_text("old")
    run(sinks.csv(tmp_path / "x.csv", roll="1MB", append=True), ROWS[:1])
    assert texts(tmp_path)["x-000010.csv"] == "a\n0\n"


def test_a_file_that_another_run_has_named_meanwhile_is_not_replaced(tmp_path):
    writer = opened(sinks.csv(tmp_path / "x.csv", roll="1MB"), saves=False)
    writer.write(Chunk(ROWS))
    (tmp_path / "x-000001.csv").write_text("mine")
    with pytest.raises(SourceError, match=r'x-000001.csv" must not exist before it is complete'):
        writer.close(ok=True)
    writer.close(ok=False)
    assert texts(tmp_path) == {"x-000001.csv": "mine"}


def test_a_folder_that_cannot_be_written_is_an_error_before_the_first_row(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        SourceError, match='cannot write ".*x-000001.csv": Not a directory; a part of the path is a file'
    ):
        opened(sinks.csv(tmp_path / "file" / "x.csv", roll="1h"))
    with pytest.raises(SourceError, match="path must be a file, got the directory"):
        opened(sinks.csv(tmp_path, roll="1h"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="devices are those of POSIX")
@MAKES
def test_a_device_cannot_be_rolled(make):
    with pytest.raises(GraphError) as raised:
        make("/dev/stdout", roll="1h")
    assert str(raised.value) == f"{make.__name__}: roll must be left out for a device or FIFO, got '/dev/stdout'"


@pytest.mark.parametrize("given", ["1", "MB", "-1h", "hourly", "100M", 1.5, True, "checkpoints", b"1h"])
def test_what_is_neither_a_size_nor_a_duration_is_refused(given):
    with pytest.raises(
        GraphError, match=r'^csv: roll must be "checkpoint", a size such as "100MB", or a duration such as "1h", got '
    ):
        sinks.csv("x.csv", roll=given)


@pytest.mark.parametrize("given", [0, -5, "0MB"])
def test_a_size_below_one_byte_is_refused(given):
    with pytest.raises(GraphError, match=r"^csv: roll must be 1 byte or more, got "):
        sinks.csv("x.csv", roll=given)


@pytest.mark.parametrize(
    ("given", "expected"), [("100MB", 100_000_000), ("1.5 kB", 1_500), ("64MiB", 67_108_864), ("7B", 7), (12, 12)]
)
def test_sizes_are_bytes_in_powers_of_1000_or_1024(given, expected):
    assert sinks.csv("x.csv", roll=given).roll.max_bytes == expected


def test_two_sinks_may_not_write_files_of_one_pattern(tmp_path):
    numbers = rxdag.from_source(sources.range(3))
    rolled = numbers.to(sinks.csv(tmp_path / "x.csv", roll="1h"), name="a")
    for other in (sinks.csv(tmp_path / "x.csv", roll=9), sinks.csv(tmp_path / "x-000004.csv")):
        with pytest.raises(CompileError, match='^sinks "a" and "b": must write different files, got '):
            rxdag.compile(rxdag.Dag(rolled, numbers.to(other, name="b")))
    rxdag.compile(rxdag.Dag(rolled, numbers.to(sinks.csv(tmp_path / "x.csv"), name="b")))


def test_a_spec_can_roll_files(tmp_path):
    text = (
        "name: job\nnodes:\n  n: {source: range, bounds: [3]}\n  out: {sink: jsonl, input: n, path: x.jsonl, roll: 4}\n"
    )
    rxdag.run(rxdag.load_spec(text=text, base=tmp_path))
    assert texts(tmp_path) == {"x-000001.jsonl": "0\n1\n", "x-000002.jsonl": "2\n"}
