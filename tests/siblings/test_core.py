"""market-data-core and -ibkr: providers as sources, items and feedback both ways."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import market, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.adapters import market_data
from rxdag.errors import GraphError
from rxdag.orchestration import RateCoordinator

START = datetime(2024, 8, 8, 12, 0)  # noqa: DTZ001  # naive, as core's are


def quotes(n, **changes):
    from market_data_core import Quote

    return [
        Quote(symbol="A", bid=Decimal(i), timestamp=START + timedelta(seconds=i)).model_copy(update=changes)
        for i in range(n)
    ]


class Provider:
    """As core's protocol says; counts its lives."""

    def __init__(self, items=()):
        self.items, self.log, self.asked = items, [], None

    async def stream_quotes(self, instruments):
        self.asked = instruments
        try:
            for item in self.items:
                await asyncio.sleep(0)
                yield item
        finally:
            self.log.append("left")

    async def stream_bars(self, resolution, instruments):
        yield (resolution, [instrument.symbol for instrument in instruments])

    async def close(self):
        self.log.append("close")


class TestProviders:
    def test_times_are_aware_and_symbols_are_instruments(self):
        provider = Provider(quotes(3))
        got = rxdag.from_source(market_data.provider_source(provider, ["A", "B"])).collect()
        assert [quote.timestamp for quote in got] == [
            START.replace(tzinfo=UTC) + timedelta(seconds=i) for i in range(3)
        ]
        assert [instrument.symbol for instrument in provider.asked] == ["A", "B"]
        assert provider.log == ["left"]

    def test_bars_have_a_resolution(self):
        source = market_data.provider_source(Provider(), ["A"], kind="bars", resolution="5s")
        assert rxdag.from_source(source).collect() == [("5s", ["A"])]

    def test_one_that_is_made_is_closed(self):
        made = []
        source = market_data.provider_source(lambda: made.append(Provider(quotes(2))) or made[-1], ["A"])
        assert len(rxdag.from_source(source).head(1)) == 1
        assert made[0].log == ["left", "close"]

    def test_what_says_nothing_new_is_dropped_and_counted(self):
        polled = [quote for quote in quotes(4) for _ in range(3)]
        stream = rxdag.from_source(market_data.provider_source(Provider(polled), ["A"], changes_only=True), name="q")
        result = rxdag.run(out := stream.to(sinks.collect()))
        assert [quote.bid for quote in result[out]] == [0, 1, 2, 3]
        assert result.stats.nodes["q"].dropped == {"unchanged": 8}
        assert result.problems == ()

    def test_event_time(self):
        stream = rxdag.from_source(market_data.provider_source(Provider(quotes(6)), ["A"]))
        bars = stream.pipe(ops.event_time(market_data.event_ns)).pipe(
            ops.window_all(windows.tumbling("2s"), agg.count())
        )
        assert [pane.value for pane in bars.collect()] == [2, 2, 2]

    @pytest.mark.parametrize(
        ("arguments", "options", "said"),
        [
            ((3, ["A"]), {}, "takes a provider with stream_quotes"),
            ((Provider(), "A"), {}, "instruments must be a list"),
            ((Provider(), []), {}, "instruments must be a list"),
            ((Provider(), ["A"]), {"kind": "news"}, 'kind must be "quotes", "bars" or "trades"'),
        ],
    )
    def test_bad_arguments(self, arguments, options, said):
        with pytest.raises(GraphError, match=said):
            market_data.provider_source(*arguments, **options)


class FakeIb:
    """What IBKRProvider asks of a session: tickers that change when they are told to."""

    def __init__(self):
        self.tickers, self.cancelled = {}, []

    def reqMktData(self, contract, *_):
        from types import SimpleNamespace

        ticker = SimpleNamespace(bid=1.0, ask=2.0, last=1.5, bidSize=1, askSize=1, volume=1, contract=contract)
        self.tickers[contract.symbol] = ticker
        return ticker

    def cancelMktData(self, contract):
        self.cancelled.append(contract)

    def isConnected(self):
        return True


class FakeSession:
    def __init__(self):
        self.ib = FakeIb()

    async def connect(self): ...
    async def ensure_connected(self): ...
    async def disconnect(self): ...


class TestIbkr:
    def provider(self):
        from market_data_ibkr import IBKRProvider, IBKRSettings

        provider = IBKRProvider(IBKRSettings())
        provider.session = FakeSession()
        return provider

    async def test_quotes_that_change_and_subscriptions_that_end(self):
        provider = self.provider()
        stream = rxdag.from_source(market_data.ibkr_source(provider, ["A"]), name="ibkr")
        got = []
        async with contextlib.aclosing(aiter(stream)) as items:
            async for quote in items:
                got.append(quote)
                provider.session.ib.tickers["A"].last += 1
                if len(got) == 3:
                    break
        assert [quote.last for quote in got] == [Decimal("1.5"), Decimal("2.5"), Decimal("3.5")]
        assert got[0].timestamp.tzinfo is UTC
        assert provider._quote_subscriptions == {}

    def test_settings_make_a_provider(self):
        source = market_data.ibkr_source({"port": 4002, "client_id": 3}, ["A"])
        assert source.is_entered
        assert source.provider().settings.client_id == 3

    @pytest.mark.parametrize("kind", ["bars", "trades"])
    def test_what_does_not_work_says_so(self, kind):
        with pytest.raises(GraphError, match=f"stream_{kind} of market-data-ibkr 1.1.7 does not work"):
            market_data.ibkr_source(self.provider(), ["A"], kind=kind)


class TestItems:
    def test_a_trade_there_and_back(self):
        trade = market.Trade(7, 1000, 1000, "X", "A", 3, 1.25, 2.0, True)
        core = market_data.core_trade(trade)
        assert (core.symbol, core.price, core.size, core.exchange) == ("A", Decimal("1.25"), 2, "X")
        back = market_data.from_core(core)
        assert (back.trade_ms, back.venue, back.symbol, back.price, back.qty) == (1000, "X", "A", 1.25, 2.0)

    def test_a_part_of_a_share_is_no_core_trade(self):
        with pytest.raises(ValueError, match="qty must be a whole number"):
            market_data.core_trade(market.Trade(7, 1000, 1000, "X", "A", 3, 1.25, 0.5, True))

    def test_a_bar_there_and_back(self):
        pane_of = ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty"))
        trades = rxdag.from_source(sources.simulated_trades(seed=1, trades=100))
        panes = (
            trades.pipe(ops.event_time("trade_ms", unit="ms", out_of_order="5s"))
            .pipe(ops.key_by("symbol"))
            .pipe(pane_of)
        )
        pane = panes.head(1)[0]
        core = market_data.core_bar("1s")(pane)
        assert (core.symbol, core.resolution) == (pane.key, "1s")
        assert core.ts == datetime.fromtimestamp(pane.end / 1e9, UTC)
        back = market_data.from_core(core)
        assert (back.start, back.open, back.close) == (market.iso_utc(pane.start), pane.value.open, pane.value.close)

    def test_others(self):
        with pytest.raises(GraphError, match="takes a Trade or a Bar"):
            market_data.from_core(3)
        with pytest.raises(TypeError, match="takes an item of market-data-core"):
            market_data.event_ns(3)


class TestFeedback:
    def test_events_both_ways(self):
        for level in ("ok", "soft", "hard"):
            event = market_data.feedback_event("gate", 80, 100, level)
            assert (event.coordinator_id, event.queue_size, event.capacity, event.source) == ("gate", 80, 100, "rxdag")
            assert market_data.level_of(event) == level
            assert market_data.level_of(market_data.rate_adjustment("ibkr", 0.5, level)) == level
        with pytest.raises(GraphError, match="takes a FeedbackEvent"):
            market_data.level_of(3)

    async def test_adjustments_are_applied(self):
        rates = RateCoordinator()
        rates.register_provider("ibkr")
        controller = market_data.RateController(rates)
        await controller.apply(market_data.rate_adjustment("ibkr", 0.0, "hard"))
        assert rates.state("ibkr").scale == 0.0

    def test_the_bus_of_the_store_as_a_stream(self):
        from market_data_store.coordinator import BackpressureLevel
        from market_data_store.coordinator.feedback import FeedbackBus, FeedbackEvent

        bus = FeedbackBus()
        run = testing.start(out := rxdag.wrap(bus, overflow="drop_oldest").to(sinks.collect()))
        run.settle()
        asyncio.run(bus.publish(FeedbackEvent.create("c", 9, 10, BackpressureLevel.hard)))
        assert [market_data.level_of(event) for event in run.finish()[out]] == ["hard"]
