"""The common part of the kernels of event_time: they read times, and remember the unit found for numbers."""

from __future__ import annotations

from typing import Any, ClassVar

from rxdag.contract import Kernel
from rxdag.operators.time._time_reader import TimeReader


class StampingKernel(Kernel):
    """Reads times, and logs a change of their unit.

    Args:
        reader: Reads the times.
    """

    derived: ClassVar[tuple[str, ...]] = ("found",)

    def __init__(self, reader: TimeReader) -> None:
        self.reader = reader
        self.finds_unit = reader.finds_unit
        self.unit: str = ""
        """Unit of the last number, if it is found by magnitude; empty for none."""
        self.found: str = ""
        """Unit of the number that was read last, until the item is taken."""

    def read(self, value: Any) -> int:
        """Return a time as ns since the epoch."""
        ts = self.reader.ns(value)
        if self.finds_unit:
            self.found = self.reader.unit_of(value)
        return ts

    def take_unit(self, emit: Any) -> None:
        """Remember the unit of the number that was read last."""
        if self.found and self.found != self.unit:
            before, self.unit = self.unit, self.found
            if before:
                emit.tell("unit.changed", before=before, after=self.unit)

    def take_units(self, column: Any, emit: Any) -> None:
        """Remember the unit of the last number of a column."""
        if self.finds_unit:
            for unit in self.reader.units(column):
                self.found = unit
                self.take_unit(emit)
