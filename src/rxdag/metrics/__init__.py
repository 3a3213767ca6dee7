"""Metrics for Prometheus, computed when they are scraped: they cost nothing while the graph runs.

Public.
"""

from rxdag.metrics._collector import unwatch, watch
from rxdag.metrics._compat import compat
from rxdag.metrics._names import METRICS, Metric
from rxdag.metrics._server import Server, serve
from rxdag.metrics._status import status

__all__ = [
    "METRICS",
    "Metric",
    "Server",
    "compat",
    "serve",
    "status",
    "unwatch",
    "watch",
]
