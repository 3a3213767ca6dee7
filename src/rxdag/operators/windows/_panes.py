"""The common part of the kernels of windows."""

from __future__ import annotations

from typing import Any

from rxdag.contract import Accumulator, Aggregate, BadItem, check_accumulator
from rxdag.errors import GraphError, shown


def checked_aggregate(aggregate: Aggregate[Any, Any], name: str) -> Aggregate[Any, Any]:
    """Return an aggregate that makes accumulators.

    Raises:
        GraphError: If it is not an aggregate, or makes no accumulator.
    """
    given: object = aggregate
    if not isinstance(given, Aggregate):
        raise GraphError(f"{name}: takes an aggregate second, such as agg.count(), got {shown(given)}")
    made: object = aggregate.accumulator()
    if not isinstance(made, Accumulator):
        raise GraphError(
            f"{name}: {type(aggregate).__name__}.accumulator() must return an Accumulator, got {shown(made)}"
        )
    check_accumulator(made)
    return aggregate


def blamed(aggregate: Aggregate[Any, Any], item: Any, error: Exception) -> Exception:
    """Return the error to report for a failed item: an item that cannot be compared is itself invalid."""
    try:
        aggregate.accumulator().check(item)
    except BadItem as bad:
        return bad
    except Exception:  # the first error is then sufficient
        return error
    return error
