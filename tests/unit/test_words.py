"""Docstrings begin with an order or a noun phrase, and messages use the field's own words."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "rxdag"
QUESTIONS = ("What", "Who", "Whom", "Whose", "Whoever", "Whether", "How", "Which", "Where", "When", "Why")
PRONOUNS = ("It", "Its", "He", "They", "Their", "This", "That", "These", "Those", "Nobody", "Nothing", "Something")
NO_ORDERS = ("The", "A", "An", "True", "False", "Have", "Has", "Be", "As", "Of", "One", "Called")
PHRASES = {
    r"\bgives? way\b": "name the overflow policy",
    r"\bwhat feeds\b": '"this source", "the producer", "the input"',
    r"\bcannot be made to wait\b": '"cannot be paused"',
    r"\bit goes on\b": '"it is still running"',
    r"\bis there twice\b": '"is given twice"',
    r"\bwho loads\b": '"the code that loads"',
    r"\bhangs on (?!in\b)": '"is attached to"',
    r"\b(say|give) [a-z_]+=(?!end)": '"pass name="',
    r"\bgive items out\b": '"emit items"',
    r"\bso many\b": "a number",
    r"\bworked on\b": '"processed"',
}


@functools.cache
def parsed() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple((path.relative_to(SOURCES), ast.parse(path.read_text("utf-8"))) for path in SOURCES.rglob("*.py"))


def is_function(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return not any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def first_word(text: str) -> str:
    return re.split(r"[^\w']", text, maxsplit=1)[0]


def fault_of(node: ast.AST, text: str) -> str | None:
    """Return what is wrong with a docstring's first line."""
    word = first_word(text)
    if word in QUESTIONS:
        return "must not begin with a question word"
    if word in PRONOUNS:
        return "must not begin with a pronoun"
    if is_function(node) and word in NO_ORDERS:
        return "must be an order"
    return None


def docstrings() -> Iterator[tuple[str, ast.AST, str]]:
    for path, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{path}:{getattr(node, 'lineno', 1)}", node, text.split("\n")[0]


def notes() -> Iterator[tuple[str, str]]:
    """Yield the texts below attributes and constants."""
    for path, tree in parsed():
        for node in ast.walk(tree):
            body: list[ast.stmt] = getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []
            for before, after in itertools.pairwise(body):
                is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                if is_text and isinstance(before, ast.Assign | ast.AnnAssign):
                    yield f"{path}:{after.lineno}", str(after.value.value)


def messages() -> Iterator[tuple[str, str]]:
    """Yield the texts in the code that are no docstrings."""
    for path, tree in parsed():
        documents = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
        inside = {id(part) for each in ast.walk(tree) if isinstance(each, ast.JoinedStr) for part in each.values}
        for node in ast.walk(tree):
            if id(node) in documents or id(node) in inside:
                continue
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "0" for part in node.values)
                yield f"{path}:{node.lineno}", "".join(str(part) for part in parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path}:{node.lineno}", node.value


def test_first_lines_of_docstrings_are_orders_or_noun_phrases():
    wrong = [f"{at}: {fault}: {line}" for at, node, line in docstrings() if (fault := fault_of(node, line)) is not None]
    assert not wrong, "\n".join(wrong)


def test_notes_on_attributes_are_noun_phrases():
    wrong = [f"{at}: {text}" for at, text in notes() if first_word(text) in (*QUESTIONS, *PRONOUNS, "So", "Of")]
    assert not wrong, "\n".join(wrong)


def test_messages_use_the_words_of_the_field():
    wrong = [
        f"{at}: write {better}: {text}"
        for at, text in messages()
        for phrase, better in PHRASES.items()
        if re.search(phrase, text)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("source", "is_wrong"),
    [
        ("def f():\n    'What a thing is.'", True),
        ("def f():\n    'The thing.'", True),
        ("def f():\n    'Return the thing.'", False),
        ("@property\ndef f():\n    'The thing.'", False),
        ("@property\ndef f():\n    'How many there are.'", True),
        ("class C:\n    'A thing.'", False),
        ("class C:\n    'It stands for a thing.'", True),
    ],
)
def test_a_docstring_is_judged_by_its_first_word(source: str, is_wrong: bool):
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    assert (fault_of(node, ast.get_docstring(node) or "") is not None) is is_wrong
