"""Streaming DAGs on reactivex: bounded, correct in event time, typed.

The front door: lazy at run time, so that `import rxdag` loads neither reactivex nor numpy; plain for type checkers.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rxdag import (
        adapters,
        aggregates,
        codec,
        deploy,
        market,
        metrics,
        on_error,
        operators,
        orchestration,
        render,
        sinks,
        sources,
        spec,
        testing,
        windows,
    )
    from rxdag._build_info import BuildInfo, build_info
    from rxdag.adapters import wrap
    from rxdag.contract import (
        Accumulator,
        Aggregate,
        BadItem,
        Chunk,
        DeadLetter,
        Duration,
        Emit,
        Kernel,
        KeyBy,
        Operator,
        Overflow,
        Pane,
        RouteOp,
        Sink,
        Source,
        Unkeyed,
        WindowOp,
    )
    from rxdag.errors import (
        BufferOverflow,
        CompileError,
        GraphError,
        GraphWarning,
        MissingExtra,
        NodeError,
        RxDagError,
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
    from rxdag.plan import Plan, compile
    from rxdag.runtime import (
        AsyncRun,
        PipelineRuntime,
        Run,
        RunResult,
        RunStats,
        RuntimeEvent,
        RuntimeSettings,
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
    "BufferOverflow",
    "BuildInfo",
    "Chunk",
    "CompileError",
    "Dag",
    "DagBuilder",
    "DeadLetter",
    "Duration",
    "Emit",
    "Expr",
    "GraphError",
    "GraphWarning",
    "Kernel",
    "KeyBy",
    "KeyedRoutes",
    "KeyedStream",
    "MissingExtra",
    "NodeError",
    "Operator",
    "Overflow",
    "Pane",
    "PipelineRuntime",
    "Plan",
    "RouteOp",
    "Routes",
    "Run",
    "RunResult",
    "RunStats",
    "RuntimeEvent",
    "RuntimeSettings",
    "RxDagError",
    "Sink",
    "SinkNode",
    "Source",
    "SourceError",
    "SpecError",
    "Stalled",
    "StateError",
    "Stream",
    "Terminated",
    "Unkeyed",
    "WindowOp",
    "WindowedStream",
    "adapters",
    "aggregates",
    "build_info",
    "catch",
    "codec",
    "col",
    "combine_latest",
    "compile",
    "concat",
    "deploy",
    "dump_spec",
    "element",
    "from_observable",
    "from_source",
    "join_asof",
    "join_interval",
    "join_window",
    "lit",
    "load_spec",
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

__version__: Final = "0.1.0"

if not TYPE_CHECKING:  # visible to a type checker, __getattr__ would let every misspelt name pass
    _ROOMS = (
        "adapters",
        "aggregates",
        "codec",
        "deploy",
        "market",
        "metrics",
        "on_error",
        "operators",
        "orchestration",
        "render",
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
        "operators.joining",
        "sources",
        "plan",
        "runtime",
        "adapters",
        "spec",
    )

    def __getattr__(name: str) -> Any:
        if name in _ROOMS:
            return importlib.import_module(f"rxdag.{name}")
        if name in __all__:
            for home in _HOMES:
                module = importlib.import_module(f"rxdag.{home}")
                if name in module.__all__ if hasattr(module, "__all__") else hasattr(module, name):
                    value = getattr(module, name)
                    globals()[name] = value
                    return value
        raise AttributeError(f"module 'rxdag' has no attribute {name!r}{_did_you_mean(name)}")

    def _warn_if_stale() -> None:
        """Warn if the sources of a checkout are newer than its compiled modules."""
        package = os.path.dirname(__file__)
        record = os.path.join(package, f"_compiled.{sys.implementation.cache_tag}.json")
        if os.path.exists(record) and os.path.exists(os.path.join(package, "..", "..", "hatch_build.py")):
            importlib.import_module("rxdag._build_info").warn_if_stale()

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

    def _did_you_mean(name: str) -> str:
        return importlib.import_module("rxdag.errors").did_you_mean(name, __all__)

    def picture_of(thing: Any) -> str:
        """Return a dag or a run as SVG."""
        picture: str = importlib.import_module("rxdag.render").svg(thing)
        return picture

    def find_runner() -> Any:
        """Return the runner behind `head`, `collect` and loops of streams."""
        return importlib.import_module("rxdag.runtime").StreamRunner()

    _warn_if_stale()
