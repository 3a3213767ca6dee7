"""Frame: a generated function under construction: its lines, and the locals that they need."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from rxdag.compiler._comprehend import Comprehension, comprehend
from rxdag.compiler._region_plan import RegionPlan
from rxdag.compiler._splice import assigned
from rxdag.contract import Kernel


@dataclass
class Env:
    """Locals that hold the item at hand, its time, its sequence and its key."""

    item: str
    ts: str
    sequence: str
    key: str


class Frame:
    """What the functions of a region are made of.

    Args:
        plan: The region.
        kernels: A kernel of each node, to read.
        shapes: Whether items have (times, keys), by node for its input, by node and port for its outputs.
        itemwise: True to hand outputs over one by one.
    """

    def __init__(
        self, plan: RegionPlan, kernels: dict[str, Kernel], shapes: dict[str, tuple[bool, bool]], *, itemwise: bool
    ) -> None:
        self.plan = plan
        self.kernels = kernels
        self.shapes = shapes
        self.itemwise = itemwise
        self.lines: list[tuple[str, str, str]] = []
        self.constants: dict[str, Any] = {}
        self.inlined: dict[str, list[tuple[Any, tuple[str, ...]]]] = {}
        """By node, the functions that are not called but written into the loop, and the locals that they would be given."""
        self._index = {name: i for i, name in enumerate(plan.nodes)}
        self._node, self._item = plan.nodes[0], "x"
        self._env: Env = Env("x", "0", "0", "None")
        self._body: list[tuple[str, str, str]] = []
        self._loads: dict[str, tuple[int, str]] = {}
        self._dirty: dict[str, tuple[int, str]] = {}
        self._counts: dict[str, tuple[str, str]] = {}
        self._outlets: dict[str, tuple[str, str]] = {}
        self._slow: set[int] = set()
        self._conditions: dict[str, tuple[int, str]] = {}
        self._fresh = itertools.count()

    def put(self, indent: int, text: str) -> None:
        """Add lines that belong to the node at hand."""
        for line in text.split("\n"):
            self._body.append(("    " * indent + line, self._node, self._item))

    def _own(self, index: int, attr: str) -> str:
        local = f"n{index}_{attr}"
        self._loads[local] = (index, attr)
        return local

    def _count(self, name: str, exit_: str) -> str:
        for local, where in self._counts.items():
            if where == (name, exit_):
                return local
        local = f"c{self._index[name]}_{len(self._counts)}"
        self._counts[local] = (name, exit_)
        return local

    def _constant(self, name: str, value: Any) -> str:
        for known, other in self.constants.items():
            if other is value:
                return known
        local = f"g{len(self.constants)}_{name}"
        self.constants[local] = value
        return local

    def _exit_shape(self, name: str, port: str) -> tuple[bool, bool]:
        return self.shapes[f"{name}.{port}"]

    def _exit(self, name: str, port: str, env: Env, indent: int) -> None:
        local = f"o{len(self._outlets)}"
        for known, where in self._outlets.items():
            if where == (name, port):
                local = known
        self._outlets[local] = (name, port)
        if self.itemwise:
            self.put(indent, f"{local}.put({env.item}, {env.ts}, {env.sequence}, {env.key})")
            return
        timed, keyed = self._exit_shape(name, port)
        self.put(indent, f"{local}_items({env.item})")
        if timed:
            self.put(indent, f"{local}_ts({env.ts}); {local}_sequence({env.sequence})")
        if keyed:
            self.put(indent, f"{local}_key({env.key})")

    def _assemble(self, name: str, target: str) -> None:
        """Write what makes the loop of a run: what stays the same is looked up there, and not for each chunk."""
        spill = "; ".join(f"k{i}.{attr} = {local}" for local, (i, attr) in self._dirty.items())
        load = "; ".join(f"{local} = k{i}.{attr}" for local, (i, attr) in self._loads.items() if self._changes(i, attr))
        fixed = [f"{local} = k{i}.{attr}" for local, (i, attr) in self._loads.items() if not self._changes(i, attr)]
        entry = self.plan.nodes[0]
        out: list[tuple[str, str, str]] = []

        def put(text: str, node: str = entry, item: str = "x") -> None:
            out.append((text, node, item))

        put(f"def {name}(kernels, emits, outlets, constants, counts, fault):")
        used = sorted({i for i, _ in (*self._loads.values(), *self._conditions.values())} | self._slow)
        for i in used:
            put(f"    k{i} = kernels[{i}]  # {self.plan.nodes[i]}")
        for i in sorted(self._slow):
            put(f"    e{i} = emits[{i}]")
        for i, constant in enumerate(self.constants):
            if any(constant in text for text, _, _ in self._body):
                put(f"    {constant} = constants[{i}]")
        if fixed:
            put(f"    {'; '.join(fixed)}")
        for local, (node, port) in self._outlets.items():
            put(f"    {local} = outlets[{node!r}, {port!r}]")
        put("    def run(rows):")
        if load:
            put(f"        {load}")
        for local, (_, test) in self._conditions.items():
            put(f"        {local} = {test}")
        if not self.itemwise:
            for local, where in self._outlets.items():
                timed, keyed = self._exit_shape(*where)
                put(f"        {local}_items = {local}.items.append")
                if timed:
                    put(f"        {local}_ts = {local}.ts.append; {local}_sequence = {local}.sequence.append")
                if keyed:
                    put(f"        {local}_key = {local}.key.append")
        for local in self._counts:
            put(f"        {local} = 0")
        put("        spilled = False")
        put("        try:")
        put(f"            for {target} in rows:")
        for text, node, item in self._body:
            stripped = text.strip()
            pad = text[: len(text) - len(text.lstrip())]
            if stripped == "#SPILL":
                put(f"{pad}spilled = True{'; ' + spill if spill else ''}", node, item)
            elif stripped == "#SPILL_IF":
                put(f"{pad}if not spilled:", node, item)
                put(f"{pad}    spilled = True{'; ' + spill if spill else ''}", node, item)
            elif stripped == "#RELOAD":
                put(f"{pad}spilled = False{'; ' + load if load else ''}", node, item)
            else:
                put(text, node, item)
        put("        finally:")
        put("            if not spilled:")
        put(f"                {spill or 'pass'}")
        for local, (node, exit_) in self._counts.items():
            put(f"            if {local}: counts[{node!r}, {exit_!r}] += {local}")
        put("    return run")
        self.lines += out

    def comprehension(self) -> Comprehension | None:
        """The function just written as comprehensions, if it is plain enough; called for the first one."""
        shapes = (self.shapes[self.plan.nodes[0]], *(self._exit_shape(*where) for where in self._outlets.values()))
        if (
            self.itemwise
            or self.inlined
            or self._loads
            or self._slow
            or self._conditions
            or any(any(shape) for shape in shapes)
        ):
            return None
        return comprehend([text for text, _, _ in self._body], self._outlets, self._counts, self.constants)

    def _changes(self, index: int, attr: str) -> bool:
        return attr in assigned(type(self.kernels[self.plan.nodes[index]])) or attr == "watermark"
