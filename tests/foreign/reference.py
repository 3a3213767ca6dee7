"""The reference: a loop that feeds items, one after another, to a chain of plain state machines.

It shares only the names of a kernel's methods with the engine. A machine is a user's kernel or one of
`tests.foreign.machines`. The outputs of an item go through the whole chain before the next item comes. A watermark
follows the item that raises it, and the end follows the last watermark.
"""

from __future__ import annotations

import inspect
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from rxdag import BadItem
from rxdag.contract import MAX

START = object()
END = object()
OWN = object()


@dataclass
class Row:
    """An item with its event time, sequence and key."""

    item: Any
    ts: int = 0
    sequence: int = 0
    key: Any = None


@dataclass
class Tick:
    """A timer is due."""

    now: int


class Failure(Exception):
    """The error that ends a run: machine, item and cause."""

    def __init__(self, name, item, cause):
        super().__init__(name, item, cause)
        self.name, self.item, self.cause = name, item, cause


@dataclass
class Played:
    """The result of a run: outputs by port, counts by machine, and the failure."""

    ports: dict[str, list] = field(default_factory=lambda: defaultdict(list))
    books: dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))
    failure: Failure | None = None


class Emit:
    """Record each exit: `outputs` go on to the next machine, `ports` hold the rest, `books` count both."""

    def __init__(self, machine, row, ports, books):
        self.row, self.ports, self.books = row, ports, books
        self.outputs = []
        self.exit = "passed" if machine.passes else "made"

    def __call__(self, item, /, *, ts=OWN, sequence=OWN, key=OWN):
        own = {"ts": self.row.ts, "sequence": self.row.sequence, "key": self.row.key}
        new = {"ts": ts, "sequence": sequence, "key": key}
        self.outputs.append(Row(item, **own | {name: value for name, value in new.items() if value is not OWN}))
        self.books[self.exit] += 1

    def many(self, items, /, *, ts, key=None):
        for i, item in enumerate(items):
            self(item, ts=ts[i], sequence=0, key=None if key is None else key[i])

    def to(self, port, item, /):
        self.books[self.exit] += 1
        self.ports[port].append(item)

    def made(self, item, /, *, ts, sequence, key, port="out"):
        self.books["made"] += 1
        if port == "out":
            self.outputs.append(Row(item, ts, sequence, key))
        else:
            self.ports[port].append(item)

    def watermark(self, watermark, /):
        self.outputs.append(watermark)

    def absorbed(self, n, /):
        self.books["absorbed"] += n

    def filtered(self, item, /):
        self.books["filtered"] += 1

    def dropped(self, item, reason, /):
        self.leave("dropped", item, f"dropped ({reason})")

    def late(self, item, /):
        self.leave("late", item)

    def unassigned(self, item, /):
        self.leave("unassigned", item)

    def unrouted(self, item, /):
        self.leave("unrouted", item)

    def must_pause(self):
        return False

    must_give_back = is_over = must_pause

    def leave(self, port, item, count=None):
        self.books[count or port] += 1
        self.ports[port].append(item)


def call(machine, names, thing, now, emit):
    """Give a machine the start, an item with what its `on_item` asks for, a timer, a watermark or the end."""
    if thing is START:
        machine.on_start(now, emit)
    elif isinstance(thing, Tick):
        machine.on_timer(thing.now, emit)
    elif isinstance(thing, int):
        machine.on_watermark(thing, emit)
    elif thing is END:
        machine.on_end(emit)
        while machine.lingers:
            machine.on_timer(machine.timer, emit)
    elif (outputs := machine.expand(thing.item)) is not None:
        for output in outputs:
            emit(output)
        emit.absorbed(1)
    else:
        given = {**vars(thing), "now": now, "input": 0, "emit": emit}
        machine.on_item(*[given[name] for name in names])


def bury(step, thing, error, policy, emit):
    """Apply the policy to what a machine has failed on; return the failure if it ends the run."""
    is_item, has_dead = isinstance(thing, Row), "dead" in step.ports
    if is_item and (isinstance(error, BadItem) or (policy == "dead" and has_dead)):
        return emit.leave("dead", (step.name, thing.item, repr(error)), "dead")
    if is_item and policy == "skip" and has_dead:
        return emit.leave("dropped", thing.item, "dropped (skipped)")
    emit.books["failed"] += is_item
    return Failure(step.name, thing.item if is_item else None, error)


def play(steps, items, *, policy="raise_", times=None):
    """Run a chain to its end, or to the first failure.

    Args:
        steps: The chain: each has a name, ports, and makes its machine.
        items: Items of the source.
        policy: "raise_", "skip" or "dead", for the machines whose port "dead" is read.
        times: When each item comes, ns; all at 0 by default.
    """
    machines, played = [step.machine() for step in steps], Played()
    asked = [tuple(inspect.signature(machine.on_item).parameters) for machine in machines]

    def give(n, thing, now):
        """Give something to machine `n`, and its outputs to the next one."""
        if n == len(machines):
            played.ports["out"] += [thing.item] if isinstance(thing, Row) else []
            return
        machine, step, failure = machines[n], steps[n], None
        emit = Emit(machine, thing if isinstance(thing, Row) else Row(None), played.ports, played.books[step.name])
        try:
            if not machine.is_finished():
                call(machine, asked[n], thing, now, emit)
        except Exception as error:
            failure = bury(step, thing, error, policy, emit)
        for output in emit.outputs:
            give(n + 1, output, now)
        if failure is not None:
            raise failure
        if isinstance(thing, int) and machine.low() < MAX:
            thing = min(thing, machine.low() - 1)
        if thing is END or isinstance(thing, int):
            give(n + 1, thing, now)

    try:
        for n in range(len(machines)):
            give(n, START, 0)
        for at, item in zip(times or [0] * len(items), items, strict=True):
            for n, machine in enumerate(machines):
                while machine.timer is not None and machine.timer < at:
                    give(n, Tick(machine.timer), machine.timer)
            give(0, Row(item), at)
        give(0, MAX, 0)
        give(0, END, 0)
    except Failure as failure:
        played.failure = failure
    return played
