"""Checks of arguments that nodes of several packages take."""

from __future__ import annotations

from typing import Any

from rxdag.contract._arguments import factor_of, share
from rxdag.contract._duration import Duration, duration_ns
from rxdag.contract._kernel import BadProgram
from rxdag.contract._on_error import Delays
from rxdag.contract._operator import label_of
from rxdag.errors import GraphError, shown


def checked_backoff(where: str, base: Duration, factor: float, cap: Duration, jitter: float) -> Delays:
    """Return the delays between tries; raise GraphError if an argument is invalid."""
    return Delays(
        duration_ns(base, f"{where}: base"),
        factor_of(factor, f"{where}: factor"),
        duration_ns(cap, f"{where}: cap"),
        share(jitter, f"{where}: jitter"),
    )


def checked_errors(where: str, on: Any) -> tuple[type[Exception], ...]:
    """Return a tuple of exceptions; raise GraphError if it is not one."""
    kinds = _members(on)
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        raise GraphError(f"{where}: on must be a tuple of exceptions, got {shown(on)}")
    return kinds


def _members(on: Any) -> tuple[Any, ...]:
    return on if isinstance(on, tuple) else (None,)  # pyright: ignore[reportUnknownVariableType]  # of whatever


def checked_end(thing: Any, made: Any, kind: Any) -> Any:
    """Return the reader or writer that a source or a sink has opened.

    Raises:
        BadProgram: If it is not of the required class.
    """
    if not isinstance(made, kind):
        raise BadProgram(f"{label_of(thing)}.open() must return a {kind.__name__}, got {shown(made)}")
    return made
