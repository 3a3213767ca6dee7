"""Answers: the outcomes of a node's calls, recorded in a journal and taken from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from rxdag.codec import Codec
from rxdag.contract import BadItem, Inner, InnerContext
from rxdag.errors import SavedError, SourceError, StateError, is_a, text_of, trace_of, traced
from rxdag.journal import SYNC_NS, Cursor, JournalWriter, Kind, Record, close_writer, oldest, open_writer

_CODEC: Final = Codec()
_EXITS: Final = {kind.__name__: kind for kind in (SystemExit, KeyboardInterrupt)}
"""Errors that end the process, by name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A record of a node.

    Attributes:
        record: The record.
        number: Number of items that the node had taken before the one that the call was made for.
        item: That item, encoded; None if it cannot be saved.
        after: Number of items that the node had taken when it took the answer.
        value: The answer.
        error: The final failure and the number of attempts; None if there is an answer.
        ends_run: True if the node has failed with it.
    """

    record: Record
    number: int = 0
    item: bytes | None = None
    after: int = 0
    value: Any = None
    error: tuple[BaseException, int] | None = None
    ends_run: bool = False

    def is_for(self, item: object) -> bool:
        """Return True if it was recorded for an item that equals this one."""
        if self.item is None or self.item == _encoded(item):
            return True
        try:
            # Two equal sets or dicts can have other bytes.
            return bool(_CODEC.decode(self.item, where="item") == item)
        except Exception:  # the class is not known, or == is user code
            return False


class Answers:
    """The answers of a node in one run. While `plays`, they come from the journal, in the recorded order.

    Args:
        path: Folder of the journal.
        syncs: True if an answer may leave the node only once its record outlives a loss of power.
    """

    def __init__(self, path: str, *, syncs: bool) -> None:
        self.path = path
        self._syncs = syncs
        self.is_synced = True
        """False if an answer was recorded that may not outlive a loss of power."""
        self._synced_at = 0
        self.taken = 0
        """Number of items that the node has taken."""
        self.replays = False
        """True if all answers must be in the journal."""
        self._name = ""
        self._context: InnerContext | None = None
        self._start: int | None = None
        """Arrival number at which to continue; None for the beginning."""
        self._base = 0
        """Value of `taken` at which the recorded numbers began."""
        self._is_begun = False
        """True if the beginning of the numbers is recorded."""
        self._writer: JournalWriter | None = None
        self._cursor: Cursor | None = None
        self._next: Answer | None = None
        self._is_read = False
        """True once all records have been read."""
        self._is_new = False
        """True if the state is that of a run that recorded elsewhere, or nowhere."""

    @property
    def plays(self) -> bool:
        """True while answers are taken from the journal."""
        return self._cursor is not None

    def open(self, context: InnerContext) -> None:
        """Open the journal: to read it in a replay, else to write it, behind the answers that are needed again.

        Raises:
            SourceError: If the journal cannot be written, is damaged, or has no answers to replay.
        """
        self._context, self._name, self.replays = context, context.name, context.replays
        if context.replays:
            self._cursor = Cursor(self.path, self._start)
            if self._start is None:
                self._check_whole(self.next())
        elif context.records:
            writer = self._writer = open_writer(self.path, context.dag, self._name, None, is_node=True)
            if writer.torn:
                context.log("journal.cut", bytes=writer.torn)
                writer.torn = 0
            if self._syncs:  # what a killed process has written
                writer.sync()
            is_there = oldest(self.path) is not None and (self._start or 0) < writer.arrival
            if context.saves and is_there and not self._is_new:
                self._cursor = Cursor(self.path, self._start)
            if self.next() is None:
                self.stop()

    def _check_whole(self, first: Answer | None) -> None:
        """Check that a journal has the answers of a node from its first item on."""
        where = f'journal: "{self.path}" must have the answers of node "{self._name}"'
        if first is None:
            raise SourceError(
                f"{where}, got none; copy the journal of the recorded run there, or leave out record= to make the calls "
                "again"
            )
        if first.record.kind is not Kind.BEGAN:
            raise SourceError(
                f"{where} from item 0 on, got those from item {first.number:,} on; its retention has deleted the others: "
                "replay a recording that is whole"
            )

    def close(self) -> None:
        """Close the journal. Does nothing if closed."""
        self._stop_reading()
        writer, self._writer = self._writer, None
        if writer is not None:
            close_writer(writer, self._name)

    def next(self) -> Answer | None:
        """Return the next record of the node; None if there is no other one."""
        while self._next is None and self._cursor is not None and not self._is_read:
            record = self._cursor.next()
            if record is None:
                self._is_read = True
                return None
            if record.source == self._name and record.kind.is_of_node:
                self._next = self._read(record)
        return self._next

    def _read(self, record: Record) -> Answer:
        if record.kind is Kind.BEGAN:
            return Answer(record)
        number, item, *rest = _CODEC.decode(record.payload, where=f'answer of node "{self._name}"')
        if record.kind is Kind.ASKED:
            return Answer(record, self._base + number, item)
        after, value, failure = rest
        if failure is None:
            return Answer(record, self._base + number, item, self._base + after, value)
        error, trace, attempts, ends_run, *code = failure
        raised = traced(_exit_raised(error, *code), trace) if code else as_raised(error, trace)
        return Answer(record, self._base + number, item, self._base + after, None, (raised, attempts), ends_run)

    def passed(self) -> None:
        """Move on behind the next record."""
        read = self.next()
        self._next = None
        if read is not None and read.record.kind is Kind.BEGAN:
            self._base, self._is_begun = self.taken, True

    @property
    def is_over(self) -> bool:
        """True if no more records of this run follow, nor of one that has continued it."""
        read = self.next()
        return read is None or read.record.kind is Kind.BEGAN

    def stop(self) -> None:
        """Let the calls be made from now on, whatever is in the journal."""
        unused = 0
        while (read := self.next()) is not None:
            unused += read.record.kind is Kind.ANSWER
            self.passed()
        self._stop_reading()
        if unused and self._context is not None:
            self._context.log("answers.unused", n=unused)
        if not self._is_begun:
            self._base, self._is_begun = 0, True
            self._append(Kind.BEGAN, None)

    def _stop_reading(self) -> None:
        cursor, self._cursor, self._next = self._cursor, None, None
        if cursor is not None:
            cursor.close()

    def asked(self, call: Inner) -> None:
        """Record that a call is made for an item.

        Raises:
            WriteRefused: If the disk refuses it.
        """
        self._append(Kind.ASKED, [call.number - self._base, _encoded(call.item)])

    def note(self, inner: Inner, value: Any = None, failure: tuple[BaseException, int, bool] | None = None) -> None:
        """Record an answer or a final failure, before the node takes it.

        Args:
            inner: The item.
            value: The answer.
            failure: The error, the number of attempts, and whether the node fails with it.

        Raises:
            StateError: If the answer cannot be saved.
            WriteRefused: If the disk refuses it.
        """
        item, saved = _encoded(inner.item), None
        if failure is not None:
            error, attempts, ends_run = failure
            plain, *code = [error] if isinstance(error, Exception) else _exit_saved(error)
            saved = [plain, trace_of(error), attempts, ends_run, *code]
        self._append(Kind.ANSWER, [inner.number - self._base, item, self.taken - self._base, value, saved])
        self.is_synced = not self._syncs

    def sync(self) -> None:
        """Make the recorded answers outlive a loss of power, if that was asked for.

        Raises:
            WriteRefused: If the disk fails.
        """
        if self._syncs and not self.is_synced and self._writer is not None:
            self._writer.sync()
        self.is_synced = True

    def due(self, *, others_come: bool) -> int | None:
        """Return when the recorded answers may leave the node, ns since the epoch; None for now. They are synced by then.

        Args:
            others_come: True if calls are under way, whose answers one sync could cover too.

        Raises:
            WriteRefused: If the disk fails.
        """
        if self._context is None:
            return None
        now = self._context.clock.now()
        if others_come and now < self._synced_at + SYNC_NS:
            return self._synced_at + SYNC_NS
        self.sync()
        self._synced_at = now
        return None

    def _append(self, kind: Kind, content: Any) -> None:
        writer, context = self._writer, self._context
        if writer is None or context is None:  # a shadow run
            return
        payload = _CODEC.encode(content, where=f'journal "{self.path}": answer of node "{self._name}"')
        writer.append(self._name, context.clock.now(), [(kind, 1, payload)])

    def snapshot(self, numbers: list[int]) -> list[Any]:
        """Return its state as plain data.

        Args:
            numbers: Numbers of the items in the state of the kernel.
        """
        self.is_synced = False  # records of calls under way are part of what the checkpoint relies on
        self.sync()
        return [self.path, self._arrival(), self.taken, self._base, self._is_begun, numbers]

    def _arrival(self) -> int | None:
        """Return the arrival number behind what has been taken."""
        if self._next is not None:
            return self._next.record.arrival
        if self._cursor is not None and self._cursor.arrival:
            return self._cursor.arrival
        return self._start if self._writer is None or self._cursor is not None else self._writer.arrival

    def restore(self, saved: list[Any] | None, n: int) -> list[int]:
        """Load its state, and return the numbers of the `n` items in the state of the kernel."""
        if saved is None or saved[0] != self.path:  # these calls are recorded in a new folder
            self.taken, self._is_new = n, True
            return list(range(n))
        _, self._start, self.taken, self._base, self._is_begun, numbers = saved
        return list(numbers)


def _encoded(item: object) -> bytes | None:
    try:
        return _CODEC.encode(item)
    except StateError:
        return None


def as_raised(error: Exception, trace: str) -> Exception:
    """Return a recorded error as one that `on_error` treats like the original."""
    if isinstance(error, SavedError) and is_a(error, (BadItem,)):
        error = BadItem(text_of(error))
    return traced(error, trace)


def _exit_saved(error: BaseException) -> tuple[SavedError, int | str | None]:
    """Return an error that is no Exception as one that can be saved, and the exit code of a SystemExit."""
    kind = next((name for name, exit_ in _EXITS.items() if isinstance(error, exit_)), type(error).__qualname__)
    code = error.code if isinstance(error, SystemExit) else None
    return SavedError(kind, text_of(error)), code if isinstance(code, int | str) else None


def _exit_raised(saved: SavedError, code: int | str | None) -> BaseException:
    """Return an error that is no Exception, like the recorded one."""
    if saved.kind == "SystemExit":
        return SystemExit(code)
    kind: type[BaseException] = _EXITS.get(saved.kind) or type(saved.kind, (BaseException,), {})
    return kind(text_of(saved).removeprefix(f"{saved.kind}: "))
