"""`rxdag run`: a graph to its end, with progress and books."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from rich.console import Console

import rxdag
from rxdag import metrics
from rxdag.cli._exit import with_exit_code
from rxdag.cli._flags import said
from rxdag.cli._load import Loaded
from rxdag.cli._progress import Progressing
from rxdag.errors import RxDagError
from rxdag.logs import json_text
from rxdag.runtime import PipelineRuntime, RunResult, RunStats
from rxdag.spec import RECOVERY


def run_loaded(
    loaded: Loaded,
    *,
    until: str | None,
    flush: bool,
    restart: Any,
    as_json: bool,
    quiet: bool,
    only_logs: bool,
    serves: tuple[str, int] | None,
    flags: Mapping[str, str],
    recovery: Mapping[str, Any],
) -> int:
    """Run a dag, with metrics at an address if one is given; return the exit code.

    With `only_logs`, nothing but the log goes to stderr. `recovery` are the options of a run with checkpoints.
    """
    quiet = quiet or only_logs
    until = until or loaded.settings.get("until")
    flush = flush or bool(loaded.settings.get("flush"))
    policy = restart or loaded.settings.get("restart", "never")
    given = {name: loaded.settings[name] for name in RECOVERY if name in loaded.settings}
    recovery = {**given, **{name: value for name, value in recovery.items() if value}}
    console = Console(stderr=True)
    try:
        if policy == "never" and "drain_timeout" not in loaded.settings and serves is None:
            shows = console.is_terminal and not quiet
            result, code = with_exit_code(lambda: _once(loaded, until, console, recovery, flush=flush, shows=shows))
        else:
            results, code = with_exit_code(
                lambda: _supervised(loaded, until, policy, serves, recovery, flush=flush, only_logs=only_logs)
            )
            result = results[loaded.dag.name]
    except RxDagError as error:
        if as_json:
            print(json_text({"state": "failed", "error": said(error, flags)}))
        raise
    if as_json:
        print(json_text(as_data(result)))
    elif not quiet:
        print(result, file=sys.stderr)
    return code


def _once(
    loaded: Loaded, until: str | None, console: Console, recovery: Mapping[str, Any], *, flush: bool, shows: bool
) -> RunResult:
    if not shows:
        return rxdag.run(loaded.dag, until=until, flush=flush, **recovery)
    with Progressing(console, lambda stats: _progress(loaded, stats)) as progress:
        how: dict[str, Any] = {"on_progress": progress.update, "progress_every": "200ms"}
        return rxdag.run(loaded.dag, until=until, flush=flush, **how, **recovery)


def _supervised(
    loaded: Loaded,
    until: str | None,
    policy: Any,
    serves: tuple[str, int] | None,
    recovery: Mapping[str, Any],
    *,
    flush: bool,
    only_logs: bool,
) -> dict[str, RunResult]:
    runtime = PipelineRuntime({"drain_timeout": loaded.settings.get("drain_timeout", "10s")})
    runtime.add(loaded.dag, restart=policy, flush=flush, **recovery)
    if serves is None:
        return runtime.run(until=until)
    registry = CollectorRegistry()
    metrics.watch(runtime, registry=registry)
    host, port = serves
    with metrics.serve(port, host=host, registry=registry) as server:
        if not only_logs:
            print(f"metrics at http://{host}:{server.port}/metrics", file=sys.stderr, flush=True)
        return runtime.run(until=until)


def _progress(loaded: Loaded, stats: RunStats) -> str:
    came = sum(stats.nodes[name].made for name in loaded.dag.sources)
    went = sum(stats.nodes[name].passed for name in loaded.dag.sinks)
    speed = came / stats.elapsed_s if stats.elapsed_s > 0 else 0
    return f"{came:,} in, {went:,} out, {speed:,.0f} items/s"


def as_data(result: RunResult) -> dict[str, Any]:
    """Return a result for machines, without counts of 0."""
    nodes: dict[str, Any] = {}
    for name, ledger in result.stats.nodes.items():
        counts = dataclasses.asdict(ledger)
        nodes[name] = {key: value for key, value in counts.items() if value}
    gates = {name: dataclasses.asdict(gate) for name, gate in result.stats.gates.items()}
    return {
        "dag": result.dag.name,
        "job": result.dag.job,
        "state": result.state,
        "was_drained": result.was_drained,
        "signal": result.signal,
        "elapsed_s": result.stats.elapsed_s,
        "items_in": result.items_in,
        "items_out": result.items_out,
        "nodes": nodes,
        "gates": gates,
        "problems": list(result.problems),
    }
