"""Polars frames of the items that a sink has collected, and of the books."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rxdag.contract import MAX, MIN, Chunk, Clock, Saw, Shape, import_extra
from rxdag.engine import Ledger
from rxdag.engine.drivers import VirtualClock
from rxdag.errors import GraphError, SourceError, shown, text_of
from rxdag.sinks import arrow

COUNTS: Final = (
    "arrived",
    "passed",
    "absorbed",
    "filtered",
    "late",
    "dead",
    "dropped",
    "unassigned",
    "unrouted",
    "failed",
    "discarded",
    "unread",
    "held",
    "made",
    "retried",
)
"""Counts of a ledger that become columns."""


class _Context:
    """The part of a run that the writer of a table uses."""

    name: str = ""
    dag: str = ""
    clock: Clock = VirtualClock()
    saves: bool = False
    saw: Saw | None = None
    error: Exception | None = None

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def call(self, fn: Callable[[], object], /) -> None: ...

    def enough(self) -> None: ...

    def log(self, code: str, **fields: object) -> None: ...


def frame_of(value: Any, shape: Shape, where: str) -> Any:
    """Return the items that a sink has collected as a frame, with the columns of `sinks.arrow`.

    Raises:
        GraphError: If it is neither a list nor a table.
        MissingExtra: If polars is not installed.
    """
    polars = import_extra("polars", "polars", where)
    if isinstance(value, list):
        writer = arrow().open(_Context(shape))
        try:
            writer.write(Chunk(value))
            value = writer.close(ok=True)
        except SourceError as error:
            raise SourceError(f"{where}: sinks.{text_of(error)}") from error
    if not hasattr(value, "__arrow_c_stream__"):
        raise GraphError(
            f"{where}: the sink must collect its items, as sinks.collect() and sinks.arrow() do, got {shown(value)}"
        )
    return polars.from_arrow(value)


def frame_of_books(nodes: Mapping[str, Ledger], watermarks: Mapping[str, int], busy_s: Mapping[str, float]) -> Any:
    """Return the books as a frame, a row per node.

    Raises:
        MissingExtra: If polars is not installed.
    """
    polars = import_extra("polars", "polars", "stats.to_frame")
    counts = {
        name: [ledger.n_dropped if name == "dropped" else getattr(ledger, name) for ledger in nodes.values()]
        for name in COUNTS
    }
    marks = [mark if MIN < (mark := watermarks.get(name, MIN)) < MAX else None for name in nodes]
    columns = {
        "node": polars.Series(list(nodes), dtype=polars.String),
        **{name: polars.Series(count, dtype=polars.Int64) for name, count in counts.items()},
        "busy_s": polars.Series([busy_s.get(name) for name in nodes], dtype=polars.Float64),
        "watermark": polars.Series(marks, dtype=polars.Int64).cast(polars.Datetime("ns", "UTC")),
    }
    return polars.DataFrame(columns)
