"""Sinks that write files: what they have in common, whatever the format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from rxdag.contract import NOT_TAKEN_BACK, Delivery, Shape, Sink, Visible
from rxdag.sinks._file_names import PathPart, numbered, parts_of
from rxdag.sinks._numbered import left_of, of_worker
from rxdag.sinks._places import check_parts
from rxdag.sinks._roll import Roll
from rxdag.sinks._whole_file import is_stream


@dataclass(frozen=True)
class FileSink(Sink[object, int]):
    """One file, or numbered ones.

    Attributes:
        path: Path, with the parts that the items decide on.
        roll: When a file is complete and the next one begins; None for one file.
        append: True to continue the file or the numbering.
        max_open: Maximum number of files open at once.
    """

    path: str
    roll: Roll | None
    append: bool
    max_open: int
    adjustable = ("max_open",)
    why_repeats = NOT_TAKEN_BACK

    @property
    def visible(self) -> Visible:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # by roll
        return "at the end" if self.roll is None else "at checkpoints"

    def shard(self, worker: int, workers: int) -> Self:
        return replace(self, path=of_worker(self.path, worker))

    @property
    def replaces(self) -> str:
        return self.path if self.roll is None else numbered(self.path, "*")

    @property
    def delivery(self) -> Delivery:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # by path
        return "at least once" if self.roll is None and is_stream(self.path) else "exactly once"

    @property
    def parts(self) -> tuple[PathPart, ...]:
        """Return the parts of the path that the items decide on."""
        return parts_of(self.path, self.label)

    def check(self, shape: Shape, where: str) -> None:
        check_parts(self.parts, shape, where)

    def left_from(self, dag: str) -> str | None:
        return None if self.roll is None or self.append else left_of(self.path)
