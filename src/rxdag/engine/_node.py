"""Nodes: the parts of a run. To pass an item on is to call the next node's `push`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mypy_extensions import i64

from rxdag.contract import MIN
from rxdag.engine._ledger import Ledger

if TYPE_CHECKING:
    from rxdag.engine._domain import Domain

ANY_NUMBER: Final = 1 << 30
"""Stands for no limit."""


class Exit:
    """An output port of a node.

    Attributes:
        port: Its name.
        out: Takes its items: the reader, or a watcher before it.
        reader: The node that reads it.
        timed: True if its items have event times, so that watermarks go out here.
        keyed: True if its items have keys; otherwise the keys of its items are removed.
        n: Items that have left by it.
        lost: Items among these that rested in the node and were discarded.
        is_read: True if a node takes them.
    """

    def __init__(self, port: str, timed: bool, keyed: bool = True) -> None:
        self.port = port
        self.timed = timed
        self.keyed = keyed
        self.out: Node = NOWHERE
        self.reader: Node = NOWHERE
        self.n: i64 = 0
        self.lost: i64 = 0
        self.is_read = False


class Node:
    """One node of a run.

    Attributes:
        name: Name of the node in the dag.
        rank: Position of its node in the topological order of the graph.
        place: Position in the topological order of all nodes of the run.
        blocked: Number of obstacles to its outputs; 0 if it may emit.
        absorbs: True if obstacles behind it do not block the points above it.
        takes_rows: True if it takes several items at once, by `push_rows`.
        restored: Items that rested here when it took up the state of another run.
        up: The nearest points above; they are blocked while this node is.
        feeders: The nodes that call this one.
    """

    domain: Domain

    def __init__(self, name: str) -> None:
        self.name = name
        self.rank: i64 = 0
        self.place: i64 = 0
        self.blocked: i64 = 0
        self.is_point = False
        self.is_ended = False
        self.is_shut = False
        self.absorbs = False
        self.takes_rows = False
        self.is_restored = False
        """True if it continues with the state of an earlier run."""
        self.up: list[Node] = []
        self.feeders: list[Node] = []
        self.exits: list[Exit] = []
        self.live: i64 = 0
        self.watermark: i64 = MIN
        self.came: i64 = 0
        self.passed: i64 = 0
        self.absorbed: i64 = 0
        self.filtered: i64 = 0
        self.late: i64 = 0
        self.dead: i64 = 0
        self.unassigned: i64 = 0
        self.unrouted: i64 = 0
        self.failed: i64 = 0
        self.discarded: i64 = 0
        self.unread: i64 = 0
        self.made: i64 = 0
        self.retried: i64 = 0
        self.restored: i64 = 0
        self.dropped: dict[str, int] = {}

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Take an item."""
        raise NotImplementedError

    def push_rows(self, items: list[Any]) -> None:
        """Take several items that have neither time nor key; of a node that `takes_rows`."""
        raise NotImplementedError

    def push_columns(self, columns: Any) -> None:
        """Take a run of items as columns."""
        raise NotImplementedError

    def mark(self, watermark: i64) -> None:
        """Take a watermark, IDLE, FLUSHED or ENDED."""
        raise NotImplementedError

    def end(self, error: Exception | None) -> None:
        """Take the end of the input; `error` is None if it completed."""
        raise NotImplementedError

    def space(self) -> int:
        """Return how many items may come at once."""
        return ANY_NUMBER

    def readers(self) -> list[Node]:
        """Return the nodes of its domain that it calls."""
        return [exit_.reader for exit_ in self.exits if exit_.is_read]

    def on_open(self) -> None:
        """Continue: nothing downstream blocks this node any more."""

    def set_shut(self, is_shut: bool) -> None:
        """Take nothing for a while, or take items again: the points above are blocked meanwhile."""
        if is_shut == self.is_shut:
            return
        self.is_shut = is_shut
        if is_shut:
            block_all(self.up)
        else:
            unblock_all(self.up)

    def seal(self) -> None:
        """Mark the node as ended: it unblocks the points above, and its outputs stay blocked."""
        if not self.is_ended:
            # Otherwise the points above would stay blocked for ever.
            self.set_shut(False)
            self.is_ended = True

    def leave(self) -> None:
        """Take nothing more: nodes above without other readers may stop."""
        for node in self.feeders:
            node.release(self)

    def release(self, reader: Node) -> None:
        """Note that a reader takes nothing more. Only sets flags, since this node may be on the stack."""
        for exit_ in self.exits:
            if exit_.reader is reader and exit_.is_read:
                exit_.is_read = False
                self.live -= 1
        if self.live == 0 and not self.is_ended:
            # This seals only this node; retire() releases the nodes above later, when no node is on the stack.
            self.unused()

    def unused(self) -> None:
        """Stop, since no output is read."""
        self.seal()
        self.domain.retire(self)

    def retire(self) -> None:
        """Discard held items and leave the nodes above; called by the domain, outside of any call of a node."""
        self.discard()
        self.leave()

    def discard(self) -> None:
        """Count held items as discarded, and forget them."""

    def cancel(self) -> None:
        """Stop at once."""
        if not self.is_ended:
            self.seal()
            self.discard()

    def why_no_snapshot(self) -> str | None:
        """Return why its state cannot be saved at this moment, or None."""
        return None

    def held(self) -> int:
        """Return the number of inputs that rest here."""
        return 0

    def resting_at(self, exit_: Exit) -> int:
        """Return the number of outputs of an exit that rest here."""
        return 0

    def received(self) -> int:
        """Return how many items came in from the node before."""
        return int(self.came)

    def note_loss(self) -> None:
        """Tell the run to log soon that items were lost or retried here."""
        run = self.domain.run
        if not run.events.is_looking:
            run.events.look()

    def note_drop(self, reason: str, n: int) -> None:
        """Count items left out for a reason."""
        self.dropped[reason] = self.dropped.get(reason, 0) + n

    def sync(self) -> None:
        """Bring counts up to date that follow from others."""

    def ledger(self) -> Ledger:
        """Return the current books of the node."""
        self.sync()
        return Ledger(
            arrived=int(self.came),
            passed=int(self.passed),
            absorbed=int(self.absorbed),
            filtered=int(self.filtered),
            late=int(self.late),
            dead=int(self.dead),
            unassigned=int(self.unassigned),
            unrouted=int(self.unrouted),
            failed=int(self.failed),
            discarded=int(self.discarded),
            unread=int(self.unread),
            made=int(self.made),
            dropped=dict(self.dropped),
            out={exit_.port: int(exit_.n) for exit_ in self.exits},
            held=self.held(),
            retried=int(self.retried),
            restored=int(self.restored),
        )


def block_all(nodes: list[Node]) -> None:
    """Block nodes and the points above them; without recursion, since graphs can be deep."""
    todo = list(nodes)
    while todo:
        node = todo.pop()
        node.blocked += 1
        # Only the first obstacle spreads upstream: the points above count this node once.
        if node.blocked == 1 and not node.absorbs and not node.is_ended:
            todo += node.up


def unblock_all(nodes: list[Node]) -> None:
    """Unblock nodes, and the points above those that are then unblocked."""
    todo = list(nodes)
    while todo:
        node = todo.pop()
        node.blocked -= 1
        if node.blocked == 0:
            if not node.absorbs and not node.is_ended:
                todo += node.up
            node.on_open()


class Nowhere(Node):
    """Takes the outputs of ports without readers."""

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        pass

    def push_columns(self, columns: Any) -> None:
        pass

    def mark(self, watermark: i64) -> None:
        pass

    def end(self, error: Exception | None) -> None:
        pass


NOWHERE: Final = Nowhere("nowhere")
