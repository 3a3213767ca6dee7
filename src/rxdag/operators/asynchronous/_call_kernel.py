"""The part that kernels of calls have in common: they make calls, or take the answers from a journal."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Final, Protocol

from rxdag.contract import BadItem, BadProgram, Clock, Emit, Inner, InnerContext, InnerKernel, Source
from rxdag.errors import RxDagError, SourceError, shown, text_of, trace_of
from rxdag.journal import Kind
from rxdag.operators.asynchronous._answers import Answer, Answers, as_raised
from rxdag.operators.asynchronous._call import Call

_AT_ONCE: Final = 0


class CallSpec(Protocol):
    """The arguments that operators with calls share."""

    @property
    def fn(self) -> Callable[..., Any]: ...
    @property
    def concurrency(self) -> int: ...
    @property
    def timeout_ns(self) -> int | None: ...
    @property
    def resource(self) -> Callable[[], AbstractAsyncContextManager[Any]] | None: ...
    @property
    def record(self) -> str | None: ...
    @property
    def durable(self) -> str: ...


class CallKernel(InnerKernel):
    """A kernel that makes calls, and records their outcomes if asked to.

    A replay, and a run that continues behind a checkpoint, take the outcomes from the journal one by one, each between
    the same two items as in the recorded run.
    """

    label: str
    derived: ClassVar[tuple[str, ...]] = ("_is_over", "_ending", "_ended_by", "plays", "timer", "problem")
    passes = True
    ends_alone = True
    asks = True

    def __init__(self, spec: CallSpec) -> None:
        super().__init__()
        self._fn = spec.fn
        self._most = spec.concurrency
        self._timeout_ns = spec.timeout_ns
        self.concurrency = spec.concurrency
        self.resource = spec.resource
        self.record = spec.record
        self.answers = None if spec.record is None else Answers(spec.record, syncs=spec.durable == "synced")
        self._is_over = False
        """True once no more items come."""
        self._goes_on = False
        """True if the node goes on behind an item that has failed."""
        self._name = ""
        self._clock: Clock | None = None
        """Clock of a run in virtual time, in which answers come at their time of receipt."""
        self.problem: Exception | None = None
        """Error with which the node must fail, other than for an item."""
        self._ending: dict[int, Inner] = {}
        """Calls with whose failures the node will end, once all items before theirs have left; by id of the error."""
        self._ended_by: Inner | None = None
        """Item of a recorded call that has ended the run at once."""

    @abstractmethod
    def calls(self) -> list[Inner]:
        """Return the calls without an answer, in order."""

    @abstractmethod
    def room(self) -> int:
        """Return how many more items can be held."""

    @abstractmethod
    def take_settled(self) -> Inner | None:
        """Return the next item that is answered or has failed, and stop holding it."""

    @abstractmethod
    def settle(self, call: Inner, value: Any) -> None:
        """Take the answer to a call."""

    @abstractmethod
    def settle_failed(self, call: Inner, error: BaseException, attempts: int) -> None:
        """Take the final failure of a call."""

    def open(self, context: InnerContext) -> None:
        self._goes_on = context.policy.last.kind != "raise"
        answers = self.answers
        if answers is None:
            return
        from rxdag.engine.drivers import VirtualClock  # it loads reactivex

        self._name = context.name
        self._clock = context.clock if isinstance(context.clock, VirtualClock) else None
        answers.open(context)
        if answers.replays:
            self.resource = None
        self.follow()

    def close(self) -> None:
        if self.answers is not None:
            self.answers.close()

    def saved_failure(self, inner: Inner) -> list[Any] | None:
        """Return the failure that an item waits with as plain data; None without one, or if a restart makes the call again."""
        if inner.error is None or id(inner.error[0]) in self._ending:
            return None
        error, attempts = inner.error
        return [error, trace_of(error), attempts]

    def restore_failure(self, inner: Inner, saved: list[Any] | None) -> None:
        """Give an item the failure that it has waited with."""
        if saved is not None:
            error, trace, attempts = saved
            inner.error, inner.is_done = (as_raised(error, trace), attempts), True

    def ends_run(self, error: BaseException) -> bool:
        """Return True if the node fails with the failure of a call."""
        if not isinstance(error, Exception):
            return True
        is_item = self._goes_on or isinstance(error, BadItem)
        return isinstance(error, BadProgram) or not is_item

    def restore_answers(self, saved: dict[str, Any], held: list[Inner]) -> None:
        """Restore what is known of the answers, and the numbers of the items."""
        if self.answers is not None:
            self._is_over = saved["lingers"]
            numbers = self.answers.restore(saved["answers"], len(held))
            for inner, number in zip(held, numbers, strict=True):
                inner.number = number

    def source_of(self, inner: Inner) -> Source[Any]:
        args = (inner.item,) if self.resource is None else (self.opened, inner.item)
        return Call(self._fn, args, self._timeout_ns, self.label)

    def on_inner(self, inner: Inner, item: Any, emit: Emit[Any]) -> None:
        if self.answers is not None:
            self.answers.note(inner, item)
        self.settle(inner, item)

    def on_inner_failed(self, inner: Inner, error: Exception, attempts: int) -> None:
        if self.ends_run(error):
            self._ending[id(error)] = inner
        elif self.answers is not None:
            try:
                self.answers.note(inner, failure=(error, attempts, False))
            except Exception as refused:
                self._fail_soon(refused)
                return
        self.settle_failed(inner, error, attempts)

    def let_go(self, inner: Inner, error: BaseException, attempts: int) -> Inner | None:
        self._note_end(inner, error, attempts)
        return super().let_go(inner, error, attempts)

    def _note_end(self, call: Inner, error: BaseException, attempts: int) -> None:
        """Record the failure with which the node ends now, so that nothing of this run follows in the journal."""
        if self.answers is not None:
            try:
                self.answers.note(call, failure=(error, attempts, True))
                self.answers.sync()
            except RxDagError as refused:
                error.add_note(text_of(refused))

    def want(self, now: int) -> int | None:
        if self._ending:
            return 0
        read = self.answers.next() if self.plays and self.answers is not None else None
        if read is None:
            return max(0, self.room())
        # The recorded run had room for the next item, whatever its concurrency.
        return 0 if self._answers_first(read) else max(1, self.room())

    def on_end(self, emit: Emit[Any]) -> None:
        super().on_end(emit)
        self.on_drain()

    def on_drain(self) -> None:
        if self.answers is not None:
            self._is_over = True
            self.follow()

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        """Take the next record of the journal, fail because it is not the expected one, or let answers leave."""
        answers = self.answers
        assert answers is not None
        if not self.plays and self.problem is None:  # it is time to sync
            self.timer = None
            return
        read = answers.next()
        if self.problem is None and self._is_lost(read):
            self.problem = self.missing(self.calls()[0])
        if self.problem is not None:
            raise self.problem
        if read is not None and read.record.kind is Kind.ANSWER:
            self._take(answers, read)
        elif self.calls():  # of a run that was killed before they were answered
            self.problem = self.missing(self.calls()[0])
        else:
            answers.passed()

    def _take(self, answers: Answers, read: Answer) -> None:
        """Settle a call as in the recorded run."""
        call = next((each for each in self.calls() if each.number == read.number), None)
        if call is None or not read.is_for(call.item):
            found = "a second one" if call is None else "that for another item"
            self.problem = self._error(read.number, call, found)
            return
        answers.passed()
        if read.ends_run and not (answers.replays and answers.is_over):
            return  # the run was continued, and has made the call again
        call.is_done = True
        if read.error is None:
            self.settle(call, read.value)
        elif isinstance(read.error[0], Exception):
            self.settle_failed(call, *read.error)
        else:
            self._ended_by = self.let_go(call, *read.error)
            assert self._ended_by is not None
            self._ended_by.error = read.error

    def ready(self) -> Inner | None:
        if self._ended_by is not None:
            return self._ended_by
        if self.answers is not None and not self._may_leave(self.answers):
            return None
        settled = self.take_settled()
        if settled is None:
            if self.plays:
                self.follow()
        elif settled.error is not None and id(settled.error[0]) in self._ending:
            self._note_end(self._ending[id(settled.error[0])], *settled.error)
        return settled

    def _may_leave(self, answers: Answers) -> bool:
        """Return True if answered items may leave; otherwise set the timer for it."""
        try:
            due = None if answers.is_synced else answers.due(others_come=bool(self.calls()))
        except SourceError as error:
            self._fail_soon(error)
            return False
        if due is not None and self.timer is None:
            self.timer = due
        return due is None

    def begin_item(self, answers: Answers) -> int:
        """Return the number of the item that has just come."""
        read = answers.next()
        if read is not None and read.record.kind is Kind.BEGAN and not self.calls() and self._is_due(read):
            answers.passed()
        answers.taken += 1
        return answers.taken - 1

    def asked_at(self, number: int, key: Any) -> int | None:
        """Return when a call was made for an item in the recorded run, ns since the epoch; None if none was made."""
        assert self.answers is not None
        read = self.answers.next()
        if read is None or read.record.kind is not Kind.ASKED or read.number != number or not read.is_for(key):
            return None
        self.answers.passed()
        return read.record.at

    def note_asked(self, call: Inner) -> None:
        """Record that a call is made."""
        try:
            if self.answers is not None:
                self.answers.asked(call)
        except SourceError as error:
            self._fail_soon(error)

    def _fail_soon(self, error: Exception) -> None:
        """Let the node fail with an error of the journal, which is not the item's."""
        self.problem, self.timer = error, _AT_ONCE

    def follow(self) -> None:
        """Set the timer for the next record; without one, make the calls, unless this is a replay."""
        if self.answers is not None and self.answers.plays:
            try:
                self._follow(self.answers)
            except Exception as error:
                self._fail_soon(error)

    def _follow(self, answers: Answers) -> None:
        read = answers.next()
        fails = self.problem is not None or self._is_lost(read)
        if not answers.replays and (fails or read is None):
            answers.stop()
            self.problem, self.timer = None, None
        elif fails:
            self.timer = _AT_ONCE
        elif read is not None and (
            self._answers_first(read) or (read.record.kind is Kind.BEGAN and self._clock is not None)
        ):
            self.timer = read.record.at if self._clock is not None else _AT_ONCE
        else:
            self.timer = None
        self.plays = answers.plays

    def _answers_first(self, read: Answer) -> bool:
        """Return True if an answer came before the next item in the recorded run."""
        assert self.answers is not None
        return read.record.kind is Kind.ANSWER and (self._is_over or read.after <= self.answers.taken)

    def _is_due(self, read: Answer) -> bool:
        return self._clock is None or read.record.at <= self._clock.now()

    def _is_lost(self, read: Answer | None) -> bool:
        """Return True if calls wait for answers, and neither an answer nor an item can come."""
        if read is not None and self._answers_first(read):
            return False
        no_item_comes = read is None or read.record.kind is Kind.BEGAN
        return (self._is_over or (no_item_comes and self.room() <= 0)) and bool(self.calls())

    def missing(self, call: Inner) -> SourceError:
        """Return the error for a call whose answer is not in the journal."""
        return self._error(call.number, call, "none")

    def _error(self, number: int, call: Inner | None, found: str) -> SourceError:
        item = "" if call is None else f", {shown(call.item)}"
        return SourceError(
            f'journal: "{self.record}" must have the answer of node "{self._name}" for item {number:,}{item}, got {found}; '
            "replay the run that was recorded, with the same nodes before this one, or leave out record= to make the "
            "calls again"
        )
