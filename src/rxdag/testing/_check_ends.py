"""check_source and check_sink: the laws for every source and sink, rxdag's or a user's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rxdag.contract import (
    END,
    Chunk,
    Read,
    Reader,
    ReaderAround,
    Sink,
    SinkAround,
    SinkContext,
    Source,
    SourceAround,
    SourceContext,
    Writer,
    WriterAround,
)
from rxdag.errors import GraphError, shown, text_of
from rxdag.graph import from_source
from rxdag.operators import take
from rxdag.sinks import call, collect
from rxdag.testing._check import LawBroken
from rxdag.testing._check_positions import LAW, check_positions
from rxdag.testing._check_saved import check_recovers
from rxdag.testing._simulate import Simulation, run
from rxdag.testing._sources import Chunked
from rxdag.testing.faults import Fault, cancels, drains

SOURCE_LAWS: Final = ("ends", "asked", "chunks", "runs", "stops", "fails", LAW)
SINK_LAWS: Final = ("ends", "chunks", "runs", "stops", "fails", "recovers")
_SEEDS: Final = 12


@dataclass
class _Seen:
    """The observed calls of a reader or a writer in one run."""

    closed: list[Any] = field(default_factory=lambda: list[Any]())
    broken: list[str] = field(default_factory=lambda: list[str]())
    ends_itself: bool = False
    """True if the run has drained and the reader then ended by itself; it may emit unfinished items."""


class _CheckedReader(ReaderAround):
    def __init__(self, reader: Reader, seen: _Seen) -> None:
        super().__init__(reader)
        self._seen = seen
        self._is_over = False

    def read(self, max_items: int) -> Read:
        if self._is_over or self._seen.closed:
            self._seen.broken.append("is read after its end")
        read = super().read(max_items)
        if isinstance(read, Chunk) and len(read) > max_items:
            self._seen.broken.append(f"gave {len(read)} items where {max_items} were asked for")
        self._is_over = read is END
        return read

    def drain(self, *, flush: bool) -> bool:
        self._seen.ends_itself = super().drain(flush=flush)
        return self._seen.ends_itself

    def close(self) -> None:
        self._seen.closed.append(True)
        super().close()

    async def aclose(self) -> None:
        self._seen.closed.append(True)
        await super().aclose()


@dataclass(frozen=True)
class _CheckedSource(SourceAround[Any]):
    source: Source[Any]
    seen: _Seen

    def open(self, context: SourceContext) -> Reader:
        return _CheckedReader(self.source.open(context), self.seen)


def check_source(make: Callable[[], Source[Any]], /, *, max_items: int = 1000, waive: Iterable[str] = ()) -> None:
    """Check that a source obeys the laws, in virtual time.

    The laws: its run *ends* with balanced books, and it is closed once; it never returns more items than it was *asked*
    for, and is not read after its end; reads of any size, *chunks*, give the same items; two *runs* do not affect each
    other; a drain or a cancel *stops* it at any point; if a later node *fails*, it is closed too; and unless
    `no_position` says why it cannot, it *continues*: a new reader that seeks the position of another one, taken before
    the first read, after any read or at the end, and saved as bytes, gives the rest of the items, on rows and on
    columns.

    Args:
        make: Creates the source, the same each time; it may use only files and the event loop.
        max_items: Number of items to read from an endless source.
        waive: Laws that it cannot obey.

    Raises:
        LawBroken: If it breaks a law.
        GraphError: If a waived law does not exist.

    Example:
        >>> testing.check_source(lambda: sources.range(100))
    """
    laws = _laws(SOURCE_LAWS, waive, "check_source")
    baseline = _read(make(), max_items, 0, "ends")
    items = baseline.outputs["out"]
    for seed in range(1, _SEEDS):
        if "chunks" in laws:
            _same(_read(make(), max_items, seed, "chunks").outputs["out"], items, "chunks", seed)
        if "stops" in laws:
            fault = drains(step=seed) if seed % 2 else cancels(step=seed)
            seen = _Seen()
            got = _read(make(), max_items, seed, "stops", fault, seen=seen).outputs["out"]
            if not seen.ends_itself:
                _same(got, items[: len(got)], "stops", seed)
    if "runs" in laws:
        source = make()
        _same(_read(make(), max_items, 0, "runs").outputs["out"], items, "runs", 0)
        _read(source, max_items, 0, "runs")
    if "fails" in laws and items:
        _read(make(), max_items, 0, "fails", fails_at=len(items) // 2)
    if LAW in laws:
        check_positions(make, items, max_items, lambda source, most, seed: _items(source, most, seed, LAW))


def _items(source: Source[Any], most: int, seed: int, law: str) -> list[Any]:
    items: list[Any] = _read(source, most, seed, law).outputs["out"]
    return items


def _read(
    source: Source[Any],
    most: int,
    seed: int,
    law: str,
    fault: Fault | None = None,
    fails_at: int | None = None,
    seen: _Seen | None = None,
) -> Simulation:
    seen = seen or _Seen()
    items = 0

    def fail(_: object) -> None:
        nonlocal items
        items += 1
        if items > (most if fails_at is None else fails_at):
            raise ValueError("what follows fails")

    stream = from_source(_CheckedSource(source, seen), name="source").pipe(take(most))
    sink: Sink[Any, Any] = collect() if fails_at is None else call(fail)
    simulation = _simulated(stream.to(sink, name="out"), seed, law, fault)
    if seen.broken:
        raise LawBroken(f"asked: a source {seen.broken[0]}, seed {seed}")
    if len(seen.closed) != 1 and simulation.result.stats.nodes["source"].made:
        raise LawBroken(f"{law}: a source must be closed once, was {len(seen.closed)} times, seed {seed}")
    if fails_at is None and simulation.error is not None:
        raise LawBroken(f"{law}: its run must not fail, seed {seed}: {text_of(simulation.error)}") from simulation.error
    return simulation


class _CheckedWriter(WriterAround):
    def __init__(self, writer: Writer, seen: _Seen) -> None:
        super().__init__(writer)
        self._seen = seen

    def write(self, chunk: Chunk) -> Any:
        if self._seen.closed:
            self._seen.broken.append("was written to after it was closed")
        return super().write(chunk)

    def prepare(self) -> None:
        if self._seen.closed:
            self._seen.broken.append("was prepared after it was closed")
        super().prepare()

    def close(self, *, ok: bool) -> Any:
        self._seen.closed.append(ok)
        return super().close(ok=ok)


@dataclass(frozen=True)
class _CheckedSink(SinkAround):
    sink: Sink[Any, Any]
    seen: _Seen

    def open(self, context: SinkContext) -> Writer:
        return _CheckedWriter(self.sink.open(context), self.seen)


def check_sink(
    make: Callable[[], Sink[Any, Any]],
    items: Sequence[Any],
    /,
    *,
    read: Callable[[], Any] | None = None,
    of: Any = None,
    waive: Iterable[str] = (),
) -> None:
    """Check that a sink obeys the laws, in virtual time.

    The laws: its run *ends* with balanced books, and it is closed once, `ok=True`, even without items; any split into
    *chunks* gives the same result; two *runs* do not affect each other; if a cancel *stops* the run at any point, or it
    *fails* elsewhere, the sink is closed once, `ok=False`, and not written to any more. A sink whose `delivery` is
    "exactly once" *recovers*: if its writer is killed between any two calls, once or twice, a new writer that restores
    what the last durable checkpoint holds, encoded as bytes, and is given the items behind it, leaves the same result.

    Args:
        make: Creates the sink, the same each time, as before the first run; it may use only files and the event loop.
        items: Input; a few dozen items.
        read: Reads back the output of the last run; by default only `result[sink]` is compared.
        of: Type of the items, if fields are given by name.
        waive: Laws that it cannot obey.

    Raises:
        LawBroken: If it breaks a law.
        GraphError: If a waived law does not exist.

    Example:
        >>> testing.check_sink(lambda: sinks.collect(), range(20))
    """
    laws = _laws(SINK_LAWS, waive, "check_sink")

    def left(simulation: Simulation) -> Any:
        return (simulation.result["out"], None if read is None else read())

    whole = left(_write(make(), items, of, 0, "ends"))
    _write(make(), (), of, 0, "ends")
    for seed in range(1, _SEEDS):
        if "chunks" in laws:
            _same_left(left(_write(make(), items, of, seed, "chunks")), whole, "chunks", seed)
        if "stops" in laws:
            _write(make(), items, of, seed, "stops", cancels(step=seed))
    if "runs" in laws:
        sink = make()
        for _ in (1, 2):
            _same_left(left(_write(sink, items, of, 0, "runs")), whole, "runs", 0)
    if "fails" in laws:
        _write(make(), items, of, 0, "fails", fails=True)
    if "recovers" in laws and make().delivery == "exactly once":
        check_recovers(make, items, of, lambda value: (value, None if read is None else read()), whole)


def _write(
    sink: Sink[Any, Any],
    items: Iterable[Any],
    of: Any,
    seed: int,
    law: str,
    fault: Fault | None = None,
    *,
    fails: bool = False,
) -> Simulation:
    seen = _Seen()
    error = ValueError("the source fails") if fails else None
    stream = from_source(Chunked((tuple(items),), error, of), name="source")
    if sink.batching is not None:
        raise GraphError("check_sink: a sink that is written in batches is checked by testing its factory")
    simulation = _simulated(stream.to(_CheckedSink(sink, seen), name="out"), seed, law, fault)
    if seen.broken:
        raise LawBroken(f"{law}: a sink {seen.broken[0]}, seed {seed}")
    expected = [simulation.result.state == "completed"]
    if seen.closed not in (expected, []) or (not seen.closed and simulation.result.state == "completed"):
        raise LawBroken(
            f"{law}: a sink must be closed once, ok={expected[0]}, was closed with {seen.closed}, seed {seed}"
        )
    if not fails and simulation.error is not None:
        raise LawBroken(f"{law}: its run must not fail, seed {seed}: {text_of(simulation.error)}") from simulation.error
    return simulation


def _simulated(sink: Any, seed: int, law: str, fault: Fault | None) -> Simulation:
    try:
        return run(sink, seed=seed, faults=() if fault is None else (fault,))
    except LawBroken as broken:
        raise LawBroken(f"{law}: {broken}") from broken


def _laws(known: tuple[str, ...], waive: Iterable[str], where: str) -> set[str]:
    waived = set(waive)
    unknown = waived - set(known)
    if unknown:
        raise GraphError(f"{where}: waive must be some of {', '.join(known)}, got {', '.join(sorted(unknown))}")
    return set(known) - waived


def _same(got: list[Any], expected: list[Any], law: str, seed: int) -> None:
    if got != expected:
        at = next(
            (i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), min(len(got), len(expected))
        )
        raise LawBroken(
            f"{law}: gave {len(got)} items, not {len(expected)}; they differ at {at}: {shown(got[at : at + 2])} and "
            f"{shown(expected[at : at + 2])}, seed {seed}"
        )


def _same_left(got: Any, expected: Any, law: str, seed: int) -> None:
    if got != expected:
        raise LawBroken(f"{law}: left {shown(got)}, not {shown(expected)}, seed {seed}")
