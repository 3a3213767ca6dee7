"""Sinks of files on a disk that is full for a while: what was refused is written later, once."""

import contextlib
import gzip
import random
import sys
from itertools import chain

import pyarrow.parquet as pq
import pytest
from tests.unit.saved import Context

from rxdag import SourceError, sinks
from rxdag.contract import Chunk

if sys.platform == "win32":
    pytest.skip("has no limit for the size of files", allow_module_level=True)

import resource

RANDOM = random.Random(1)
ROWS = [{"n": n, "x": RANDOM.random()} for n in range(400)]
CHUNKS = [ROWS[i : i + 40] for i in range(0, 400, 40)]
OLD = "n,x\n" + "-1,0.5\n" * 200
LIMITS = (0, 10, 700, 1_500, 3_000)
"""Sizes of a file, in bytes, at which the disk is full."""


@contextlib.contextmanager
def full_at(size):
    """Refuse to write behind a size; up to that, a part of the data is written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def is_refused(call, *args):
    try:
        call(*args)
    except SourceError as error:
        return "cannot write" in str(error)
    return False


def refusals(sink, size, chunks=CHUNKS):
    """Write all chunks, some of them on a full disk, and complete the output; return how many saves and writes were refused."""
    writer = sink.open(Context())
    saves = writes = 0
    for number, rows in enumerate(chunks):
        with full_at(size if number in (0, 3, 4, 6) else resource.RLIM_INFINITY):
            saves += is_refused(writer.save)
            failed = is_refused(writer.write, Chunk(rows))
            writes += failed
            saves += failed and is_refused(writer.save)  # a checkpoint before the write is repeated
        if failed:
            writer.write(Chunk(rows))
    writer.save()
    writer.publish()
    writer.prepare()
    writer.close(ok=True)
    return saves, writes


def numbers(path):
    """Return the numbers of the rows of a file."""
    if path.suffix == ".parquet":
        return pq.read_table(path)["n"].to_pylist()
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
    return [int(line.removeprefix('{"n":').split(",")[0]) for line in lines if line != "n,x"]


def files_of(folder):
    """Return the numbers of the rows of each file, in the order of their names."""
    return [numbers(path) for path in sorted(folder.iterdir())]


SINKS = {
    "csv": lambda path: sinks.csv(path / "x.csv"),
    "csv, appended": lambda path: sinks.csv(path / "x.csv", append=True),
    "jsonl, packed": lambda path: sinks.jsonl(path / "x.jsonl.gz"),
    "csv, by size": lambda path: sinks.csv(path / "x.csv", roll=2_000),
    "jsonl, packed, by size": lambda path: sinks.jsonl(path / "x.jsonl.gz", roll=2_000),
    "jsonl, at checkpoints": lambda path: sinks.jsonl(path / "x.jsonl", roll="checkpoint"),
    "parquet": lambda path: sinks.parquet(path / "x.parquet"),
    "parquet, by size": lambda path: sinks.parquet(path / "x.parquet", roll=1_000),
    "parquet, at checkpoints": lambda path: sinks.parquet(path / "x.parquet", roll="checkpoint"),
}
DIVIDED = {
    "jsonl": lambda path: sinks.jsonl(path / "{m}.jsonl", roll=2_000),
    "jsonl, few open": lambda path: sinks.jsonl(path / "{m}.jsonl.gz", max_open=2),
    "parquet, few open": lambda path: sinks.parquet(path / "{m}.parquet", roll=1_000, max_open=2),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Let little data be much."""
    monkeypatch.setattr("rxdag.sinks._patient_file._AHEAD_BYTES", 300)
    monkeypatch.setattr("rxdag.sinks._appended._BLOCK_BYTES", 400)
    monkeypatch.setattr("rxdag.sinks._arrow._GROUP_ROWS", 50)


@pytest.mark.parametrize("case", SINKS)
def test_saves_and_writes_that_a_full_disk_has_refused_are_repeated_without_a_loss(case, tmp_path):
    n_saves = n_writes = 0
    for size in LIMITS:
        folder = tmp_path / str(size)
        folder.mkdir()
        if "appended" in case:
            (folder / "x.csv").write_text(OLD)
        saves, writes = refusals(SINKS[case](folder), size)
        n_saves, n_writes = n_saves + saves, n_writes + writes
        assert [*chain.from_iterable(files_of(folder))] == [-1] * 200 * ("appended" in case) + [*range(400)]
    assert n_saves > 0
    assert n_writes > 0


@pytest.mark.parametrize("case", DIVIDED)
def test_rows_of_several_places_that_a_full_disk_has_refused_are_written_once(case, tmp_path):
    chunks = [[{**row, "m": row["n"] % 3} for row in rows] for rows in CHUNKS]
    n_writes = 0
    for size in LIMITS:
        folder = tmp_path / str(size)
        folder.mkdir()
        n_writes += refusals(DIVIDED[case](folder), size, chunks)[1]
        for place in "012":
            rows = [numbers(path) for path in sorted(folder.glob(f"{place}-*"))]
            assert [*chain.from_iterable(rows)] == [*range(int(place), 400, 3)]
    assert n_writes > 0


BY_SIZE = pytest.mark.parametrize("case", [case for case in SINKS if "by size" in case])


@BY_SIZE
def test_files_of_a_size_end_at_the_same_rows_whatever_a_full_disk_has_refused(case, tmp_path):
    ends = []
    for size in (resource.RLIM_INFINITY, 300, 700):
        folder = tmp_path / str(size)
        folder.mkdir()
        refused = refusals(SINKS[case](folder), size)
        ends.append(files_of(folder))
        assert (refused == (0, 0)) == (size == resource.RLIM_INFINITY)
    assert len(ends[0]) > 3
    assert ends == [ends[0]] * 3


@BY_SIZE
def test_a_write_that_was_refused_is_repeated_by_the_run_that_continues(case, tmp_path):
    writer = SINKS[case](tmp_path).open(Context())
    with full_at(700):
        assert is_refused(writer.write, Chunk(ROWS))
    saved = writer.save()
    writer.publish()
    writer.close(ok=False)

    writer = SINKS[case](tmp_path).open(Context())
    writer.restore(saved)
    writer.write(Chunk(ROWS))
    writer.prepare()

    assert writer.close(ok=True) == 400
    assert [*chain.from_iterable(files_of(tmp_path))] == [*range(400)]
