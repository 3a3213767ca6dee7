"""Drives one kernel by hand: items, watermarks, the clock and the end, as a host does, and notes what leaves it."""

import ast

from rxdag.contract import MAX, BadItem, Shape, on_item_parameters

KEYED = Shape(timed=True, keyed=True)


class Exits:
    """Notes what leaves a kernel: (exit, item, ts, sequence, key)."""

    def __init__(self):
        self.seen = []
        self.at_hand = (0, 0, None)

    def __call__(self, item, /, **how):
        self._note("out", item, **how)

    def made(self, item, /, *, port="out", **how):
        self._note(port, item, **how)

    def _note(self, port, item, **how):
        ts, sequence, key = self.at_hand
        self.seen.append((port, item, how.get("ts", ts), how.get("sequence", sequence), how.get("key", key)))

    def absorbed(self, n):
        if n:
            self.seen.append(("absorbed", n))

    def filtered(self, item):
        self.seen.append(("filtered", item))

    def dropped(self, item, reason):
        self.seen.append((reason, item))

    def late(self, item):
        self.seen.append(("late", item))

    def must_pause(self):
        return False

    must_give_back = is_over = must_pause


class Driven:
    """A kernel and its exits.

    Args:
        operator: Not bound yet.
        shape: Of the stream.
    """

    def __init__(self, operator, shape=KEYED):
        self._make = operator.bound(shape).kernel
        self.kernel = self._make()
        self.exits = Exits()
        self._takes = on_item_parameters(type(self.kernel))
        self._now = 0
        self.kernel.on_start(0, self.exits)

    @property
    def out(self):
        """What came out of the main port."""
        return [entry[1] for entry in self.exits.seen if entry[0] == "out"]

    def item(self, item, ts=0, key=None, now=None, sequence=0):
        if now is not None:
            self.clock(now)
        self.exits.at_hand = (ts, sequence, key)
        given = {"item": item, "ts": ts, "sequence": sequence, "key": key, "now": self._now, "emit": self.exits}
        try:
            self.kernel.on_item(*(given[name] for name in self._takes))
        except BadItem as bad:
            self.exits.seen.append(("dead", str(bad)))

    def mark(self, watermark):
        if watermark > self.kernel.watermark:
            self.kernel.watermark = watermark
            if watermark >= self.kernel.wake:
                self.kernel.on_watermark(watermark, self.exits)

    def clock(self, now):
        """Let the clock go on, and call each timer when it is due."""
        while self.kernel.timer is not None and self.kernel.timer <= now:
            self._now = max(self._now, self.kernel.timer)
            self.kernel.on_timer(self._now, self.exits)
        self._now = max(self._now, now)

    def end(self):
        """The source ends by itself."""
        self.kernel.watermark = MAX
        self.kernel.on_watermark(MAX, self.exits)
        self.kernel.on_end(self.exits)
        while self.kernel.lingers:
            self.clock(self.kernel.timer)

    def recover(self):
        """Go on with a new kernel that has taken up the state of this one, written as text and read again."""
        saved = ast.literal_eval(repr(self.kernel.snapshot()))
        watermark = self.kernel.watermark
        self.kernel = self._make()
        self.kernel.restore(saved)
        self.kernel.watermark = watermark


def run(operator, script, shape=KEYED, *, recover_at=None):
    """What leaves a kernel for a script of ("item", item, ts, key, now), ("mark", watermark) and ("clock", now)."""
    driven = Driven(operator, shape)
    for at, (what, *rest) in enumerate(script):
        if at == recover_at:
            driven.recover()
        getattr(driven, what)(*rest)
    driven.end()
    return driven.exits.seen
