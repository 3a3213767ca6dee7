"""Stalls: the message for a run in which nothing can proceed."""

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
    what += [f"what follows {', '.join(closed)} takes no items and has set no timer"] if closed else []
    fix = (
        "a node that combines two streams must buffer the one that is ahead: put a larger "
        ".buffered(max_items=...) before it, or one with an overflow policy that drops"
    )
    return Stalled(f"run: a node must be able to proceed, but {' and '.join(what)}; {fix}")
