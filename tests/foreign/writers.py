"""Sinks and their writers as users write them."""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rxdag import sinks
from rxdag.contract import Enough, WriteFailed
from rxdag.sinks import Sink, Writer

SINKS: list[SinkProgram] = []


@dataclass(frozen=True)
class SinkProgram:
    """A sink, its items, and its expected result.

    Attributes:
        name: Name of the program.
        make: Makes the sink, and a function that reads what it left outside of the run.
        items: Items that it is given.
        result: Expected `result[sink]`.
        left: Expected return value of that function.
        dead: Items that it must fail on, with their errors.
        is_beside: True if the items have event times and keys.
    """

    name: str
    make: Callable[[], tuple[Sink, Callable[[], Any]]] = field(repr=False)
    items: tuple[Any, ...]
    result: Any
    left: Any = None
    dead: tuple[Any, ...] = ()
    is_beside: bool = False


def sink(name, make, items, result, /, **how):
    SINKS.append(SinkProgram(name, make, tuple(items), result, **how))


@dataclass(frozen=True)
class Own(Sink[Any, Any]):
    """A sink for any writer, as in the guide to own sinks."""

    make: Callable[[], Writer]

    def open(self, context):
        return self.make()


def only(made):
    """Return a sink that leaves nothing outside of the run."""
    return made, lambda: None


# ---- writers


class PrivateTotal(Writer):
    def __init__(self):
        self.__total = 0

    def write(self, chunk):
        self.__total += sum(chunk.items)

    def close(self, *, ok):
        return self.__total if ok else None


sink("PrivateTotal", lambda: only(Own(PrivateTotal)), [1, 2, 3], 6)


class KeepsChunks(Writer):
    """Keep the lists of all chunks."""

    def __init__(self):
        self.lists = []

    def write(self, chunk):
        self.lists.append(chunk.items)

    def close(self, *, ok):
        return [item for items in self.lists for item in items]


sink("KeepsChunks", lambda: only(Own(KeepsChunks)), range(9), list(range(9)))


class Lines(Writer):
    """A template; a subclass formats the rows."""

    def __init__(self):
        self.file = io.StringIO()

    def row(self, item):
        raise NotImplementedError

    def write(self, chunk):
        self.file.writelines(map(self.row, chunk.items))

    def close(self, *, ok):
        with self.file as file:
            return file.getvalue()


class Numbered(Lines):
    n = 0

    def row(self, item):
        self.n += 1
        return f"{self.n} {item}\n"

    def close(self, *, ok):
        return super().close(ok=ok) + f"{self.n} rows"


sink("InheritedWriter", lambda: only(Own(Numbered)), "ab", "1 a\n2 b\n2 rows")


@dataclass(slots=True)
class Largest(Writer):
    top: int = 0
    seen: list = field(default_factory=list)

    def write(self, chunk):
        for item in chunk.items:
            self.top = max(self.top, item)
            self.seen.append(self.top)

    def close(self, *, ok):
        return self.seen

    def __len__(self):
        return 0  # a writer that is false in a condition


sink("DataclassWriter", lambda: only(Own(Largest)), [2, 1, 5, 3], [2, 2, 5, 5])


def average():
    total, n, value = 0, 0, None
    while True:
        value = yield (total / n if n else None)
        total, n = total + value, n + 1


class GeneratorWriter(Writer):
    def __init__(self):
        self.average = average()
        self.value = next(self.average)

    def write(self, chunk):
        for item in chunk.items:
            self.value = self.average.send(item)

    def close(self, *, ok):
        self.average.close()
        return self.value


sink("GeneratorWriter", lambda: only(Own(GeneratorWriter)), [1, 2, 6], 3.0)

made_of_text: dict = {"Writer": Writer}
exec(
    "class OfText(Writer):\n"
    "    n = 0\n"
    "    def write(self, chunk):\n        self.n += len(chunk)\n"
    "    def close(self, *, ok):\n        return self.n",
    made_of_text,
)
sink("ExecMadeWriter", lambda: only(Own(made_of_text["OfText"])), "abc", 3)


class Placed(Writer):
    """Keep items with their times and keys."""

    def __init__(self):
        self.rows = []

    def write(self, chunk):
        self.rows += zip(chunk.ts, chunk.key, chunk.items, strict=True)

    def close(self, *, ok):
        return self.rows


sink("ReadsWhatStandsBeside", lambda: only(Own(Placed)), [3, 4], [(3, "odd", 3), (4, "even", 4)], is_beside=True)


class Refusing(Writer):
    """Fail on single items and take the others."""

    def __init__(self):
        self.kept = []

    def write(self, chunk):
        for index, item in enumerate(chunk.items):
            if item % 3 == 0:
                raise WriteFailed(index, ValueError(f"no {item}"))
            self.kept.append(item)

    def close(self, *, ok):
        return self.kept


sink(
    "RefusesSome",
    lambda: only(Own(Refusing)),
    range(1, 9),
    [1, 2, 4, 5, 7, 8],
    dead=((3, "ValueError('no 3')"), (6, "ValueError('no 6')")),
)


class FirstThree(Writer):
    """Take three items and no more."""

    def __init__(self):
        self.kept = []

    def write(self, chunk):
        for index, item in enumerate(chunk.items):
            if len(self.kept) == 3:
                raise Enough(index)
            self.kept.append(item)

    def close(self, *, ok):
        return self.kept


sink("TakesThree", lambda: only(Own(FirstThree)), range(8), [0, 1, 2])


class WithAContext(Sink):
    """A sink that is no dataclass and reads its context."""

    def __init__(self, limit):
        self.limit = limit

    def open(self, context):
        outer = self

        class Counting(Writer):
            n = 0

            def write(self, chunk):
                self.n += sum(item < outer.limit for item in chunk.items)

            def close(self, *, ok):
                return (self.n, context.error, context.shape.timed)

        return Counting()


sink("SinkThatIsNoDataclass", lambda: only(WithAContext(3)), range(5), (3, None, False))


class Waits(Writer):
    def __init__(self):
        self.__items = []

    async def write(self, chunk):
        for item in chunk.items:
            await asyncio.sleep(0)
            self.__items.append(item)

    def close(self, *, ok):
        return self.__items


@dataclass(frozen=True)
class OwnAsync(Own):
    where = "async"


sink("AsyncWriter", lambda: only(OwnAsync(Waits)), range(5), [0, 1, 2, 3, 4])


# ---- functions


def into_a_list(fn):
    kept = []
    return fn(kept), lambda: list(kept)


class Book:
    def __init__(self, lines):
        self.__lines = lines

    def note(self, item, *, prefix=""):
        if item == "bad":
            raise KeyError(item)
        self.__lines.append(prefix + item)

    async def note_soon(self, item):
        await asyncio.sleep(0)
        self.note(item)

    __call__ = note


BAD = (("bad", "KeyError('bad')"),)

sink("CFunctionSink", lambda: into_a_list(lambda kept: sinks.call(kept.append)), "ab", 2, left=["a", "b"])
sink(
    "BoundedDequeSink", lambda: (sinks.call((kept := deque(maxlen=1)).append), lambda: list(kept)), "ab", 2, left=["b"]
)
sink(
    "BoundMethodSink",
    lambda: into_a_list(lambda kept: sinks.call(Book(kept).note)),
    ["a", "bad", "b"],
    2,
    left=["a", "b"],
    dead=BAD,
)
sink(
    "PartialSink",
    lambda: into_a_list(lambda kept: sinks.call(partial(Book(kept).note, prefix="> "))),
    ["a", "bad"],
    1,
    left=["> a"],
    dead=BAD,
)
sink(
    "CallableObjectSink",
    lambda: into_a_list(lambda kept: sinks.call(Book(kept))),
    ["bad", "b"],
    1,
    left=["b"],
    dead=BAD,
)
sink(
    "AsyncMethodSink",
    lambda: into_a_list(lambda kept: sinks.acall(Book(kept).note_soon)),
    ["a", "bad", "b"],
    2,
    left=["a", "b"],
    dead=BAD,
)
