"""Reactivex operators inside the dag: islands that get items one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from reactivex import Observable
from reactivex.disposable import SerialDisposable
from reactivex.subject import Subject

from rxdag.compiler._host import Host, RunContext, node_error
from rxdag.contract import ENDED, FLUSHED, RAISE, Chunk
from rxdag.schedulers import Segment


class ForeignHost(Host):
    """Feeds a reactivex operator, and collects what it gives, from whatever thread.

    Args:
        name: Of the node.
        segment: Where it runs.
        context: Of the run.
        build: The operator: Observable -> Observable.
    """

    def __init__(
        self, name: str, segment: Segment, context: RunContext, build: Callable[[Observable[Any]], Observable[Any]]
    ) -> None:
        super().__init__(name, segment, context, RAISE)
        self._build = build
        self._subject: Subject[Any] = Subject()
        self._subscription = SerialDisposable()
        self._item: Any = None
        self._sent_end = False
        self._mark: int | None = None
        self._feeding = False

    def open(self) -> None:
        """Subscribe to what the operator makes of the input."""
        try:
            observable = self._build(self._subject)
            self._subscription.disposable = observable.subscribe(
                self._on_next, self._on_error, self._on_completed, scheduler=self.segment.scheduler
            )
        except Exception as error:
            self.fail(node_error(self.name, error))

    @property
    def watermark(self) -> int | None:
        """None: event time ends here."""
        return None

    def receive(self, input: int, chunk: Chunk) -> None:
        n = len(chunk.items)
        self.ledger.arrived += n
        done = 0
        self._feeding = True
        try:
            for self._item in chunk.items:
                if self.is_ended or self._sent_end:
                    break
                done += 1
                self._subject.on_next(self._item)
        except Exception as error:
            self.ledger.failed += 1
            self.ledger.absorbed -= 1
            self.fail(node_error(self.name, error, self._item))
        finally:
            self._feeding = False
        self.ledger.absorbed += done
        self.ledger.unread += n - done
        for _, mark in chunk.marks:
            if mark >= FLUSHED:
                self._mark = mark
        if not self.is_ended:
            self.flush()

    def inputs_ended(self, error: Exception | None) -> None:
        """Let the operator give out what it has; a drain lets it rest."""
        if error is None and self._mark is not None:
            self._sent_end = True
            self._feeding = True
            self._subject.on_completed()
            self._feeding = False
            return
        self._subscription.dispose()
        super().inputs_ended(error)

    def _on_next(self, item: Any) -> None:
        self._here(lambda: self._give(item))

    def _give(self, item: Any) -> None:
        if not self.is_ended:
            self.ledger.made += 1
            self.outlets["out"].put(item, 0, 0, None)

    def _on_completed(self) -> None:
        self._here(self._complete)

    def _complete(self) -> None:
        if self.is_ended:
            return
        self.outlets["out"].mark(self._mark if self._mark is not None else ENDED)
        self.finish(None)
        self.leave()

    def _on_error(self, error: Exception) -> None:
        self._here(lambda: self.fail(node_error(self.name, error, self._item)))

    def _here(self, fn: Callable[[], None]) -> None:
        """Do it on the segment's thread: now, if we are there, else soon."""
        scheduler = self.segment.scheduler
        if scheduler.thread != threading.get_ident():
            scheduler.call(lambda: self._here(fn))
        elif self._feeding:
            fn()
        else:
            self.segment.when_clear(lambda: self._move(fn), self.reaches)

    def _move(self, fn: Callable[[], None]) -> None:
        fn()
        if not self.is_ended:
            self.flush()
        self.segment.run()

    def unused(self) -> None:
        super().unused()
        if self.is_ended:
            self._subscription.dispose()

    def cancel(self) -> None:
        super().cancel()
        self._subscription.dispose()
