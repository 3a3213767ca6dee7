"""Small graphs on threads, each under many schedules: who goes on is drawn from a seed at every place where it could matter."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from rxdag.runtime._execution import Execution
from rxdag.runtime._handles import run_here
from tests.engine.loom import Loom, beside, woven

SCHEDULES = int(os.environ.get("RXDAG_SCHEDULES", "60"))
"""So many of each graph; 10,000 take some minutes a graph."""
N = 12


def _failing(x: int) -> int:
    if x == 5:
        raise ValueError("five")
    return x


def numbers(n: int = N) -> rxdag.Stream[int]:
    return rxdag.from_source(sources.range(n))


def _hop() -> rxdag.Stream[Any]:
    return numbers().on("worker").pipe(ops.map(lambda x: x + 1))


def _tiny() -> rxdag.Stream[Any]:
    return numbers().buffered(max_items=1).on("worker").pipe(ops.map(lambda x: x)).buffered(max_items=2).on("other")


def _dropping(overflow: str) -> Callable[[], rxdag.Stream[Any]]:
    return lambda: numbers().buffered(max_items=2, overflow=overflow).on("worker").pipe(ops.map(lambda x: x))


def _merged() -> rxdag.Stream[Any]:
    return rxdag.merge(
        numbers().on("worker").pipe(ops.map(lambda x: x)), numbers().on("other").pipe(ops.map(lambda x: -x))
    )


def _diamond() -> rxdag.Stream[Any]:
    forked = numbers().buffered(max_items=3)
    ways = [
        forked.pipe(ops.filter(lambda x, i=i: x % 2 == i)).on(f"worker-{i}").pipe(ops.map(lambda x: x)) for i in (0, 1)
    ]
    return rxdag.merge(*ways)


def _taken() -> rxdag.Stream[Any]:
    return numbers().on("worker").pipe(ops.map(lambda x: x)).on("other").pipe(ops.take(3))


def _broken() -> rxdag.Stream[Any]:
    return numbers().buffered(max_items=2).on("worker").pipe(ops.map(_failing))


GRAPHS: dict[str, tuple[Callable[[], rxdag.Stream[Any]], Callable[[list[Any]], bool]]] = {
    "hop": (_hop, lambda got: got == list(range(1, N + 1))),
    "tiny gates": (_tiny, lambda got: got == list(range(N))),
    "drop_oldest": (_dropping("drop_oldest"), lambda got: got == sorted({*got}) and N - 1 in got),
    "drop_newest": (_dropping("drop_newest"), lambda got: got == sorted({*got}) and 0 in got),
    "drop_tail": (_dropping("drop_tail"), lambda got: got == sorted({*got}) and N - 1 in got),
    "drop_buffer": (_dropping("drop_buffer"), lambda got: got == sorted({*got}) and N - 1 in got),
    "merge": (_merged, lambda got: sorted(got) == sorted([*range(N), *(-x for x in range(N))])),
    "diamond": (_diamond, lambda got: sorted(got) == list(range(N))),
    "take": (_taken, lambda got: got == [0, 1, 2]),
    "failure": (_broken, lambda got: got == list(range(len(got))) and len(got) <= 5),
}
STOPS: tuple[str | None, ...] = (None, None, "drain", "cancel")


def check(name: str, seed: int) -> int:
    """Run a graph under one schedule; returns how many choices there were."""
    make, is_right = GRAPHS[name]
    stop = STOPS[seed % len(STOPS)]
    got: list[Any] = []
    with woven(seed, (0.002, 0.02, 0.2)[seed % 3]) as loom:
        kept = make().to(sinks.call(got.append))
        execution = Execution(rxdag.compile(rxdag.Dag(kept)), Ticking(loom), quantum=(1, 3, 1024)[seed // 3 % 3])
        if stop is not None:
            beside(loom, getattr(execution, stop))
        result = run_here(execution)
    assert not loom.lost, loom.lost
    assert result.problems == ()
    expected = {"failed"} if name == "failure" else {"completed"}
    if stop == "cancel":
        expected |= {"cancelled"}
    if stop == "drain":
        expected |= {"completed"}
    assert result.state in expected, result.error
    if stop is None or result.state == "failed":
        assert is_right(got), got
    elif name in ("hop", "tiny gates", "take"):
        whole = list(range(1, N + 1)) if name == "hop" else list(range(N))
        assert got == whole[: len(got)]
    return loom.choices


class Ticking:
    """A clock that goes on when it is asked."""

    def __init__(self, loom: Loom) -> None:
        self._loom = loom

    def now(self) -> int:
        return self._loom.now()


@pytest.mark.parametrize("name", GRAPHS)
def test_no_schedule_hangs_loses_or_doubles(name: str) -> None:
    for seed in range(SCHEDULES):
        try:
            check(name, seed)
        except BaseException as error:
            error.add_note(f"graph {name}, schedule {seed}")
            raise


def test_one_seed_is_one_schedule() -> None:
    for seed in range(6):
        assert check("tiny gates", seed) == check("tiny gates", seed)


def test_there_are_choices() -> None:
    assert sum(check("tiny gates", seed) for seed in range(6)) > 100
