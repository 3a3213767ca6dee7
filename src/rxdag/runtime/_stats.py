"""The current books of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxdag.engine import SourceNode
from rxdag.runtime._result import GateStats, RunStats, SourceStats

if TYPE_CHECKING:
    from rxdag.runtime._execution import Execution


def _of_source(source: SourceNode) -> SourceStats:
    return SourceStats(
        not source.is_ended,
        source.is_connected(),
        source.is_idle,
        source.backlog(),
        source.progress(),
        source.journal(),
    )


def stats_of(execution: Execution, elapsed_s: float) -> RunStats:
    """Return the stats of a run that has lasted for some seconds. Thread-safe."""
    program, checkpointing = execution.program, execution.checkpointing
    gates = {
        str(edge): GateStats(
            gate.n, int(gate.high), int(gate.high_water), gate.waits, int(gate.n_dropped), gate.blocked_ns / 1e9
        )
        for edge, gate in program.gates.items()
    }
    return RunStats(
        execution.state,
        elapsed_s,
        program.ledgers(),
        tuple(program.edges()),
        gates,
        program.watermarks(),
        {name: ns / 1e9 for name, ns in program.busy_ns().items()},
        {source.name: _of_source(source) for source in program.sources},
        {sink.name: sink.writes.copy() for sink in program.sinks},
        None if checkpointing is None else checkpointing.stats(elapsed_s),
        {sink.name: sink.receipts.took.copy() for sink in program.sinks},
        {} if checkpointing is None else checkpointing.totals(),
    )
