"""A spec as a document: nodes, feeds and options; checked, not yet connected."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rxdag.contract import nearest_file
from rxdag.errors import GraphError, SpecError, did_you_mean, shown, text_of
from rxdag.graph import checked_name
from rxdag.spec._compound_kinds import Either
from rxdag.spec._context import Context, Refused, tree_text
from rxdag.spec._feeds import Feed, check_ends, check_feeds
from rxdag.spec._kinds import DurationKind, Kind, OneOf, PathKind, Plain
from rxdag.spec._node import SpecNode, read_node
from rxdag.spec._params import by_kinds
from rxdag.spec._problems import Mark, Problem, Problems, spec_error
from rxdag.spec._tree import Tree, read_tree, scalar, tree_of

TOP: Final = ("version", "name", "nodes", "settings", "include")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


SETTINGS: Final[dict[str, Kind]] = {
    "until": DurationKind(),
    "drain_timeout": Either(_is_number, Plain(float), DurationKind()),
    "restart": OneOf(("never", "on_failure", "always")),
    "flush": Plain(bool),
    "checkpoints": PathKind(),
    "every": DurationKind(),
    "require": OneOf(("exactly",)),
    "allow_drop": Plain(list[str]),
    "renamed": Plain(dict[str, str]),
    "fresh": Plain(bool),
}
RECOVERY: Final = ("checkpoints", "every", "require", "allow_drop", "renamed", "fresh")
"""The settings of a run with checkpoints."""


@dataclass(frozen=True)
class Document:
    """A spec that has been read.

    Attributes:
        name: Of the dag.
        nodes: By id, in the order of the text; those of which nothing can be made are left out.
        settings: Values of the `SETTINGS` that are given.
        context: Permissions and problems.
        tree: The text as a tree.
    """

    name: str
    nodes: dict[str, SpecNode]
    settings: Mapping[str, Any]
    context: Context = field(repr=False)
    tree: Tree = field(repr=False)


def read_document(
    text: str | bytes | None,
    path: Path | None,
    *,
    allow: tuple[str, ...],
    base: Path | None,
    outside: bool,
    overrides: Mapping[str, Any],
) -> Document:
    """Read a document and check each node; problems of nodes are in `context.problems`.

    Raises:
        SpecError: If the text is not a mapping.
    """
    folder = base or (path.parent if path is not None else Path.cwd())
    problems = Problems()
    context = Context(problems, folder, tuple(allow), outside)
    file = "spec" if path is None else str(path)
    tree = read_tree(_bytes(path) if text is None and path is not None else text or "", file, dict(os.environ))
    tree = _overridden(tree, overrides, problems)
    if not tree.is_mapping:
        problems.add(tree.mark, "", f"must be a mapping with {', '.join(TOP)}, got {tree_text(tree)}")
        raise spec_error(problems.found)
    for key in tree.mapping():
        if key not in TOP:
            context.at(key).tell(tree.key_mark(key), f"is not known{did_you_mean(key, TOP)}; known: {', '.join(TOP)}")
    name = _name(tree, context, path)
    _version(tree, context)
    settings = _settings(tree.mapping().get("settings"), context.at("settings"))
    trees = _node_trees(tree, context, path, ())
    if not trees and not problems.found:
        context.at("nodes").tell(tree, "must have a node, got none")
    feeds_of: dict[str, dict[str, Feed | None]] = {}
    nodes = {
        key: made
        for key, (each, inside) in trees.items()
        if (made := read_node(key, each, inside, feeds_of)) is not None
    }
    for each_id in check_feeds(feeds_of, trees, problems):
        nodes.pop(each_id, None)
    check_ends(feeds_of, trees, context.at("nodes"), tree.mark)
    return Document(name, nodes, settings, context, tree)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        hint = nearest_file(str(path)) if isinstance(error, FileNotFoundError) else ""
        raise SpecError(f"{path}: must be a file that can be read: {error.strerror}{hint}") from error


def _overridden(tree: Tree, overrides: Mapping[str, Any], problems: Problems) -> Tree:
    """Return the tree with values put in: "node.param" or "settings.until"; tell those that have no place."""
    for key, value in overrides.items():
        mark = Mark(f"--set {key}", 1, 1)
        if not isinstance(key, str):  # it comes from outside
            problems.add(mark, "", f'must be a name such as "trades.path", got {shown(key)}')
            continue
        parts = key.split(".")
        if parts[0] not in TOP:
            parts = ["nodes", *parts]
        if parts[0] == "settings" and tree.is_mapping and _is_empty(tree.mapping().get("settings")):
            tree = _put(tree, ["settings"], Tree({}, mark, {}), mark)
        try:
            tree = _put(tree, parts, _given(value, mark), mark)
        except SpecError as error:
            for problem in error.problems:
                problems.add(problem.mark, problem.path, problem.message)
    return tree


def _is_empty(tree: Tree | None) -> bool:
    return tree is None or tree.value is None


def _given(value: Any, mark: Mark) -> Tree:
    """Return the tree of a value from outside the spec: text in the form of YAML, or plain data."""
    if isinstance(value, str):
        is_nested = value.lstrip()[:1] in ("[", "{", '"')
        return read_tree(value, mark.file, {}) if is_nested else Tree(scalar(value), mark, {})
    try:
        return tree_of(value, mark)
    except TypeError as error:
        raise spec_error([Problem(mark, "", text_of(error))]) from None


def _put(tree: Tree, parts: list[str], value: Tree, mark: Mark) -> Tree:
    if not parts:
        return value
    if not tree.is_mapping:
        raise spec_error([Problem(mark, "", f'"{parts[0]}" must be a key of a mapping, got a key of {tree.kind}')])
    head, *rest = parts
    # An id may contain dots, so the longest matching key is used.
    for n in range(len(parts), 0, -1):
        if ".".join(parts[:n]) in tree.mapping():
            head, rest = ".".join(parts[:n]), parts[n:]
            break
    else:
        if len(parts) > 1:
            near = did_you_mean(head, tree.mapping())
            raise spec_error(
                [Problem(mark, "", f'"{head}" is not known{near}; known: {", ".join(tree.mapping()) or "nothing"}')]
            )
    inner = tree.mapping().get(head, Tree(None, mark, {}))
    return replace(
        tree,
        value={**tree.mapping(), head: _put(inner, rest, value, mark)},
        keys={**tree.keys, head: tree.keys.get(head, mark)},
    )


def _name(tree: Tree, context: Context, path: Path | None) -> str:
    given = tree.mapping().get("name")
    if given is None:
        stem = "dag" if path is None else path.stem
        try:
            return checked_name(stem, "name")
        except GraphError:
            return "dag"
    try:
        return checked_name(given.value, "name")
    except GraphError as error:
        context.at("name").tell(given, text_of(error).removeprefix("name: "))
        return "dag"


def _version(tree: Tree, context: Context) -> None:
    given = tree.mapping().get("version")
    if given is not None and (given.value != 1 or isinstance(given.value, bool)):
        context.at("version").tell(given, f"must be 1, got {tree_text(given)}")


def _settings(tree: Tree | None, context: Context) -> dict[str, Any]:
    if tree is None or tree.value is None:
        return {}
    return by_kinds(tree, context, SETTINGS)


def _node_trees(
    tree: Tree, context: Context, path: Path | None, seen: tuple[Path, ...]
) -> dict[str, tuple[Tree, Context]]:
    """Return the nodes of a file, and of the files that it includes."""
    out: dict[str, tuple[Tree, Context]] = {}
    include = tree.mapping().get("include")
    listed = [] if include is None else list(include.trees()) if isinstance(include.value, list) else [include]
    for i, each in enumerate(listed):
        out |= _included(each, context.at("include").at(i), path, seen, out)
    nodes = tree.mapping().get("nodes")
    inside = context.at("nodes")
    if nodes is not None and not nodes.is_mapping and nodes.value is not None:
        inside.tell(nodes, f"must be a mapping of nodes by id, got {tree_text(nodes)}")
    if nodes is None:
        return out
    for key, each in nodes.items():
        if key in out:
            inside.at(key).tell(
                nodes.key_mark(key), f"must be given once, and an included file has it at {out[key][0].mark}"
            )
        out[key] = (each, inside.at(key))
    return out


def _included(
    each: Tree, context: Context, path: Path | None, seen: tuple[Path, ...], known: dict[str, Any]
) -> dict[str, tuple[Tree, Context]]:
    try:
        target = Path(PathKind().read(each, context))
    except Refused:
        return {}
    target = target.resolve()
    trail = (*seen, *([path.resolve()] if path is not None else []))
    if target in trail:
        context.tell(each, f"must not lead back to itself, got {' -> '.join(p.name for p in (*trail, target))}")
        return {}
    try:
        tree = read_tree(_bytes(target), str(target), dict(os.environ))
    except SpecError as error:
        for problem in error.problems or (Problem(each.mark, context.path, text_of(error)),):
            context.problems.add(problem.mark, problem.path, problem.message)
        return {}
    if not tree.is_mapping:
        context.tell(tree, f"must be a mapping with nodes, got {tree_text(tree)}")
        return {}
    for key in tree.mapping():
        if key not in ("version", "nodes", "include"):
            context.at(key).tell(tree.key_mark(key), "must not be in a file that is included; nodes and include may be")
    _version(tree, context)
    found = _node_trees(tree, replace(context, path=""), target, trail)
    for key in found.keys() & known.keys():
        context.tell(each, f'node "{key}" must be given once, and another included file has it at {known[key][0].mark}')
    return found
