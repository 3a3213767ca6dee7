"""Names, kinds and labels of all metrics: dashboards and alerts are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: Name as scraped; counters end in `_total`.
        kind: "counter", "gauge" or "histogram".
        help: Description.
        labels: Names of its labels: dag, node, gate, port, reason, state, provider, level. Never a key of the data.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...]


_NODE: Final = ("dag", "node")
_GATE: Final = ("dag", "gate")
_FEEDBACK: Final = ("dag", "provider")

METRICS: Final = (
    Metric("rxdag_build_info", "gauge", "Always 1; the versions of rxdag and Python.", ("version", "python")),
    Metric("rxdag_run_state", "gauge", "1 for the state that a dag is in.", ("dag", "state")),
    Metric("rxdag_run_restarts_total", "counter", "How often a supervised dag was started again.", ("dag",)),
    Metric("rxdag_run_uptime_seconds", "gauge", "How long the run has lasted.", ("dag",)),
    Metric("rxdag_node_in_items_total", "counter", "Items that came in.", _NODE),
    Metric("rxdag_node_out_items_total", "counter", "Items given out, by port.", (*_NODE, "port")),
    Metric("rxdag_node_delivered_items_total", "counter", "Items that a sink has taken.", _NODE),
    Metric("rxdag_node_filtered_items_total", "counter", "Items left out by a predicate.", _NODE),
    Metric("rxdag_node_late_items_total", "counter", "Items that came after their windows were closed.", _NODE),
    Metric("rxdag_node_dropped_items_total", "counter", "Items left out, by reason.", (*_NODE, "reason")),
    Metric("rxdag_node_dead_items_total", "counter", "Items that could not be worked on.", _NODE),
    Metric("rxdag_node_failed_items_total", "counter", "Items that ended the run.", _NODE),
    Metric("rxdag_node_unrouted_items_total", "counter", "Items that belong to no route.", _NODE),
    Metric(
        "rxdag_node_errors_total", "counter", "Items that failed for good: dead, skipped, or the end of the run.", _NODE
    ),
    Metric("rxdag_node_retries_total", "counter", "How often an item or a batch was tried again.", _NODE),
    Metric(
        "rxdag_node_busy_seconds_total",
        "counter",
        "How long items were read and worked on, from this node to the next gates; only where that way begins.",
        _NODE,
    ),
    Metric("rxdag_node_held_items", "gauge", "Items that rest in the state.", _NODE),
    Metric("rxdag_node_watermark_timestamp_seconds", "gauge", "Event time up to which all is there, Unix time.", _NODE),
    Metric("rxdag_node_event_time_lag_seconds", "gauge", "How far the watermark is behind the clock.", _NODE),
    Metric("rxdag_gate_items", "gauge", "Items that rest in a gate.", _GATE),
    Metric("rxdag_gate_capacity_items", "gauge", "Most items that may rest in a gate.", _GATE),
    Metric("rxdag_gate_high_water_items", "gauge", "Most items that have rested in a gate.", _GATE),
    Metric("rxdag_gate_waits_total", "counter", "How often a producer had to wait for room.", _GATE),
    Metric("rxdag_gate_blocked_seconds_total", "counter", "How long a producer has waited for room.", _GATE),
    Metric("rxdag_gate_dropped_items_total", "counter", "Items that a full gate has dropped.", _GATE),
    Metric("rxdag_source_connected", "gauge", "0 while the source lacks the connection that it needs.", _NODE),
    Metric("rxdag_source_idle", "gauge", "1 if the source is open and had nothing when it was read last.", _NODE),
    Metric("rxdag_source_backlog_items", "gauge", "Items that wait to be read, where the source knows.", _NODE),
    Metric("rxdag_sink_write_seconds", "histogram", "How long a write took, of a chunk or a batch.", _NODE),
    Metric("rxdag_sink_write_failures_total", "counter", "Writes that raised, those tried again included.", _NODE),
    Metric("rxdag_feedback_pressure_ratio", "gauge", "How full it is downstream, 0 to 1, as measured last.", _FEEDBACK),
    Metric("rxdag_feedback_scale_ratio", "gauge", "Share of its rate that a provider may use.", _FEEDBACK),
    Metric(
        "rxdag_feedback_level", "gauge", "1 for the level of pressure that a provider is at.", (*_FEEDBACK, "level")
    ),
)

BY_NAME: Final = {metric.name: metric for metric in METRICS}
