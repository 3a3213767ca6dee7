"""Points: nodes whose outputs rest in them until nothing downstream blocks.

One rule keeps gates within their bounds. A node that may call downstream more than once in one call is a *point*.
Before each such call it reads `blocked`, its number of obstacles: full gates, shut nodes and resting points behind it.
If that is not 0, the output stays in the node as data (the node *rests*), which blocks the points above. The loop of
the domain resumes resting nodes before it feeds anything new, so the order is that of nested calls with unlimited room.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, TypeAlias

from mypy_extensions import i64

from rxdag.contract import FLUSHED, IDLE
from rxdag.engine._node import NOWHERE, Exit, Node, block_all, unblock_all

ITEM: Final = 0
MARK: Final = 1
END: Final = 2
INPUT: Final = 3
INPUT_MARK: Final = 4
INPUT_END: Final = 5
COLUMNS: Final = 6
INPUT_COLUMNS: Final = 7
MARKS: Final = 8
FIRING: Final = 9

_GIVEN: Final = frozenset((ITEM, MARK, END, COLUMNS))
"""Kinds of entries that are outputs of this node; the others are inputs."""

Entry: TypeAlias = tuple[int, Any, Any, int, Any, Any]
"""An entry that rests in a node: kind, exit (or index of the next), item (or error), time (or watermark), sequence, key."""


class Point(Node):
    """A node that may call downstream more than once in one call: its outputs rest in it while it is blocked."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_point = True
        self.is_resting = False
        self.marked: list[Exit] = []
        """The exits that carry watermarks: they have event time and a reader or a watcher."""
        self.pending: deque[Entry] = deque()
        self.only_timed: Exit | None = None
        """The only exit that carries watermarks; None if there are none or several."""
        self.free: i64 = 0
        """While a resting input is replayed: this node's own part of `blocked`, or -1 once further outputs must rest."""
        self.front: list[Entry] = []
        """Outputs of a replayed input that were blocked."""
        self.order: list[Node] = []
        """Forks above that must wait while this node rests, though not blocked by it: another branch could overtake."""

    def add_exit(self, exit_: Exit) -> None:
        """Add an output port."""
        self.exits.append(exit_)

    def note_readers(self) -> None:
        """Look which exits are read, once they are linked."""
        self.marked = [each for each in self.exits if each.timed and each.out is not NOWHERE]
        self.only_timed = self.marked[0] if len(self.marked) == 1 else None

    def give(self, exit_: Exit, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Send an item to an exit, or keep it until there is room."""
        # Counted before the call, so that the books hold if it does not return.
        exit_.n += 1
        if self.blocked > self.free:
            self.hold((ITEM, exit_, item, ts, sequence, key))
        else:
            exit_.out.push(item, ts, sequence, key)

    def give_columns(self, exit_: Exit, columns: Any) -> None:
        """Send a run of columns to an exit, and keep the part for which there is no room."""
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
            # FLUSHED and ENDED belong to the end, which may pass although something is in the way.
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
        """Send the end to all exits. An error goes at once, and outputs that rest before it are discarded."""
        if error is not None:
            self.clear()
            for exit_ in self.exits:
                exit_.out.end(error)
        elif self.blocked <= self.free:
            self.spread_end(0, None)
        elif self.lets_end_pass():
            for exit_ in self.exits:
                exit_.out.end(None)
        else:
            self.hold((END, 0, None, 0, 0, None))

    def lets_end_pass(self) -> bool:
        """Return True if the end may pass though the node is blocked: it takes no room, and nothing rests downstream.

        With several readers, an end on one branch could overtake items that rest on another. A node that has ended
        blocks nothing above it, so another branch of a node above could overtake items that rest behind it.
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
                # Before each exit: a window that fires behind one exit can fill a gate behind the next.
                self.hold_rest((MARK, at, None, watermark, 0, None))
                return
            exit_ = exits[at]
            at += 1
            if exit_.timed or watermark >= FLUSHED:
                exit_.out.mark(watermark)

    def spread_end(self, at: int, error: Exception | None) -> None:
        """Send the end by the exits from index `at` on, as far as nothing comes in the way."""
        exits = self.exits
        n = len(exits)
        free: i64 = self.obstacles()
        while at < n:
            if error is None and self.blocked > free:
                self.hold_rest((END, at, None, 0, 0, None))
                return
            exit_ = exits[at]
            at += 1
            exit_.out.end(error)

    def obstacles(self) -> i64:
        """Return the part of `blocked` that does not count: this node rests itself, or has ended."""
        own: i64 = (1 if self.is_resting else 0) + (1 if self.is_ended else 0)
        return own if own > self.free else self.free

    def hold(self, entry: Entry) -> None:
        """Append an entry to those that rest here."""
        if self.is_ended:
            self.throw(entry)
            return
        if self.free:
            # The outputs of a replayed input belong before the entries that came after it.
            self.front.append(entry)
            return
        pending = self.pending
        if entry[0] == MARK:
            while pending and pending[-1][0] == MARK and (entry[3] != IDLE or pending[-1][3] == IDLE):
                pending.pop()  # the later mark supersedes the earlier one
        pending.append(entry)
        if not self.is_resting:
            self.rest()

    def hold_first(self, entry: Entry) -> None:
        """Put an entry before those that rest here: it is the rest of one that was taken up."""
        self.pending.appendleft(entry)
        if not self.is_resting:
            self.rest()

    def hold_rest(self, entry: Entry) -> None:
        """Keep the rest of an output: later outputs follow it, also while an input is taken up."""
        if self.free:
            self.front.append(entry)
        else:
            self.hold_first(entry)

    def put_front(self) -> None:
        """Move the outputs of an input that was taken up to the head of what rests."""
        if self.front:
            self.pending.extendleft(reversed(self.front))
            self.front = []
            if not self.is_resting:
                self.rest()

    def rests_with_inputs(self) -> bool:
        """Return True if unprocessed inputs rest here, not only outputs and their ends."""
        return any(entry[0] not in _GIVEN for entry in (*self.front, *self.pending))

    def rest(self) -> None:
        """Start to rest: points above are blocked until nothing is pending."""
        self.is_resting = True
        self.blocked += 1
        # A node blocked from downstream has already blocked the points above, unless it absorbs or has ended.
        if self.blocked == 1 or self.absorbs or self.is_ended:
            block_all(self.up)
        block_all(self.order)
        self.domain.resting.append(self)

    def rest_on(self) -> None:
        """Keep the further outputs of the current call here; call it right before the next output is given."""
        if self.free:
            # Below any `blocked`, so that give() holds further outputs; not 0, so that hold() uses `front`.
            self.free = -1
        elif not self.is_resting:
            self.rest()

    def rise(self) -> None:
        """Stop resting."""
        self.is_resting = False
        self.blocked -= 1
        # The count of an ended node never falls to 0, since seal() adds the node itself for good.
        if self.blocked == 0 or self.absorbs or self.is_ended:
            unblock_all(self.up)
        unblock_all(self.order)
        if self.blocked == 0:
            self.on_open()

    def can_resume(self) -> bool:
        """Return True if nothing but this node itself is in the way."""
        return self.blocked == self.obstacles()

    def resume(self) -> None:
        """Emit the resting items as far as gates have space."""
        pending = self.pending
        n = 0
        # Bounded, since compiled code handles no signal before it returns; `n and` lets each call make progress.
        while pending and self.can_resume() and n < 1024 and not (n and self.domain.must_give_back()):
            n += 1
            left = len(pending)
            self.replay(pending.popleft())
            if len(pending) == left:  # an endless entry gives back now and then
                break
        if not pending and self.is_resting:
            self.rise()

    def replay(self, entry: Entry) -> None:
        """Take up an entry that rested."""
        kind = entry[0]
        if kind == ITEM:
            # Not with give(), which would count it twice.
            exit_: Exit = entry[1]
            exit_.out.push(entry[2], entry[3], entry[4], entry[5])
        elif kind == MARK:
            self.spread_mark(entry[3], entry[1])
        elif kind == END:
            self.spread_end(entry[1], entry[2])
        elif kind == COLUMNS:
            self.send_columns(entry[1], entry[2])
        else:
            # `free` lets the outputs of this entry pass while the node rests; `front` keeps their order if they cannot.
            self.free = self.obstacles()
            self.take_up(entry)
            self.free = 0
            self.put_front()

    def take_up(self, entry: Entry) -> None:
        """Take up an input that rested; of nodes that keep inputs."""
        raise NotImplementedError

    def send_columns(self, exit_: Exit, columns: Any) -> None:
        """Send as many items of a run of columns as there is room for; the others rest."""
        free = self.obstacles()
        while True:
            n = len(columns)
            room = exit_.reader.space()
            if room >= n:
                exit_.out.push_columns(columns)
                return
            # The node is not blocked, so one row may pass, as a single item would.
            room = max(room, 1)
            exit_.out.push_columns(columns[:room])
            columns = columns[room:]
            if self.blocked > free:
                self.hold_rest((COLUMNS, exit_, columns, 0, 0, None))
                return

    def seal(self) -> None:
        if self.is_ended:
            return
        self.set_shut(False)
        # A resting node still has to emit its end, so the points above stay blocked until it rises.
        if self.blocked and not self.is_resting and not self.absorbs:
            unblock_all(self.up)
        self.is_ended = True
        # The node blocks itself for good, which obstacles() takes into account, but none of the points above.
        self.blocked += 1

    def clear(self) -> None:
        """Discard the entries that rest here."""
        for entry in [*self.front, *self.pending]:
            self.throw(entry)
        self.front = []
        self.pending.clear()
        if self.is_resting:
            self.rise()
            self.domain.forget(self)

    def throw(self, entry: Entry) -> None:
        """Count an entry that can no longer be delivered."""
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
            # Only entries of outputs have an exit in entry[1]; others have a number there.
            if entry[1] is exit_:
                n += 1 if entry[0] == ITEM else len(entry[2])
        return n
