"""The notebook runs from top to bottom, and each cell shows something that a notebook can show."""

import ast
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

PATH = Path(__file__).parent.parent / "examples" / "first_ten_minutes.ipynb"
CELLS = json.loads(PATH.read_text(encoding="utf-8"))["cells"]


def run(source, names):
    """Run a cell, and return the value of its last line if that is an expression, as a notebook does."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(PATH), "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), str(PATH), "eval"), names)


def shown(value):
    """What a notebook shows of a value: the richest form that it has."""
    if hasattr(value, "_repr_mimebundle_"):
        bundle = value._repr_mimebundle_()
        return "svg", bundle["image/svg+xml"]
    if hasattr(value, "_repr_html_"):
        return "html", value._repr_html_()
    return "text", repr(value)


@pytest.fixture(scope="module")
def displays():
    names = {"__name__": "__main__"}
    values = [run("".join(cell["source"]), names) for cell in CELLS if cell["cell_type"] == "code"]
    return names, [shown(value) for value in values if value is not None]


def test_it_has_no_outputs():
    assert all(cell.get("outputs", []) == [] and cell.get("execution_count") is None for cell in CELLS)


def test_it_shows_tables_then_a_picture(displays):
    names, shown = displays
    kinds = [kind for kind, _ in shown]
    assert kinds == ["html"] * 4 + ["svg"] + ["html"] * 3 + ["text"] + ["svg"]
    for kind, text in shown:
        if kind == "svg":
            ET.fromstring(text)


def test_times_are_dates_once_they_are_named(displays):
    _, shown = displays
    assert "2024-08-08T23:54:1" not in shown[0][1]
    assert all("2024-08-08T23:54:1" in text for _, text in shown[1:4])


def test_virtual_time_gives_the_same_bars_and_more_for_the_screen(displays):
    names, shown = displays
    assert shown[-2] == ("text", "True")
    assert len(names["result"]["screen"]) == 6
    assert len(names["simulated"]["screen"]) == 53


def test_it_ends_with_the_picture_of_the_run(displays):
    _, shown = displays
    texts = [text.text for text in ET.fromstring(shown[-1][1]).iter("{http://www.w3.org/2000/svg}text")]
    assert {"trades", "once", "newest", "bars", "5,000"} <= set(texts)
    assert any(text.startswith("ten_minutes: completed") for text in texts)
