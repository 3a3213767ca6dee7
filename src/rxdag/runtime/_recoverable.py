"""Recoverable graphs: checks that a run of a graph can be continued after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rxdag.codec import Codec, cannot_be_saved, classes_in, is_named
from rxdag.contract import KeyedProcess, Sink, Source, made_by
from rxdag.errors import GraphError, StateError, text_of
from rxdag.graph import Node, parameters
from rxdag.plan import Plan, deliveries, obstacles


def codec_for(plan: Plan, state_types: Iterable[type]) -> Codec:
    """Return the codec of a run: it knows the classes of the items, those given, and those of imported modules.

    Args:
        plan: The plan.
        state_types: Enums and records that may be in the state.
    """
    known = {cls for name in plan.dag.nodes for _, cls in _classes(plan, name) if is_named(cls)}
    return Codec({*known, *state_types})


def _classes(plan: Plan, name: str) -> Iterator[tuple[str, type]]:
    """Yield the classes in the items that a node gives, each with its path."""
    node = plan.dag.nodes[name]
    if not isinstance(node.thing, Sink):
        yield from classes_in(node.port_shape(node.ports[0]).item_type)


def check_recoverable(plan: Plan, codec: Codec, *, exactly: bool) -> None:
    """Check that a run of a plan can be saved and continued.

    Args:
        plan: The plan.
        codec: The codec of the run.
        exactly: True if each sink must deliver exactly once.

    Raises:
        GraphError: Lists all problems.
    """
    problems = obstacles(plan.dag)
    if exactly:
        sources: dict[str, Any] = {name: plan.dag.nodes[name].thing for name in plan.dag.sources}
        problems += [
            f'source "{name}" must read every item, but {source.may_miss}'
            for name, source in sources.items()
            if source.may_miss is not None
        ]
        problems += [
            f'sink "{each["sink"]}" must deliver exactly once, got one that delivers at least once: {each["why_repeats"]}'
            for each in deliveries(plan.dag)
            if each["why_repeats"] is not None
        ]
    problems += [problem for name in plan.dag.nodes for problem in _unsavable(plan, name, codec)]
    unnamed = [name for name, node in plan.dag.nodes.items() if _needs_name(plan, name, node)]
    if unnamed:
        calls = ", ".join(parameters(plan.dag.nodes[name]) for name in unnamed)
        problems.append(
            f"sources, sinks and operators with state must have a name of their own, given by name= or .named(), by which their state "
            f"is found again, got none for {calls}"
        )
    if problems:
        raise GraphError(f'dag "{plan.dag.name}": checkpoints: {"; ".join(problems)}')


def _unsavable(plan: Plan, name: str, codec: Codec) -> Iterator[str]:
    """Yield the parts of the state that are known before the start and cannot be saved."""
    for path, cls in _classes(plan, name):
        if cannot_be_saved(cls):
            yield (
                f'node "{name}": its items must be plain data to be saved, got {path} of type {cls.__qualname__}; make it '
                "a dataclass, a NamedTuple or a msgspec.Struct, or leave it out"
            )
    made = made_by(plan.dag.nodes[name].thing)
    arguments = {} if made is None else dict(made.arguments)
    initial, where = arguments.get("initial"), "initial"
    try:
        if isinstance(arguments.get("process"), KeyedProcess):
            process: Any = arguments["process"]
            where = f"{type(process).__name__}.initial()"
            initial = process.initial()
        codec.encode(initial, where=where)
    except StateError as error:
        yield f'node "{name}": {text_of(error)}'
    except Exception as error:  # the program's own code
        yield f'node "{name}": {where} must return a state, got {type(error).__name__}: {text_of(error)}'


def _needs_name(plan: Plan, name: str, node: Node) -> bool:
    if node.identity.name is not None:
        return False
    kernel = plan.topology.kernels.get(name)
    return isinstance(node.thing, Source | Sink) or (kernel is not None and bool(type(kernel).state))
