"""Resuming: a run begins with the state of the last checkpoint, as far as its graph is the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rxdag.checkpoints import Checkpoint
from rxdag.codec import Codec
from rxdag.contract import AnyOperator, Sink, Source
from rxdag.errors import CheckpointError, GraphError, did_you_mean, text_of
from rxdag.graph import Dag
from rxdag.runtime._checkpointing import RUN
from rxdag.runtime._execution import Execution
from rxdag.runtime._program import place_of
from rxdag.runtime._snapshot import places_of, restore_into

FORMAT: Final = 1
"""Version of the parts of a checkpoint."""
_EDGE: Final = re.compile(r"(?P<producer>.+)(?P<port>\.[^.]+) -> (?P<consumer>.+)(?P<rest>\[\d+\](?:: \w+)?)")
_EXIT: Final = re.compile(r"(?P<producer>.+)(?P<port>\.[^.]+: (?:rows|fork))")


_NONE: Final = ("None", "")


@dataclass(frozen=True)
class Changes:
    """The changes of a graph that its user declares.

    Attributes:
        drop: Names of nodes whose saved state is to be dropped.
        renamed: New name of a node by its old one.
    """

    drop: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())

    def name(self, old: str) -> str:
        """Return the current name of a node."""
        return self.renamed.get(old, old)

    def place(self, old: str) -> str:
        """Return the current name of a place in the graph: a node, or something on an edge."""
        edge = _EDGE.fullmatch(old)
        if edge is not None:
            return f"{self.name(edge['producer'])}{edge['port']} -> {self.name(edge['consumer'])}{edge['rest']}"
        exit_ = _EXIT.fullmatch(old)
        return self.name(old) if exit_ is None else f"{self.name(exit_['producer'])}{exit_['port']}"

    def drops(self, place: str) -> bool:
        """Return True if the state of a place is to be dropped, as that of a node at one end of an edge."""
        edge = _EDGE.fullmatch(place) or _EXIT.fullmatch(place)
        return bool(self.drop & ({place} if edge is None else set(edge.groupdict().values())))

    def check(self, saved: Mapping[str, Any], graph: Mapping[str, Any], where: str) -> None:
        """Check the names of nodes.

        Raises:
            GraphError: If a name is of no node.
        """
        for old, new in self.renamed.items():
            if old not in saved["nodes"]:
                raise GraphError(
                    f'{where}: renamed: "{old}" must be a node of the checkpoint{did_you_mean(old, saved["nodes"])}'
                )
            if new not in graph["nodes"]:
                raise GraphError(
                    f'{where}: renamed: "{new}" must be a node of the graph{did_you_mean(new, graph["nodes"])}'
                )
        for name in self.drop:
            if name not in saved["nodes"] and name not in graph["nodes"]:
                raise GraphError(
                    f'{where}: allow_drop: "{name}" must be a node of the checkpoint{did_you_mean(name, saved["nodes"])}'
                )


def saved_run(
    read: Callable[[int], Mapping[str, bytes]], codec: Codec, checkpoint: Checkpoint
) -> tuple[dict[str, Any], Mapping[str, bytes]]:
    """Return what a checkpoint holds of the run as a whole, and its other parts, by place.

    Args:
        read: Reads the parts of a checkpoint.
        codec: Decodes them.
        checkpoint: The checkpoint.

    Raises:
        CheckpointError: If it is of a newer rxdag.
    """
    parts = dict(read(checkpoint.id))
    facts: dict[str, Any] = codec.decode(parts.pop(RUN), where=RUN)
    if facts["format"] > FORMAT:
        raise CheckpointError(
            f"checkpoint {checkpoint.id}: must be of format {FORMAT} or older, got {facts['format']}, "
            f"of rxdag {facts['rxdag']}; use that version or a newer one"
        )
    return facts, parts


def resume(
    execution: Execution,
    facts: Mapping[str, Any],
    parts: Mapping[str, bytes],
    graph: Mapping[str, Any],
    codec: Codec,
    changes: Changes,
) -> None:
    """Take up the state of a checkpoint; nodes that are new begin empty.

    Raises:
        CheckpointError: Lists everything that does not fit.
    """
    where = f'dag "{execution.plan.dag.name}"'
    changes.check(facts["graph"], graph, where)
    saved = {
        changes.place(place): codec.decode(data, where=place)
        for place, data in parts.items()
        if not changes.drops(place)
    }
    before = {changes.name(name): node for name, node in facts["graph"]["nodes"].items() if name not in changes.drop}
    places = places_of(execution.program)
    other = facts["graph"]["dag"]
    problems = [f'the checkpoint is one of dag "{other}"'] if other != execution.plan.dag.name else []
    problems += [
        f'node "{name}" is gone, with its state; pass allow_drop=["{name}"], or renamed= if it has another name'
        for name in before
        if name not in graph["nodes"] and holds(saved[name])
    ]
    problems += [
        problem
        for name, node in graph["nodes"].items()
        if name in before and holds(saved[name])
        for problem in _differences(name, before[name], node, _adjustable(execution.plan.dag, name))
    ]
    problems += [
        f"items rest at {place}, which is gone; run the old graph until they have passed, or drop the node behind"
        for place, state in saved.items()
        if place not in places and place not in before and holds(state)
    ]
    clock: Any = execution.clock
    clock.advance_to(facts["now"])
    kept = {
        place: saved[place]
        for place in places
        if place in saved and (place not in before or before[place]["label"] == graph["nodes"][place]["label"])
    }
    problems += [
        f"what is behind {edge.producer} must stay as it is, since it has ended, but {place_of(edge)} has changed"
        for edge in execution.plan.dag.edges
        if kept.get(edge.producer, {}).get("is_ended")
        and not {edge.consumer, *(each for each in places if each.startswith(f"{place_of(edge)}: "))} <= kept.keys()
    ]
    if problems:
        raise CheckpointError(
            f"{where}: must be the graph of the checkpoint, but {'; '.join(problems)}; or start over with fresh=True"
        )
    try:
        restore_into(execution, {"now": facts["now"], "nodes": kept})
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise CheckpointError(
            f"{where}: the state of the checkpoint must fit the graph, got {type(error).__name__}: {text_of(error)}; "
            "undo the change, pass allow_drop= with the node, or start over with fresh=True"
        ) from error


def holds(state: Mapping[str, Any]) -> bool:
    """Return True if the state of a place holds anything: what a kernel keeps, items that rest, or a position."""
    unwritten = state.get("unwritten", ((),))[0]
    held = (state.get("kernel"), state.get("pending"), state.get("queue"), state.get("items"), unwritten)
    return any(held) or state.get("position") is not None or state.get("writer") is not None


def _adjustable(dag: Dag, name: str) -> tuple[str, ...]:
    """Return the arguments of a node that may have other values than in the checkpoint."""
    thing = dag.nodes[name].thing
    return thing.adjustable if isinstance(thing, AnyOperator | Source | Sink) else ()


def _differences(
    name: str, before: Mapping[str, Any], now: Mapping[str, Any], adjustable: tuple[str, ...]
) -> list[str]:
    """Return how a node with state differs from what it was."""
    drop = f'; undo that, or pass allow_drop=["{name}"]'
    if before["label"] != now["label"]:
        return [f'node "{name}" was {before["label"]}, and is {now["label"]}{drop}']
    if before["inputs"] != now["inputs"]:
        return [f'node "{name}" had {before["inputs"]} inputs, and has {now["inputs"]}{drop}']
    old, new = before["parameters"], now["parameters"]
    nothing = ("left out", "")
    changed = [
        key
        for key in dict.fromkeys((*old, *new))
        if old.get(key, nothing)[1] != new.get(key, nothing)[1]
        and not (key in adjustable and "None" not in (old.get(key, _NONE)[0], new.get(key, _NONE)[0]))
    ]
    return [
        f'node "{name}": {key} was {old.get(key, nothing)[0]}, and is {new.get(key, nothing)[0]}{drop}'
        for key in changed
    ]
