"""Recorded answers of a job that is stopped at any time and continued otherwise: a replay gives what all its lives gave."""

import asyncio
import contextlib
import random
from pathlib import Path

import pytest

import rxdag
from rxdag import checkpoints, on_error, sinks, sources, testing
from rxdag import operators as ops
from rxdag.engine.drivers import VirtualClock
from rxdag.journal import Cursor, JournalWriter
from rxdag.runtime import Execution
from rxdag.runtime._recovery import Recovery, begun
from rxdag.testing import settle_virtual

MS = 1_000_000
ITEMS = 40
KINDS = ("ordered", "unordered", "lookup")


class Panic(BaseException):
    """An error of a library, as of Rust code, that is no Exception."""


class Outside:
    """A service that gives another answer to each call: some come late, some are failures.

    Args:
        rng: Draws its answers.
        fails: Share of the calls that fail.
        ends: Share of the calls that raise what is no Exception.
    """

    def __init__(self, rng, fails, ends=0.0):
        self.rng, self.fails, self.ends = rng, fails, ends
        self.open = self.most_open = 0

    async def answer(self, asked):
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.sleep(self.rng.choice([0, 0.001, 0.004, 0.03]) * self.rng.random())
        finally:
            self.open -= 1
        luck = self.rng.random()
        if luck < self.ends:
            raise Panic(f"at {asked}")
        if luck < self.ends + self.fails:
            raise ValueError(f"no answer for {asked}")
        return [asked, self.rng.random()]


async def nobody(asked):
    raise AssertionError(f"a replay must call nothing, got a call for {asked}")


def graph(kind, source, answer, folder, to, *, policy, concurrency, ttl="20ms", durable="written"):
    """Return the job behind any source, with its outputs in a folder."""
    how = {"concurrency": concurrency, "timeout": "25ms", "record": folder / "journal", "durable": durable}
    if kind == "lookup":
        operator = ops.lookup(answer, key=lambda n: n * n % 11, ttl=ttl, max_keys=3, **how)
    else:
        operator = ops.map_async(answer, ordered=kind == "ordered", **how)
    asked = rxdag.from_source(source, name="ticks").pipe(operator, name="asked", on_error=policy)
    dead = asked.dead.pipe(ops.map(lambda letter: [letter.item, repr(letter.error), letter.attempts]), name="told")
    to.mkdir(exist_ok=True)
    return rxdag.Dag(
        asked.to(sinks.jsonl(to / "out.jsonl"), name="out"),
        dead.to(sinks.jsonl(to / "dead.jsonl"), name="dead"),
        name="job",
    )


def feed(rng, folder):
    """Return a source with the items that the journal does not have yet, at random times from now on."""
    begin, cursor = 0, Cursor(str(folder / "journal"))
    while (record := cursor.next()) is not None:
        begin += record.n if record.source == "ticks" and record.kind.name == "ITEMS" else 0
    cursor.close()
    moments, at = [], 0
    for n in range(begin, ITEMS):
        at += rng.choice([0, 0, 1, 2, 9])
        moments.append(("n", at, n))
    return testing.recording([*moments, ("c", at)], hot=False)


@contextlib.contextmanager
def disk():
    """Yield the sizes of the segments that outlive a loss of power, by path."""
    sync, sizes = JournalWriter.sync, {}

    def noted(writer):
        sync(writer)
        sizes.update((path, path.stat().st_size) for path in Path(writer.folder).glob("*.journal"))

    JournalWriter.sync = noted
    try:
        yield sizes
    finally:
        JournalWriter.sync = sync


def cut(folder, sizes):
    """Lose what a loss of power may lose."""
    for path in (folder / "journal").resolve().glob("*.journal"):
        with path.open("ab") as file:
            file.truncate(sizes.get(path, 0))


def lived(kind, last, durable, rng, folder, store, now, *, is_last):
    """Run one life, and return the time of its end and its result."""
    policies = [last, on_error.retry(2, base="1ms", then=getattr(on_error, last)), "raise"]
    policy = rng.choice(policies[:2] if is_last else policies)
    outside = Outside(rng, *((0.0, 0.0) if is_last else rng.choice([(0.2, 0.0), (0.05, 0.0), (0.1, 0.02)])))
    concurrency = rng.choice([1, 2, 4, 9])
    dag = graph(
        kind,
        sources.journal(feed(rng, folder), folder / "journal", durable=durable),
        outside.answer,
        folder,
        folder,
        policy=policy,
        concurrency=concurrency,
        ttl=rng.choice(["1ms", "20ms", "1h"]),
        durable=durable,
    )
    execution = Execution(rxdag.compile(dag), VirtualClock(now), seed=rng.randrange(100))
    begun(execution, Recovery.of(store, {"every": f"{rng.choice([1, 3, 10, 100])}ms"}, "run"))
    if not is_last:
        execution.main.at(now + rng.randrange(1, 150) * MS, execution.cancel, is_background=True)
    result = settle_virtual(execution)
    assert result.problems == ()
    assert outside.most_open <= concurrency
    return execution.clock.now() + rng.randrange(1, 20) * MS, result


def check(seed, folder):
    """Check one random job, which loses power after each life if its journal is synced; return the number of lives."""
    durable = random.Random(-seed).choice(["written", "synced"])
    rng, store, now = random.Random(seed), checkpoints.memory(), 10**12
    kind, last, lives = rng.choice(KINDS), rng.choice(["skip", "dead"]), 0
    (folder / "journal").mkdir(parents=True)
    with disk() as sizes:
        while True:
            lives += 1
            now, result = lived(kind, last, durable, rng, folder, store, now, is_last=lives > 12)
            if durable == "synced":
                cut(folder, sizes)
            if result.state == "completed":
                break
    reader = sources.journal_reader(folder / "journal", source="ticks")
    again = graph(kind, reader, nobody, folder, folder / "again", policy=last, concurrency=rng.choice([1, 2, 4, 9]))
    testing.run_virtual(again)
    for name in ("out.jsonl", "dead.jsonl"):
        assert (folder / "again" / name).read_bytes() == (folder / name).read_bytes(), (seed, kind, lives)
    return lives


@pytest.mark.parametrize("seed", range(36))
def test_a_replay_gives_what_all_lives_gave_whatever_their_concurrency_failures_and_ends(seed, tmp_path):
    check(seed, tmp_path / "job")
