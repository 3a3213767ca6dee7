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
        labels: Names of its labels: dag, node, gate, port, reason, state, phase, path, provider, level,
            count. Never a key of
            the data.
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
    Metric("rxdag_run_restarts_total", "counter", "Number of restarts of a supervised dag.", ("dag",)),
    Metric("rxdag_run_uptime_seconds", "gauge", "How long the run has lasted.", ("dag",)),
    Metric("rxdag_node_in_items_total", "counter", "Items received.", _NODE),
    Metric("rxdag_node_out_items_total", "counter", "Items emitted, by port.", (*_NODE, "port")),
    Metric("rxdag_node_delivered_items_total", "counter", "Items delivered by a sink.", _NODE),
    Metric("rxdag_node_filtered_items_total", "counter", "Items filtered out by a predicate.", _NODE),
    Metric("rxdag_node_late_items_total", "counter", "Items that arrived after their windows had closed.", _NODE),
    Metric("rxdag_node_dropped_items_total", "counter", "Items dropped, by reason.", (*_NODE, "reason")),
    Metric("rxdag_node_dead_items_total", "counter", "Items that could not be processed.", _NODE),
    Metric("rxdag_node_failed_items_total", "counter", "Items that ended the run.", _NODE),
    Metric("rxdag_node_unrouted_items_total", "counter", "Items that match no route.", _NODE),
    Metric(
        "rxdag_node_errors_total", "counter", "Items that failed for good: dead, skipped, or the end of the run.", _NODE
    ),
    Metric("rxdag_node_retries_total", "counter", "Number of retries of an item or a batch.", _NODE),
    Metric(
        "rxdag_node_busy_seconds_total",
        "counter",
        "Time to read and process items, from this node to the next gates; only for the first node of a segment.",
        _NODE,
    ),
    Metric("rxdag_node_held_items", "gauge", "Items held in state.", _NODE),
    Metric("rxdag_node_watermark_timestamp_seconds", "gauge", "The watermark, as Unix time.", _NODE),
    Metric("rxdag_node_event_time_lag_seconds", "gauge", "How far the watermark is behind the clock.", _NODE),
    Metric("rxdag_gate_items", "gauge", "Items in a gate.", _GATE),
    Metric("rxdag_gate_capacity_items", "gauge", "Capacity of a gate, items.", _GATE),
    Metric("rxdag_gate_high_water_items", "gauge", "Largest number of items that a gate has held.", _GATE),
    Metric("rxdag_gate_waits_total", "counter", "Number of times a full gate blocked its producer.", _GATE),
    Metric("rxdag_gate_blocked_seconds_total", "counter", "Time for which a full gate blocked its producer.", _GATE),
    Metric("rxdag_gate_dropped_items_total", "counter", "Items that a full gate has dropped.", _GATE),
    Metric("rxdag_source_connected", "gauge", "0 while the source has no connection, else 1.", _NODE),
    Metric("rxdag_source_idle", "gauge", "1 if the source is open and its last read returned nothing.", _NODE),
    Metric("rxdag_source_backlog_items", "gauge", "Items that wait to be read, if the source reports them.", _NODE),
    Metric(
        "rxdag_delivery_seconds",
        "histogram",
        "Time from receipt by a source to delivery by the sink, without time in windows and other state; sampled.",
        _NODE,
    ),
    Metric("rxdag_sink_write_seconds", "histogram", "Duration of a write of a chunk or a batch.", _NODE),
    Metric(
        "rxdag_sink_write_failures_total", "counter", "Writes that raised, including those that were retried.", _NODE
    ),
    Metric(
        "rxdag_checkpoint_seconds",
        "histogram",
        "Duration of a checkpoint: the pause of the run, and the write beside it.",
        ("dag", "phase"),
    ),
    Metric("rxdag_checkpoint_bytes", "gauge", "Size of the last checkpoint.", ("dag",)),
    Metric("rxdag_checkpoint_failures_total", "counter", "Checkpoints that could not be taken or written.", ("dag",)),
    Metric(
        "rxdag_checkpoint_age_seconds",
        "gauge",
        "Time since the last checkpoint, or since the start before the first one; only while the run goes on.",
        ("dag",),
    ),
    Metric(
        "rxdag_checkpoint_interval_seconds",
        "gauge",
        "Configured time from one checkpoint to the next; only while the run goes on.",
        ("dag",),
    ),
    Metric(
        "rxdag_node_items_since_first_start",
        "gauge",
        "Items in, out and lost since the first start of a job with checkpoints, over all its runs.",
        (*_NODE, "count"),
    ),
    Metric("rxdag_node_restored_items", "gauge", "Items held by the node in the checkpoint at the start.", _NODE),
    Metric(
        "rxdag_journal_behind_seconds", "gauge", "Time by which the reader of a journal lags behind its end.", _NODE
    ),
    Metric("rxdag_journal_bytes", "gauge", "Size of the journal on disk.", _NODE),
    Metric(
        "rxdag_journal_unrecorded_items_total",
        "counter",
        "Items that could not be recorded because the disk refused them.",
        _NODE,
    ),
    Metric("rxdag_journal_gaps_total", "counter", "Gaps in the journal: periods without records.", _NODE),
    Metric(
        "rxdag_disk_free_bytes",
        "gauge",
        "Free space of the disk of a checkpoint store or a journal, by its path.",
        ("dag", "path"),
    ),
    Metric(
        "rxdag_feedback_pressure_ratio", "gauge", "Fill level downstream, 0 to 1, at the last measurement.", _FEEDBACK
    ),
    Metric("rxdag_feedback_scale_ratio", "gauge", "Share of its rate that a provider may currently use.", _FEEDBACK),
    Metric("rxdag_feedback_level", "gauge", "1 for the current pressure level of a provider.", (*_FEEDBACK, "level")),
)

BY_NAME: Final = {metric.name: metric for metric in METRICS}
