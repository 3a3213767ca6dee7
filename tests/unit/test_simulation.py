"""Simulations: one seed, one run; every free choice is drawn; faults happen where they should; what is broken is found."""

import asyncio
import time
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit import linear

import rxdag
from rxdag import adapters, on_error, sinks, sources, testing, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.contract import END, Chunk, Reader, Sink, Source, Writer
from rxdag.errors import GraphError
from rxdag.testing import LawBroken, faults, strategies
from rxdag.testing._stepping import Seen

MS = 1_000_000


def two_threads():
    source = rxdag.from_source(sources.range(60), name="in")
    left = source.on("a").pipe(ops.map(lambda x: ("left", x)))
    right = source.on("b").pipe(ops.map(lambda x: ("right", x)))
    return rxdag.merge(left, right).buffered(max_items=3).to(sinks.collect(), name="out")


def test_the_same_seed_gives_the_same_and_others_give_other_orders():
    runs = [testing.run(two_threads(), seed=seed).outputs["out"] for seed in range(12)]
    assert runs == [testing.run(two_threads(), seed=seed).outputs["out"] for seed in range(12)]
    assert len({tuple(run) for run in runs}) > 6
    for run in runs:
        assert sorted(run) == sorted([(side, x) for side in ("left", "right") for x in range(60)])
        assert [x for side, x in run if side == "left"] == list(range(60))


def test_the_order_of_timers_of_one_instant_is_drawn():
    def order(seed):
        seen = []
        outs = [
            rxdag.from_source(sources.timer("1s"), name=name).to(sinks.call(lambda _, name=name: seen.append(name)))
            for name in "abc"
        ]
        testing.run(*outs, seed=seed)
        return "".join(seen)

    assert {order(seed) for seed in range(60)} == {"abc", "acb", "bac", "bca", "cab", "cba"}


def test_a_sink_takes_the_time_that_it_is_said_to():
    source = rxdag.from_source(sources.range(10), name="in")
    out = source.to(sinks.collect(), name="db")
    sim = testing.run(out, service={"db": "2.5ms"})
    assert sim.outputs["db"] == sim[out] == list(range(10))
    assert sim.now == 25 * MS
    assert sim.result[out] == list(range(10))
    assert testing.run(out, service={"db": "2.5ms"}, faults=[faults.slows("db", item=3, by="1s")]).now == 1025 * MS


def test_inputs_take_the_place_of_sources():
    out = rxdag.from_source(sources.ingress(), name="trades").to(sinks.collect(), name="out")
    sim = testing.run(out, inputs={"trades": testing.timeline(("1s", "a"), ("5s", "b"))}, seed=3)
    assert (sim.outputs["out"], sim.now) == (["a", "b"], 5 * 10**9)


def test_until_drains_a_run_without_an_end():
    out = rxdag.from_source(sources.interval("1s")).to(sinks.collect(), name="out")
    assert testing.run(out, until="3500ms").outputs["out"] == [0, 1, 2]


def test_a_simulation_tells_what_gates_held_and_dropped():
    source = rxdag.from_source(sources.range(100), name="in")
    out = source.buffered(max_items=4, overflow="drop_oldest").to(sinks.collect(), name="out")
    sim = testing.run(out, service={"out": "1ms"}, seed=1)
    (edge,) = sim.high_water
    assert sim.high_water[edge] == 4
    assert sim.dropped[edge] + len(sim.outputs["out"]) == 100
    assert 4 <= sim.peak <= sim.cap
    assert [kind for kind, _ in sim.trace.signals(edge)].count("dropped") == sim.dropped[edge]


# ---- faults


def plain():
    return (
        rxdag.from_source(sources.range(10), name="in")
        .pipe(ops.map(lambda x: x * 10), name="times")
        .to(sinks.collect(), name="out")
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_node_raises_on_the_item_it_is_told_to(seed):
    sim = testing.run(plain(), faults=[faults.raises("times", item=4)], seed=seed)
    assert sim.outputs["out"] == [0, 10, 20]
    assert isinstance(sim.error.__cause__, faults.InjectedFault)
    assert sim.error.item == 3
    assert sim.error.__notes__ == [f"seed {seed}"]
    assert sim.result.problems == ()


def test_policies_hold_for_injected_faults():
    source = rxdag.from_source(sources.range(5), name="in")
    for policy, kept in ((on_error.skip, [0, 1, 3, 4]), (on_error.retry(2), [0, 1, 2, 3, 4])):
        out = source.pipe(ops.map(lambda x: x), name="m", on_error=policy).to(sinks.collect(), name="out")
        assert testing.run(out, faults=[faults.raises("m", item=3)]).outputs["out"] == kept
    split = source.pipe(ops.explode(lambda x: [x, x]), name="twice", on_error=on_error.skip).to(
        sinks.collect(), name="o"
    )
    assert testing.run(split, faults=[faults.raises("twice", item=2)]).outputs["o"] == [0, 0, 2, 2, 3, 3, 4, 4]


def test_a_sink_raises_and_a_source_is_lost():
    sim = testing.run(plain(), faults=[faults.raises("out", item=3)])
    assert 'node "out" failed on 20: InjectedFault' in str(sim.error)
    sim = testing.run(plain(), faults=[faults.loses("in", item=4)])
    assert sim.outputs["out"] == [0, 10, 20, 30]
    assert 'source "in": the source is lost' in str(sim.error)


def test_an_operator_that_is_slow_keeps_the_run():
    stream = rxdag.from_source(sources.interval("1s", count=4), name="in").pipe(ops.map(lambda x: x), name="m")
    out = stream.pipe(ops.timestamp()).to(sinks.collect(), name="out")
    sim = testing.run(out, faults=[faults.slows("m", item=2, by="2500ms")])
    assert [t.ts // MS for t in sim.outputs["out"]] == [1000, 4500, 4500, 4500]


def test_a_run_is_cancelled_and_drained_at_a_step():
    out = rxdag.from_source(sources.interval("1s")).to(sinks.collect(), name="out")
    assert testing.run(out, faults=[faults.cancels(step=9)]).result.state == "cancelled"
    drained = testing.run(out, faults=[faults.drains(step=9)]).result
    assert (drained.state, drained.was_drained) == ("completed", True)


@pytest.mark.parametrize("by", ["1h", "-1h"])
def test_a_jump_of_the_wall_clock_is_seen_by_users_and_by_no_timer(by):
    seen = []
    stream = rxdag.from_source(sources.interval("1s", count=6), name="in").pipe(
        ops.tap(lambda _: seen.append(time.time()))
    )
    out = stream.pipe(ops.timestamp()).to(sinks.collect(), name="out")
    sim = testing.run(out, faults=[faults.jumps(at="3500ms", by=by)])
    assert [t.ts for t in sim.outputs["out"]] == [s * 10**9 for s in range(1, 7)]
    assert abs((seen[3] - seen[2]) - (3600 if by == "1h" else -3600)) < 60


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: faults.raises("x", item=0), "raises: item must be 1 or more, got 0"),
        (lambda: faults.cancels(step=True), "cancels: step must be a whole number, 1 or more, got True"),
        (
            lambda: testing.run(plain(), faults=[faults.raises("tims", item=1)]),
            'raises: node "tims" must be an operator',
        ),
        (
            lambda: testing.run(plain(), faults=[faults.slows("in", item=1, by="1s")]),
            'slows: node "in" must be an operator or a sink',
        ),
        (
            lambda: testing.run(plain(), service={"ot": "1s"}),
            'testing.run: node "ot" is not known; did you mean "out"?',
        ),
        (
            lambda: testing.run(plain(), inputs={"im": testing.timeline()}),
            "testing.run: inputs must be sources of the dag, in, got im",
        ),
        (lambda: testing.timeline(("2s", 1), ("1s", 2)), "timeline: times must not decrease, got 1s after 2s"),
        (
            lambda: testing.recording([("n", 20, 1), ("n", 10, 2)]),
            "recording: times must not decrease, got 10 ms after 20 ms",
        ),
        (lambda: testing.explore(plain(), seeds=0), "explore: seeds must be 1 or more, got 0"),
        (lambda: testing.explore(3), "explore: takes a sink, a Dag, a Plan, or a function that makes a Dag, got 3"),
    ],
)
def test_what_cannot_be_is_said(make, said):
    with pytest.raises(GraphError) as raised:
        make()
    assert said in str(raised.value)


def test_a_run_that_does_not_end_is_found():
    out = rxdag.from_source(sources.interval("1s")).to(sinks.null())
    with pytest.raises(LawBroken, match=r"seed 5: the run did not end; .*testing.run\(..., seed=5\)"):
        testing.run(out, seed=5, max_steps=500)


# ---- exploring


def bars():
    timed = rxdag.from_source(sources.range(50), name="in").pipe(ops.event_time(lambda x: x * 7))
    panes = timed.pipe(ops.key_by(lambda x: x % 3)).pipe(ops.window(windows.tumbling("50ns"), agg.count()))
    return rxdag.Dag(panes.on("writer").buffered(max_items=2).to(sinks.collect(), name="bars"))


def test_a_sound_dag_holds_for_many_seeds_with_everything_going_wrong():
    found = testing.explore(bars(), seeds=150, service={"bars": "1ms"})
    assert found.seeds == 150
    assert found.compared == ("bars",)
    assert set(found.ends) == {"completed", "failed", "cancelled"}
    assert {"raises", "loses", "slows", "cancels", "drains", "jumps", "none"} == set(found.faults)


def test_what_depends_on_the_order_of_threads_is_found_and_can_be_run_again():
    state = []

    def make():
        state.clear()
        source = rxdag.from_source(sources.range(30))
        source.on("a").to(sinks.call(state.append), name="first")
        first = source.on("a").pipe(ops.tap(state.append)).to(sinks.null(), name="first")
        second = source.on("b").pipe(ops.map(lambda x: (x, len(state)))).to(sinks.collect(), name="second")
        return rxdag.Dag(first, second)

    with pytest.warns(rxdag.GraphWarning), pytest.raises(LawBroken) as raised:
        testing.explore(make, seeds=20, faults=False)
    text = str(raised.value)
    assert 'sink "second" got' in text
    seed = int(text.split()[1].rstrip(":"))
    assert f"testing.run(..., seed={seed})" in text


def test_exploring_compares_only_what_is_bound_to_be_the_same():
    source = rxdag.from_source(sources.range(9))
    merged = rxdag.merge(source, source.pipe(ops.map(lambda x: -x))).to(sinks.collect(), name="merged")
    dropped = source.buffered(max_items=1, overflow="drop_newest").to(sinks.collect(), name="dropped")
    batched = source.pipe(ops.batch(max_wait="1s")).to(sinks.collect(), name="batched")
    plain = source.pipe(ops.scan(0, lambda n, x: n + x)).to(sinks.collect(), name="plain")
    found = testing.explore(rxdag.Dag(merged, dropped, batched, plain), seeds=20)
    assert found.compared == ("plain",)


@settings(max_examples=60, deadline=None)
@given(strategies.dags(), st.integers(0, 10**6))
def test_small_dags_hold_whatever_goes_wrong(dag, start):
    testing.explore(dag, seeds=3, start=start)


@settings(max_examples=40, deadline=None)
@given(strategies.dags(fan_in=False), st.integers(0, 10**6))
def test_dags_without_fan_in_give_the_same_in_every_order_of_events(dag, seed):
    assert testing.explore(dag, seeds=2, start=seed, faults=False).compared == dag.sinks


# ---- strategies


@given(strategies.marbles())
def test_marbles_can_be_played(line):
    assert testing.play(ops.map(lambda x: x), line).rstrip("-|#") == line.rstrip("-|#").rstrip("-")


@given(st.lists(st.integers()).flatmap(lambda items: st.tuples(st.just(items), strategies.chunkings(items))))
def test_chunkings_join_to_the_items(drawn):
    items, chunks = drawn
    assert [item for chunk in chunks for item in chunk] == items


@given(strategies.timed_items(st.integers(), out_of_order_ns=50))
def test_timed_items_are_never_further_behind_than_said(items):
    largest = -(10**18)
    for ts, _ in items:
        assert ts >= largest - 50
        largest = max(largest, ts)


# ---- laws of sources and sinks


@pytest.mark.parametrize(
    "make",
    [
        lambda: sources.range(50),
        lambda: sources.iterable(list("abcdefgh")),
        lambda: sources.iterable(list("abc"), blocking=True),
        lambda: sources.interval("1s", count=7),
        lambda: sources.reconnecting(sources.range(20)),
        lambda: sources.simulated_trades(seed=1, trades=300),
        lambda: testing.timeline(("1s", 1), ("2s", 2)),
        lambda: sources.paced(sources.iterable([0, 1, 1, 5, 3, 9]), lambda x: x, unit="s"),
        lambda: adapters.pipeline(linear.pipeline(source=linear.Source(9, 0.5), operator=linear.Operator(fails=None))),
        lambda: rxdag.wrap(linear.Source()).node.thing,
        lambda: rxdag.wrap(lambda: [1, 2, 3]).node.thing,
    ],
)
def test_our_sources_hold_the_laws(make):
    testing.check_source(make, max_items=200)


def test_an_async_source_holds_the_laws():
    async def numbers():
        for x in range(20):
            await asyncio.sleep(0.5)
            yield x

    testing.check_source(lambda: sources.async_iterable(numbers))


class _Rows(Reader):
    def __init__(self, source):
        self.source, self.at = source, 0

    def read(self, max_items):
        size = self.source.chunk or max_items
        items = list(range(self.at, min(10, self.at + size)))
        self.at += size if not self.source.forgets else max_items + 1
        return Chunk(items) if items else END


@dataclass(frozen=True)
class Rows(Source):
    chunk: int = 0
    forgets: bool = False

    def open(self, context):
        return _Rows(self)


@dataclass(frozen=True)
class Shared(Source):
    left: list

    def open(self, context):
        shared = self.left

        class R(Reader):
            def read(self, max_items):
                return Chunk([shared.pop()]) if shared else END

        return R()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Rows(chunk=5), "asked: a source gave 5 items where"),
        (lambda: Rows(forgets=True), "chunks: gave"),
    ],
)
def test_a_source_that_breaks_a_law_is_found(make, said):
    testing.check_source(Rows)
    with pytest.raises(LawBroken) as raised:
        testing.check_source(make)
    assert str(raised.value).startswith(said)


def test_a_source_that_remembers_the_run_before_is_found():
    shared = Shared([1, 2, 3])
    with pytest.raises(LawBroken, match="gave 0 items, not 3"):
        testing.check_source(lambda: shared)


def test_our_sinks_hold_the_laws(tmp_path):
    async def nothing(item): ...

    items = [{"a": x, "b": str(x)} for x in range(30)]
    for make in (sinks.collect, sinks.null, lambda: sinks.call(lambda x: None), lambda: sinks.acall(nothing)):
        testing.check_sink(make, items)
    path = tmp_path / "out.csv"
    testing.check_sink(lambda: sinks.csv(path, columns=["a", "b"]), items, read=path.read_text)
    lines = tmp_path / "out.jsonl"
    testing.check_sink(lambda: sinks.jsonl(lines), items, read=lines.read_text)


class _Lengths(Sink, Writer):
    """Its result depends on the chunks."""

    def __init__(self):
        self.n = []

    def open(self, context):
        self.n = []
        return self

    def write(self, chunk):
        self.n.append(len(chunk))

    def close(self, *, ok):
        return self.n


class _Keeps(_Lengths):
    """It keeps what the run before has brought."""

    def open(self, context):
        return self

    def write(self, chunk):
        self.n += chunk.items


def test_a_sink_that_breaks_a_law_is_found():
    with pytest.raises(LawBroken, match="chunks: left"):
        testing.check_sink(_Lengths, range(30))
    with pytest.raises(LawBroken, match="runs: left"):
        testing.check_sink(_Keeps, range(5), waive=["chunks"])
    with pytest.raises(
        GraphError, match="check_sink: waive must be some of ends, chunks, runs, stops, fails, recovers, got asked"
    ):
        testing.check_sink(_Keeps, (), waive=["asked"])
    with pytest.raises(GraphError, match="check_source: waive must be some of"):
        testing.check_source(Rows, waive=["spins"])


def test_a_sink_of_a_simulation_is_had_by_its_name_too():
    out = rxdag.from_source(sources.range(3)).to(sinks.collect(), name="out")
    found = testing.run(out)
    assert found["out"] == found[out] == [0, 1, 2]
    with pytest.raises(GraphError, match='simulation: has no sink "ou"; did you mean "out"'):
        found["ou"]


def test_a_sink_of_a_run_in_steps_is_had_by_itself_and_by_its_name():
    out = rxdag.from_source(sources.range(3)).to(sinks.collect(), name="out")
    run = testing.start(out)
    run.settle()
    assert run.seen("out") == run.seen(out) == run[out] == [0, 1, 2]
    with pytest.raises(GraphError, match='run: has no sink "ou"; did you mean "out"'):
        run.seen("ou")
    with pytest.raises(GraphError, match="run: has no such sink, got"):
        run.seen(plain())


class TestPortsThatNobodyReads:
    """`outputs` has them by node and port."""

    def test_late_items_and_dead_letters(self):
        times = rxdag.from_source(sources.iterable([10, "x", 1, 20]), name="times")
        timed = times.pipe(ops.map(lambda x: x + 0), name="add", on_error="dead").pipe(
            ops.event_time(lambda x: x, unit="s")
        )
        bars = timed.pipe(ops.window_all(windows.tumbling("1s"), agg.count()), name="bars")
        sim = testing.run(bars.to(sinks.null(), name="out"))
        assert sim.outputs["bars.late"] == sim["bars.late"] == [1]
        assert [letter.item for letter in sim.outputs["add.dead"]] == ["x"]
        assert sim.outputs["bars.dead"] == []
        assert len(sim.outputs["out"]) == 2

    def test_dropped_unassigned_and_unrouted_items(self):
        numbers = rxdag.from_source(sources.range(6), name="numbers")
        once = numbers.pipe(ops.dedupe(lambda x: x // 2, within="1s"), name="once")
        routed = once.pipe(ops.route({"low": lambda x: x < 3, "four": lambda x: x == 4}), name="kinds")
        timed = numbers.pipe(ops.event_time(lambda x: x, unit="s"))
        gaps = timed.pipe(ops.window_all(windows.sliding("1s", "2s"), agg.count()), name="gaps")
        sim = testing.run(routed["low"].to(sinks.null(), name="low"), gaps.to(sinks.null(), name="counts"))
        assert sim.outputs["once.dropped"] == [1, 3, 5]
        assert sim.outputs["kinds.four"] == [4]
        assert sim.outputs["gaps.unassigned"] == [1, 3, 5]
        unread = testing.run(
            numbers.pipe(ops.route({"low": lambda x: x < 3}), name="kinds")["low"].to(sinks.null(), name="low")
        )
        assert unread.outputs["kinds.unrouted"] == [3, 4, 5]

    def test_late_items_of_columns(self):
        table = sources.arrays({"at": [10, 1, 20, 2], "n": [1, 2, 3, 4]})
        timed = rxdag.from_source(table).pipe(ops.event_time("at", unit="s")).pipe(ops.key_by(rxdag.col.n % 1))
        bars = timed.pipe(ops.window(windows.tumbling("1s"), agg.sum("n")), name="bars")
        sim = testing.run(bars.to(sinks.null(), name="out"))
        assert 'sum("n"))  [columns]' in rxdag.compile(sim.result.dag).explain()
        assert [item["at"] for item in sim.outputs["bars.late"]] == [1, 2]

    def test_ports_that_are_read_are_not_listed(self):
        times = rxdag.from_source(sources.iterable([10, 1, 20])).pipe(ops.event_time(lambda x: x, unit="s"))
        bars = times.pipe(ops.window_all(windows.tumbling("1s"), agg.count()), name="bars")
        sim = testing.run(bars.to(sinks.null(), name="out"), bars.late.to(sinks.collect(), name="late"))
        assert sim.outputs["late"] == [1]
        assert "bars.late" not in sim.outputs
        assert "bars.out" not in sim.outputs

    def test_a_run_of_another_kind_makes_no_more_exits_than_before(self):
        once = rxdag.wrap([1, 1]).pipe(ops.dedupe(lambda x: x, within="1s"), name="once")
        assert "dropped" not in rxdag.run(once.to(sinks.null())).stats.nodes["once"].out

    def test_a_watcher_of_such_a_port_sees_its_items_in_a_run_of_any_kind(self):
        once = rxdag.wrap([1, 1, 2]).pipe(ops.dedupe(lambda x: x, within="1s"), name="once")
        execution = testing.virtual(rxdag.compile(rxdag.Dag(once.to(sinks.null()))))
        seen = Seen()
        execution.program.observe("once", seen, execution, "dropped")
        testing.settle_virtual(execution)
        assert seen.items == [1]
