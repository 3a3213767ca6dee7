"""Metrics for Prometheus, computed when they are scraped: they cost nothing while the graph runs.

Public.
"""

from rxdag.metrics._collector import RunCollector, unwatch, watch
from rxdag.metrics._compat import CompatCollector, compat
from rxdag.metrics._names import METRICS, Metric
from rxdag.metrics._server import Server, serve
from rxdag.metrics._status import status
from rxdag.metrics._subjects import Subject, subjects_of

__all__ = [
    "METRICS",
    "CompatCollector",
    "Metric",
    "RunCollector",
    "Server",
    "Subject",
    "compat",
    "serve",
    "status",
    "subjects_of",
    "unwatch",
    "watch",
]
