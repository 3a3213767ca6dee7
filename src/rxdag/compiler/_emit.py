"""The exits of a kernel, into the outlets and the ledger of its host."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, Protocol

from rxdag.compiler._host import Outlet
from rxdag.compiler._ledger import Ledger

_KEEP: Final = object()


class EmitHost(Protocol):
    """What the exits need of a host."""

    name: str
    ledger: Ledger
    outlets: dict[str, Any]
    passes: bool

    def mark(self, watermark: int) -> None:
        """The node says that a watermark is reached."""
        ...


class HostEmit:
    """The exits of a kernel, into outlets and ledger."""

    __slots__ = ("_host", "_ledger", "_main", "input", "item", "key", "now", "sequence", "ts")

    def __init__(self, host: EmitHost) -> None:
        self._host = host
        self._ledger = host.ledger
        self._main: Outlet | None = None
        self.item: Any = None
        self.ts: int = 0
        self.sequence: int = 0
        self.key: Any = None
        self.now = 0
        self.input = 0

    def open(self) -> None:
        self._main = self._host.outlets.get("out")

    def __call__(self, item: Any, /, *, ts: Any = _KEEP, sequence: Any = _KEEP, key: Any = _KEEP) -> None:
        if self._main is None:
            raise TypeError(f'node "{self._host.name}" has no port "out"; its kernel must use emit.to(port, item)')
        self._put(self._main, item, ts, sequence, key)

    def _put(self, outlet: Outlet, item: Any, ts: Any = _KEEP, sequence: Any = _KEEP, key: Any = _KEEP) -> None:
        if self._host.passes:
            self._ledger.passed += 1
        else:
            self._ledger.made += 1
        outlet.put(
            item,
            self.ts if ts is _KEEP else ts,
            self.sequence if sequence is _KEEP else sequence,
            self.key if key is _KEEP else key,
        )

    def many(self, items: Sequence[Any], /, *, ts: Sequence[int], key: Sequence[Hashable] | None = None) -> None:
        for i, item in enumerate(items):
            self(item, ts=ts[i], sequence=0, key=None if key is None else key[i])

    def to(self, port: str, item: Any, /) -> None:
        self._put(self._outlet(port), item)

    def _outlet(self, port: str) -> Outlet:
        outlet: Outlet | None = self._host.outlets.get(port)
        if outlet is None:
            raise TypeError(f'node "{self._host.name}" has no port "{port}"')
        return outlet

    def made(self, item: Any, /, *, ts: int, sequence: int, key: Any, port: str = "out") -> None:
        outlet = self._outlet(port)
        self._ledger.made += 1
        outlet.put(item, ts, sequence, key)

    def watermark(self, watermark: int, /) -> None:
        self._host.mark(watermark)

    def absorbed(self, n: int, /) -> None:
        self._ledger.absorbed += n

    def filtered(self, item: object, /) -> None:
        self._ledger.filtered += 1

    def dropped(self, item: object, reason: str, /) -> None:
        self._ledger.drop(reason)
        self._leave("dropped", item)

    def _leave(self, port: str, item: object) -> None:
        outlet = self._host.outlets.get(port)
        if outlet is not None:
            outlet.put(item, self.ts, self.sequence, self.key)

    def late(self, item: object, /) -> None:
        self._ledger.late += 1
        self._leave("late", item)

    def unassigned(self, item: object, /) -> None:
        self._ledger.unassigned += 1
        self._leave("unassigned", item)

    def unrouted(self, item: object, /) -> None:
        self._ledger.unrouted += 1
        self._leave("unrouted", item)


def caller(
    kernel: Any, parameters: tuple[str, ...], emit: HostEmit, *, in_clock_time: bool = False
) -> Callable[[], None]:
    """A call of `on_item` with what it takes of the item at hand; `ts` is the clock's time where it is asked for."""
    on_item = kernel.on_item
    names = tuple("now" if name == "ts" else name for name in parameters) if in_clock_time else parameters
    if names == ("item", "emit"):
        return lambda: on_item(emit.item, emit)
    if names == ("item", "ts", "emit"):
        return lambda: on_item(emit.item, emit.ts, emit)
    if names == ("item", "ts", "sequence", "key", "emit"):
        return lambda: on_item(emit.item, emit.ts, emit.sequence, emit.key, emit)
    values = tuple(name for name in names if name != "emit")
    tail = (emit,) if "emit" in names else ()
    return lambda: on_item(*[getattr(emit, name) for name in values], *tail)
