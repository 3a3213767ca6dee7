"""Reactivex operators inside the dag: islands that get items one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from mypy_extensions import i64
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import SerialDisposable
from reactivex.subject import Subject

from rxdag.contract import ENDED, FLUSHED, RAISE, BadProgram
from rxdag.engine._context import RunContext
from rxdag.engine._faults import NO_ITEM, node_error
from rxdag.engine._guarded import Guarded
from rxdag.engine.drivers._flow import FlowScheduler
from rxdag.errors import shown


class ForeignNode(Guarded):
    """Feeds a reactivex operator and collects its outputs, whichever thread they come from.

    Args:
        name: Of the node.
        run: The run.
        scheduler: Of the domain.
        build: The operator, Observable -> Observable.
        stateless: True if it promises to keep nothing from one item to the next.
    """

    def __init__(
        self,
        name: str,
        run: RunContext,
        scheduler: FlowScheduler,
        build: Callable[[Observable[Any]], Observable[Any]],
        *,
        stateless: bool = False,
    ) -> None:
        super().__init__(name, run, RAISE)
        self._stateless = stateless
        self._is_called = False
        """True while the operator is called with an item."""
        self._scheduler = scheduler
        self._build = build
        self._subject: Subject[Any] = Subject()
        self._subscription = SerialDisposable()
        self._is_heard = False
        """True once the operator has subscribed to the input."""
        self._item: Any = NO_ITEM
        self._sent_end = False
        self._mark: int | None = None

    def open(self) -> None:
        """Subscribe to the operator's output for the input; take nothing before it subscribes to the input."""
        try:
            observable = self._build(Observable(self._listen))
            self._subscription.disposable = observable.subscribe(
                self._on_next, self._on_error, self._on_completed, scheduler=self._scheduler
            )
        except BaseException as error:
            self.break_down(error)
        if not self._is_heard and not self.is_ended:
            self.set_shut(True)

    def _listen(self, observer: ObserverBase[Any], scheduler: SchedulerBase | None = None) -> DisposableBase:
        subscription = self._subject.subscribe(observer, scheduler=scheduler)
        if not self._is_heard:
            self._is_heard = True
            self._here(lambda: self.set_shut(False))
        return subscription

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_ended or self._sent_end:
            self.unread += 1
            return
        self._item = item
        self.absorbed += 1
        self._is_called = True
        try:
            self._subject.on_next(item)
        except BaseException as error:
            self.absorbed -= 1
            self.failed += 1
            self.domain.interrupt_for(error)
            self.fail(node_error(self.name, error, item))
        finally:
            self._is_called = False

    def mark(self, watermark: i64) -> None:
        # Other watermarks stop here, since the outputs have no event time.
        if watermark >= FLUSHED:
            self._mark = watermark

    def end(self, error: Exception | None) -> None:
        """End the operator so that it emits what it holds; on a drain it keeps it."""
        if self.is_ended:
            return
        if error is None and self._mark is not None:
            self._sent_end = True
            try:
                self._subject.on_completed()
            except BaseException as failure:
                if self.is_ended:  # it has completed, and then raised
                    self._fail_run(failure)
                else:
                    self.break_down(failure)
            return
        self._dispose()
        self.give_end(error)
        self.seal()

    def why_no_snapshot(self) -> str | None:
        return None if self._stateless else f'node "{self.name}" is a reactivex operator, whose state cannot be saved'

    def _on_next(self, item: Any) -> None:
        if self._stateless and not (self._is_called and self._scheduler.thread == threading.get_ident()):
            broken = BadProgram(
                f"rx: an operator with stateless=True must emit while it is called with an item, got {shown(item)} at "
                "another time; remove stateless=True"
            )
            self._here(lambda: self.fail(node_error(self.name, broken)))
            return
        self._here(lambda: self._give(item))

    def _give(self, item: Any) -> None:
        if not self.is_ended:
            self.made += 1
            self.give(self.ports["out"], item, 0, 0, None)

    def _on_completed(self) -> None:
        self._here(self._complete)

    def _complete(self) -> None:
        if self.is_ended:
            return
        self.give_mark(self._mark if self._mark is not None else ENDED)
        self.give_end(None)
        self.seal()
        self.domain.retire(self)

    def _on_error(self, error: Exception) -> None:
        self._here(lambda: self.fail(node_error(self.name, error, self._item)))

    def _here(self, fn: Callable[[], None]) -> None:
        """Run an action on the domain's thread: at once if that is the current one, else soon."""
        if self._scheduler.thread != threading.get_ident():
            self._scheduler.call(fn)
        else:
            fn()

    def _fail_run(self, error: BaseException) -> None:
        self.domain.interrupt_for(error)
        self.run.fail(node_error(self.name, error))

    def _dispose(self) -> None:
        """Dispose of the operator's subscription; an error there fails the run."""
        try:
            self._subscription.dispose()
        except BaseException as error:
            self._fail_run(error)

    def retire(self) -> None:
        self._dispose()
        super().retire()

    def cancel(self) -> None:
        super().cancel()
        self._dispose()
