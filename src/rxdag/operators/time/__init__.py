"""Operators that give items their event time."""

from rxdag.operators.time._event_time import event_time

__all__ = [
    "event_time",
]
