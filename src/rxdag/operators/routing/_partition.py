"""Routes by key: into numbered parts, or by the value itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

from rxdag.contract import ColumnsEmit, Emit, Kernel, RouteOp, Shape, Splitter, whole
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, bound, called, check_field, getter, why_opaque
from rxdag.operators._arguments import TAKEN, checked_default, field_of
from rxdag.operators._first_read import first_read
from rxdag.operators.routing._route_nodes import RouteByKernel

if TYPE_CHECKING:
    from rxdag.columns import Columns

A = TypeVar("A")

Hash = Literal["murmur3_32", "murmur3_64"]


class _PartitionKernel(Splitter):
    def __init__(self, n: int, key_of: Callable[[Any], Any], hash_by: Hash) -> None:
        self._n = n
        self._given = key_of
        self._key_of = first_read(called(key_of), "partition: key", self, "_key_of")
        self._hash_of = HASHES[hash_by]

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        emit.to(str(self._way_of(self._key_of(item))), item)

    def _way_of(self, key: Any) -> int:
        return self._hash_of(key) % self._n

    def in_columns(self) -> Kernel | str:
        return why_opaque(self._given) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        from rxdag.columns import coded_texts, ways_of  # they load numpy

        ways = ways_of(coded_texts(columns, self._given), self._way_of)
        for way, part in enumerate(columns.split(ways, self._n)):
            emit.to(str(way), part)


def _murmur3_32(key: object) -> int:
    import mmh3  # a compiled package, loaded on first use

    return mmh3.hash(str(key).encode(), 0, signed=False)


def _murmur3_64(key: object) -> int:
    import mmh3  # a compiled package, loaded on first use

    # Encoded here, since mmh3 crashes on a text that UTF-8 lacks.
    return mmh3.hash64(str(key).encode(), signed=False)[0] & 0x7FFFFFFF


HASHES: Final[dict[Hash, Callable[[object], int]]] = {"murmur3_32": _murmur3_32, "murmur3_64": _murmur3_64}


@dataclass(frozen=True)
class _Partition(RouteOp[A]):
    n: int
    key: Field[A, Any]
    hash_by: Hash
    label = "partition"

    @cached_property
    def ports(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]  # a property that is kept
        return (*(str(i) for i in range(self.n)), "dead")

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.key, shape.item_type, f"{where}: key")

    def bound(self, shape: Shape) -> Self:
        return replace(self, key=bound(self.key, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _PartitionKernel:
        return _PartitionKernel(self.n, getter(self.key), self.hash_by)


def partition(n: int, key: Field[A, Any], /, *, hash_fn: Hash = "murmur3_32") -> RouteOp[A]:
    """Send each item to one of `n` ports by its key.

    Items of the same key always go to the same port. With `parts = stream.pipe(ops.partition(4, "symbol"))`,
    `parts["0"]` to `parts["3"]` are streams. The port is the MurmurHash3 (x86, 32 bits, seed 0, unsigned) of the key's
    text in UTF-8, modulo `n`, so other processes and languages compute the same port.

    Emits: every item on one port, with its event time and key.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends, on all ports. Fails: if `key` raises, subject to the node's `on_error`.
    Clock: none.

    Args:
        n: Number of ports, 1 or more.
        key: A function of the item, a field name, or an expression.
        hash_fn: "murmur3_64" to match `partition_by_key` of market-data-pipeline: the low 31 bits of the first half of
            MurmurHash3 (x64, 128 bits, seed 0).

    Raises:
        GraphError: If `n` is less than 1, or another argument is invalid.

    Example:
        >>> parts = rxdag.from_source(sources.iterable(["AAPL", "MSFT"])).pipe(ops.partition(8, lambda symbol: symbol))
        >>> parts["7"].collect()
        ['AAPL']
    """
    if hash_fn not in tuple(HASHES):
        raise GraphError(f"partition: hash_fn must be one of {', '.join(HASHES)}, got {shown(hash_fn)}")
    return _Partition(whole(n, "partition: n", least=1), field_of(key, "partition: key"), hash_fn)


@dataclass(frozen=True)
class _RouteBy(RouteOp[A]):
    key: Field[A, Any]
    values: tuple[Hashable, ...]
    default: str | None
    label = "route_by"

    @cached_property
    def ports(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]  # a property that is kept
        rest = () if self.default is None else (self.default,)
        return (*(str(value) for value in self.values), *rest, "dead")

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.key, shape.item_type, f"{where}: key")

    def bound(self, shape: Shape) -> Self:
        return replace(self, key=bound(self.key, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> RouteByKernel:
        return RouteByKernel(getter(self.key), {value: str(value) for value in self.values}, self.default)


def route_by(key: Field[A, Any], values: Sequence[Hashable], /, *, default: str | None = None) -> RouteOp[A]:
    """Send each item to the port named after its key.

    This takes one lookup, however many ports there are. With
    `venues = stream.pipe(ops.route_by("venue", ["binance", "coinbase"]))`, `venues["binance"]` is a stream.

    Emits: every item on one port, with its event time and key.
    Drops: an item whose key is not in `values` goes to `default`; without `default`, it is counted as `unrouted`.
    Holds: nothing.
    Ends: when the source ends, on all ports. Fails: if `key` raises, subject to the node's `on_error`.
    Clock: none.

    Args:
        key: A function of the item, a field name, or an expression.
        values: Keys that have a port, which is named by the key's text.
        default: Port for items with any other key.

    Raises:
        GraphError: If there are no values, two have the same name, a name is "dead" or another reserved port name, or
            `key` is invalid.

    Example:
        >>> parts = rxdag.from_source(sources.iterable(["ab", "b", "c"])).pipe(
        ...     ops.route_by(lambda word: word[0], ["a", "b"], default="rest")
        ... )
        >>> parts["a"].collect(), parts["rest"].collect()
        (['ab'], ['c'])
    """
    checked_default(default, "route_by")
    names = [str(value) for value in values]
    if not names:
        raise GraphError("route_by: must have one value or more, got none")
    wrong = [name for name in names if not name or name in (*TAKEN, default) or names.count(name) > 1]
    if wrong:
        raise GraphError(
            f"route_by: each value must have a name of its own, other than {', '.join(TAKEN)} and the default, got {shown(wrong[0])}"
        )
    return _RouteBy(field_of(key, "route_by: key"), tuple(values), default)
