"""Every exported operator holds the shared laws; a new one without a sample here fails."""

import inspect
import math
import random
from datetime import UTC
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.samples import EVENTS, NUMBERS, SAMPLES, every_aggregate

import rxdag
from rxdag import aggregates as agg
from rxdag import col, contract, on_error, sinks, windows
from rxdag import operators as ops
from rxdag.graph import stream_of
from rxdag.operators import joining
from rxdag.testing import Chunked, LawBroken, check_operator, feed, play, settle_virtual, virtual


class Tick(NamedTuple):
    second: int
    sym: str
    n: int
    price: float
    qty: float | None
    note: str | None


rng = random.Random(8)
TICKS = [
    Tick(
        second + rng.randrange(-6, 1),
        rng.choice(["a", "b", "c"]),
        rng.randrange(9),
        float(rng.choice(["1.5", "2.25", "3", "0", "-0", "nan", "inf", "1e300"]))
        if rng.random() < 0.3
        else rng.random(),
        rng.choice([0.0, -1.0, math.inf, None]) if rng.random() < 0.2 else float(rng.randrange(5)),
        rng.choice(["x", None]),
    )
    for second in range(80)
]


def ticks_timed(stream):
    return stream.pipe(ops.event_time("second", unit="s", sequence="n", out_of_order="2s"))


def ticks_by_arrival(stream):
    return stream.pipe(ops.event_time(col.second * 1000, unit="ms", out_of_order="2s"))


def ticks_keyed(stream):
    return ticks_timed(stream).pipe(ops.key_by("sym"))


def routed(stream):
    routes = stream.pipe(ops.route({"a": col.sym == "a", "big": col.n > 4}, default="rest"))
    return rxdag.merge(
        routes["a"].pipe(ops.with_columns(n=col.n * 100)),
        routes["big"].pipe(ops.filter(col.n != 6)),
        routes["rest"],
    )


COLUMNS = {
    "map": [(lambda: ops.map(col.n * 2 + col.second), None), (lambda: ops.map(col.n % 3), ticks_keyed)],
    "filter": [
        (lambda: ops.filter((col.n > 3) & (col.sym != "a")), ticks_keyed),
        (lambda: ops.filter(col.note), None),
        (lambda: ops.filter(10 / col.n > 2), None, on_error.dead),
        (lambda: ops.filter(10 / col.n > 2), None, on_error.skip),
    ],
    "select": [
        (lambda: ops.select("sym", double=col.n * 2), ticks_keyed),
        (lambda: ops.select(a=10 // col.n), ticks_timed, on_error.dead),
    ],
    "with_columns": [
        (lambda: ops.with_columns(n=col.n + 1), ticks_timed),
        (lambda: ops.with_columns(extra=col.n.cast(float), note=col.note.fill_null("-")), None),
    ],
    "event_time": [
        (lambda: ops.event_time("second", unit="s", out_of_order="2s"), None),
        (lambda: ops.event_time(col.second * 10**9, sequence=col.n - 4, out_of_order="1s"), None),
        (lambda: ops.event_time(col.second * 2**60), None),
    ],
    "key_by": [
        (lambda: ops.key_by("sym", "n"), ticks_timed),
        (lambda: ops.key_by(col.n > 3), None),
        (lambda: ops.key_by("note"), None),
    ],
    "dedupe": [
        (lambda: ops.dedupe("sym", "n", within="4s"), ticks_timed),
        (lambda: ops.dedupe("note", within="3s"), ticks_timed),
        (lambda: ops.dedupe(col.n - 4, within="5s"), ticks_keyed),
        (lambda: ops.dedupe("price", "note", within="20s"), ticks_timed),
    ],
    "window": [
        (lambda: ops.window(windows.tumbling("3s"), agg.ohlcv("price", "qty")), ticks_keyed),
        (
            lambda: ops.window(
                windows.tumbling("5s", offset="2s"),
                agg.named(
                    n=agg.count(),
                    total=agg.sum("n"),
                    vwap=agg.vwap("price", "qty"),
                    top=agg.sum(col.n * 2**60),
                    mean=agg.mean("price"),
                    low=agg.min("price"),
                    high=agg.max(col.n - 4),
                ),
            ),
            lambda s: ticks_by_arrival(s).pipe(ops.key_by("sym", "note")),
        ),
        (
            lambda: ops.window(windows.tumbling("3s"), agg.ohlcv("n", "n"), into=lambda pane: pane.value),
            lambda s: ticks_by_arrival(s).pipe(ops.key_by("sym")),
        ),
    ],
    "distinct_until_changed": [
        (lambda: ops.distinct_until_changed("n"), ticks_keyed),
        (lambda: ops.distinct_until_changed("sym"), ticks_timed),
        (lambda: ops.distinct_until_changed("note"), ticks_keyed),
        (lambda: ops.distinct_until_changed(col.n > 3), None),
        (lambda: ops.distinct_until_changed("price"), None),
        (lambda: ops.distinct_until_changed(10 // col.n), ticks_keyed, on_error.dead),
    ],
    "sliding": [
        (lambda: ops.window(windows.sliding("6s", "2s", offset="1s"), agg.ohlcv("price", "qty")), ticks_keyed),
        (
            lambda: ops.window(windows.sliding("5s", "2s"), agg.named(n=agg.count(), s=agg.sum("price"))),
            lambda s: ticks_by_arrival(s).pipe(ops.key_by("sym", "note")),
        ),
        (lambda: ops.window(windows.sliding("2s", "5s"), agg.named(n=agg.count(), s=agg.max("n"))), ticks_keyed),
        (lambda: ops.window_all(windows.sliding("4s", "1s"), agg.mean("price")), ticks_by_arrival),
    ],
    "window_all": [(lambda: ops.window_all(windows.tumbling("4s"), agg.vwap("price", "qty")), ticks_timed)],
    "totals": [
        (lambda: ops.count(), ticks_by_arrival),
        (lambda: ops.count(), None),
        (lambda: ops.sum("n"), ticks_timed),
        (lambda: ops.sum("price"), None),
        (lambda: ops.sum(col.n * 2**61), ticks_timed),
        (lambda: ops.sum(col.price * 10**300 * 10**10), None),
        (lambda: ops.sum(12 // col.n), ticks_timed, on_error.dead),
        (lambda: ops.min("price"), ticks_by_arrival),
        (lambda: ops.min("sym"), None),
        (lambda: ops.max("n"), ticks_timed),
        (lambda: ops.max("note"), ticks_timed, on_error.dead),
        (lambda: ops.max(col.price - col.price * 10**300 * 10**10), ticks_timed, on_error.dead),
    ],
    "route": [(lambda: ops.route({"a": col.sym == "a", "big": 12 // col.n > 4}), ticks_timed, on_error.dead)],
    "merge": [
        (routed, ticks_timed),
        (
            lambda s: routed(s).pipe(ops.key_by("sym")).pipe(ops.window(windows.tumbling("3s"), agg.count())),
            ticks_timed,
        ),
        (lambda s: rxdag.merge(s.pipe(ops.filter(col.n > 2)), s.pipe(ops.filter(col.n < 6))), ticks_timed),
    ],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_an_operator_of_expressions_holds_the_laws_over_columns(name):
    for make, before, *policy in COLUMNS[name]:
        built = make if inspect.signature(make).parameters else lambda s, m=make, p=policy: with_policy(s, m(), *p)
        check_operator(built, TICKS, before=before, of=Tick)
        source = Chunked((tuple(TICKS),), None, Tick, True)
        stream = rxdag.from_source(source)
        built = built(stream if before is None else before(stream))
        sinks_ = [stream_of(built.node, port).to(sinks.collect()) for port in built.node.thing.ports]
        lanes = rxdag.compile(rxdag.Dag(*sinks_)).lanes
        known = {"the sink takes items", "its windows overlap, or leave gaps"}
        assert name == "merge" or not set(lanes.why_rows.values()) - known


@pytest.mark.parametrize("in_columns", [False, True])
@pytest.mark.parametrize("columns", [False, True])
def test_dedupe_does_not_remember_what_is_too_late_to_be(columns, in_columns):
    rows = [Tick(t, s, 0, 0.0, 0.0, None) for t, s in [(0, "a"), (30, "b"), (4, "c"), (5, "c"), (31, "b"), (6, "c")]]
    source = Chunked((tuple(rows),), None, Tick, in_columns)
    stream = rxdag.from_source(source).pipe(ops.event_time("second", unit="s"))
    kept = stream.pipe(ops.dedupe("sym", within="5s")).to(sinks.collect())
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(kept), columns=columns)))
    assert [row.second for row in result[kept]] == [0, 30, 4, 5, 6]


@pytest.mark.parametrize("columns", [False, True])
def test_an_operator_of_the_clock_leaves_event_times_as_they_are(columns):
    timed_ = rxdag.from_source(Chunked(((5, 3, 9),))).pipe(ops.event_time(lambda x: x, unit="s", out_of_order="9s"))
    late = timed_.pipe(ops.dedupe(lambda x: x, within="1s", clock="processing")).pipe(ops.delay("1s"))
    bars = late.pipe(ops.key_by(lambda x: "all")).pipe(ops.window(windows.tumbling("4s"), agg.collect()))
    kept = bars.to(sinks.collect())
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(kept), columns=columns)))
    assert [(pane.start // 10**9, pane.value) for pane in result[kept]] == [(0, [3]), (4, [5]), (8, [9])]


def with_policy(stream, operator, policy=None):
    return stream.pipe(operator) if policy is None else stream.pipe(operator, on_error=policy)


def exported():
    homes = (ops, joining)
    return {name: fn for home in homes for name in home.__all__ if inspect.isfunction(fn := getattr(home, name))}


@pytest.mark.parametrize("name", exported())
def test_an_exported_operator_holds_the_laws(name):
    assert name in SAMPLES, f"{name} needs a sample for check_operator"
    for make, items, before, *waive in SAMPLES[name]:
        check_operator(make, items, before=before, waive=waive)


@pytest.mark.parametrize("name", exported())
def test_an_exported_operator_documents_its_six_lines(name):
    text = inspect.getdoc(exported()[name])
    takes = ("Args:",) if inspect.signature(exported()[name]).parameters else ()
    for line in ("Emits:", "Drops:", "Holds:", "Ends:", "Fails:", "Clock:", "Example:", *takes):
        assert line in text, f"{name} lacks {line}"


# ---- the laws can be broken


class _Forgets(ops.Kernel):
    """Holds state that its snapshot leaves out."""

    def __init__(self):
        self.n = 0

    def on_item(self, item, emit):
        self.n += 1
        emit(self.n)


class _Loses(ops.Kernel):
    def on_item(self, item, emit):
        if item % 5:
            emit(item)


class _PerChunk(ops.Kernel):
    """Gives out what depends on the watermarks it happens to see."""

    state = ("seen",)
    wake = rxdag.contract.MIN
    seen = None

    def on_item(self, item, ts, emit):
        emit(item)

    def on_watermark(self, watermark, emit):
        self.seen = watermark


def operator_of(kernel_class, *, frozen=True):
    from dataclasses import dataclass

    @dataclass(frozen=frozen)
    class Made(ops.Operator):
        def kernel(self):
            return kernel_class()

    return Made


@pytest.mark.parametrize(
    ("make", "law"),
    [
        (operator_of(_Forgets), "state"),
        (operator_of(_Loses), "books"),
        (operator_of(_PerChunk, frozen=False), "frozen"),
    ],
)
def test_check_operator_finds_a_broken_law(make, law):
    with pytest.raises(LawBroken, match=f"^{law}"):
        check_operator(make, NUMBERS)
    with pytest.raises(rxdag.GraphError, match="waive must be some of ends, books"):
        check_operator(make, NUMBERS, waive=["nope"])


def test_a_waived_law_is_not_checked():
    check_operator(operator_of(_Forgets), NUMBERS, waive=["state", "recover"])


class _OneByOne(ops.Kernel):
    """Holds items until the watermark has passed them, and pauses behind each that comes out."""

    passes = False
    pauses = True
    state = ("waiting",)
    derived = ("wake", "is_paused")

    def __init__(self):
        self.waiting = []

    def on_item(self, item, ts, emit):
        self.waiting = sorted([*self.waiting, (ts, item)])
        self.wake = self.waiting[0][0]

    def on_watermark(self, watermark, emit):
        if self.waiting and self.waiting[0][0] <= watermark:
            ts, item = self.waiting.pop(0)
            emit.absorbed(1)
            emit(item, ts=ts)
        self.wake = self.waiting[0][0] if self.waiting else contract.MAX
        self.is_paused = self.wake <= watermark and len(self.waiting) > 0

    def on_end(self, emit):
        self.on_watermark(contract.MAX, emit)

    def held(self):
        return len(self.waiting)

    def restore(self, saved):
        super().restore(saved)
        self.wake = self.waiting[0][0] if self.waiting else contract.MAX


def test_a_users_kernel_that_pauses_is_called_again_by_check_operator_and_in_a_run():
    def timed(stream):
        return stream.pipe(ops.event_time(lambda x: x, out_of_order="8ns"))

    items = [3, 1, 2, 9, 7, 7, 40, 33, 50]
    check_operator(operator_of(_OneByOne), items, before=timed)
    stream = timed(rxdag.from_source(rxdag.sources.iterable(items))).pipe(operator_of(_OneByOne)())
    assert stream.buffered(max_items=1).collect() == [1, 2, 3, 7, 7, 9, 33, 40, 50]


def test_a_users_kernel_with_a_timer_fires_in_virtual_time():
    class Late(ops.Kernel):
        state = ("waiting",)

        def __init__(self):
            self.waiting = []

        def on_item(self, item, emit):
            self.waiting.append(item)
            self.timer = 5_000_000_000

        def on_timer(self, now, emit):
            self.timer = None
            for item in self.waiting:
                emit(item)
            self.waiting = []

        def held(self):
            return len(self.waiting)

    assert play(operator_of(Late)(), "ab-----|") == "-----(ab)-|"


def test_a_timer_that_is_put_off_with_each_item_is_one_timer():
    class Debounce(ops.Kernel):
        state = ("waiting",)

        def __init__(self):
            self.waiting = []

        def on_item(self, item, ts, emit):
            self.waiting.append(item)
            self.timer = 3_000_000_000 + item

        def on_timer(self, now, emit):
            self.timer = None
            for item in self.waiting:
                emit((item, now))
            self.waiting = []

        def held(self):
            return len(self.waiting)

    stream = rxdag.from_source(rxdag.testing.timeline(*(("1s", i) for i in range(500)), end="9s"))
    kept = stream.pipe(operator_of(Debounce)()).to(rxdag.sinks.collect())
    execution = rxdag.testing.virtual(rxdag.compile(rxdag.Dag(kept), columns=False))
    result = rxdag.testing.settle_virtual(execution)
    assert result[kept] == [(i, 3_000_000_499) for i in range(500)]
    assert result.problems == ()
    assert len(execution.main._timers) < 10


@pytest.mark.parametrize("parameters", ["self, item, key, ts, emit", "self, thing, emit"])
def test_a_kernel_with_other_parameters_is_a_compile_error(parameters):
    made: dict = {}
    exec(f"def on_item({parameters}): ...", made)
    kernel = type("Odd", (ops.Kernel,), {"on_item": made["on_item"]})
    with pytest.raises(
        rxdag.CompileError, match="parameters must be some of item, ts, sequence, key, now, input, emit"
    ):
        feed(operator_of(kernel)(), [1])


def test_a_kernel_without_on_item_and_what_is_no_kernel_are_compile_errors():
    with pytest.raises(rxdag.CompileError, match="a kernel must have a method on_item"):
        feed(operator_of(ops.Kernel)(), [1])
    with pytest.raises(rxdag.CompileError, match=r"made.kernel\(\) must return a Kernel, got 3"):
        feed(operator_of(lambda: 3)(), [1])


# ---- single operators


def test_take_in_marbles():
    assert play(ops.take(2), "a-bc|") == "a-(b|)"


def test_scan_starts_each_run_from_a_copy():
    gather = ops.scan([], lambda all_, x: [*all_, x])
    assert feed(gather, "ab") == feed(gather, "ab") == [["a"], ["a", "b"]]


def test_explode_reads_no_further_than_it_needs():
    read = 0

    def endless(_):
        nonlocal read
        while True:
            read += 1
            yield read

    stream = rxdag.from_source(rxdag.sources.range(9)).pipe(ops.explode(endless)).pipe(ops.take(5))
    assert stream.collect() == [1, 2, 3, 4, 5]
    assert read == 5


def test_dedupe_remembers_for_its_span_and_a_repeat_does_not_extend_it():
    events = [(0, "a"), (9, "a"), (10, "a"), (19, "a"), (20, "a")]
    stream = rxdag.from_source(rxdag.sources.iterable(events)).pipe(ops.event_time(lambda e: e[0]))
    assert stream.pipe(ops.dedupe(lambda e: e[1], within="10ns")).collect() == [(0, "a"), (10, "a"), (20, "a")]


def test_dedupe_drops_an_older_copy_of_a_key_it_has_seen():
    stream = rxdag.from_source(rxdag.sources.iterable([(100, "a"), (50, "a")])).pipe(ops.event_time(lambda e: e[0]))
    assert stream.pipe(ops.dedupe(lambda e: e[1], within="60ns")).collect() == [(100, "a")]


def test_dedupe_with_a_cap_forgets_the_oldest_key():
    assert feed(ops.dedupe(lambda x: x, max_keys=2), "abcac") == ["a", "b", "c", "a"]


@given(
    st.lists(st.tuples(st.integers(0, 120), st.sampled_from("abc")), max_size=80),
    st.integers(1, 12),
    st.integers(0, 100),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_dedupe_by_spans_passes_what_dedupe_of_any_number_of_keys_passes(events, within, disorder, columns):
    stream = rxdag.from_source(rxdag.sources.iterable(events)).pipe(
        ops.event_time(lambda e: e[0], out_of_order=f"{disorder}ns")
    )
    one = stream.pipe(ops.dedupe(lambda e: e[1], within=f"{within}ns")).to(sinks.collect())
    other = stream.pipe(ops.dedupe(lambda e: e[1], within=f"{within}ns", max_keys=100)).to(sinks.collect())
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(one, other), columns=columns)))
    assert result[one] == result[other] == deduped(events, within, disorder)


def deduped(events, within, disorder):
    """What passes, by the contract alone: no repeat of what passed less than `within` before, or later, and is not forgotten."""
    passed, known, newest = [], {}, None
    for ts, key in events:
        newest = ts if newest is None else max(newest, ts)
        watermark = newest - disorder - 1
        known = {k: first for k, first in known.items() if (first // within + 2) * within - 1 > watermark}
        if key in known and ts - known[key] < within:
            continue
        passed.append((ts, key))
        if (ts // within + 2) * within - 1 > watermark:
            known[key] = ts
    return passed


def test_dedupe_keeps_few_spans_however_much_out_of_order_the_items_are():
    rng = random.Random(1)
    events = [(i + rng.randrange(5000), rng.randrange(50)) for i in range(20_000)]
    stream = rxdag.from_source(rxdag.sources.iterable(events)).pipe(
        ops.event_time(lambda e: e[0], out_of_order="5000ns")
    )
    most = 0

    def key(event):
        nonlocal most
        most = max(most, len(kernel.spans))
        return event[1]

    kept = stream.pipe(ops.dedupe(key, within="2ns"), name="d").to(sinks.collect())
    execution = rxdag.testing.virtual(rxdag.compile(rxdag.Dag(kept), columns=False))
    kernel = execution.program.nodes["d"].kernel
    result = rxdag.testing.settle_virtual(execution)
    assert 1 < most <= 8
    assert result[kept] == deduped(events, 2, 5000)


def test_dedupe_in_processing_time_forgets_by_the_clock():
    assert play(ops.dedupe(lambda x: x, within="3s"), "aa-a-aa|") == "a--a--a|"


def test_dedupe_frees_what_the_watermark_has_passed():
    items = range(10_000)
    stream = rxdag.from_source(rxdag.sources.iterable(items)).pipe(ops.event_time(lambda x: x, unit="ms"))
    most = 0

    def key(item):
        nonlocal most
        most = max(most, sum(map(len, kernel.spans.values())))
        return item

    kept = stream.pipe(ops.dedupe(key, within="10ms"), name="d").to(rxdag.sinks.null())
    execution = rxdag.testing.virtual(rxdag.compile(rxdag.Dag(kept), columns=False))
    kernel = execution.program.nodes["d"].kernel
    rxdag.testing.settle_virtual(execution)
    assert 0 < most <= 21


def window_of(events, assigner, aggregate, **options):
    stream = rxdag.from_source(rxdag.sources.iterable(events))
    stream = stream.pipe(ops.event_time(lambda e: e[0], sequence=lambda e: e[2], **options))
    return stream.pipe(ops.key_by(lambda e: e[1])).pipe(ops.window(assigner, aggregate))


def test_a_window_closes_when_the_watermark_reaches_its_last_instant():
    panes = window_of([(0, "a", 0), (9, "a", 0), (10, "a", 0), (21, "b", 0)], windows.tumbling("10ns"), agg.count())
    assert [(p.key, p.start, p.end, p.value, p.closed_by) for p in panes.collect()] == [
        ("a", 0, 10, 2, "watermark"),
        ("a", 10, 20, 1, "watermark"),
        ("b", 20, 30, 1, "watermark"),
    ]


def test_an_item_is_late_only_if_its_window_is_closed():
    panes = window_of(
        [(12, "a", 0), (10, "a", 0), (9, "a", 0), (5, "a", 0)],
        windows.tumbling("10ns"),
        agg.count(),
        out_of_order="2ns",
    )
    late = panes.late.to(rxdag.sinks.collect())
    out = panes.to(rxdag.sinks.collect())
    result = rxdag.run(out, late)
    assert [p.value for p in result[out]] == [2]
    assert result[late] == [(9, "a", 0), (5, "a", 0)]


def test_times_before_the_epoch_fall_into_the_window_that_holds_them():
    panes = window_of([(-11, "a", 0), (-10, "a", 0), (-1, "a", 0)], windows.tumbling("10ns"), agg.count())
    assert [(p.start, p.end, p.value) for p in panes.collect()] == [(-20, -10, 1), (-10, 0, 2)]


def test_panes_that_end_together_come_in_key_order():
    events = [(1, "b", 0), (2, "c", 0), (3, "a", 0)]
    assert [p.key for p in window_of(events, windows.tumbling("10ns"), agg.count()).collect()] == ["a", "b", "c"]


def test_open_and_close_go_by_time_then_sequence_then_arrival():
    ticks = [(5, 2, 101), (5, 1, 100), (5, 3, 99), (5, 3, 98)]
    stream = rxdag.from_source(rxdag.sources.iterable(ticks)).pipe(
        ops.event_time(lambda t: t[0], sequence=lambda t: t[1])
    )
    bar = stream.pipe(ops.key_by(lambda t: 0)).pipe(
        ops.window(windows.tumbling("10ns"), agg.ohlcv(lambda t: t[2], lambda t: 1))
    )
    value = bar.collect()[0].value
    assert (value.open, value.high, value.low, value.close, value.count) == (100, 101, 98, 98, 4)


@pytest.mark.parametrize("bad", [(math.nan, 1), (math.inf, 1), (None, 1), (1, -1), (1, math.nan), ("x", 1)])
def test_a_trade_that_is_none_goes_to_dead_and_changes_nothing(bad):
    ticks = [(1, 10.0, 2), (2, *bad), (3, 11.0, 2)]
    stream = (
        rxdag.from_source(rxdag.sources.iterable(ticks))
        .pipe(ops.event_time(lambda t: t[0]))
        .pipe(ops.key_by(lambda t: 0))
    )
    bars = stream.pipe(ops.window(windows.tumbling("10ns"), agg.ohlcv(lambda t: t[1], lambda t: t[2])), name="bars")
    out, dead = bars.to(rxdag.sinks.collect()), bars.dead.to(rxdag.sinks.collect())
    result = rxdag.run(out, dead)
    assert [(p.value.count, p.value.volume, p.value.vwap) for p in result[out]] == [(2, 4, 10.5)]
    (letter,) = result[dead]
    assert (letter.node, letter.item, letter.attempts) == ("bars", ticks[1], 1)
    assert "ohlcv: " in str(letter.error)


def test_a_trade_of_size_0_counts_for_prices_not_for_the_average():
    bar = rxdag.testing.aggregate(agg.ohlcv(lambda t: t[0], lambda t: t[1]), [(10, 0), (20, 2)])
    assert (bar.open, bar.close, bar.volume, bar.count, bar.vwap) == (10, 20, 2, 2, 20)
    assert rxdag.testing.aggregate(agg.ohlcv(lambda t: t[0], lambda t: t[1]), [(10, 0)]).vwap is None


def test_an_item_that_one_part_refuses_is_in_no_part_of_named():
    parts = agg.named(n=agg.count(), total=agg.sum(lambda x: x)).accumulator()
    parts.add(1)
    with pytest.raises(rxdag.BadItem, match="named: total: sum: value must be a finite number, got nan"):
        parts.add(math.nan)
    assert parts.result() == {"n": 1, "total": 1}


@pytest.mark.parametrize(
    "aggregate",
    [
        agg.count(),
        agg.sum(lambda e: e[2]),
        agg.collect(),
        agg.ohlcv(lambda e: e[2], lambda e: 1),
        agg.vwap(lambda e: e[2], lambda e: 1),
        every_aggregate(),
    ],
)
def test_merging_two_accumulators_is_adding_to_one(aggregate):
    one, left, right = aggregate.accumulator(), aggregate.accumulator(), aggregate.accumulator()
    for i, (ts, *rest) in enumerate(sorted(EVENTS)):
        item = (ts, *rest)
        for target in (one, left if i < 20 else right):
            target.add_at(item, ts, i)
    left.merge(right)
    assert left.result() == one.result()


def test_event_time_takes_datetimes_and_numpy_times():
    from datetime import datetime, timedelta, timezone

    import numpy as np

    utc = datetime(2024, 1, 1, tzinfo=UTC)
    east = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    expected = 1_704_067_200_000_000_000
    for value in (utc, east, np.datetime64("2024-01-01"), np.int64(expected)):
        panes = window_of([], windows.tumbling("1s"), agg.count())
        stream = (
            rxdag.from_source(rxdag.sources.iterable([value]))
            .pipe(ops.event_time(lambda v: v))
            .pipe(ops.key_by(lambda v: 0))
        )
        panes = stream.pipe(ops.window(windows.tumbling("1s"), agg.count()))
        assert [p.start for p in panes.collect()] == [expected]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"x", "a time must be a number, a text, a datetime with a time zone or a numpy datetime64, got b'x'"),
        (1.5, 'got 1.5; pass the unit that it has, such as unit="s", or an int'),
        (True, "a time must be a number"),
    ],
)
def test_what_is_no_time_ends_the_run_and_says_so(value, message):
    with pytest.raises(rxdag.NodeError, match='node "event_time" failed on') as caught:
        feed(ops.event_time(lambda _: value), [1])
    assert message in str(caught.value.__cause__)


def test_a_naive_datetime_is_an_error_with_the_fix():
    from datetime import datetime

    with pytest.raises(rxdag.NodeError, match=r"got the naive .*; use .replace\(tzinfo="):
        feed(ops.event_time(lambda _: datetime(2024, 1, 1)), [1])  # noqa: DTZ001  # that is the point


def test_nat_and_times_out_of_range_go_to_dead():
    import numpy as np

    times = [np.datetime64("NaT"), 10**30, 5]
    stream = rxdag.from_source(rxdag.sources.iterable(times)).pipe(ops.event_time(lambda v: v))
    out, dead = stream.to(rxdag.sinks.collect()), stream.dead.to(rxdag.sinks.collect())
    result = rxdag.run(out, dead)
    assert result[out] == [5]
    assert ["NaT" in str(letter.error) for letter in result[dead]] == [True, False]
    assert "is unit= right?" in str(result[dead][1].error)


def test_an_unhashable_key_says_so():
    with pytest.raises(rxdag.NodeError, match=r"key_by: a key must be hashable, got \[1\]; use a tuple"):
        feed(ops.key_by(lambda x: [x]), [1])


def test_merge_keeps_the_order_of_a_stream_that_forks_and_meets_again():
    stream = rxdag.from_source(rxdag.sources.range(8))
    routes = stream.pipe(ops.route({"even": lambda x: x % 2 == 0}, default="odd"))
    merged = rxdag.merge(routes["even"].pipe(ops.map(lambda x: x)), routes["odd"])
    assert merged.collect() == list(range(8))


def test_the_watermark_of_a_merge_is_the_least_of_its_inputs():
    fast = rxdag.from_source(rxdag.sources.iterable([100, 200])).pipe(ops.event_time(lambda x: x))
    slow = rxdag.from_source(rxdag.sources.iterable([5, 8])).pipe(ops.event_time(lambda x: x))
    panes = (
        rxdag.merge(fast, slow).pipe(ops.key_by(lambda x: 0)).pipe(ops.window(windows.tumbling("10ns"), agg.collect()))
    )
    kept = panes.to(rxdag.sinks.collect())
    assert [p.value for p in rxdag.testing.run_virtual(kept)[kept]] == [[5, 8], [100], [200]]


def test_contract_names_are_the_kernels_vocabulary():
    assert contract.on_item_parameters(type(ops.map(lambda x: x).kernel())) == ("item", "emit")


@pytest.mark.parametrize("columns", [True, False])
def test_without_a_sequence_arrival_breaks_ties(columns):
    ticks = [(5, 101), (5, 100), (5, 99), (3, 98), (3, 97), (5, 96), (4, 102)]
    stream = rxdag.from_source(rxdag.sources.iterable(ticks)).pipe(ops.event_time(lambda t: t[0], out_of_order="9ns"))
    bars = stream.pipe(ops.key_by(lambda t: 0)).pipe(
        ops.window(windows.tumbling("10ns"), agg.ohlcv(lambda t: t[1], lambda t: 1))
    )
    kept = bars.to(rxdag.sinks.collect())
    (pane,) = rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))[kept]
    assert (pane.value.open, pane.value.high, pane.value.low, pane.value.close) == (98, 102, 96, 96)


def test_merging_bars_by_arrival_is_adding_to_one():
    aggregate = agg.ohlcv(lambda e: e[2], lambda e: 1).bound(contract.Shape(timed=True))
    one, left, right = aggregate.accumulator(), aggregate.accumulator(), aggregate.accumulator()
    for i, event in enumerate(sorted(EVENTS)):
        for target in (one, left if i < 20 else right):
            target.add_at(event, event[0], 0)
    left.merge(right)
    assert left.result() == one.result()
