"""Order books: the top of each book, from snapshots and changes."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from math import inf
from operator import index
from typing import Any, Final, NamedTuple, Self, TypeVar

from rxdag.contract import MAX, BadItem, Emit, Kernel, Operator, Shape, finite, whole
from rxdag.errors import shown
from rxdag.expressions import Field, bound, check_field, getter
from rxdag.operators import Gap

A = TypeVar("A")

_IS_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?").fullmatch

Level = tuple[float, float]
"""Price and size; size 0 removes the level."""


class BookTop(NamedTuple):
    """The best prices of a book, and the sizes available at them.

    Attributes:
        bid: Highest price of the buyers; None without buyers.
        bid_qty: Size at that price; 0 without buyers.
        ask: Lowest price of the sellers; None without sellers.
        ask_qty: Size at that price; 0 without sellers.
        sequence: Number of the last message applied to the book.
    """

    bid: float | None
    bid_qty: float
    ask: float | None
    ask_qty: float
    sequence: int


class _Side:
    """Sizes by price, and the prices in order."""

    __slots__ = ("prices", "sizes")

    def __init__(self) -> None:
        self.sizes: dict[float, float] = {}
        self.prices: list[float] = []

    def set(self, price: float, size: float) -> None:
        """Put a level, or take it away."""
        if not size:
            # Exchanges also remove levels that the book never had.
            if self.sizes.pop(price, None) is not None:
                del self.prices[bisect_left(self.prices, price)]
            return
        if price not in self.sizes:
            insort(self.prices, price)
        self.sizes[price] = size


class _Book:
    """The book of one key; without a snapshot it has no number, and changes wait for one."""

    __slots__ = ("asks", "bids", "number", "waiting")

    def __init__(self) -> None:
        self.number: int | None = None
        self.bids, self.asks = _Side(), _Side()
        self.waiting: deque[list[Any]] = deque()
        """Waiting changes: [message, item, ts, sequence, key]."""

    def top(self, number: int) -> BookTop:
        """Return the best price and size of both sides."""
        bid = self.bids.prices[-1] if self.bids.prices else None
        ask = self.asks.prices[0] if self.asks.prices else None
        bid_qty = 0.0 if bid is None else self.bids.sizes[bid]
        ask_qty = 0.0 if ask is None else self.asks.sizes[ask]
        return BookTop(bid, bid_qty, ask, ask_qty, number)


class _Message(NamedTuple):
    """The parsed content of a message."""

    is_snapshot: bool
    number: int
    previous: int
    bids: list[Level]
    asks: list[Level]


class _BookKernel(Kernel):
    """Books by key."""

    state = ("books",)
    derived = ("_n",)

    def __init__(self, read: Callable[[Any], _Message], max_pending: int) -> None:
        self._read = read
        self._max_pending = max_pending
        self.books: dict[Any, _Book] = {}
        self._n = 0

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        message = self._read(item)
        book = self.books.get(key)
        if book is None:
            book = self.books[key] = _Book()
        if message.is_snapshot:
            return self._begin(book, message, emit)
        if book.number is not None:
            if message.number <= book.number:
                return emit.dropped(item, "repeated")
            if message.previous <= book.number:
                return emit(self._changed(book, message))
            # Without the missing changes the book would be wrong, so it waits for a snapshot.
            gap = Gap(key, book.number + 1, message.previous)
            book.number, book.bids, book.asks = None, _Side(), _Side()
            emit.made(gap, ts=ts, sequence=sequence, key=key, port="gaps")
        book.waiting.append([message, item, ts, sequence, key])
        self._n += 1
        if len(book.waiting) > self._max_pending:
            _, oldest, *_ = book.waiting.popleft()
            self._n -= 1
            return emit.dropped(oldest, "no snapshot")
        return None

    def _changed(self, book: _Book, message: _Message) -> BookTop:
        for price, size in message.bids:
            book.bids.set(price, size)
        for price, size in message.asks:
            book.asks.set(price, size)
        book.number = message.number
        return book.top(message.number)

    def _begin(self, book: _Book, message: _Message, emit: Emit[Any]) -> None:
        """Restart from a snapshot, and apply the changes since."""
        book.bids, book.asks = _Side(), _Side()
        emit(self._changed(book, message))
        waiting, book.waiting = book.waiting, deque()
        self._n -= len(waiting)
        for change, held, ts, sequence, key in waiting:
            number: int | None = book.number
            if number is not None and change.number <= number:
                emit.dropped(held, "repeated")
            elif number is not None and change.previous <= number:
                emit(self._changed(book, change), ts=ts, sequence=sequence, key=key)
            else:
                if number is not None:
                    # Messages are missing again; this change and all later ones wait for another snapshot.
                    book.number, book.bids, book.asks = None, _Side(), _Side()
                    emit.made(Gap(key, number + 1, change.previous), ts=ts, sequence=sequence, key=key, port="gaps")
                book.waiting.append([change, held, ts, sequence, key])
                self._n += 1

    def low(self) -> int:
        if not self._n:  # asked after each item, whose cost must not grow with the number of books
            return MAX
        return min((row[2] for book in self.books.values() for row in book.waiting), default=MAX)

    def on_end(self, emit: Emit[Any]) -> None:
        for book in self.books.values():
            for _, item, *_ in book.waiting:
                emit.dropped(item, "no snapshot")
            book.waiting.clear()
        self._n = 0

    def held(self) -> int:
        return self._n

    def snapshot(self) -> dict[str, Any]:
        return {
            "books": [
                [
                    *(key, book.number, list(book.bids.sizes.items()), list(book.asks.sizes.items())),
                    [[list(message), *row] for message, *row in book.waiting],
                ]
                for key, book in self.books.items()
            ]
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.books = {}
        self._n = 0
        for key, number, bids, asks, waiting in saved["books"]:
            book = self.books[key] = _Book()
            book.number = number
            for side, levels in ((book.bids, bids), (book.asks, asks)):
                for price, size in levels:
                    side.set(price, size)
            book.waiting = deque([_Message(*message), *row] for message, *row in waiting)
            self._n += len(waiting)


@dataclass(frozen=True)
class _Reader:
    """Reads a message by the fields that the user has named."""

    is_snapshot: Callable[[Any], Any]
    sequence: Callable[[Any], Any]
    previous: Callable[[Any], Any] | None
    bids: Callable[[Any], Iterable[Level]]
    asks: Callable[[Any], Iterable[Level]]

    def __call__(self, item: Any) -> _Message:
        said = self.is_snapshot(item)
        if isinstance(said, str):  # every non-empty text is true
            raise BadItem(
                f"book_top: is_snapshot must be true or false, got {shown(said)}; compare the text with the one for "
                "a snapshot"
            )
        number = _whole(self.sequence(item), "sequence")
        previous = number - 1 if self.previous is None or said else _whole(self.previous(item), "previous")
        bids, asks = _levels(self.bids(item), "bids"), _levels(self.asks(item), "asks")
        return _Message(bool(said), number, previous, bids, asks)


def _whole(number: Any, name: str) -> int:
    try:
        return index(number)
    except TypeError:
        raise BadItem(f"book_top: {name} must be a whole number, got {shown(number)}") from None


def _is(value: Any, kinds: Any) -> bool:
    """Return whether an item is of a kind; unlike `isinstance`, it leaves the type Any."""
    return isinstance(value, kinds)


def _levels(levels: Any, name: str) -> list[Level]:
    if not _is(levels, Iterable) or _is(levels, (str, bytes, Mapping)):
        raise BadItem(f"book_top: {name} must be a list of levels, got {shown(levels)}")
    return [_level(level, name) for level in levels]


def _level(level: Any, name: str) -> Level:
    if level.__class__ is tuple and len(level) == 2:
        price, size = level
        if price.__class__ is float and size.__class__ is float and 0 < price < inf and 0 <= size < inf:
            return price, size
    try:
        if _is(level, (str, bytes, Mapping, Set)):
            raise TypeError
        price, size, *_ = level
    except (TypeError, ValueError):
        raise BadItem(f"book_top: each of {name} must be a price and a size, got {shown(level)}") from None
    price, size = _number(price, f"a price of {name}"), _number(size, f"a size of {name}")
    if price <= 0 or size < 0:
        raise BadItem(
            f"book_top: a level must be a price above 0 and a size of 0 or more, got {shown(price)}, {shown(size)}"
        )
    return price, size


def _number(value: Any, what: str) -> float:
    """Return a finite number; a text that is written as one is read, as exchanges send them."""
    is_text = isinstance(value, str) and _IS_NUMBER(value) is not None
    number: float = finite(float(value) if is_text else value, f"book_top: {what}")
    return number


_LEVELS: Final = ("bids", "asks")


@dataclass(frozen=True)
class _BookTop(Operator[A, BookTop]):
    is_snapshot: Field[A, bool]
    sequence: Field[A, int]
    previous: Field[A, int] | None
    bids: Field[A, Iterable[Level]]
    asks: Field[A, Iterable[Level]]
    max_pending: int
    label = "book_top"

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "gaps", "dead")

    def check(self, shape: Shape, where: str) -> None:
        for name in ("is_snapshot", "sequence", "previous", "bids", "asks"):
            if getattr(self, name) is not None:
                check_field(getattr(self, name), shape.item_type, f"{where}: {name}", generators=name in _LEVELS)

    def bound(self, shape: Shape) -> Self:
        names = ("is_snapshot", "sequence", "previous", "bids", "asks")
        fields = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(self, **{name: bound(field, shape.item_type) for name, field in fields.items()})

    def port_shape(self, port: str, shape: Shape) -> Shape:
        if port == "gaps":
            return replace(shape, item_type=Gap)
        return super().port_shape(port, shape)

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, item_type=BookTop)

    def kernel(self) -> _BookKernel:
        previous = None if self.previous is None else getter(self.previous)
        read = _Reader(getter(self.is_snapshot), getter(self.sequence), previous, getter(self.bids), getter(self.asks))
        return _BookKernel(read, self.max_pending)


def book_top(
    *,
    is_snapshot: Field[A, bool],
    sequence: Field[A, int],
    bids: Field[A, Iterable[Level]],
    asks: Field[A, Iterable[Level]],
    previous: Field[A, int] | None = None,
    max_pending: int = 1024,
) -> Operator[A, BookTop]:
    """Maintain an order book, and emit its best prices after each message.

    The book is built from snapshots and changes; a keyed stream has one book per key. A snapshot starts the book again,
    whatever its number, because that is how exchanges reset. Changes that arrive before a snapshot wait for it; those
    that it already includes are dropped. If a change does not follow on the book, messages are missing: the book is
    cleared, and nothing is emitted until the next snapshot.

    Emits: a `BookTop` for each message applied to a book, with the message's event time and key; the book may be
        crossed, and a side empty. On port "gaps", an `ops.Gap` if messages are missing, so that you can fetch a
        snapshot.
    Drops: a message that the book already includes, reason "repeated"; the oldest change if more than `max_pending`
        wait, and all waiting changes at the end, reason "no snapshot". A message with an invalid level goes to port
        "dead".
    Holds: the levels of each book; without a snapshot, up to `max_pending` changes per key.
    Ends: when the source ends. Fails: if a function raises, subject to the node's `on_error`; the books stay as they
        were.
    Clock: order of arrival; put `ops.arbitrate` before it if changes arrive out of order.

    Args:
        is_snapshot: True for a whole book: a field name, an expression or a function, as are all arguments that follow.
        sequence: Number of the message; for a message that combines several, the last. Binance: `u`, or `lastUpdateId`
            of a snapshot.
        bids: Changed levels of the buyers: price and size of each, as numbers or texts of numbers; size 0 removes a
            level. Further parts of a level are ignored. A snapshot has all levels.
        asks: The same for the sellers.
        previous: Number of the previous message; by default `sequence` less 1. Binance: `pu`, on spot `U` less 1.
        max_pending: Maximum number of changes of a key that wait for a snapshot, 1 or more.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> messages = [("all", 7, [(9.0, 1.0)], [(11.0, 2.0)]), ("change", 8, [(10.0, 5.0)], [])]
        >>> book = market.book_top(
        ...     is_snapshot=lambda m: m[0] == "all", sequence=lambda m: m[1], bids=lambda m: m[2], asks=lambda m: m[3]
        ... )
        >>> [(top.bid, top.ask) for top in feed(book, messages)]
        [(9.0, 11.0), (10.0, 11.0)]
    """
    given = {"is_snapshot": is_snapshot, "sequence": sequence, "bids": bids, "asks": asks, "previous": previous}
    for name, field in given.items():
        if field is not None or name != "previous":
            check_field(field, None, f"book_top: {name}", generators=name in _LEVELS)
    max_pending = whole(max_pending, "book_top: max_pending", least=1)
    return _BookTop(is_snapshot, sequence, previous, bids, asks, max_pending)
