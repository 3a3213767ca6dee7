"""Resuming: a run begins with the state of the last checkpoint, as far as its graph has not changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rxdag.checkpoints import Checkpoint
from rxdag.codec import Codec
from rxdag.contract import Kernel
from rxdag.errors import CheckpointError, StateError, text_of
from rxdag.runtime._checkpointing import RUN
from rxdag.runtime._execution import Execution
from rxdag.runtime._graph_changes import Changes, differences, gone
from rxdag.runtime._identity import adjustable
from rxdag.runtime._program import place_of
from rxdag.runtime._snapshot import places_of, restore_into

FORMAT: Final = 1
"""Version of the parts of a checkpoint."""


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
) -> list[str]:
    """Restore the state of a checkpoint.

    Returns:
        Nodes without state in the checkpoint, which begin empty: they are new, or were dropped.

    Raises:
        CheckpointError: Lists everything that does not fit.
    """
    where = f'dag "{execution.plan.dag.name}"'
    changes = changes.of(facts["graph"]["nodes"])
    changes.check(facts["graph"], graph, where)
    saved, problems = _decoded(parts, codec, changes)
    before = {changes.name(name): node for name, node in facts["graph"]["nodes"].items() if name not in changes.drop}
    other = facts["graph"]["dag"]
    if other != execution.plan.dag.job:
        problems.append(f'the checkpoint is of dag "{other}"')
    problems += _misfits(execution, saved, before, graph)
    clock: Any = execution.clock
    clock.advance_to(facts["now"])
    kept = {
        place: saved[place]
        for place in places_of(execution.program)
        if place in saved and (place not in before or before[place]["label"] == graph["nodes"][place]["label"])
    }
    problems += _changed_after_end(execution, kept)
    if problems:
        raise _other_graph(where, "; ".join(problems))
    try:
        restore_into(execution, {"now": facts["now"], "nodes": kept})
    except StateError as error:
        raise _other_graph(where, text_of(error)) from error
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise CheckpointError(
            f"{where}: the state of the checkpoint must fit the graph, got {type(error).__name__}: {text_of(error)}; "
            "undo the change, pass allow_drop= with the node, or start over with fresh=True"
        ) from error
    kernels = execution.plan.topology.kernels
    return [name for name in graph["nodes"] if name not in before and (name not in kernels or kernels[name].state)]


def _other_graph(where: str, problems: str) -> CheckpointError:
    return CheckpointError(
        f"{where}: must be the graph of the checkpoint, but {problems}; or start over with fresh=True"
    )


def _changed_after_end(execution: Execution, kept: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return a problem for each changed edge whose producer has ended, and will not emit again."""
    places = places_of(execution.program)
    return [
        f"the nodes after {edge.producer} must not change, since it has ended, but {place_of(edge)} has changed"
        for edge in execution.plan.dag.edges
        if kept.get(edge.producer, {}).get("is_ended")
        and not {edge.consumer, *(each for each in places if each.startswith(f"{place_of(edge)}: "))} <= kept.keys()
    ]


def _misfits(
    execution: Execution, saved: Mapping[str, dict[str, Any]], before: Mapping[str, Any], graph: Mapping[str, Any]
) -> list[str]:
    """Bring the state of nodes into their present form; return the problems found."""
    plan, places = execution.plan, places_of(execution.program)
    problems: list[str] = []
    for name, node in before.items():
        if name not in saved or not holds(saved[name]):
            continue
        if name not in graph["nodes"]:
            problems.append(gone(name, node, before, graph["nodes"]))
        else:
            now = graph["nodes"][name]
            found = differences(name, node, now, adjustable(plan.dag.nodes[name].thing))
            problems += found or _migrated(plan.topology.kernels.get(name), name, saved[name], node, now)
    return problems + [
        f"items are queued at {place}, which was removed; run the old graph until they have passed, or drop the node after it"
        for place, state in saved.items()
        if place not in places and place not in before and holds(state)
    ]


def _decoded(parts: Mapping[str, bytes], codec: Codec, changes: Changes) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the state of each place that is not dropped, under its current name, and what cannot be decoded."""
    saved: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for old, data in parts.items():
        place = changes.place(old)
        try:
            if not changes.drops(old):
                saved[place] = codec.decode(data, where=place)
        except StateError as error:
            problems.append(f'{text_of(error)}, or pass allow_drop=["{changes.owner(old)}"]')
    return saved, problems


def _migrated(
    kernel: Kernel | None, name: str, state: dict[str, Any], before: Mapping[str, Any], now: Mapping[str, Any]
) -> list[str]:
    """Bring the state of a node into the form of its present kernel; return the problem, if any."""
    version: int = before["state_version"]
    if kernel is None or version == now["state_version"]:
        return []
    try:
        state["kernel"] = kernel.migrate(state["kernel"], version)
    except Exception as error:  # the program's own code
        return [
            f'node "{name}": migrate must take state of version {version}, got {type(error).__name__}: '
            f'{text_of(error)}; correct it, or pass allow_drop=["{name}"]'
        ]
    return []


def holds(state: Mapping[str, Any]) -> bool:
    """Return True if the state of a place holds anything: state of a kernel, queued items, a position or an end."""
    has_ended = "was_open" in state and state["is_finished"]  # a source, which would not be read again
    unwritten = state.get("unwritten", ((),))[0]
    held = (state.get("kernel"), state.get("pending"), state.get("queue"), state.get("items"), unwritten)
    return any(held) or has_ended or state.get("position") is not None or state.get("writer") is not None
