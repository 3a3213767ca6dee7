"""A gate by itself: a point that fills it, and a pump that empties it item by item."""

from __future__ import annotations

from rxdag.engine import NOWHERE, Domain, GatePump, Point, Watch


class Driver:
    """Counts how often a pump is woken; it gives no turns."""

    def __init__(self):
        self.woken = 0

    def wake(self, pump, /):
        self.woken += 1

    def call(self, fn, /):
        fn()

    def ticks(self):
        return 0


class NoLog:
    """Events of a run that nobody logs."""

    is_looking = True


class Failures:
    """A run that notes what it fails with."""

    def __init__(self):
        self.events = NoLog()
        self.errors = []

    def fail(self, error):
        self.errors.append(error)


class Seen:
    """What has come out of the gate."""

    def __init__(self):
        self.items = []
        self.marks = []
        self.ends = []

    def on_next(self, chunk, /):
        self.items += chunk.items
        self.marks += [watermark for _, watermark in chunk.marks]

    def end(self, error, /):
        self.ends.append(error)


class Line:
    """What stands around a gate.

    Attributes:
        gate: The gate.
        above: The point that fills it.
        driver: Of their domain.
        run: What the gate fails.
        ends: The ends that have come out.
    """

    def __init__(self, gate):
        self.gate = gate
        self.above = Point("above")
        self.driver = Driver()
        self.run = Failures()
        self._pump = GatePump("a -> b", "b", gate)
        self._seen = Seen()
        self._pump.out = Watch("b", NOWHERE, self._seen, object())
        self._domain = Domain(1024)
        self._domain.driver = self.driver
        self._domain.run = self.run
        for node in (gate, self.above, self._pump):
            node.domain = self._domain
        gate.reader = self._pump
        gate.up = [self.above]

    @property
    def ends(self):
        return self._seen.ends

    @property
    def is_blocked(self):
        return self.above.blocked > 0

    def put(self, *items):
        for item in items:
            self.gate.push(item, 0, 0, None)

    def take(self, n):
        """The items of a turn of `n`, and the watermarks between them."""
        seen = self._seen
        seen.items, seen.marks = [], []
        self._domain.stop = False
        self._pump.feed(n)
        return seen.items, seen.marks
