"""The names that users of market-data-pipeline have on their dashboards."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rxdag.runtime import PipelineRuntime

_NAMES: Final = {
    "pipeline_rate_scale_factor": ("Current rate scale factor applied to provider (0.0..1.0).", ["provider"]),
    "pipeline_backpressure_state": ("Backpressure state: 0=ok, 1=soft, 2=hard.", ["provider"]),
    "pipeline_feedback_queue_depth": ("Items in gates, by dag and gate.", ["source"]),
}


class CompatCollector(Collector):
    """A collector of a runtime's metrics under the old names, computed on request.

    Args:
        runtime: The runtime; dropped when no one else references it.
    """

    def __init__(self, runtime: PipelineRuntime) -> None:
        self._runtime = weakref.ref(runtime)

    def describe(self) -> Iterable[Any]:
        """Return the metrics without values."""
        return [GaugeMetricFamily(name, text, labels=labels) for name, (text, labels) in _NAMES.items()]

    def collect(self) -> Iterator[Any]:
        """Return the current metrics."""
        scale, state, depth = self.describe()
        runtime = self._runtime()
        if runtime is not None:
            for provider in runtime.rates.providers:
                share = runtime.rates.state(provider).scale
                scale.add_metric([provider], share)
                state.add_metric([provider], 0.0 if share >= 1 else 2.0 if share <= 0 else 1.0)
            for name, job in runtime.status().jobs.items():
                for edge, gate in job.stats.gates.items() if job.stats is not None else ():
                    depth.add_metric([f"{name}: {edge}"], gate.depth)
        yield from (scale, state, depth)


def compat(runtime: PipelineRuntime, /, *, registry: CollectorRegistry | None = None) -> CompatCollector | None:
    """Export metrics of a runtime under the names of market-data-pipeline.

    They complement those of rxdag: `pipeline_rate_scale_factor` and `pipeline_backpressure_state` by provider (0 at
    full rate, 2 at a pause, 1 between), and `pipeline_feedback_queue_depth` by gate.

    Args:
        runtime: The runtime with the providers and gates.
        registry: Registry of prometheus-client; by default that of the process.

    Returns:
        The collector; None if market-data-pipeline has itself registered these names there, and so exports them.

    Example:
        >>> from prometheus_client import CollectorRegistry
        >>> registry = CollectorRegistry()
        >>> runtime = rxdag.PipelineRuntime({"providers": {"ibkr": {"capacity": 60}}})
        >>> _ = rxdag.metrics.compat(runtime, registry=registry)
        >>> runtime.rates.set_scale("ibkr", 0.5)
        >>> [
        ...     registry.get_sample_value(f"pipeline_{name}", {"provider": "ibkr"})
        ...     for name in ("rate_scale_factor", "backpressure_state")
        ... ]
        [0.5, 1.0]
    """
    made = CompatCollector(runtime)
    try:
        (REGISTRY if registry is None else registry).register(made)
    except ValueError:  # the names are taken
        return None
    return made
