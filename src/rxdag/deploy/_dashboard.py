"""A Grafana dashboard generated from the registry of metrics: one panel each, in rows by subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from rxdag.metrics import METRICS, Metric

_ROWS: Final = (
    ("rxdag_run_", "Runs"),
    ("rxdag_source_", "Sources"),
    ("rxdag_node_", "Nodes"),
    ("rxdag_gate_", "Gates"),
    ("rxdag_delivery_", "Delivery"),
    ("rxdag_sink_", "Sinks"),
    ("rxdag_checkpoint_", "Checkpoints"),
    ("rxdag_journal_", "Journals"),
    ("rxdag_disk_", "Disks"),
    ("rxdag_feedback_", "Feedback"),
)
_UNITS: Final = {"ratio": "percentunit", "seconds": "s", "items": "short", "bytes": "bytes"}
_WIDTH, _HEIGHT, _COLUMNS = 8, 7, 24
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        metric: The metric that it shows.
        query: PromQL, with Grafana's `$dag` and `$__rate_interval`.
        title: Title of the panel.
        unit: Unit of the values, as named by Grafana.
        legend: Legend of each line.
    """

    metric: Metric
    query: str
    title: str
    unit: str
    legend: str


def panels() -> tuple[Panel, ...]:
    """Return the panels, one for each metric of a run.

    Example:
        >>> panel = deploy.panels()[0]
        >>> panel.query, panel.unit
        ('sum by (dag, state) (rxdag_run_state{dag=~"$dag"})', 'short')
    """
    return tuple(_panel(metric) for metric in METRICS if "dag" in metric.labels)


def _panel(metric: Metric) -> Panel:
    which = f'{metric.name}{{dag=~"$dag"}}'
    labels = ", ".join(metric.labels)
    base = metric.name.removesuffix("_total")
    unit = _UNITS.get(base.rpartition("_")[2], "short")
    legend = " ".join(f"{{{{{label}}}}}" for label in metric.labels)
    title = metric.help.rstrip(".")
    if metric.kind == "histogram":
        which = f'{metric.name}_bucket{{dag=~"$dag"}}'
        query = f"histogram_quantile(0.99, sum by (le, {labels}) (rate({which}[$__rate_interval])))"
        return Panel(metric, query, f"{title}: the slowest 1 %", unit, legend)
    if base.endswith("timestamp_seconds"):
        return Panel(metric, f"max by ({labels}) ({which}) * 1000", title, "dateTimeAsIso", legend)
    if metric.kind == "counter":
        query = f"sum by ({labels}) (rate({which}[$__rate_interval]))"
        return Panel(metric, query, f"{title}, a second", "percentunit" if unit == "s" else "cps", legend)
    return Panel(metric, f"sum by ({labels}) ({which})", title, unit, legend)


def dashboard() -> dict[str, Any]:
    """Return the dashboard as plain data, for import into Grafana.

    On import, Grafana asks for a Prometheus data source and for dags.

    Example:
        >>> import json
        >>> with open("rxdag.json", "w") as file:
        ...     json.dump(deploy.dashboard(), file)
    """
    drawn: list[dict[str, Any]] = []
    y = 0
    for prefix, title in _ROWS:
        of_row = [panel for panel in panels() if panel.metric.name.startswith(prefix)]
        drawn.append(
            {
                "type": "row",
                "title": title,
                "id": len(drawn) + 1,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": y, "w": _COLUMNS, "h": 1},
            }
        )
        y += 1
        for i, panel in enumerate(of_row):
            down, across = divmod(i * _WIDTH, _COLUMNS)
            drawn.append(_drawn(panel, len(drawn) + 1, across, y + down * _HEIGHT))
        y += -(-len(of_row) * _WIDTH // _COLUMNS) * _HEIGHT
    return {
        "title": "rxdag",
        "uid": "rxdag",
        "tags": ["rxdag"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
                {
                    "name": "dag",
                    "label": "Graph",
                    "type": "query",
                    "datasource": _SOURCE,
                    "query": {"query": "label_values(rxdag_run_state, dag)", "refId": "dag"},
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": drawn,
    }


def _drawn(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": f"{panel.metric.name}: {panel.metric.help}",
        "id": number,
        "gridPos": {"x": x, "y": y, "w": _WIDTH, "h": _HEIGHT},
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [{"refId": "A", "expr": panel.query, "legendFormat": panel.legend, "datasource": _SOURCE}],
    }
