"""The share of one of several workers that run the same graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rxdag.contract import ColumnsEmit, Emit, Kernel, Operator, Shape
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, bound, check_field, getter, why_opaque
from rxdag.operators._arguments import field_of
from rxdag.operators._first_read import first_read
from rxdag.operators.routing._partition import HASHES, Hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rxdag.columns import Columns

A = TypeVar("A")


class _ShardKernel(Kernel):
    derived = ("_names", "_is_mine")

    def __init__(self, worker: int, workers: int, key_of: Callable[[Any], Any], hash_by: Hash) -> None:
        self._worker = worker
        self._workers = workers
        self._key_of = first_read(key_of, "shard: key", self, "_key_of")
        self._hash_of = HASHES[hash_by]
        self._names: Sequence[Any] = ()
        """Dictionary of the last column of keys."""
        self._is_mine: NDArray[np.bool_] | None = None
        """shape (names + 1,): True for the names of that dictionary that belong to this worker, then the same for None."""

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        if not self._takes(self._key_of(item)):
            return emit.filtered(item)
        emit(item)
        return None

    def _takes(self, key: Any) -> bool:
        return self._hash_of(key) % self._workers == self._worker

    def in_columns(self) -> Kernel | str:
        return why_opaque(self._key_of) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        mine = self._mine(columns)
        n = int(mine.sum())
        emit.filtered(columns.n - n)
        if n:
            emit(columns.where(mine))

    def _mine(self, columns: Columns) -> NDArray[np.bool_]:
        """Return which items belong to this worker.

        Raises:
            RowFailed: If a key has no hash, such as a text that UTF-8 lacks.
        """
        from rxdag.columns import coded_texts, ways_of  # they load numpy

        keys = coded_texts(columns, self._key_of)
        is_mine = self._of_names(keys.names)
        return ways_of(keys, self._takes).astype(bool) if is_mine is None else is_mine.take(keys.codes)

    def _of_names(self, names: Sequence[Any]) -> NDArray[np.bool_] | None:
        """Return which names belong to this worker, then the same for None; None if names that no item has may matter."""
        import numpy as np

        if isinstance(names, range):  # most of them may be unused
            return None
        # A dictionary is shared by the runs of a source, and may grow: each of its names is hashed once.
        is_mine = self._is_mine
        if is_mine is None or names is not self._names or len(names) >= len(is_mine):
            try:
                is_mine = np.array([self._takes(name) for name in (*names, None)], np.bool_)
            except Exception:  # by the `str` of a name, which may be unused
                return None
            self._names, self._is_mine = names, is_mine
        return is_mine


@dataclass(frozen=True)
class _Shard(Operator[A, A]):
    key: Field[A, Any]
    hash_by: Hash
    worker: int = 0
    workers: int = 1
    label = "shard"

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.key, shape.item_type, f"{where}: key")

    def bound(self, shape: Shape) -> Self:
        return replace(self, key=bound(self.key, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def shard(self, worker: int, workers: int) -> Self:
        return replace(self, worker=worker, workers=workers)

    def kernel(self) -> _ShardKernel:
        return _ShardKernel(self.worker, self.workers, getter(self.key), self.hash_by)


def shard(key: Field[A, Any], /, *, hash_fn: Hash = "murmur3_32") -> Operator[A, A]:
    """Pass the items that belong to this worker, when several run the same graph.

    Start the workers with `dag.shard(0, 3)` or `rxdag run --shard 0/3`. All items of a key go to worker number
    `hash(key) % workers`, on any machine, as in `ops.partition`. Placed directly behind the source, it saves the most
    work. Placed behind `event_time`, every worker sees the watermarks of all items, so the number of workers does not
    change which items are late: together, the outputs of all workers equal those of a single one.

    Emits: the items of this worker's keys, with their event time and key; all items if there is one worker.
    Drops: items of other workers, counted as filtered.
    Holds: nothing.
    Ends: when the source ends. Fails: if `key` raises, subject to the node's `on_error`.
    Clock: none.

    Args:
        key: A function of the item, a field name, or an expression.
        hash_fn: See `ops.partition`.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> words = rxdag.from_source(sources.iterable(["AAPL", "MSFT"])).pipe(ops.shard(lambda word: word))
        >>> dag = rxdag.Dag(words.to(sinks.collect(), name="out"))
        >>> rxdag.run(dag)["out"], [rxdag.run(dag.shard(worker, 2))["out"] for worker in (0, 1)]
        (['AAPL', 'MSFT'], [['MSFT'], ['AAPL']])
    """
    if hash_fn not in tuple(HASHES):
        raise GraphError(f"shard: hash_fn must be one of {', '.join(HASHES)}, got {shown(hash_fn)}")
    return _Shard(field_of(key, "shard: key"), hash_fn)
