"""Gates: bounded buffers between segments. One domain fills a gate, another one, or the same, empties it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mypy_extensions import i64

from rxdag.contract import IDLE, Overflow, Saw
from rxdag.engine._node import Node, block_all, unblock_all
from rxdag.engine._receipts import GateReceipts
from rxdag.errors import BufferOverflow, RxDagError, shown

if TYPE_CHECKING:
    from rxdag.columns import Columns
    from rxdag.engine._pump import GatePump

_HYSTERESIS_FROM: Final = 64
"""Size from which a gate reopens only when it is half empty; a smaller one reopens after each item."""


class Ended:
    """The end, in a gate."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error


Rested: TypeAlias = "tuple[Any, ...] | int | Ended | Columns"
"""An entry of a gate: an item as (item, time, sequence, key), with its size if sizes count; a watermark; the end; columns."""


class Gate(Node):
    """A bounded buffer with a policy.

    Watermarks take no room. No lock is needed, since each count has one writer: the domain that fills the gate writes
    `came`, `lost` and `n_dropped`, the one that empties it writes `taken`.

    Args:
        name: Of the edge on which it stands.
        high: Most items that rest in it.
        overflow: Policy for an item that finds it full.
        delay_error: With Overflow.ERROR, True to deliver the items in it before the error.
        max_bytes: Most bytes that rest in it, or 0 for any number.
        size_of: Size of an item in bytes, if `max_bytes` is given.
        demand: How many items the reader asks for now, None for any number; the gate has room for no more.
    """

    reader: GatePump

    def __init__(
        self,
        name: str,
        high: int,
        overflow: Overflow = Overflow.BLOCK,
        *,
        delay_error: bool = True,
        max_bytes: int = 0,
        size_of: Callable[[Any], int] | None = None,
        demand: Callable[[], int | None] | None = None,
    ) -> None:
        super().__init__(name)
        self.high: i64 = high
        # Half empty, not one below full: otherwise a slow reader would wake its producer for each item.
        self.low: i64 = high // 2 if high >= _HYSTERESIS_FROM else high - 1
        self.overflow = overflow
        self.blocks = overflow is Overflow.BLOCK
        self.delay_error = delay_error
        self.max_bytes: i64 = max_bytes
        self.size_of = size_of
        self.demand = demand
        self.queue: deque[Rested] = deque()
        self.taken: i64 = 0
        self.lost: i64 = 0
        self.n_dropped: i64 = 0
        self.bytes_in: i64 = 0
        self.bytes_out: i64 = 0
        self.bytes_dropped: i64 = 0
        self.is_full = False
        self.is_abandoned = False
        self.is_wanted = False
        """True if the reader waits: with `high` 0 one item may then go in."""
        self.high_water: i64 = 0
        self.high_water_bytes: i64 = 0
        self.waits = 0
        self.blocked_since: i64 = 0
        self.waited_ns: i64 = 0
        self.failure: Exception | None = None
        """Error of the gate itself, such as an overflow."""
        self.saw: Saw | None = None
        self.drops_first = overflow in (Overflow.DROP_OLDEST, Overflow.DROP_BUFFER)
        self.receipts = GateReceipts(high)

    @property
    def n(self) -> int:
        """Items that rest in it. Thread-safe."""
        return int(self.came - self.taken - self.lost - self.n_dropped)

    @property
    def n_bytes(self) -> int:
        """Bytes that rest in it, if it counts them. Thread-safe."""
        return int(self.bytes_in - self.bytes_out - self.bytes_dropped)

    def held(self) -> int:
        return self.n

    def limit(self) -> i64:
        """Return how many items may rest in it now."""
        demand = self.demand
        if demand is None:
            return self.high
        asked = demand()
        return self.high if asked is None or asked > self.high else asked

    def room(self) -> int:
        """Return how many more items fit; a large number if it drops the excess, or has no reader."""
        if self.is_ended or not self.blocks:
            return 1 << 30
        free = self.limit() - (self.came - self.taken - self.lost - self.n_dropped)
        if self.max_bytes and free > 1:
            # The size of the next item is unknown until it arrives, so only one may be in flight.
            return 1
        return max(0, int(free))

    def space(self) -> int:
        return self.room()

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        # Counted first, so that the books hold however this call ends.
        if self.is_ended:
            self.lost += 1
            if self.saw is not None:
                self.saw("ignored", item)
            return
        if self.max_bytes:
            self.push_sized(item, ts, sequence, key)
            return
        n = self.came - self.taken - self.lost - self.n_dropped
        # `came` already counts this item, so n includes it.
        if not self.blocks and n > self.high and not self.make_room(item, 0):
            return
        self.queue.append((item, ts, sequence, key))
        self.entered()

    def entered(self) -> None:
        """Note that an item went in: the points above are blocked if that was the last one that fits."""
        n = self.came - self.taken - self.lost - self.n_dropped
        if n > self.high_water:
            self.high_water = n
        if self.blocks and not self.is_full and self.is_at_limit():
            self.is_full = True
            block_all(self.up)
            self.reopen()  # the reader may have taken some in between
        reader = self.reader
        if not reader.queued and not reader.blocked:
            # No lock: the item is queued before `queued` is read here, and a pump clears `queued` before it reads the
            # queue, so one of the two sees the other. A blocked reader looks again when it is unblocked.
            domain = self.domain
            # In a turn of the reader's own domain its driver is awake, and needs neither lock nor bell.
            if domain.turn_of is not None and reader.domain is domain:
                domain.again(reader)
            else:
                reader.wake()

    def push_columns(self, columns: Any) -> None:
        self.came += len(columns)
        if self.is_ended:
            self.lost += len(columns)
            return
        self.queue.append(columns)
        self.entered()

    def is_at_limit(self) -> bool:
        """Return True if it is full."""
        if self.max_bytes and self.bytes_in - self.bytes_out - self.bytes_dropped >= self.max_bytes:
            return True
        return self.came - self.taken - self.lost - self.n_dropped >= self.limit()

    def reopen(self) -> None:
        """Unblock the points above if the gate has enough space. Call it in the domain that fills the gate."""
        if self.is_full and self.may_open():
            self.is_full = False
            self.note_resumed()
            unblock_all(self.up)

    def may_open(self) -> bool:
        """Return True if a full gate has room enough again."""
        n = self.came - self.taken - self.lost - self.n_dropped
        # An ended gate counts further items as lost, so it must not block its producers.
        if self.is_ended:
            return True
        if self.demand is not None:
            return n < self.limit()
        if self.max_bytes and n and 2 * self.n_bytes > self.max_bytes:
            return False
        return n <= self.low

    def admit(self) -> None:
        """Look again how much the reader asks for; in the domain that fills it."""
        if self.is_full:
            self.reopen()
        elif not self.is_ended and self.blocks and self.is_at_limit():
            self.is_full = True
            block_all(self.up)

    def mark(self, watermark: i64) -> None:
        if self.is_ended:
            return
        queue = self.queue
        try:
            # IDLE holds no time, so it does not replace the watermark before it.
            while isinstance(queue[-1], int) and (watermark != IDLE or queue[-1] == IDLE):
                queue.pop()  # the later watermark supersedes it
        except IndexError:  # empty, perhaps only just now
            pass
        queue.append(watermark)
        reader = self.reader
        if not reader.queued and not reader.blocked:
            reader.wake()

    def end(self, error: Exception | None) -> None:
        if self.is_ended:
            return
        self.is_ended = True
        self.queue.append(Ended(error))
        self.reopen()
        self.reader.wake()

    def close_from_outside(self, error: Exception | None, watermark: int | None) -> None:
        """End although the producing domain hangs in user code, whose further items are discarded."""
        if self.is_ended:
            return
        if watermark is not None:
            self.queue.append(watermark)
        # No reopen() here: the blocked points belong to the thread that hangs.
        self.is_ended = True
        self.queue.append(Ended(error))
        self.reader.wake()

    def abandon(self) -> None:
        """Discard present and future items; called in the producing domain, once the reader takes nothing more."""
        if self.is_abandoned:
            return
        self.is_abandoned = True
        self.is_ended = True
        self.lost += self.came - self.taken - self.lost - self.n_dropped
        self.queue.clear()
        self.reopen()
        self.leave()

    def cancel(self) -> None:
        pass

    def make_room(self, item: Any, size: i64) -> bool:
        """Drop an item by the policy; False if that is the new item, which `came` already counts."""
        overflow = self.overflow
        if self.high == 0 and self.is_wanted and not self.queue:
            self.is_wanted = False
            return True
        # In a gate of size 0, the item itself is both the oldest and the newest.
        if overflow is Overflow.DROP_NEWEST or (self.high == 0 and overflow is not Overflow.ERROR):
            self.count_dropped(item)
            return False
        if overflow is Overflow.ERROR:
            self.count_dropped(item)
            self.overflowed()
            return False
        marks: list[Rested] = []
        queue = self.queue
        is_tail = overflow is Overflow.DROP_TAIL
        while True:
            try:
                entry = queue.pop() if is_tail else queue.popleft()
            except IndexError:  # the reader was quicker
                break
            if isinstance(entry, tuple):
                self.count_dropped(entry[0])
                self.bytes_dropped += entry[4] if len(entry) > 4 else 0
                if overflow is not Overflow.DROP_BUFFER and self.fits(size):
                    break
            else:
                marks.append(entry)
        if is_tail:
            queue.extend(reversed(marks))
        elif marks and overflow is Overflow.DROP_BUFFER:
            # No item is left between the marks, so the last one replaces the others.
            queue.append(marks[-1])
        else:
            queue.extendleft(reversed(marks))  # delivering a mark later than necessary is safe
        return True

    def fits(self, size: i64) -> bool:
        """Return True if the new item, which `came` already counts, fits beside the waiting ones."""
        n = self.came - self.taken - self.lost - self.n_dropped
        # An empty gate accepts any item, even one larger than max_bytes, which could otherwise never pass.
        if n <= 1:
            return True
        if self.max_bytes and self.bytes_in - self.bytes_out - self.bytes_dropped + size > self.max_bytes:
            return False
        return n <= self.high

    def push_sized(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Take an item whose bytes count."""
        size_of = self.size_of
        assert size_of is not None
        try:
            size: i64 = int(size_of(item))
        except BaseException as error:
            self.lost += 1
            self.domain.interrupt_for(error)
            self.fail(
                RxDagError(
                    f"gate {self.name}: size_of must return the size of each item as a number, raised "
                    f"{shown(error)} on {shown(item)}"
                ),
                error,
            )
            return
        if not self.blocks and not self.fits(size) and not self.make_room(item, size):
            return
        # Counted before it is queued, since the reader may take it at once.
        self.bytes_in += size
        n_bytes = self.bytes_in - self.bytes_out - self.bytes_dropped
        if n_bytes > self.high_water_bytes:
            self.high_water_bytes = n_bytes
        self.queue.append((item, ts, sequence, key, size))
        self.entered()

    def count_dropped(self, item: Any) -> None:
        """Count an item that was dropped."""
        self.n_dropped += 1
        self.note_loss()
        if self.saw is not None:
            self.saw("dropped", item)

    def overflowed(self) -> None:
        """End with an error: one item more came than fits."""
        bounds = f"{self.high:,} items" + (f" and {self.max_bytes:,} bytes" if self.max_bytes else "")
        larger = "larger bounds" if self.max_bytes else "a larger max_items"
        if not self.delay_error:
            self.lost += self.came - self.taken - self.lost - self.n_dropped
            self.queue.clear()
        self.fail(
            BufferOverflow(
                f"gate {self.name}: must hold at most {bounds}, got one more; use {larger}, "
                f'or another overflow policy, such as "block" if the source can wait, or "drop_oldest"'
            ),
            None,
        )

    def fail(self, error: Exception, cause: BaseException | None) -> None:
        """End with an error of the gate itself, behind the waiting items."""
        error.__cause__ = cause
        self.failure = error
        self.end(error)
        self.domain.retire(self)

    def retire(self) -> None:
        self.leave()

    def place_behind(self) -> i64:
        """Return the place of the next item that comes, as `receipts` counts."""
        return self.came if self.drops_first else self.came - self.n_dropped

    def receipt(self, max_items: i64) -> i64:
        """Return the oldest receipt among its next items, else -1. Call it where it is emptied."""
        first = self.taken + self.n_dropped if self.drops_first else self.taken
        return self.receipts.of(first, first + max_items)

    def note_waiting(self, now: i64) -> None:
        """Note that a pump waits for room here."""
        if self.is_full and self.blocked_since == 0:
            self.waits += 1
            self.blocked_since = now
            if self.saw is not None:
                self.saw("blocked")

    def note_resumed(self) -> None:
        """Note that no producer waits any more."""
        if self.blocked_since:
            self.waited_ns += self.domain.ticks() - self.blocked_since
            self.blocked_since = 0
            if self.saw is not None:
                self.saw("resumed")

    @property
    def blocked_ns(self) -> int:
        """Time in ns for which the full gate blocked its producer, including now. Thread-safe."""
        # Read once: the domain that fills the gate may reset it between the test and the subtraction.
        since = self.blocked_since
        return int(self.waited_ns + (self.domain.ticks() - since if since else 0))
