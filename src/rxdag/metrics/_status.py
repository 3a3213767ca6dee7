"""The books of watched runs as plain data, for `/status` and `rxdag top`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from rxdag.metrics._subjects import Subject, subjects_of, watermarks_s
from rxdag.runtime import AsyncRun, PipelineRuntime, Run, plain_totals


def status(thing: Run | AsyncRun | PipelineRuntime, /) -> dict[str, Any]:
    """Return the status of a run, or of everything in a runtime, as plain data.

    The result is by name of the dag, as in `/status`. For each dag: `state`, `restarts`, `error`, `elapsed_s`; `nodes`
    with their counts other than 0, and the totals of lost and finally failed items; `gates` with depth, capacity,
    high_water, waits, dropped and blocked_s; `sources` with is_open, is_connected, is_idle, backlog and progress;
    `busy_s` by the first node of each segment; `lag_s` of event time behind the clock, by node; `writes` of sinks: n,
    failed and total_s; `deliveries` of sinks: n and total_s from receipt by a source; `totals`
    of nodes since the first start, in a run with checkpoints; `checkpoints` with the fields of `CheckpointStats` but the histograms, and `line`, the same as
    text, in a run that takes them.

    Example:
        >>> run = rxdag.start(rxdag.Dag(rxdag.wrap([1, 2]).to(sinks.null(), name="out"), name="two"))
        >>> _ = run.wait()
        >>> rxdag.metrics.status(run)["two"]["nodes"]["out"]
        {'arrived': 2, 'passed': 2, 'out': {'dead': 0, 'delivered': 2}}
    """
    return {subject.name: as_data(subject) for subject in subjects_of(thing)}


def as_data(subject: Subject) -> dict[str, Any]:
    """Return the status of a watched dag as plain data."""
    stats = subject.stats
    error = None if subject.error is None else str(subject.error)
    out: dict[str, Any] = {"state": subject.state, "restarts": subject.restarts, "error": error}
    if stats is None:
        return out
    now = time.time()
    nodes = {
        name: {
            key: n
            for key, n in (asdict(ledger) | {"lost": sum(ledger.lost.values()), "errors": ledger.n_errors}).items()
            if n
        }
        for name, ledger in stats.nodes.items()
    }
    if stats.checkpoints is not None:
        facts = asdict(stats.checkpoints)
        del facts["pauses"], facts["writes"]
        out["checkpoints"] = facts | {"line": str(stats.checkpoints)}
    return out | {
        "elapsed_s": stats.elapsed_s,
        "nodes": nodes,
        "gates": {name: asdict(gate) for name, gate in stats.gates.items()},
        "sources": {name: asdict(source) for name, source in stats.sources.items()},
        "busy_s": dict(stats.busy_s),
        "lag_s": {name: now - mark for name, mark in watermarks_s(stats).items()},
        "writes": {
            name: {"n": writes.n, "failed": writes.failed, "total_s": writes.total_ns / 1e9}
            for name, writes in stats.writes.items()
        },
        "totals": plain_totals(stats.totals),
        "deliveries": {name: {"n": took.n, "total_s": took.total_ns / 1e9} for name, took in stats.deliveries.items()},
    }
