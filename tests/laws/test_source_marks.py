"""The laws hold where watermarks come from the source, each behind the item that raises it."""

import random
from dataclasses import dataclass

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, windows
from rxdag.codec import Codec
from rxdag.contract import END, MIN, Chunk, Reader, Shape
from rxdag.testing import settle_virtual, virtual
from rxdag.testing._check_functions import check_functions
from rxdag.testing._check_graph import Driven
from rxdag.testing._check_recover import Drives

S = 10**9
LAG_S = 2


class MarkedReader(Reader):
    def __init__(self, seconds):
        self._seconds = seconds
        self._n = 0

    def read(self, max_items):
        if self._n == len(self._seconds):
            return END
        second = self._seconds[self._n]
        self._n += 1
        mark = max(self._seconds[: self._n]) - LAG_S
        return Chunk([second], [second * S], [self._n], marks=((1, mark * S),))


@dataclass(frozen=True)
class Marked(rxdag.Source[int]):
    """Seconds, as items at their event times."""

    seconds: tuple[int, ...]
    label = "marked"
    shape = Shape(int, timed=True)

    def open(self, context):
        return MarkedReader(self.seconds)


def marked(*seconds):
    return rxdag.from_source(Marked(seconds))


def disordered(seed, n=30):
    """Seconds of which none is more than the lag behind, and one that is late."""
    rng = random.Random(seed)
    seconds = sorted((rng.randrange(n) for _ in range(n)), key=lambda second: second + rng.uniform(0, LAG_S))
    return (*seconds, 0)


def graph(make, seed):
    inputs = [marked(*disordered(seed + i)) for i in range(make.__code__.co_argcount)]
    return rxdag.Dag(make(*inputs).to(sinks.collect(), name="out"))


def third(second):
    return second % 3


def is_odd(second):
    return second % 2


MADE = {
    "window": lambda s: s.pipe(ops.window_all(windows.tumbling("4s"), agg.count())),
    "early window": lambda s: s.pipe(ops.window_all(windows.sliding("4s", "2s"), agg.collect(), early=2)),
    "window with lateness": lambda s: s.pipe(
        ops.window_all(windows.tumbling("4s"), agg.collect(), allowed_lateness="3s")
    ),
    "late items of a window": lambda s: s.pipe(ops.window_all(windows.tumbling("4s"), agg.count())).late,
    "session by key": lambda s: s.pipe(ops.key_by(third)).pipe(ops.window(windows.session("3s"), agg.collect())),
    "rolling": lambda s: s.pipe(ops.rolling("3s", agg.collect())),
    "dedupe": lambda s: s.pipe(ops.dedupe(third, within="4s")),
    "conflate": lambda s: s.pipe(ops.conflate(per="instant", keep="list")),
    "count with a ttl": lambda s: s.pipe(ops.key_by(third)).pipe(ops.count(ttl="3s")),
    "scan": lambda s: s.pipe(ops.scan(0, lambda n, second: n + second)),
    "take, then window": lambda s: s.pipe(ops.take(9)).pipe(ops.window_all(windows.tumbling("4s"), agg.count())),
    "merge_sorted": lambda a, b: rxdag.merge_sorted(a, b),
    "join_asof": lambda a, b: rxdag.join_asof(a, b.pipe(ops.filter(is_odd))),
    "join_window": lambda a, b: rxdag.join_window(
        a.pipe(ops.key_by(third)), b.pipe(ops.key_by(third)), windows.tumbling("4s")
    ),
    "join_interval": lambda a, b: rxdag.join_interval(
        a.pipe(ops.key_by(third)), b.pipe(ops.key_by(third)), lower="-1s", upper="2s"
    ),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", MADE)
def test_kernels_driven_by_hand_hold_the_laws_and_give_what_a_run_gives(name, seed):
    make = MADE[name]
    drives = Drives(lambda **how: Driven(graph(make, seed), **how), Codec(), random.Random(seed))
    result = settle_virtual(virtual(rxdag.compile(graph(make, seed))))
    assert (result.state, result.problems) == ("completed", ())
    assert sorted(map(repr, result["out"])) == sorted(repr(row[0]) for row in drives.whole.outputs["out"])
    drives.check_state()
    drives.check_recover()
    drives.check_marks()
    check_functions(drives.make, drives.lanes)


def test_a_mark_behind_an_item_comes_behind_it():
    driven = Drives.run(Driven(rxdag.Dag(marked(5, 4, 9, 3).to(sinks.collect(), name="out"))))
    before = [(item, watermark) for item, _, _, _, watermark, _ in driven.outputs["out"]]
    assert before == [(5, MIN), (4, 3 * S), (9, 3 * S), (3, 7 * S)]
