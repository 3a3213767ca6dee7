"""Positions in CSV and JSON lines: a reading that was interrupted gives what one gives that was not."""

import gzip
import itertools
from contextlib import closing

import msgspec
import pytest
from tests.unit.reading import Context, go_on, read_all, rest_of, stop

from rxdag import SourceError, sources
from rxdag.codec import Codec
from rxdag.contract import END


class Tick(msgspec.Struct):
    ts: int
    note: str


ROWS = [(i, f"n{i}") for i in range(40)]
CSV = "ts,note\n" + "".join(f"{ts},{note}\n" for ts, note in ROWS)
JSONL = "".join(f'{{"ts":{ts},"note":"{note}"}}\n' for ts, note in ROWS)
TEXTS = {
    "plain": CSV,
    "carriage returns": CSV.replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + CSV,
    "no newline at the end": CSV[:-1],
    "blank lines": CSV.replace("\n1", "\n\n\n1"),
    "quotes over lines": CSV.replace("n1", '"one\n\nor ""two"",\nthree"'),
    "two, three and four bytes": CSV.replace(",n", ",é€𝄞").replace("é€𝄞ote", "note"),
    "a long line": CSV.replace("n7", "x" * 100_000),
    "a long header": "ts,note," + "e" * 10_000 + "\n" + "".join(f"{ts},{note},\n" for ts, note in ROWS),
    "malformed values": CSV.replace("\n5", "\nfive").replace("\n31", "\nnone"),
    "malformed rows": CSV.replace("n9\n", "n9,9\n").replace("n20\n", "n20,9\n"),
    "a quote that is never closed": CSV.replace("n12", '"n12'),
}


def write(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


LANES = list(itertools.product([False, True], [False, True]))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(("before", "after"), LANES)
def test_a_csv_file_continues_at_each_item_in_either_lane(tmp_path, name, text, before, after):
    path = write(tmp_path / name, text)
    source = sources.csv(path, Tick)
    whole, dead = read_all(source)
    assert len(whole) >= 30
    for n in [0, 1, 5, 6, 9, 10, 12, 13, 30, len(whole)]:
        read, dead_before, position = stop(source, n, columns=before)
        rest, dead_after = go_on(source, position, columns=after)
        assert read + rest == whole
        assert sorted(dead_before + dead_after) == sorted(dead)


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
@pytest.mark.parametrize(
    "text",
    [
        JSONL,
        JSONL.replace("n7", "x" * 300_000),
        JSONL[:-1],
        "\ufeff" + JSONL,
        JSONL.replace("\n", "\r\n\n"),
        JSONL.replace(":7,", ':"x",'),
        "",
    ],
    ids=["plain", "a long line", "no newline at the end", "a byte order mark", "blank lines", "malformed", "empty"],
)
def test_a_file_of_json_lines_continues_at_each_item(tmp_path, name, text):
    source = sources.jsonl(write(tmp_path / name, text), Tick)
    whole, dead = read_all(source)
    for n in range(len(whole) + 1):
        read, dead_before, position = stop(source, n)
        rest, dead_after = go_on(source, position)
        assert read + rest == whole
        assert dead_before + dead_after == dead


def test_a_position_is_the_byte_and_the_line_after_the_last_item(tmp_path):
    source = sources.csv(write(tmp_path / "t.csv", 'ts,note\n1,"a\nb"\n2,c\n'), Tick)
    seen = []
    with closing(source.open(Context())) as reader:
        for _ in range(4):
            seen.append((reader.position()["byte"], reader.position()["line"]))
            reader.read(1)
    assert seen == [(0, 0), (16, 3), (20, 4), (20, 4)]


@pytest.mark.parametrize(("before", "after"), LANES)
def test_an_error_after_the_position_names_the_line_of_the_whole_file(tmp_path, before, after):
    path = write(tmp_path / "t.csv", 'ts,note\n1,"a\nb"\n2,c\n3,d\nx,e\n')
    source = sources.csv(path, Tick)
    _, _, position = stop(source, 2, columns=before)
    assert go_on(source, position, columns=after) == (
        [Tick(3, "d")],
        [f"""{path}: line 6: column "ts": must be a whole number, got 'x'"""],
    )


@pytest.mark.parametrize(("before", "after"), LANES)
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("x,b\n", "line 4: column"),
        ("2\n", "line 4: must have 2 values"),
        ('2,"b\n', "line 4: must be CSV"),
        ('2,"b\nc"x\n', "line 4: must be CSV"),
        ("2,\udcff\n", "line 4: must be UTF-8"),
        ('2,"b\n\udcff"\n', "line 5: must be UTF-8"),
    ],
)
def test_what_fails_a_reading_fails_it_again_after_the_position(tmp_path, before, after, bad, said):
    path = tmp_path / "t.csv"
    path.write_bytes(("ts,note\n0,a\n1,b\n" + bad + "3,d\n4,e\n").encode("utf-8", "surrogateescape"))
    source = sources.csv(path, Tick)
    with (
        closing(source.open(Context(columns=before, raises=True))) as first,
        closing(source.open(Context(columns=after, raises=True))) as second,
    ):
        assert first.read(5).rows().items == [Tick(0, "a"), Tick(1, "b")]
        second.seek(first.position())
        for reader in (first, second):
            with pytest.raises(SourceError, match=said):
                reader.read(5)


def test_a_malformed_line_of_json_fails_again_after_the_position(tmp_path):
    source = sources.jsonl(write(tmp_path / "t.jsonl", JSONL.replace(":2,", ":null,")), Tick)
    with closing(source.open(Context(raises=True))) as first, closing(source.open(Context(raises=True))) as second:
        assert len(first.read(40)) == 2
        second.seek(first.position())
        for reader in (first, second):
            with pytest.raises(SourceError, match="line 3: must be JSON"):
                reader.read(5)


def test_a_first_line_that_fails_leaves_the_reading_at_the_beginning(tmp_path):
    source = sources.jsonl(write(tmp_path / "t.jsonl", "\ufeff{}\n"), Tick)
    with closing(source.open(Context(raises=True))) as reader:
        before = reader.position()
        with pytest.raises(SourceError):
            reader.read(5)
        assert reader.position() == before


def test_malformed_rows_at_the_end_are_not_read_again(tmp_path):
    source = sources.csv(write(tmp_path / "t.csv", "ts,note\n1,a\nx,b\n"), Tick)
    with closing(source.open(context := Context())) as first, closing(source.open(other := Context())) as second:
        rest_of(first)
        assert len(context.dead) == 1
        second.seek(first.position())
        assert second.read(5) is END
        assert other.dead == []


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("header", ["ts,note\n", "ts,note"])
def test_a_file_of_a_header_continues_with_what_has_been_added(tmp_path, header, columns):
    path = write(tmp_path / "t.csv", header)
    source = sources.csv(path, Tick)
    with closing(source.open(Context(columns=columns))) as first:
        assert first.read(5) is END
        position = first.position()
    write(path, "ts,note\n1,a\nx,b\n")
    with closing(source.open(context := Context(columns=columns))) as second:
        second.seek(position)
        assert rest_of(second) == [Tick(1, "a")]
    assert context.dead[0].startswith(f"{path}: line 3: ")


def test_an_empty_csv_file_has_no_header_at_its_position_either(tmp_path):
    source = sources.csv(write(tmp_path / "t.csv", ""), Tick)
    _, _, position = stop(source, 0)
    with pytest.raises(SourceError, match="file must have a header"):
        go_on(source, position)


# ---- files that have changed


def source_of(path):
    return (sources.csv if ".csv" in path.name else sources.jsonl)(path, Tick)


def mutated(tmp_path, name, text, other, *, items=10):
    """Where a reading of `text` stopped, and the source of the file as it is later."""
    path = write(tmp_path / name, text)
    _, _, position = stop(source_of(path), items)
    write(path, other)
    return path, source_of(path), position


NAMES = ["t.csv", "t.csv.gz", "t.jsonl", "t.jsonl.gz"]


def text_of(name):
    return CSV if ".csv" in name else JSONL


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_has_grown_continues(tmp_path, name):
    text = text_of(name)
    half = text[: text.index("20")].rpartition("\n")[0] + "\n"
    _, source, position = mutated(tmp_path, name, half, text, items=20)
    assert [item.ts for item in go_on(source, position)[0]] == list(range(20, 40))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_last_line_that_got_its_end_later_is_read_once_and_counted_once(tmp_path, name, end):
    lines = text_of(name).splitlines()
    before = "\n".join(lines[:11])
    whole, dead = read_all(source_of(write(tmp_path / name, before)))
    assert dead == []
    path, source, position = mutated(tmp_path, name, before, before + end + lines[11] + "\nx\n", items=len(whole))
    items, dead = go_on(source, position)
    assert [item.ts for item in items] == [len(whole)]
    assert dead[0].startswith(f"{path}: line 13: ")
    with closing(source.open(Context())) as second:
        second.seek(Codec().decode(position))
        second.read(1)
        position = Codec().encode(second.position())
    assert go_on(source, position) == ([], dead)


@pytest.mark.parametrize("name", NAMES)
def test_a_last_line_that_has_grown_is_refused(tmp_path, name):
    text = text_of(name)
    first = "ts,note\n1,n1" if ".csv" in name else '{"ts":1,"note":"n1"}'
    path, source, position = mutated(tmp_path, name, first, first + "23\n" + text, items=1)
    where = name.split(".")[1]
    line = 2 if where == "csv" else 1
    with pytest.raises(SourceError) as caught:
        go_on(source, position)
    assert str(caught.value) == (
        f'{where}: "{path}" must be the file that the checkpoint was taken from, got one whose line {line} has grown '
        "since it was read; put that file back, or start without the checkpoint"
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("columns", [False, True])
def test_a_file_that_was_replaced_is_refused(tmp_path, name, columns):
    text = text_of(name)
    path, source, position = mutated(tmp_path, name, text, text.replace("n3", "m3"))
    with pytest.raises(SourceError) as caught:
        go_on(source, position, columns=columns)
    assert str(caught.value) == (
        f'{name.split(".")[1]}: "{path}" must be the file that the checkpoint was taken from, got one that begins '
        "differently; put that file back, or start without the checkpoint"
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("columns", [False, True])
def test_a_file_without_a_line_before_the_position_is_refused_though_all_lines_are_of_one_length(
    tmp_path, name, columns
):
    lines = [f"{n:05},x\n" if ".csv" in name else f'{{"ts":{n:5},"note":"x"}}\n' for n in range(20_000)]
    lines = ["ts,note\n"] * (".csv" in name) + lines
    whole, shorter = "".join(lines), "".join(lines[:9_000] + lines[9_001:])
    path, source, position = mutated(tmp_path, name, whole, shorter, items=15_000)
    with pytest.raises(SourceError) as caught:
        go_on(source, position, columns=columns)
    assert str(caught.value) == (
        f'{source.label}: "{path}" must be the file that the checkpoint was taken from, got one whose line '
        f"{15_000 + ('.csv' in name):,} is another one; put that file back, or start without the checkpoint"
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("repeated", "size"), [(1, 40), (100, 40), (100, 5000)])
def test_a_file_that_was_cut_off_before_the_position_is_refused(tmp_path, name, repeated, size):
    text = text_of(name) + text_of(name).removeprefix("ts,note\n") * repeated
    source = source_of(write(tmp_path / name, text))
    n = len(read_all(source)[0])
    path, source, position = mutated(tmp_path, name, text, text[:size], items=n)
    with pytest.raises(SourceError) as caught:
        go_on(source, position)
    assert str(caught.value) == (
        f'{source.label}: "{path}" must be the file that the checkpoint was taken from, got one of {size:,} bytes, '
        f"which ends before byte {len(text):,}; put that file back, or start without the checkpoint"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_rotated_is_refused_though_the_new_one_is_longer(tmp_path, name):
    text = text_of(name)
    _, source, position = mutated(tmp_path, name, text, text.replace("n0", "x0") * 3, items=3)
    with pytest.raises(SourceError, match="got one that begins differently"):
        go_on(source, position)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_gone_is_named(tmp_path, name):
    path, source, position = mutated(tmp_path, name, text_of(name), "")
    path.unlink()
    with pytest.raises(SourceError, match=f'file must exist, got "{path}"'):
        go_on(source, position)


def test_a_gz_file_that_was_packed_anew_is_the_same_file(tmp_path):
    path = write(tmp_path / "t.csv.gz", CSV)
    _, _, position = stop(sources.csv(path, Tick), 10)
    path.write_bytes(gzip.compress(CSV[:50].encode(), 1) + gzip.compress(CSV[50:].encode(), 9))
    assert [item.ts for item in go_on(sources.csv(path, Tick), position)[0]] == list(range(10, 40))


def test_a_gz_file_that_is_truncated_before_the_position_says_so(tmp_path):
    lines = "".join(f"{i},{i * 7919 % 10007}\n" for i in range(20_000))
    path = write(tmp_path / "t.csv.gz", "ts,note\n" + lines)
    _, _, position = stop(sources.csv(path, Tick), 19_000)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(SourceError, match=r"the \.gz file is truncated"):
        go_on(sources.csv(path, Tick), position)


def test_a_truncated_gz_file_continues_where_its_good_lines_ended_once_it_is_whole(tmp_path):
    lines = "".join(f"{i},{i * 7919 % 10007}\n" for i in range(20_000))
    path = write(tmp_path / "t.csv.gz", "ts,note\n" + lines)
    whole = path.read_bytes()
    path.write_bytes(whole[:20_000])
    with closing(sources.csv(path, Tick).open(Context())) as first:
        good = len(first.read(50_000))
        position = first.position()
    assert 0 < good < 20_000
    path.write_bytes(whole)
    with closing(sources.csv(path, Tick).open(Context())) as second:
        second.seek(position)
        assert [item.ts for item in rest_of(second, 5000)] == list(range(good, 20_000))


def test_stdin_has_no_position(monkeypatch):
    for source in (sources.csv("-", Tick), sources.jsonl("-", Tick)):
        assert source.no_position == "it receives items that cannot be read again"
        assert source.open(Context()).position() is None
