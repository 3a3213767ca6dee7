"""Feeds of a node: other nodes by id and port, gates, and a check for cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, cast

from rxdag.contract import Overflow
from rxdag.errors import did_you_mean
from rxdag.spec._compound_kinds import OrNone
from rxdag.spec._context import Context, tree_text
from rxdag.spec._kinds import Kind, OneOf, Plain
from rxdag.spec._nodes import NodeType, Role
from rxdag.spec._params import by_kinds
from rxdag.spec._problems import Mark, Problems
from rxdag.spec._tree import Tree

_Gate: TypeAlias = tuple[dict[str, Any] | None, str | None]
"""Arguments of `.buffered()`, and the name of a thread."""
GATE: Final[dict[str, Kind]] = {
    "max_items": Plain(int),
    "overflow": OneOf(tuple(each.value for each in Overflow)),
    "delay_error": Plain(bool),
    "max_bytes": OrNone(Plain(int)),
}


@dataclass(frozen=True)
class Feed:
    """The producer of one input of a node.

    Attributes:
        producer: Id of the node.
        port: Port of the producer.
        tree: Its position in the text.
        path: The same as keys.
        buffered: Arguments of `.buffered()` for the gate between; None for none.
        on: Thread of the following nodes; None for no change.
    """

    producer: str
    port: str
    tree: Tree
    path: str
    buffered: dict[str, Any] | None = None
    on: str | None = None


def read_feeds(found: NodeType | None, role: Role, tree: Tree, context: Context) -> dict[str, Feed | None]:
    """Return the feeds of a node: its `input`, and `other` if it reads a second stream; None for one that is wrong."""
    given = tree.mapping().get("input")
    if role == "source":
        if given is not None:
            context.at("input").tell(given, "must not be given: a source takes no input")
        for key in ("buffered", "on"):
            if key in tree.mapping():
                context.at(key).tell(
                    tree.key_mark(key), "must be set on the node that reads the source, beside its input"
                )
        return {}
    gate = _gate(tree, context)
    if found is None:
        return _any_feeds(tree, context, gate)
    names = tuple(name for name in found.inputs if name != "other")
    feeds: dict[str, Feed | None] = dict.fromkeys("0" if name == "*" else name for name in names)
    if given is None:
        context.at("input").tell(tree, 'must be given: the id of the node it reads, such as "trades" or "bars.late"')
    else:
        feeds |= _named_feeds(given, context.at("input"), names, gate)
    if "other" in found.inputs:
        other = tree.mapping().get("other")
        if other is None:
            context.at("other").tell(tree, f'must be given: "{found.name}" reads a second stream')
        feeds["other"] = None if other is None else _feed(other, context.at("other"), (None, None))
    return feeds


def _any_feeds(tree: Tree, context: Context, gate: _Gate) -> dict[str, Feed | None]:
    """Return the feeds of a node of which nothing is known."""
    feeds: dict[str, Feed | None] = {}
    for key in ("input", "other"):
        given = tree.mapping().get(key)
        if given is None:
            continue
        listed = [given]
        if isinstance(given.value, list):
            listed = list(given.trees())
        elif given.is_mapping and "from" not in given.mapping():
            listed = list(given.mapping().values())
        feeds |= {f"{key}.{i}": _feed(each, context.at(key), gate) for i, each in enumerate(listed)}
    return feeds


def _named_feeds(given: Tree, context: Context, names: tuple[str, ...], gate: _Gate) -> dict[str, Feed | None]:
    if isinstance(given.value, list):
        if names != ("*",):
            context.tell(given, f"must be one input{_words(names)}, got a list")
            return {}
        made = [_feed(each, context.at(i), gate) for i, each in enumerate(given.trees())]
        if not made:
            context.tell(given, "must be one input or more, got none")
        return {str(i): feed for i, feed in enumerate(made)}
    if given.is_mapping and "from" not in given.mapping():
        if len(names) < 2:
            context.tell(
                given,
                f"must be the id of the node it reads, or {{from: id, ...}}{_words(names)}, got "
                f"{', '.join(given.mapping())}",
            )
            return {}
        for key in given.mapping():
            if key not in names:
                context.at(key).tell(
                    given.key_mark(key), f"is not known{did_you_mean(key, names)}; its inputs are {', '.join(names)}"
                )
        for key in names:
            if key not in given.mapping():
                context.at(key).tell(given, f"must be given: its inputs are {', '.join(names)}")
        return {key: _feed(each, context.at(key), gate) for key, each in given.items() if key in names}
    if len(names) > 1:
        context.tell(given, f"must be a mapping of {', '.join(names)}, got {tree_text(given)}")
        return {}
    return {"0" if names == ("*",) else "".join(names): _feed(given, context, gate)}


def _words(names: tuple[str, ...]) -> str:
    return f" each for {', '.join(names)}" if len(names) > 1 else ""


def _gate(tree: Tree, context: Context) -> _Gate:
    """Return the gate before a node, and the thread that it runs on."""
    buffered, on = tree.mapping().get("buffered"), tree.mapping().get("on")
    gate: dict[str, Any] | None = None
    if buffered is not None:
        if isinstance(buffered.value, int) and not isinstance(buffered.value, bool):
            gate = {"max_items": buffered.value}
        elif buffered.value is True:
            gate = {}
        else:
            gate = by_kinds(buffered, context.at("buffered"), GATE)
    if on is not None and not isinstance(on.value, str):
        context.at("on").tell(on, f"must be the name of a thread, got {tree_text(on)}")
        on = None
    return gate, None if on is None else on.value


def _feed(tree: Tree, context: Context, gate: _Gate) -> Feed | None:
    source = tree
    if tree.is_mapping:
        for key in tree.mapping():
            if key not in ("from", "buffered", "on"):
                context.at(key).tell(tree.key_mark(key), "is not known; known: from, buffered, on")
        source = tree.mapping().get("from", tree)
        own = _gate(tree, context)
        gate = (own[0] if own[0] is not None else gate[0], own[1] or gate[1])
    if not isinstance(source.value, str) or not source.value:
        cure = "; put quotes around it" if isinstance(source.value, int | float) else ""
        context.tell(
            source, f'must be the id of a node, such as "trades" or "bars.late", got {tree_text(source)}{cure}'
        )
        return None
    return Feed(source.value, "out", source, context.path, *gate)


def check_feeds(
    feeds: Mapping[str, dict[str, Feed | None]], trees: Mapping[str, tuple[Tree, Context]], problems: Problems
) -> set[str]:
    """Find the nodes and ports that feeds name; returns the nodes of cycles, which cannot be connected."""
    for inputs in feeds.values():
        for name, feed in list(inputs.items()):
            if feed is None:
                continue
            producer = _longest(feed.producer, trees)
            if producer is None:
                inputs[name] = None
                head = feed.producer.partition(".")[0]
                near = did_you_mean(feed.producer, trees) or did_you_mean(head, trees)
                problems.add(feed.tree.mark, feed.path, f'node "{feed.producer}" is not known{near}')
                continue
            port = feed.producer[len(producer) + 1 :] or "out"
            inputs[name] = replace(feed, producer=producer, port=port)
    cycles = _cycles(trees)
    for cycle in cycles:
        tree, context = trees[cycle[0]]
        problems.add(tree.mark, context.path, f"must not be in a cycle, got {' -> '.join([*cycle, cycle[0]])}")
    return {name for cycle in cycles for name in cycle}


def check_ends(
    feeds: Mapping[str, dict[str, Feed | None]], trees: Mapping[str, tuple[Tree, Context]], nodes: Context, mark: Mark
) -> None:
    """Report nodes that nothing reads, unless a feed that is wrong may read them; else a document without sinks."""
    if len(feeds) < len(trees):
        return
    read = [feed for inputs in feeds.values() for feed in inputs.values()]
    is_read = {feed.producer for feed in read if feed is not None}
    ends = [name for name, (tree, _) in trees.items() if "sink" not in tree.mapping() and name not in is_read]
    if None not in read:
        for name in ends:
            tree, context = trees[name]
            context.tell(tree, f"must lead to a sink, and nothing reads it: add input: {name} to another node")
    if None in read and trees and not any("sink" in tree.mapping() for tree, _ in trees.values()):
        nodes.tell(mark, "must have a sink, got none")


def _longest(name: str, known: Mapping[str, Any]) -> str | None:
    """Return the longest id that a name begins with: ids may have dots."""
    parts = name.split(".")
    return next((head for n in range(len(parts), 0, -1) if (head := ".".join(parts[:n])) in known), None)


def _cycles(trees: Mapping[str, tuple[Tree, Context]]) -> list[list[str]]:
    """Return the cycles along the edges; each node of a cycle once."""
    feeds: dict[str, list[str]] = {name: [] for name in trees}
    for name, (tree, _) in trees.items():
        for key in ("input", "other"):
            given = tree.mapping().get(key)
            texts = [] if given is None else _texts(given.plain())
            feeds[name] += [head for text in texts if (head := _longest(text, trees)) is not None]
    found: list[list[str]] = []
    state: dict[str, int] = {}
    for start in trees:
        path, walks = [start], [iter(feeds[start])]
        if start in state:
            continue
        state[start] = 1
        while walks:
            step = next(walks[-1], None)
            if step is None:
                walks.pop()
                state[path.pop()] = 2
            elif state.get(step) == 1:
                found.append(list(reversed(path[path.index(step) :])))
            elif step not in state:
                state[step] = 1
                path.append(step)
                walks.append(iter(feeds[step]))
    return found


def _texts(plain: Any) -> list[str]:
    if isinstance(plain, str):
        return [plain]
    if isinstance(plain, dict):
        plain = list(cast("dict[str, Any]", plain).values())
    values: list[Any] = list[Any](plain) if isinstance(plain, list) else []  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    return [text for value in values for text in _texts(value)]
