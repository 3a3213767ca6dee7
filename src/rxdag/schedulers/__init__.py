"""FlowScheduler, the reactivex scheduler of a serial domain.

Public.
"""

from rxdag.engine.drivers import FlowScheduler

__all__ = ["FlowScheduler"]
