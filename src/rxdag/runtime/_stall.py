"""Stalls: what to say of a run in which nothing can move."""

from __future__ import annotations

from rxdag.engine import Pump
from rxdag.errors import Stalled


def full_gates(parked: list[Pump]) -> list[str]:
    """Return the names of the full gates before which pumps wait."""
    return sorted({gate.name for pump in parked for gate in pump.gates if gate.is_full})


def stalled(parked: list[Pump]) -> Stalled:
    """Return the error of a run in which nothing can move."""
    full = full_gates(parked)
    closed = sorted(pump.name for pump in parked if not any(gate.is_full for gate in pump.gates))
    what = [f"the gates {', '.join(full)} are full"] if full else []
    what += [f"what is behind {', '.join(closed)} takes nothing and has set no timer"] if closed else []
    fix = (
        "what waits for two streams needs room for what one of them brings before the other: put a larger "
        ".buffered(max_items=...) before it, or one whose overflow drops"
    )
    return Stalled(f"run: something must be able to move, but {' and '.join(what)}; {fix}")
