"""The law about positions: a source that is continued gives the rest of what it gives without a break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from rxdag.codec import Codec
from rxdag.contract import (
    Chunk,
    Read,
    Reader,
    ReaderAround,
    Source,
    SourceAround,
    SourceContext,
    SourceContextAround,
)
from rxdag.testing._check import LawBroken

LAW: Final = "continues"
_SEEDS: Final = 8
_SIZES: Final = (1, 2, 5, 20, 100)
"""Sizes of chunks to choose from."""
_CODEC: Final = Codec()

Outputs = Callable[[Source[Any], int, int], list[Any]]
"""Runs a source and returns its items, given the maximum number of them and the seed."""


class _NotedReader(ReaderAround):
    """Reads chunks of drawn sizes; notes the position, as bytes, when it is opened and after each of them."""

    def __init__(self, reader: Reader, source: Noted) -> None:
        super().__init__(reader)
        if source.start is not None:
            reader.seek(_CODEC.decode(source.start))
        self._notes = source.notes
        self._random = Random(source.seed)
        self._n = 0
        self._note()

    def read(self, max_items: int) -> Read:
        read = super().read(min(max_items, self._random.choice(_SIZES)))
        if isinstance(read, Chunk):
            read = read.rows()
            self._n += len(read)
        if read is not None:
            self._note()
        return read

    def _note(self) -> None:
        position = self.reader.position()
        self._notes.append((self._n, None if position is None else _CODEC.encode(position, where="position")))


@dataclass(frozen=True)
class Noted(SourceAround[Any]):
    """A source whose positions are noted.

    Args:
        source: The source.
        seed: Seed of the sizes of chunks.
        start: Position at which it is continued, as bytes; None for its beginning.
        columns: True if its reader works on columns.
        notes: Number of items before each position, and the position.
    """

    source: Source[Any]
    seed: int
    start: bytes | None = None
    columns: bool = False
    notes: list[tuple[int, bytes | None]] = field(default_factory=lambda: list[tuple[int, bytes | None]]())
    gives_columns = False  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]  # they become rows here

    def open(self, context: SourceContext) -> Reader:
        lane = SourceContextAround(context)
        lane.wants_columns = self.columns
        return _NotedReader(self.source.open(lane), self)


def check_positions(make: Callable[[], Source[Any]], items: list[Any], most: int, outputs: Outputs) -> None:
    """Check that a source continues at its positions, or says that it has none.

    Args:
        make: Creates the source.
        items: Its first items, without a break.
        most: Maximum number of items.
        outputs: Runs a source.

    Raises:
        LawBroken: If it does not.
    """
    source = make()
    if source.no_position is not None:
        _check_reason(source, most, outputs)
        return
    for seed in range(1, _SEEDS + 1):
        before, after = ((seed & 1) > 0, (seed & 2) > 0) if source.gives_columns else (False, False)
        first = Noted(make(), seed, columns=before)
        _compare(outputs(first, most, seed), items, f"with positions taken, seed {seed}")
        points = [note for note in first.notes if note[0] < most]
        chosen = Random(seed).choice(points)
        for n, position in (points[0], chosen, points[-1]):
            if position is None:
                raise LawBroken(
                    f"{LAW}: position() of a source whose no_position is None must not return None, after {n} items, "
                    f"seed {seed}"
                )
            rest = outputs(Noted(make(), -seed, position, after), most - n, seed + _SEEDS)
            _compare(rest, items[n:], f"continued after {n} items, {_lanes(before, after)}seed {seed}")


def _check_reason(source: Source[Any], most: int, outputs: Outputs) -> None:
    noted = Noted(source, 0)
    outputs(noted, most, 0)
    if source.no_position == Source.no_position and any(position is not None for _, position in noted.notes):
        raise LawBroken(f"{LAW}: no_position of a source whose reader has a position must be None; set it in the class")


def _lanes(before: bool, after: bool) -> str:
    names = {False: "rows", True: "columns"}
    return f"{names[before]} then {names[after]}, " if before or after else ""


def _compare(got: list[Any], expected: list[Any], how: str) -> None:
    if got == expected or repr(got) == repr(expected):  # NaN is not equal to itself; its text is
        return
    at = next((i for i, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), None)
    where = (
        f"{min(len(got), len(expected))}, where one ends" if at is None else f"{at}: {got[at]!r} and {expected[at]!r}"
    )
    raise LawBroken(f"{LAW}: {how}: gave {len(got)} items, not {len(expected)}; they differ at {where}")
