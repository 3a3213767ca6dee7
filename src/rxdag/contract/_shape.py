"""Shapes: the static properties of a stream when the dag is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rxdag.contract._aggregate import Assigner


@dataclass(frozen=True)
class Shape:
    """The static properties of a stream.

    Attributes:
        item_type: Type of the items; None where it is not known.
        timed: True if the items have event times and the stream has watermarks.
        keyed: True if the items have keys.
        key_names: Names of the parts of a tuple key, for sinks that flatten panes.
        ordered: True if items come in order of event time, so that an item at t implies that all before t have come.
        windows: The windows whose panes the items are, unchanged; None where that is not known.
        times: Fields that hold event times as numbers, each with its unit in ns; tables show them as dates.
        moves_alone: True if its watermark advances by the clock, or it becomes idle, while its sources are silent.
    """

    item_type: Any = None
    timed: bool = False
    keyed: bool = False
    key_names: tuple[str, ...] = ()
    ordered: bool = False
    windows: Assigner | None = None
    times: tuple[tuple[str, int], ...] = ()
    moves_alone: bool = False
