"""Breakers, budgets, names and fail-over: each in virtual time."""

import asyncio
import random
from itertools import pairwise

import pytest

from rxdag.engine.drivers import VirtualClock, VirtualLoop
from rxdag.errors import GraphError, RxDagError, SourceError
from rxdag.orchestration import (
    CircuitBreaker,
    CircuitOpen,
    Feedback,
    FeedbackPolicy,
    RateCoordinator,
    SimulatedProvider,
    SourceRegistry,
    SourceRouter,
    TokenBucket,
)

S = 1_000_000_000


def in_virtual_time(main):
    """Run `main(clock)` on a loop whose time moves only when nothing is left to do."""
    clock = VirtualClock()
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main(clock))


class TestCircuitBreaker:
    def test_opens_after_so_many_failures_in_a_row(self):
        breaker = CircuitBreaker(3, "10s", clock=VirtualClock())
        for _ in range(2):
            breaker.failed()
        breaker.succeeded()
        for _ in range(2):
            breaker.failed()
        assert breaker.state == "closed"
        breaker.failed()
        assert breaker.state == "open"
        with pytest.raises(CircuitOpen, match="failed 3 times in a row.*next trial is in 10 s"):
            breaker.enter()

    def test_half_open_lets_one_trial_through_and_no_other(self):
        clock = VirtualClock()
        breaker = CircuitBreaker(1, "10s", clock=clock)
        breaker.failed()
        clock.advance_to(10 * S)
        assert breaker.state == "half_open"
        breaker.enter()
        with pytest.raises(CircuitOpen, match="a trial is under way"):
            breaker.enter()
        breaker.succeeded()
        assert breaker.state == "closed"
        breaker.enter()
        breaker.enter()

    def test_a_trial_that_fails_opens_it_for_the_whole_time_again(self):
        clock = VirtualClock()
        breaker = CircuitBreaker(5, "10s", clock=clock)
        for _ in range(5):
            breaker.failed()
        clock.advance_to(10 * S)
        breaker.enter()
        breaker.failed()
        assert breaker.opens_in() == 10 * S
        clock.advance_to(20 * S)
        assert breaker.may_try()

    def test_all_trials_must_succeed(self):
        clock = VirtualClock()
        breaker = CircuitBreaker(1, "1s", trials=2, clock=clock)
        breaker.failed()
        clock.advance_to(S)
        breaker.enter()
        breaker.succeeded()
        assert breaker.state == "half_open"
        breaker.enter()
        breaker.succeeded()
        assert breaker.state == "closed"

    def test_as_a_block_it_counts_errors_and_gives_a_cancelled_trial_back(self):
        clock = VirtualClock()
        breaker = CircuitBreaker(1, "1s", clock=clock)
        with pytest.raises(ValueError), breaker:
            raise ValueError
        clock.advance_to(S)
        with pytest.raises(asyncio.CancelledError), breaker:
            raise asyncio.CancelledError
        assert breaker.may_try()
        with breaker:
            pass
        assert breaker.state == "closed"

    @pytest.mark.parametrize("bad", [{"threshold": 0}, {"trials": True}, {"timeout": "0s"}])
    def test_bad_arguments(self, bad):
        with pytest.raises(GraphError, match=next(iter(bad))):
            CircuitBreaker(**bad)


class TestTokenBucket:
    def test_gives_its_rate_and_no_more(self):
        bucket = TokenBucket(2, 10, 0)
        assert [bucket.take(1, 0) for _ in range(3)] == [0, 0, S // 10]
        assert bucket.take(1, S // 10) == 0
        assert bucket.tokens(100 * S) == 2

    def test_over_any_time_no_more_than_burst_and_rate(self):
        bucket, now, taken = TokenBucket(5, 7, 0), 0, 0
        while now < 60 * S:
            wait = bucket.take(1, now)
            taken += wait == 0
            now += wait or 0
        assert 5 + 7 * 60 - 1 <= taken <= 5 + 7 * 60

    def test_a_scale_of_nothing_is_a_pause(self):
        bucket = TokenBucket(2, 10, 0)
        bucket.set_scale(0, 0)
        assert bucket.take(1, 1000 * S) is None
        bucket.set_scale(0.5, 1000 * S)
        assert [bucket.take(1, 1000 * S) for _ in range(3)] == [0, 0, S // 5]

    def test_a_clock_that_goes_back_gives_nothing(self):
        bucket = TokenBucket(1, 1, 10 * S)
        assert bucket.take(1, 10 * S) == 0
        assert bucket.take(1, 0) == S


class TestRateCoordinator:
    def test_calls_are_served_in_order_at_the_rate(self):
        async def main(clock):
            rates = RateCoordinator(clock)
            rates.register_provider("p", capacity=1, refill_rate=2)
            served = []

            async def ask(n):
                await rates.acquire("p")
                served.append((n, clock.now() / S))

            await asyncio.gather(*(ask(n) for n in range(4)))
            return served

        assert in_virtual_time(main) == [(0, 0), (1, 0.5), (2, 1.0), (3, 1.5)]

    def test_a_scale_of_0_pauses_those_that_wait_until_it_is_lifted(self):
        async def main(clock):
            rates = RateCoordinator(clock)
            rates.register_provider("p", capacity=1, refill_rate=1)
            changes = []
            rates.on_scale = lambda *change: changes.append(change)
            await rates.acquire("p")
            rates.set_scale("p", 0)
            asker = asyncio.create_task(rates.acquire("p"))
            await asyncio.sleep(3600)
            assert not asker.done()
            assert rates.state("p").waiting == 1
            rates.set_scale("p", 1.0)
            await asker
            return clock.now() / S, changes

        assert in_virtual_time(main) == (3601, [("p", 0.0), ("p", 1.0)])

    def test_a_cooldown_gives_nothing_out(self):
        async def main(clock):
            rates = RateCoordinator(clock)
            rates.register_provider("p", cooldown="10m")
            rates.trigger_cooldown("p")
            assert rates.state("p").cooldown_ns == 600 * S
            await rates.acquire("p")
            return clock.now() / S

        assert in_virtual_time(main) == 600

    def test_an_open_circuit_refuses_at_once(self):
        async def main(clock):
            rates = RateCoordinator(clock)
            rates.register_provider("p", breaker_threshold=1)
            rates.breaker("p").failed()
            with pytest.raises(CircuitOpen, match='provider "p"'):
                await rates.acquire("p")
            return rates.state("p").circuit

        assert in_virtual_time(main) == "open"

    def test_while_it_is_half_open_one_call_is_let_through(self):
        async def main(clock):
            rates = RateCoordinator(clock)
            rates.register_provider("p", breaker_threshold=1, breaker_timeout="10s")
            rates.breaker("p").failed()
            await asyncio.sleep(10)
            await rates.acquire("p")
            with pytest.raises(CircuitOpen, match="a trial is under way"):
                await rates.acquire("p")
            rates.breaker("p").succeeded()
            await rates.acquire("p")

        in_virtual_time(main)

    def test_items_within_a_rate(self):
        async def main(clock):
            rates = RateCoordinator(clock)
            rates.register_provider("p", capacity=1, refill_rate=2)
            return [(item, clock.now() / S) async for item in rates.limited("p", Scripted(1, 2, 3).stream())]

        assert in_virtual_time(main) == [(1, 0), (2, 0.5), (3, 1.0)]

    def test_what_can_never_be_had_is_an_error(self):
        async def main(clock):
            rates = RateCoordinator(clock)
            rates.register_provider("polygon", capacity=5)
            with pytest.raises(GraphError, match=r'within the capacity of "polygon", 5, got 6'):
                await rates.acquire("polygon", 6)
            with pytest.raises(GraphError, match='did you mean "polygon"'):
                await rates.acquire("poligon")
            with pytest.raises(GraphError, match="scale must be 0 to 1, got 2"):
                rates.set_scale("polygon", 2)

        in_virtual_time(main)


class TestFeedback:
    def play(self, policy, pressures, step_s=1):
        """Decisions at regular times."""
        feedback = Feedback(policy)
        return [feedback.update(p, i * step_s * S) for i, p in enumerate(pressures)]

    def test_levels_and_scales(self):
        policy = FeedbackPolicy(soft=0.5, hard=0.8, release=0.8, hold="1s", ramp="3s")
        made = self.play(policy, [0.4, 0.5, 0.45, 0.8, 0.7, 0.6, 0.39])
        assert [d.level for d in made] == ["ok", "soft", "soft", "hard", "hard", "soft", "ok"]
        assert [d.scale for d in made[:5]] == [1.0, 0.5, 0.5, 0.0, 0.0]

    @pytest.mark.parametrize("seed", range(20))
    def test_noise_around_a_threshold_changes_the_level_at_most_once_in_a_hold(self, seed):
        rng = random.Random(seed)
        policy = FeedbackPolicy(hold="5s", ramp="30s", floor=0.1)
        around = rng.choice([0.4, 0.5, 0.64, 0.8])
        made = self.play(policy, [around + rng.uniform(-0.3, 0.3) for _ in range(3000)], step_s=0.2)
        changes = [b.at for a, b in pairwise(made) if a.level != b.level]
        assert all(b - a >= 5 * S for a, b in pairwise(changes))
        assert all(0.1 <= d.scale <= 1 for d in made)

    @pytest.mark.parametrize("seed", range(20))
    def test_it_is_back_at_full_rate_within_the_ramp_after_the_pressure_has_ended(self, seed):
        rng = random.Random(seed)
        hold, ramp = rng.choice([(1, 4), (5, 30), (10, 11)])
        policy = FeedbackPolicy(hold=f"{hold}s", ramp=f"{ramp}s")
        load = [rng.uniform(0, 1) for _ in range(200)]
        made = self.play(policy, load + [0.0] * ((ramp + 2) * 10), step_s=0.1)
        ended = 200 * S // 10
        assert next(d.scale for d in made if d.at >= ended + ramp * S) == 1.0
        rising = [d.scale for d in made if d.at >= ended]
        first = next(i for i, d in enumerate(made) if d.at >= ended and d.level == "ok")
        assert all(a <= b for a, b in pairwise([d.scale for d in made[first:]]))
        assert rising[-1] == 1.0

    @pytest.mark.parametrize(
        ("bad", "said"),
        [({"soft": 0.9}, "soft < hard"), ({"release": 0}, "release"), ({"hard_scale": 0.7}, "hard_scale"),
         ({"floor": 2}, "floor"), ({"ramp": "1s"}, "ramp must be longer than hold")],
    )  # fmt: skip
    def test_bad_policies(self, bad, said):
        with pytest.raises(GraphError, match=said):
            FeedbackPolicy(**bad)


class Scripted:
    """A source that gives what its script says, and counts its lives."""

    def __init__(self, *script):
        self.script = script
        self.lives = 0
        self.closed = 0

    def __call__(self):
        self.lives += 1
        return self

    async def stream(self):
        for act in self.script:
            if isinstance(act, Exception):
                raise act
            if isinstance(act, float):
                await asyncio.sleep(act)
            else:
                yield act

    async def close(self):
        self.closed += 1


class TestSourceRouter:
    def test_the_next_source_takes_over_and_the_first_is_tried_again(self):
        async def main(clock):
            bad, good = Scripted(1, ValueError("lost")), Scripted(2, 20.0, 3, ValueError("too"))
            events = []
            router = SourceRouter(
                {"a": bad, "b": good},
                breaker_timeout="10s",
                clock=clock,
                on_event=lambda e: events.append((e.kind, e.source)),
            )
            got = []
            items = router.stream()
            async for item in items:
                got.append(item)
                if len(got) == 5:
                    break
            await items.aclose()
            assert (bad.lives, bad.closed, good.lives, good.closed) == (3, 3, 1, 1)
            return got, events

        got, events = in_virtual_time(main)
        # a is left alone for 10 s; b fails at 20 s, when a may be tried again; at 30 s both may, and a goes first
        assert got == [1, 2, 3, 1, 1]
        assert events == [
            ("using", "a"), ("failed", "a"), ("using", "b"), ("failed", "b"), ("using", "a"), ("failed", "a"),
            ("waiting", ""), ("using", "a"),
        ]  # fmt: skip

    def test_silence_is_a_failure(self):
        async def main(clock):
            router = SourceRouter({"a": Scripted(1, 1e6, 9), "b": Scripted(2)}, silent_after="5s", clock=clock)
            return [item async for item in router.stream()], clock.now() / S

        assert in_virtual_time(main) == ([1, 2], 5)

    def test_given_up_after_so_many_failures_without_an_item(self):
        async def main(clock):
            sources = {"a": Scripted(ValueError("one")), "b": Scripted(OSError("two"))}
            router = SourceRouter(sources, rounds=4, clock=clock)
            with pytest.raises(SourceError, match="all sources failed, 4 times in a row: a: one; b: two"):
                [item async for item in router.stream()]
            assert [source.lives for source in sources.values()] == [2, 2]

        in_virtual_time(main)

    def test_a_source_that_ends_ends_the_stream(self):
        async def main(clock):
            other = Scripted(9)
            router = SourceRouter({"a": Scripted(1, 2), "b": other}, clock=clock)
            return [item async for item in router.stream()], other.lives

        assert in_virtual_time(main) == ([1, 2], 0)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (({},), "takes one source or more"),
            (({"a": 3},), 'source "a" must be a function'),
        ],
    )
    def test_bad_arguments(self, arguments, said):
        with pytest.raises(GraphError, match=said):
            SourceRouter(*arguments)


class TestSourceRegistry:
    def test_names(self):
        registry = SourceRegistry()
        registry.register("mine", Scripted)
        assert registry.names == ("synthetic", "mine")
        assert registry.load("mine") is Scripted
        with pytest.raises(GraphError, match='did you mean "mine"'):
            registry.load("mines")
        with pytest.raises(GraphError, match="must be a class or a function"):
            registry.register("x", 3)

    def test_an_announced_source_that_does_not_load_says_why_when_it_is_asked_for(self, monkeypatch):
        class Entry:
            name = "broken"

            def load(self):
                raise ImportError("no such module")

        monkeypatch.setattr(
            "importlib.metadata.entry_points", lambda group: [Entry()] if group == "rxdag.sources" else []
        )
        registry = SourceRegistry()
        assert registry.discover() == ()
        with pytest.raises(RxDagError, match='"broken" has an entry point that could not be loaded: no such module'):
            registry.load("broken")


class TestSimulatedProvider:
    def test_quotes_of_every_symbol_in_turn(self):
        async def main(clock):
            quotes = []
            source = SimulatedProvider(["A", "B"], ticks_per_sec=4, seed=1)
            async for quote in source.stream():
                quotes.append(quote)
                if len(quotes) == 5:
                    await source.close()
            return quotes, clock.now() / S

        quotes, seconds = in_virtual_time(main)
        assert [quote.symbol for quote in quotes[:4]] == ["A", "B", "A", "B"]
        assert all(quote.bid < quote.price < quote.ask for quote in quotes)
        assert seconds == 1.5

    @pytest.mark.parametrize("bad", ["AAPL", [], None])
    def test_symbols_must_be_a_list(self, bad):
        with pytest.raises(GraphError, match="symbols must be a list"):
            SimulatedProvider(bad)
