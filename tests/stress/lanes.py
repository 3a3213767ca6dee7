"""Random dags of expressions over one source of columns: every lane gives the same, whatever the size of the chunks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import rxdag
from rxdag import aggregates as agg
from rxdag import col, on_error, sinks, windows
from rxdag import operators as ops
from rxdag.codec import Codec
from rxdag.runtime import restore_into, snapshot_of, why_no_snapshot
from rxdag.testing import Chunked, settle_virtual, virtual
from tests.engine.kinds import Tally
from tests.engine.running import Stepped

HANG_S = 30.0
POLICIES = (on_error.skip, on_error.dead, on_error.raise_)


class Row(NamedTuple):
    t: int
    x: int
    y: float
    s: str
    n: int | None


class Marked(Row):
    """A row of a type of its own, which columns do not know."""

    __slots__ = ()


def rows_of(rng: random.Random, n: int, odd: float = 0.0) -> list[Row]:
    """Rows out of order, with repeats and with what is no number; some of another type, or with a field of another."""
    out: list[Row] = []
    for i in range(n):
        if out and rng.random() < 0.1:
            again = rng.choice(out[-20:])._replace(t=i)
            out.append(
                again._replace(y=float("nan")) if again.y != again.y else again
            )  # as a key it is equal to itself alone
            continue
        y = rng.choice([float("nan"), math.inf, -1.0, 0.0]) if rng.random() < 0.05 else float(rng.randrange(50)) / 4
        x = rng.choice([2**62, -(2**62), 0]) if rng.random() < 0.02 else rng.randrange(40)
        row = Row(i - rng.randrange(25), x, y, rng.choice("abcde"), rng.choice([None, 1, 2]))
        if rng.random() < odd:
            row = rng.choice([Marked(*row), row._replace(x=row.y + 0.125), row._replace(s=None), row._replace(y=True)])  # type: ignore[arg-type]
        out.append(row)
    return out


def make(seed: int, source: rxdag.Source[Row], *, hops: tuple[str, ...] = (), is_settled: bool = False) -> rxdag.Dag:
    """Make a dag; the same for the same seed.

    Args:
        seed: Of what it is made of.
        source: Of its rows.
        hops: Threads of its nodes.
        is_settled: True if what comes out, but for the order behind a merge, must not depend on which of several gates is
            read first: then nothing is late, and gates stand before all branches alone.
    """
    rng = random.Random(seed)
    has_gates = rng.random() < 0.5 or bool(hops)
    outs: list[Any] = []
    streams: list[rxdag.Stream[Any]] = [rxdag.from_source(source).pipe(_timed(rng, is_settled))]
    if is_settled and has_gates:
        streams, has_gates = [_edge(streams[0], rng)], False
    for _ in range(rng.randint(1, 6)):
        stream = rng.choice(streams)
        made = rng.choice(
            [
                _filter,
                _with,
                _dedupe,
                _route,
                _keyed_ways,
                _sharded,
                _diamond,
                _opaque,
                _window,
                _keyed,
                _map,
                _changed,
                _conflate,
                _rolling,
                _asof,
                _limited,
                _counted,
                _exploded,
                _batched,
            ]
        )(_edge(stream, rng, hops) if has_gates else stream, rng)
        for each in made:
            if "late" in each.node.ports and rng.random() < 0.5:
                outs.append(rxdag.graph.stream_of(each.node, "late").to(sinks.collect()))
            if "dead" in each.node.ports and rng.random() < 0.3:
                outs.append(rxdag.graph.stream_of(each.node, "dead").pipe(ops.map(_letter)).to(sinks.collect()))
        outs += [each.to(sinks.collect()) for each in made if not _goes_on(each)]
        streams += [each for each in made if _goes_on(each)]
    outs += [stream.to(sinks.collect()) for stream in streams if rng.random() < 0.7 or stream is streams[-1]]
    return rxdag.Dag(*outs, name=f"lanes{seed}")


def make_line(seed: int, source: rxdag.Source[Row], *, is_settled: bool = False) -> rxdag.Dag:
    """Make a dag of which nothing can be seen but at watermarks, with up to three ends."""
    rng = random.Random(seed)
    timed: rxdag.Stream[Any] = rxdag.from_source(source).pipe(_timed(rng, is_settled))
    outs: list[Any] = []
    for _ in range(rng.randint(1, 3)):
        stream = timed
        for _ in range(rng.randint(0, 3)):
            [stream] = rng.choice([_filter, _with, _dedupe, _changed, _routed])(stream, rng)
        made = rng.choice([_window, _window, _conflate, _rolling, _dedupe])(stream, rng)
        outs += [each.to(sinks.collect()) for each in made]
    return rxdag.Dag(*outs, name=f"line{seed}")


def _edge(stream: Any, rng: random.Random, hops: tuple[str, ...] = ()) -> Any:
    if rng.random() < 0.4:
        stream = stream.buffered(max_items=rng.choice([1, 2, 7, 64]))
    return stream.on(rng.choice(hops)) if hops and rng.random() < 0.5 else stream


def _limited(stream: Any, rng: random.Random) -> list[Any]:
    return [_pipe(stream, ops.take(rng.choice([0, 1, 20, 150])), rng)]


def _counted(stream: Any, rng: random.Random) -> list[Any]:
    return [_pipe(stream, ops.scan(0, lambda n, row: n + row.t), rng)]


def _exploded(stream: Any, rng: random.Random) -> list[Any]:
    return [_edge(_pipe(stream, ops.explode(lambda row: range(row.t % 4)), rng), rng).pipe(ops.map(lambda x: x))]


def _batched(stream: Any, rng: random.Random) -> list[Any]:
    return [_pipe(stream, ops.map_batch(lambda batch: {"t": batch["t"] * 2}), rng)]


def _letter(letter: Any) -> Any:
    return letter.node, letter.item, repr(letter.error)


def _goes_on(stream: rxdag.Stream[Any]) -> bool:
    """True if its items are rows still."""
    return stream.node.port_shape(stream.port).item_type is Row


def _timed(rng: random.Random, is_settled: bool) -> Any:
    return ops.event_time(
        "t",
        unit="s",
        sequence=rng.choice([None, "x"]),
        out_of_order="30s" if is_settled else rng.choice(["0s", "10s", "30s"]),
    )


def _pipe(stream: rxdag.Stream[Any], operator: Any, rng: random.Random) -> rxdag.Stream[Any]:
    piped: rxdag.Stream[Any] = stream.pipe(operator, on_error=rng.choice(POLICIES[:2]))
    return piped


def _asof(stream: Any, rng: random.Random) -> list[Any]:
    other = _pipe(stream, ops.filter(rng.choice([col.x % 2 == 0, col.y > 3])), rng)
    left, right = (stream, other) if rng.random() < 0.5 else (other, stream)
    if rng.random() < 0.7:
        key = rng.choice(["s", "n"])
        left, right = left.pipe(ops.key_by(key)), right.pipe(ops.key_by(key))
    how: Any = rng.choice(["backward", "forward", "nearest"])
    fields: Any = rng.choice([{}, {}, {"fields": {"right_x": "x", "right_s": "s"}}])
    return [
        rxdag.join_asof(
            *(left, right),
            strategy=how,
            tolerance=rng.choice([None, "5s"]),
            allow_exact_matches=rng.random() < 0.5,
            **fields,
        )
    ]


def _rolling(stream: Any, rng: random.Random) -> list[Any]:
    keyed = stream.pipe(ops.key_by(rng.choice(["s", "n"]))) if rng.random() < 0.7 else stream
    of = rng.choice(
        [agg.count(), agg.sum("x"), agg.mean("y"), agg.min("y"), agg.max("x"), agg.first("s"), agg.var("y")]
    )
    if rng.random() < 0.4:
        return [_pipe(keyed, ops.rolling(rng.choice([1, 2, 7]), of), rng)]
    closed = rng.choice(["right", "left", "both", "none"])
    return [_pipe(keyed, ops.rolling(rng.choice(["1s", "5s", "40s"]), of, closed=closed), rng)]


def _conflate(stream: Any, rng: random.Random) -> list[Any]:
    key = rng.choice([(), ("s",), ("s", "n"), (col.x % 3,)])
    return [_pipe(stream, ops.conflate(*key, per="instant", keep=rng.choice(["last", "all", "last"])), rng)]


def _filter(stream: Any, rng: random.Random) -> list[Any]:
    conditions = [
        col.x % 3 != 0,
        (col.y > 2) & (col.s != "a"),
        100 // col.x > 4,
        col.n.is_null() | (col.x > 3),
        col.n > 1,
        lambda row: row.x % 3 != 0,
        lambda row: row.y > 2 and row.s != "a",
        lambda row: 100 // row.x > 4 or not row.y,
        lambda row: row.n is None or row.x > 3,
        lambda row: row.s in ("a", "b", "c") and row.n is not None,
        lambda row: row.x not in (1, 2, 3),
        lambda row: row.n > 1,
        lambda row: row.y and row.x,
    ]
    return [_pipe(stream, ops.filter(rng.choice(conditions)), rng)]


def _with(stream: Any, rng: random.Random) -> list[Any]:
    changes: list[dict[str, Any]] = [
        {"x": col.x * 3 - 1},
        {"y": col.x / col.y},
        {"s": col.s + "!", "n": col.n.fill_null(7)},
        {"x": col.x.abs().max(5), "y": col.y.cast(float)},
        {"x": col.y.cast(int)},
        {"x": lambda row: row.x * 3 - 1},
        {"y": lambda row: row.x / row.y, "n": lambda row: row.n or 7},
    ]
    return [_pipe(stream, ops.with_columns(**rng.choice(changes)), rng)]


def _dedupe(stream: Any, rng: random.Random) -> list[Any]:
    keys: Any = rng.choice(
        [("s",), ("s", "x"), ("y",), ("n", "s"), (col.x // 4,), (lambda row: (row.s, row.x),), (lambda row: -row.x,)]
    )
    return [_pipe(stream, ops.dedupe(*keys, within=rng.choice(["3s", "40s"])), rng)]


def _branch(stream: Any, rng: random.Random) -> Any:
    for _ in range(rng.randint(0, 2)):
        [stream] = rng.choice([_filter, _with])(stream, rng)
    return stream


def _route(stream: Any, rng: random.Random) -> list[Any]:
    routes = stream.pipe(ops.route({"a": col.s == "a", "x": col.x > 20}, default="rest"), on_error=on_error.skip)
    branches = [_branch(routes[port], rng) for port in ("a", "x", "rest")]
    return [rxdag.merge(*branches)] if rng.random() < 0.7 else branches


def _keyed_ways(stream: Any, rng: random.Random) -> list[Any]:
    ways, ports = rng.choice(
        [
            (ops.route_by("s", ["a", "b"], default="rest"), ("a", "b", "rest")),
            (ops.route_by(rng.choice(["n", "y"]), [1, 2]), ("1", "2")),
            (ops.partition(3, rng.choice(["s", "x", "y", "n"])), ("0", "1", "2")),
            (ops.partition(3, lambda row: (row.s, row.x), hash_fn="murmur3_64"), ("0", "1", "2")),
        ]
    )
    routes = stream.pipe(ways, on_error=on_error.skip)
    branches = [_branch(routes[port], rng) for port in ports]
    return [rxdag.merge(*branches)] if rng.random() < 0.7 else branches


def _sharded(stream: Any, rng: random.Random) -> list[Any]:
    return [_pipe(stream, ops.shard(rng.choice(["s", "x", "y", "n", col.x % 3])), rng)]


def _routed(stream: Any, rng: random.Random) -> list[Any]:
    conditions: dict[str, Any] = rng.choice(
        [{"a": col.s == "a", "x": col.x > 20}, {"a": lambda row: row.s == "a", "x": lambda row: row.x + row.y > 20}]
    )
    routes = stream.pipe(ops.route(conditions, default="rest"), on_error=on_error.skip)
    return [rxdag.merge(*(_branch(routes[port], rng) for port in ("a", "x", "rest")))]


def _diamond(stream: Any, rng: random.Random) -> list[Any]:
    return [rxdag.merge(_branch(stream, rng), _branch(stream, rng))]


def _opaque(stream: Any, rng: random.Random) -> list[Any]:
    return [stream.pipe(ops.filter(lambda row: row.x != 7))]


def _keyed(stream: Any, rng: random.Random) -> list[Any]:
    return [_pipe(stream, ops.key_by(*rng.choice([("s",), ("s", "n"), (col.x % 5,)])), rng)]


def _window(stream: Any, rng: random.Random) -> list[Any]:
    aggregates: list[Callable[[], Any]] = [
        lambda: agg.ohlcv("y", "x"),
        lambda: agg.ohlcv(lambda row: row.y * 2, lambda row: row.x),
        agg.count,
        lambda: agg.named(a=agg.sum("x"), b=agg.vwap("y", "x"), c=agg.sum("y")),
    ]
    [keyed] = _keyed(stream, rng)
    size, offset = rng.choice([("3s", "0s"), ("10s", "4s"), ("100s", "0s")])
    slide = rng.choice([size, size, "1s", "2s", "150s"])
    assigner = windows.tumbling(size, offset=offset)
    if slide != size:
        assigner = windows.sliding(size, slide, offset=offset if slide == "150s" else "0s")
    if rng.random() < 0.15:
        assigner = windows.global_()
    return [keyed.pipe(ops.window(assigner, rng.choice(aggregates)()))]


def _changed(stream: Any, rng: random.Random) -> list[Any]:
    [kept] = rng.choice([_keyed, lambda s, _: [s]])(stream, rng)
    return [_pipe(kept, ops.distinct_until_changed(rng.choice(["s", "x", "n", col.x % 3])), rng)]


def _map(stream: Any, rng: random.Random) -> list[Any]:
    return [
        _pipe(
            stream,
            ops.map(
                rng.choice(
                    [
                        col.x * col.x,
                        col.y + 1,
                        col.s,
                        col.x % 7,
                        lambda row: row.x * 2 - row.y,
                        lambda row: (row.s, row.x),
                    ]
                )
            ),
            rng,
        )
    ]


def _chunks(rows: list[Row], rng: random.Random, most: int) -> tuple[tuple[Row, ...], ...]:
    out: list[tuple[Row, ...]] = []
    while rows:
        n = rng.randint(1, most)
        out.append(tuple(rows[:n]))
        rows = rows[n:]
    return tuple(out)


def check_lanes(seed: int, tally: Tally) -> str | None:
    """Every lane and every chunking gives what the kernels alone give, and the books balance."""
    rng = random.Random(seed)
    odd = rng.choice([0.0, 0.0, 0.05])
    build = make if seed % 2 else make_line
    rows = rows_of(rng, rng.choice([1, 30, 300]), odd)
    expected: rxdag.RunResult | None = None
    lanes = [("rows", 1000), ("rows", 3)]
    if not odd:  # else columns do not give back what they were made of
        lanes += [("columns", 1000), ("columns", 20), ("columns", 3)]
    for lane, most in lanes:
        source = Chunked(_chunks(rows, rng, most), None, Row, gives_columns=lane == "columns", is_stored=True)
        plan = rxdag.compile(build(seed, source), columns=lane == "columns")
        result = settle_virtual(virtual(plan))
        if result.problems:
            return f"seed {seed} {lane} BOOKS {result.problems}"
        if expected is None:
            expected = result
            tally.items += sum(len(result[name] or []) for name in result.dag.sinks)
            tally.failed += result.state == "failed"
            continue
        if expected.state != result.state or repr(expected.error) != repr(result.error):
            return f"seed {seed} {lane} of {most}: STATES {expected.state} {expected.error!r} != {result.error!r}"
        for name in result.dag.sinks if result.state == "completed" else ():
            if repr(result[name]) != repr(expected[name]):
                return f"seed {seed} {lane} of {most}: {name}: {_parts(result[name], expected[name])}"
    return None


def check_columns_restart(seed: int, tally: Tally) -> str | None:
    """A run on columns whose state goes through bytes into another run, at some step, gives what it gives without.

    With several gates, one to each branch, the next run may begin with another one of them than the first run would have
    gone on with: then a merge behind them has the same items in another order.
    """
    rng = random.Random(seed)
    build = make if seed % 2 else make_line
    rows = rows_of(rng, rng.choice([30, 300]))
    source = Chunked(_chunks(rows, rng, rng.choice([3, 20, 1000])), None, Row, gives_columns=True, is_stored=True)
    quantum = rng.choice([1, 7, 1024])
    whole = Stepped(rxdag.compile(build(seed, source, is_settled=True)), quantum)
    whole.settle()
    if whole.state != "completed":
        return None
    at, saved, front = rng.randint(1, whole.steps), b"", {}

    def act(step: int) -> None:
        nonlocal saved, front
        if step >= at and not saved and why_no_snapshot(first) is None:
            saved = Codec().encode(snapshot_of(first))
            tally.saved += 1
            front = {name: _collected(first, name) for name in first.plan.dag.sinks}
            first.cancel()

    first = Stepped(rxdag.compile(build(seed, source, is_settled=True)), quantum, act=act)
    first.settle()
    if not saved:  # the rest of its steps is no moment for it
        return None
    state = Codec().decode(saved)
    second = Stepped(rxdag.compile(build(seed, source, is_settled=True)), quantum, start=state["now"])
    restore_into(second, state)
    second.settle()
    tally.rests += first.rests + second.rests
    if second.state != "completed":
        return f"seed {seed} restart: STATE {second.state} {second.error!r}"
    if second.result.problems:
        return f"seed {seed} restart: BOOKS {second.result.problems}"
    for name in second.plan.dag.sinks:
        got, items = front[name] + (second.result.values.get(name) or []), whole.result[name]
        if len(second.plan.gates) > 1:
            got, items = sorted(got, key=repr), sorted(items, key=repr)
        if repr(got) != repr(items):
            return f"seed {seed} restart at {at}: {name}: {_parts(got, items)}"
    return None


def _collected(execution: Stepped, name: str) -> list[Any]:
    """Return what a sink that collects has been given so far."""
    writer = execution.program.nodes[name].writer
    return list(execution._values.get(name) or [] if writer is None else writer._items)


def check_columns_on_threads(seed: int, tally: Tally) -> str | None:
    """On three threads: no gate past its bound, no hang, books balanced, also when the run is stopped."""
    rng = random.Random(seed)
    rows = rows_of(rng, rng.choice([30, 300, 3000]))
    source = Chunked(_chunks(rows, rng, rng.choice([7, 1000])), None, Row, gives_columns=True, is_stored=True)
    how = rng.choice(["wait", "wait", "drain", "flush", "cancel"])
    run = rxdag.start(rxdag.compile(make(seed, source, hops=("S0", "S1", "S2"))))
    try:
        if how == "cancel":
            run.cancel()
        if how in ("drain", "flush"):
            run.drain(f"{HANG_S:g}s", flush=how == "flush")
        else:
            run.wait(HANG_S)
    except TimeoutError:
        return f"seed {seed} HANG {how}"
    except rxdag.RxDagError:
        pass
    result = run.result
    tally.cancelled, tally.drained = tally.cancelled + (how == "cancel"), tally.drained + (how in ("drain", "flush"))
    if result is None:
        return f"seed {seed} NO RESULT {how}"
    if result.problems:
        return f"seed {seed} BOOKS {how} {result.state} {result.problems}"
    for name, gate in result.stats.gates.items():
        if gate.high_water > gate.capacity:
            return f"seed {seed} BOUND {name} {gate}"
    return None


def _parts(got: list[Any], expected: list[Any]) -> str:
    at = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if repr(a) != repr(b)), None)
    return f"{len(got)} != {len(expected)} items" if at is None else f"at {at}: {got[at]!r} != {expected[at]!r}"
