"""Compressed files: the items and the positions of the same file as plain text, and damage."""

import bz2
import gzip
import importlib
import io
import sys
import zipfile

import msgspec
import pytest
from tests.unit.reading import Context, go_on, read_all, stop

import rxdag
from rxdag import MissingExtra, NodeError, SourceError, on_error, sources
from rxdag.contract import import_extra
from rxdag.sources import _blocks


class Tick(msgspec.Struct):
    ts: int
    note: str


def zipped(data, name="t.csv", **others):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, text in {name: data, **others}.items():
            archive.writestr(each, text)
    return made.getvalue()


def zstd(data):
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        return importlib.import_module(name).compress(data)
    except ImportError:
        pytest.skip("backports.zstd is not installed")


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".zip": zipped, ".zst": zstd}
SUFFIXES = pytest.mark.parametrize("suffix", PACK)
TEXT = "ts,note\n" + "".join(f"{i},n{i}\n" for i in range(40))
LONG = "ts,note\n" + "".join(f"{i},{i * 7919 % 10007}\n" for i in range(20_000))


def source_of(folder, suffix, data):
    path = folder / f"t.csv{suffix}"
    path.write_bytes(data)
    return sources.csv(path, Tick)


def failure(source):
    with pytest.raises(NodeError) as caught:
        rxdag.from_source(source, on_error=on_error.skip).collect()
    return str(caught.value)


@SUFFIXES
@pytest.mark.parametrize("columns", [False, True])
def test_a_compressed_file_has_the_items_of_the_plain_one(tmp_path, suffix, columns):
    items, dead = read_all(source_of(tmp_path, suffix, PACK[suffix](LONG.encode())), columns=columns, size=1000)
    assert items == [Tick(i, str(i * 7919 % 10007)) for i in range(20_000)]
    assert dead == []


@SUFFIXES
def test_json_lines_are_decompressed_too(tmp_path, suffix):
    data = PACK[suffix](b'{"ts":1,"note":"a"}\n')
    (tmp_path / f"t.jsonl{suffix}").write_bytes(data)
    assert read_all(sources.jsonl(tmp_path / f"t.jsonl{suffix}", Tick))[0] == [Tick(1, "a")]


@SUFFIXES
@pytest.mark.parametrize("block_bytes", [50, 1 << 20])
def test_a_compressed_file_continues_at_each_item(tmp_path, suffix, block_bytes, monkeypatch):
    monkeypatch.setattr(_blocks, "_LINES_BYTES", block_bytes)
    monkeypatch.setattr(_blocks, "_BLOCK_BYTES", block_bytes)
    source = source_of(tmp_path, suffix, PACK[suffix](TEXT.replace("\n5", "\nx").encode()))
    whole, dead = read_all(source)
    assert (len(whole), len(dead)) == (39, 1)
    for n in range(len(whole) + 1):
        read, dead_before, position = stop(source, n)
        rest, dead_after = go_on(source, position)
        assert (read + rest, dead_before + dead_after) == (whole, dead)


@SUFFIXES
def test_a_position_holds_for_the_same_file_in_any_compression(tmp_path, suffix):
    _, _, position = stop(source_of(tmp_path, suffix, PACK[suffix](TEXT.encode())), 10)
    for other in (".gz", ".bz2", ".zip", ""):
        data = PACK[other](TEXT.encode()) if other else TEXT.encode()
        assert [item.ts for item in go_on(source_of(tmp_path, other, data), position)[0]] == list(range(10, 40))


@SUFFIXES
def test_a_compressed_file_that_was_changed_or_cut_off_is_refused(tmp_path, suffix):
    _, _, position = stop(source_of(tmp_path, suffix, PACK[suffix](TEXT.encode())), 20)
    for text, said in (
        (TEXT.replace("n3", "m3"), "got one that begins differently"),
        (TEXT[:50], "got one of 50 bytes"),
    ):
        with pytest.raises(SourceError, match=said):
            go_on(source_of(tmp_path, suffix, PACK[suffix](text.encode())), position)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_a_truncated_file_gives_its_rows_and_ends_the_run(tmp_path, suffix):
    data = PACK[suffix](LONG.encode())
    source = source_of(tmp_path, suffix, data[: len(data) // 2])
    assert f"the {suffix} file is truncated; fetch it again, or decompress what is there" in failure(source)
    reader = source.open(Context())
    with pytest.raises(SourceError, match="is truncated"):
        while True:
            reader.read(1000)
    reader.close()


def test_a_truncated_archive_ends_the_run_at_once(tmp_path):
    source = source_of(tmp_path, ".zip", zipped(LONG.encode())[:-30])
    assert "t.csv.zip: the .zip file is truncated, damaged or no zip archive (File is not a zip file)" in failure(
        source
    )


@SUFFIXES
def test_text_that_is_not_compressed_as_its_name_says_ends_the_run(tmp_path, suffix):
    PACK[suffix](b"")
    said = "truncated, damaged or no zip" if suffix == ".zip" else "file is damaged, or not compressed as its name says"
    assert said in failure(source_of(tmp_path, suffix, b"ts,note\n" * 100))


@SUFFIXES
def test_a_file_of_another_compression_than_its_name_says_is_named(tmp_path, suffix):
    PACK[suffix](b"")
    other = ".bz2" if suffix == ".gz" else ".gz"
    message = failure(source_of(tmp_path, suffix, PACK[other](TEXT.encode())))
    assert "must be text, plain or compressed, got a file compressed by" in message
    assert f"name it {other}" in message


@SUFFIXES
def test_damage_inside_a_file_ends_the_run(tmp_path, suffix):
    data = bytearray(PACK[suffix](LONG.encode()))
    data[len(data) // 2] ^= 0xFF
    assert f"t.csv{suffix}: " in failure(source_of(tmp_path, suffix, bytes(data)))


def test_an_archive_with_a_report_beside_the_data_is_read(tmp_path):
    archive = zipped(TEXT.encode(), **{"report.txt": b"x", "folder/": b""})
    assert len(read_all(source_of(tmp_path, ".zip", archive))[0]) == 40


@pytest.mark.parametrize(
    ("archive", "got"),
    [
        (zipped(b"", **{"u.csv": b""}), "['t.csv', 'u.csv']"),
        (zipped(b"", "a.txt", **{"b.txt": b""}), "['a.txt', 'b.txt']"),
        (zipped(b"", "folder/"), "[]"),
    ],
)
def test_an_archive_of_several_files_is_refused(tmp_path, archive, got):
    message = failure(source_of(tmp_path, ".zip", archive))
    assert (
        f't.csv.zip: the .zip file must hold one file, or one that ends in ".csv", got {got}; unzip it first' in message
    )


def test_an_archive_with_a_password_is_refused(tmp_path):
    data = bytearray(zipped(TEXT.encode()))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1  # says that it is encrypted
    message = failure(source_of(tmp_path, ".zip", bytes(data)))
    assert "t.csv.zip: the .zip file must be readable, got" in message
    assert "password" in message


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python 3.14 reads .zst itself")
def test_without_the_extra_a_zst_file_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    with pytest.raises(MissingExtra, match=r'\(extra "zstd"\)'):
        import_extra("backports.zstd", "zstd", "csv")
    assert 'extra "zstd"' in failure(source_of(tmp_path, ".zst", b"\x28\xb5\x2f\xfd"))
