"""Columns: a run of items as arrays, under a selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._blocks import Block, Bounds, without
from rxdag.columns._column import (
    Array,
    At,
    Coded,
    Column,
    bounds_of,
    in_order,
    is_array,
    objects_of,
    of_array,
    taken,
    values_of,
)
from rxdag.columns._keys import coded_key
from rxdag.columns._rows import SCALAR, columns_of_items, row_maker
from rxdag.columns._truth import truths_of
from rxdag.columns._value import Value
from rxdag.columns._vector import Vector
from rxdag.contract import RowFailed
from rxdag.errors import shown
from rxdag.expressions import ITEM, FieldReader


class Columns:
    """A run of items as columns; a column is gathered on first use.

    Attributes:
        names: Names of the fields, in order; one empty name if the items are not records.
        of: Type of the items; None for dicts.
        n: Number of items.
        ts: shape (n,), int64, event times in ns since the epoch; None on a stream without event time.
        sequence: shape (n,), int64 or objects, tie-break among equal times; None if there is none.
        key: Key of each item; None on a stream without keys.
        index: shape (n,), position of each item in the run that was split; None outside of a split.
        before: shape (n,), int64, the watermark before each item, ns; None if no node needs it.
    """

    __slots__ = ("_blocks", "_gathered", "_rows", "before", "index", "key", "n", "names", "of", "sequence", "ts")

    def __init__(self, blocks: tuple[Block, ...], n: int, names: tuple[str, ...], of: Any) -> None:
        self._blocks = blocks
        self._gathered: dict[str, Column] = {}
        self._rows: list[Any] | None = None
        self.n = n
        self.names = names
        self.of = of
        self.ts: NDArray[np.int64] | None = None
        self.sequence: Array | None = None
        self.key: Coded | None = None
        self.index: NDArray[np.intp] | None = None
        self.before: NDArray[np.int64] | None = None

    @classmethod
    def from_columns(cls, columns: dict[str, Column], of: Any = None) -> Columns:
        """Create from columns of equal length, by field name."""
        n = len(next(iter(columns.values()))) if columns else 0
        return cls((Block(columns),), n, tuple(columns), of)

    @classmethod
    def from_items(cls, items: list[Any], of: Any = None) -> Columns:
        """Return the columns of one or more items; `of` is their type, None for that of the first."""
        return cls.from_columns(columns_of_items(items, of), of or type(items[0]))

    @classmethod
    def of_objects(cls, items: list[Any]) -> Columns:
        """Create from items as one column of objects; expressions are evaluated item by item."""
        # np.array() would add a dimension for items that are sequences.
        objects = np.empty(len(items), object)
        objects[:] = items
        return cls((Block({ITEM: objects}),), len(items), SCALAR, None)

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, name: str, /) -> Column: ...
    @overload
    def __getitem__(self, rows: slice, /) -> Columns: ...
    def __getitem__(self, name: str | slice, /) -> Column | Columns:
        if isinstance(name, slice):
            start, stop, _ = name.indices(self.n)
            return self.take(slice(start, max(start, stop)))
        column = self._gathered.get(name)
        if column is None:
            block = self._block(name)
            column = block.columns[name]
            if block.at is not None:
                column = taken(column, block.at)
            self._gathered[name] = column
        return column

    def _block(self, name: str) -> Block:
        for block in self._blocks:
            if name in block.columns:
                return block
        raise KeyError(f'columns: field "{name}" is not known; the fields are {", ".join(self.names)}')

    def bounds(self, name: str) -> Bounds:
        """Return bounds of an int64 column; they are those of the array it was taken from, so perhaps too wide."""
        block = self._blocks[0] if len(self._blocks) == 1 else self._block(name)
        known = block.bounds.get(name)
        if known is None:
            known = block.bounds[name] = bounds_of(block.columns[name])
        return known

    def bounds_known(self) -> dict[str, Bounds]:
        """Return the bounds of the underlying arrays, shared with everything taken from them."""
        return self._blocks[0].bounds

    def take(self, at: At) -> Columns:
        """Return the items at those positions, in that order."""
        n = max(at.stop - at.start, 0) if isinstance(at, slice) else len(at)
        selected = Columns(tuple([block.take(at) for block in self._blocks]), n, self.names, self.of)
        selected.key = None if self.key is None else self.key[at]
        if self.ts is not None:
            selected.ts = of_array(self.ts, at)
        if self.sequence is not None:
            selected.sequence = of_array(self.sequence, at)
        if self.index is not None:
            selected.index = of_array(self.index, at)
        if self.before is not None:
            selected.before = of_array(self.before, at)
        return selected

    def where(self, mask: NDArray[np.bool_]) -> Columns:
        """Return the items for which the mask is true."""
        at = mask.nonzero()[0]
        return self if len(at) == self.n else self.take(at)

    def beside(self, other: Columns) -> Columns:
        """Return these columns with the times, keys and places of other columns of equal length."""
        self.ts, self.sequence, self.key, self.index = other.ts, other.sequence, other.key, other.index
        self.before = other.before
        return self

    def timed(self, ts: NDArray[np.int64], sequence: Array | None) -> Columns:
        """Return the same items with event times."""
        same = self._again()
        same.ts, same.sequence = ts, sequence
        return same

    def untimed(self) -> Columns:
        """Return the same items without event times."""
        same = self._again()
        same.ts = same.sequence = same.before = None
        return same

    def marked(self, before: NDArray[np.int64] | None) -> Columns:
        """Return the same items with the watermark before each."""
        same = self._again()
        same.before = before
        return same

    def bounded(self, least: int, most: int) -> Columns:
        """Return the same items where the watermark before each cannot be below `least` or above `most`."""
        before = self.before
        if before is None or (int(before[0]) >= least and int(before[-1]) <= most):
            return self
        return self.marked(np.clip(before, least, max(least, most)))

    def keyed(self, key: Coded | None) -> Columns:
        """Return the same items with keys."""
        same = self._again()
        same.key = key
        return same

    def placed(self) -> Columns:
        """Return the same items, which now remember their places."""
        same = self._again()
        same.index = np.arange(self.n)
        return same

    def _again(self) -> Columns:
        same = Columns(self._blocks, self.n, self.names, self.of).beside(self)
        # Shared, since the items are the same: a column gathered by one is available to the other.
        same._gathered = self._gathered
        same._rows = self._rows
        return same

    def __add__(self, other: Columns) -> Columns:
        """Concatenate with later items of the same stream."""
        from rxdag.columns._joins import joined  # it makes such columns

        return joined([self, other])

    def slice_of(self) -> tuple[Mapping[str, Column], slice] | None:
        """Return the arrays of which these items are a slice, and the slice; None if they are not one."""
        if len(self._blocks) != 1 or not isinstance(self._blocks[0].at, slice):
            return None
        return self._blocks[0].columns, self._blocks[0].at

    def measured(self, fn: Any) -> Value:
        """Return `values` with a lower and an upper bound; the bounds hold for ints only, and may be too wide."""
        return self._vector(fn).value(self)

    @staticmethod
    def _vector(fn: Any) -> Vector:
        if not isinstance(fn, FieldReader):
            raise TypeError(f"columns: takes an expression of fields, got {shown(fn)}")
        if fn.vector is None:
            fn.vector = Vector(fn.expr, fn)
        vector: Vector = fn.vector
        return vector

    def values(self, fn: Any) -> Column:
        """Return the value of an expression for each item.

        Args:
            fn: The reader of an expression, as `expressions.bound` makes it.

        Raises:
            RowFailed: If it raises for an item; at the first such item.
        """
        return self.measured(fn)[0]  # type: ignore[no-any-return]

    def ordinals(self, fn: Any) -> Array:
        """Return `values` as an array of numbers or of Python objects."""
        column = self.values(fn)
        return column if isinstance(column, np.ndarray) and column.dtype.kind in "if" else objects_of(column)

    def truths(self, fn: Any) -> NDArray[np.bool_]:
        """Return for which items an expression is true."""
        return truths_of(self.values(fn))

    def coded(self, fn: Any) -> Coded:
        """Return the keys of an expression, dictionary-coded.

        Raises:
            RowFailed: If it raises for an item, or its value is not hashable.
        """
        return coded_key(self, fn)

    def divided(self, conditions: list[Any]) -> tuple[list[Columns], Columns]:
        """Return the items of each condition, each item with the first that it meets, and the items that meet none.

        Raises:
            RowFailed: If a condition raises for an item.
        """
        meets = [self._certain(condition) for condition in conditions]
        ways = np.full(self.n, len(conditions), np.min_scalar_type(len(conditions)))
        if all(each is not None for each in meets):
            for way in reversed(range(len(conditions))):
                ways[meets[way]] = way
        else:
            left = np.arange(self.n)
            for way, condition in enumerate(conditions):
                try:
                    is_met = self.take(left).truths(condition)
                except RowFailed as failed:
                    # The index refers to the items that have met no condition so far.
                    raise RowFailed(int(left[failed.index]), failed.cause) from failed.cause
                ways[left[is_met]] = way
                left = left[~is_met]
        parts = self.split(ways, len(conditions) + 1)
        return parts[:-1], parts[-1]

    def _certain(self, condition: Any) -> NDArray[np.bool_] | None:
        """Return for which items an expression is true; None if numpy cannot tell for all of them."""
        value = self._vector(condition).certain(self)
        return truths_of(value[0]) if value is not None and is_array(value[0], "ifb") else None

    def split(self, ways: NDArray[Any], n: int) -> list[Columns]:
        """Return the items of each way, in order.

        Args:
            ways: shape (rows,), the way of each item, from 0.
            n: Number of ways.
        """
        sorted_ = self.take(in_order(ways))
        ends = np.cumsum(np.bincount(ways, minlength=n)).tolist()
        return [sorted_.take(slice(start, end)) for start, end in zip([0, *ends], ends, strict=False)]

    def mapped(self, fns: dict[str, Any], of: Any = None, *, keep: bool = False) -> Columns:
        """Return items with new columns computed by expressions; with `keep`, the old columns stay too."""
        new: dict[str, Column] = {}
        bounds: dict[str, Bounds] = {}
        for name, fn in fns.items():
            new[name], low, high = self.measured(fn)
            bounds[name] = (low, high)
        if not keep:
            return Columns((Block(new, None, bounds),), self.n, tuple(new), of).beside(self)
        return self.joined_with(new, of, bounds)

    def joined_with(self, new: dict[str, Column], of: Any = None, bounds: dict[str, Bounds] | None = None) -> Columns:
        """Return items of a type with further columns, which replace those of the same name."""
        names = tuple(dict.fromkeys((*self.names, *new)))
        kept = tuple(without(block, new) for block in self._blocks)
        return Columns((Block(new, None, bounds), *kept), self.n, names, of).beside(self)

    def rows(self) -> list[Any]:
        """Return the items."""
        if self._rows is None:
            self._rows = row_maker(self.of, self.names)([values_of(self[name]) for name in self.names])
        return self._rows

    def row(self, index: int) -> Any:
        """Return one item."""
        return self.take(slice(index, index + 1)).rows()[0]

    def times(self) -> list[int] | None:
        """Return the event times of the items, as ints."""
        return None if self.ts is None else self.ts.tolist()

    def sequences(self) -> list[int] | None:
        """Return the sequence numbers of the items; 0 where there is none."""
        if self.ts is None:
            return None
        return [0] * self.n if self.sequence is None else self.sequence.tolist()

    def keys(self) -> list[Any] | None:
        """Return the keys of the items."""
        return None if self.key is None else values_of(self.key)

    def beside_rows(self) -> tuple[list[int], list[Any], list[Any]]:
        """Return times, sequence numbers and keys as rows have them: 0 and None where there are none."""
        n = self.n
        return self.times() or [0] * n, self.sequences() or [0] * n, self.keys() or [None] * n

    def marks_before(self) -> list[int] | None:
        """Return the watermark before each item; None if it is the last one received."""
        return None if self.before is None else self.before.tolist()
