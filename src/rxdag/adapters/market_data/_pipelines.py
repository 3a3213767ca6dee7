"""market-data-pipeline: pipelines from its specs."""

from __future__ import annotations

import inspect
from typing import Any

from rxdag.adapters.market_data._extra import EXTRA
from rxdag.contract import import_extra
from rxdag.errors import GraphError, shown


async def build_pipeline(spec: Any, /) -> tuple[str, Any, str | None]:
    """Build the pipeline of a PipelineSpec, with the package's builder or its service.

    Returns:
        Its key, "tenant:pipeline", the pipeline, and the duration of its run; None for no limit.

    Raises:
        MissingExtra: If market-data-pipeline is not installed.
        GraphError: If it is not such a spec.
    """
    import_extra("market_data_pipeline", EXTRA, "run_pipeline")
    if not hasattr(spec, "tenant_id") or not hasattr(spec, "pipeline_id"):
        raise GraphError(f"run_pipeline: takes a PipelineSpec of market-data-pipeline, got {shown(spec)}")
    if hasattr(spec, "source_type"):
        services = import_extra("market_data_pipeline.runners.service", EXTRA, "run_pipeline")
        made = services.PipelineService()._build_pipeline(spec)  # its create_pipeline would start it too
    else:
        made = (
            import_extra("market_data_pipeline.pipeline_builder", EXTRA, "run_pipeline").PipelineBuilder().build(spec)
        )
    pipeline = await made if inspect.isawaitable(made) else made
    seconds: float | None = spec.duration_sec
    return f"{spec.tenant_id}:{spec.pipeline_id}", pipeline, None if not seconds else f"{round(seconds * 1e3)}ms"
