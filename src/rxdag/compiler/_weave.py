"""Weave: a region of nodes becomes generated loops, one for each place where items start to travel."""

from __future__ import annotations

import itertools
import linecache
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rxdag.compiler._region_plan import RegionPlan
from rxdag.compiler._splice import gives_out
from rxdag.compiler._writer import Writer
from rxdag.contract import Kernel

Loop: TypeAlias = Callable[[Iterator[Any]], None]
"""Works on rows."""

_numbers = itertools.count(1)
_gone: deque[str] = deque()
"""Files whose loops are gone. The collector may run while `linecache` looks through its files, so they are taken out later."""


@dataclass(frozen=True)
class Woven:
    """The generated loops of a region.

    Attributes:
        source: Their text, as tracebacks and debuggers show it.
        makes: What makes the loop of a run, by the node whose input (the first one) or whose output (the others) the items are.
        nodes: For each line of the text, from 1, the node it belongs to.
        inputs: For each line, the local that holds the item.
        constants: Values that the loops read.
        inlined: By node, the functions that are not called but written into the loop, and the locals they would be given.
        fast: The first loop as comprehensions, where nothing is in it but expressions; what fails is left to the loop.
        fast_exit: Node and port that its list goes out of.
    """

    plan: RegionPlan
    source: str
    makes: dict[str, Callable[..., Loop]]
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    constants: tuple[Any, ...] = field(repr=False)
    inlined: dict[str, list[tuple[Any, tuple[str, ...]]]] = field(repr=False)
    fast: Callable[..., list[Any]] | None = None
    fast_exit: tuple[str, str] = ("", "")


def weave(
    dag: str, plan: RegionPlan, kernels: dict[str, Kernel], shapes: dict[str, tuple[bool, bool]], *, itemwise: bool
) -> Woven:
    """Generate the loops of a region.

    Args:
        dag: Name of the dag, for the file name that tracebacks show.
        plan: The region.
        kernels: A kernel of each node, to read.
        shapes: Whether items have (times, keys) at the input of each node; at its main output under "<node>.out".
        itemwise: True to hand outputs over one by one.
    """
    while _gone:
        linecache.cache.pop(_gone.popleft(), None)
    writer = Writer(plan, kernels, shapes, itemwise=itemwise)
    names = {plan.nodes[0]: "loop"}
    writer.function("loop", plan.nodes[0], plan.nodes[0])
    fast = writer.comprehension()
    for name in plan.nodes:
        readers = plan.after.get((name, "out"))
        if readers is not None and gives_out(type(kernels[name])):
            names[f"{name}.out"] = f"from_{len(names)}"
            writer.function(names[f"{name}.out"], readers[0], f"{name}.out")
    lines = [*writer.lines, *((text, plan.nodes[0], "x") for text in (fast.lines if fast is not None else ()))]
    source = "\n".join(text for text, _, _ in lines) + "\n"
    file = f"<rxdag {dag}: {plan.nodes[0]} #{next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {}
    exec(compile(source, file, "exec"), namespace)
    woven = Woven(
        plan,
        source,
        {where: namespace[fn] for where, fn in names.items()},
        tuple(node for _, node, _ in lines),
        tuple(item for _, _, item in lines),
        tuple(writer.constants.values()),
        writer.inlined,
        namespace.get("fast"),
        fast.exit if fast is not None else ("", ""),
    )
    weakref.finalize(woven, _gone.append, file)
    return woven
