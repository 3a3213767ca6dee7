"""Kernels in all the forms their authors may write: in a loop they give what they give when they are called."""

from dataclasses import dataclass
from typing import Any

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, windows
from rxdag import operators as ops
from rxdag.compiler._splice import why_not
from rxdag.contract import MAX, Accumulator, Aggregate
from rxdag.testing import settle_virtual, virtual

LIMIT = 3


def twice(x):
    return x * 2


class Nested(ops.Kernel):
    """Ifs in ifs, exits at several depths, globals, constants."""

    state = ("seen",)

    def __init__(self):
        self.seen = 0

    def on_item(self, item, emit):
        x = item % 7
        if x > LIMIT:
            if x == 5:
                return emit.dropped(item, "five")
            if x == 6:
                return emit.filtered(item)
        elif x == 0:
            return emit.filtered(item)
        else:
            x = twice(x)
        self.seen += 1
        emit(x + self.seen)
        return None


class Helpers(ops.Kernel):
    """A helper that can stand in the loop, one that returns, and one that calls another."""

    state = ("total", "last", "log")

    def __init__(self):
        self.total = 0
        self.last = 0
        self.log = []

    def on_item(self, item, emit):
        self._add(item)
        last = self._swap(item)
        self._twice(item)
        emit((self.total, last, len(self.log)))

    def _add(self, amount):
        self.total += amount
        if amount % 2:
            self.total += 1

    def _swap(self, item):
        before, self.last = self.last, item
        return before

    def _twice(self, item):
        self._add(item)
        self.log.append(item)


class Loops(ops.Kernel):
    state = ("best",)

    def __init__(self):
        self.best = [0, 0, 0]

    def on_item(self, item, emit):
        for i in range(len(self.best)):
            if item % (i + 2) == 0:
                self.best[i] += item
        total = sum([b for b in self.best])
        del self.best[0]
        self.best.append(total % 11)
        emit(total)


class Tells(ops.Kernel):
    """Gives its exits to a method, and late items to a port."""

    state = ("n",)

    def __init__(self):
        self.n = 0

    def on_item(self, item, ts, emit):
        if item % 4 == 0:
            self._late(item, emit)
            return None
        if item % 5 == 0:
            return emit.late(item)
        self.n += 1
        emit((item, ts), ts=ts + 1)
        return None

    def _late(self, item, emit):
        self.n += 10
        emit.late(item)


class Batches(ops.Kernel):
    """Spends items in outputs that are not they, on items, watermarks and at the end."""

    state = ("items",)
    passes = False
    grid = 1
    wake = -MAX

    def __init__(self):
        self.items = []

    def on_item(self, item, ts, emit):
        self.items.append(item)
        if len(self.items) < 3:
            return
        batch = self.items
        self.items = []
        emit.absorbed(len(batch))
        emit(tuple(batch), ts=ts)

    def held(self):
        return len(self.items)

    def on_end(self, emit):
        if self.items:
            emit.absorbed(len(self.items))
            emit(tuple(self.items), ts=0)
            self.items = []


class Keyed(ops.Kernel):
    """Reads time, sequence and key, and changes them."""

    def on_item(self, item, ts, sequence, key, emit):
        emit((item, ts, sequence, key), ts=ts + 5, sequence=sequence + 1, key=str(key) + "!")


class Raises(ops.Kernel):
    """Changes its state before and behind what may raise, as a careful author would."""

    state = ("n",)

    def __init__(self):
        self.n = 0

    def on_item(self, item, emit):
        if item % 6 == 5:
            raise ValueError(f"no {item}")
        if item % 9 == 8:
            raise rxdag.BadItem(f"bad {item}")
        self.n += 1
        emit((item, self.n))


@dataclass(frozen=True)
class Made(ops.Operator[Any, Any]):
    """An operator of any kernel."""

    kind: Any
    given_ports: tuple[str, ...]
    label = "made"

    @property
    def ports(self):
        return self.given_ports

    def kernel(self):
        return self.kind()


def operator(kernel: Any, ports: tuple[str, ...] = ("out", "dead")) -> Any:
    return Made(kernel, ports)


def results(build, items, *, fuse, policy=on_error.raise_):
    """Outputs by port, state and ledgers of a chain around an operator."""
    stream = rxdag.from_source(sources.iterable(items))
    ports = build(stream, policy)
    kept = [stream.to(sinks.collect(), name=f"p{i}") for i, stream in enumerate(ports)]
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(*kept), fuse=fuse)))
    assert result.problems == ()
    outputs = [[_plain(x) for x in result[sink]] for sink in kept]
    return outputs, result.state, str(result.error)


def _plain(x):
    return (x.node, x.item, repr(x.error)) if isinstance(x, rxdag.DeadLetter) else x


def around(kernel, ports=("out", "dead"), read=("out",)):
    """Stateless nodes before and behind the operator, so that it is in the middle of a loop."""

    def build(stream, policy):
        timed = stream.pipe(ops.event_time(lambda x: x, unit="ms", sequence=lambda x: x % 2)).pipe(
            ops.key_by(lambda x: x % 3)
        )
        made = timed.pipe(ops.map(lambda x: x)).pipe(operator(kernel, ports), on_error=policy)
        return [(made if port == "out" else made.side(port)).pipe(ops.map(lambda x: x)) for port in read]

    return build


CASES = {
    "nested": around(Nested),
    "helpers": around(Helpers),
    "loops": around(Loops),
    "tells": around(Tells, ("out", "late", "dead"), ("out", "late")),
    "batches": around(Batches),
    "keyed": around(Keyed),
    "raises": around(Raises, read=("out", "dead")),
}


@pytest.mark.parametrize("policy", [on_error.raise_, on_error.skip, on_error.dead], ids=lambda p: p.kind)
@pytest.mark.parametrize("name", CASES)
def test_a_kernel_gives_in_a_loop_what_it_gives_when_called(name, policy):
    build = CASES[name]
    fused = results(build, range(60), fuse=True, policy=policy)
    called = results(build, range(60), fuse=False, policy=policy)
    assert fused == called
    assert any(fused[0])


@pytest.mark.parametrize("kernel", [Nested, Helpers, Loops, Tells, Batches, Keyed, Raises], ids=lambda k: k.__name__)
def test_these_kernels_are_written_into_the_loop(kernel):
    assert why_not(kernel()) is None


class Tries(ops.Kernel):
    def on_item(self, item, emit):
        try:
            x = 1 / item
        except ZeroDivisionError:
            x = 0
        emit(x)


class EmitsTwice(ops.Kernel):
    def on_item(self, item, emit):
        if item:
            emit(item)
        emit(item)


class Returns(ops.Kernel):
    def on_item(self, item, emit):
        return item


class InExpression(ops.Kernel):
    def on_item(self, item, emit):
        emit(self.double(item))

    def double(self, item):
        return item * 2


class LeavesALoop(ops.Kernel):
    def on_item(self, item, emit):
        for _ in range(3):
            return emit.filtered(item)
        emit(item)
        return None


class Assigns(ops.Kernel):
    def on_item(self, item, emit):
        item += 1
        emit(item)


class LooksAtInput(ops.Kernel):
    def on_item(self, item, input, emit):
        emit((item, input))


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        (Tries, "line 2 of on_item: try is not spliced"),
        (EmitsTwice, "line 3 of on_item: emit must be the last thing that happens"),
        (Returns, "line 2 of on_item: must return nothing or emit.<exit>(item)"),
        (InExpression, "line 2 of on_item: a method of its own inside an expression"),
        (LeavesALoop, "line 2 of on_item: a loop with a way out of it"),
        (Assigns, "on_item assigns a parameter"),
        (LooksAtInput, "on_item looks at its input"),
    ],
    ids=lambda k: getattr(k, "__name__", ""),
)
def test_a_kernel_that_cannot_be_written_into_a_loop_is_called_and_explain_says_why(kernel, reason):
    if kernel not in (Returns, EmitsTwice):  # these two are wrong, and their books say so
        assert results(around(kernel), range(9), fuse=True) == results(around(kernel), range(9), fuse=False)
    plan = rxdag.compile(rxdag.Dag(rxdag.from_source(sources.range(3)).pipe(operator(kernel)).to(sinks.null())))
    assert reason in plan.explain()


def windowed(into, behind, policy=on_error.raise_):
    def build(stream, _):
        timed = stream.pipe(ops.event_time(lambda x: x, unit="ms")).pipe(ops.key_by(lambda x: x % 2))
        panes = timed.pipe(ops.window(windows.tumbling("5ms"), agg.count(), into=into), name="w")
        return [panes.pipe(ops.map(behind), name="m", on_error=policy), panes.late]

    return build


def refuse(at):
    def fn(x):
        start = x.start if isinstance(x, rxdag.Pane) else x
        if start == at:
            raise ValueError("refused")
        return start

    return fn


@pytest.mark.parametrize("policy", [on_error.raise_, on_error.skip, on_error.dead], ids=lambda p: p.kind)
def test_a_failure_behind_a_window_is_one_in_the_loop_too(policy):
    for build in (
        windowed(lambda p: p.start, refuse(15_000_000), policy),
        windowed(refuse(15_000_000), lambda x: x, policy),
    ):
        fused, called = results(build, range(60), fuse=True), results(build, range(60), fuse=False)
        assert fused == called


class _Range(Accumulator[Any, Any]):
    """A user's accumulator, outside the package."""

    shared = ("_get",)
    state = ("low", "high")

    def __init__(self, get):
        self._get = get
        self.low = self.high = None

    def add(self, item, /):
        value = self._get(item)
        if value < 0:
            raise rxdag.BadItem("must not be negative")
        if self.low is None or value < self.low:
            self.low = value
        if self.high is None or value > self.high:
            self.high = value

    def result(self):
        return (self.low, self.high)


class _RangeAt(_Range):
    def add_at(self, item, ts, sequence, /):
        value = self._get(item)
        if value < 0:
            raise rxdag.BadItem("must not be negative")
        if self.low is None or value < self.low:
            self.low = value
        if self.high is None or value > self.high:
            self.high = value


@dataclass(frozen=True)
class Range(Aggregate[Any, Any]):
    kind: Any
    get: Any = abs

    def accumulator(self):
        return self.kind(self.get)


@pytest.mark.parametrize("kind", [_Range, _RangeAt])
def test_a_users_accumulator_gives_in_a_loop_what_it_gives_when_called(kind):
    def build(stream, _):
        timed = stream.pipe(ops.event_time(lambda x: abs(x), unit="ms")).pipe(ops.key_by(lambda x: x % 2))
        panes = timed.pipe(ops.window(windows.tumbling("7ms"), Range(kind, lambda x: x)))
        return [panes, panes.dead]

    items = [x if x % 5 else -x for x in range(50)]
    assert results(build, items, fuse=True) == results(build, items, fuse=False)


def test_routes_in_routes_and_branches_that_meet_keep_every_item_in_order():
    def build(stream, _):
        first = stream.pipe(ops.route({"small": lambda x: x < 20, "even": lambda x: x % 2 == 0}, default="odd"))
        inner = first["small"].pipe(ops.route({"three": lambda x: x % 3 == 0}, default="rest"))
        met = rxdag.merge(inner["three"].pipe(ops.map(lambda x: -x)), inner["rest"].pipe(ops.filter(lambda x: x % 5)))
        return [met, rxdag.merge(first["even"].pipe(ops.map(lambda x: x)), first["odd"])]

    fused, called = results(build, range(60), fuse=True), results(build, range(60), fuse=False)
    assert fused == called
    assert len(fused[0][0]) == 20 - 2  # 5 and 10 are filtered; 0 and 15 are threes
    assert fused[0][1] == list(range(20, 60))


def test_a_route_of_which_one_branch_is_not_read_counts_it():
    def build(stream, _):
        routes = stream.pipe(ops.route({"a": lambda x: x % 3 == 0, "b": lambda x: x % 3 == 1}), name="r")
        return [routes["a"]]

    assert results(build, range(10), fuse=True) == results(build, range(10), fuse=False)


def test_parameters_that_are_known_are_decided_when_the_plan_is_made():
    timed = (
        rxdag.from_source(sources.range(3)).pipe(ops.event_time(lambda x: x)).pipe(ops.dedupe(lambda x: x, max_keys=9))
    )
    source = rxdag.compile(rxdag.Dag(timed.to(sinks.null()))).source(0)
    assert "_max_keys" not in source
    assert "_within" not in source
    assert "_sequence_of" not in source
    assert "is None" not in source


def test_ports_of_any_name_are_no_code():
    names = ["a\n    raise SystemExit", "items", "x_items", "x", "'; 1/0 #", "class"]

    def build(stream, _):
        conditions = {name: (lambda x, i=i: x % len(names) == i) for i, name in enumerate(names)}
        routes = stream.pipe(ops.route(conditions))
        return [routes[name] for name in names]

    fused = results(build, range(60), fuse=True)
    assert fused == results(build, range(60), fuse=False)
    assert fused[0] == [list(range(i, 60, len(names))) for i in range(len(names))]


def test_the_books_of_a_region_that_never_ran_are_empty():
    routes = rxdag.from_source(sources.ingress()).pipe(ops.route({"a": bool, "b": bool}))
    merged = rxdag.merge(routes["a"].pipe(ops.map(abs)), routes["b"])
    run = rxdag.start(merged.to(sinks.null()))
    run.cancel()
    result = run.wait()
    assert (result.state, result.problems, result.stats.nodes["merge"].arrived) == ("cancelled", (), 0)


# ---- several readers of one port


def forked(stream, policy=on_error.raise_, fails=()):
    """Two branches that meet, one of them with state and a failure, and two that do not."""

    def failing(name):
        def fn(x):
            if name in fails and x % 11 == 4:
                raise ValueError(name)
            return x

        return fn

    trunk = stream.pipe(ops.map(lambda x: x), name="trunk")
    left = trunk.pipe(ops.filter(lambda x: x % 3), name="left").pipe(ops.map(failing("a")), name="a", on_error=policy)
    right = trunk.pipe(ops.scan(0, lambda n, x: n + x), name="right").pipe(
        ops.map(failing("b")), name="b", on_error=policy
    )
    met = rxdag.merge(left, right, trunk).pipe(ops.map(failing("c")), name="c", on_error=policy)
    timed = met.pipe(ops.event_time(lambda x: x, unit="s", out_of_order="5s"), name="timed")
    counts = timed.pipe(ops.key_by(lambda x: x % 2)).pipe(ops.window(windows.tumbling("10s"), agg.count()), name="w")
    again = timed.pipe(ops.dedupe(lambda x: x % 7, within="4s"), name="again")
    return [
        again.pipe(ops.map(failing("d")), name="d", on_error=policy).to(sinks.collect(), name="deduped"),
        counts.to(sinks.collect(), name="counts"),
        counts.late.to(sinks.collect(), name="late"),
        timed.pipe(ops.map(lambda x: x), name="same").to(sinks.collect(), name="all"),
    ]


@pytest.mark.parametrize("policy", [on_error.skip, on_error.dead])
def test_branches_of_one_port_give_in_a_loop_what_they_give_when_called(policy):
    results = []
    for fuse in (True, False):
        outs = forked(rxdag.from_source(sources.range(120)), policy, fails="abcd")
        plan = rxdag.compile(rxdag.Dag(*outs), fuse=fuse)
        results.append(settle_virtual(virtual(plan)))
        assert results[-1].problems == ()
        assert results[-1].state == "completed"
    assert {"trunk", "left", "a", "right", "b", "c", "timed", "again"} <= set(
        next(w for w in rxdag.compile(rxdag.Dag(*outs)).regions if "trunk" in w.plan.nodes).plan.nodes
    )
    for name in results[0].dag.sinks:
        assert results[0][name] == results[1][name], name
        assert results[0][name], name


@pytest.mark.parametrize("fails", ["a", "b", "c", "d"])
def test_a_failure_in_a_branch_ends_the_run_and_the_books_balance(fails):
    outs = forked(rxdag.from_source(sources.range(120)), fails=fails)
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(*outs))))
    assert result.state == "failed"
    assert result.error.node == fails
    assert str(result.error.__cause__) == fails
    assert result.problems == ()


def test_a_failed_branch_leaves_what_the_others_had_given_out():
    outs = forked(rxdag.from_source(sources.range(120)), fails="d")
    whole = settle_virtual(virtual(rxdag.compile(rxdag.Dag(*forked(rxdag.from_source(sources.range(120)))))))
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(*outs))))
    for name in ("deduped", "all"):
        assert result[name] == whole[name][: len(result[name])]
        assert 0 < len(result[name]) < len(whole[name])


def test_the_key_ends_where_branches_meet_in_a_loop_too():
    source = rxdag.from_source(sources.iterable([(t, t % 2, t % 3) for t in range(30)]))
    keyed = source.pipe(ops.event_time(lambda x: x[0])).pipe(ops.key_by(lambda x: x[1]))
    routes = keyed.pipe(ops.route({"a": lambda x: x[2] == 0}, default="b"))
    out = rxdag.merge(routes["a"], routes["b"]).pipe(ops.scan(0, lambda n, _: n + 1)).to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(out))
    assert "fused from event_time to scan" in plan.explain()
    assert settle_virtual(virtual(plan))[out] == list(range(1, 31))
    assert settle_virtual(virtual(rxdag.compile(rxdag.Dag(out), fuse=False)))[out] == list(range(1, 31))
