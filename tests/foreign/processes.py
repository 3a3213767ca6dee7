"""Processes by key as users write them, with timers in event time."""

from __future__ import annotations

from dataclasses import dataclass, field

from rxdag.operators import KeyedProcess
from tests.foreign.entries import keyed, processed, program, timed


def by_name():
    return [timed(), keyed(lambda item: item[1])]


class Sessions(KeyedProcess):
    """Count the items before each pause of 30 ns."""

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        ctx.set_timer(ctx.ts + 30)
        return state + 1

    def on_timer(self, ctx, state, name):
        ctx.emit((ctx.key, ctx.ts, state))
        ctx.clear()
        return state


program(
    "ProcessWithATimer",
    lambda: [*by_name(), processed(Sessions())],
    [(0, "a"), (10, "a"), (12, "b"), (35, "a"), (90, "a"), (91, "b"), (92, "b")],
    [("b", 42, 1), ("a", 65, 3), ("a", 120, 1), ("b", 122, 2)],
)


@dataclass
class Seen:
    n: int = 0
    items: list = field(default_factory=list)


class Counting(KeyedProcess):
    __step = 1

    def initial(self):
        return Seen()

    def on_item(self, ctx, state, item):
        self.__count(state)
        return self.tell(ctx, state, item[2])

    def __count(self, state):
        state.n += self.__step

    def tell(self, ctx, state, value):
        raise NotImplementedError


class Alerting(Counting):
    """Change the state in place, emit to a side port, and pass the context to a helper."""

    ports = ("alerts",)
    __step = 100  # another name than the base's

    def __init__(self, limit):
        self.limit = limit

    def tell(self, ctx, state, value):
        if value > self.limit:
            self._alert(ctx, value=value, n=state.n)
        state.items.append(value)
        ctx.emit((ctx.key, state.n, list(state.items)))
        return state

    @staticmethod
    def _alert(ctx, **what):
        ctx.emit_to("alerts", (ctx.key, *sorted(what.items())))


program(
    "ProcessWithInheritance",
    lambda: [*by_name(), processed(Alerting(5), "alerts")],
    [(0, "a", 1), (1, "b", 9), (2, "a", 7)],
    [("a", 1, [1]), ("b", 1, [9]), ("a", 2, [1, 7])],
    alerts=[("b", ("n", 1), ("value", 9)), ("a", ("n", 2), ("value", 7))],
)


class Twice(KeyedProcess):
    """Set two timers for a key, clear one of them, and emit the rest at the end."""

    def initial(self):
        return ()

    def on_item(self, ctx, state, item):
        match item[2]:
            case "bad":
                raise ValueError(f"bad at {ctx.ts}")
            case "stop":
                ctx.clear_timer("soon")
            case word:
                ctx.set_timer(ctx.ts + 5, "soon")
                ctx.set_timer(ctx.ts + 8, "later")
                state = (*state, word)
        return state

    def on_timer(self, ctx, state, name):
        ctx.emit((name, ctx.key, ctx.ts, state))
        return state[1:]

    def on_end(self, ctx, state):
        ctx.emit(("end", ctx.key, state))


program(
    "ProcessWithTwoTimers",
    lambda: [*by_name(), processed(Twice(), "dead")],
    [(0, "a", "x"), (1, "b", "y"), (2, "b", "z"), (3, "a", "stop"), (4, "a", "bad"), (20, "b", "w")],
    [
        ("soon", "b", 7, ("y", "z")),
        ("later", "a", 8, ("x",)),
        ("later", "b", 10, ("z",)),
        ("soon", "b", 25, ("w",)),
        ("later", "b", 28, ()),
        ("end", "a", ()),
        ("end", "b", ()),
    ],
    dead=[("step2", (4, "a", "bad"), "ValueError('bad at 4')")],
)
