"""Assigners: which windows an item belongs to."""

from rxdag.contract import Assigner
from rxdag.windows._tumbling import tumbling

__all__ = ["Assigner", "tumbling"]
