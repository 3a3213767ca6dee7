"""Faults for simulations: their kind, place and time.

Each is one thing that happens once: `testing.run(dag, faults=[faults.raises("clean", item=3),
faults.cancels(step=40)])`.

Public.
"""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.contract import Duration, duration_ns, positive_ns, signed_ns, whole

__all__ = ["Fault", "InjectedFault", "cancels", "drains", "jumps", "loses", "raises", "slows"]


class InjectedFault(Exception):
    """Raised in a node or source by an injected fault."""


@dataclass(frozen=True)
class Fault:
    """A fault to inject.

    Attributes:
        kind: "raises", "loses", "slows", "cancels", "drains" or "jumps".
        node: Name of the node, if the fault belongs to one.
        at: Number of the item or step, or instant in ns.
        by_ns: Length of the delay or jump, ns.
    """

    kind: str
    node: str = ""
    at: int = 0
    by_ns: int = 0


def raises(node: str, /, *, item: int) -> Fault:
    """Raise `InjectedFault` in an operator or sink, on its n-th item, from 1.

    The node's `on_error` decides what follows.

    Example:
        >>> doubled = rxdag.wrap([1, 2, 3]).pipe(ops.map(lambda x: 2 * x), name="double", on_error="skip")
        >>> out = doubled.to(sinks.collect(), name="out")
        >>> testing.run(out, faults=[testing.faults.raises("double", item=2)]).outputs["out"]
        [2, 6]
    """
    return Fault("raises", node, whole(item, "raises: item", least=1))


def loses(source: str, /, *, item: int) -> Fault:
    """Fail a source with `InjectedFault` after this many items, 0 or more.

    Example:
        >>> out = rxdag.from_source(sources.range(9), name="numbers").to(sinks.collect(), name="out")
        >>> testing.run(out, faults=[testing.faults.loses("numbers", item=2)]).outputs["out"]
        [0, 1]
    """
    return Fault("loses", source, whole(item, "loses: item", least=0))


def slows(node: str, /, *, item: int, by: Duration) -> Fault:
    """Delay a sink by this much on its n-th item, from 1.

    An operator delays the whole run instead.

    Example:
        >>> out = rxdag.from_source(sources.range(3)).to(sinks.collect(), name="out")
        >>> testing.run(out, faults=[testing.faults.slows("out", item=2, by="1s")]).now
        1000000000
    """
    return Fault("slows", node, whole(item, "slows: item", least=1), positive_ns(by, "slows: by"))


def cancels(*, step: int) -> Fault:
    """Cancel the run after this many steps of its scheduler.

    Example:
        >>> out = rxdag.from_source(sources.range(100)).to(sinks.collect(), name="out")
        >>> testing.run(out, faults=[testing.faults.cancels(step=1)]).result.state
        'cancelled'
    """
    return Fault("cancels", at=whole(step, "cancels: step", least=1))


def drains(*, step: int) -> Fault:
    """Drain the run after this many steps of its scheduler.

    Example:
        >>> out = rxdag.from_source(sources.interval("1s")).to(sinks.collect(), name="out")
        >>> testing.run(out, faults=[testing.faults.drains(step=5)]).result.was_drained
        True
    """
    return Fault("drains", at=whole(step, "drains: step", least=1))


def jumps(*, at: Duration, by: Duration) -> Fault:
    """Make the wall clock (`time.time`) jump: "-1h" back, "1h" forward.

    No run may depend on it.

    Example:
        >>> out = rxdag.from_source(sources.interval("1s", count=3)).to(sinks.collect(), name="out")
        >>> testing.run(out, faults=[testing.faults.jumps(at="1s", by="-1h")]).outputs["out"]
        [0, 1, 2]
    """
    return Fault("jumps", at=duration_ns(at, "jumps: at"), by_ns=signed_ns(by, "jumps: by"))
