"""Columns: a run of items as arrays, under a selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import Array, At, Coded, Column, bounds_of, concatenate, objects_of, taken, values_of
from rxdag.columns._keys import coded_key
from rxdag.columns._rows import SCALAR, columns_of_items, row_maker
from rxdag.columns._truth import truths_of
from rxdag.columns._value import Value
from rxdag.columns._vector import Vector
from rxdag.contract import RowFailed
from rxdag.expressions import ITEM, Reader

Bounds = tuple[int, int]


class Block:
    """Columns of equal length that have one selection in common.

    Args:
        columns: By name.
        at: Which rows of them; None for all.
        bounds: Least and largest value of int64 columns, as far as they are known.
    """

    __slots__ = ("at", "bounds", "columns")

    def __init__(
        self, columns: dict[str, Column], at: At | None = None, bounds: dict[str, Bounds] | None = None
    ) -> None:
        self.columns = columns
        self.at = at
        self.bounds: dict[str, Bounds] = {} if bounds is None else bounds

    def take(self, at: At) -> Block:
        """The rows at those positions of the selection."""
        mine = self.at
        if mine is None:
            composed: At = at
        elif isinstance(mine, slice):
            composed = slice(mine.start + at.start, mine.start + at.stop) if isinstance(at, slice) else at + mine.start
        else:
            composed = mine[at]
        return Block(self.columns, composed, self.bounds)


class Columns:
    """A run of items as columns; a column is gathered when it is first asked for.

    Attributes:
        names: Of the fields, in order; one empty name if the items are no records.
        of: Type of the items; None for dicts.
        n: How many items.
        ts: shape (n,), int64, event times in ns since the epoch; None on a stream without event time.
        sequence: shape (n,), int64 or objects, tie-break among equal times; None if there is none.
        key: Key of each item; None on a stream without keys.
        index: shape (n,), position of each item in the run that was split; None outside of a split.
        before: shape (n,), int64, the watermark that holds before each item, ns; None if nobody reads it.
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
        """Columns of equal length, by the name of their field."""
        n = len(next(iter(columns.values()))) if columns else 0
        return cls((Block(columns),), n, tuple(columns), of)

    @classmethod
    def from_items(cls, items: list[Any], of: Any = None) -> Columns:
        """The columns of one item or more."""
        return cls.from_columns(columns_of_items(items, of), of or type(items[0]))

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
        raise KeyError(f'columns: no field "{name}"; there are {", ".join(self.names)}')

    def bounds(self, name: str) -> Bounds:
        """Two values between which an int64 column lies: of the whole it was taken from, so perhaps wider."""
        block = self._blocks[0] if len(self._blocks) == 1 else self._block(name)
        known = block.bounds.get(name)
        if known is None:
            known = block.bounds[name] = bounds_of(block.columns[name])
        return known

    def bounds_known(self) -> dict[str, Bounds]:
        """The bounds of the arrays below, shared with all that is taken from them."""
        return self._blocks[0].bounds

    def take(self, at: At) -> Columns:
        """The items at those positions, in that order."""
        n = max(at.stop - at.start, 0) if isinstance(at, slice) else len(at)
        taken = Columns(tuple(block.take(at) for block in self._blocks), n, self.names, self.of)
        taken.ts = None if self.ts is None else self.ts[at]
        taken.sequence = None if self.sequence is None else self.sequence[at]
        taken.key = None if self.key is None else self.key[at]
        if self.index is not None:
            taken.index = self.index[at]
        if self.before is not None:
            taken.before = self.before[at]
        return taken

    def where(self, mask: NDArray[np.bool_]) -> Columns:
        """The items for which the mask is true."""
        at = mask.nonzero()[0]
        return self if len(at) == self.n else self.take(at)

    def beside(self, other: Columns) -> Columns:
        """These columns with the times, keys and places of the other, one for one."""
        self.ts, self.sequence, self.key, self.index = other.ts, other.sequence, other.key, other.index
        self.before = other.before
        return self

    def timed(self, ts: NDArray[np.int64], sequence: Array | None) -> Columns:
        """The same items with event times."""
        same = self._again()
        same.ts, same.sequence = ts, sequence
        return same

    def untimed(self) -> Columns:
        """The same items without event times."""
        same = self._again()
        same.ts = same.sequence = same.before = None
        return same

    def marked(self, before: NDArray[np.int64] | None) -> Columns:
        """The same items with the watermark that holds before each."""
        same = self._again()
        same.before = before
        return same

    def keyed(self, key: Coded | None) -> Columns:
        """The same items with keys."""
        same = self._again()
        same.key = key
        return same

    def placed(self) -> Columns:
        """The same items, which now remember their places."""
        same = self._again()
        same.index = np.arange(self.n)
        return same

    def _again(self) -> Columns:
        same = Columns(self._blocks, self.n, self.names, self.of).beside(self)
        same._gathered = self._gathered
        same._rows = self._rows
        return same

    def __add__(self, other: Columns) -> Columns:
        """These items and behind them the others, of the same stream."""
        return joined([self, other])

    def slice_of(self) -> tuple[dict[str, Column], slice] | None:
        """The arrays and the slice of them that this is, if it is one."""
        if len(self._blocks) != 1 or not isinstance(self._blocks[0].at, slice):
            return None
        return self._blocks[0].columns, self._blocks[0].at

    def _value(self, fn: Any) -> Value:
        if not isinstance(fn, Reader):
            raise TypeError(f"columns: takes an expression of fields, got {fn!r}")
        if fn.vector is None:
            fn.vector = Vector(fn.expr, fn)
        value: Value = fn.vector.value(self)
        return value

    def values(self, fn: Any) -> Column:
        """What an expression gives for each item.

        Args:
            fn: The reader of an expression, as `expressions.bound` makes it.

        Raises:
            RowFailed: If it raises for an item, of the first such.
        """
        return self._value(fn)[0]  # type: ignore[no-any-return]

    def ordinals(self, fn: Any) -> Array:
        """As `values`, as an array of numbers or of Python objects."""
        column = self.values(fn)
        return column if isinstance(column, np.ndarray) and column.dtype.kind in "if" else objects_of(column)

    def truths(self, fn: Any) -> NDArray[np.bool_]:
        """For which items an expression is true."""
        return truths_of(self.values(fn))

    def coded(self, fn: Any) -> Coded:
        """Keys that an expression gives, each as its position among those that there are.

        Raises:
            RowFailed: If it raises for an item, or gives what cannot be a key.
        """
        return coded_key(self, fn)

    def divided(self, conditions: list[Any]) -> tuple[list[Columns], Columns]:
        """For each condition the items that meet it and none before it; and those that meet none.

        Raises:
            RowFailed: If a condition raises for an item.
        """
        places = np.arange(self.n)
        rest = self
        parts: list[Columns] = []
        for condition in conditions:
            try:
                meets = rest.truths(condition)
            except RowFailed as failed:
                raise RowFailed(int(places[failed.index]), failed.cause) from failed.cause
            parts.append(rest.where(meets))
            rest, places = rest.where(~meets), places[~meets]
        return parts, rest

    def mapped(self, fns: dict[str, Any], of: Any = None, *, keep: bool = False) -> Columns:
        """Items of new columns, by name, which expressions give; with `keep` the old ones stay beside them."""
        new: dict[str, Column] = {}
        bounds: dict[str, Bounds] = {}
        for name, fn in fns.items():
            new[name], low, high = self._value(fn)
            bounds[name] = (low, high)
        if not keep:
            return Columns((Block(new, None, bounds),), self.n, tuple(new), of).beside(self)
        names = tuple(dict.fromkeys((*self.names, *new)))
        kept = tuple(_without(block, new) for block in self._blocks)
        return Columns((Block(new, None, bounds), *kept), self.n, names, of).beside(self)

    def rows(self) -> list[Any]:
        """The items."""
        if self._rows is None:
            self._rows = row_maker(self.of, self.names)([values_of(self[name]) for name in self.names])
        return self._rows

    def row(self, index: int) -> Any:
        """One item."""
        return self.take(slice(index, index + 1)).rows()[0]

    def times(self) -> list[int] | None:
        """Event times of the items, as ints."""
        return None if self.ts is None else self.ts.tolist()

    def sequences(self) -> list[int] | None:
        """Tie-breaks of the items; 0 where there is none."""
        if self.ts is None:
            return None
        return [0] * self.n if self.sequence is None else self.sequence.tolist()

    def keys(self) -> list[Any] | None:
        """Keys of the items."""
        return None if self.key is None else values_of(self.key)


def _without(block: Block, names: dict[str, Any]) -> Block:
    if not any(name in block.columns for name in names):
        return block
    return Block({k: v for k, v in block.columns.items() if k not in names}, block.at, block.bounds)


def joined(parts: Sequence[Columns]) -> Columns:
    """The items of several runs of one stream, one behind the other."""
    first = parts[0]
    n = sum(part.n for part in parts)
    block = _one_slice(parts) or Block({name: concatenate([part[name] for part in parts]) for name in first.names})
    whole = Columns((block,), n, first.names, first.of)
    if first.ts is not None:
        whole.ts = np.concatenate([part.ts for part in parts if part.ts is not None])
        whole.sequence = _sequences(parts)
    if first.key is not None:
        key = concatenate([part.key for part in parts if part.key is not None])
        whole.key = key if isinstance(key, Coded) else None
    before = [part.before for part in parts if part.before is not None]
    if len(before) == len(parts):
        whole.before = np.concatenate(before)
    return whole


def _one_slice(parts: Sequence[Columns]) -> Block | None:
    """The parts as one slice, if each comes right behind the one before in the same arrays: nothing is copied then."""
    slices = [part.slice_of() for part in parts]
    first = slices[0]
    if first is None:
        return None
    columns, at = first
    stop = at.stop
    for each in slices[1:]:
        if each is None or each[0] is not columns or each[1].start != stop:
            return None
        stop = each[1].stop
    return Block(columns, slice(at.start, stop), parts[0].bounds_known())


def _sequences(parts: Sequence[Columns]) -> Array | None:
    """The tie-breaks of several runs; 0 where one has none."""
    if all(part.sequence is None for part in parts):
        return None
    return np.concatenate([np.zeros(part.n, np.int64) if part.sequence is None else part.sequence for part in parts])


def rejoined(parts: list[Columns]) -> Columns:
    """The parts of a run that was split, in the order in which the run came; items at one place in that of the parts."""
    if len(parts) == 1:
        return parts[0]
    if any(part.names != parts[0].names or part.of is not parts[0].of for part in parts):
        parts = [_as_objects(part) for part in parts]
    first = parts[0]
    index = np.concatenate([part.index for part in parts if part.index is not None])
    n = len(index)
    order = np.argsort(index.astype(np.uint16) if n <= 1 << 16 else index, kind="stable")
    shared = _shared(parts, order)
    names = {name for block in shared for name in block.columns}
    loose = {name: concatenate([part[name] for part in parts])[order] for name in first.names if name not in names}
    joined = Columns((Block(loose), *shared) if loose else shared, n, first.names, first.of)
    joined.index = index[order]
    if all(part.ts is not None for part in parts):
        joined.ts = np.concatenate([part.ts for part in parts if part.ts is not None])[order]
    sequence = _sequences(parts)
    joined.sequence = None if sequence is None else sequence[order]
    before = [part.before for part in parts if part.before is not None]
    if len(before) == len(parts):
        joined.before = np.concatenate(before)[order]
    return joined


def _shared(parts: list[Columns], order: NDArray[np.intp]) -> tuple[Block, ...]:
    """Blocks that all parts still have in common: they are gathered when somebody asks."""
    found: list[Block] = []
    for block in parts[0]._blocks:  # pyright: ignore[reportPrivateUsage]  # of one file
        same = [next((b for b in part._blocks if b.columns is block.columns), None) for part in parts]  # pyright: ignore[reportPrivateUsage]
        at = [b.at for b in same if b is not None and isinstance(b.at, np.ndarray)]
        if len(at) == len(parts) and block.columns:
            found.append(Block(block.columns, np.concatenate(at)[order], block.bounds))
    return tuple(found)


def _as_objects(columns: Columns) -> Columns:
    """The same items as one column: what has not the same fields can still stand in one stream."""
    items = np.empty(columns.n, object)
    items[:] = columns.rows()
    return Columns((Block({ITEM: items}),), columns.n, SCALAR, None).beside(columns)
