"""Messages for arguments of `pipe` that are not operators."""

from __future__ import annotations

from typing import Any

from rxdag.contract import AnyOperator, Sink, Source, check_function
from rxdag.errors import GraphError, shown


def not_an_operator(op: Any) -> str:
    """Return the message for an argument of `pipe` that is not an operator."""
    if isinstance(op, Source):
        return "pipe: takes an operator, got a source; start a stream with rxdag.from_source(...)"
    if isinstance(op, Sink):
        return "pipe: takes an operator, got a sink; sinks go into .to(...)"
    if callable(op):
        name = getattr(op, "__name__", None) or shown(op)
        return (
            f"pipe: takes an operator, got the function {name}; a reactivex operator goes into .rx(...), "
            f"a function of streams into .through(...), a function of items into ops.map(...)"
        )
    return f"pipe: takes an operator, got {shown(op)}; see rxdag.operators"


def check_foreign(op: object) -> None:
    """Raise GraphError unless the argument is a reactivex operator, a function of an observable."""
    if isinstance(op, AnyOperator) or not callable(op):
        raise GraphError(f"rx: takes an operator of reactivex, got {shown(op)}; operators of rxdag go into pipe(...)")
    check_function(op, "rx: op", "the observable", instead="")
