"""The exits of a kernel, as user code sees them: open only while a method of the kernel runs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, Final

from mypy_extensions import i64

from rxdag.contract import MAX, MIN, BadProgram
from rxdag.engine._node import Exit
from rxdag.errors import shown

if TYPE_CHECKING:
    from rxdag.engine._calling_node import CallingNode

_KEEP: Final = object()


class KernelEmit:
    """The exits of a kernel, into the node that holds it."""

    def __init__(self, node: CallingNode) -> None:
        self._node = node
        self.given: i64 = -1
        """-1 while emit is closed; else 2 if the current call has passed the item, 1 if it has emitted something else."""
        self.item: Any = None
        self.ts: Any = 0
        self.sequence: Any = 0
        self.key: Any = None
        self.now: Any = 0
        self.input: Any = 0

    def _check(self) -> None:
        if self.given < 0:
            raise RuntimeError(
                f'node "{self._node.name}": emit must be called while a method of its kernel runs, got a later call; '
                f"emit inside the method, or keep the item and emit it in on_timer, on_watermark or on_end"
            )

    def _again(self) -> None:
        """Keep the further outputs of this call in the node if the run wants the thread back."""
        self._check()
        if self._node.domain.must_give_back():
            self._node.rest_on()

    def _give(self, exit_: Exit, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        # True unless it is 0: only the first output of a call skips the checks.
        if self.given:
            self._again()
        else:
            self.given = 1
        self._node.give(exit_, item, ts, sequence, key)

    # Keyword-only parameters would make a compiled call slow, so `other` stands where a second positional one goes.
    def __call__(
        self, item: Any, other: Any = _KEEP, /, ts: Any = _KEEP, sequence: Any = _KEEP, key: Any = _KEEP
    ) -> None:
        if self.given:
            self._again()
        node = self._node
        if other is not _KEEP:
            raise TypeError(
                f'node "{node.name}": emit takes one item by position, got {shown(other)} as well; '
                f"pass ts, sequence and key by name"
            )
        self.given = 1
        main = node.main
        if main is None:
            raise BadProgram(f'node "{node.name}" has no port "out"; its kernel must use emit.to(port, item)')
        time = self.ts if ts is _KEEP else self._time(ts)  # may raise, so it comes before any output
        if node.passes:
            self.given = 2
            node.passed += 1
        else:
            node.made += 1
        node.give(
            main,
            item,
            time,
            self.sequence if sequence is _KEEP else sequence,
            self.key if key is _KEEP else key,
        )

    def make(self, item: Any, ts: i64, key: Any) -> None:
        """Emit an item other than those that came in; the fast path of kernels that know this class."""
        if self.given < 0:
            self._check()
        node = self._node
        main = node.main
        if main is not None:
            node.made += 1
            node.give(main, item, ts, 0, key)

    def make_some(self, items: list[Any], ts: i64, keys: list[Any]) -> int:
        """Emit items other than those that came in, all at one time, until the rest should wait; return how many."""
        if self.given < 0:
            self._check()
        node = self._node
        main = node.main
        n: i64 = len(items)
        if main is None:
            return int(n)
        i: i64 = 0
        while i < n:
            node.made += 1
            node.give(main, items[i], ts, 0, keys[i])
            i += 1
            if node.blocked > node.free or node.domain.must_give_back():
                break
        return int(i)

    def must_pause(self) -> bool:
        """Return True if the rest should wait: there is no room, or the run needs the thread."""
        node = self._node
        return node.blocked > node.free or node.domain.must_give_back()

    def must_give_back(self) -> bool:
        """Return True if the run wants the thread back."""
        return self._node.domain.must_give_back()

    def is_over(self) -> bool:
        """Return True if no node takes the outputs of this exit any more."""
        node = self._node
        return node.is_ended or (node.domain.stop and not node.run.may_succeed)

    def _time(self, ts: Any) -> int:
        """Return an event time as an int that fits; None stands for none."""
        if ts is None:
            return 0
        value = index(ts)
        if not MIN < value < MAX:
            raise OverflowError(
                f'node "{self._node.name}": an event time must be ns since the epoch in 64 bits, got {value}'
            )
        return value

    def many(self, items: Sequence[Any], /, *, ts: Sequence[int], key: Sequence[Hashable] | None = None) -> None:
        """Send several items out."""
        for i, item in enumerate(items):
            self(item, ts=ts[i], sequence=0, key=None if key is None else key[i])

    def to(self, port: str, item: Any, /) -> None:
        """Send the current item to another port."""
        self._check()
        node = self._node
        exit_ = self._exit(port)
        if node.passes:
            node.passed += 1
        else:
            node.made += 1
        self._give(exit_, item, self.ts, self.sequence, self.key)
        if node.passes:
            self.given = 2

    def _exit(self, port: str) -> Exit:
        exit_ = self._node.ports.get(port)
        if exit_ is None:
            raise BadProgram(f'node "{self._node.name}" has no port "{port}"')
        return exit_

    def made(self, item: Any, /, *, ts: int, sequence: int, key: Any, port: str = "out") -> None:
        """Emit an item other than those that came in."""
        self._check()
        exit_ = self._exit(port)
        time = self._time(ts)
        self._node.made += 1
        if exit_ is not self._node.main:  # its outputs may report a loss, such as a gap
            self._node.note_loss()
        self._give(exit_, item, time, sequence, key)

    def watermark(self, watermark: int, /) -> None:
        """Send a watermark out."""
        self._check()
        self._node.give_mark(watermark)

    def absorbed(self, n: int, /) -> None:
        """Count items that were held and are spent."""
        self._check()
        self._node.absorbed += n

    def filtered(self, item: object, /) -> None:
        """Count the current item as left out."""
        self._check()
        self._node.filtered += 1

    def dropped(self, item: object, reason: str, /) -> None:
        """Count an item as dropped; it goes to port "dropped" if that is read."""
        self._check()
        self._node.note_drop(reason, 1)
        self._leave("dropped", item)

    def late(self, item: object, /) -> None:
        """Count the current item as late; it goes to port "late"."""
        self._check()
        self._node.late += 1
        self._node.note_loss()
        self._leave("late", item)

    def unassigned(self, item: object, /) -> None:
        """Count the current item as belonging to no window."""
        self._check()
        self._node.unassigned += 1
        self._node.note_loss()
        self._leave("unassigned", item)

    def unrouted(self, item: object, /) -> None:
        """Count the current item as belonging to no route."""
        self._check()
        self._node.unrouted += 1
        self._node.note_loss()
        self._leave("unrouted", item)

    def _leave(self, port: str, item: object) -> None:
        exit_ = self._node.ports.get(port)
        if exit_ is not None:
            self._give(exit_, item, self.ts, self.sequence, self.key)

    def tell(self, code: str, **fields: object) -> None:
        """Log a documented event of the node; for kernels that know this class."""
        self._node.run.events.tell(code, self._node.name, **fields)

    def snapshot(self) -> tuple[int, Any, Any]:
        """Return time, sequence and key of the last item: outputs at a timer or at the end have them unless given others."""
        return self.ts, self.sequence, self.key

    def restore(self, saved: tuple[int, Any, Any]) -> None:
        """Restore the result of `snapshot`."""
        self.ts, self.sequence, self.key = saved
