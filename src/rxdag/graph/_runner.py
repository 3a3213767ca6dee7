"""Methods of streams that need a runtime: set by the front door, so that the definition stays pure data."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rxdag.graph._stream import Stream


class Runner(Protocol):
    """Runs just enough of a graph to deliver a stream's items."""

    def head(self, stream: Stream[Any], max_items: int) -> list[Any]: ...
    def collect(self, stream: Stream[Any], max_items: int | None) -> list[Any]: ...
    def iterate(self, stream: Stream[Any]) -> Iterator[Any]: ...
    def aiterate(self, stream: Stream[Any]) -> AsyncIterator[Any]: ...


def runner() -> Runner:
    """Return the runner in use, as set by the front door."""
    found: Runner = sys.modules["rxdag"].find_runner()
    return found
