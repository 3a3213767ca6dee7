"""A look at the first items of a file reads no more than the beginning of the file."""

import gzip
from random import Random

import msgspec
import pytest

import rxdag
from rxdag import col, sources
from rxdag import operators as ops
from rxdag.contract import LineFile

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


class Tick(msgspec.Struct):
    n: int
    price: float


N = 100_000
_RANDOM = Random(1)
PRICES = [_RANDOM.random() for _ in range(N)]
TEXTS = {
    ".csv": "n,price\n" + "".join(f"{n},{price}\n" for n, price in enumerate(PRICES)),
    ".jsonl": "".join(f'{{"n":{n},"price":{price}}}\n' for n, price in enumerate(PRICES)),
}


class Counted:
    """A file that counts the bytes read from it."""

    def __init__(self, file):
        self._file = file
        self.n = 0

    def read(self, n=-1):
        data = self._file.read(n)
        self.n += len(data)
        return data

    def __getattr__(self, name):
        return getattr(self._file, name)


def first(source, n, *, filtered):
    """The numbers of the first ticks, or of the first ones that are not 0."""
    stream = rxdag.from_source(source)
    return [tick.n for tick in (stream.pipe(ops.filter(col.n > 0)) if filtered else stream).head(n)]


# Python 3.12 and newer decompress 128 KiB at a time.
@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize(
    ("suffix", "n", "most"),
    [(plain, n, most) for plain in TEXTS for n, most in ((1, 8_192), (1_000, 65_536), (20_000, 1_200_000))]
    + [(f"{plain}.gz", n, most) for plain in TEXTS for n, most in ((1, 150_000), (1_000, 150_000), (20_000, 750_000))],
)
def test_a_look_at_a_file_of_lines_reads_its_beginning(tmp_path, monkeypatch, suffix, n, most, filtered):
    path = tmp_path / f"t{suffix}"
    data = TEXTS[suffix.removesuffix(".gz")].encode()
    path.write_bytes(gzip.compress(data, 1) if suffix.endswith(".gz") else data)
    shares = []
    close = LineFile.close
    monkeypatch.setattr(LineFile, "close", lambda file: shares.append(file.progress()) or close(file))
    source = sources.csv(path, Tick) if ".csv" in suffix else sources.jsonl(path, Tick)
    assert first(source, n, filtered=filtered) == [*range(int(filtered), n + int(filtered))]
    (share,) = shares
    assert 0 < share * path.stat().st_size <= most


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize(("n", "most"), [(1, 400_000), (1_000, 400_000), (150_000, 3_000_000)])
@pytest.mark.parametrize("group_rows", [4 * N, N // 2])
def test_a_look_at_a_parquet_file_reads_its_first_pages(tmp_path, monkeypatch, group_rows, n, most, filtered):
    path = tmp_path / "t.parquet"
    table = pa.table({"n": range(4 * N), "price": PRICES * 4})
    parquet.write_table(table, path, row_group_size=group_rows, use_dictionary=False, data_page_size=100_000)
    opened = parquet.ParquetFile
    with path.open("rb") as file:
        counted = Counted(file)
        monkeypatch.setattr(parquet, "ParquetFile", lambda path, **how: opened(counted, **how))
        assert first(sources.parquet(path, Tick), n, filtered=filtered) == [*range(int(filtered), n + int(filtered))]
    assert 0 < counted.n <= most
