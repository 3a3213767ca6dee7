"""Random graphs of real operators; the same seed gives the same graph, whatever its gates hold."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import rxdag
from rxdag import aggregates as agg
from rxdag import element, on_error, windows
from rxdag import operators as ops
from tests.engine.parts import Alarm, AtMarks, Busy, Chatty, Clockwork, Noted, Own, Replayed, Ticking, nobody

EXACT: Final = 0
"""Order: the same items in the same order, whatever gates hold."""
LOOSE: Final = 1
"""Order: the same items, in whatever order."""
FREE: Final = 2
"""Order: it may depend on room and speed which items there are."""

MANY: Final = 100_000
DROPPING: Final = ("drop_oldest", "drop_newest", "drop_tail", "drop_buffer")
BOOMS: Final = (ValueError, KeyboardInterrupt, StopIteration, SystemExit, GeneratorExit)
THREADS: Final = ("a", "b", "c")


@dataclass(frozen=True)
class Wish:
    """How graphs are to be.

    Attributes:
        is_open: True to have no gates at exits.
        sources: Most sources.
        has_gates: True for gates inside the graph, with every policy, and conflation.
        has_hops: True to run parts on threads.
        has_threads: True for blocking sources and sinks too.
        has_loop: True for coroutines and inner streams.
        faults: Share of the functions that raise at some call.
        may_stall: True for a few graphs that come to a standstill by their own fault.
        items: Items of a source.
        has_waits: True for functions that are tried again after a while.
        tick: What waits are counted in, ns.
        knock: Called by user code now and then.
    """

    is_open: bool = False
    sources: int = 1
    has_gates: bool = False
    has_hops: bool = False
    has_threads: bool = False
    has_loop: bool = False
    faults: float = 0.0
    may_stall: bool = False
    items: int = 60
    has_waits: bool = False
    tick: int = 1
    knock: Callable[[], None] = nobody


@dataclass(frozen=True)
class Way:
    """A stream, and what is known of it.

    Attributes:
        stream: Of ints.
        order: EXACT, LOOSE or FREE.
        tag: Ways of one tag come from one pump: what they merge to has one order.
        source: One of the sources that it comes from.
        is_punctual: True if no item of it can be late.
        weight: How many items there are of it, by that of its source.
    """

    stream: Any
    order: int
    tag: int
    source: int
    is_punctual: bool = True
    weight: float = 1.0

    @property
    def is_timed(self) -> bool:
        """True if it has event time."""
        return bool(self.stream.node.port_shape(self.stream.port).timed)

    @property
    def is_keyed(self) -> bool:
        """True if it has keys."""
        return bool(self.stream.node.port_shape(self.stream.port).keyed)


@dataclass
class Graph:
    """A dag, and what is known of its sinks.

    Attributes:
        dag: The definition.
        items: What each sink has got, by name.
        order: How far that is determined, by sink.
        straight: Sinks to which items come from one pump, so that the places of marks are determined too.
        may_stall: True if it may come to a standstill by its own fault.
        parts: What it consists of.
    """

    dag: rxdag.Dag
    items: dict[str, list[Any]]
    order: dict[str, int]
    straight: set[str]
    may_stall: bool
    parts: list[str] = field(default_factory=list)


def make(seed: int, wish: Wish) -> Graph:
    """Make a graph."""
    return _Maker(seed, wish).graph()


def whole(value: Any) -> int:
    """Make an int of what operators give."""
    if isinstance(value, int):
        return value & 1023
    if isinstance(value, float):
        return int(value) & 1023
    if isinstance(value, tuple | list):
        return sum((i + 1) * whole(each) for i, each in enumerate(value)) & 1023
    return 7 if value is None else whole([value.start, value.end, value.value, value.revision])


async def doubled(item: int) -> int:
    """Give an item back later."""
    for _ in range(item % 3):
        await asyncio.sleep(0)
    return item * 2


class _Maker:
    def __init__(self, seed: int, wish: Wish) -> None:
        self.seed = seed
        self.wish = wish
        self.rng = random.Random(seed)
        self.items: dict[str, list[Any]] = {}
        self.order: dict[str, int] = {}
        self.outs: list[Any] = []
        self.parts: list[str] = []
        self.tags = 0
        self.may_stall = False
        self.ways: list[Way] = []
        self.left_overs: list[Way] = []
        self.n_sources = 0
        self.roots: list[int] = []
        """Of each source another one with which it meets somewhere, or itself."""
        self.pumps: set[int] = set()
        self.straight: set[str] = set()

    def graph(self) -> Graph:
        rng = self.rng
        for _ in range(rng.randint(1, self.wish.sources)):
            self.ways.append(self.source())
        for _ in range(rng.randint(2, 14)):
            self.grow()
        self.ways += self.left_overs
        for way in self.ways:
            if rng.random() < 0.8 or not self.outs:
                self.exit(way)
        return Graph(
            rxdag.Dag(*self.outs, name=f"torture{self.seed}"),
            self.items,
            self.order,
            self.straight,
            self.may_stall,
            self.parts,
        )

    # ---- what varies

    def span(self, most: int) -> str:
        return f"{self.rng.randint(1, most)}ns"

    def wait(self, most: int) -> int:
        """A time to wait, ns."""
        return self.rng.randint(1, most) * self.wish.tick

    def fresh(self) -> int:
        self.tags += 1
        return self.tags

    def fn(self, fn: Callable[[Any], Any], *, can_retry: bool = True) -> tuple[Callable[[Any], Any], Any]:
        """A function, and the policy for what it raises: it may raise at some call, or for some items."""
        rng = self.rng
        draw, kind, at = rng.random(), rng.choice(BOOMS), rng.choice([1, 3, 10, 50, 200])
        policy = rng.choice([on_error.raise_, on_error.skip, on_error.dead])
        tries = on_error.retry(
            3,
            base=f"{rng.choice([0, 3]) * self.wish.has_waits * self.wish.tick}ns",
            then=rng.choice([on_error.skip, on_error.dead]),
        )
        knock = self.wish.knock
        if draw < self.wish.faults:
            alarm = Alarm(at, lambda: _raise(kind("boom")))

            def bomb(item: Any) -> Any:
                knock()
                alarm.knock()
                return fn(item)

            return bomb, rng.choice([policy, policy, tries] if can_retry else [policy])
        if draw > 0.8:
            remainder = rng.randrange(17)

            def picky(item: Any) -> Any:
                knock()
                if item % 17 == remainder:
                    raise ValueError(f"{item} is not wanted")
                return fn(item)

            if can_retry and draw > 0.9:
                return picky, tries
            return picky, on_error.skip if policy is on_error.raise_ else policy

        def plain(item: Any) -> Any:
            knock()
            return fn(item)

        return plain, on_error.raise_

    def knock(self) -> Callable[[], None]:
        """What a kernel of a user calls in places where a failure ends it."""
        rng = self.rng
        draw, kind, at = rng.random(), rng.choice(BOOMS), rng.choice([1, 3, 10])
        if draw >= self.wish.faults / 2:
            return self.wish.knock
        return Alarm(at, lambda: _raise(kind("boom"))).knock

    # ---- sources and sinks

    def source(self) -> Way:
        rng, wish, i = self.rng, self.wish, self.n_sources
        self.n_sources += 1
        disorder, step = rng.randint(0, 5), rng.choice([0, 0, 0, 3, 10])
        rows: list[tuple[int, int]] = []
        when = 0
        for n in range(rng.choice([0, 1, wish.items, wish.items, wish.items])):
            when += step if rng.random() < 0.5 else 0
            rows.append((when, max(0, n + rng.randrange(-disorder, disorder + 1))))
        error = ValueError("the source broke") if rng.random() < wish.faults / 3 else None
        where = "blocking" if wish.has_threads and rng.random() < 0.3 else "inline"
        stream: Any = rxdag.from_source(Replayed(tuple(rows), error, where, self.knock()), name=f"in{i}")
        if where == "blocking":  # it has a gate on each of its edges: have one
            stream = stream.pipe(ops.map(_itself))
        self.parts.append(f"in{i}: {len(rows)} items, {step} ns")
        for _ in range(rng.choice([0, 0, 0, 1, 2, 3])):  # right behind a source they are worked on many at once
            stream = stream.pipe(rng.choice([ops.map(element + 1), ops.filter(element % 5 != 3)]))
        way = Way(stream, EXACT, self.fresh(), i)
        self.roots.append(i)
        self.pumps.add(way.tag)
        if rng.random() < 0.85:
            lag = rng.choice([0, 2, 2 * disorder])
            if rng.random() < 0.2:  # one mark for many items, at once
                stream = stream.pipe(ops.event_time(_zero, out_of_order=f"{lag}ns"))
                return self.after(way, "event_time", stream)
            stream = stream.pipe(ops.event_time(_itself, out_of_order=f"{lag}ns"))
            way = self.after(way, "event_time", stream, is_punctual=lag >= 2 * disorder)
            if rng.random() < 0.7:
                way = self.keyed(way)
        return way

    def exit(self, way: Way) -> None:
        """End a way in a sink, mostly through a small gate."""
        rng, wish = self.rng, self.wish
        name = f"out{len(self.outs)}"
        stream = way.stream
        size, draw, thread = rng.randint(1, 5), rng.random(), rng.choice(THREADS)
        if draw < 0.75 and not wish.is_open:
            stream = stream.buffered(max_items=size)
        if rng.random() < 0.5 and wish.has_hops:
            stream = stream.on(thread)
        if draw < 0.3:
            fn, policy = self.fn(_plus_one)
            stream = stream.pipe(ops.map(fn), on_error=policy)
        items: list[Any] = []
        look, policy = self.fn(repr, can_retry=False) if rng.random() < 0.3 else (_seen, on_error.raise_)
        if look is not _seen and policy is not on_error.raise_:
            look, policy = _seen, on_error.raise_  # a sink that skips writes items one by one
        where = rng.choice(["inline", "inline", "async", "blocking"])
        is_there = {"inline": True, "async": wish.has_loop and not wish.is_open, "blocking": wish.has_threads}[where]
        sink: Any = Noted(items, look, where if is_there else "inline", one_by_one=rng.random() < 0.3)
        self.outs.append(stream.to(sink, name=name, on_error=policy))
        self.items[name] = items
        self.order[name] = way.order
        if self.is_straight(way):
            self.straight.add(name)

    # ---- growing

    def after(self, way: Way, part: str, stream: Any, **changes: Any) -> Way:
        """The way behind a new node."""
        self.parts.append(part)
        return Way(
            stream,
            changes.get("order", way.order),
            changes.get("tag", way.tag),
            way.source,
            changes.get("is_punctual", way.is_punctual),
            changes.get("weight", way.weight),
        )

    def keyed(self, way: Way) -> Way:
        fn, policy = self.fn(_by_five)
        return self.after(way, "key_by", way.stream.pipe(ops.key_by(fn), on_error=policy))

    def piped(self, way: Way, part: str, operator: Any, policy: Any = on_error.raise_, **changes: Any) -> Way:
        """Put an operator behind; what it gives up may go on by a way of its own."""
        stream = way.stream.pipe(operator, on_error=policy)
        if policy.last is on_error.dead and self.rng.random() < 0.5:
            letters = stream.dead.pipe(ops.map(_letter))
            self.left_overs.append(self.after(way, "dead letters", letters))
        return self.after(way, part, stream, **changes)

    def grow(self) -> None:
        """Put something behind some way, or join some."""
        rng = self.rng
        way = self.ways.pop(rng.randrange(len(self.ways)))
        if way.weight > 40:
            self.left_overs.append(way)
            if not self.ways:
                self.ways.append(self.source())
            return
        several = [self.forked, self.forked, self.routed, self.sent_on, self.bypassed, self.limited]
        if len(self.ways) and rng.random() < 0.4:
            self.ways.append(self.joined(way, self.ways.pop(rng.randrange(len(self.ways)))))
        elif rng.random() < 0.3:
            self.ways += rng.choice(several)(way)
        else:
            self.ways.append(rng.choice(self.choices(way))(way))

    def choices(self, way: Way) -> list[Callable[[Way], Way]]:
        wish = self.wish
        out = [self.mapped, self.calculated, self.filtered, self.exploded, self.exploded, self.cut]
        if way.is_timed and self.has_sure_marks(way):
            out += [self.windowed, self.windowed, self.windowed]
        if way.order != LOOSE:
            out += [
                self.chatty,
                self.ticking,
                self.scanned,
                self.deduped,
                self.taken,
                self.paced,
                self.waited,
                self.waited,
            ]
            out += [self.clockwork, self.batched, self.paired, self.shaped, self.started, self.followed]
        if way.order != LOOSE and way.is_timed and self.has_sure_marks(way):
            out += [self.at_marks, self.rolled, self.instants]
        if wish.has_gates:
            out += [self.gated, self.gated, self.conflated]
        if wish.has_hops:
            out += [self.hopped, self.hopped]
        if wish.has_loop:
            out += [self.awaited, self.flattened]
        return out

    def has_sure_marks(self, way: Way) -> bool:
        """Return True if it is determined which items are late."""
        return way.is_punctual or way.order == FREE or self.is_straight(way)

    def is_straight(self, way: Way) -> bool:
        """Return True if all items come from one source and by no gate, so that the places of marks are determined."""
        return way.order == EXACT and way.tag in self.pumps

    # ---- one in, one out

    def mapped(self, way: Way) -> Way:
        fn, policy = self.fn(_plus_one)
        return self.piped(way, "map", ops.map(fn), policy)

    def calculated(self, way: Way) -> Way:
        """Expressions, not functions."""
        fails = 100 // (element % 5)
        how = [ops.map((element * 3 + 1) % 1024), ops.filter(element % 3 != 1), ops.filter(fails > 30)]
        return self.piped(way, "calculate", self.rng.choice(how), self.rng.choice([on_error.skip, on_error.dead]))

    def filtered(self, way: Way) -> Way:
        fn, policy = self.fn(_mostly)
        return self.piped(way, "filter", ops.filter(fn), policy)

    def exploded(self, way: Way) -> Way:
        fn, policy = self.fn(self.rng.choice([_some, _some_later, _few]))
        return self.piped(way, "explode", ops.explode(fn), policy, weight=way.weight * 2.5)

    def cut(self, way: Way) -> Way:
        """A chain so long that it is cut."""
        if self.rng.random() < 0.8:
            return self.mapped(way)
        for _ in range(105):
            way = self.after(way, "map", way.stream.pipe(ops.map(_itself)))
        return way

    def windowed(self, way: Way) -> Way:
        rng = self.rng
        step = rng.randint(2, 20)
        # A session that ends at the gap may have been given out or not when the next item comes: that is up to its mark.
        is_straight = way.order == FREE or self.is_straight(way)
        assigner = rng.choice(
            [
                windows.tumbling(self.span(40)),
                windows.sliding(f"{step * rng.randint(1, 4)}ns", f"{step}ns"),
                windows.session(self.span(8)) if is_straight else windows.tumbling(self.span(8)),
            ]
        )
        aggregate = rng.choice([agg.count(), agg.sum(_itself), agg.max(_itself)])
        if way.order == EXACT:
            aggregate = rng.choice([aggregate, agg.last(_itself)])
        if not way.is_keyed and rng.random() < 0.5:
            stream = way.stream.pipe(ops.window_all(assigner, aggregate))
        else:
            way = way if way.is_keyed else self.keyed(way)
            stream = way.stream.pipe(ops.window(assigner, aggregate))
        if not way.is_punctual and rng.random() < 0.5:
            late = stream.late.pipe(ops.map(_itself))
            self.left_overs.append(self.after(way, "late", late))
        way = self.after(way, "window", stream, is_punctual=True)
        fn, policy = self.fn(_itself)
        return self.piped(self.piped(way, "map", ops.map(whole)), "map", ops.map(fn), policy)

    def chatty(self, way: Way) -> Way:
        knock = self.knock()
        return self.piped(way, "chatty", Own(lambda: Chatty(knock)), is_punctual=False, weight=way.weight * 1.5)

    def ticking(self, way: Way) -> Way:
        wait, lingers, knock = self.wait(30), self.rng.random() < 0.5, self.knock()
        return self.piped(way, "ticking", Own(lambda: Ticking(wait, lingers=lingers, knock=knock)))

    def clockwork(self, way: Way) -> Way:
        if way.is_timed:
            return self.at_marks(way) if self.has_sure_marks(way) else self.mapped(way)
        wait, n, size, busy = self.wait(3), self.rng.randint(1, 20), self.rng.randint(1, 3), self.wait(20)
        way = self.piped(way, "clockwork", Own(lambda: Clockwork(wait, n)))
        if not self.wish.has_gates or self.rng.random() < 0.4:
            return way
        way = replace(way, stream=way.stream.buffered(max_items=size), tag=self.fresh())
        return self.piped(way, "busy", Own(lambda: Busy(busy)))

    def at_marks(self, way: Way) -> Way:
        knock = self.knock()
        return self.piped(way, "at_marks", Own(lambda: AtMarks(knock)))

    def scanned(self, way: Way) -> Way:
        operator = self.rng.choice([ops.scan(0, _added), ops.scan(_added), ops.distinct_until_changed()])
        return self.piped(way, "scan", operator)

    def deduped(self, way: Way) -> Way:
        within = self.span(30)
        if way.is_timed and self.has_sure_marks(way):
            return self.piped(way, "dedupe", ops.dedupe(_by_five, within=within))
        return self.piped(way, "dedupe", ops.dedupe(_by_five, within=f"{self.wait(30)}ns", clock="processing"))

    def taken(self, way: Way) -> Way:
        rng = self.rng
        n, stop = rng.randint(0, 40), rng.randint(5, 90)
        operator = rng.choice([ops.take(n), ops.take_while(lambda x: x != stop), ops.first(), ops.skip(n // 4)])
        return self.piped(way, "take", operator, weight=min(1.0, way.weight))

    def paced(self, way: Way) -> Way:
        """Timers that thin a stream out."""
        wait = f"{self.wait(20)}ns"
        pacers = [ops.debounce, ops.audit, ops.sample, ops.throttle_first, ops.throttle_latest]
        operator = self.rng.choice(pacers)(wait)
        return self.piped(way, "pace", operator)

    def waited(self, way: Way) -> Way:
        """Items that go on later."""
        rng = self.rng
        most = rng.randint(1, 6)
        if self.wish.faults and rng.random() < 0.1:
            return self.piped(way, "timeout", ops.timeout(f"{self.wait(100)}ns"))
        if self.wish.has_gates and rng.random() < 0.7:  # what is before it waits as long as it does
            way = replace(way, stream=way.stream.buffered(max_items=most), tag=self.fresh())
        if rng.random() < 0.5:
            return self.piped(way, "delay", ops.delay(f"{self.wait(30)}ns", max_items=most), tag=self.fresh())
        wait = self.wait(9)
        return self.piped(way, "busy", Own(lambda: Busy(wait)), tag=self.fresh())

    def shaped(self, way: Way) -> Way:
        rng = self.rng
        burst, most, wait = rng.randint(1, 3), rng.randint(1, 4), f"{self.wait(9)}ns"
        if rng.random() < 0.5:
            operator = ops.throttle(1, per=wait, burst=burst, mode="shape", max_items=most)
            return self.piped(way, "throttle", operator, tag=self.fresh())
        return self.piped(way, "throttle", ops.throttle(1, per=wait, burst=burst))

    def batched(self, way: Way) -> Way:
        n, wait = self.rng.randint(1, 5), self.rng.choice([None, f"{self.wait(20)}ns"])
        way = self.after(way, "batch", way.stream.pipe(ops.batch(n, max_wait=wait)))
        return self.piped(way, "map", ops.map(whole))

    def paired(self, way: Way) -> Way:
        return self.piped(self.piped(way, "pairwise", ops.pairwise()), "map", ops.map(whole))

    def rolled(self, way: Way) -> Way:
        period = self.rng.choice([self.rng.randint(1, 5), self.span(20)])
        way = self.piped(way, "rolling", ops.rolling(period, agg.sum(_itself)))
        return self.piped(way, "map", ops.map(whole))

    def instants(self, way: Way) -> Way:
        return self.piped(way, "conflate", ops.conflate(_by_five, per="instant", keep=self.rng.choice(["last", "all"])))

    def followed(self, way: Way) -> Way:
        """A source whose turn comes when the way has ended, or has failed."""
        join = self.rng.choice([rxdag.concat, rxdag.catch])
        if join is rxdag.catch:
            remainder = self.rng.randrange(40)
            way = self.piped(
                way, "map", ops.map(lambda x: x if x % 40 != remainder else _raise(ValueError("not wanted")))
            )
        behind = self.source()
        self.roots[self.root(behind.source)] = self.root(way.source)
        stream = join(way.stream, behind.stream)
        return self.both(way, behind, "followed", stream, is_punctual=False, **self.ordered(way, behind))

    def started(self, way: Way) -> Way:
        if way.is_timed or way.is_keyed:
            return self.mapped(way)
        return self.piped(way, "start_with", ops.start_with(4, 5, 6))

    # ---- gates, hops and the loop

    def gated(self, way: Way) -> Way:
        rng, size = self.rng, self.rng.randint(1, 6)
        stream, order = way.stream, way.order
        draw = rng.random()
        if draw < 0.4:
            stream = stream.buffered(max_items=size)
        elif draw < 0.9:
            order = FREE
            bound = rng.choice([{}, {}, {"max_bytes": 20 * size, "size_of": _by_five}])
            stream = stream.buffered(max_items=size, overflow=rng.choice(DROPPING), **bound)
        else:
            order = FREE
            is_delayed = rng.random() < 0.5
            stream = stream.buffered(max_items=5 * size, overflow="error", delay_error=is_delayed)
        return self.mapped(self.after(way, "gate", stream, order=order, tag=self.fresh()))

    def conflated(self, way: Way) -> Way:
        return self.piped(way, "conflate", ops.conflate(_by_five), order=FREE, is_punctual=False)

    def hopped(self, way: Way) -> Way:
        stream, size = way.stream.on(self.rng.choice(THREADS)), self.rng.randint(1, 6)
        if self.rng.random() < 0.7:
            stream = stream.buffered(max_items=size)
        return self.mapped(self.after(way, "hop", stream, tag=self.fresh()))

    def awaited(self, way: Way) -> Way:
        rng = self.rng
        concurrency, is_ordered = rng.randint(1, 4), rng.random() < 0.7
        policy = rng.choice([on_error.raise_, on_error.skip, on_error.dead])
        operator = ops.map_async(doubled, concurrency=concurrency, ordered=is_ordered)
        if is_ordered:
            return self.piped(way, "map_async", operator, policy, tag=self.fresh())
        order = LOOSE if way.order == EXACT else way.order
        return self.piped(way, "map_async", operator, policy, tag=self.fresh(), order=order)

    def flattened(self, way: Way) -> Way:
        fn, policy = self.fn(self.rng.choice([_some, _few]))
        draw, concurrency = self.rng.random(), self.rng.randint(1, 3)
        if draw < 0.4:
            return self.piped(way, "concat_map", ops.concat_map(fn), policy, tag=self.fresh(), weight=way.weight * 2.5)
        if draw < 0.8:
            order = LOOSE if way.order == EXACT else way.order
            operator = ops.flat_map(fn, concurrency=concurrency)
            return self.piped(way, "flat_map", operator, policy, tag=self.fresh(), order=order, weight=way.weight * 2.5)
        return self.piped(way, "switch_map", ops.switch_map(fn), policy, tag=self.fresh(), order=FREE)

    # ---- one in, several out

    def forked(self, way: Way) -> list[Way]:
        return [
            self.rng.choice([self.mapped, self.mapped, self.filtered, self.itself])(way)
            for _ in range(self.rng.randint(2, 3))
        ]

    def itself(self, way: Way) -> Way:
        return way

    def routed(self, way: Way) -> list[Way]:
        fn, policy = self.fn(_by_three)
        if policy.kind == "retry":
            policy = on_error.skip
        routes = way.stream.pipe(
            ops.route({"zero": lambda x: fn(x) == 0, "one": lambda x: x % 3 == 1}, default="rest"), on_error=policy
        )
        made = [self.after(way, "route", routes[port]) for port in ("zero", "one", "rest")]
        return [self.rng.choice([self.mapped, self.itself])(each) for each in made]

    def bypassed(self, way: Way) -> list[Way]:
        """A lane of a route rests behind a small gate, and meets what comes by another way."""
        routed = self.routed(way)
        self.exit(routed[0])
        around = self.rng.choice([self.mapped, self.filtered, self.itself])(way)
        routed[0] = self.merged(*self.shuffled(self.mapped(routed[0]), around), way.order)
        return routed

    def limited(self, way: Way) -> list[Way]:
        """One branch ends early."""
        if way.order == LOOSE:
            return self.sent_on(way)
        taken = self.piped(way, "take", ops.take(self.rng.randint(0, 9)), weight=min(1.0, way.weight))
        return [taken, self.itself(way)]

    def shuffled(self, a: Way, b: Way) -> tuple[Way, Way]:
        return (a, b) if self.rng.random() < 0.5 else (b, a)

    def sent_on(self, way: Way) -> list[Way]:
        """One branch ends in a sink with a small gate."""
        self.exit(way)
        return [self.mapped(way)]

    # ---- several in, one out

    def root(self, source: int) -> int:
        while self.roots[source] != source:
            source = self.roots[source]
        return source

    def joined(self, a: Way, b: Way) -> Way:
        """Join two ways; what makes one wait for the other is for those alone that have met nowhere before.

        A stream that waits for its own other half is a graph that stands still: a few of those are made too.
        """
        are_strange = self.root(a.source) != self.root(b.source)
        if self.wish.may_stall and self.rng.random() < 0.05:
            are_strange = self.may_stall = True
        self.roots[self.root(a.source)] = self.root(b.source)
        return self.choice_of_join(a, b, are_strange=are_strange)

    def choice_of_join(self, a: Way, b: Way, *, are_strange: bool) -> Way:
        is_one = a.tag == b.tag and a.order == EXACT == b.order
        order = EXACT if is_one else max(a.order, b.order, LOOSE)
        is_timed = a.is_timed and b.is_timed
        is_fair = a.order == EXACT == b.order and a.is_punctual and b.is_punctual
        kinds: list[Callable[[Way, Way, int], Way]] = [self.merged] * 3
        if a.order == EXACT == b.order or order == FREE:
            kinds.append(self.zipped)
            if are_strange:
                kinds += [self.zipped_in_step, self.concatenated, self.caught]
        if is_timed and (is_fair or order == FREE):
            kinds += [self.asof, self.sorted, *([self.sorted_in_step] if are_strange else [])]
        if is_one or order == FREE:
            kinds += [self.latest, self.until]
        return self.rng.choice(kinds)(a, b, order)

    def both(self, a: Way, b: Way, part: str, stream: Any, **changes: Any) -> Way:
        return self.after(
            a,
            part,
            stream,
            **{
                "is_punctual": a.is_punctual and b.is_punctual,
                "weight": a.weight + b.weight,
                **changes,
            },
        )

    def merged(self, a: Way, b: Way, order: int) -> Way:
        return self.both(a, b, "merge", rxdag.merge(a.stream, b.stream), order=order, tag=self.tag_of(a, b, order))

    def tag_of(self, a: Way, b: Way, order: int) -> int:
        return a.tag if a.tag == b.tag else self.fresh()

    def ordered(self, a: Way, b: Way) -> dict[str, int]:
        """What a join gives whose output depends on no order between its inputs."""
        return {"order": max(a.order, b.order), "tag": self.fresh()}

    def zipped(self, a: Way, b: Way, order: int) -> Way:
        way = self.both(a, b, "zip", rxdag.zip(a.stream, b.stream, max_items=MANY), **self.ordered(a, b))
        return self.piped(way, "map", ops.map(whole))

    def zipped_in_step(self, a: Way, b: Way, order: int) -> Way:
        most = self.rng.choice([1, 5])
        way = self.both(a, b, "zip", rxdag.zip(a.stream, b.stream, max_items=most), **self.ordered(a, b))
        return self.piped(way, "map", ops.map(whole))

    def concatenated(self, a: Way, b: Way, order: int) -> Way:
        stream = rxdag.concat(a.stream, b.stream)
        return self.both(a, b, "concat", stream, is_punctual=False, **self.ordered(a, b))

    def caught(self, a: Way, b: Way, order: int) -> Way:
        return self.both(a, b, "catch", rxdag.catch(a.stream, b.stream), is_punctual=False, **self.ordered(a, b))

    def sorted(self, a: Way, b: Way, order: int) -> Way:
        return self.both(a, b, "merge_sorted", rxdag.merge_sorted(a.stream, b.stream), **self.ordered(a, b))

    def sorted_in_step(self, a: Way, b: Way, order: int) -> Way:
        stream = rxdag.merge_sorted(a.stream, b.stream, max_items=self.rng.choice([1, 5]))
        return self.both(a, b, "merge_sorted", stream, **self.ordered(a, b))

    def asof(self, a: Way, b: Way, order: int) -> Way:
        how: Any = self.rng.choice(["backward", "forward", "nearest"])
        if a.is_keyed != b.is_keyed:
            a, b = (self.keyed(a), b) if b.is_keyed else (a, self.keyed(b))
        way = self.both(a, b, "asof", rxdag.join_asof(a.stream, b.stream, strategy=how), **self.ordered(a, b))
        return self.piped(way, "map", ops.map(whole))

    def latest(self, a: Way, b: Way, order: int) -> Way:
        stream = self.rng.choice([rxdag.combine_latest, rxdag.with_latest_from])(a.stream, b.stream)
        way = self.both(a, b, "latest", stream, order=order, tag=self.tag_of(a, b, order), is_punctual=False)
        return self.piped(way, "map", ops.map(whole))

    def until(self, a: Way, b: Way, order: int) -> Way:
        operator = self.rng.choice([ops.take_until, ops.skip_until])(b.stream)
        stream = a.stream.pipe(operator)
        return self.both(a, b, "until", stream, order=order, tag=self.tag_of(a, b, order))


def _raise(error: BaseException) -> None:
    raise error


def _itself(item: Any) -> Any:
    return item


def _seen(item: Any) -> None:
    return None


def _zero(item: int) -> int:
    return 0


def _plus_one(item: int) -> int:
    return item + 1


def _mostly(item: int) -> bool:
    return item % 7 != 2


def _some(item: int) -> Any:
    return range(item, item + item % 6)


def _some_later(item: int) -> Any:
    return (item + i for i in range(item % 4))


def _few(item: int) -> list[int]:
    return [item] * (item % 3)


def _by_five(item: int) -> int:
    return item % 5


def _by_three(item: int) -> int:
    return item % 3


def _added(a: int, b: int) -> int:
    return (a + b) & 1023


def _letter(letter: Any) -> int:
    return int(letter.item)


__all__ = ["EXACT", "FREE", "LOOSE", "Graph", "Way", "Wish", "make", "whole"]
