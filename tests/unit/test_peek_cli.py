"""`rxdag peek`: what it prints, and what it refuses."""

import pytest
from tests.unit.peeked import write
from tests.unit.test_cli import rxdag_

pytestmark = pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")


def test_the_program_is_printed(tmp_path):
    write(tmp_path / "a.csv", "time,price\n1714996800,1.5\n")
    assert rxdag_("peek", "a.csv", cwd=tmp_path) == (
        0,
        '# a.csv: CSV, 2 columns named in a header, "," between them.\n'
        "# Event time: time is in s by its magnitude: 1714996800 is 2024-05-06T12:00:00Z.\n"
        "\n"
        "import msgspec\n"
        "\n"
        "import rxdag\n"
        "from rxdag import operators as ops\n"
        "from rxdag import sources\n"
        "\n"
        "\n"
        "class Row(msgspec.Struct):\n"
        "    time: int\n"
        "    price: float\n"
        "\n"
        "\n"
        'rows = rxdag.from_source(sources.csv("a.csv", Row))\n'
        'timed = rows.pipe(ops.event_time("time", unit="s"))\n',
        "",
    )


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "a.csv: must have rows, got an empty file"),
        (b"\x1f\x8b\x08\x00", "a.csv: must be text, Parquet or Arrow, got a file compressed by gzip; name it .gz"),
        (b"\x7fELF\x00\x01", "a.csv: must be text in UTF-8, Parquet or Arrow, got bytes of another form"),
        (b"a,b\n\xe9,1\n", "a.csv: must be UTF-8, got byte 5 of b'a,b\\n\\xe9,1\\n'; convert it with iconv"),
        (
            b"Dear reader,\nthis is a letter.\n\nIt has no rows at all, and is not JSON.\nYours\n",
            "a.csv: must be CSV, JSON lines, Parquet or Arrow, got lines of another form, such as 'Dear reader,'",
        ),
    ],
)
def test_a_file_of_no_known_form_is_refused_in_one_line(tmp_path, data, problem):
    (tmp_path / "a.csv").write_bytes(data)
    assert rxdag_("peek", "a.csv", cwd=tmp_path) == (2, "", f"error: {problem}\n")


def test_a_file_that_is_missing_is_refused(tmp_path):
    write(tmp_path / "trades.csv", "id\n1\n")
    assert rxdag_("peek", "trade.csv", cwd=tmp_path) == (
        2,
        "",
        'error: peek: file must exist, got "trade.csv"; did you mean "trades.csv"?\n',
    )
