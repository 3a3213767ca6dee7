"""Adapters: existing objects as streams, sources and sinks, and streams as the objects that other libraries take.

Public.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from rxdag.adapters._linear import LinearPipeline, linear_dag, pipeline
from rxdag.adapters._linear import is_linear as is_linear
from rxdag.adapters._outward import TickSource, tick_source, writer
from rxdag.adapters._service import PipelineEvent, service
from rxdag.adapters._wrap import wrap
from rxdag.contract import unknown_name

__all__ = [
    "LinearPipeline",
    "PipelineEvent",
    "TickSource",
    "linear_dag",
    "pipeline",
    "service",
    "tick_source",
    "wrap",
    "writer",
]

if not TYPE_CHECKING:  # a type checker that saw __getattr__ would accept every misspelt name

    def __getattr__(name: str) -> object:
        if name == "market_data":  # loaded when it is used, as it loads the aggregates and the market
            return importlib.import_module("rxdag.adapters.market_data")
        raise unknown_name(__name__, name)
