"""Kernels that pass `emit` on, rename it, wrap it, or call it several times."""

# ruff: noqa: RET503  # as users write them
from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from rxdag.operators import Emit, Kernel
from tests.foreign.entries import kernel, own, program


def give(item, emit):
    emit(item)


@kernel([1, 2], [1, 2])
class PassesEmitToAFunction(Kernel):
    def on_item(self, item, emit):
        give(item, emit)


@kernel([1, 2, 3], [10, 30], dropped=[2])
class PassesEmitToAMethod(Kernel):
    def decide(self, item, *, emit, **how):
        if item % 2 == 0:
            return emit.dropped(item, how["reason"])
        return emit(item * 10)

    def on_item(self, item, emit):
        return self.decide(item, emit=emit, reason="even")


@kernel([1, 2], [1, 2])
class RenamesEmit(Kernel):
    def on_item(self, item, emit):
        send = emit
        send(item)


@kernel([1, 2, 3], [1, 3])
class ExitByName(Kernel):
    exits = ("filtered", "__call__")

    def on_item(self, item, emit):
        getattr(emit, self.exits[item % 2])(item)


@kernel([1, 2], [(1, "x"), (2, "x")])
class EmitsThroughAPartial(Kernel):
    def on_item(self, item, emit):
        out = partial(emit, (item, "x"))
        out()


@kernel([1, 2], [1, 2])
class EmitsThroughMap(Kernel):
    def on_item(self, item, emit):
        for _ in map(emit, [item]):
            pass


@kernel([3, 4], [6, 8])
class EmitsInANestedFunction(Kernel):
    def on_item(self, item, emit):
        def finish(factor):
            emit(item * factor)

        finish(2)


@kernel([1, 2, 3], [1, 3])
class DispatchTable(Kernel):
    def keep(self, item, emit):
        emit(item)

    def leave(self, item, emit):
        emit.filtered(item)

    def on_item(self, item, emit):
        {0: self.leave, 1: self.keep}[item % 2](item, emit)


class Tagging:
    """Wrap another emit and tag each item."""

    def __init__(self, emit: Emit, tag):
        self._emit = emit
        self._tag = tag

    def __call__(self, item, /, **beside):
        self._emit((self._tag, item), **beside)

    def __getattr__(self, name):
        return getattr(self._emit, name)


class Halves(Kernel):
    def on_item(self, item, emit):
        if item % 2:
            return emit.filtered(item)
        emit(item // 2)


@kernel([2, 3, 8], [("half", 1), ("half", 4)])
class KernelInAKernel(Kernel):
    def __init__(self):
        self._inner = Halves()

    def on_item(self, item, emit):
        self._inner.on_item(item, Tagging(emit, "half"))


@kernel([1, 5], [1, 5])
class ReturnsWhatEmitReturns(Kernel):
    def on_item(self, item, emit):
        return emit(item)


@dataclass
class Batch(Kernel):
    """Combine three items into one output; the rest at the end."""

    passes = False

    def __post_init__(self):
        self.items = []

    def on_item(self, item, emit):
        self.items.append(item)
        if len(self.items) == 3:
            self.give(emit)

    def give(self, emit):
        batch, self.items = self.items, []
        emit.absorbed(len(batch))
        emit(tuple(batch), ts=0, sequence=0, key=None)

    def held(self):
        return len(self.items)

    def on_end(self, emit):
        if self.items:
            self.give(emit)


program("BatchWithARest", lambda: [own(Batch)], [1, 2, 3, 4], [(1, 2, 3), (4,)])
program("BatchOfBatches", lambda: [own(Batch), own(Batch)], range(7), [((0, 1, 2), (3, 4, 5), (6,))])


@kernel([2, 0, 3], ["2.0", "2.1", "3.0", "3.1", "3.2"])
class EmitsSeveral(Kernel):
    passes = False

    def on_item(self, item, emit):
        for n in range(item):
            emit(f"{item}.{n}")
        emit.absorbed(1)


@kernel([(1, "ab"), (2, ""), (3, "c")], ["a", "b", "c"])
class EmitsMany(Kernel):
    passes = False

    def on_item(self, item, emit):
        ts, letters = item
        emit.absorbed(1)
        emit.many(list(letters), ts=[ts] * len(letters))


@kernel(["ab", "", "c"], ["A", "B", "C"])
class Expands(Kernel):
    passes = False

    def on_item(self, item, emit):
        raise NotImplementedError("expand says it all")

    def expand(self, item):
        yield from item.upper()


@kernel([4, -1, 7], [4, 7], below=["-1"])
class SidePort(Kernel):
    def on_item(self, item, emit):
        if item < 0:
            return emit.to("below", str(item))
        emit(item)


@kernel([1, 2, 3, 4, 5, 6], None, even=[2, 4], third=[3], rest=[1, 5], large=[6])
class SidePortByName(Kernel):
    def on_item(self, item, emit):
        ports = {item % 3 == 0: "third", item % 2 == 0: "even", item > 5: "large"}
        emit.to(ports.get(True, "rest"), item)


@kernel([1, 2, 3, 4], ["first", 1, 3, "last"], dropped=[2, 4])
class MakesItemsOfItsOwn(Kernel):
    """Emit a header before the first item and a line after the last."""

    def on_start(self, now, emit):
        emit.made("first", ts=0, sequence=0, key=None)

    def on_item(self, item, emit):
        if item % 2 == 0:
            return emit.dropped(item, "even")
        emit(item)

    def on_end(self, emit):
        emit.made("last", ts=0, sequence=0, key=None)


@kernel([1, 2, 3, 4], [1, 3], only_once=True)
class FinishesEarly(Kernel):
    """Finish after two odd items."""

    def __init__(self):
        self.found = 0

    def on_item(self, item, emit):
        if item % 2 == 0:
            return emit.filtered(item)
        self.found += 1
        emit(item)

    def is_finished(self):
        return self.found == 2


@kernel([1, 2], [], late=[1], unassigned=[2])
class ExitsThatAreNoOutput(Kernel):
    def on_item(self, item, emit):
        (emit.late if item == 1 else emit.unassigned)(item)
