"""Sources, readers, iterables and callbacks as users write them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rxdag import sources
from rxdag.sources import END, Chunk, Reader, Source

SOURCES: list[SourceProgram] = []


@dataclass(frozen=True)
class SourceProgram:
    """A source and its expected items.

    Attributes:
        name: Name of the program.
        make: Makes the source.
        items: Expected items.
        dead: Expected malformed input.
        has_reader: True if its reader is the user's own, so that the reference can read it.
    """

    name: str
    make: Callable[[], Source] = field(repr=False)
    items: tuple[Any, ...]
    dead: tuple[Any, ...] = ()
    has_reader: bool = True


def source(name, make, items, /, **how):
    SOURCES.append(SourceProgram(name, make, tuple(items), **how))


# ---- readers


@dataclass(frozen=True)
class OwnSource(Source[Any]):
    """A source for any reader, as in the guide to own sources."""

    make: Callable[[Any], Reader]

    def open(self, context):
        return self.make(context)


class Countdown(Reader):
    def __init__(self, context, start=5):
        self.__next = start

    def read(self, max_items):
        if self.__next == 0:
            return END
        items = list(range(self.__next, max(0, self.__next - max_items), -1))
        self.__next = items[-1] - 1
        return Chunk(items)


source("PrivateCountdown", lambda: OwnSource(Countdown), [5, 4, 3, 2, 1])


class GeneratorReader(Reader):
    """Read one item at a time from a generator, and close it at the end."""

    def __init__(self, context):
        self.letters = self.give()

    def give(self):
        yield from "ab"
        yield from (letter.upper() for letter in "cd")

    def read(self, max_items):
        for letter in self.letters:
            return Chunk([letter])
        return END

    def close(self):
        self.letters.close()


source("GeneratorReader", lambda: OwnSource(GeneratorReader), ["a", "b", "C", "D"])


class Hesitates(Reader):
    """Return None on every second read."""

    def __init__(self, context):
        self.context = context
        self.asked = 0

    def read(self, max_items):
        self.asked += 1
        if self.asked % 2:
            self.context.wake()
            return None
        return Chunk([self.asked]) if self.asked < 8 else END


source("NothingEachSecondTime", lambda: OwnSource(Hesitates), [2, 4, 6])


class Parsed(Countdown):
    """Report malformed texts and count dashes as dropped."""

    def __init__(self, context, texts=("1", "x", "-", "4")):
        super().__init__(context)
        self.context = context
        self.texts = deque(texts)

    def read(self, max_items):
        while self.texts:
            text = self.texts.popleft()
            if text == "-":
                self.context.drop("dash")
                continue
            try:
                return Chunk([int(text)])
            except ValueError as error:
                self.context.bad(text, error)
        return END


BAD_NUMBER = "ValueError(\"invalid literal for int() with base 10: 'x'\")"

source("ReportsWhatIsMalformed", lambda: OwnSource(Parsed), [1, 4], dead=(("x", BAD_NUMBER),))


@dataclass(frozen=True)
class Blocking(OwnSource):
    where = "blocking"


@dataclass(frozen=True)
class OnTheLoop(OwnSource):
    where = "async"


source("ReaderOnAThread", lambda: Blocking(GeneratorReader), ["a", "b", "C", "D"])
source("ReaderOnTheLoop", lambda: OnTheLoop(Countdown), [5, 4, 3, 2, 1])
source("StoredInTheClass", lambda: type("Stored", (OwnSource,), {"is_stored": True})(Countdown), [5, 4, 3, 2, 1])


# ---- iterables


class Iterator:
    def __init__(self):
        self.__n = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.__n += 1
        if self.__n > 3:
            raise StopIteration
        return self.__n


class AsyncIterator:
    def __init__(self):
        self.items = iter("xyz")

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        try:
            return next(self.items)
        except StopIteration:
            raise StopAsyncIteration from None


async def made_later():
    await asyncio.sleep(0)
    return AsyncIterator()


def registering(push):
    """Call back at once with two items, then complete."""
    for item in "ab":
        push(item)
    push.complete()


source("OwnIterator", lambda: sources.iterable(Iterator()), [1, 2, 3], has_reader=False)
source("BlockingIterator", lambda: sources.iterable(Iterator(), blocking=True), [1, 2, 3], has_reader=False)
source("MapObject", lambda: sources.iterable(map(str, range(3))), ["0", "1", "2"], has_reader=False)
source("DictionaryItems", lambda: sources.iterable({"a": 1, "b": 2}.items()), [("a", 1), ("b", 2)], has_reader=False)
source("AsyncIterator", lambda: sources.async_iterable(AsyncIterator), "xyz", has_reader=False)
source("AsyncIteratorMadeLater", lambda: sources.async_iterable(made_later), "xyz", has_reader=False)
source("Callback", lambda: sources.callback(registering, overflow="error"), "ab", has_reader=False)
