"""Routes: one stream into several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self, TypeVar

from rxdag.contract import Emit, FirstCall, Kernel, RouteOp, Shape, flag
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, bound, check_field, getter
from rxdag.operators._arguments import TAKEN, checked_default, field_of
from rxdag.operators.routing._route_nodes import ConditionsKernel

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


class _EveryRouteKernel(Kernel):
    """Sends an item to the port of every condition that holds."""

    passes = False

    def __init__(self, conditions: tuple[tuple[str, Callable[[Any], Any]], ...], default: str | None) -> None:
        self._conditions: list[tuple[str, Callable[[Any], Any]]] = [
            (port, FirstCall(condition, f'route: predicate of "{port}"', partial(self._put, i)))
            for i, (port, condition) in enumerate(conditions)
        ]
        self._default = default

    def _put(self, i: int, condition: Callable[[Any], Any]) -> None:
        self._conditions[i] = (self._conditions[i][0], condition)

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        ports = [port for port, condition in self._conditions if condition(item)]
        if not ports and self._default is None:
            return emit.unrouted(item)
        emit.absorbed(1)
        for port in ports or (self._default or "",):
            emit.to(port, item)
        return None

    def in_columns(self) -> Kernel | str:
        return "an item can go several ways"


@dataclass(frozen=True)
class _Route(RouteOp[A]):
    routes: tuple[tuple[str, Field[A, bool]], ...]
    default: str | None
    multi: bool = False
    label = "route"

    @property
    def ports(self) -> tuple[str, ...]:
        rest = () if self.default is None else (self.default,)
        return (*(name for name, _ in self.routes), *rest, "dead")

    def check(self, shape: Shape, where: str) -> None:
        for name, predicate in self.routes:
            check_field(predicate, shape.item_type, f'{where}: predicate of "{name}"')

    def bound(self, shape: Shape) -> Self:
        return replace(self, routes=tuple((name, bound(fn, shape.item_type)) for name, fn in self.routes))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> Kernel:
        conditions = tuple((name, getter(predicate)) for name, predicate in self.routes)
        return (_EveryRouteKernel if self.multi else ConditionsKernel)(conditions, self.default)


def route(routes: Mapping[str, Field[A, bool]], /, *, default: str | None = None, multi: bool = False) -> RouteOp[A]:
    """Send each item to the first port whose predicate is true, or to all such ports.

    With `routes = stream.pipe(ops.route({"fx": is_fx}))`, `routes["fx"]` is a stream.

    Emits: every item on one port, with its event time and key; with `multi`, on each port that it matches.
    Drops: an item that matches no predicate goes to `default`; without `default`, it is counted as `unrouted`.
    Holds: nothing.
    Ends: when the source ends, on all ports. Fails: if a predicate raises, subject to the node's `on_error`.
    Clock: none.

    Args:
        routes: Predicates by port, tried in order: functions of the item, field names, or `col.<name>`. mypy
            accepts functions or expressions, but not both in one mapping.
        default: Port for items that match no predicate.
        multi: True to send an item to every port that it matches.

    Raises:
        GraphError: If there are no routes, a port occurs twice, has a reserved name such as "dead", or a
            predicate is invalid.

    Example:
        >>> routes = rxdag.from_source(sources.range(5)).pipe(ops.route({"even": lambda x: x % 2 == 0}, default="odd"))
        >>> routes["odd"].collect()
        [1, 3]
    """
    given: object = routes
    if not isinstance(given, Mapping):
        raise GraphError(f"route: routes must be a mapping of ports to predicates, got {shown(routes)}")
    if not routes:
        raise GraphError("route: must have one route or more, got none")
    checked_default(default, "route")
    if default in routes:
        raise GraphError(f'route: default must be a port of its own, got "{default}"')
    for name, predicate in routes.items():
        if not isinstance(name, str) or not name or name in TAKEN:
            raise GraphError(f"route: a port must have a name other than {', '.join(TAKEN)}, got {shown(name)}")
        check_field(predicate, None, f'route: predicate of "{name}"')
    return _Route(tuple(routes.items()), default, flag(multi, "route: multi"))


def split(condition: Field[A, bool], /) -> RouteOp[A]:
    """Send items to port "true" or "false" by a condition: RxPY's `partition`.

    Emits: every item on port "true" or on port "false", with its event time and key.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends, on both ports. Fails: if `condition` raises, subject to the node's `on_error`.
    Clock: none.

    Args:
        condition: A function of the item, a field name, or an expression.

    Raises:
        GraphError: If `condition` is invalid.

    Example:
        >>> parts = rxdag.from_source(sources.range(5)).pipe(ops.split(lambda x: x > 2))
        >>> parts["true"].collect(), parts["false"].collect()
        ([3, 4], [0, 1, 2])
    """
    return _Route((("true", field_of(condition, "split: condition")),), "false")
