"""`rxdag diff`: what it says of two outputs, and what it exits with."""

import gzip

import pytest
from tests.unit.test_cli import rxdag_

import rxdag
from rxdag import sinks, sources

pytestmark = pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")


@pytest.fixture
def folders(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    for folder in (a, b):
        folder.mkdir()
        (folder / "bars.csv").write_text("key,value\nA,1\nB,2\n")
    return a, b


def test_equal_folders_are_equal(folders):
    a, b = folders
    assert rxdag_("diff", str(a), str(b)) == (0, "bars.csv: equal, 3 lines\n", "")


def test_the_first_lines_that_differ_are_shown_with_their_number(folders):
    a, b = folders
    (b / "bars.csv").write_text("key,value\nA,1\nB,3\nC,4\n")
    assert rxdag_("diff", str(a), str(b)) == (
        1,
        "bars.csv: 2 lines differ, of 3 and 4\n"
        "  line 3\n    A: B,2\n    B: B,3\n"
        "  line 4\n    A: (no such line)\n    B: C,4\n",
        "",
    )


def test_no_more_lines_are_shown_than_asked_for(folders):
    a, b = folders
    (b / "bars.csv").write_text("x\ny\nz\n")
    code, out, _ = rxdag_("diff", str(a), str(b), "--most", "1")
    assert (code, out) == (1, "bars.csv: 3 lines differ, of 3 and 3\n  line 1\n    A: key,value\n    B: x\n")


def test_a_file_that_only_one_has_is_a_difference(folders):
    a, b = folders
    (a / "late.jsonl").write_text("")
    assert rxdag_("diff", str(a), str(b)) == (1, f"bars.csv: equal, 3 lines\nonly in {a}: late.jsonl\n", "")


def test_two_files_of_other_names_are_compared(folders):
    a, b = folders
    (b / "bars.csv").rename(b / "other.csv")
    assert rxdag_("diff", str(a / "bars.csv"), str(b / "other.csv"))[0] == 0


def test_a_missing_end_of_line_is_a_difference(folders):
    a, b = folders
    (b / "bars.csv").write_text("key,value\nA,1\nB,2")
    assert rxdag_("diff", str(a), str(b))[0] == 1


def test_compressed_files_are_compared_by_content(folders):
    a, b = folders
    for folder, level in ((a, 1), (b, 9)):
        (folder / "bars.csv").unlink()
        (folder / "bars.csv.gz").write_bytes(gzip.compress(b"A,1\n" * 1000, level, mtime=level))
    assert (a / "bars.csv.gz").read_bytes() != (b / "bars.csv.gz").read_bytes()
    assert rxdag_("diff", str(a), str(b))[:2] == (0, "bars.csv.gz: equal, 1,000 lines\n")


@pytest.mark.parametrize(("make", "name"), [(sinks.parquet, "bars.parquet"), (sinks.arrow_file, "bars.arrow")])
def test_files_of_tables_are_compared_by_row(folders, make, name):
    a, b = folders
    for folder, last in ((a, 3), (b, 4)):
        (folder / "bars.csv").unlink()
        rows = [{"n": 1}, {"n": last}]
        rxdag.run(rxdag.from_source(sources.iterable(rows)).to(make(folder / name)))
    code, out, _ = rxdag_("diff", str(a), str(b))
    assert (code, out) == (
        1,
        f"{name}: 1 line differs, of 2 and 2\n  line 2\n    A: {{'n': 3}}\n    B: {{'n': 4}}\n",
    )


def test_a_missing_path_and_two_kinds_are_refused(folders, tmp_path):
    a, b = folders
    assert rxdag_("diff", str(a), str(tmp_path / "c")) == (
        1,
        "",
        f'error: diff: "{tmp_path}/c" must be a file or a folder, got none\n',
    )
    assert rxdag_("diff", str(a), str(b / "bars.csv")) == (
        1,
        "",
        f'error: diff: must get two files or two folders, got a folder, "{a}" and a file, "{b}/bars.csv"\n',
    )
