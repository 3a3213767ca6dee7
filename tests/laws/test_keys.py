"""Laws of operators that go by key: each key as if it were alone, watermarks however they are cut, state from text."""

from __future__ import annotations

import os
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.contract import MAX
from rxdag.operators import joining
from rxdag.testing import feed
from tests.unit.drive import KEYED, Driven, run

S = 10**9
EXAMPLES = 1_000 if os.environ.get("SLOW") == "1" else 50
law = settings(max_examples=EXAMPLES, deadline=None)
each = settings(max_examples=EXAMPLES // 5, deadline=None)
pytestmark = pytest.mark.timeout(120 if EXAMPLES < 1_000 else 1_200)

EVENTS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abc"), st.integers(0, 9)), max_size=30).map(sorted)


def _appended(seen, x):
    seen.append(x)
    return seen


WITHOUT_TIME = {
    "scan": lambda **how: ops.scan(0, lambda n, x: n * 3 + x, **how),
    "scan without a first value": lambda **how: ops.scan(lambda n, x: n * 3 + x, **how),
    "reduce": lambda **how: ops.reduce(5, lambda n, x: n * 3 + x, **how),
    "reduce without a first value": lambda **how: ops.reduce(lambda n, x: n * 3 + x, **how),
    "reduce into a list": lambda **how: ops.reduce([], _appended, **how),
    "count": lambda **how: ops.count(**how),
    "sum": lambda **how: ops.sum(**how),
    "min": lambda **how: ops.min(**how),
    "max": lambda **how: ops.max(lambda x: x % 7, **how),
    "first": lambda **how: ops.first(lambda x: x > 3, **how),
    "last": lambda **how: ops.last(lambda x: x > 3, **how),
    "take": lambda **how: ops.take(3, **how),
    "skip": lambda **how: ops.skip(2, **how),
    "take_while": lambda **how: ops.take_while(lambda x: x < 8, inclusive=True, **how),
    "skip_while": lambda **how: ops.skip_while(lambda x: x < 5, **how),
    "pairwise": lambda **how: ops.pairwise(**how),
    "distinct_until_changed": lambda **how: ops.distinct_until_changed(lambda x: x > 4, **how),
    "batch": lambda **how: ops.batch(3, **how),
    "batch that overlaps": lambda **how: ops.batch(3, skip=2, **how),
    "batch with gaps": lambda **how: ops.batch(2, skip=3, **how),
    "rolling": lambda **how: ops.rolling(3, agg.collect(), **how),
}


def of_keys(seen):
    """What came out of each key, in order."""
    out = {}
    for entry in seen:
        if entry[0] == "out":
            out.setdefault(entry[4], []).append(entry[1])
    return out


def script_of(events, lag=0):
    """Items in the order of a stream, each followed by the watermark that it raises."""
    script, most = [], None
    for second, key, value in events:
        script.append(("item", value, second * S, key))
        most = second if most is None or second > most else most
        script.append(("mark", most * S - lag - 1))
    return script


@pytest.mark.parametrize("name", sorted(WITHOUT_TIME))
@law
@given(events=EVENTS)
def test_each_key_gives_what_it_gives_alone(name, events):
    expected = {}
    for key in "abc":
        alone = feed(WITHOUT_TIME[name](), [value for _, other, value in events if other == key])
        if any(other == key for _, other, _ in events) and alone:
            expected[key] = alone
    assert of_keys(run(WITHOUT_TIME[name](), script_of(events))) == expected


@pytest.mark.parametrize("name", sorted(WITHOUT_TIME))
@law
@given(events=EVENTS, ttl=st.integers(1, 9))
def test_with_a_ttl_a_key_gives_what_each_of_its_bursts_gives_alone(name, events, ttl):
    expected = {}
    for key in "abc":
        own = [(second, value) for second, other, value in events if other == key]
        bursts = [own[:1]] if own else []
        for (before, _), row in pairwise(own):
            if row[0] - before >= ttl:
                bursts.append([])
            bursts[-1].append(row)
        alone = [made for burst in bursts for made in feed(WITHOUT_TIME[name](), [value for _, value in burst])]
        if alone:
            expected[key] = alone
    assert of_keys(run(WITHOUT_TIME[name](ttl=f"{ttl}s"), script_of(events))) == expected


# ---- watermarks, and recovery


class Tells(ops.KeyedProcess):
    """Tells all it can see; half of its keys have timers."""

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        if item % 2:
            ctx.set_timer(max(ctx.ts, ctx.now) + 3 * S)
        ctx.emit(("item", ctx.key, state, ctx.ts, ctx.watermark))
        return state + 1

    def on_timer(self, ctx, state, name):
        ctx.emit(("timer", ctx.key, state, ctx.ts, ctx.watermark))
        return state + 10

    def on_end(self, ctx, state):
        ctx.emit(("end", ctx.key, state, ctx.ts))


MADE = {
    **{f"{name}, {how}": (make, how) for name, make in WITHOUT_TIME.items() for how in ("", "event", "processing")},
    **{
        f"{name}, {how}": (make, how)
        for name, make in {
            "debounce": lambda **how: ops.debounce("2s", **how),
            "audit": lambda **how: ops.audit("2s", **how),
            "sample": lambda **how: ops.sample("3s", **how),
            "throttle_first": lambda **how: ops.throttle_first("4s", **how),
            "throttle_latest": lambda **how: ops.throttle_latest("4s", **how),
            "throttle": lambda **how: ops.throttle(1, per="4s", burst=2, **how),
            "batch by time": lambda **how: ops.batch(4, max_wait="2s", emit_empty=True, **how),
            "top_n": lambda **how: ops.top_n(2, lambda x: x, **how),
        }.items()
        for how in ("", "event", "processing")
    },
    "shape, ": (lambda **how: ops.throttle(1, per="4s", mode="shape", **how), ""),
    "process, ": (lambda **how: ops.process(Tells(), **how), ""),
    "process, event": (lambda **how: ops.process(Tells(), **how), "event"),
    "process, processing": (lambda **how: ops.process(Tells(), **how), "processing"),
    "conflate, ": (lambda **how: ops.conflate(per="instant"), ""),
    "rolling by time, ": (lambda **how: ops.rolling("4s", agg.collect()), ""),
    "arbitrate, ": (lambda **how: ops.arbitrate(sequence=lambda x: x, wait="3s"), ""),
}

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("item"), st.integers(0, 9), st.integers(0, 40), st.sampled_from("abc")),
        st.tuples(st.just("mark"), st.integers(0, 40)),
        st.tuples(st.just("clock"), st.integers(0, 40)),
    ),
    max_size=30,
)


def made(name):
    make, how = MADE[name]
    return make() if how == "" else make(ttl="5s", clock=how)


def in_ns(steps):
    """The steps in nanoseconds; neither watermarks nor the clock go back."""
    script, mark, now = [], -1, 0
    for what, *rest in steps:
        if what == "item":
            value, second, key = rest
            script.append(("item", value, second * S, key))
        elif what == "mark":
            mark = max(mark, rest[0] * S - 1)
            script.append(("mark", mark))
        else:
            now = max(now, rest[0] * S)
            script.append(("clock", now))
    return script


def without_marks_that_another_follows(script):
    kept = []
    for step, following in pairwise([*script, ("mark", MAX)]):
        if step[0] != "mark" or following[0] != "mark":
            kept.append(step)
    return kept


@pytest.mark.parametrize("name", sorted(MADE))
@each
@given(steps=STEPS)
@example(steps=[("item", 0, 0, "a"), ("mark", 10)])
def test_two_watermarks_with_no_item_between_are_as_good_as_the_second(name, steps):
    script = in_ns(steps)
    assert run(made(name), without_marks_that_another_follows(script)) == run(made(name), script)


@pytest.mark.parametrize("name", sorted(MADE))
@each
@given(steps=STEPS, seconds=st.lists(st.integers(0, 40), max_size=5))
def test_watermarks_between_two_of_them_change_nothing(name, steps, seconds):
    script, extra = in_ns(steps), sorted(second * S - 1 for second in seconds)
    cut = []
    low = -(10**18)
    for step in script:
        if step[0] == "mark":
            cut += [("mark", between) for between in extra if low < between < step[1]]
            low = step[1]
        cut.append(step)
    assert run(made(name), cut) == run(made(name), script)


@pytest.mark.parametrize("name", sorted(MADE))
@each
@given(steps=STEPS, at=st.integers(0, 30))
@example(steps=[("item", 0, 9, "a"), ("mark", 20), ("item", 1, 0, "b"), ("mark", 21)], at=3)
def test_a_kernel_goes_on_from_its_state_as_text(name, steps, at):
    script = in_ns(steps)
    assert run(made(name), script, recover_at=min(at, len(script))) == run(made(name), script)


@pytest.mark.parametrize("name", sorted(MADE))
@each
@given(steps=STEPS)
def test_what_came_in_is_held_or_has_left(name, steps):
    driven = Driven(made(name), KEYED)
    passes, n = driven.kernel.passes, 0

    def left():
        seen = driven.exits.seen
        absorbed = sum(entry[1] for entry in seen if entry[0] == "absorbed")
        others = [entry for entry in seen if entry[0] not in ("absorbed", "gaps", "fifth")]
        return absorbed + sum(1 for entry in others if passes or entry[0] != "out")

    for what, *rest in in_ns(steps):
        getattr(driven, what)(*rest)
        n += what == "item"
        assert n == driven.kernel.held() + left()
    driven.end()
    assert (driven.kernel.held(), left()) == (0, n)


@pytest.mark.parametrize("name", sorted(set(MADE) - {"process, processing"}))  # a timer of the clock has its time
@each
@given(steps=STEPS)
def test_what_comes_out_of_items_in_time_is_not_late_behind(name, steps):
    driven = Driven(made(name), KEYED)
    behind = -(10**18)
    for what, *rest in [*in_ns(steps), ("end",)]:
        if what == "item" and rest[1] <= driven.kernel.watermark:
            continue
        if what == "end" and name.startswith("process"):  # on_end speaks of the last time of its key
            continue
        n = len(driven.exits.seen)
        getattr(driven, what)(*rest)
        for entry in driven.exits.seen[n:]:
            if entry[0] == "out" and not (what == "end" and entry[1] == []):
                assert entry[2] > behind
        behind = max(behind, min(driven.kernel.watermark, driven.kernel.low() - 1))


def test_every_operator_with_a_ttl_is_among_them():
    homes = (ops, joining)
    with_ttl = {
        name for home in homes for name in home.__all__ if "ttl" in getattr(getattr(home, name), "__annotations__", {})
    }
    named = {name.split(",")[0].split(" ")[0] for name in MADE}
    assert with_ttl - named == {"lookup"}
