"""`rxdag record`: the sources of a graph into a journal, without the rest of the graph."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import rxdag
from rxdag import sinks, sources
from rxdag.cli._exit import with_exit_code
from rxdag.errors import SpecError, did_you_mean
from rxdag.graph import Dag


def run_record(
    dag: Dag,
    names: list[str],
    to: Path,
    *,
    durable: Any,
    on_full: Any,
    retention: sources.Retention | None,
    quiet: bool,
) -> int:
    """Record sources of a dag until they end or the process is stopped; return the exit code.

    Raises:
        SpecError: If a name is not that of a source, or is given twice.
    """
    outs = [
        _recorded(dag, name, to, durable, on_full, retention).to(sinks.null(), name=f"{name}.recorded")
        for name in _checked(dag, names)
    ]
    result, code = with_exit_code(lambda: rxdag.run(rxdag.Dag(*outs, name=f"{dag.name}.record")))
    if not quiet:
        print(result, file=sys.stderr)
    return code


def _checked(dag: Dag, names: list[str]) -> list[str]:
    for i, name in enumerate(names):
        if name not in dag.sources:
            raise SpecError(
                f'--source: must be one of the sources {", ".join(dag.sources)}, got "{name}"'
                f"{did_you_mean(name, dag.sources)}"
            )
        if name in names[:i]:
            raise SpecError(f'--source: each source must be given once, got "{name}" twice')
    return names


def _recorded(
    dag: Dag, name: str, to: Path, durable: Any, on_full: Any, retention: sources.Retention | None
) -> rxdag.Stream[Any]:
    """Return a journaled source, with the gate that its graph declares after it."""
    thing: Any = dag.nodes[name].thing
    kept = sources.journal(thing, to, durable=durable, on_full=on_full, retention=retention)
    stream = rxdag.from_source(kept, name=name, on_error="skip")
    behind = [edge.boundary for edge in dag.edges if edge.producer == name and edge.port == "out"]
    boundary = behind[0] if len(behind) == 1 else None
    if boundary is None or boundary.max_items is None:
        return stream
    return stream.buffered(max_items=boundary.max_items, overflow=boundary.overflow)
