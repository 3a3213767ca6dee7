"""The law of sinks that continue from a checkpoint: a writer that is killed leaves what one leaves that is not."""

from __future__ import annotations

import asyncio
import gc
import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal, TypeAlias

from rxdag.codec import Codec, types_in
from rxdag.contract import Chunk, Clock, Saw, Shape, Sink, Writer
from rxdag.engine.drivers import VirtualClock
from rxdag.errors import StateError, shown, text_of
from rxdag.testing._check import LawBroken

_Name: TypeAlias = Literal["write", "save", "is durable", "publish", "prepare", "close"]
_Call: TypeAlias = tuple[_Name, Sequence[Any]]
_WHOLE: Final[tuple[_Name, ...]] = ("save", "is durable", "publish")
_ENDS: Final[tuple[tuple[_Name, ...], ...]] = (
    ("save", "is durable", "publish", "prepare", "close"),
    ("prepare", "save", "is durable", "publish", "close"),
)
"""Ends of a run with checkpoints: sinks are prepared after the last one, or before it."""


@dataclass
class _Context:
    """The run as the sink sees it; the methods of a run that goes on do nothing."""

    shape: Shape
    name: str = "out"
    dag: str = "check"
    clock: Clock = field(default_factory=VirtualClock)
    saves: bool = True
    saw: Saw | None = None
    error: Exception | None = None

    def call(self, fn: Callable[[], object], /) -> None:
        fn()

    def enough(self) -> None:
        pass

    def log(self, code: str, **fields: object) -> None:
        """Ignore the event: logs have no reader."""


class _Run:
    """A run with checkpoints that is killed and continued.

    Args:
        sink: What is written to.
        shape: Of the stream.
        calls: All calls of a run that is not killed.
        codec: What the data of checkpoints is encoded by.
    """

    def __init__(self, sink: Sink[Any, Any], shape: Shape, calls: list[_Call], codec: Codec) -> None:
        self._sink = sink
        self._shape = shape
        self._calls = calls
        self._codec = codec
        self._durable: bytes | None = None
        """Data in the last durable checkpoint; None before the first."""
        self._at = 0
        """Index of the first call behind its `save`."""
        self._result: Any = None

    def lives(self, kills: Sequence[int]) -> Any:
        """Make all calls, killed before these, and return the result of the last close."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # nobody closes the files of a process that is killed
            for end in (*kills, len(self._calls)):
                asyncio.run(self._live(end))
                gc.collect()
        return self._result

    async def _live(self, end: int) -> None:
        writer = self._sink.open(_Context(self._shape))
        if self._durable is not None:
            await _done(writer.restore(self._codec.decode(self._durable)))
        saved: tuple[bytes, int] | None = None
        """Data that this life has saved, and the index of the first call behind that."""
        is_prepared = False
        for index in range(self._at, end):
            name, items = self._calls[index]
            if name == "write":
                await _done(writer.write(Chunk(list(items))))
            elif name == "save":
                saved = self._saved(writer), index + 1
            elif name == "is durable" and saved is not None:
                self._durable, self._at = saved
            elif name == "publish" and saved is not None:  # otherwise restore has published it
                await _done(writer.publish())
            elif name == "prepare" or (name == "close" and not is_prepared):  # an earlier life was
                writer.prepare()
                is_prepared = True
            if name == "close":
                self._result = await _done(writer.close(ok=True))

    def _saved(self, writer: Writer) -> bytes:
        saved = writer.save()
        if saved is None:
            raise StateError('save must return data if `delivery` is "exactly once", got None')
        return self._codec.encode(saved, where="what save returned")


def check_recovers(
    make: Callable[[], Sink[Any, Any]],
    items: Sequence[Any],
    of: Any,
    left: Callable[[Any], Any],
    whole: Any,
) -> None:
    """Check that a sink that is killed between any two calls leaves the same as one that is not.

    Args:
        make: Creates the sink.
        items: Input.
        of: Type of the items.
        left: Returns everything that a run leaves, of what its close returned.
        whole: What a run leaves without checkpoints.

    Raises:
        LawBroken: If it leaves something else.
    """
    rng, codec = Random(0), Codec(types_in(*items))
    gc.freeze()  # each life ends with a collection, which then looks at few objects
    try:
        for end in _ENDS:
            calls = _calls(make().one_by_one, items, end)
            once = range(1 if end is _ENDS[0] else len(calls) - len(end), len(calls) + 1)  # all but the end is the same
            for kills in ((), *((at,) for at in once), *((at, rng.randint(at, len(calls))) for at in once)):
                how = ", then ".join(f"killed after {_told(calls, at - 1)}" for at in kills) or "not killed"
                try:
                    result = _Run(make(), Shape(of), calls, codec).lives(kills)
                except Exception as error:
                    raise LawBroken(f"recovers: a sink that is {how} must not fail: {text_of(error)}") from error
                if (got := left(result)) != whole:
                    raise LawBroken(f"recovers: a sink that is {how} left {shown(got)}, not {shown(whole)}")
    finally:
        gc.unfreeze()


def _calls(is_one_by_one: bool, items: Sequence[Any], end: tuple[_Name, ...]) -> list[_Call]:
    """Return the calls of a run with three checkpoints, and another one that fails.

    Between the second and the moment at which it is durable items are written.
    """
    part = -(-len(items) // 5) or 1
    size = 1 if is_one_by_one else part
    writes: list[list[_Call]] = [
        [("write", items[at : at + size]) for at in range(begin, min(begin + part, len(items)), size)]
        for begin in range(0, 5 * part, part)
    ]
    calls: list[_Call] = []
    for name in ("write", *_WHOLE, "write", "save", "write", "save", "write", "is durable", "publish", "write", *end):
        calls.extend(writes.pop(0) if name == "write" else [(name, ())])
    return calls


def _told(calls: list[_Call], at: int) -> str:
    """Return a call in words: "write 2"."""
    name = calls[at][0]
    return f"{name} {sum(call[0] == name for call in calls[: at + 1])}"


async def _done(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
