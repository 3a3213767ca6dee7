"""Dialects of CSV: rows, errors and positions of files that are written in another way."""

import itertools
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypedDict

import msgspec
import pytest
from tests.unit.reading import Context, go_on, read_all, stop

import rxdag
from rxdag import GraphError, NodeError, SourceError, col, on_error, sinks, sources
from rxdag import operators as ops
from rxdag.contract import END
from rxdag.sources import Dialect


class Tick(NamedTuple):
    ts: int
    price: float
    note: str | None = None


class Named(msgspec.Struct, rename={"ts": "T", "price": "p"}):
    ts: int
    price: float


class Swapped(msgspec.Struct, rename={"ts": "price", "price": "ts"}):
    ts: int
    price: int


def write(path, text):
    path.write_bytes(text.encode())
    return path


def read(folder, text, of=Tick, **options):
    """The items of a file and the errors of its malformed rows, on rows; the same on columns."""
    source = sources.csv(write(folder / "t.csv", text), of, dialect=Dialect(**options))
    items, dead = read_all(source)
    assert read_all(source, columns=True) == (items, dead)
    return items, [error.replace(str(folder), "") for error in dead]


def failure(folder, text, of=Tick, **options):
    with pytest.raises(NodeError) as caught:
        read_source = sources.csv(write(folder / "t.csv", text), of, dialect=Dialect(**options))
        rxdag.from_source(read_source, on_error=on_error.skip).collect()
    return str(caught.value).replace(str(folder), "")


# ---- what is read


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("1,2.5,a\n2,3.5,b\n", {"header": False}, [Tick(1, 2.5, "a"), Tick(2, 3.5, "b")]),
        ("9,1,2.5\n", {"header": ["_", "ts", "price"]}, [Tick(1, 2.5)]),
        ("9,1,2.5,8\n", {"header": ["_", "ts", "price", "_"]}, [Tick(1, 2.5)]),
        ("ts;price\n1;2.5\n", {"delimiter": ";"}, [Tick(1, 2.5)]),
        ("ts|price\n1|2.5\n", {"delimiter": "|"}, [Tick(1, 2.5)]),
        ("ts\tprice\n1\t2.5\n", {"delimiter": "\t"}, [Tick(1, 2.5)]),
        ("ts price\n1 2.5\n", {"delimiter": " "}, [Tick(1, 2.5)]),
        ("ts,price,note\n1,2.5,'a,b'\n", {"quote": "'"}, [Tick(1, 2.5, "a,b")]),
        ('ts,price,note\n1,2.5,"a\n2,3.5,b"\n', {"quote": None}, [Tick(1, 2.5, '"a'), Tick(2, 3.5, 'b"')]),
        ("of a venue\n,,,\nts,price\n1,2.5\n", {"skip_lines": 2}, [Tick(1, 2.5)]),
        ("a header\n1,2.5,a\n", {"skip_lines": 1, "header": False}, [Tick(1, 2.5, "a")]),
        ("#v1\nts,price\n#x,y\n1,2.5\n#end\n", {"comment": "#"}, [Tick(1, 2.5)]),
        ('ts,price,note\n1,2.5,"a\n#b"\n', {"comment": "#"}, [Tick(1, 2.5, "a\n#b")]),
        ("ts,price\n1,2.5\nEND,1\n", {"trailer": "END"}, [Tick(1, 2.5)]),
        ("ts,price\n1,2.5\nEND,1\n\n\r\n", {"trailer": "END"}, [Tick(1, 2.5)]),
        ("1,2.5,a\nEND", {"trailer": "END", "header": False}, [Tick(1, 2.5, "a")]),
        ("Gmt time,Last\n1,2.5\n", {"rename": {"Gmt time": "ts", "Last": "price"}}, [Tick(1, 2.5)]),
        ("time,price,ts\n1,2.5,x\n", {"rename": {"time": "ts"}}, [Tick(1, 2.5)]),
        ("ts;price\n1;2,5\n2;-3\n", {"delimiter": ";", "decimal": ","}, [Tick(1, 2.5), Tick(2, -3.0)]),
        ('ts,price\n1,"2,5"\n', {"decimal": ","}, [Tick(1, 2.5)]),
        ("ts,price,note\n1,2,NA\n2,3,\n3,4,N\n", {"nulls": ["NA"]}, [Tick(1, 2), Tick(2, 3), Tick(3, 4, "N")]),
    ],
)
def test_rows_of_a_dialect_become_items(tmp_path, text, options, expected):
    assert read(tmp_path, text, **options) == (expected, [])


def test_the_names_of_a_struct_are_those_of_its_columns(tmp_path):
    assert read(tmp_path, "T,p\n1,2.5\n", Named) == ([Named(1, 2.5)], [])
    assert read(tmp_path, "ts,p,T\n9,2.5,1\n", Named) == ([Named(1, 2.5)], [])
    assert read(tmp_path, "ts,price\n1,2\n", Swapped) == ([Swapped(2, 1)], [])


def test_a_sink_writes_the_names_of_fields_and_they_are_read_back(tmp_path):
    rxdag.run(rxdag.from_source(sources.iterable([Named(1, 2.5)])).to(sinks.csv(tmp_path / "t.csv")))
    assert (tmp_path / "t.csv").read_text() == "ts,price\n1,2.5\n"
    assert rxdag.from_source(sources.csv(tmp_path / "t.csv", Named)).collect() == [Named(1, 2.5)]


def test_without_a_header_the_columns_are_the_fields_in_order(tmp_path):
    assert read(tmp_path, "1,2\n", Swapped, header=False) == ([Swapped(1, 2)], [])

    @dataclass
    class Data:
        b: int
        a: str

    class Loose(TypedDict):
        b: int
        a: str

    assert read(tmp_path, "1,x\n", Data, header=False) == ([Data(1, "x")], [])
    assert read(tmp_path, "1,x\n", Loose, header=False) == ([{"b": 1, "a": "x"}], [])


def test_an_empty_file_without_a_header_has_no_rows(tmp_path):
    assert read(tmp_path, "", header=False) == ([], [])


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Decimal, "1,50", Decimal("1.50")),
        (float | None, "-1,5e3", -1500.0),
        (int | float, "2,5", 2.5),
        (int, "25", 25),
        (str, "1,5", "1,5"),
        (float | None, "n/a", None),
        (int | None, "", None),
        (str | None, "n/a", None),
        (str, "n/a", "n/a"),
    ],
)
def test_a_value_is_read_with_decimal_commas_and_texts_for_none(tmp_path, kind, text, expected):
    of = msgspec.defstruct("Item", [("x", kind), ("y", int)])
    options = {"delimiter": ";", "decimal": ",", "nulls": ["n/a"]}
    [item], dead = read(tmp_path, f"x;y\n{text};1\n", of, **options)
    assert (item.x, type(item.x), dead) == (expected, type(expected), [])


# ---- malformed rows, and files


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("1\n#c\n2,x,y\n", {"header": False, "comment": "#"}, "line 3: column \"price\": must be a number, got 'x'"),
        ("s\ns\nts,price\nx,1\n", {"skip_lines": 2}, "line 4: column \"ts\": must be a whole number, got 'x'"),
        (
            "ts;price\n1;2.5\n",
            {"delimiter": ";", "decimal": ","},
            'line 2: column "price": must be a number with "," before the decimals, got \'2.5\'',
        ),
        ("ts;price\n1;1.000,5\n", {"delimiter": ";", "decimal": ","}, "line 2: "),
        ("ts,price\nNA,1\n", {"nulls": ["NA"]}, "line 2: column \"ts\": must be a whole number, got 'NA'"),
    ],
)
def test_a_malformed_row_names_its_line_and_value(tmp_path, text, options, said):
    _, dead = read(tmp_path, text, **options)
    assert dead[-1].startswith(f"/t.csv: {said}")


def test_a_row_of_another_length_without_a_header_says_how_to_name_its_columns(tmp_path):
    assert read(tmp_path, "1,2\n", header=False)[1] == [
        "/t.csv: line 1: must have 3 values, got 2: ['1', '2']; give the names of all columns, as Dialect(header=[...])"
    ]
    assert read(tmp_path, "1,2\n", header=["ts", "price", "x"])[1] == [
        "/t.csv: line 1: must have 3 values, got 2: ['1', '2']"
    ]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (
            "ts,price\n1,2\n",
            {"trailer": "END"},
            "/t.csv: line 2: the last line must begin with 'END', got the end of the file; it is truncated: fetch it again",
        ),
        (
            "ts,price\nEND\n\n1,2\n",
            {"trailer": "END"},
            "/t.csv: line 4: must be the end of the file, after the trailer, got '1,2\\n'",
        ),
        ("ts,price\n1,2\n", {"skip_lines": 2}, "/t.csv: line 2: file must have a header, got only lines before it"),
        ("END\n", {"trailer": "END"}, "/t.csv: line 1: file must have a header, got an empty file"),
        (
            "T,price\n1,2\n",
            {"rename": {"time": "ts"}},
            "/t.csv: line 1: header must have the columns that the dialect renames, lacks time",
        ),
        (
            "T,p\n1,2\n",
            {"rename": {"T": "ts"}},
            "/t.csv: line 1: header must have the columns of Tick, lacks price; it has T, p",
        ),
        (
            "T,U,price\n1,2,3\n",
            {"rename": {"T": "ts", "U": "ts"}},
            "/t.csv: line 1: header must have one column for each field, has several called ts; it has T, U, price",
        ),
    ],
)
def test_a_file_that_is_not_of_the_dialect_ends_the_run(tmp_path, text, options, said):
    assert said in failure(tmp_path, text, **options)


@pytest.mark.parametrize("columns", [False, True])
def test_rows_before_a_missing_trailer_are_delivered(tmp_path, columns):
    source = sources.csv(write(tmp_path / "t.csv", "ts,price\n1,2\n"), Tick, dialect=Dialect(trailer="END"))
    with closing(source.open(Context(columns=columns))) as reader:
        assert reader.read(5).rows().items == [Tick(1, 2.0)]
        with pytest.raises(SourceError, match="the last line must begin with"):
            reader.read(5)


# ---- positions

BODY = "".join(f"{i};{i},5;n{i}\n" for i in range(40))
FORMS = {
    "no header": (BODY, {"header": False}),
    "names": (BODY, {"header": ["ts", "price", "_"]}),
    "skipped lines": ('a "b\n\n' + BODY, {"header": False, "skip_lines": 2}),
    "a header after skipped lines": ("a\nb\nts;price;note\n" + BODY, {"skip_lines": 2}),
    "comments": ("#a\n#b\n" + BODY.replace("\n1", "\n#c;\n1"), {"header": False, "comment": "#"}),
    "a trailer": (BODY + "END;40\n\n", {"header": False, "trailer": "END"}),
    "quotes": (BODY.replace("n1", "'n\n#1'").replace("n9", "'n9"), {"header": False, "quote": "'", "comment": "#"}),
    "a mark": ("\ufeff" + BODY, {"header": False}),
    "malformed rows": (BODY.replace("\n5", "\nx").replace("\n9", "\n9;9;9;9"), {"header": False}),
    "all": (
        "a\n#b\nts;price;note\n" + BODY.replace("\n2", "\n#\n\n2").replace("n7", "'n7'") + "END\n",
        {"skip_lines": 1, "comment": "#", "trailer": "END", "quote": "'", "nulls": ["n3"]},
    ),
}
LANES = list(itertools.product([False, True], [False, True]))


@pytest.mark.parametrize(("text", "options"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("before", "after"), LANES)
def test_a_file_of_a_dialect_continues_at_each_item_in_either_lane(tmp_path, text, options, before, after):
    source = sources.csv(write(tmp_path / "t.csv", text), Tick, dialect=Dialect(delimiter=";", decimal=",", **options))
    whole, dead = read_all(source)
    assert len(whole) >= 25
    for n in [0, 1, 2, 9, 10, 11, 20, len(whole)]:
        read_first, dead_before, position = stop(source, n, columns=before)
        rest, dead_after = go_on(source, position, columns=after)
        assert read_first + rest == whole
        assert sorted(dead_before + dead_after) == sorted(dead)


def test_a_trailer_is_found_again_after_the_last_row(tmp_path):
    source = sources.csv(write(tmp_path / "t.csv", "ts,price\n1,2\nEND\n"), Tick, dialect=Dialect(trailer="END"))
    with closing(source.open(Context())) as first:
        assert len(first.read(5)) == 1
        assert first.read(5) is END
        assert first.position()["byte"] == 13
        position = first.position()
    with closing(source.open(Context())) as second:
        second.seek(position)
        assert second.read(5) is END


def test_a_file_continues_with_the_header_that_came_later(tmp_path):
    source = sources.csv(write(tmp_path / "t.csv", "a\n"), Tick, dialect=Dialect(skip_lines=1))
    with closing(source.open(Context())) as first:
        with pytest.raises(SourceError, match="file must have a header"):
            first.read(5)
        position = first.position()
    write(tmp_path / "t.csv", "a\nts,price\n1,2\n")
    with closing(source.open(Context())) as second:
        second.seek(position)
        assert second.read(5).rows().items == [Tick(1, 2.0)]


# ---- the dialect


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delimiter": ";;"}, "Dialect: delimiter must be one ASCII character that ends no line, got ';;'"),
        ({"delimiter": "\n"}, "Dialect: delimiter must be one ASCII character that ends no line, got '\\n'"),
        ({"delimiter": None}, "Dialect: delimiter must be one ASCII character that ends no line, got None"),
        ({"quote": "é"}, "Dialect: quote must be one ASCII character that ends no line, got 'é'"),
        ({"quote": ","}, "Dialect: quote must differ from the delimiter, got ',' for both"),
        ({"header": "ts"}, "Dialect: header must be True, False or a list of names of columns, got 'ts'"),
        ({"header": []}, "Dialect: header must be True, False or a list of names of columns, got []"),
        ({"header": 1}, "Dialect: header must be True, False or a list of names of columns, got 1"),
        ({"skip_lines": -1}, "Dialect: skip_lines must be 0 or more, got -1"),
        ({"comment": ""}, "Dialect: comment must be the text at the beginning of a line, or None, got ''"),
        ({"trailer": 3}, "Dialect: trailer must be the text at the beginning of a line, or None, got 3"),
        ({"decimal": ";"}, 'Dialect: decimal must be "." or ",", got \';\''),
        ({"nulls": "NA"}, "Dialect: nulls must be a list of texts, got 'NA'"),
        ({"rename": {"a": 1}}, "Dialect: rename must map names of columns to names of fields, got {'a': 1}"),
        (
            {"rename": {"a": "b"}, "header": False},
            "Dialect: rename must be for a file with names of columns, got header=False; pass header= a list of them",
        ),
    ],
)
def test_an_argument_of_a_dialect_is_refused(options, said):
    with pytest.raises(GraphError) as caught:
        Dialect(**options)
    assert str(caught.value) == said


def test_a_dialect_that_does_not_fit_the_source_is_refused():
    with pytest.raises(GraphError) as caught:
        sources.csv("t.csv", Tick, dialect=Dialect(rename={"p": "prise"}))
    assert str(caught.value) == 'csv: dialect: rename must give fields of Tick, got "prise"; did you mean "price"?'
    with pytest.raises(GraphError, match=r"csv: dialect must be a Dialect, got ';'; write sources.Dialect"):
        sources.csv("t.csv", Tick, dialect=";")


def test_a_dialect_shows_what_is_not_usual():
    assert repr(Dialect()) == "Dialect()"
    assert repr(Dialect(delimiter="|", header=["a"])) == "Dialect(delimiter='|', header=('a',))"


def test_equal_dialects_have_one_hash():
    one, other = (Dialect(header=header, rename={"a": "ts"}) for header in (["a"], ("a",)))
    assert one == other
    assert len({one, other}) == 1


def test_a_graph_reads_a_dialect_by_columns_and_takes_the_first_rows(tmp_path):
    write(tmp_path / "t.csv", "".join(f"{i};{i},5;\n" for i in range(30_000)) + "END\n")
    dialect = Dialect(delimiter=";", decimal=",", header=False, trailer="END")
    stream = rxdag.from_source(sources.csv(tmp_path / "t.csv", Tick, dialect=dialect))
    assert stream.pipe(ops.map(col.price), ops.take(2)).collect() == [0.5, 1.5]
    assert sum(stream.pipe(ops.map(col.price)).collect()) == 30_000 * 29_999 / 2 + 15_000
