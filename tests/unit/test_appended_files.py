"""Files that are appended to: one header, whole lines, and nothing lost that others write."""

import os

import pytest
from tests.unit.packed import ENDS, packer
from tests.unit.saved import Context

import rxdag
from rxdag import GraphError, NodeError, SourceError, sinks, sources, testing
from rxdag.codec import Codec
from rxdag.contract import Chunk

ROWS = [{"a": i, "b": f"x{i}"} for i in range(30)]
OLD = {sinks.csv: b"a,b\n7,old\n", sinks.jsonl: b'{"a":7,"b":"old"}\n'}
NEW = {sinks.csv: b"0,x0\n1,x1\n", sinks.jsonl: b'{"a":0,"b":"x0"}\n{"a":1,"b":"x1"}\n'}
MAKES = pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl])


def run(sink, items=ROWS[:2]):
    return rxdag.run(rxdag.from_source(sources.iterable(items)).to(sink, name="out"))["out"]


def opened(sink, saved=None):
    writer = sink.open(Context())
    if saved is not None:
        writer.restore(Codec().decode(Codec().encode(saved)))
    return writer


@MAKES
def test_rows_come_behind_those_of_the_file_under_one_header(tmp_path, make):
    path = tmp_path / "x"
    assert run(make(path, append=True)) == 2
    assert run(make(path, append=True)) == 2
    head = b"a,b\n" if make is sinks.csv else b""
    assert path.read_bytes() == head + NEW[make] * 2
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("end", ENDS)
@MAKES
def test_a_compressed_file_is_appended_to(tmp_path, make, end):
    path = tmp_path / f"x{end}"
    path.write_bytes(packer(end).compress(OLD[make]))
    run(make(path, append=True))
    assert packer(end).decompress(path.read_bytes()) == OLD[make] + NEW[make]


@MAKES
def test_no_items_leave_the_file_as_it_is_and_a_file_without_bytes_gets_a_header(tmp_path, make):
    path = tmp_path / "x"
    path.write_bytes(OLD[make])
    assert run(make(path, append=True), []) == 0
    assert path.read_bytes() == OLD[make]
    path.write_bytes(b"")
    run(make(path, append=True))
    assert path.read_bytes() == (b"a,b\n" if make is sinks.csv else b"") + NEW[make]


@pytest.mark.parametrize("end", ENDS)
@MAKES
def test_a_compressed_file_of_a_run_without_rows_is_continued(tmp_path, make, end):
    path = tmp_path / f"x{end}"
    for rows in ([], ROWS[:1], ROWS[1:2]):
        run(make(path, append=True), rows)
    assert packer(end).decompress(path.read_bytes()) == (b"a,b\n" if make is sinks.csv else b"") + NEW[make]


@pytest.mark.parametrize(
    ("header", "reason"),
    [(b"\xe9\n", "'utf-8' codec can't decode byte 0xe9"), (b"a" * 200_000 + b"\n", "field larger than field limit")],
)
def test_a_header_that_cannot_be_read_is_refused_and_the_file_is_kept(tmp_path, header, reason):
    path = tmp_path / "x.csv"
    path.write_bytes(header)
    with pytest.raises(NodeError, match=f'csv: "{path}" must begin with a row of names in UTF-8 .* got {reason}'):
        run(sinks.csv(path, append=True))
    assert path.read_bytes() == header
    assert os.listdir(tmp_path) == ["x.csv"]


def test_rows_are_written_in_the_order_of_the_files_own_columns(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b'\xef\xbb\xbf"b",a\r\nold,7\r\n')
    run(sinks.csv(path, append=True))
    assert path.read_bytes() == b'\xef\xbb\xbf"b",a\r\nold,7\r\nx0,0\nx1,1\n'


def test_other_columns_are_refused_and_the_file_is_kept(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,c\n1,2\n")
    with pytest.raises(NodeError, match="a row must have the columns a, c, got a, b"):
        run(sinks.csv(path, append=True))
    with pytest.raises(NodeError) as raised:
        run(sinks.csv(path, append=True, columns=["a", "b"]))
    assert str(raised.value.__cause__) == (
        f'csv: "{path}" must have the columns a, b to be appended to, got a, c; leave columns= out, or choose another file'
    )
    assert path.read_bytes() == b"a,c\n1,2\n"
    assert os.listdir(tmp_path) == ["x.csv"]


@MAKES
def test_a_torn_last_line_is_refused_and_the_file_is_kept(tmp_path, make):
    path = tmp_path / "x"
    path.write_bytes(OLD[make] + b"8,to")
    with pytest.raises(NodeError) as raised:
        run(make(path, append=True))
    assert str(raised.value.__cause__) == (
        f'{make.__name__}: "{path}" must end with a line break to be appended to, got a last line without one; complete that '
        "line, or delete it"
    )
    assert path.read_bytes() == OLD[make] + b"8,to"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("is_torn", [True, False], ids=["torn", "plain"])
@pytest.mark.parametrize("end", ENDS)
@MAKES
def test_a_torn_compressed_file_is_refused(tmp_path, make, end, is_torn):
    path = tmp_path / f"x{end}"
    data = packer(end).compress(b"a,b\n1,2\n")[:-3] if is_torn else b"a,b\n"
    path.write_bytes(data)
    with pytest.raises(NodeError, match=rf"must be a whole \{end} file to be appended to, got "):
        run(make(path, append=True))
    assert path.read_bytes() == data
    assert os.listdir(tmp_path) == [f"x{end}"]


@MAKES
def test_a_file_that_changes_meanwhile_is_an_error_and_keeps_what_others_have_written(tmp_path, make):
    path = tmp_path / "x"
    path.write_bytes(OLD[make])
    writer = opened(make(path, append=True))
    writer.write(Chunk(ROWS[:1]))
    path.write_bytes(OLD[make] * 2)
    with pytest.raises(
        SourceError, match=r"must not change while a run appends to it, got [0-9]+ bytes, and [0-9]+ when"
    ):
        writer.prepare()
    assert path.read_bytes() == OLD[make] * 2


@MAKES
def test_a_file_that_is_edited_meanwhile_is_an_error_though_it_keeps_its_size(tmp_path, make):
    path = tmp_path / "x"
    path.write_bytes(OLD[make])
    writer = opened(make(path, append=True))
    writer.write(Chunk(ROWS[:1]))
    edited = OLD[make].replace(b"old", b"new")
    path.write_bytes(edited)
    with pytest.raises(SourceError, match="must not change while a run appends to it, got other content; write to it"):
        writer.prepare()
    assert path.read_bytes() == edited


@MAKES
def test_a_run_that_fails_leaves_the_file_as_it_is(tmp_path, make):
    path = tmp_path / "x"
    path.write_bytes(OLD[make])
    writer = opened(make(path, append=True))
    writer.write(Chunk(ROWS))
    writer.close(ok=False)
    assert (path.read_bytes(), os.listdir(tmp_path)) == (OLD[make], ["x"])


@MAKES
@pytest.mark.parametrize("name", ["x", "x.gz"])
def test_an_appending_sink_recovers_exactly_once(tmp_path, make, name):
    path = tmp_path / name

    def fresh():
        path.write_bytes(packer(".gz").compress(OLD[make]) if name == "x.gz" else OLD[make])
        return make(path, append=True)

    def read():
        data = path.read_bytes()
        return packer(".gz").decompress(data) if name == "x.gz" else data

    assert fresh().delivery == "exactly once"
    testing.check_sink(fresh, ROWS, read=read, waive=["runs"])
    assert os.listdir(tmp_path) == [name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="devices are those of POSIX")
@MAKES
def test_a_device_cannot_be_appended_to(make):
    with pytest.raises(GraphError, match=r"append must be left out for a device or FIFO, got '/dev/stdout'$"):
        make("/dev/stdout", append=True)


def test_append_is_a_flag():
    with pytest.raises(GraphError, match="csv: append must be True or False, got"):
        sinks.csv("x.csv", append="yes")
