"""Nodes: what a run is made of. Handing an item on is a call of the next node's `push`.

One rule keeps gates within their bounds. A node that may call downstream more than once in one call is a *point*. Before
each call it reads `blocked`, the count of what stands in its way: full gates, closed nodes and resting points behind it.
If that is not 0, the output stays in the node as data (the node *rests*), which blocks the points above. The domain's
loop resumes resting nodes before it feeds anything new, so the order is that of nested calls with unlimited room.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mypy_extensions import i64

from rxdag.contract import FLUSHED, IDLE, MIN
from rxdag.engine._ledger import Ledger

if TYPE_CHECKING:
    from rxdag.engine._domain import Domain

ITEM: Final = 0
MARK: Final = 1
END: Final = 2
INPUT: Final = 3
INPUT_MARK: Final = 4
INPUT_END: Final = 5
COLUMNS: Final = 6
INPUT_COLUMNS: Final = 7

ANY_NUMBER: Final = 1 << 30
"""As many items as there are."""

Entry: TypeAlias = tuple[int, Any, Any, int, Any, Any]
"""What rests in a node: kind, exit (or index of the next one), item (or error), time (or watermark), sequence, key."""


class Exit:
    """An output port of a node.

    Attributes:
        port: Its name.
        out: What takes its items: the reader, or something that watches before it.
        reader: The node that reads it.
        timed: True if its items have event times, so that watermarks go out here.
        keyed: True if its items have keys; if not, they lose those that they had.
        n: Items that have left by it.
        lost: Of these, items that rested in the node and were discarded.
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
        name: Of the node in the dag.
        rank: The place of its node in the order of the graph.
        place: Its own place among all nodes of the run, those before others first.
        blocked: How much stands in the way of its outputs; 0 if it may give.
        absorbs: True if what stands in the way behind it is no obstacle to those above.
        takes_rows: True if it takes several items at once, by `push_rows`.
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
        """True if it goes on with the state of another run."""
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
        self.dropped: dict[str, int] = {}

    # ---- what comes

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

    # ---- what stands in the way

    def block(self) -> None:
        """Count one more obstacle behind; the first one blocks the points above."""
        self.blocked += 1
        if self.blocked == 1 and not self.absorbs and not self.is_ended:
            block_all(self.up)

    def unblock(self) -> None:
        """Count one obstacle less; with the last one the points above may go on."""
        self.blocked -= 1
        if self.blocked == 0:
            if not self.absorbs and not self.is_ended:
                unblock_all(self.up)
            self.on_open()

    def on_open(self) -> None:
        """Nothing stands in the way any more."""

    def set_shut(self, is_shut: bool) -> None:
        """Take nothing for a while, or take items again: the points above are blocked meanwhile."""
        if is_shut == self.is_shut:
            return
        self.is_shut = is_shut
        if is_shut:
            block_all(self.up)
        else:
            unblock_all(self.up)

    # ---- ends

    def seal(self) -> None:
        """Mark the node as ended: it lifts what it has blocked above, and its outputs stay blocked for good."""
        if not self.is_ended:
            self.set_shut(False)
            self.is_ended = True

    def leave(self) -> None:
        """Take nothing more: nodes above that feed nobody else may stop."""
        for node in self.feeders:
            node.release(self)

    def release(self, reader: Node) -> None:
        """Note that a reader takes nothing more. Only sets flags, since this node may be on the stack."""
        for exit_ in self.exits:
            if exit_.reader is reader and exit_.is_read:
                exit_.is_read = False
                self.live -= 1
        if self.live == 0 and not self.is_ended:
            self.unused()

    def unused(self) -> None:
        """Stop: nobody reads any output."""
        self.seal()
        self.domain.retire(self)

    def retire(self) -> None:
        """Discard what is held and leave the nodes above; called by the domain, outside of any call of a node."""
        self.discard()
        self.leave()

    def discard(self) -> None:
        """Count what is held as discarded, and forget it."""

    def cancel(self) -> None:
        """Stop at once."""
        if not self.is_ended:
            self.seal()
            self.discard()

    def why_no_snapshot(self) -> str | None:
        """Return why its state cannot be saved at this moment, or None."""
        return None

    # ---- books

    def held(self) -> int:
        """Return how many items that came in rest here."""
        return 0

    def resting_at(self, exit_: Exit) -> int:
        """Return how many items that left by an exit rest here."""
        return 0

    def received(self) -> int:
        """Return how many items came in from the node before."""
        return int(self.came)

    def note_drop(self, reason: str, n: int) -> None:
        """Count items left out for a reason."""
        self.dropped[reason] = self.dropped.get(reason, 0) + n

    def sync(self) -> None:
        """Bring counts up to date that follow from others."""

    def ledger(self) -> Ledger:
        """Return the books of the node as they stand."""
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
        )


def block_all(nodes: list[Node]) -> None:
    """Block nodes and the points above them; without recursion, since graphs can be deep."""
    todo = list(nodes)
    while todo:
        node = todo.pop()
        node.blocked += 1
        if node.blocked == 1 and not node.absorbs and not node.is_ended:
            todo += node.up


def unblock_all(nodes: list[Node]) -> None:
    """Unblock nodes, and the points above those that nothing blocks any more."""
    todo = list(nodes)
    while todo:
        node = todo.pop()
        node.blocked -= 1
        if node.blocked == 0:
            if not node.absorbs and not node.is_ended:
                todo += node.up
            node.on_open()


class Nowhere(Node):
    """Takes what nobody reads."""

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        pass

    def push_columns(self, columns: Any) -> None:
        pass

    def mark(self, watermark: i64) -> None:
        pass

    def end(self, error: Exception | None) -> None:
        pass


NOWHERE: Final = Nowhere("nowhere")


class Point(Node):
    """A node that may call downstream more than once in one call: its outputs rest in it while something is in the way."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_point = True
        self.is_resting = False
        self.marked: list[Exit] = []
        """The exits by which watermarks go out: they have event time, and somebody reads or watches them."""
        self.pending: deque[Entry] = deque()
        self.only_timed: Exit | None = None
        """The exit by which watermarks go out, if that is one only."""
        self.free: i64 = 0
        """While an input that rested is taken up: the part of `blocked` that is this node's own."""
        self.front: list[Entry] = []
        """What an input that rested has given and there was no room for."""
        self.order: list[Node] = []
        """Forks above, behind which other branches could overtake what rests here though this node does not block them."""

    def add_exit(self, exit_: Exit) -> None:
        """Add an output port."""
        self.exits.append(exit_)

    def note_readers(self) -> None:
        """Look which exits are read, once they are linked."""
        self.marked = [each for each in self.exits if each.timed and each.out is not NOWHERE]
        self.only_timed = self.marked[0] if len(self.marked) == 1 else None

    # ---- giving

    def give(self, exit_: Exit, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Send an item out by an exit, or keep it until there is room."""
        exit_.n += 1
        if self.blocked > self.free:
            self.hold((ITEM, exit_, item, ts, sequence, key))
        else:
            exit_.out.push(item, ts, sequence, key)

    def give_columns(self, exit_: Exit, columns: Any) -> None:
        """Send a run of columns out by an exit, and keep that part of it for which there is no room."""
        n = len(columns)
        if n:
            exit_.n += n
            if self.blocked > self.free:
                self.hold((COLUMNS, exit_, columns, 0, 0, None))
            else:
                self.send_columns(exit_, columns)

    def give_mark(self, watermark: i64) -> None:
        """Send a watermark out by all exits that have event time; the end's marks by all."""
        if watermark > self.watermark:
            self.watermark = watermark
        if self.blocked > self.free:
            if watermark < FLUSHED or not self.lets_end_pass():
                self.hold((MARK, 0, None, watermark, 0, None))
                return
            for exit_ in self.exits:
                exit_.out.mark(watermark)
            return
        only = self.only_timed
        if only is not None and watermark < FLUSHED:
            only.out.mark(watermark)
        else:
            self.spread_mark(watermark, 0)

    def give_end(self, error: Exception | None) -> None:
        """Send the end out by all exits. An error goes at once: what rests before it is discarded."""
        if error is not None:
            self.clear()
            for exit_ in self.exits:
                exit_.out.end(error)
        elif self.blocked <= self.free:
            self.spread_end(0)
        elif self.lets_end_pass():
            for exit_ in self.exits:
                exit_.out.end(None)
        else:
            self.hold((END, 0, None, 0, 0, None))

    def lets_end_pass(self) -> bool:
        """Return True if the end may go out though something is in the way: it takes no room, and nothing rests behind.

        Where several nodes read, an end on one branch could overtake what rests on another; and a node that has ended
        holds back nobody, so that what rests behind it could be overtaken by another branch of a node above.
        """
        return self.live <= 1 and not self.rests_behind()

    def rests_behind(self) -> bool:
        """Return True if anything rests in this node, or in one behind it in its domain."""
        todo: list[Node] = [self]
        seen: set[int] = set()
        while todo:
            node = todo.pop()
            if isinstance(node, Point) and node.is_resting:
                return True
            if node.blocked and id(node) not in seen:
                seen.add(id(node))
                todo += node.readers()
        return False

    def spread_mark(self, watermark: i64, at: int) -> None:
        """Send a watermark by the exits from index `at` on, as far as nothing comes in the way."""
        exits = self.exits
        n = len(exits)
        free: i64 = self.obstacles()
        while at < n:
            if self.blocked > free:
                self.hold_first((MARK, at, None, watermark, 0, None))
                return
            exit_ = exits[at]
            at += 1
            if exit_.timed or watermark >= FLUSHED:
                exit_.out.mark(watermark)

    def spread_end(self, at: int) -> None:
        """Send the end by the exits from index `at` on, as far as nothing comes in the way."""
        exits = self.exits
        n = len(exits)
        free: i64 = self.obstacles()
        while at < n:
            if self.blocked > free:
                self.hold_first((END, at, None, 0, 0, None))
                return
            exit_ = exits[at]
            at += 1
            exit_.out.end(None)

    def obstacles(self) -> i64:
        """Return the part of `blocked` that does not count: this node rests itself, or has ended."""
        own: i64 = (1 if self.is_resting else 0) + (1 if self.is_ended else 0)
        return own if own > self.free else self.free

    # ---- resting

    def hold(self, entry: Entry) -> None:
        """Keep an entry behind what rests here already."""
        if self.is_ended:
            self.throw(entry)
            return
        if self.free:
            self.front.append(entry)
            return
        pending = self.pending
        if entry[0] == MARK:
            while pending and pending[-1][0] == MARK and (entry[3] != IDLE or pending[-1][3] == IDLE):
                pending.pop()  # the later mark says all that the one before it said
        pending.append(entry)
        if not self.is_resting:
            self.rest()

    def hold_first(self, entry: Entry) -> None:
        """Keep an entry before what rests here already: it is the rest of one that was taken up."""
        self.pending.appendleft(entry)
        if not self.is_resting:
            self.rest()

    def rest(self) -> None:
        """Begin to rest: points above are blocked until nothing is pending."""
        self.is_resting = True
        self.blocked += 1
        if self.blocked == 1 or self.absorbs or self.is_ended:
            block_all(self.up)
        block_all(self.order)
        self.domain.resting.append(self)

    def rise(self) -> None:
        """Rest no more."""
        self.is_resting = False
        self.blocked -= 1
        if self.blocked == 0 or self.absorbs or self.is_ended:
            unblock_all(self.up)
        unblock_all(self.order)
        if self.blocked == 0:
            self.on_open()

    def can_resume(self) -> bool:
        """Return True if nothing but this node itself is in the way."""
        return self.blocked == self.obstacles()

    def resume(self) -> None:
        """Go on with what rests, as far as there is room."""
        pending = self.pending
        n = 0
        while pending and self.can_resume() and n < 1024 and not (n and self.domain.stop):
            n += 1
            self.replay(pending.popleft())
        if not pending and self.is_resting:
            self.rise()

    def replay(self, entry: Entry) -> None:
        """Take up an entry that rested."""
        kind = entry[0]
        if kind == ITEM:
            exit_: Exit = entry[1]
            exit_.out.push(entry[2], entry[3], entry[4], entry[5])
        elif kind == MARK:
            self.spread_mark(entry[3], entry[1])
        elif kind == END:
            self.spread_end(entry[1])
        elif kind == COLUMNS:
            self.send_columns(entry[1], entry[2])
        else:
            self.free = self.obstacles()
            self.take_up(entry)
            self.free = 0
            if self.front:
                self.pending.extendleft(reversed(self.front))
                self.front = []

    def take_up(self, entry: Entry) -> None:
        """Take up an input that rested; of nodes that keep inputs."""
        raise NotImplementedError

    def send_columns(self, exit_: Exit, columns: Any) -> None:
        """Send a run of columns out, as many items at once as there is room for; the rest rests."""
        free = self.obstacles()
        while True:
            n = len(columns)
            room = exit_.reader.space()
            if room >= n:
                exit_.out.push_columns(columns)
                return
            room = max(room, 1)
            exit_.out.push_columns(columns[:room])
            columns = columns[room:]
            if self.blocked > free:
                self.hold_first((COLUMNS, exit_, columns, 0, 0, None))
                return

    def seal(self) -> None:
        if self.is_ended:
            return
        self.set_shut(False)
        if self.blocked and not self.is_resting and not self.absorbs:
            unblock_all(self.up)
        self.is_ended = True
        self.blocked += 1

    def clear(self) -> None:
        """Discard what rests here."""
        for entry in [*self.front, *self.pending]:
            self.throw(entry)
        self.front = []
        self.pending.clear()
        if self.is_resting:
            self.rise()
            self.domain.forget(self)

    def throw(self, entry: Entry) -> None:
        """Count an entry that nobody takes any more."""
        kind = entry[0]
        if kind == ITEM:
            exit_: Exit = entry[1]
            exit_.lost += 1
        elif kind == COLUMNS:
            exit_ = entry[1]
            exit_.lost += len(entry[2])
        elif kind == INPUT:
            self.discarded += 1
        elif kind == INPUT_COLUMNS:
            self.discarded += len(entry[2])

    def discard(self) -> None:
        self.clear()

    def held(self) -> int:
        n = 0
        for entry in self.pending:
            if entry[0] == INPUT:
                n += 1
            elif entry[0] == INPUT_COLUMNS:
                n += len(entry[2])
        return n

    def resting_at(self, exit_: Exit) -> int:
        n = 0
        for entry in self.pending:
            if entry[1] is exit_:
                n += 1 if entry[0] == ITEM else len(entry[2])
        return n
