"""The host of a region of rows: runs its generated loops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any

from rxdag.compiler._host import RunContext
from rxdag.compiler._ledger import SIDES, Ledger
from rxdag.compiler._region_host import Member, RegionEnded, RegionHost, Row
from rxdag.compiler._weave import Loop, Woven
from rxdag.contract import Chunk, Kernel, OnError
from rxdag.schedulers import Segment


class LoopHost(RegionHost):
    """Runs the generated loops of a region.

    Args:
        woven: The loops.
        makes: Make the kernel of each node.
        segment: Where it runs.
        context: Of the run.
        policies: What each node does with an item on which its user code fails.
    """

    def __init__(
        self,
        woven: Woven,
        makes: dict[str, Callable[[], Kernel]],
        segment: Segment,
        context: RunContext,
        policies: dict[str, OnError],
    ) -> None:
        super().__init__(woven.plan, makes, segment, context, policies)
        self._woven = woven
        self._counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        """What left a node other than by its main port, by node and exit."""
        self._last_error: Exception | None = None
        """What the region ended with: it comes by again on its way out of branches within branches."""
        self._entry = self.members[self.names[0]]
        self._loops: dict[str, Loop] = {}

    def open(self) -> None:
        super().open()
        self._bind()

    def _bind(self) -> None:
        kernels = tuple(member.kernel for member in self.members.values())
        emits = tuple(member.emit for member in self.members.values())
        self._loops = {
            where: make(kernels, emits, self.exits, self._woven.constants, self._counts, partial(self._fault, where))
            for where, make in self._woven.makes.items()
        }

    def restart(self) -> None:
        super().restart()
        self._bind()

    def receive(self, input: int, chunk: Chunk) -> None:
        is_plain = chunk.ts is None and chunk.key is None and not chunk.marks
        if not is_plain or self.is_ended or self._marks.some_idle or self._woven.fast is not None:
            super().receive(input, chunk)
            return
        # The same as what that does, for items alone: an item that comes by itself is through sooner.
        self._entry.ledger.arrived += len(chunk.items)
        try:
            self._drive(self.names[0], chunk.items)
        except RegionEnded:
            return
        if not self.is_ended:
            self.flush()

    def take(self, input: int, chunk: Chunk) -> None:
        items, marks = chunk.items, chunk.marks
        self._entry.ledger.arrived += len(items)
        if self._woven.fast is not None and not marks and self._comprehended(items):
            return
        rows = rows_of(chunk)
        try:
            at = 0
            for position, mark in marks:
                if position > at:
                    self.wake(input)
                    self._drive(self.names[0], islice(rows, position - at))
                    at = position
                self.mark(input, mark)
            if at < len(items):
                if self._marks.some_idle:
                    self.wake(input)
                self._drive(self.names[0], rows)
        except RegionEnded:
            self._entry.ledger.discarded += sum(1 for _ in rows)

    def _comprehended(self, items: list[Any]) -> bool:
        """Work on plain items at once; False if one of them fails, which the loop will find."""
        fast = self._woven.fast
        if fast is None:
            return False
        try:
            made = fast(items, self._woven.constants, self._counts)
        except Exception:  # nothing has been counted or sent
            return False
        outlet = self.exits[self._woven.fast_exit]
        outlet.items = [*outlet.items, *made] if outlet.items else made
        return True

    def _drive(self, where: str, rows: Iterable[Row]) -> None:
        """Run a loop over rows; an item on which a node fails is dealt with, and the loop goes on behind it."""
        iterator = iter(rows)
        try:
            self._loops[where](iterator)
        except Exception as error:
            self._go_on(where, iterator, error)

    def _go_on(self, where: str, rows: Iterator[Row], error: Exception) -> None:
        """Deal with the item on which a loop has failed, and go on behind it."""
        while self._fault(where, error):
            try:
                self._loops[where](rows)
            except Exception as another:
                error = another
            else:
                return
        self._discard_rows(where, rows)
        raise RegionEnded from None

    def _discard_rows(self, where: str, rows: Iterator[Row]) -> None:
        """What a loop has pulled and not looked at; what comes behind a window's output is its reader's loss."""
        left = sum(1 for _ in rows)
        name = where.removesuffix(".out") if where != self.names[0] else None
        reader = self.names[0] if name is None else self.region.after[name, "out"][0]
        self.members[reader].ledger.discarded += left

    def _fault(self, where: str, error: Exception) -> bool:
        """Deal with the item on which a node failed; False if the region has failed. Once for each error."""
        if error is self._last_error:
            return False
        name, item, trace = self._where(where, error)
        if isinstance(error, RegionEnded):
            # The item at hand got as far as the node whose watermark brought the failure.
            self.members[name].ledger.discarded += 1
            self._last_error = error
            return False
        error.__traceback__ = trace.tb_next or trace
        if self.bury_of(self.members[name], item, self._as_called(name, trace, error)):
            return True
        self._last_error = error
        return False

    def _where(self, where: str, error: Exception) -> tuple[str, Any, TracebackType]:
        """The node, by the line of the loop, and the item, by its local."""
        trace = error.__traceback__
        code = self._loops[where].__code__
        while trace is not None and trace.tb_frame.f_code is not code:
            trace = trace.tb_next
        if trace is None:
            raise error
        line = trace.tb_lineno - 1
        return self._woven.nodes[line], trace.tb_frame.f_locals.get(self._woven.inputs[line]), trace

    def _as_called(self, name: str, trace: TracebackType, error: Exception) -> Exception:
        """The error as the user's function raises it: one that is written into the loop has no frame of its own there."""
        found = trace.tb_frame.f_locals
        for fn, arguments in self._woven.inlined.get(name, ()):
            if all(a in found for a in arguments):
                try:
                    fn(*(found[a] for a in arguments))
                except Exception as again:
                    again.__context__ = error.__context__
                    again.__traceback__ = again.__traceback__ and again.__traceback__.tb_next
                    return again
        return error

    def release(self, member: Member) -> None:
        rows, member.rows[:] = list(member.rows), []
        if rows:
            self._drive(f"{member.name}.out", rows)

    # ---- books

    def books(self) -> list[tuple[str, Ledger, dict[str, str]]]:
        """Ledger of each node: what came in, from what left the node before it; what went out, from the exits."""
        plan = self.region
        sent: dict[tuple[str, str], int] = {}
        out: list[tuple[str, Ledger, dict[str, str]]] = []
        for name, member in self.members.items():
            ledger = member.ledger.copy()
            before = [port for port, readers in plan.after.items() if name in readers]
            ledger.arrived += sum(sent.get(port, 0) for port in before)
            ports: dict[str, int] = {}
            for (owner, exit_), n in tuple(self._counts.items()):  # another thread may look
                if owner != name:
                    continue
                if exit_.startswith("to "):
                    ports[exit_[3:]] = n
                elif exit_.startswith("dropped "):
                    ledger.drop(exit_[8:], n)
                else:
                    setattr(ledger, exit_, getattr(ledger, exit_) + n)
            ledger.held = 0 if self._is_discarded else member.kernel.held()
            if member.passes:
                ledger.passed = ledger.arrived - ledger.spent_otherwise
            main = ports or {"out": ledger.passed + ledger.made}
            sent |= {(name, port): n for port, n in main.items()}
            real = {port: outlet.out for (owner, port), outlet in self.exits.items() if owner == name}
            left = {port: getattr(ledger, count) for port, count in SIDES.items()}
            ledger.out = {**main, **left, **real}
            out.append((name, ledger, SIDES))
        return out


def rows_of(chunk: Chunk) -> Iterator[Row]:
    """The items of a chunk, each with its time, sequence and key if it has them."""
    if chunk.ts is None and chunk.key is None:
        return iter(chunk.items)
    columns: list[list[Any]] = [chunk.items]
    if chunk.ts is not None and chunk.sequence is not None:
        columns += [chunk.ts, chunk.sequence]
    if chunk.key is not None:
        columns.append(chunk.key)
    return iter(zip(*columns, strict=True))
