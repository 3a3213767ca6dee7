"""Batches for targets that keep epochs: the items of a checkpoint are written after it, once."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, TypeVar

from rxdag.contract import Chunk, OnError, Sink, SinkContext, Writer, async_kind, check_arguments, check_plain
from rxdag.errors import GraphError, SourceError, shown, text_of
from rxdag.sinks._batch_target import WRITES
from rxdag.sinks._epochs import NO_EPOCH, Epoch, EpochWriter, Rows, Step

T = TypeVar("T")


@dataclass(frozen=True)
class BatchEpoch:
    """The epoch of a batch.

    Attributes:
        id: String that the target stores together with the batch.
        after: The id that the target must hold before this batch; "" for none.
    """

    id: str
    after: str


class EpochTarget(Protocol[T]):
    """A target that stores an epoch with each batch, so that `sinks.batched` writes to it exactly once.

    Both methods are plain functions or coroutine functions, called on one thread of the sink's own. If the target is a
    context manager, it is entered and exited there once per run; otherwise its `open()` and `close()` are called, if it
    has them.
    """

    def last_epoch(self) -> str:
        """Return the `id` that was stored last; "" for none."""
        ...

    def write(self, batch: list[T], epoch: BatchEpoch, /) -> object:
        """Write a batch and `epoch.id` in one transaction, and only if the stored id is `epoch.after`.

        Raise an error otherwise: another run has written. After an error, it is called again unless `last_epoch` returns
        `epoch.id`.
        """
        ...


def keeps_epochs(target: object) -> bool:
    """Return True for a target with epochs, or its class."""
    # Asked of the class, since a mock has any attribute.
    return callable(getattr(target if isinstance(target, type) else type(target), "last_epoch", None))


def check_epoch_target(target: object, where: str) -> None:
    """Raise GraphError if a target with epochs lacks a method, or one cannot take its arguments."""
    if isinstance(target, type):
        check_arguments(target, where)
        return
    for name, takes in (("last_epoch", ()), ("write", ("the batch", "the epoch")), ("open", ()), ("close", ())):
        method = getattr(target, name, None)
        if callable(method):
            if async_kind(method) != "coroutine function":
                check_plain(method, f"{where}.{name}", instead=WRITES, yields=WRITES)
            check_arguments(method, f"{where}.{name}", *takes)
        elif name == "write":
            raise GraphError(f"{where} must have a method write(batch, epoch) beside last_epoch(), got {shown(target)}")


class _Opened:
    """A target during one run, with a thread of its own, since a connection may be bound to its thread."""

    def __init__(self, target: Any) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rxdag-batched")
        self._runner = asyncio.Runner()
        self._target: Any = None
        try:
            self._target = self.call(target) if isinstance(target, type) else target
            given = self._enter()
            self.target: Any = self._target if given is None else given
        except BaseException:
            self._end()
            raise

    def call(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Return the result of a call on the thread."""
        return self._thread.submit(self._called, fn, *args).result()

    def _called(self, fn: Callable[..., Any], *args: Any) -> Any:
        made = fn(*args)
        return self._runner.run(_awaited(made)) if inspect.isawaitable(made) else made

    def _enter(self) -> Any:
        target = self._target
        for name in ("__aenter__", "__enter__"):
            if hasattr(target, name):
                return self.call(getattr(target, name))
        if callable(getattr(target, "open", None)):
            self.call(target.open)
        return None

    def close(self, error: Exception | None) -> None:
        """Close the target."""
        target = self._target
        failure = (None, None, None) if error is None else (type(error), error, error.__traceback__)
        try:
            if hasattr(target, "__aexit__"):
                self.call(target.__aexit__, *failure)
            elif hasattr(target, "__exit__"):
                self.call(target.__exit__, *failure)
            elif callable(getattr(target, "close", None)):
                self.call(target.close)
        finally:
            self._end()

    def _end(self) -> None:
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()


async def _awaited(made: Any) -> Any:
    return await made


class _EpochBatchWriter(EpochWriter):
    """Collects items until they are saved, and writes those of a checkpoint as one batch."""

    def __init__(self, context: SinkContext, target: Any, policy: OnError) -> None:
        super().__init__(context, "batched", f"batched: target {_name_of(target)}")
        self._context = context
        self._policy = policy
        self._random = Random(0)
        self._items: list[Any] = []
        self._opened = _Opened(target)
        try:
            self.begin()
        except BaseException:
            self._opened.close(None)
            raise

    def write(self, chunk: Chunk) -> None:
        self._items += chunk.items
        self.n += len(chunk.items)

    def waiting(self) -> Iterable[Any]:
        return self._items

    def forget_waiting(self) -> None:
        self._items = []

    def epoch_there(self, key: tuple[str, str, str]) -> Epoch:
        return _epoch_of(self._opened.call(self._opened.target.last_epoch))

    def commit(self, rows: Rows, step: Step | None) -> None:
        step = step or Step(self._key, self._base, self._next())
        epoch = BatchEpoch(_text_of(step.epoch), _text_of(step.base))
        attempts = 0
        while True:
            found = self.epoch_there(step.key)
            if found == step.epoch:  # a write that failed has taken effect
                return
            if found != step.base:
                raise self.other_epoch(found)
            try:
                self._opened.call(self._opened.target.write, list(rows()), epoch)
                return
            except Exception as error:
                attempts += 1
                wait = self._policy.wait_ns(error, attempts, self._random)
                if wait is None or self._context.error is not None:
                    raise SourceError(
                        f"batched: write(batch, epoch) must succeed, got {type(error).__name__}: {text_of(error)}, after "
                        f"{attempts} attempts"
                    ) from error
            time.sleep(wait / 1e9)

    def leave(self) -> None:
        self._opened.close(self._context.error)


def _name_of(target: object) -> str:
    """Return the name of a target's class; its own text may hold a password."""
    return (target if isinstance(target, type) else type(target)).__name__


def _text_of(epoch: Epoch) -> str:
    return "" if epoch == NO_EPOCH else f"{epoch.number}-{epoch.mark}"


def _epoch_of(text: object) -> Epoch:
    number, _, mark = text.partition("-") if isinstance(text, str) else ("", "", "")
    if text != "" and not (number.isdecimal() and mark):
        raise SourceError(f'batched: last_epoch must return the id of an epoch, or "" for none, got {shown(text)}')
    return Epoch(int(number), mark) if mark else NO_EPOCH


@dataclass(frozen=True)
class EpochBatched(Sink[T, int]):
    """Sink of a target with epochs."""

    target: Any
    policy: OnError = field(repr=False)
    label = "batched"
    where = "blocking"
    delivery = "exactly once"
    visible = "at checkpoints"

    def open(self, context: SinkContext) -> Writer:
        return _EpochBatchWriter(context, self.target, self.policy)

    def left_from(self, dag: str) -> str | None:
        opened = _Opened(self.target)
        try:
            last = opened.call(opened.target.last_epoch)
        finally:
            opened.close(None)
        return (
            None
            if last == ""
            else f"target {_name_of(self.target)} is at epoch {shown(last)}: empty it, and let last_epoch() return ''"
        )
