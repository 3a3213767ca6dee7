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
"""Ports whose outputs are items that left otherwise, and what counts them."""
LEAVINGS = ("dropped", "unassigned", "unrouted")
"""Ports that need not be there."""
EXITS = ("passed", "absorbed", "filtered", "late", "dead", "unassigned", "unrouted", "failed", "discarded", "unread")


@dataclass(slots=True)
class Ledger:
    """The ledger of a node: the fate of its inputs and the origin of its outputs.

    Attributes:
        arrived: Items that came in.
        passed: Left as exactly one output.
        absorbed: Spent in outputs that are not they.
        filtered: Left out by a predicate.
        late: Came after all their windows were closed.
        dead: Could not be worked on.
        unassigned: Belong to no window.
        unrouted: Belong to no route.
        failed: Ended the run.
        discarded: Were held, or pulled and not looked at, when the run failed or was cancelled.
        unread: Came after the node had ended.
        made: Outputs that are no input.
        dropped: Left out, by reason.
        out: Outputs, by port.
        held: Items that rest in the state, as the kernel says; set when the books are read.
        retried: How often an item was tried again; it is none the more for that.
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

    @property
    def n_dropped(self) -> int:
        """Items left out, for whatever reason."""
        return sum(self.dropped.values())

    @property
    def n_errors(self) -> int:
        """Items that failed for good."""
        return self.dead + self.failed + self.dropped.get("skipped", 0)

    @property
    def spent_otherwise(self) -> int:
        """Inputs that did not pass, held ones included."""
        spent: int = sum(getattr(self, exit_) for exit_ in EXITS) + sum(self.dropped.values()) + self.held
        return spent - self.passed

    @property
    def lost(self) -> dict[str, int]:
        """Inputs that were lost, by reason, without zeros."""
        named = {name: getattr(self, name) for name in EXITS if name not in ("passed", "absorbed", "filtered")}
        named |= {f"dropped ({reason})": n for reason, n in self.dropped.items()}
        return {name: n for name, n in named.items() if n}

    def problems(self, name: str, ports: dict[str, str]) -> list[str]:
        """Return the laws of the books that do not hold.

        Args:
            name: Of the node, for the message.
            ports: For each side port, which count its outputs must equal.
        """
        out: list[str] = []
        spent = self.passed + self.spent_otherwise
        if self.arrived != spent:
            out.append(f"{name}: in {self.arrived} != {spent} ({self})")
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
        sent: What the producer gave out on the port.
        received: What came in at the consumer.
        dropped: Left out by a full gate.
        discarded: Rested in the gate when its consumer was gone, or the run failed or was cancelled.
        held: Rests in the gate.
    """

    name: str
    sent: int
    received: int
    dropped: int
    discarded: int
    held: int

    def problems(self) -> list[str]:
        """Return the laws of the books that do not hold."""
        spent = self.received + self.dropped + self.discarded + self.held
        return [] if self.sent == spent else [f"{self.name}: sent {self.sent} != {spent} ({self})"]
