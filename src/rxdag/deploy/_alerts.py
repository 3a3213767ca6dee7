"""Alert rules for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

RUNBOOK: Final = "docs/how-to/runbook.md"
"""Path of the runbook in the source of rxdag."""


@dataclass(frozen=True)
class Alert:
    """An alert.

    Attributes:
        name: Name in Prometheus.
        query: The monitored query; it has a value whenever its subject exists.
        condition: When the value is wrong: an operator and a number.
        lasts: How long the condition must hold.
        severity: "page" if someone must act now, else "ticket".
        summary: Description of the problem, with the labels of the query.
        remedy: Where to look first.
    """

    name: str
    query: str
    condition: str
    lasts: str
    severity: str
    summary: str
    remedy: str

    @property
    def expr(self) -> str:
        """Return the expression of the alert."""
        return f"{self.query} {self.condition}"


ALERTS: Final = (
    Alert(
        "RxdagRunFailed",
        'max by (dag) (rxdag_run_state{state="failed"} or 0 * rxdag_run_state)',
        "> 0",
        "1m",
        "page",
        "{{ $labels.dag }} has failed.",
        "The log and /readyz show its error.",
    ),
    Alert(
        "RxdagRestarting",
        "sum by (dag) (increase(rxdag_run_restarts_total[15m]))",
        "> 3",
        "0m",
        "page",
        "{{ $labels.dag }} was started again {{ $value | humanize }} times in 15 minutes.",
        "The supervised graph keeps failing; the log shows each error.",
    ),
    Alert(
        "RxdagNothingDelivered",
        "sum by (dag) (rate(rxdag_node_delivered_items_total[5m])) / (sum by (dag) (rate(rxdag_node_out_items_total[5m])) > 0)",
        "== 0",
        "10m",
        "page",
        "{{ $labels.dag }} reads items, but no sink has received one for 10 minutes.",
        "Compare the watermarks: a silent source holds back event time; set event_time(idle_timeout=...).",
    ),
    Alert(
        "RxdagBehind",
        "max by (dag) (rxdag_node_event_time_lag_seconds)",
        "> 300",
        "10m",
        "ticket",
        "{{ $labels.dag }} is {{ $value | humanizeDuration }} behind in event time.",
        "The node after the full gate is too slow; scale on the backlog, not on this lag.",
    ),
    Alert(
        "RxdagBlocked",
        "max by (dag, gate) (rate(rxdag_gate_blocked_seconds_total[5m]))",
        "> 0.5",
        "10m",
        "ticket",
        "The producer of {{ $labels.gate }} of {{ $labels.dag }} is blocked half of the time.",
        "The nodes after the gate are too slow: use more workers, larger batches, or an overflow policy that drops.",
    ),
    Alert(
        "RxdagDropping",
        "sum by (dag, gate) (rate(rxdag_gate_dropped_items_total[5m]))",
        "> 0",
        "5m",
        "ticket",
        "{{ $labels.gate }} of {{ $labels.dag }} drops {{ $value | humanize }} items a second.",
        "The gate is full because the nodes after it are slower than its producer.",
    ),
    Alert(
        "RxdagDeadLetters",
        "sum by (dag, node) (increase(rxdag_node_dead_items_total[5m]))",
        "> 0",
        "0m",
        "ticket",
        "{{ $labels.node }} of {{ $labels.dag }} could not process {{ $value | humanize }} items.",
        "The dead port has them, each with its error.",
    ),
    Alert(
        "RxdagLate",
        "sum by (dag, node) (rate(rxdag_node_late_items_total[5m])) / (sum by (dag, node) (rate(rxdag_node_in_items_total[5m])) > 0)",
        "> 0.01",
        "10m",
        "ticket",
        "{{ $value | humanizePercentage }} of the items that reach {{ $labels.node }} of {{ $labels.dag }} are late.",
        "Raise out_of_order= of event_time, or allow lateness; the late port has them.",
    ),
    Alert(
        "RxdagSinkFailing",
        "sum by (dag, node) (rate(rxdag_sink_write_failures_total[5m]))",
        "> 0",
        "5m",
        "page",
        "Writes of {{ $labels.node }} of {{ $labels.dag }} fail.",
        "Check that its target is reachable; retries are counted as rxdag_node_retries_total.",
    ),
    Alert(
        "RxdagSourceDisconnected",
        "min by (dag, node) (rxdag_source_connected)",
        "< 1",
        "5m",
        "page",
        "{{ $labels.node }} of {{ $labels.dag }} has had no connection for 5 minutes.",
        "Check that the other end is reachable; the log has each attempt as source.disconnected.",
    ),
    Alert(
        "RxdagCheckpointStale",
        "max by (dag) (rxdag_checkpoint_age_seconds / rxdag_checkpoint_interval_seconds)",
        "> 3",
        "1m",
        "page",
        "The last checkpoint of {{ $labels.dag }} is {{ $value | humanize }} intervals old.",
        "The log shows why as checkpoint.failed; output that waits for a checkpoint is not visible meanwhile.",
    ),
    Alert(
        "RxdagCheckpointFailing",
        "sum by (dag) (increase(rxdag_checkpoint_failures_total[15m]))",
        "> 0",
        "0m",
        "ticket",
        "{{ $labels.dag }} could not take {{ $value | humanize }} checkpoints in 15 minutes.",
        "The log shows each reason as checkpoint.failed.",
    ),
    Alert(
        "RxdagJournalBehind",
        "max by (dag, node) (rxdag_journal_behind_seconds)",
        "> 60",
        "5m",
        "ticket",
        "{{ $labels.node }} of {{ $labels.dag }} is {{ $value | humanizeDuration }} behind the end of its journal.",
        "The graph is slower than the recording; look for the full gate.",
    ),
    Alert(
        "RxdagDiskFullIn4h",
        "min by (dag, path) (predict_linear(rxdag_disk_free_bytes[1h], 14400))",
        "<= 0",
        "10m",
        "page",
        "The disk of {{ $labels.path }}, used by {{ $labels.dag }}, will be full within 4 hours.",
        "Free space, or shorten the retention; a checkpoint that cannot be written is given up.",
    ),
)


def alert_rules(*, runbook: str = RUNBOOK) -> dict[str, Any]:
    """Return the alerts as a Prometheus rule file, as plain data.

    Args:
        runbook: Address of the runbook where your team reads it; each alert links to its own section, as
            `runbook_url`. By default the path of the page in the source of rxdag.

    Example:
        >>> rules = deploy.alert_rules()["groups"][0]["rules"]
        >>> [rule["alert"] for rule in rules[:2]]
        ['RxdagRunFailed', 'RxdagRestarting']
        >>> rules[0]["annotations"]["runbook_url"]
        'docs/how-to/runbook.md#rxdagrunfailed'
    """
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.lasts,
            "labels": {"severity": alert.severity},
            "annotations": {
                "summary": alert.summary,
                "description": alert.remedy,
                "runbook_url": f"{runbook}#{alert.name.lower()}",
            },
        }
        for alert in ALERTS
    ]
    return {"groups": [{"name": "rxdag", "rules": rules}]}
