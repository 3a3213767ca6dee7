"""Joins of runs of one stream: one after the other, or in the order before they were split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._blocks import Block, positions
from rxdag.columns._column import Array, Coded, concatenate, in_order
from rxdag.columns._columns import Columns


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the concatenation of several runs of one stream.

    Times and keys are kept if all runs have them; rows from a snapshot have both, whatever the stream has.
    """
    parts = _in_one_form(parts)
    first = parts[0]
    n = sum(part.n for part in parts)
    block = _one_slice(parts)
    if block is None:
        block = Block({name: concatenate([part[name] for part in parts]) for name in first.names})
    whole = Columns((block,), n, first.names, first.of)
    times = [part.ts for part in parts if part.ts is not None]
    if len(times) == len(parts):
        whole.ts = np.concatenate(times)
        whole.sequence = _sequences(parts)
    keys = [part.key for part in parts if part.key is not None]
    if len(keys) == len(parts):
        key = concatenate(keys)
        whole.key = key if isinstance(key, Coded) else None
    before = [part.before for part in parts if part.before is not None]
    if len(before) == len(parts):
        whole.before = np.concatenate(before)
    return whole


def _one_slice(parts: Sequence[Columns]) -> Block | None:
    """Return the parts as one slice if they are adjacent in the same arrays; nothing is copied then."""
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
    """Return the sequence numbers of several runs; 0 where a run has none."""
    if all(part.sequence is None for part in parts):
        return None
    return np.concatenate([np.zeros(part.n, np.int64) if part.sequence is None else part.sequence for part in parts])


def rejoined(parts: Sequence[Columns]) -> Columns:
    """Return the parts of a run that was split, in the order of the run; at one place, in the order of the parts."""
    if len(parts) == 1:
        return parts[0]
    parts = _in_one_form(parts)
    first = parts[0]
    index = np.concatenate([part.index for part in parts if part.index is not None])
    n = len(index)
    order = in_order(index)
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


def parted(columns: Columns, place: int) -> tuple[Columns, Columns]:
    """Return the items of a split run that precede a place in it, and the others."""
    index: Any = columns.index
    return columns.where(index < place), columns.where(index >= place)


def _shared(parts: Sequence[Columns], order: NDArray[np.intp]) -> tuple[Block, ...]:
    """Return the blocks that all parts share; they are gathered on first use."""
    found: list[Block] = []
    for block in parts[0]._blocks:  # pyright: ignore[reportPrivateUsage]  # of one file
        same = [next((b for b in part._blocks if b.columns is block.columns), None) for part in parts]  # pyright: ignore[reportPrivateUsage]
        at = [positions(b.at, part.n) for b, part in zip(same, parts, strict=True) if b is not None]
        if len(at) == len(parts) and block.columns:
            found.append(Block(block.columns, np.concatenate(at)[order], block.bounds))
    return tuple(found)


def _in_one_form(parts: Sequence[Columns]) -> Sequence[Columns]:
    """Return the parts, as one column of objects each if their fields differ."""
    first = parts[0]
    if all(part.names == first.names and part.of is first.of for part in parts):
        return parts
    return [Columns.of_objects(part.rows()).beside(part) for part in parts]
