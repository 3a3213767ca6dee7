"""Streaming DAGs on reactivex: bounded, correct in event time, typed.

Everything that a program needs is here, or in a public package such as `rxdag.operators`. Names are loaded when they are
first used, so `import rxdag` loads neither reactivex nor numpy.

Example:
    import rxdag
    from rxdag import aggregates as agg, col, operators as ops, sinks, sources, windows

    trades = rxdag.from_source(sources.simulated_trades(trades=1000))
    timed = trades.pipe(ops.event_time(col.trade_ms, unit="ms", out_of_order="5s"))
    bars = timed.pipe(ops.key_by(col.symbol)).pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")))
    result = rxdag.run(bars.to(sinks.stdout()))

Public.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rxdag import (
        adapters,
        aggregates,
        checkpoints,
        cli,
        codec,
        deploy,
        errors,
        expressions,
        logs,
        market,
        metrics,
        on_error,
        operators,
        orchestration,
        render,
        schedulers,
        sinks,
        sources,
        spec,
        testing,
        windows,
    )
    from rxdag._build_info import BuildInfo, build_info
    from rxdag.adapters import wrap
    from rxdag.columns import Columns
    from rxdag.contract import (
        Accumulator,
        Aggregate,
        BadItem,
        BadProgram,
        Chunk,
        Clock,
        ColumnsAggregate,
        ColumnsEmit,
        DeadLetter,
        Duration,
        Emit,
        Enough,
        JournalStats,
        Kernel,
        KeyBy,
        Operator,
        Overflow,
        Pane,
        Reader,
        RouteOp,
        RowFailed,
        Shape,
        Sink,
        SinkContext,
        Source,
        SourceContext,
        Unkeyed,
        WindowOp,
        WriteFailed,
        Writer,
    )
    from rxdag.errors import (
        BufferOverflow,
        CheckpointError,
        CompileError,
        GraphError,
        GraphWarning,
        MissingExtra,
        NodeError,
        RxDagError,
        SavedError,
        SourceError,
        SpecError,
        Stalled,
        StateError,
        Terminated,
    )
    from rxdag.expressions import Expr, col, element, lit
    from rxdag.graph import (
        Dag,
        DagBuilder,
        KeyedRoutes,
        KeyedStream,
        Routes,
        SinkNode,
        Stream,
        WindowedStream,
        from_source,
    )
    from rxdag.operators.joining import (
        catch,
        combine_latest,
        concat,
        join_asof,
        join_interval,
        join_window,
        merge,
        merge_sorted,
        with_latest_from,
        zip,
    )
    from rxdag.plan import Plan, PlanFacts, compile
    from rxdag.runtime import (
        AsyncRun,
        CheckpointStats,
        EdgeBook,
        GateStats,
        Health,
        JobStatus,
        Ledger,
        PipelineRuntime,
        ProviderSettings,
        QuotesSettings,
        RestartSettings,
        Run,
        RunResult,
        RunStats,
        RuntimeEvent,
        RuntimeSettings,
        RuntimeStatus,
        SourceStats,
        run,
        run_async,
        start,
        start_async,
        to_observable,
    )
    from rxdag.sources import from_observable
    from rxdag.spec import dump_spec, load_spec

__all__ = [
    "Accumulator",
    "Aggregate",
    "AsyncRun",
    "BadItem",
    "BadProgram",
    "BufferOverflow",
    "BuildInfo",
    "CheckpointError",
    "CheckpointStats",
    "Chunk",
    "Clock",
    "Columns",
    "ColumnsAggregate",
    "ColumnsEmit",
    "CompileError",
    "Dag",
    "DagBuilder",
    "DeadLetter",
    "Duration",
    "EdgeBook",
    "Emit",
    "Enough",
    "Expr",
    "GateStats",
    "GraphError",
    "GraphWarning",
    "Health",
    "JobStatus",
    "JournalStats",
    "Kernel",
    "KeyBy",
    "KeyedRoutes",
    "KeyedStream",
    "Ledger",
    "MissingExtra",
    "NodeError",
    "Operator",
    "Overflow",
    "Pane",
    "PipelineRuntime",
    "Plan",
    "PlanFacts",
    "ProviderSettings",
    "QuotesSettings",
    "Reader",
    "RestartSettings",
    "RouteOp",
    "Routes",
    "RowFailed",
    "Run",
    "RunResult",
    "RunStats",
    "RuntimeEvent",
    "RuntimeSettings",
    "RuntimeStatus",
    "RxDagError",
    "SavedError",
    "Shape",
    "Sink",
    "SinkContext",
    "SinkNode",
    "Source",
    "SourceContext",
    "SourceError",
    "SourceStats",
    "SpecError",
    "Stalled",
    "StateError",
    "Stream",
    "Terminated",
    "Unkeyed",
    "WindowOp",
    "WindowedStream",
    "WriteFailed",
    "Writer",
    "adapters",
    "aggregates",
    "build_info",
    "catch",
    "checkpoints",
    "cli",
    "codec",
    "col",
    "combine_latest",
    "compile",
    "concat",
    "deploy",
    "dump_spec",
    "element",
    "errors",
    "expressions",
    "from_observable",
    "from_source",
    "join_asof",
    "join_interval",
    "join_window",
    "lit",
    "load_spec",
    "logs",
    "market",
    "merge",
    "merge_sorted",
    "metrics",
    "on_error",
    "operators",
    "orchestration",
    "render",
    "run",
    "run_async",
    "schedulers",
    "sinks",
    "sources",
    "spec",
    "start",
    "start_async",
    "testing",
    "to_observable",
    "windows",
    "with_latest_from",
    "wrap",
    "zip",
]

if TYPE_CHECKING:
    __version__: str  # of the installed package; "0+unknown" if only the sources are on the path

if not TYPE_CHECKING:  # a type checker that saw __getattr__ would accept every misspelt name
    _ROOMS = (
        "adapters",
        "aggregates",
        "checkpoints",
        "cli",
        "codec",
        "deploy",
        "errors",
        "expressions",
        "logs",
        "market",
        "metrics",
        "on_error",
        "operators",
        "orchestration",
        "render",
        "schedulers",
        "sinks",
        "sources",
        "spec",
        "testing",
        "windows",
    )
    _HOMES = (
        "_build_info",
        "contract",
        "errors",
        "expressions",
        "graph",
        "sources",
        "plan",
        "runtime",
        "operators.joining",
        "adapters",
        "spec",
        "columns",
    )

    def __getattr__(name: str) -> Any:
        if name in _ROOMS:
            return importlib.import_module(f"rxdag.{name}")
        if name == "__version__":
            version = globals()["__version__"] = _installed_version()
            return version
        if name in __all__:
            for home in _HOMES:
                module = importlib.import_module(f"rxdag.{home}")
                if name in module.__all__ if hasattr(module, "__all__") else hasattr(module, name):
                    value = getattr(module, name)
                    globals()[name] = value
                    return value
        raise importlib.import_module("rxdag.contract").unknown_name("rxdag", name)

    def _installed_version() -> str:
        metadata = importlib.import_module("importlib.metadata")  # it loads threading
        try:
            return str(metadata.version("rxdag"))
        except metadata.PackageNotFoundError:
            return "0+unknown"

    def _warn_if_stale() -> None:
        """Warn if the sources of a checkout are newer than its compiled modules."""
        package = os.path.dirname(__file__)
        record = os.path.join(package, f"_compiled.{sys.implementation.cache_tag}.json")
        if os.path.exists(record) and os.path.exists(os.path.join(package, "..", "..", "hatch_build.py")):
            importlib.import_module("rxdag._build_info").warn_if_stale()

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, "__version__"})

    def picture_of(thing: Any) -> str:
        """Return a dag or a run as SVG."""
        picture: str = importlib.import_module("rxdag.render").svg(thing)
        return picture

    def find_runner() -> Any:
        """Return the runner behind `head`, `collect` and loops of streams."""
        return importlib.import_module("rxdag.runtime").StreamRunner()

    _warn_if_stale()
