"""A recorded run is played back: the same items in the same order between sources, at the times of receipt."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import msgspec
import pytest

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources, testing

N = 40


class Quote(msgspec.Struct, frozen=True):
    feed: str
    sequence: int


def feed(name, seed):
    """A feed whose quotes come at random times, as those of a network do."""

    async def quotes() -> AsyncIterator[Quote]:
        random = Random(f"{name} {seed}")
        for sequence in range(N):
            await asyncio.sleep(random.choice([0, 0, 0.0001, 0.0002, 0.0003]))
            yield Quote(name, sequence)

    return sources.async_iterable(quotes, of=Quote)


def race(a, b):
    """Two feeds of the same quotes; of each quote, the first one to arrive wins."""
    merged = rxdag.merge(rxdag.from_source(a, name="a"), rxdag.from_source(b, name="b"))
    first = merged.pipe(ops.dedupe("sequence", within="1h"), name="first")
    return rxdag.Dag(first.to(sinks.collect(), name="out"), name="race")


def recorded_race(folder, seed):
    return race(sources.journal(feed("a", seed), folder), sources.journal(feed("b", seed), folder))


def replayed(folder, seed):
    both = {name: sources.journal_reader(folder, source=name) for name in ("a", "b")}
    return testing.run(recorded_race(folder, seed), replace=both, seed=seed + 1_000)["out"]


def test_of_two_feeds_the_same_one_wins_each_quote_again_100_of_100(tmp_path):
    winners = set()
    for seed in range(100):
        folder = tmp_path / str(seed)
        live = testing.run(recorded_race(folder, seed), seed=seed)["out"]
        assert [quote.sequence for quote in live] == sorted(range(N)), seed
        assert replayed(folder, seed) == live, seed
        winners.add(sum(quote.feed == "a" for quote in live))
    assert len(winners) > 5


def test_a_run_on_the_real_event_loop_comes_again_10_of_10(tmp_path):
    for seed in range(10):
        folder = tmp_path / str(seed)
        live = rxdag.run(recorded_race(folder, seed))["out"]
        assert sorted(quote.sequence for quote in live) == list(range(N)), seed
        assert replayed(folder, seed) == live, seed


def test_without_the_recorded_order_another_feed_would_win(tmp_path):
    live = testing.run(recorded_race(tmp_path, 1), seed=1)["out"]
    both = {name: sources.iterable([Quote(name, i) for i in range(N)]) for name in ("a", "b")}
    assert testing.run(recorded_race(tmp_path, 1), replace=both)["out"] != live


def test_items_come_at_their_times_of_receipt(tmp_path):
    path = tmp_path / "journal"
    beats = rxdag.from_source(sources.journal(sources.interval("10s", count=3), path), name="beats")
    testing.run_virtual(beats.to(sinks.null(), name="out"))
    replay = rxdag.from_source(sources.journal_reader(path), name="beats").pipe(ops.timestamp())
    stamped = testing.run_virtual(replay.to(sinks.collect(), name="out"))["out"]
    assert [(each.value, each.ts) for each in stamped] == [(0, 10**10), (1, 2 * 10**10), (2, 3 * 10**10)]


def test_a_run_can_be_stepped_through(tmp_path):
    path = tmp_path / "journal"
    beats = rxdag.from_source(sources.journal(sources.interval("10s", count=3), path), name="beats")
    testing.run_virtual(beats.to(sinks.null(), name="out"))
    dag = rxdag.Dag(beats.to(sinks.collect(), name="out")).replace({"beats": sources.journal_reader(path)})
    run = testing.start(dag)
    seen = []
    for _ in range(3):
        run.settle()
        seen.append(run.seen("out"))
        run.advance("10s")
    assert seen == [[0], [0, 1], [0, 1, 2]]
    assert run.finish().state == "completed"


@pytest.mark.parametrize("start", [1_796_028_504_073_975_451, 253_402_300_799_000_000_001])
def test_virtual_time_keeps_nanoseconds_far_from_the_epoch(start):
    from rxdag.engine.drivers import VirtualClock, VirtualLoop

    clock = VirtualClock(start)
    loop = VirtualLoop(clock)
    seen = []
    for delay in (1e-9, 3e-9, 50e-9):
        loop.call_later(delay, lambda: seen.append(clock.now() - start))
    loop.call_later(60e-9, loop.stop)
    loop.run_forever()
    loop.close()
    assert seen == [1, 3, 50]
