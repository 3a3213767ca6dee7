"""Fused runs of stateless nodes: one generated loop per chunk, and the host that runs it."""

from __future__ import annotations

import itertools
import linecache
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rxdag.compiler._host import Host, Outlet, RunContext
from rxdag.compiler._ledger import Ledger
from rxdag.contract import FLUSHED, MIN, Chunk, Kernel, OnError, Pure
from rxdag.schedulers import Segment

Loop = Callable[..., None]


_numbers = itertools.count(1)


@dataclass(frozen=True)
class Fused:
    """The generated loop of a run of stateless nodes.

    Attributes:
        source: Its text, as tracebacks and debuggers show it.
        loop: The function: (rows, append, append_ts, append_sequence, append_key, counts, *fns) -> None.
        nodes: For each line of the text, from 1, the index of the node it belongs to.
        inputs: For each node, the local that holds the item it works on.
    """

    source: str
    loop: Loop
    nodes: tuple[int, ...]
    inputs: tuple[str, ...]


def generate(name: str, pures: tuple[Pure, ...], names: tuple[str, ...], *, timed: bool, keyed: bool) -> Fused:
    """Write the loop of a run of stateless nodes.

    Args:
        name: Of the dag and the run, for the file name that tracebacks show.
        pures: What each node does with its function.
        names: Of the nodes, for comments.
        timed: True if items have event times.
        keyed: True if items have keys when they come in.
    """
    gives_key = Pure.KEY in pures
    target = ", ".join(["x0", *(["t", "s"] if timed else []), *(["k"] if keyed else [])])
    fns = ", ".join(f"f{i}" for i in range(len(pures)))
    lines = [
        f"def loop(rows, append, append_ts, append_sequence, append_key, counts, {fns}):",
        "    n = [0] * len(counts)",
    ]
    owners = [0, 0]
    lines += ["    try:", f"        for {target} in rows:"]
    owners += [0, 0]
    inputs: list[str] = []
    item, count = "x0", 0
    pad = " " * 12
    for i, (pure, own) in enumerate(zip(pures, names, strict=True)):
        inputs.append(item)
        if pure is Pure.MAP:
            count += 1
            text = [f"x{count} = f{i}({item})  # {own}"]
            item = f"x{count}"
        elif pure is Pure.FILTER:
            text = [f"if not f{i}({item}):  # {own}", f"    n[{i}] += 1", "    continue"]
        elif pure is Pure.TAP:
            text = [f"f{i}({item})  # {own}"]
        else:
            text = [f"k = f{i}({item})  # {own}"]
        lines += [pad + line for line in text]
        owners += [i] * len(text)
    last = len(pures) - 1
    ends = [f"append({item})"]
    if timed:
        ends += ["append_ts(t)", "append_sequence(s)"]
    if keyed or gives_key:
        ends.append("append_key(k)")
    lines += [pad + line for line in ends]
    lines += ["    finally:", "        for i, more in enumerate(n):", "            counts[i] += more"]
    owners += [last] * (len(ends) + 3)
    source = "\n".join(lines) + "\n"
    file = f"<rxdag {name} #{next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {}
    exec(compile(source, file, "exec"), namespace)
    fused = Fused(source, namespace["loop"], tuple(owners), tuple(inputs))
    weakref.finalize(fused, linecache.cache.pop, file, None)
    return fused


class BlockHost(Host):
    """Runs a fused loop; keeps the books of each of its nodes.

    Args:
        names: Of the nodes, in order.
        segment: Where it runs.
        context: Of the run.
        policies: What each node does with an item on which its function fails.
        fused: The loop.
        kernels: Of the nodes.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        segment: Segment,
        context: RunContext,
        policies: tuple[OnError, ...],
        fused: Fused,
        kernels: tuple[Kernel, ...],
    ) -> None:
        super().__init__(names[0], segment, context, policies[0])
        self.names = names
        self.fused = fused
        self.itemwise = False
        self._policies = policies
        self._fns = tuple(getattr(kernel, "fn") for kernel in kernels)  # noqa: B009  # what Pure promises
        self._filters = tuple(kernel.pure is Pure.FILTER for kernel in kernels)
        self._ledgers = tuple(Ledger() for _ in names)
        self._counts = [0] * len(names)
        self._watermark = MIN

    @property
    def watermark(self) -> int:
        """The watermark at the output."""
        return self._watermark

    def receive(self, input: int, chunk: Chunk) -> None:  # noqa: ARG002, RUF100
        first = self._ledgers[0]
        first.arrived += len(chunk.items)
        if self.is_ended:
            first.unread += len(chunk.items)
            return
        rows = _rows(chunk)
        outlet = self.outlets["out"]
        at = 0
        for position, mark in chunk.marks:
            if position > at:
                self._work(islice(rows, position - at), outlet)
                at = position
            if mark > self._watermark and not self.is_ended:
                self._watermark = mark
                if outlet.timed or mark >= FLUSHED:
                    outlet.mark(mark)
        self._work(rows, outlet)
        if not self.is_ended:
            self._hand_over(outlet)

    def _hand_over(self, outlet: Outlet) -> None:
        if not self.itemwise:
            outlet.flush()
            return
        if outlet.items or outlet.marks:
            outlet.out += len(outlet.items)
            whole = Chunk(outlet.items, outlet.ts, outlet.sequence, outlet.key, tuple(outlet.marks))
            outlet.renew()
            if outlet.port.is_seen:
                for single in whole.singles():
                    outlet.port.on_next(single)

    def _work(self, rows: Iterator[Any], outlet: Outlet) -> None:
        fused = self.fused
        append_ts = None if outlet.ts is None else outlet.ts.append
        append_sequence = None if outlet.sequence is None else outlet.sequence.append
        append_key = None if outlet.key is None else outlet.key.append
        while not self.is_ended:
            try:
                fused.loop(rows, outlet.items.append, append_ts, append_sequence, append_key, self._counts, *self._fns)
                return
            except Exception as error:
                self._fault(error)
        self._ledgers[0].discarded += sum(1 for _ in rows)

    def _fault(self, error: Exception) -> None:
        """Find the node by its line and the item by its local, and deal with it."""
        trace = error.__traceback__
        code = self.fused.loop.__code__
        while trace is not None and trace.tb_frame.f_code is not code:
            trace = trace.tb_next
        if trace is None:
            raise error
        index = self.fused.nodes[trace.tb_lineno - 1]
        item = trace.tb_frame.f_locals[self.fused.inputs[index]]
        error.__traceback__ = trace.tb_next or trace
        self.policy = self._policies[index]
        self.bury(self._ledgers[index], self.names[index], item, error, None)

    def finish(self, error: Exception | None) -> None:
        if not self.is_ended:
            self._hand_over(self.outlets["out"])
        super().finish(error)

    def books(self) -> list[tuple[str, Ledger, dict[str, str]]]:
        """What went in and out of each node, from what left the run on the way."""
        flowing = self._ledgers[0].arrived
        last = len(self.names) - 1
        for i, ledger in enumerate(self._ledgers):
            ledger.arrived = flowing
            ledger.filtered = self._counts[i]
            lost = ledger.filtered + ledger.dead + ledger.failed + ledger.discarded + ledger.unread
            flowing -= lost + sum(ledger.dropped.values())
            ledger.passed = flowing
            ledger.out = {"out": self.outlets["out"].out if i == last else flowing, "dead": ledger.dead}
        return [(name, ledger, {"dead": "dead"}) for name, ledger in zip(self.names, self._ledgers, strict=True)]


def _rows(chunk: Chunk) -> Iterator[Any]:
    columns: list[list[Any]] = [chunk.items]
    if chunk.ts is not None and chunk.sequence is not None:
        columns += [chunk.ts, chunk.sequence]
    if chunk.key is not None:
        columns.append(chunk.key)
    return iter(chunk.items) if len(columns) == 1 else iter(zip(*columns, strict=True))
