"""Resuming: a run begins with the state of the last checkpoint, if that is of the same graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rxdag.checkpoints import Checkpoint, Session
from rxdag.codec import Codec
from rxdag.errors import CheckpointError, shown
from rxdag.runtime._checkpointing import RUN
from rxdag.runtime._execution import Execution
from rxdag.runtime._snapshot import places_of, restore_into

FORMAT: Final = 1
"""Version of the parts of a checkpoint."""


def facts_of_run(session: Session, codec: Codec, checkpoint: Checkpoint) -> tuple[dict[str, Any], Mapping[str, bytes]]:
    """Return what a checkpoint holds of the run as a whole, and all its parts.

    Raises:
        CheckpointError: If it is of a newer rxdag.
    """
    parts = session.read(checkpoint.id)
    facts: dict[str, Any] = codec.decode(parts[RUN], where="run")
    if facts["format"] > FORMAT:
        raise CheckpointError(
            f"checkpoint {checkpoint.id}: must be of format {FORMAT} or older, got {facts['format']}, "
            f"of rxdag {facts['rxdag']}; use that version or a newer one"
        )
    return facts, parts


def resume(execution: Execution, facts: Mapping[str, Any], parts: Mapping[str, bytes], codec: Codec) -> None:
    """Take up the state of a checkpoint; the graphs have been compared.

    Raises:
        CheckpointError: If the state does not fit the run.
    """
    places = places_of(execution.program)
    missing = sorted(set(places) - set(parts))
    gone = sorted(set(parts) - set(places) - {RUN})
    if missing or gone:
        raise CheckpointError(
            f'dag "{execution.plan.dag.name}": the state of a checkpoint must fit the graph, got none for '
            f"{shown(missing)}, and some that has no place for {shown(gone)}"
        )
    nodes = {place: codec.decode(parts[place], where=place) for place in places}
    restore_into(execution, {"now": facts["now"], "nodes": nodes})


def differences(saved: Mapping[str, Any], graph: Mapping[str, Any]) -> list[str]:
    """Return how a graph differs from that of a checkpoint, a line for each node."""
    before, now = saved["nodes"], graph["nodes"]
    lines = [f'node "{name}" is gone' for name in before if name not in now]
    lines += [f'node "{name}" is new' for name in now if name not in before]
    for name in now:
        if name not in before or before[name] == now[name]:
            continue
        if before[name]["label"] != now[name]["label"]:
            lines.append(f'node "{name}" was {before[name]["label"]}, and is {now[name]["label"]}')
            continue
        old, new = before[name]["parameters"], now[name]["parameters"]
        for key in dict.fromkeys((*old, *new)):
            if old.get(key) != new.get(key):
                lines.append(f'node "{name}": {key} was {old.get(key)}, and is {new.get(key)}')
    if not lines and saved["edges"] != graph["edges"]:
        lines = [f"edge {edge} is gone" for edge in saved["edges"] if edge not in graph["edges"]]
        lines += [f"edge {edge} is new" for edge in graph["edges"] if edge not in saved["edges"]]
    return lines
