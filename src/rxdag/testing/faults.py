"""Faults for simulations: what goes wrong, where, and when.

Each is one thing that happens once: `testing.run(dag, faults=[faults.raises("clean", item=3), faults.cancels(step=40)])`.
"""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.contract import Duration, duration_ns, positive_ns, signed_ns, whole

__all__ = ["Fault", "InjectedFault", "cancels", "drains", "jumps", "loses", "raises", "slows"]


class InjectedFault(Exception):
    """What a node or a source fails with by a fault."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: "raises", "loses", "slows", "cancels", "drains" or "jumps".
        node: Where, if it is a node's.
        at: Which item, step or instant (ns).
        by_ns: How long, or how far, ns.
    """

    kind: str
    node: str = ""
    at: int = 0
    by_ns: int = 0


def raises(node: str, /, *, item: int) -> Fault:
    """Have an operator or a sink raise `InjectedFault` on its n-th item, from 1; its `on_error` decides what follows."""
    return Fault("raises", node, whole(item, "raises: item", least=1))


def loses(source: str, /, *, item: int) -> Fault:
    """Have a source fail with `InjectedFault` after so many items, 0 or more."""
    return Fault("loses", source, whole(item, "loses: item", least=0))


def slows(node: str, /, *, item: int, by: Duration) -> Fault:
    """Have a sink take so much longer for its n-th item, from 1; an operator keeps the whole run for so long."""
    return Fault("slows", node, whole(item, "slows: item", least=1), positive_ns(by, "slows: by"))


def cancels(*, step: int) -> Fault:
    """Cancel the run after so many steps of its scheduler."""
    return Fault("cancels", at=whole(step, "cancels: step", least=1))


def drains(*, step: int) -> Fault:
    """Drain the run after so many steps of its scheduler."""
    return Fault("drains", at=whole(step, "drains: step", least=1))


def jumps(*, at: Duration, by: Duration) -> Fault:
    """Have the wall clock (`time.time`) jump, either way: "-1h" back, "1h" on. Nothing in a run may notice."""
    return Fault("jumps", at=duration_ns(at, "jumps: at"), by_ns=signed_ns(by, "jumps: by"))
