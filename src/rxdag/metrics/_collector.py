"""A collector for prometheus-client, read at scrape time."""

from __future__ import annotations

import platform
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

import rxdag
from rxdag.engine import Ledger
from rxdag.errors import shown
from rxdag.metrics._durable import add_durable, buckets_of
from rxdag.metrics._names import BY_NAME, METRICS
from rxdag.metrics._subjects import Subject, books_of, names_of, subjects_of, watermarks_s
from rxdag.orchestration import FeedbackDecision
from rxdag.runtime import AsyncRun, PipelineRuntime, Run, RunStats

_COUNTS = {
    "rxdag_node_in_items_total": "arrived",
    "rxdag_node_filtered_items_total": "filtered",
    "rxdag_node_late_items_total": "late",
    "rxdag_node_dead_items_total": "dead",
    "rxdag_node_failed_items_total": "failed",
    "rxdag_node_unrouted_items_total": "unrouted",
}
_KINDS: Final[dict[str, Any]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


class RunCollector(Collector):
    """A collector of the metrics of all watched runs and runtimes.

    Objects that no one else references are dropped. Prometheus sees several runs of the same name as one: their
    counters are summed, and gauges are those of the run watched last. If a run is dropped while another one of its name
    continues, its counts are kept, so that no counter decreases. Give dags different names to tell them apart.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: list[_Watched] = []
        self._forgotten: dict[str, dict[str, Any]] = {}
        """Counts of dropped runs by the name of their dag, kept while another run of that name is watched."""

    def watch(self, thing: Run | AsyncRun | PipelineRuntime, /) -> None:
        """Export the metrics of a run, or of everything in a runtime.

        Raises:
            TypeError: If `thing` is neither.
        """
        if not isinstance(thing, Run | AsyncRun | PipelineRuntime):
            raise TypeError(f"watch: takes a Run, an AsyncRun or a PipelineRuntime, got {shown(thing)}")
        if all(each is not thing for each in self.things()):
            books = None if isinstance(thing, PipelineRuntime) else books_of(thing)
            with self._lock:
                self._watched.append(_Watched(weakref.ref(thing), books))

    def unwatch(self, thing: object, /) -> None:
        """Stop exporting it."""
        with self._lock:
            self._watched = [each for each in self._watched if each.ref() is not thing]

    def things(self) -> list[Any]:
        """Return the watched objects that still exist."""
        with self._lock:
            found = [(each, each.ref()) for each in self._watched]
            self._watched = [each for each, thing in found if thing is not None]
            alive = [thing for _, thing in found if thing is not None]
            for each, thing in found:
                if thing is None and each.books is not None:
                    subject = each.books()
                    _add_counts(self._forgotten.setdefault(subject.name, {}), _families_of([subject]))
            if self._forgotten:
                names = {name for thing in alive for name in names_of(thing)}
                self._forgotten = {name: counts for name, counts in self._forgotten.items() if name in names}
            return alive

    def subjects(self) -> list[Subject]:
        """Return the state of the watched dags; of several with one name, the last."""
        return list({subject.name: subject for thing in self.things() for subject in subjects_of(thing)}.values())

    def _decisions(self) -> dict[tuple[str, str], FeedbackDecision]:
        """Return the last decision of each feedback of the runtimes that are watched."""
        runtimes = [thing for thing in self.things() if isinstance(thing, PipelineRuntime)]
        return {key: decision for runtime in runtimes for key, decision in tuple(runtime.decisions.items())}

    def describe(self) -> Iterable[Any]:
        """Return the metrics without values, so that registration collects nothing."""
        return [_family(metric.name) for metric in METRICS]

    def collect(self) -> Iterator[Any]:
        """Return the current metrics."""
        subjects = [subject for thing in self.things() for subject in subjects_of(thing)]
        last = {subject.name: subject for subject in subjects}
        families = _families_of(last.values())
        families["rxdag_build_info"].add_metric([rxdag.__version__, platform.python_version()], 1)
        _add_counts(families, _families_of(each for each in subjects if each is not last[each.name]))
        for counts in tuple(self._forgotten.values()):
            _add_counts(families, counts)
        for (dag, provider), decision in self._decisions().items():
            families["rxdag_feedback_pressure_ratio"].add_metric([dag, provider], decision.pressure)
            families["rxdag_feedback_scale_ratio"].add_metric([dag, provider], decision.scale)
            families["rxdag_feedback_level"].add_metric([dag, provider, decision.level], 1)
        yield from families.values()


@dataclass(frozen=True, eq=False)
class _Watched:
    """A run or a runtime, held weakly, and the reader of the books of a run that is no longer referenced."""

    ref: weakref.ref[Any]
    books: Callable[[], Subject] | None


def _families_of(subjects: Iterable[Subject]) -> dict[str, Any]:
    families = {metric.name: _family(metric.name) for metric in METRICS}
    for subject in subjects:
        _add(families, subject, time.time())
    return families


def _add_counts(families: dict[str, Any], more: dict[str, Any]) -> None:
    """Add the counters and histograms of others to families: samples of the same labels are summed."""
    for name, other in more.items():
        if other.type == "gauge":
            continue
        family = families.setdefault(name, _family(name))
        places = {(each.name, tuple(each.labels.items())): i for i, each in enumerate(family.samples)}
        for sample in other.samples:
            i = places.get((sample.name, tuple(sample.labels.items())))
            if i is None:
                family.samples.append(sample)
            else:
                family.samples[i] = sample._replace(value=sample.value + family.samples[i].value)


def _family(name: str) -> Any:
    metric = BY_NAME[name]
    return _KINDS[metric.kind](name, metric.help, labels=metric.labels)


def _add(families: dict[str, Any], subject: Subject, now: float) -> None:
    dag = subject.name
    families["rxdag_run_state"].add_metric([dag, subject.state], 1)
    families["rxdag_run_restarts_total"].add_metric([dag], subject.restarts)
    stats = subject.stats
    if stats is None:
        return
    families["rxdag_run_uptime_seconds"].add_metric([dag], stats.elapsed_s)
    sinks = () if subject.dag is None else subject.dag.sinks
    for node, ledger in stats.nodes.items():
        _add_node(families, [dag, node], ledger, is_sink=node in sinks)
    _add_times(families, dag, stats, now)
    add_durable(families, dag, stats)
    for node, seconds in stats.busy_s.items():
        families["rxdag_node_busy_seconds_total"].add_metric([dag, node], seconds)
    for node, source in stats.sources.items():
        families["rxdag_source_idle"].add_metric([dag, node], source.is_idle)
        families["rxdag_source_connected"].add_metric([dag, node], source.is_connected)
        if source.backlog is not None:
            families["rxdag_source_backlog_items"].add_metric([dag, node], source.backlog)
    for node, writes in stats.writes.items():
        families["rxdag_sink_write_seconds"].add_metric([dag, node], *buckets_of(writes))
        families["rxdag_sink_write_failures_total"].add_metric([dag, node], writes.failed)
    for node, deliveries in stats.deliveries.items():
        families["rxdag_delivery_seconds"].add_metric([dag, node], *buckets_of(deliveries))
    for edge, gate in stats.gates.items():
        families["rxdag_gate_items"].add_metric([dag, edge], gate.depth)
        families["rxdag_gate_capacity_items"].add_metric([dag, edge], gate.capacity)
        families["rxdag_gate_high_water_items"].add_metric([dag, edge], gate.high_water)
        families["rxdag_gate_waits_total"].add_metric([dag, edge], gate.waits)
        families["rxdag_gate_blocked_seconds_total"].add_metric([dag, edge], gate.blocked_s)
        families["rxdag_gate_dropped_items_total"].add_metric([dag, edge], gate.dropped)


def _add_node(families: dict[str, Any], labels: list[str], ledger: Ledger, *, is_sink: bool) -> None:
    for name, attribute in _COUNTS.items():
        families[name].add_metric(labels, getattr(ledger, attribute))
    if is_sink:
        families["rxdag_node_delivered_items_total"].add_metric(labels, ledger.passed)
    for port, n in ledger.out.items():
        families["rxdag_node_out_items_total"].add_metric([*labels, port], n)
    for reason, n in ledger.dropped.items():
        families["rxdag_node_dropped_items_total"].add_metric([*labels, reason], n)
    families["rxdag_node_held_items"].add_metric(labels, ledger.held)
    families["rxdag_node_errors_total"].add_metric(labels, ledger.n_errors)
    families["rxdag_node_retries_total"].add_metric(labels, ledger.retried)


def _add_times(families: dict[str, Any], dag: str, stats: RunStats, now: float) -> None:
    for node, watermark_s in watermarks_s(stats).items():
        families["rxdag_node_watermark_timestamp_seconds"].add_metric([dag, node], watermark_s)
        families["rxdag_node_event_time_lag_seconds"].add_metric([dag, node], now - watermark_s)


_collectors: weakref.WeakKeyDictionary[CollectorRegistry, RunCollector] = weakref.WeakKeyDictionary()


def collector_of(registry: CollectorRegistry | None) -> RunCollector:
    """Return the only collector of a registry, by default the process's."""
    home = REGISTRY if registry is None else registry
    if home not in _collectors:
        made = RunCollector()
        home.register(made)
        _collectors[home] = made
    return _collectors[home]


def watch(thing: Run | AsyncRun | PipelineRuntime, /, *, registry: CollectorRegistry | None = None) -> RunCollector:
    """Add a run, or all runs of a runtime, to the metrics of the process.

    The metrics are read when they are scraped. Runs that no one else references are dropped.

    Args:
        thing: `rxdag.start(...)`, `rxdag.start_async(...)` or a PipelineRuntime.
        registry: Registry of prometheus-client; by default that of the process.

    Raises:
        TypeError: If `thing` is neither.

    Example:
        >>> from prometheus_client import CollectorRegistry
        >>> registry = CollectorRegistry()
        >>> run = rxdag.start(rxdag.Dag(rxdag.wrap([1, 2]).to(sinks.null(), name="out"), name="two"))
        >>> _ = rxdag.metrics.watch(run, registry=registry)
        >>> _ = run.wait()
        >>> int(registry.get_sample_value("rxdag_node_delivered_items_total", {"dag": "two", "node": "out"}))
        2
    """
    collector = collector_of(registry)
    collector.watch(thing)
    return collector


def unwatch(thing: object, /, *, registry: CollectorRegistry | None = None) -> None:
    """Leave it out of the metrics from now on.

    Example:
        >>> run = rxdag.start(rxdag.wrap([1, 2]).to(sinks.null()))
        >>> _ = rxdag.metrics.watch(run)
        >>> _ = run.wait()
        >>> rxdag.metrics.unwatch(run)
    """
    collector_of(registry).unwatch(thing)
