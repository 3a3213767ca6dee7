"""Files for graphs on clusters: manifests that scale them, dashboards and alerts, all based on the metrics.

Public.
"""

from rxdag.deploy._alerts import ALERTS, Alert, alert_rules
from rxdag.deploy._dashboard import Panel, dashboard, panels
from rxdag.deploy._keda import Scaling, keda, scaling
from rxdag.deploy._text import yaml_text

__all__ = [
    "ALERTS",
    "Alert",
    "Panel",
    "Scaling",
    "alert_rules",
    "dashboard",
    "keda",
    "panels",
    "scaling",
    "yaml_text",
]
