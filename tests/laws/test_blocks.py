"""Blocks of a file give the items, the errors and the positions that its lines give one by one."""

import datetime
import enum
import gzip
from contextlib import closing
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxdag import sources
from rxdag.contract import END
from rxdag.errors import SourceError
from rxdag.sources import _blocks
from tests.unit.reading import Context

pytest.importorskip("pyarrow")


class Side(enum.Enum):
    BUY = "B"
    TRUE = "1"


INTS, FLOATS, TRUTHS = ["1", "0", "-5", "007"], ["1", "2.5", "-1e3", ".5"], ["true", "0", "T", "yes"]
TEXTS = ["a", "b", "", " a", "0x1", "é", "nan"]
TIMES = ["2024-01-05T09:30:00Z", "2024-01-05T09:30:00.123456789Z"]
VALID = [
    (int, INTS),
    (float, FLOATS),
    (bool, TRUTHS),
    (str, TEXTS),
    (Any, TEXTS),
    (int | None, [*INTS, ""]),
    (float | None, [*FLOATS, ""]),
    (bool | None, [*TRUTHS, ""]),
    (str | None, TEXTS),
    (int | float, FLOATS),
    (int | float | bool | None, [*FLOATS, *TRUTHS]),
    (Annotated[int, msgspec.Meta(ge=0)], ["1", "0"]),
    (Annotated[str, msgspec.Meta(max_length=2)], ["a", ""]),
    (Decimal, ["1.10", "-5"]),
    (datetime.datetime, TIMES),
    (datetime.date | None, ["2024-01-05", ""]),
    (np.datetime64, [*TIMES, "2024-01-05", "NaT"]),
    (Literal["a", 1], ["a", "1"]),
    (Side, ["B", "1"]),
    (bytes, ["YWI=", ""]),
]
ODD = [
    *(
        "+1",
        "1_0",
        "0x10",
        "-0X1F",
        "-0",
        "0x",
        " ",
        " 1",
        "1 ",
        "\t1",
        "1\x0b",
        "\x0c1",
        "1\x1c",
        "1\xa0",
        "\u2003",
        "\u0661",
        "",
    ),
    *(
        "nan",
        "NaN",
        "-nan",
        "nan(1)",
        "inf",
        "-Infinity",
        "1e400",
        "1e-400",
        ".5",
        "5.",
        ".",
        "e5",
        "1e",
        "4e-324",
        "1d5",
    ),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "9" * 30, "0." + "1" * 40),
    *("TRUE", "True", "tRuE", " true", "yes", "NO", "N", "NULL", "null", "None", "N/A", "#N/A", "NaT", "\ufeff1", "\0"),
    *('"1"', '"', '""', '"a,b"', '"a\nb"', '1"', '"a"b', "'", "\\", "\\n", "\r", "a\r", "é", "𝄞", "\u2028", "\x85"),
    *("2024-01-05T09:30:00", "2024-01-05T09:30:00+05:30", "24-1-5", "1704447000", "1,1", "1\n", "\n", "\n\n1", "\r\n1"),
]


@st.composite
def tables(draw):
    """The type of each column, and the lines below the header: mostly valid ones."""
    random = draw(st.randoms(use_true_random=True))
    columns = random.choices(VALID, k=random.randint(1, 3))
    rows = [[random.choice(cells) for _, cells in columns] for _ in range(random.randint(0, 30))]
    for row in rows:
        if random.random() < 0.1:
            row[random.randrange(len(row))] = random.choice([random.choice(ODD), draw(st.text(max_size=3))])
    end = random.choice(["\n", "\n", "\r\n"])
    text = end.join(map(",".join, rows))
    return [kind for kind, _ in columns], text + random.choice([end, ""])


def readings(source, after=None, *, columns, raises, size):
    """What a source gives after a position, its malformed rows, and after each read the number of both and the position."""
    context = Context(columns=columns, raises=raises)
    items, places = [], []
    with closing(source.open(context)) as reader:
        if after is not None:
            reader.seek(after)
        try:
            while (read := reader.read(size)) is not END:
                items += map(repr, read.rows().items)
                places.append((len(items), len(context.dead), reader.position()))
        except SourceError as error:
            items.append(str(error))
            places.append((len(items) - 1, len(context.dead), reader.position()))
    return items, context.dead, places


def check_both_ways(source, block_bytes, pick, **options):
    """Read a source line by line, in blocks, and in blocks and then line by line."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_blocks, "_LINES_BYTES", 8)
        patched.setattr(_blocks, "_LINES_ITEMS", 1)
        patched.setattr(_blocks, "_BLOCK_BYTES", block_bytes)
        items, dead, places = readings(source, **options)
        patched.setattr(_blocks, "_LINES_BYTES", 1 << 60)
        lines, dead_lines, _ = readings(source, **options)
        # On columns, rows that are no CSV are reported before other malformed rows of their chunk.
        assert (items, sorted(dead)) == (lines, sorted(dead_lines))
        for n, n_dead, position in places[pick : pick + 1]:
            rest, dead_rest, _ = readings(source, position, **options)
            assert (items[:n] + rest, sorted(dead[:n_dead] + dead_rest)) == (lines, sorted(dead))


@given(
    table=tables(),
    block_bytes=st.integers(1, 200),
    pick=st.integers(0, 20),
    size=st.integers(1, 9),
    columns=st.booleans(),
    raises=st.booleans(),
)
@settings(max_examples=300)
def test_a_csv_file_is_read_in_blocks_as_row_by_row(tmp_path_factory, table, block_bytes, pick, **options):
    kinds, text = table
    names = [f"f{i}" for i in range(len(kinds))]
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes((",".join(names) + "\n" + text).encode())
    source = sources.csv(path, msgspec.defstruct("Item", list(zip(names, kinds, strict=True))))
    check_both_ways(source, block_bytes, pick, **options)


DIALECTS = st.builds(
    sources.Dialect,
    delimiter=st.sampled_from([",", ";", "|", "\t"]),
    quote=st.sampled_from(['"', "'", None]),
    header=st.sampled_from([True, False]),
    comment=st.sampled_from([None, "#", "-", "1"]),
    trailer=st.sampled_from([None, "a", "tr"]),
    decimal=st.sampled_from([".", ","]),
    nulls=st.sampled_from([(), ("1", "nan"), ("a", "true", " ")]),
    skip_lines=st.sampled_from([0, 2]),
)


@given(
    table=tables(),
    dialect=DIALECTS,
    point=st.sampled_from([".", ","]),
    block_bytes=st.integers(1, 200),
    pick=st.integers(0, 20),
    size=st.integers(1, 9),
    columns=st.booleans(),
    raises=st.booleans(),
)
@settings(max_examples=300)
def test_a_file_of_any_dialect_is_read_in_blocks_as_row_by_row(
    tmp_path_factory, table, dialect, point, block_bytes, **options
):
    kinds, text = table
    names = [f"f{i}" for i in range(len(kinds))]
    written = text.replace(",", dialect.delimiter).replace(".", point)
    header = dialect.delimiter.join(names) + "\n" if dialect.header else ""
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(("skipped\n" * dialect.skip_lines + header + written).encode())
    source = sources.csv(path, msgspec.defstruct("Item", list(zip(names, kinds, strict=True))), dialect=dialect)
    check_both_ways(source, block_bytes, options.pop("pick"), **options)


@pytest.mark.parametrize(("kind", "cells"), VALID, ids=[str(kind) for kind, _ in VALID])
@pytest.mark.parametrize("columns", [False, True])
def test_each_odd_text_is_read_in_a_block_as_in_a_row(tmp_path, kind, cells, columns):
    path = tmp_path / "t.csv"
    item = msgspec.defstruct("Item", [("f", kind), ("g", int)])
    for odd in ODD:
        path.write_bytes(f"f,g\n{cells[0]},1\n{cells[0]},2\n{odd},3\n{cells[-1]},4\n".encode())
        check_both_ways(sources.csv(path, item), 1, 2, columns=columns, raises=False, size=4)


class Row(msgspec.Struct):
    a: int
    b: str = "none"


ROWS = "a,b\n" + "".join(f"{i},t{i % 7}\n" for i in range(2000))


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize(
    "data",
    [
        ROWS.encode(),
        ROWS.replace("\n1500", "\nx").encode(),
        ROWS.replace("1500,t2", "1500,\ufefft2").encode(),
        ROWS.replace("1500,t2", "1500,\xe9").encode("latin-1"),
        ROWS.replace("1500,t2", f"1500,{'x' * 40_000},").encode(),
        ROWS.replace("a,b", "b,c,a\ufeff").replace(",t", ",,").encode(),
        ROWS[:-4].encode(),
    ],
    ids=["plain", "a bad value", "a mark inside", "no UTF-8", "a long row", "no such column", "no newline at the end"],
)
def test_a_long_csv_file_is_read_in_blocks_as_row_by_row(tmp_path, name, data, columns):
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    check_both_ways(sources.csv(path, Row), 5_000, 3, columns=columns, raises=True, size=300)


@pytest.mark.parametrize("cut", [1, 5, 9, 100, 1000, 2000])
@pytest.mark.parametrize("columns", [False, True])
def test_a_truncated_csv_file_gives_the_rows_before_its_end(tmp_path, cut, columns):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(ROWS.encode())[:-cut])
    check_both_ways(sources.csv(path, Row), 5_000, 3, columns=columns, raises=True, size=300)


def test_a_field_beyond_the_limit_of_the_module_csv_is_malformed_in_a_block_too(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,t\n" * 20 + f"2,{'x' * 131_073}\n" + "3,t\n")
    check_both_ways(sources.csv(path, Row), 10, 30, columns=True, raises=False, size=5)


def test_only_rows_that_need_it_are_read_one_by_one(tmp_path):
    path = tmp_path / "t.csv"
    # The first 65,536 bytes are read line by line, 1,000 at a time; a block has 1 MiB and the line that follows.
    plain, quoted = "1,t\n" * (17_000 + 2**18 + 1), '2,"t"\n' * 300_000
    path.write_text("a,b\n" + plain + quoted + "3,t\n" * 500_000)
    one_by_one = {1: 0, 2: 0, 3: 0}
    with closing(sources.csv(path, Row).open(Context())) as reader:
        while (read := reader.read(1000)) is not END:
            for item in [] if read.columns is not None else read.items:
                one_by_one[item.a] += 1
    assert (one_by_one[1], one_by_one[2]) == (17_000, 300_000)
    assert one_by_one[3] < 2**18 + 1000


def test_a_dialect_is_parsed_in_blocks(tmp_path):
    path = tmp_path / "t.csv"
    rows = "1;2,5;'\n2;;NA\n"
    path.write_text("#a\n" + rows * 400_000 + "END\n")
    of = msgspec.defstruct("Item", [("a", int), ("b", float | None), ("c", str | None)])
    dialect = sources.Dialect(
        delimiter=";", quote=None, header=False, comment="#", trailer="END", decimal=",", nulls=["NA"]
    )
    with closing(sources.csv(path, of, dialect=dialect).open(Context())) as reader:
        reads = []
        while (read := reader.read(1000)) is not END:
            reads.append(read)
    in_blocks = [read for read in reads if read.columns is not None]
    assert sum(map(len, reads)) == 800_000
    # Not in blocks: the first 65,536 bytes and the block with the trailer.
    assert sum(map(len, in_blocks)) >= 800_000 - 2 * ((1 << 20) + (1 << 16)) // len(rows)
