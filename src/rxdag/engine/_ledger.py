"""The books: the fate of every item, by node and by edge."""

from __future__ import annotations

from dataclasses import dataclass, field

SIDES = {
    "late": "late",
    "dead": "dead",
    "dropped": "n_dropped",
    "unassigned": "unassigned",
    "unrouted": "unrouted",
}
"""Side ports, each with the count that its outputs must equal."""
LEAVINGS = ("dropped", "unassigned", "unrouted")
"""Side ports that a node may lack."""
EXITS = ("passed", "absorbed", "filtered", "late", "dead", "unassigned", "unrouted", "failed", "discarded", "unread")


@dataclass(slots=True)
class Ledger:
    """The ledger of a node: the fate of its inputs and the origin of its outputs.

    Attributes:
        arrived: Items that came in.
        passed: Items that left as exactly one output.
        absorbed: Items that went into other outputs, such as panes.
        filtered: Items that a predicate rejected.
        late: Items that came after all their windows were closed.
        dead: Items on which the node failed.
        unassigned: Items that belong to no window.
        unrouted: Items that belong to no route.
        failed: Items that ended the run.
        discarded: Items that were held, or pulled and not processed, when the run failed or was cancelled.
        unread: Items that came after the node had ended.
        made: Outputs that are not inputs.
        dropped: Items that were dropped, by reason.
        out: Outputs, by port.
        held: Items in the state of the node when the books are read.
        retried: Number of retries; they do not count as items.
        restored: Items that the node held already when the run continued from a checkpoint.

    Example:
        >>> even = rxdag.from_source(sources.range(5)).pipe(ops.filter(lambda n: n % 2 == 0), name="even")
        >>> book = rxdag.run(even.to(sinks.null())).stats.nodes["even"]
        >>> book.arrived, book.passed, book.filtered
        (5, 3, 2)
    """

    arrived: int = 0
    passed: int = 0
    absorbed: int = 0
    filtered: int = 0
    late: int = 0
    dead: int = 0
    unassigned: int = 0
    unrouted: int = 0
    failed: int = 0
    discarded: int = 0
    unread: int = 0
    made: int = 0
    dropped: dict[str, int] = field(default_factory=lambda: dict[str, int]())
    out: dict[str, int] = field(default_factory=lambda: dict[str, int]())
    held: int = 0
    retried: int = 0
    restored: int = 0

    @property
    def n_dropped(self) -> int:
        """Return the number of dropped items, over all reasons."""
        return sum(self.dropped.values())

    @property
    def n_errors(self) -> int:
        """Return the number of items that failed and were not processed by a retry."""
        return self.dead + self.failed + self.dropped.get("skipped", 0)

    @property
    def spent_otherwise(self) -> int:
        """Return the number of inputs that did not pass, including held ones."""
        spent: int = sum(getattr(self, exit_) for exit_ in EXITS) + sum(self.dropped.values()) + self.held
        return spent - self.passed

    @property
    def lost(self) -> dict[str, int]:
        """Inputs that were lost, by reason, without zeros."""
        named = {name: getattr(self, name) for name in EXITS if name not in ("passed", "absorbed", "filtered")}
        named |= {f"dropped ({reason})": n for reason, n in self.dropped.items()}
        return {name: n for name, n in named.items() if n}

    def problems(self, name: str, ports: dict[str, str]) -> list[str]:
        """Return the violated laws of the books.

        Args:
            name: Name of the node, for the message.
            ports: For each side port, the count that its outputs must equal.
        """
        out: list[str] = []
        spent = self.passed + self.spent_otherwise
        if self.arrived + self.restored != spent:
            out.append(f"{name}: in {self.arrived} + restored {self.restored} != {spent} ({self})")
        main = sum(n for port, n in self.out.items() if port not in ports)
        if main != self.passed + self.made:
            out.append(f"{name}: out {main} != passed {self.passed} + made {self.made}")
        for port, count in ports.items():
            if self.out.get(port, 0) != getattr(self, count):
                out.append(f"{name}: out[{port}] {self.out.get(port, 0)} != {count} {getattr(self, count)}")
        return out


@dataclass(frozen=True, slots=True)
class EdgeBook:
    """The ledger of an edge: the fate of its items.

    Attributes:
        name: Producer, port and consumer.
        sent: Items that the producer emitted on the port.
        received: Items that reached the consumer.
        dropped: Items that a full gate dropped.
        discarded: Items that were in the gate when its consumer ended, or when the run failed or was cancelled.
        held: Items that are in the gate.
        restored: Items that were on the edge already when the run continued from a checkpoint.
    """

    name: str
    sent: int
    received: int
    dropped: int
    discarded: int
    held: int
    restored: int = 0

    def problems(self) -> list[str]:
        """Return the violated laws of the books."""
        spent = self.received + self.dropped + self.discarded + self.held
        if self.sent + self.restored == spent:
            return []
        return [f"{self.name}: sent {self.sent} + restored {self.restored} != {spent} ({self})"]
