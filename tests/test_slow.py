"""The list of slow tests names tests that exist, once each."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES = (ROOT / "tests" / "slow.txt").read_text().split()


def names_in(tree, before=""):
    """Names of the test functions of a module, those of classes with the class."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from names_in(node, f"{before}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{before}{node.name}"


def test_the_list_is_sorted_and_names_nothing_twice():
    assert sorted(set(LINES)) == LINES


@pytest.mark.parametrize("line", LINES)
def test_a_slow_test_exists(line):
    file, _, name = line.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    assert not name or name in names_in(tree)
