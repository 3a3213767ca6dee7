"""The scheduler that reactivex operators see: their actions become timers of a domain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from reactivex import abc, typing
from reactivex.disposable import SingleAssignmentDisposable
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from rxdag.contract import Clock

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ReactivexScheduler(PeriodicScheduler):
    """Schedules the actions of reactivex operators by the clock of a run.

    Args:
        clock: Clock of the domain.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def at(self, when: int, fn: Callable[[], None], /) -> object:
        """Call `fn` at `when`, ns since the epoch. Thread-safe."""
        raise NotImplementedError

    @property
    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.clock.now() // 1000)

    def schedule(self, action: Any, state: Any = None) -> abc.DisposableBase:
        return self._schedule(self.clock.now(), action, state)

    def schedule_relative(self, duetime: typing.RelativeTime, action: Any, state: Any = None) -> abc.DisposableBase:
        delay = max(0, round(self.to_seconds(duetime) * 1e9))
        return self._schedule(self.clock.now() + delay, action, state)

    def schedule_absolute(self, duetime: typing.AbsoluteTime, action: Any, state: Any = None) -> abc.DisposableBase:
        since = self.to_datetime(duetime) - _EPOCH.replace(tzinfo=self.to_datetime(duetime).tzinfo)
        return self._schedule((since // timedelta(microseconds=1)) * 1000, action, state)

    def _schedule(self, when: int, action: Any, state: Any) -> abc.DisposableBase:
        disposable = SingleAssignmentDisposable()

        def run() -> None:
            if not disposable.is_disposed:
                disposable.disposable = self.invoke_action(action, state)

        self.at(when, run)
        return disposable
