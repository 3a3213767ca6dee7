"""Domains: which thread or loop runs which node."""

from __future__ import annotations

from typing import Final

from rxdag.contract import InnerKernel, Sink, Source
from rxdag.errors import CompileError
from rxdag.plan._topology import Topology

MAIN: Final = "main"
"""Domain of the caller's thread, or of the run's event loop."""


def assign_domains(topology: Topology) -> dict[str, str]:
    """Return the name of the domain of each node.

    A blocking source or sink has its own thread. Inner streams are on the main domain, since they may need its loop.
    `.on(name)` moves all following nodes to that thread; `.on("main")` leads back. All other nodes are on the main
    domain.
    """
    domains: dict[str, str] = {}
    for name, node in topology.nodes.items():
        thing = node.thing
        if isinstance(thing, Source | Sink) and thing.where == "blocking":
            domains[name] = f"thread {name}"
            continue
        if isinstance(thing, Source) or (isinstance(thing, Sink) and thing.where == "async"):
            domains[name] = MAIN
            continue
        if isinstance(topology.kernels.get(name), InnerKernel):
            domains[name] = MAIN
            continue
        wished = [e.boundary.scheduler for e in topology.into[name] if e.boundary and e.boundary.scheduler]
        if len(set(wished)) > 1:
            names = ", ".join(f'"{each}"' for each in dict.fromkeys(wished))
            raise CompileError(
                f'node "{name}": its inputs must be .on(...) the same thread, got {names}; '
                f"use the same name for each, or put .on(...) after it"
            )
        if wished:
            domains[name] = MAIN if wished[0] == MAIN else f"thread {wished[0]}"
            continue
        before = {_inherited(topology, domains, e.producer) for e in topology.into[name]}
        domains[name] = before.pop() if len(before) == 1 else MAIN
    return domains


def _inherited(topology: Topology, domains: dict[str, str], producer: str) -> str:
    thing = topology.nodes[producer].thing
    # A blocking source or sink shares its thread with no other node; later nodes are on the main domain.
    own_thread = isinstance(thing, Source | Sink) and thing.where == "blocking"
    return MAIN if own_thread else domains[producer]


def needs_loop(topology: Topology) -> bool:
    """Return True if a node must run on an asyncio loop."""
    ends = (node.thing for node in topology.nodes.values() if isinstance(node.thing, Source | Sink))
    has_inner = any(isinstance(kernel, InnerKernel) for kernel in topology.kernels.values())
    return has_inner or any(end.where == "async" for end in ends)
