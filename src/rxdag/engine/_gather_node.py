"""Nodes that gather rows into columns, for nodes that process only columns."""

from __future__ import annotations

from typing import Any, Final

from mypy_extensions import i64

from rxdag.contract import FLUSHED, IDLE, MIN
from rxdag.engine._faults import node_error
from rxdag.engine._node import Exit
from rxdag.engine._point import COLUMNS, Point

_MOST: Final = 1024


class GatherNode(Point):
    """Gathers up to 1,024 items until the domain has nothing else to do, and passes them on as columns.

    Args:
        name: Of the node behind it.
        item_type: Of the items; None if it is not known.
        timed: True if they have event times.
        keyed: True if they have keys.
    """

    def __init__(self, name: str, item_type: Any, *, timed: bool, keyed: bool) -> None:
        super().__init__(name)
        self.item_type = item_type
        self.is_keyed = keyed
        self.is_timed = timed
        self.is_gathering = False
        self.told: i64 = MIN
        """The last watermark that came."""
        self.waiting: i64 = MIN
        """The same, if it has not been passed on yet."""
        self.renew()

    def renew(self) -> None:
        """Start a new, empty batch."""
        self.items: list[Any] = []
        self.times: list[int] = []
        self.sequences: list[Any] = []
        self.keys: list[Any] = []
        self.before: list[int] = []

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        exit_ = self.exits[0]
        exit_.n += 1
        if self.is_ended:
            exit_.lost += 1
            return
        self.items.append(item)
        if self.is_timed:
            self.times.append(ts)
            self.sequences.append(sequence)
            self.before.append(self.told)
        if self.is_keyed:
            self.keys.append(key)
        if len(self.items) >= _MOST:
            self.hand_on()
        elif not self.is_gathering:
            self.is_gathering = True
            self.domain.unwritten.append(self)

    def take_over(self) -> None:
        """Continue with the items of another run."""
        if self.items:
            self.is_gathering = True
            self.domain.unwritten.append(self)

    def write_out(self) -> None:
        """Pass on the gathered items; called by the domain."""
        self.is_gathering = False
        if not self.is_ended:
            self.hand_on()

    def hand_on(self) -> None:
        """Pass on the gathered items, then the watermark."""
        from rxdag.columns import gathered  # it loads numpy

        if self.items:
            exit_ = self.exits[0]
            n = len(self.items)
            try:
                columns = gathered(
                    self.items,
                    self.item_type,
                    times=self.times if self.is_timed else None,
                    sequences=self.sequences if self.is_timed else None,
                    keys=self.keys if self.is_keyed else None,
                    before=self.before if self.is_timed else None,
                )
            except BaseException as error:
                exit_.lost += n
                self.renew()
                self.domain.interrupt_for(error)
                made = node_error(self.name, error)
                self.give_end(made)
                self.seal()
                self.domain.run.fail(made)
                return
            self.renew()
            if self.blocked:
                self.hold((COLUMNS, exit_, columns, 0, 0, None))
            else:
                self.send_columns(exit_, columns)
        if self.waiting != MIN:
            watermark, self.waiting = self.waiting, MIN
            self.give_mark(watermark)

    def mark(self, watermark: i64) -> None:
        # IDLE and end marks must not wait for more items; without gathered items no mark needs to wait.
        if watermark == IDLE or watermark >= FLUSHED or not self.items:
            self.hand_on()
            self.give_mark(watermark)
        else:
            self.waiting = watermark
        if watermark > self.told:
            self.told = watermark

    def end(self, error: Exception | None) -> None:
        self.hand_on()
        self.give_end(error)
        self.seal()

    def resting_at(self, exit_: Exit) -> int:
        return super().resting_at(exit_) + len(self.items)

    def clear(self) -> None:
        self.exits[0].lost += len(self.items)
        self.renew()
        super().clear()

    def unused(self) -> None:
        self.clear()
        super().unused()
