"""YAML 1.2 as a tree of plain values with their places: no tags, no surprises, within limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rxdag.contract import import_extra
from rxdag.errors import did_you_mean, shown
from rxdag.spec._problems import Mark, Problem, Problems, spec_error

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 50_000
"""Maximum number of values in a text, with aliases expanded."""

_INT: Final = re.compile(r"[-+]?[0-9]+")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, Any]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".nan": float("nan"), ".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"),
}  # fmt: skip
_VARIABLE: Final = re.compile(r"\$(?:\$|\{([A-Za-z_]\w*)(?::-([^}]*))?\})")


@dataclass(frozen=True)
class Tree:
    """A value and its position.

    Attributes:
        value: A scalar, a list of trees, or a dict of trees by key.
        mark: Position of the value.
        keys: Position of each key of a dict.
    """

    value: Any
    mark: Mark
    keys: dict[str, Mark]

    def plain(self) -> Any:
        """Return the value, without places."""
        if self.is_mapping:
            return {key: tree.plain() for key, tree in self.items()}
        if isinstance(self.value, list):
            return [tree.plain() for tree in self.trees()]
        return self.value

    @property
    def is_mapping(self) -> bool:
        """True if it has keys."""
        return isinstance(self.value, dict)

    def mapping(self) -> dict[str, Tree]:
        """Return the values by key; none if it has no keys."""
        value: Any = self.value
        if not self.is_mapping:
            return {}
        made: dict[str, Tree] = value
        return made

    def items(self) -> Iterator[tuple[str, Tree]]:
        """Yield the keys and values of a mapping."""
        yield from self.mapping().items()

    def trees(self) -> Iterator[Tree]:
        """Yield the values of a list."""
        yield from self.value

    def key_mark(self, key: str) -> Mark:
        """Return the position of a key, or of the dict if there is none."""
        return self.keys.get(key, self.mark)

    @property
    def kind(self) -> str:
        """Kind of the value, in words."""
        value: Any = self.value
        words: dict[Any, str] = {
            dict: "a mapping",
            list: "a list",
            str: "a text",
            type(None): "nothing",
            bool: "true or false",
        }
        return words.get(value.__class__, "a number")


def tree_of(value: Any, mark: Mark) -> Tree:
    """Return plain data as a tree, all at one position.

    Raises:
        TypeError: If it is not plain data.
    """
    made: Any = value
    if value is None or type(value) in (bool, int, float, str):
        return Tree(made, mark, {})
    if isinstance(value, list | tuple):
        return Tree([tree_of(each, mark) for each in made], mark, {})
    if isinstance(value, Mapping):
        return Tree({str(key): tree_of(each, mark) for key, each in made.items()}, mark, {})
    raise TypeError(
        f"must be a text, a number, true or false, nothing, a list or a mapping, got {shown(made, most=60)}"
    )


def scalar(text: str) -> Any:
    """Return a plain scalar as YAML 1.2's core schema has it."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) and len(text) < 400:
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def read_tree(text: str | bytes, file: str, environ: dict[str, str]) -> Tree:
    """Read a text, with `${NAME}` and `${NAME:-default}` replaced from the environment; `$$` is a dollar.

    Raises:
        SpecError: If it is not YAML of plain values in UTF-8, or exceeds a limit.
        MissingExtra: If ruamel.yaml is not installed.
    """
    start = Mark(file, 1, 1)
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _error(start, f"encoding must be UTF-8, got an invalid byte: {error}") from None
    if len(text) > MAX_BYTES:
        raise _error(start, f"must be at most {MAX_BYTES:,} characters, got {len(text):,}")
    yaml = import_extra("ruamel.yaml", "yaml", "a spec")
    try:
        composer = _Composer(file, environ, yaml)
        tree = composer.compose(text)
        composer.problems.check()
        return tree
    except yaml.error.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = start if at is None else Mark(file, at.line + 1, at.column + 1)
        raise _error(mark, f"must be YAML: {error.problem or error.context}") from None
    except yaml.error.YAMLError as error:
        raise _error(start, f"must be YAML: {str(error).splitlines()[0]}") from None
    except (RecursionError, ValueError, IndexError, AttributeError, AssertionError) as error:  # of the parser
        raise _error(start, f"must be YAML: {type(error).__name__}: {error}") from None


def _error(mark: Mark, message: str) -> Exception:
    return spec_error([Problem(mark, "", message)])


class _Composer:
    """Makes the tree of the parser's events."""

    def __init__(self, file: str, environ: dict[str, str], yaml: Any) -> None:
        self._file = file
        self._environ = environ
        self._yaml = yaml
        self.problems = Problems()
        """Problems of values and keys; a problem of the YAML itself is raised."""
        self._anchors: dict[str, tuple[Tree, int]] = {}
        self._open: set[str] = set()
        self._unset: set[str] = set()
        self._values = 0
        self._events: Iterator[Any] = iter(())

    def compose(self, text: str) -> Tree:
        parser = self._yaml.YAML(typ="safe", pure=True)
        parser.version = (1, 2)
        self._events = iter(parser.parse(text))
        root: Tree | None = None
        for event in self._events:
            name = type(event).__name__
            if name in ("StreamStartEvent", "StreamEndEvent", "DocumentStartEvent", "DocumentEndEvent"):
                continue
            if root is not None:
                raise _error(self._mark(event), "must be one document, got a second")
            root = self._node(event, 1)
        return Tree(None, Mark(self._file, 1, 1), {}) if root is None else root

    def _mark(self, event: Any) -> Mark:
        return Mark(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _tell(self, mark: Mark, message: str) -> None:
        self.problems.add(mark, "", message)

    def _count(self, n: int, mark: Mark) -> None:
        self._values += n
        if self._values > MAX_VALUES:
            raise _error(mark, f"must hold at most {MAX_VALUES:,} values, aliases spelt out")

    def _node(self, event: Any, depth: int) -> Tree:
        mark = self._mark(event)
        name = type(event).__name__
        if name == "AliasEvent":
            return self._alias(str(event.anchor), mark)
        if depth > MAX_DEPTH:
            raise _error(mark, f"must be nested at most {MAX_DEPTH} deep")
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) not in ("!", "None"):
            self._tell(mark, f"must have no tags, got {tag}; values are plain text, numbers, lists and mappings")
        before = self._values
        self._count(1, mark)
        anchor = None if event.anchor is None else str(event.anchor)
        if anchor is not None:
            self._open.add(anchor)
        if name == "ScalarEvent":
            is_plain = event.style in (None, "") and tag is None
            made = Tree(self._scalar(str(event.value), mark, is_plain=is_plain), mark, {})
        elif name == "SequenceStartEvent":
            made = Tree(self._sequence(depth), mark, {})
        else:
            made = self._mapping(mark, depth)
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = (made, self._values - before)
        return made

    def _alias(self, anchor: str, mark: Mark) -> Tree:
        if anchor in self._open:
            raise _error(mark, f"*{anchor} must not hold itself")
        if anchor not in self._anchors:
            raise _error(mark, f"*{anchor} must come after its anchor &{anchor}{did_you_mean(anchor, self._anchors)}")
        made, size = self._anchors[anchor]
        self._count(size, mark)
        return made

    def _sequence(self, depth: int) -> list[Tree]:
        out: list[Tree] = []
        for event in self._events:
            if type(event).__name__ == "SequenceEndEvent":
                return out
            out.append(self._node(event, depth + 1))
        return out

    def _mapping(self, mark: Mark, depth: int) -> Tree:
        made: dict[str, Tree] = {}
        keys: dict[str, Mark] = {}
        for event in self._events:
            if type(event).__name__ == "MappingEndEvent":
                break
            at = self._mark(event)
            if type(event).__name__ != "ScalarEvent":
                raise _error(at, "a key must be a text")
            if event.tag is not None and str(event.tag) not in ("!", "None"):
                self._tell(at, f"must have no tags, got {event.tag}")
            key = str(event.value)  # a key is a text, whatever it looks like
            if key in made:
                self._tell(at, f'key "{key}" must be given once, got it at {keys[key]} too')
            made[key] = self._node(next(self._events), depth + 1)
            keys[key] = at
        return Tree(made, mark, keys)

    def _scalar(self, text: str, mark: Mark, *, is_plain: bool) -> Any:
        if "$" not in text:
            return scalar(text) if is_plain else text
        missing: list[str] = []

        def fill(match: re.Match[str]) -> str:
            name, default = match.groups()
            if name is None:
                return "$"
            if name not in self._environ and default is None:
                missing.append(name)
            return self._environ.get(name, default or "")

        filled = _VARIABLE.sub(fill, text)
        for name in dict.fromkeys(missing):
            if name in self._unset:
                continue
            self._unset.add(name)
            self._tell(mark, f"${{{name}}} must be set in the environment; ${{{name}:-default}} sets a default")
        whole = _VARIABLE.fullmatch(text)
        return scalar(filled) if is_plain and whole is not None and whole.group(1) else filled
