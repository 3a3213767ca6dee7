"""Plain state machines with the meaning of rxdag's operators, for the reference."""

from __future__ import annotations

import copy
from collections import deque

from rxdag import Pane
from rxdag.contract import MAX, MIN


class Machine:
    """The methods of a kernel, without the base class; a subclass adds `on_item`."""

    passes = True
    timer = None
    lingers = False

    def expand(self, item):
        return None

    def is_finished(self):
        return False

    def low(self):
        return MAX

    def on_start(self, now, emit):
        """Nothing to begin with."""

    def on_watermark(self, watermark, emit):
        """Nothing is due."""

    def on_end(self, emit):
        """Nothing is open."""


class Map(Machine):
    def __init__(self, fn):
        self.fn = fn

    def on_item(self, item, emit):
        emit(self.fn(item))


class Filter(Map):
    def on_item(self, item, emit):
        if self.fn(item):
            emit(item)
        else:
            emit.filtered(item)


class Tap(Map):
    def on_item(self, item, emit):
        self.fn(item)
        emit(item)


class KeyBy(Map):
    def on_item(self, item, emit):
        emit(item, key=self.fn(item))


class Explode(Map):
    passes = False

    def expand(self, item):
        return self.fn(item)


class Scan(Machine):
    """Keep one value for each key."""

    def __init__(self, initial, fn):
        self.initial, self.fn, self.values = initial, fn, {}

    def on_item(self, item, key, emit):
        before = self.values[key] if key in self.values else copy.deepcopy(self.initial)
        self.values[key] = self.fn(before, item)
        emit(self.values[key])


class Route(Machine):
    def __init__(self, routes, default=None):
        self.routes, self.default = routes, default

    def on_item(self, item, emit):
        for port, condition in self.routes.items():
            if condition(item):
                return emit.to(port, item)
        return emit.unrouted(item) if self.default is None else emit.to(self.default, item)


class EventTime(Machine):
    def __init__(self, ts, sequence, out_of_order):
        self.ts, self.sequence, self.lag, self.newest = ts, sequence, out_of_order, MIN

    def on_item(self, item, emit):
        ts = self.ts(item)
        emit(item, ts=ts, sequence=self.sequence(item))
        if ts > self.newest:
            self.newest = ts
            emit.watermark(ts - self.lag - 1)


class Windows(Machine):
    """Aggregate by window and key; emit each pane once."""

    passes = False

    def __init__(self, assigner, aggregate, into=None):
        self.assigner, self.aggregate, self.into = assigner, aggregate, into
        self.open, self.watermark = {}, MIN

    def on_item(self, item, ts, sequence, key, emit):
        windows = self.assigner.assign(ts)
        live = [(end, start) for start, end in windows if end - 1 > self.watermark]
        if not live:
            return emit.late(item) if windows else emit.unassigned(item)
        for window in live:
            known = (*window, key) in self.open
            accumulator = self.open[*window, key] if known else self.aggregate.accumulator()
            accumulator.add_at(item, ts, sequence)
            self.open[*window, key] = accumulator
        emit.absorbed(1)
        return None

    def on_watermark(self, watermark, emit):
        self.watermark = watermark
        for end, start, key in sorted(window for window in self.open if window[0] - 1 <= watermark):
            value = self.open.pop((end, start, key)).result_in(start, end)
            pane = Pane(key, start, end, 0, value, "watermark")
            emit(pane if self.into is None else self.into(pane), ts=end - 1, sequence=0, key=key)


class Sessions(Windows):
    """Aggregate by session; an item between two sessions joins them."""

    def __init__(self, gap, aggregate, into=None):
        super().__init__(None, aggregate, into)
        self.gap = gap

    def on_item(self, item, ts, sequence, key, emit):
        low, high = ts, ts + self.gap
        if high - 1 <= self.watermark:
            return emit.late(item)
        met = [w for w in sorted(self.open, key=lambda w: w[1]) if w[2] == key and w[1] <= high and low <= w[0]]
        made = self.open[met[0]] if met else self.aggregate.accumulator()
        for younger in met[1:]:
            made.merge(self.open[younger])
        made.add_at(item, ts, sequence)
        for window in met:
            del self.open[window]
            low, high = min(low, window[1]), max(high, window[0])
        self.open[high, low, key] = made
        emit.absorbed(1)
        return None


class Rolling(Machine):
    """Aggregate the last `n` items of each key, from scratch for each item."""

    def __init__(self, n, aggregate):
        self.n, self.aggregate, self.items = n, aggregate, {}

    def on_item(self, item, ts, sequence, key, emit):
        kept = self.items.setdefault(key, deque(maxlen=self.n))
        kept.append((item, ts, sequence))
        accumulator = self.aggregate.accumulator()
        for each in kept:
            accumulator.add_at(*each)
        emit(accumulator.result())


class RollingTime(Machine):
    """Aggregate the items of each key in (ts - span, ts], once the watermark has passed ts."""

    def __init__(self, span, aggregate):
        self.span, self.aggregate = span, aggregate
        self.rows, self.waiting, self.watermark = [], [], MIN

    def on_item(self, item, ts, sequence, key, emit):
        if ts <= self.watermark:
            return emit.late(item)
        row = (ts, sequence, len(self.rows), key, item)
        self.rows.append(row)
        self.waiting.append(row)
        return None

    def on_watermark(self, watermark, emit):
        self.watermark = watermark
        due = sorted((row for row in self.waiting if row[0] <= watermark), key=lambda row: row[:3])
        self.waiting = [row for row in self.waiting if row[0] > watermark]
        for ts, sequence, _, key, _ in due:
            accumulator = self.aggregate.accumulator()
            for row in sorted(self.rows, key=lambda row: row[:3]):
                if row[3] == key and ts - self.span < row[0] <= ts:
                    accumulator.add_at(row[4], row[0], row[1])
            emit(accumulator.result(), ts=ts, sequence=sequence, key=key)


class Context:
    """Record the requests of a process; they take effect when its method has returned."""

    def __init__(self, key, ts, now):
        self.key, self.ts, self.now = key, ts, now
        self.out, self.timers, self.is_cleared = [], {}, False

    def emit(self, item, /, *, ts=None):
        self.emit_to("out", item, ts=ts)

    def emit_to(self, port, item, /, *, ts=None):
        self.out.append((port, item, self.ts if ts is None else ts))

    def set_timer(self, when, name="", /):
        self.timers[name] = when

    def clear_timer(self, name="", /):
        self.timers[name] = None

    def clear(self):
        self.is_cleared, self.timers = True, {}


class Process(Machine):
    """Keep a state for each key, with event-time timers. Items must be in order; timers before an item fire first."""

    passes = False

    def __init__(self, process):
        self.process, self.states, self.timers, self.n_set = process, {}, {}, 0

    def on_item(self, item, ts, sequence, key, now, emit):
        self.on_watermark(ts - 1, emit)
        self.call(key, ts, now, sequence, emit, lambda context, state: self.process.on_item(context, state, item))
        emit.absorbed(1)

    def on_watermark(self, watermark, emit):
        while self.timers:
            (when, _), (key, name) = min((due, timer) for timer, due in self.timers.items())
            if when > watermark:
                return
            del self.timers[key, name]
            self.call(
                key, when, 0, 0, emit, lambda context, state, name=name: self.process.on_timer(context, state, name)
            )

    def call(self, key, ts, now, sequence, emit, method):
        context = Context(key, ts, now)
        state = self.states[key] if key in self.states else self.process.initial()
        self.states[key] = method(context, state)
        if context.is_cleared:
            del self.states[key]
            self.timers = {timer: due for timer, due in self.timers.items() if timer[0] != key}
        for name, when in context.timers.items():
            self.timers.pop((key, name), None)
            if when is not None:
                self.n_set += 1
                self.timers[key, name] = (when, self.n_set)
        self.send(context, sequence, emit)

    def send(self, context, sequence, emit):
        for port, item, ts in context.out:
            emit.made(item, ts=ts, sequence=sequence, key=None, port=port)

    def on_end(self, emit):
        for key in sorted(self.states):
            context = Context(key, 0, 0)
            self.process.on_end(context, self.states[key])
            self.send(context, 0, emit)
