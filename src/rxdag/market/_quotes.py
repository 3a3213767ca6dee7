"""Prices of quotes, and the aggressor of trades, as expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar, overload

from rxdag.contract import Emit, Kernel, Operator, Shape, check_function, finite
from rxdag.errors import GraphError, shown
from rxdag.expressions import Expr, Field, as_expr, bound, check_field, check_number, col, getter

A = TypeVar("A")
B = TypeVar("B")


def _field(value: str | Expr, where: str) -> Expr:
    if isinstance(value, str):
        return col[value]
    given: object = value
    if not isinstance(given, Expr):
        raise GraphError(f"{where} must be a field's name or an expression, got {shown(given)}")
    return as_expr(given)


def mid(bid: str | Expr = "bid", ask: str | Expr = "ask", /) -> Expr:
    """Return the mid price: halfway between bid and ask.

    Args:
        bid: A field name or an expression.
        ask: A field name or an expression.

    Raises:
        GraphError: If an argument is neither.

    Example:
        >>> market.mid()
        (col.bid + col.ask) / 2
    """
    return (_field(bid, "mid: bid") + _field(ask, "mid: ask")) / 2


def spread(bid: str | Expr = "bid", ask: str | Expr = "ask", /) -> Expr:
    """Return ask less bid, in units of the price; below 0 for a crossed quote.

    Args:
        bid: A field name or an expression.
        ask: A field name or an expression.

    Raises:
        GraphError: If an argument is neither.

    Example:
        >>> market.spread()
        col.ask - col.bid
    """
    return _field(ask, "spread: ask") - _field(bid, "spread: bid")


def microprice(
    bid: str | Expr = "bid",
    bid_qty: str | Expr = "bid_qty",
    ask: str | Expr = "ask",
    ask_qty: str | Expr = "ask_qty",
    /,
) -> Expr:
    """Return the price between bid and ask, weighted by the size of the other side.

    It is nearer to the side with the smaller size. If both sizes are 0, the division by zero is subject to the node's
    `on_error`.

    Args:
        bid: A field name or an expression.
        bid_qty: A field name or an expression.
        ask: A field name or an expression.
        ask_qty: A field name or an expression.

    Raises:
        GraphError: If an argument is neither.

    Example:
        >>> quotes = rxdag.from_source(sources.iterable([{"bid": 10.0, "bid_qty": 3.0, "ask": 11.0, "ask_qty": 1.0}]))
        >>> quotes.pipe(ops.map(market.microprice())).collect()
        [10.75]
    """
    bid_size, ask_size = _field(bid_qty, "microprice: bid_qty"), _field(ask_qty, "microprice: ask_qty")
    total = _field(bid, "microprice: bid") * ask_size + _field(ask, "microprice: ask") * bid_size
    return total / (bid_size + ask_size)


class _TickKernel(Kernel):
    """The last price of each key, and the sign of its last change."""

    state = ("last",)

    def __init__(self, price: Callable[[Any], Any], into: Callable[[Any, int], Any] | None) -> None:
        self._price = price
        self._into = into
        self.last: dict[Any, tuple[Any, int]] = {}

    def on_item(self, item: Any, key: Any, emit: Emit[Any]) -> None:
        price = finite(self._price(item), "tick_rule: price")
        last = self.last.get(key)
        sign = 0
        if last is not None:
            before, sign = last
            if price > before:
                sign = 1
            elif price < before:
                sign = -1
        made = (item, sign) if self._into is None else self._into(item, sign)
        self.last[key] = price, sign
        emit(made)

    def snapshot(self) -> dict[str, Any]:
        return {"last": [[key, *last] for key, last in self.last.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.last = {key: (price, sign) for key, price, sign in saved["last"]}


@dataclass(frozen=True)
class _TickRule(Operator[A, B]):
    price: Field[A, float]
    into: Callable[[A, int], B] | None
    label = "tick_rule"

    def check(self, shape: Shape, where: str) -> None:
        check_number(self.price, shape.item_type, f"{where}: price")

    def bound(self, shape: Shape) -> Self:
        return replace(self, price=bound(self.price, shape.item_type))

    def kernel(self) -> _TickKernel:
        return _TickKernel(getter(self.price), self.into)


@overload
def tick_rule(price: Field[A, float], /) -> Operator[A, tuple[A, int]]: ...
@overload
def tick_rule(price: Field[A, float], /, *, into: Callable[[A, int], B]) -> Operator[A, B]: ...
def tick_rule(price: Any, /, *, into: Any = None) -> Any:
    """Classify each trade as buyer- or seller-initiated, by the tick rule.

    The rule (Lee and Ready 1991): a buyer initiated the trade if its price is above the last different price.

    Emits: `(item, sign)`, or `into(item, sign)`, with the item's event time and key. The sign is 1 for a buyer, -1 for
        a seller, 0 while the price has not changed yet. On a keyed stream, each key is separate.
    Drops: an item whose price is not a finite number, such as a text, goes to port "dead".
    Holds: one price per key.
    Ends: when the source ends. Fails: if `price` or `into` raises, subject to the node's `on_error`.
    Clock: order of arrival; put `rxdag.merge_sorted` before it if that is not the order of the trades.

    Args:
        price: A number per item: a field name, an expression or a function.
        into: A function of the item and the sign.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(market.tick_rule(lambda p: p, into=lambda p, sign: sign), [10, 10, 11, 11, 9])
        [0, 0, 1, 1, -1]
    """
    check_field(price, None, "tick_rule: price")
    if into is not None and not callable(into):
        raise GraphError(f"tick_rule: into must be a function of the item and the sign, got {shown(into)}")
    if into is not None:
        check_function(into, "tick_rule: into", "the item", "the sign")
    return _TickRule[Any, Any](price, into)
