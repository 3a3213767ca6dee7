"""Every public sink holds the law of sinks that continue, or says "at least once"."""

import gzip
import inspect
import shutil
import sqlite3
from contextlib import closing

import pyarrow.parquet as pq
import pytest
from pyarrow import feather
from tests.postgres import ask
from tests.unit.packed import ENDS, packer

from rxdag import sinks, testing
from rxdag.contract import Sink

ROWS = [{"a": i, "b": f"x{i}", "c": i / 7} for i in range(40)]


async def nothing(item): ...


def file_of(make, name):
    def made(folder):
        path = folder / name

        def read():
            data = path.read_bytes()
            return packer(path.suffix).decompress(data) if path.suffix in ENDS else data

        return (lambda: make(path)), read, ()

    return made


def rolled_of(make, name, roll):
    def made(folder):
        def fresh():
            for path in folder.glob(f"x-*{name.removeprefix('x')}"):
                path.unlink()
            return make(folder / name, roll=roll)

        def read():
            files = sorted(folder.glob(f"x-*{name.removeprefix('x')}"))
            texts = [
                gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes() for path in files
            ]
            if isinstance(roll, int):
                return texts
            head = b"a,b,c\n" if make is sinks.csv else b""
            assert all(text.startswith(head) for text in texts)
            return b"".join(text.removeprefix(head) for text in texts)  # where they end depends on checkpoints

        return fresh, read, ["runs"]

    return made


def rows_of(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("select a, b, c from rows").fetchall()


def table_of(**options):
    def made(folder):
        path = folder / "x.db"

        def make():
            path.unlink(missing_ok=True)
            return sinks.sqlite(path, "rows", **options)

        return make, lambda: rows_of(path), ["runs"]

    return made


def postgres_of(**options):
    def made(dsn):
        def make():
            ask(dsn, "drop table if exists rows, _rxdag_epochs")
            return sinks.postgres(dsn, "rows", **options)

        return make, lambda: ask(dsn, "select a, b, c from rows order by ctid"), ["runs"]

    return made


def parquet_of(folder):
    path = folder / "x.parquet"

    def read():
        file = pq.ParquetFile(path)
        return file.read().to_pylist(), [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]

    return lambda: sinks.parquet(path), read, ()


def rolled_parquet_of(roll):
    def made(folder):
        def fresh():
            for path in folder.glob("x-*.parquet"):
                path.unlink()
            return sinks.parquet(folder / "x.parquet", roll=roll)

        def read():
            tables = [pq.read_table(path).to_pylist() for path in sorted(folder.glob("x-*.parquet"))]
            assert all(tables)
            return (
                tables if isinstance(roll, int) else [row for table in tables for row in table]
            )  # where they end depends on checkpoints

        return fresh, read, ["runs"]

    return made


def divided_of(make, name, read_file=None, **options):
    """Files of rows by a field; with one `max_open`, most rows complete a file early."""

    def made(folder):
        def fresh():
            shutil.rmtree(folder / "out", ignore_errors=True)
            return make(folder / "out" / "g={g}" / name, **options)

        def read():
            found = {}
            for path in sorted((folder / "out").glob("*/x-*")):
                found.setdefault(path.parent.name, []).append(read_file(path))
            if isinstance(options.get("roll"), int):
                return found
            return {place: [row for rows in files for row in rows] for place, files in found.items()}

        return fresh, read, ["runs"]

    return made


def lines_in(path):
    data = path.read_bytes()
    lines = (packer(path.suffix).decompress(data) if path.suffix in ENDS else data).splitlines()
    assert len(lines) > ("csv" in path.name)
    return lines[1:] if "csv" in path.name else lines


def rows_in(path):
    rows = (pq.ParquetFile(path).read() if path.suffix == ".parquet" else feather.read_table(path)).to_pylist()
    assert rows
    return rows


def delta_of(folder):
    deltalake = pytest.importorskip("deltalake", reason="deltalake is not installed")

    def make():
        shutil.rmtree(folder / "x", ignore_errors=True)
        return sinks.delta(folder / "x")

    def read():
        return sorted(map(str, deltalake.DeltaTable(folder / "x").to_pyarrow_table().to_pylist()))

    return make, read, ["runs"]


def in_process(make):
    return lambda folder: (make, None, ())


EXACTLY_ONCE = {
    "csv": file_of(sinks.csv, "x.csv"),
    "csv, packed": file_of(sinks.csv, "x.csv.gz"),
    "jsonl": file_of(sinks.jsonl, "x.jsonl"),
    "jsonl, packed": file_of(sinks.jsonl, "x.jsonl.gz"),
    "jsonl, packed by zstd": file_of(sinks.jsonl, "x.jsonl.zst"),
    "csv, rolled by size": rolled_of(sinks.csv, "x.csv", 300),
    "csv, rolled at checkpoints": rolled_of(sinks.csv, "x.csv", "checkpoint"),
    "csv, rolled by time": rolled_of(sinks.csv, "x.csv", "1h"),
    "csv, packed, rolled by size": rolled_of(sinks.csv, "x.csv.gz", 300),
    "jsonl, rolled by size": rolled_of(sinks.jsonl, "x.jsonl", 300),
    "jsonl, packed, rolled at checkpoints": rolled_of(sinks.jsonl, "x.jsonl.gz", "checkpoint"),
    "sqlite": table_of(),
    "sqlite, upsert": table_of(upsert=["a"]),
    "postgres": postgres_of(),
    "postgres, upsert": postgres_of(upsert=["a"]),
    "arrow": in_process(sinks.arrow),
    "parquet": parquet_of,
    "parquet, rolled by size": rolled_parquet_of(2_000),
    "parquet, rolled at checkpoints": rolled_parquet_of("checkpoint"),
    "parquet, rolled by time": rolled_parquet_of("1h"),
    "csv, divided": divided_of(sinks.csv, "x.csv", lines_in),
    "csv, divided, rolled by size": divided_of(sinks.csv, "x.csv.gz", lines_in, roll=100),
    "jsonl, divided, rolled at checkpoints": divided_of(sinks.jsonl, "x.jsonl.zst", lines_in, roll="checkpoint"),
    "jsonl, divided, few open": divided_of(sinks.jsonl, "x.jsonl.gz", lines_in, max_open=1),
    "parquet, divided": divided_of(sinks.parquet, "x.parquet", rows_in),
    "parquet, divided, rolled by size": divided_of(sinks.parquet, "x.parquet", rows_in, roll=900),
    "parquet, divided, rolled at checkpoints": divided_of(sinks.parquet, "x.parquet", rows_in, roll="checkpoint"),
    "parquet, divided, few open": divided_of(sinks.parquet, "x.parquet", rows_in, max_open=1),
    "arrow_file": lambda folder: (
        lambda: sinks.arrow_file(folder / "x"),
        lambda: feather.read_table(folder / "x").to_pylist(),
        (),
    ),
    "arrow_file, divided, rolled by size": divided_of(sinks.arrow_file, "x.arrow", rows_in, roll=900),
    "delta": delta_of,
    "collect": in_process(sinks.collect),
    "null": in_process(sinks.null),
}
AT_LEAST_ONCE = {
    "call": lambda: sinks.call(lambda item: None),
    "acall": lambda: sinks.acall(nothing),
    "stdout": sinks.stdout,
    "publisher": sinks.publisher,
    "batched": lambda: sinks.batched(type("Table", (), {"write": lambda self, batch: None})()),
}


def test_every_public_sink_is_here():
    names = {name for name in sinks.__all__ if inspect.isfunction(getattr(sinks, name))} - {"fields_of"}
    assert names == {case.split(",")[0] for case in (*EXACTLY_ONCE, *AT_LEAST_ONCE)}


@pytest.mark.parametrize(
    ("case", "group"),
    [
        *((case, 1 << 16) for case in EXACTLY_ONCE if not case.startswith("parquet, divided")),
        ("arrow", 7),
        ("arrow_file", 7),
        ("parquet", 7),
        ("parquet, rolled by size", 7),
        ("parquet, rolled at checkpoints", 7),
        *((case, 3) for case in EXACTLY_ONCE if case.startswith("parquet, divided")),
    ],
)
def test_a_sink_that_is_exactly_once_recovers(case, group, tmp_path, monkeypatch, request):
    monkeypatch.setattr("rxdag.sinks._arrow._GROUP_ROWS", group)
    make, read, waived = EXACTLY_ONCE[case](request.getfixturevalue("dsn") if "postgres" in case else tmp_path)
    assert make().delivery == "exactly once"
    rows = [{**row, "g": row["a"] // 2 % 3} for row in ROWS[:15]] if "divided" in case else ROWS
    testing.check_sink(make, rows, read=read, waive=waived)
    assert [path.name for path in tmp_path.rglob("*") if path.name.endswith(".part")] == []


@pytest.mark.parametrize("case", AT_LEAST_ONCE)
def test_a_sink_that_cannot_recover_says_so(case):
    sink = AT_LEAST_ONCE[case]()
    assert isinstance(sink, Sink)
    assert sink.delivery == "at least once"
