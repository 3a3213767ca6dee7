"""Nodes that send each item to one port, by conditions or by a key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from mypy_extensions import i64

from rxdag.contract import ColumnsEmit, Emit, FirstCall, Kernel, Splitter, first_call
from rxdag.engine import Exit, KernelNode
from rxdag.expressions import called, why_opaque

if TYPE_CHECKING:
    from rxdag.columns import Columns


class _RouteNode(KernelNode):
    """Sends an item to the exit that `way_of` finds; None counts it as unrouted."""

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_ended:
            self.unread += 1
            return
        if self.marks.some_idle:
            self.give_out(self.marks.wake(0))
        try:
            way = self.way_of(item)
        except BaseException as error:
            self.bury(item, self.blamed(item, error), 1)
            return
        if way is not None:
            self.passed += 1
            way.n += 1
            if self.blocked > self.free:
                # give() counts it.
                way.n -= 1
                self.give(way, item, ts, sequence, key)
            else:
                way.out.push(item, ts, sequence, key)
            return
        self.unrouted += 1
        self.note_loss()
        aside = self.ports.get("unrouted")
        if aside is not None:
            self.give(aside, item, ts, sequence, key)

    def way_of(self, item: Any) -> Exit | None:
        """Return the exit of an item."""
        raise NotImplementedError


class ConditionsNode(_RouteNode):
    """Sends each item to the port of the first condition that holds."""

    def open(self) -> None:
        super().open()
        kernel = self.kernel
        assert isinstance(kernel, ConditionsKernel)
        self.ways: list[tuple[Exit, Callable[[Any], Any]]] = [
            (self.ports[port], FirstCall(called(condition), f'route: predicate of "{port}"', partial(self.put_way, i)))
            for i, (port, condition) in enumerate(kernel.conditions)
        ]
        self.otherwise: Exit | None = None if kernel.default is None else self.ports[kernel.default]

    def put_way(self, i: int, condition: Callable[[Any], Any]) -> None:
        """Put a condition in its place, now that its first result was looked at."""
        self.ways[i] = (self.ways[i][0], condition)

    def way_of(self, item: Any) -> Exit | None:
        for way, condition in self.ways:
            if condition(item):
                return way
        return self.otherwise


class ConditionsKernel(Splitter):
    """Sends each item to the port of the first condition that holds, else to `default`.

    Args:
        conditions: Pairs of port and condition, in order.
        default: Port for items that meet no condition; None to count them as unrouted.
    """

    node = ConditionsNode

    def __init__(self, conditions: tuple[tuple[str, Callable[[Any], Any]], ...], default: str | None) -> None:
        self.conditions = conditions
        self.default = default

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        for port, condition in self.conditions:
            if condition(item):
                return emit.to(port, item)
        if self.default is None:
            return emit.unrouted(item)
        return emit.to(self.default, item)

    def in_columns(self) -> Kernel | str:
        return why_opaque(*(condition for _, condition in self.conditions)) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        parts, rest = columns.divided([condition for _, condition in self.conditions])
        for (port, _), part in zip(self.conditions, parts, strict=True):
            emit.to(port, part)
        if self.default is None:
            emit.unrouted(len(rest))
        else:
            emit.to(self.default, rest)


class RouteByNode(_RouteNode):
    """Sends each item to the port of its key."""

    def open(self) -> None:
        super().open()
        kernel = self.kernel
        assert isinstance(kernel, RouteByKernel)
        self.key_of: Callable[[Any], Any] = first_call(called(kernel.key_of), "route_by: key", self, "key_of")
        self.ways: dict[Any, Exit] = {value: self.ports[port] for value, port in kernel.port_of.items()}
        self.otherwise: Exit | None = None if kernel.default is None else self.ports[kernel.default]

    def way_of(self, item: Any) -> Exit | None:
        way = self.ways.get(self.key_of(item))
        return self.otherwise if way is None else way


class RouteByKernel(Splitter):
    """Sends each item to the port of its key, else to `default`."""

    node = RouteByNode

    def __init__(self, key_of: Callable[[Any], Any], port_of: dict[Any, str], default: str | None) -> None:
        self.key_of = key_of
        self.port_of = port_of
        self.default = default

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        port = self.port_of.get(self.key_of(item), self.default)
        if port is None:
            return emit.unrouted(item)
        return emit.to(port, item)

    def in_columns(self) -> Kernel | str:
        return why_opaque(self.key_of) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        from rxdag.columns import ways_of  # it loads numpy

        ports = [*self.port_of.values(), self.default]
        ways = {key: way for way, key in enumerate(self.port_of)}
        taken = ways_of(columns.coded(self.key_of), lambda key: ways.get(key, len(ways)))
        for port, part in zip(ports, columns.split(taken, len(ports)), strict=True):
            if port is None:
                emit.unrouted(len(part))
            else:
                emit.to(port, part)
