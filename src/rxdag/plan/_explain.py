"""Explain: a plan as text: segments, gates and their bounds, and the branches that can stall others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rxdag.contract import Visible
from rxdag.plan._delivery import DeliveryFacts
from rxdag.plan._facts import AgeFacts, GateFacts, NodeFacts, PlanFacts

_MOST_LISTED: Final = 5
_VISIBLE: Final[dict[Visible, str]] = {
    "at once": "written by key, so a restart may repeat rows; rows are visible at once",
    "at checkpoints": "committed after a checkpoint; rows are visible up to every= later",
    "at the end": "the output appears at the end of the run",
}


def explanation(facts: PlanFacts) -> str:
    """Return the facts of a plan as text, one a line."""
    lines = [
        f"plan {facts['dag']}: {_counted(facts['segments'], 'segment')} on {_counted(facts['schedulers'], 'scheduler')}"
    ]
    for number, nodes in groupby(facts["nodes"], key=lambda node: node["segment"]):
        members = list(nodes)
        lines += [f"segment {number}, on {members[0]['runs_on']}", *map(_node, members)]
    gates = [f"  {each['edge']}: {_gate(each['gate'])}" for each in facts["edges"] if each["gate"] is not None]
    lines += ["gates", *gates] if gates else ["gates: none, nothing rests between nodes"]
    lines += [f"queue of {each['source']}: {each['overflow']}, {each['max_items']:,} items" for each in facts["queues"]]
    lines += [
        f"burst: what one input of {name} sets free rests there, and goes out before anything new comes"
        for name in facts["bursts"]
    ]
    lines += [
        f"unbounded?: {name} is a reactivex operator; what it keeps is not in the cap" for name in facts["unbounded"]
    ]
    lines += [
        f"stall: {_listed(each['slow'])} can stall {_listed(each['others'])}, behind {each['fork']}; "
        f"put .buffered(overflow=...) on the slow way if the others must not wait"
        for each in facts["stalls"]
    ]
    lines.append(f"cap: at most {facts['max_items']:,} items in gates, queues and in flight; keyed state is not in it")
    if facts["max_bytes"] is not None:
        lines.append(
            f"cap: at most {facts['max_bytes']:,} bytes, and an item over it for each gate, where gates are bound by bytes"
        )
    lines += [*map(_age, facts["ages"]), *map(_delivery, facts["deliveries"])]
    lines += [f"no checkpoints: {why}" for why in facts["no_checkpoints"]]
    return "\n".join(lines)


def _node(node: NodeFacts) -> str:
    notes = [] if node["why_rows"] is None else [f"columns become rows: {node['why_rows']}"]
    notes += [*node["notes"], *(["columns"] if node["lane"] == "columns" else [])]
    tail = f"  [{'; '.join(notes)}]" if notes else ""
    return f"  {node['name']}: {node['call']}{tail}"


def _gate(gate: GateFacts) -> str:
    bytes_too = "" if gate["max_bytes"] is None else f", {gate['max_bytes']:,} bytes"
    return f"{gate['overflow']}, {gate['max_items']:,} items{bytes_too} ({gate['reason']})"


def _age(age: AgeFacts) -> str:
    pace = f"{_ms(age['each_ns'])} each{', the slowest of those it waits for' if age['waits_for_others'] else ''}"
    return (
        f"age: an item is {_ms(age['max_age_ns'])} old at most when {age['sink']} has taken it "
        f"({age['ahead']:,} before it, {pace}); time in windows and other state is not in it"
    )


def _delivery(sink: DeliveryFacts) -> str:
    if sink["why_repeats"] is not None:
        how = f"at least once; a restart delivers items since the last checkpoint again: {sink['why_repeats']}"
    else:
        how = "exactly once" if sink["visible"] is None else f"exactly once; {_VISIBLE[sink['visible']]}"
    return f"delivery: {sink['sink']}: {how}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_LISTED
    return " and ".join((*names[:_MOST_LISTED], f"{more:,} more") if more > 0 else names)


def _ms(ns: int) -> str:
    """Return a bound in ms, rounded up to the microsecond."""
    return f"{-(-ns // 1000) / 1000:.12g}ms"


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
