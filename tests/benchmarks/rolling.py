"""W9 and W10: rolling mean and standard deviation over 1 s and 60 s; trades with the last quote of their symbol."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sources
from tests.benchmarks import budgets
from tests.benchmarks.bars import collected
from tests.benchmarks.data import Tick, ticks, ticks_of_ten
from tests.benchmarks.rolling_loops import is_trade, w9_loop, w10_loop
from tests.benchmarks.work import Case, Data, Work

SHARE = 0.2
"""200,000 of a million ticks: 200 s of event time for W9."""


def _keyed(rows: list[Tick]) -> rxdag.KeyedStream[str, Tick]:
    return (
        rxdag.from_source(sources.iterable(rows, of=Tick))
        .pipe(ops.event_time(lambda t: t.ts, unit="us", out_of_order="500ms"))
        .pipe(ops.key_by(lambda t: t.sym))
    )


# ---- W9


def _rolled(period: str, *, columns: bool) -> Callable[[Data], list[Any]]:
    def run(data: Data) -> list[Any]:
        both = agg.named(mean=agg.mean(lambda t: t.price), std=agg.std(lambda t: t.price))
        return collected(_keyed(data.rows).pipe(ops.rolling(period, both)), columns=columns)

    return run


class _Near(list[Any]):
    """Means and standard deviations, equal to those that differ by rounding."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list) or len(other) != len(self):
            return False
        pairs = ((a, b) for mine, yours in zip(self, other, strict=True) for a, b in zip(mine, yours, strict=True))
        return all(a is b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-5) for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]  # as that of a list


def _rolled_answer(results: list[Any]) -> list[Any]:
    return [(result["mean"], result["std"]) for result in results]


def _w9(about: str, period: str, period_us: int) -> Work:
    return Work(
        "W9",
        about,
        ticks_of_ten,
        partial(w9_loop, period_us=period_us),
        (Case("lambdas", _rolled(period, columns=True), _rolled_answer, budgets.ROLLING, expected=_Near),),
        None,
        SHARE,
    )


# ---- W10


def _sides(rows: list[Tick]) -> tuple[list[Tick], list[Tick]]:
    """Return trades and quotes, five times as many."""
    return [tick for tick in rows if is_trade(tick)], [tick for tick in rows if not is_trade(tick)]


def _joined(*, columns: bool) -> Callable[[Data], list[Any]]:
    def run(data: Data) -> list[Any]:
        trades, quotes = data.columns
        return collected(rxdag.join_asof(_keyed(trades), _keyed(quotes)), columns=columns)

    return run


def _joined_answer(pairs: list[Any]) -> list[Any]:
    return [(trade.tid, None if quote is None else quote.tid) for trade, quote in pairs]


WORKS = (
    _w9("rolling mean and std, 1 s", "1s", 1_000_000),
    _w9("rolling mean and std, 60 s", "60s", 60_000_000),
    Work(
        "W10",
        "trades and five times as many quotes",
        ticks,
        w10_loop,
        (Case("lambdas", _joined(columns=True), _joined_answer, budgets.ASOF, expected=_joined_answer),),
        _sides,
        SHARE,
    ),
)
