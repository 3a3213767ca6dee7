"""Run sinks and sources as users write them on the engine and compare them with a plain loop."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace

import pytest

import rxdag
from rxdag import on_error, sinks, testing
from rxdag import operators as ops
from rxdag.contract import Enough, Shape, WriteFailed
from rxdag.sources import END, Chunk
from tests.foreign import engine
from tests.foreign.readers import SOURCES
from tests.foreign.writers import SINKS

every_sink = pytest.mark.parametrize("program", SINKS, ids=lambda program: program.name)
every_source = pytest.mark.parametrize("program", SOURCES, ids=lambda program: program.name)
own_readers = pytest.mark.parametrize("program", [p for p in SOURCES if p.has_reader], ids=lambda p: p.name)


# ---- the reference


def parity(item):
    return "odd" if item % 2 else "even"


def chunk_of(program, item):
    return Chunk([item], [item], [0], [parity(item)]) if program.is_beside else Chunk([item])


async def written(program):
    """Give items to a writer one by one; return its result, what it left, and the items it failed on."""
    sink, left = program.make()
    writer, dead = sink.open(SimpleNamespace(error=None, shape=Shape())), []
    for item in program.items:
        try:
            writing = writer.write(chunk_of(program, item))
            if inspect.isawaitable(writing):
                await writing
        except WriteFailed as failed:
            dead.append((item, repr(failed.cause)))
        except Enough:
            break
    return writer.close(ok=True), left(), dead


def read(program):
    """Read items from a reader one by one; return them, and the malformed input it reported."""
    items, dead = [], []
    context = SimpleNamespace(
        wake=lambda: None, drop=lambda reason: None, bad=lambda item, error: dead.append((item, repr(error)))
    )
    reader = program.make().open(context)
    while (chunk := reader.read(1)) is not END:
        items += chunk.items if chunk is not None else ()
    reader.close()
    return items, dead


# ---- the engine


def buried(letters):
    return [(letter.item, repr(letter.error)) for letter in letters]


@every_sink
def test_the_reference_leaves_what_is_written_out(program):
    assert asyncio.run(written(program)) == (program.result, program.left, list(program.dead))


@every_sink
@pytest.mark.parametrize("way", engine.WAYS)
def test_a_sink_takes_what_the_reference_has_it_take(program, way):
    stream = engine.WAYS[way](program.items)
    if program.is_beside:
        stream = stream.pipe(ops.event_time(lambda item: item)).pipe(ops.key_by(parity))
    sink, left = program.make()
    out = stream.to(sink, name="out", on_error=on_error.dead)
    dead = out.dead.to(sinks.collect(), name="dead")
    result = rxdag.run(engine.compiled(out, dead))
    assert result.problems == ()
    assert (result[out], left(), buried(result[dead])) == asyncio.run(written(program))


@every_sink
def test_two_runs_with_a_sink_do_not_meet(program):
    """One sink may serve several runs."""
    sink, left = program.make()
    stream = engine.of_list(program.items)
    if program.is_beside:
        stream = stream.pipe(ops.event_time(lambda item: item)).pipe(ops.key_by(parity))
    out = stream.to(sink, name="out", on_error=on_error.dead)
    plan = engine.compiled(out, out.dead.to(sinks.collect(), name="dead"))
    assert rxdag.run(plan)[out] == rxdag.run(plan)[out] == program.result


@pytest.mark.parametrize("program", [p for p in SINKS if not p.dead and not p.is_beside], ids=lambda p: p.name)
def test_a_sink_of_ones_own_holds_the_laws(program):
    testing.check_sink(lambda: program.make()[0], program.items)


@own_readers
def test_the_reference_reads_what_is_written_out(program):
    assert read(program) == (list(program.items), list(program.dead))


@every_source
@pytest.mark.parametrize("behind", ["nothing", "gate", "thread"])
def test_a_source_gives_what_the_reference_reads(program, behind):
    stream = rxdag.from_source(program.make(), name="source", on_error=on_error.dead)
    dead = stream.dead.to(sinks.collect(), name="dead")
    if behind == "gate":
        stream = stream.buffered(max_items=1)
    elif behind == "thread":
        stream = stream.on("foreign")
    out = stream.pipe(ops.map(lambda item: item)).to(sinks.collect(), name="out")
    result = rxdag.run(engine.compiled(out, dead))
    assert result.problems == ()
    assert (result[out], buried(result[dead])) == (list(program.items), list(program.dead))


@every_source
def test_a_source_of_which_little_is_wanted_gives_that(program):
    stream = rxdag.from_source(program.make(), name="source", on_error=on_error.skip)
    out = stream.pipe(ops.take(2)).to(sinks.collect(), name="out")
    result = rxdag.run(engine.compiled(out))
    assert result.problems == ()
    assert result[out] == list(program.items[:2])


@pytest.mark.parametrize("program", [p for p in SOURCES if p.has_reader and not p.dead], ids=lambda p: p.name)
def test_a_source_of_ones_own_holds_the_laws(program):
    testing.check_source(program.make)
