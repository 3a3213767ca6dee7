"""Totals: the counts of each node since the first start, over all runs that continued from checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rxdag.engine import EXITS, Ledger

_COUNTS: Final = ("arrived", *EXITS, "made", "retried")
Totals = Mapping[str, Ledger]
"""Ledgers by node. They hold no `restored` items, since each item is counted once."""


def totals_of(before: Totals, ledgers: Mapping[str, Ledger]) -> dict[str, Ledger]:
    """Return the totals of a run that continues with those of a checkpoint."""
    nothing = Ledger()
    return {name: _sum(before.get(name, nothing), ledger) for name, ledger in ledgers.items()}


def _sum(before: Ledger, now: Ledger) -> Ledger:
    counts: dict[str, Any] = {name: getattr(before, name) + getattr(now, name) for name in _COUNTS}
    return Ledger(
        **counts, dropped=_by_name(before.dropped, now.dropped), out=_by_name(before.out, now.out), held=now.held
    )


def _by_name(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    return {name: before.get(name, 0) + now.get(name, 0) for name in {**before, **now}}


def plain_totals(totals: Totals) -> dict[str, dict[str, Any]]:
    """Return totals as plain data, without zeros and without what is held."""
    return {name: _plain(ledger) for name, ledger in totals.items()}


def _plain(ledger: Ledger) -> dict[str, Any]:
    counts: dict[str, Any] = {name: getattr(ledger, name) for name in _COUNTS}
    for name, parts in (("dropped", ledger.dropped), ("out", ledger.out)):
        counts[name] = {part: n for part, n in parts.items() if n}
    return {name: value for name, value in counts.items() if value}


def totals_from(plain: Mapping[str, Mapping[str, Any]]) -> dict[str, Ledger]:
    """Return the totals that were saved as plain data."""
    return {name: Ledger(**counts) for name, counts in plain.items()}
