"""What must hold of every stress graph."""

from __future__ import annotations

import random
import time
from collections import Counter

import rxdag
from rxdag.testing import settle_virtual, virtual
from tests.stress.graphs import make

HANG_S = 30.0


def check_lowerings(seed: int) -> str | None:
    """Fused and unfused give the same in virtual time, and the books balance."""
    results = {}
    for columns in (True, False):
        graph = make(seed, threads=False, faults=True)
        result = settle_virtual(virtual(rxdag.compile(graph.dag, columns=columns)))
        if result.problems:
            return f"seed {seed} columns={columns} BOOKS {result.problems} {graph.description}"
        results[columns] = result
    for name in results[True].dag.sinks:
        a, b = results[True][name], results[False][name]
        if results[True].state == "completed" and a != b:
            return f"seed {seed} LOWERINGS {name}: {str(a)[:200]} != {str(b)[:200]}"
    if results[True].state != results[False].state:
        return f"seed {seed} STATES {results[True].state} != {results[False].state} {results[True].error}"
    return None


def check_threads(seed: int) -> str | None:
    """On three schedulers: nothing lost, no gate past its bound, no hang, books balanced, also when it is stopped."""
    rng = random.Random(seed)
    faults = rng.random() < 0.3
    graph = make(seed, threads=True, faults=faults)
    plan = rxdag.compile(graph.dag, columns=rng.random() < 0.7)
    how = rng.choice(["wait", "wait", "wait", "drain", "flush", "cancel"])
    run = rxdag.start(plan)
    try:
        if how != "wait":
            time.sleep(rng.random() * 0.01)
        if how == "cancel":
            run.cancel()
        if how in ("drain", "flush"):
            run.drain(f"{HANG_S:g}s", flush=how == "flush")
        else:
            run.wait(HANG_S)
    except TimeoutError:
        pumps = [(p.name, p.queued, p.parked_on and p.parked_on.name) for p in run._execution.program.pumps]
        return f"seed {seed} HANG {how} {graph.description} {pumps} {run._execution.state}"
    except rxdag.RxDagError as error:
        if not graph.has_fault:
            return f"seed {seed} ERROR {error!r} {graph.description}"
    result = run.result
    if result is None:
        return f"seed {seed} NO RESULT {how}"
    if result.problems:
        return f"seed {seed} BOOKS {how} {result.state} {result.problems} {graph.description}"
    for name, gate in result.stats.gates.items():
        if gate.high_water > gate.capacity:
            return f"seed {seed} BOUND {name} {gate}"
    if how == "wait" and not graph.has_fault and graph.is_ordered:
        return _compare(seed, result, faults=faults)
    return None


def _compare(seed: int, result: rxdag.RunResult, *, faults: bool) -> str | None:
    """Nothing is lost: what the threads gave is what virtual time gives, in whatever order."""
    reference = settle_virtual(virtual(rxdag.compile(make(seed, threads=True, faults=faults).dag)))
    for name in result.dag.sinks:
        got, want = result[name], reference[name]
        if (Counter(got) if isinstance(got, list) else got) != (Counter(want) if isinstance(want, list) else want):
            return f"seed {seed} LOST {name}: {len(got)} != {len(want)}"
    return None
