"""Publishers of plans: a run for each subscriber."""

from __future__ import annotations

import threading
from typing import Any

from rxdag.contract import Sink, Subscriber
from rxdag.errors import GraphError, RxDagError, did_you_mean, shown
from rxdag.graph import Dag, Input, Node, SinkNode
from rxdag.plan import Plan, compile
from rxdag.runtime._execution import Execution
from rxdag.runtime._handles import run_here
from rxdag.runtime._losses import warn_of_losses
from rxdag.runtime._publish import checked_subscriber, publisher_of
from rxdag.sinks import PublisherSink, Subscribed


class PlanPublisher:
    """A node of a plan: each subscriber has a run of its own; `plan.publisher` makes one."""

    def __init__(self, plan: Plan, name: str) -> None:
        self._plan, self._sink = with_publisher(plan, name)

    def subscribe(self, subscriber: Subscriber[Any], /) -> None:
        """Start a run on its own thread, at the pace of the subscriber; cancelling the subscription cancels the run.

        Raises:
            GraphError: If it is not a subscriber.
        """
        execution = Execution(self._plan)
        subscription = _OfRun(checked_subscriber(subscriber), execution)
        subscriber.on_subscribe(subscription)
        if subscription.is_over:
            return
        publisher_of(execution, self._sink).enter(subscription)
        thread = threading.Thread(
            target=_run_for, args=(execution, subscription), name=f"rxdag-{self._plan.dag.name}", daemon=True
        )
        thread.start()


class _OfRun(Subscribed):
    """The only subscriber of a run."""

    def __init__(self, subscriber: Subscriber[Any], execution: Execution) -> None:
        super().__init__(subscriber)
        self._execution = execution

    def cancel(self) -> None:
        super().cancel()
        self._execution.cancel()


def _run_for(execution: Execution, subscribed: Subscribed) -> None:
    """Run; the subscriber hears of failures."""
    try:
        result = run_here(execution)
    except BaseException as reason:  # no caller could catch it
        error = execution.error or RxDagError(f"run: ended by {shown(reason)}")
        subscribed.end(error)
    else:
        warn_of_losses(result)


def with_publisher(plan: Plan, name: str) -> tuple[Plan, str]:
    """Return the same plan with a publisher on a node or a sink, and the publisher's name.

    Raises:
        GraphError: If the node is not known.
    """
    dag = plan.dag
    node = dag.nodes.get(name)
    if node is None:
        raise GraphError(f'publisher: node "{name}" is not known{did_you_mean(name, dag.nodes)}')
    if isinstance(node.thing, PublisherSink):
        return plan, name
    source = node.inputs[0] if isinstance(node.thing, Sink) else Input(node, node.ports[0])
    made = f"{name}.publisher"
    sink = SinkNode[Any, None](Node(PublisherSink[Any](), (source,), made))
    others = [SinkNode[Any, Any](dag.nodes[each]) for each in dag.sinks]
    return compile(Dag(*others, sink, name=dag.name)), made
