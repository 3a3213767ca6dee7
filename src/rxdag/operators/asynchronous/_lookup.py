"""Lookup: one call of a coroutine for each key, and a cache of its results."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Generic, Self, TypeVar, overload

from rxdag.contract import MAX, Duration, Emit, Inner, Operator, Shape, folder_of_worker, positive_ns, whole
from rxdag.expressions import Expr, Field, bound, called, check_field
from rxdag.operators._arguments import (
    Durable,
    awaited_function,
    durable_with,
    field_of,
    folder_or_none,
    function,
    resource_or_none,
)
from rxdag.operators._compact import pop_first
from rxdag.operators._first_read import first_read
from rxdag.operators._least_time import LeastTime
from rxdag.operators.asynchronous._call_kernel import CallKernel
from rxdag.operators.asynchronous._inner import CONCURRENCY
from rxdag.operators.keyed._key_by_kernel import blamed_key

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
R = TypeVar("R")
V = TypeVar("V")


class _LookupKernel(CallKernel):
    """Items wait in order for the value of their key; one call per key, and a cache of the results."""

    state = ("waiting", "known", "now", "lingers", "answers")
    derived = (*CallKernel.derived, "inner", "_asking", "_times")
    label = "lookup"

    def __init__(self, spec: _Lookup[Any, Any], key_of: Callable[[Any], Any]) -> None:
        super().__init__(spec)
        self._key_of = first_read(key_of, "lookup: key", self, "_key_of")
        self._into = spec.into
        self._ttl_ns = spec.ttl_ns
        self._max_keys = spec.max_keys
        self.waiting: deque[tuple[Any, Inner]] = deque()
        """Requested key and item, in order of arrival."""
        self._asking: dict[Any, list[Inner]] = {}
        """Items that wait for a call, by key, in order. As in any dict, a NaN key is found only as the same object."""
        self._times = LeastTime()
        self.known: dict[Any, tuple[Any, int]] = OrderedDict()
        """Value and its expiry time by key, least recently used first."""
        self._now = 0

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("lookup", self._key_of, item, error)

    def calls(self) -> list[Inner]:
        return self.inner

    def room(self) -> int:
        return self._most - len(self.waiting)

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        asked = self._key_of(item)
        # Any error is raised before the state changes.
        hash(asked)
        row = Inner(item, ts, sequence, key)
        if self.answers is not None:
            row.number = self.begin_item(self.answers)
        self.waiting.append((asked, row))
        self._times.add(ts)
        self._now = now
        if not (self.plays and self._found_as_recorded(asked, row)):
            self._find(asked, row)

    def _find(self, asked: Any, row: Inner) -> None:
        """Give an item the value of its key, or keep it until there is one."""
        found = self.known.pop(asked, None)
        if found is not None and found[1] > self._now:
            self._use(asked, row, found)
        elif asked in self._asking:
            self._asking[asked].append(row)
        else:
            self._ask(asked, row, self._now)
            self.note_asked(self.inner[-1])

    def _found_as_recorded(self, asked: Any, row: Inner) -> bool:
        """Do as the recorded run did with an item; False if it is another item, and the run can make calls."""
        made = self.asked_at(row.number, asked)
        found = self.known.pop(asked, None)
        rows = self._asking.get(asked)
        if made is not None and rows is None:
            self._ask(asked, row, made)
        elif made is None and found is not None:
            self._use(asked, row, found)
        elif made is None and rows is not None:
            rows.append(row)
        else:
            self.problem = self.missing(row)
            self.follow()
            if found is not None:
                self.known[asked] = found
            return self.plays
        return True

    def _use(self, asked: Any, row: Inner, found: tuple[Any, int]) -> None:
        # Reinserted at the end, to keep keys in order of last use.
        self.known[asked] = found
        row.results.append(found[0])

    def _ask(self, asked: Any, row: Inner, made: int) -> None:
        """Make a call for the key of an item, and keep the item until it has returned."""
        self._asking[asked] = [row]
        call = Inner(asked, row.ts, row.sequence, row.key)
        call.number = row.number
        call.results.append(made)
        self.inner.append(call)

    def settle(self, call: Inner, value: Any) -> None:
        self.inner.remove(call)
        for row in self._asking.pop(call.item):
            row.results.append(value)
        self.known[call.item] = (value, MAX if self._ttl_ns is None else call.results[0] + self._ttl_ns)
        if len(self.known) > self._max_keys:
            pop_first(self.known)

    def settle_failed(self, call: Inner, error: BaseException, attempts: int) -> None:
        self.inner.remove(call)
        for row in self._asking.pop(call.item):
            row.error = (error, attempts)

    def let_go(self, inner: Inner, error: BaseException, attempts: int) -> Inner | None:
        if super().let_go(inner, error, attempts) is None:
            return None
        first = self._asking.pop(inner.item)[0]
        self.waiting = deque(each for each in self.waiting if each[1] is not first)
        self._times.remove(first.ts)
        return first

    def take_settled(self) -> Inner | None:
        if not self.waiting or not self.waiting[0][1].is_settled:
            return None
        row = self.waiting.popleft()[1]
        self._times.remove(row.ts)
        return row

    def give(self, inner: Inner, emit: Emit[Any]) -> None:
        value = inner.results[0]
        emit(self._into(inner.item, value), ts=inner.ts, sequence=inner.sequence, key=inner.key)

    def held(self) -> int:
        return len(self.waiting)

    def low(self) -> int:
        return self._times.least

    def snapshot(self) -> dict[str, Any]:
        rows = [
            [asked, row.item, row.ts, row.sequence, row.key, list(row.results), self.saved_failure(row)]
            for asked, row in self.waiting
        ]
        known = [[key, value, until] for key, (value, until) in self.known.items()]
        answers = None if self.answers is None else self.answers.snapshot([row.number for _, row in self.waiting])
        return {"waiting": rows, "known": known, "now": self._now, "lingers": self.lingers, "answers": answers}

    def restore(self, saved: dict[str, Any]) -> None:
        self.waiting, self.inner, self._asking = deque(), [], {}
        self._times.clear()
        self._now, self.lingers = saved["now"], saved["lingers"]
        for asked, *given, results, failure in saved["waiting"]:
            row = Inner(*given)
            row.results = list(results)
            self.restore_failure(row, failure)
            self.waiting.append((asked, row))
            self._times.add(row.ts)
        self.restore_answers(saved, [row for _, row in self.waiting])
        # A call that had not returned is made again.
        for asked, row in self.waiting:
            if not row.is_settled and asked in self._asking:
                self._asking[asked].append(row)
            elif not row.is_settled:
                self._ask(asked, row, self._now)
        self.known = OrderedDict((key, (value, until)) for key, value, until in saved["known"])


def _pair(item: Any, value: Any) -> tuple[Any, Any]:
    return (item, value)


@dataclass(frozen=True)
class _Lookup(Operator[A, B], Generic[A, B]):
    fn: Callable[..., Any]
    key: Field[A, Any]
    into: Callable[[Any, Any], Any]
    resource: Callable[[], AbstractAsyncContextManager[Any]] | None
    concurrency: int
    timeout_ns: int | None
    ttl_ns: int | None
    max_keys: int
    record: str | None
    durable: Durable
    label = "lookup"
    adjustable = ("concurrency", "durable", "timeout", "ttl")
    apart = ("record",)
    divides = False

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.key, shape.item_type, f"{where}: key")

    def bound(self, shape: Shape) -> Self:
        return replace(self, key=bound(self.key, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, item_type=None)

    def shard(self, worker: int, workers: int) -> Self:
        return self if self.record is None else replace(self, record=folder_of_worker(self.record, worker))

    def kernel(self) -> _LookupKernel:
        return _LookupKernel(self, called(self.key))


@overload
def lookup(
    fn: Callable[[K], Awaitable[V]],
    /,
    *,
    key: Callable[[A], K],
    concurrency: int = ...,
    timeout: Duration | None = ...,
    ttl: Duration | None = ...,
    max_keys: int = ...,
    record: str | PathLike[str] | None = ...,
    durable: Durable = ...,
) -> Operator[A, tuple[A, V]]: ...
@overload
def lookup(
    fn: Callable[[K], Awaitable[V]],
    /,
    *,
    key: Callable[[A], K],
    into: Callable[[A, V], B],
    concurrency: int = ...,
    timeout: Duration | None = ...,
    ttl: Duration | None = ...,
    max_keys: int = ...,
    record: str | PathLike[str] | None = ...,
    durable: Durable = ...,
) -> Operator[A, B]: ...
@overload
def lookup(
    fn: Callable[[R, K], Awaitable[V]],
    /,
    *,
    key: Callable[[A], K],
    resource: Callable[[], AbstractAsyncContextManager[R]],
    concurrency: int = ...,
    timeout: Duration | None = ...,
    ttl: Duration | None = ...,
    max_keys: int = ...,
    record: str | PathLike[str] | None = ...,
    durable: Durable = ...,
) -> Operator[A, tuple[A, V]]: ...
@overload
def lookup(
    fn: Callable[[R, K], Awaitable[V]],
    /,
    *,
    key: Callable[[A], K],
    into: Callable[[A, V], B],
    resource: Callable[[], AbstractAsyncContextManager[R]],
    concurrency: int = ...,
    timeout: Duration | None = ...,
    ttl: Duration | None = ...,
    max_keys: int = ...,
    record: str | PathLike[str] | None = ...,
    durable: Durable = ...,
) -> Operator[A, B]: ...
@overload
def lookup(
    fn: Callable[..., Awaitable[Any]],
    /,
    *,
    key: str | Expr,
    into: Callable[[Any, Any], B] = ...,
    resource: Callable[[], AbstractAsyncContextManager[Any]] | None = ...,
    concurrency: int = ...,
    timeout: Duration | None = ...,
    ttl: Duration | None = ...,
    max_keys: int = ...,
    record: str | PathLike[str] | None = ...,
    durable: Durable = ...,
) -> Operator[Any, Any]: ...
def lookup(
    fn: Any,
    /,
    *,
    key: Any,
    into: Any = _pair,
    resource: Any = None,
    concurrency: int = CONCURRENCY,
    timeout: Duration | None = None,
    ttl: Duration | None = None,
    max_keys: int = 10_000,
    record: str | PathLike[str] | None = None,
    durable: Durable = "written",
) -> Any:
    """Look up a value for the key of each item with a coroutine, and cache it.

    Each key is requested once: items that arrive during the call for their key wait for its result.

    Emits: `into(item, value)` for each item, in order, with its event time and key.
    Drops: nothing.
    Holds: up to `concurrency` items, after which no more are read; up to `max_keys` values, of which the least recently
        used is discarded. After a restart, calls that were under way are made again, except those whose answers are
        recorded.
    Ends: when the source has ended, after the last call; a drain waits for calls under way. Fails: if `key`, `fn` or
        `into` raises, or a call takes longer than `timeout` (TimeoutError), subject to the node's `on_error`. A failed
        call fails each item that waits for it, and is not cached.
    Clock: processing time for `timeout` and `ttl`.

    Args:
        fn: A coroutine function of the key; with `resource`, of the opened resource and the key.
        key: Key to look up: a function of the item, a field name or an expression; hashable.
        into: A function of the item and the value; by default the two form a tuple.
        resource: Makes an async context manager, such as a connection pool: entered once per run, and exited however it
            ends.
        concurrency: Maximum number of waiting items, and of concurrent calls, 1 or more.
        timeout: Longest time that a call may take, after which it is cancelled; by default unlimited.
        ttl: How long a value is valid, counted from the call; by default for ever.
        max_keys: Maximum number of cached values, 1 or more.
        record: Folder of a journal, best that of the recorded sources. Each answer and each final failure is written to
            it before it leaves the node. Where a source is a `journal_reader` without `follow`, they are taken from
            there, in the recorded order, and `fn` is not called. By default nothing is recorded.
        durable: When a recorded answer may leave the node. "written" is once the operating system has its record, which
            survives the end of the process. "synced" is once its record is on the disk, where it survives a power failure;
            each item is delayed by up to 10 ms.

    Raises:
        GraphError: If an argument is invalid.
        SourceError: In the run, if the journal cannot be written, is damaged, or lacks an answer in a replay.
        StateError: In the run, if an answer cannot be saved.

    Example:
        >>> async def name_of(id):
        ...     return {1: "one", 2: "two"}[id]
        >>> feed(ops.lookup(name_of, key=lambda x: x, into=lambda x, name: name), [1, 2, 1])
        ['one', 'two', 'one']
    """
    made = _Lookup[Any, Any](
        fn,
        field_of(key, "lookup: key"),
        function(into, "lookup: into", "the item", "the value"),
        resource_or_none(resource, "lookup: resource"),
        whole(concurrency, "lookup: concurrency", least=1),
        None if timeout is None else positive_ns(timeout, "lookup: timeout"),
        None if ttl is None else positive_ns(ttl, "lookup: ttl"),
        whole(max_keys, "lookup: max_keys", least=1),
        folder_or_none(record, "lookup: record"),
        durable_with(durable, record, "lookup: durable"),
    )
    awaited_function(fn, "lookup: fn", *(() if resource is None else ("the opened resource",)), "the key")
    return made
