"""Adapters: existing objects as streams, sources and sinks, and streams as the objects that other libraries take.

Public.
"""

from rxdag.adapters._linear import LinearPipeline, linear_dag, pipeline
from rxdag.adapters._linear import is_linear as is_linear
from rxdag.adapters._outward import TickSource, tick_source, writer
from rxdag.adapters._service import PipelineEvent, service
from rxdag.adapters._wrap import wrap

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
