"""Safepoints: moments at which every domain of a run stands between two items, so that its state can be saved."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from rxdag.runtime._snapshot import why_unsavable

if TYPE_CHECKING:
    from rxdag.runtime._execution import Execution


class Safepoint:
    """Brings all domains of a run to stand, acts, and lets them go on; one at a time.

    A domain stands after the call of user code that it is in, or while a source of its own thread reads. What is to be
    done is called on the main domain's thread, where tasks end, and under the locks of all others: nothing in the run
    can move meanwhile. Whoever ends the run calls `abandon` on that thread afterwards.

    Args:
        run: The run.
    """

    def __init__(self, run: Execution) -> None:
        self._run = run
        self._main = run.main
        self._others = [each for each in dict.fromkeys(run.schedulers.values()) if each is not run.main]
        self._act: Callable[[], bool] | None = None
        self._is_standing = False
        self._will_look = False

    @property
    def is_awaited(self) -> bool:
        """Return True while domains are to stand."""
        return self._act is not None or self._is_standing

    @property
    def is_pending(self) -> bool:
        """Return True while some domain does not stand yet."""
        return self._act is not None

    def request(self, act: Callable[[], bool]) -> None:
        """Bring all domains to stand soon, then call `act`; they go on if it returns True, else after `abandon`. Thread-safe.

        A request is ignored while one is awaited, and once the run ends.
        """
        self._main.call(partial(self._begin, act))

    def _begin(self, act: Callable[[], bool]) -> None:
        if self._act is None and self._run.state == "running" and not self._run.commit.has_begun:
            self._act = act
            self._main.hold(_nothing)  # it looks itself
            for scheduler in self._others:
                scheduler.hold(self.look)
            self.look()

    def look(self) -> None:
        """Look soon whether all stand. Thread-safe."""
        with self._main.lock:
            # Once at a time: of two looks each would wait behind the other.
            if self._act is None or self._will_look:
                return
            self._will_look = True
        self._main.call(self._look)

    def why(self) -> str:
        """Return what the domains wait for."""
        moving = [each.name for each in self._others if not each.stands_still()]
        return why_unsavable(self._run) or f"user code in {', '.join(moving) or 'main'} has not returned"

    def abandon(self) -> None:
        """Let the domains go on. On the main domain's thread."""
        if self.is_awaited:
            self._end()

    def _look(self) -> None:
        self._will_look = False
        if self._act is None:
            return
        self._main.domain.retire_all()
        if not self._main.stands():
            self.look()  # behind the calls that are due
            return
        with ExitStack() as locks:
            for scheduler in self._others:
                locks.enter_context(scheduler.lock)
            if any(not each.stands_still() for each in self._others) or why_unsavable(self._run) is not None:
                return
            act, self._act, self._is_standing = self._act, None, True
            if act():
                self._end()

    def _end(self) -> None:
        self._act, self._is_standing = None, False
        for scheduler in (*self._others, self._main):
            scheduler.release()


def _nothing() -> None: ...
