"""Kernels with conditions, match statements, loops, try and with."""

# ruff: noqa: RET503, RUF021  # as users write them
from __future__ import annotations

from contextlib import contextmanager, suppress

import rxdag
from rxdag.operators import Kernel
from tests.foreign.entries import kernel, mapped, own, program

# ---- conditions and their values


@kernel([0, 1, 200], [0, 5, 5])
class ValueOfAnd(Kernel):
    def __init__(self, limit=5):
        self.limit = limit

    def on_item(self, item, emit):
        size = item and self.limit
        emit(size)


@kernel(["", "a", None], ["none", "a", "none"])
class ValueOfOr(Kernel):
    def on_item(self, item, emit):
        name = item or "none"
        emit(name)


@kernel([0, 1, 2, 0], [(0, None), (1, 1), (2, 3), (0, 3)])
class AndOrOfCalls(Kernel):
    def __init__(self):
        self.total = None

    def add(self, item):
        self.total = (self.total or 0) + item
        return True

    def on_item(self, item, emit):
        _ = item and self.add(item) or item
        emit((item, self.total))


@kernel([0, 1, 5, 10, 11], [1, 5, 10])
class ChainedComparison(Kernel):
    def __init__(self):
        self.bounds = [0, 10]

    def on_item(self, item, emit):
        low, high = self.bounds
        if low < item <= high:
            emit(item)
        else:
            emit.filtered(item)


@kernel([1, 2, 3, 4], [2, 4])
class ExitsInAnExpression(Kernel):
    def on_item(self, item, emit):
        emit(item) if item % 2 == 0 else emit.filtered(item)


@kernel([1, 2, 3], [1, 3], dropped=[2])
class ExitsBehindAnd(Kernel):
    def on_item(self, item, emit):
        odd = item % 2
        odd and emit(item)
        odd or emit.dropped(item, f"even {item}")


@kernel([3, 8, 12], [(3, "s"), (8, "m"), (12, "l")])
class NestedConditionalExpression(Kernel):
    def on_item(self, item, emit):
        emit((item, "s" if item < 5 else "m" if item < 10 else "l"))


class Odd:
    """An object whose truth changes each time it is tested."""

    def __init__(self, n):
        self.n = n

    def __bool__(self):
        self.n += 1
        return self.n % 2 == 1

    def __repr__(self):
        return f"Odd({self.n})"


@kernel([0, 1, 2], ["Odd(1)", "Odd(3)"])
class TruthThatIsCounted(Kernel):
    """The condition must be tested exactly once."""

    def on_item(self, item, emit):
        odd = Odd(item)
        if not odd:
            return emit.filtered(item)
        emit(repr(odd))


@kernel([1, 5, 2, 7, 7, 3], [(1, 1), (5, 4), (7, 2)])
class Walrus(Kernel):
    def __init__(self):
        self.top = 0

    def on_item(self, item, emit):
        if (ahead := item - self.top) > 0 and (top := max(self.top, item)):
            self.top = top
            return emit((item, ahead))
        emit.filtered(item)


# ---- match


@kernel(
    [("buy", 3), ("sell", 1), {"halt": True}, ["note", "a", "b"], 7, None, ("buy", -1)],
    [3, 2, "halted", ["a", "b"], "number 7", "nothing"],
    dropped=[("buy", -1)],
)
class Match(Kernel):
    def __init__(self):
        self.position = 0

    def on_item(self, item, emit):
        match item:
            case ("buy", qty) if qty > 0:
                self.position += qty
                emit(self.position)
            case ("sell", qty):
                self.position -= qty
                emit(self.position)
            case {"halt": True, **_rest}:
                emit("halted")
            case ["note", *words]:
                emit(words)
            case int() | float() as number:
                emit(f"number {number}")
            case None:
                emit("nothing")
            case _:
                emit.dropped(item, "unknown")


# ---- loops


@kernel([2, 9, 15, 7], [2, 3, 3, 7])
class ReturnInALoop(Kernel):
    def on_item(self, item, emit):
        for divisor in (2, 3, 5):
            if item % divisor == 0:
                return emit(divisor)
        return emit(item)


@kernel([4, 7, 12], [(4, False), (7, True), (12, False)])
class ForElse(Kernel):
    def on_item(self, item, emit):
        for n in range(2, item):
            if item % n == 0:
                is_prime = False
                break
        else:
            is_prime = True
        emit((item, is_prime))


@kernel([123, 105, 0], [[3, 2, 1], [5], []])
class WhileWithAWalrus(Kernel):
    """Emit the last digits, up to the first 0."""

    def on_item(self, item, emit):
        digits = []
        while digit := item % 10:
            digits.append(digit)
            item //= 10
            if item:
                continue
            break
        emit(digits)


@kernel([(1, [2, (3, [])]), 4], [[1, 2, 3], [4]])
class Recursion(Kernel):
    def flat(self, item):
        if isinstance(item, (tuple, list)):
            return [leaf for part in item for leaf in self.flat(part)]
        return [item]

    def on_item(self, item, emit):
        emit(self.flat(item))


# ---- try and with


@kernel([2, 0, 4], [(0.5, "else", 1), ("inf", 2), (0.25, "else", 3)])
class TryElseFinally(Kernel):
    def __init__(self):
        self.calls = 0

    def on_item(self, item, emit):
        try:
            value = 1 / item
        except ZeroDivisionError:
            out = ("inf",)
        else:
            out = (value, "else")
        finally:
            self.calls += 1
        emit((*out, self.calls))


@kernel([1, 2], [1, 2])
class EmitInFinally(Kernel):
    def on_item(self, item, emit):
        try:
            self.seen = item
        finally:
            emit(item)


@kernel(["a", "c", "b"], [1, 2], dropped=["c"])
class ReturnInsideSuppress(Kernel):
    names = {"a": 1, "b": 2}

    def on_item(self, item, emit):
        with suppress(KeyError):
            number = self.names[item]
            return emit(number)
        emit.dropped(item, "no number")


@kernel([1, 2, 3], [["in 1"], ["in 1", "out 1", "in 2"], ["in 1", "out 1", "in 2", "out 2", "in 3"]])
class ContextManager(Kernel):
    def __init__(self):
        self.log = []

    @contextmanager
    def noted(self, item):
        self.log.append(f"in {item}")
        yield self.log
        self.log.append(f"out {item}")

    def on_item(self, item, emit):
        with self.noted(item) as log:
            emit(list(log))


@kernel(["1", "x", "3"], [1, 3], dead=[("step0", "x", "TypeError('step 2')")])
class RaiseFrom(Kernel):
    def __init__(self):
        self.n = 0

    def on_item(self, item, emit):
        self.n += 1
        try:
            number = int(item)
        except ValueError as error:
            raise TypeError(f"step {self.n}") from error
        emit(number)


@kernel([1, -1, 2], [1, 3], dead=[("step0", -1, "BadItem('below 0')")])
class RefusesAnItem(Kernel):
    def __init__(self):
        self.total = 0

    def on_item(self, item, emit):
        if item < 0:
            raise rxdag.BadItem("below 0")
        self.total += item
        emit(self.total)


@kernel([1, 0, 2], [1, 2], dead=[("step0", 0, "AssertionError('must not be 0')")])
class Asserts(Kernel):
    def on_item(self, item, emit):
        assert item, "must not be 0"
        emit(item)


class SwallowsWhatEmitRaises(Kernel):
    """A kernel cannot catch a failure of the next node."""

    def on_item(self, item, emit):
        try:
            emit(item)
        except BaseException:
            emit.filtered(item)


program(
    "SwallowsWhatEmitRaises",
    lambda: [own(SwallowsWhatEmitRaises), mapped(lambda x: 10 // x, "dead")],
    [1, 0, 5],
    [10, 2],
    dead=[("step1", 0, "ZeroDivisionError('integer division or modulo by zero')")],
)
