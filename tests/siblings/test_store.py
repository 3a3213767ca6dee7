"""market-data-store with a real PostgreSQL: nothing is lost, nothing hangs."""

import asyncio

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, windows
from rxdag import operators as ops
from rxdag.adapters import market_data
from rxdag.errors import GraphError, NodeError

ROW = {"tenant_id": "t", "vendor": "v", "timeframe": "1s"}
PRICES = ("open_price", "high_price", "low_price", "close_price", "volume")


@pytest.fixture
async def table(database):
    """Both tables, empty; gives what asks the database."""
    import psycopg

    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        for name in ("bars", "bars_ohlcv"):
            await connection.execute(f"DROP TABLE IF EXISTS {name}")
            await connection.execute(market_data.store_ddl(name))

        async def ask(query):
            return await (await connection.execute(query)).fetchall()

        yield ask


def rows(n, **changes):
    from datetime import UTC, datetime, timedelta

    start = datetime(2024, 8, 8, tzinfo=UTC)
    prices = dict.fromkeys(PRICES, 1)
    return [{"ts": start + timedelta(seconds=i), "symbol": "A"} | ROW | prices | changes for i in range(n)]


def amds(database):
    from market_data_store.sinks import BarsSink
    from mds_client import AMDS

    return BarsSink(AMDS({"dsn": database, "tenant_id": "t"}))


def coordinator(database, **options):
    from market_data_store.coordinator import WriteCoordinator

    return WriteCoordinator(sink=amds(database), **{"workers": 2, "batch_size": 100, "flush_interval": 0.02} | options)


async def run(source, sink):
    out = rxdag.wrap(source).to(sink, name="store")
    return await rxdag.run_async(out)


class TestBarsSink:
    async def test_rows_with_empty_columns_and_more_than_5000(self, database, table):
        data = [*rows(6000), {**rows(1)[0], "symbol": "B", "volume": None, "open_price": None}]
        result = await run(data, market_data.store_sink(amds(database)))
        assert result["store"] == 6001
        assert result.problems == ()
        assert await table("SELECT count(*), count(open_price), count(volume) FROM bars") == [(6001, 6000, 6000)]

    async def test_written_twice_is_there_once(self, database, table):
        for volume in (1, 2):
            await run(rows(10, volume=volume), market_data.store_sink(amds(database)))
        assert await table("SELECT count(*), sum(volume) FROM bars") == [(10, 20)]

    async def test_a_bad_row_alone_goes_to_dead(self, database, table):
        data = rows(50)
        data[20]["volume"] = 10**30
        out = rxdag.wrap(data).to(
            market_data.store_sink(lambda: amds(database), max_items=25), on_error=on_error.dead, name="store"
        )
        dead = out.dead.to(sinks.collect(), name="dead")
        result = await rxdag.run_async(out, dead)
        assert [letter.item["volume"] for letter in result["dead"]] == [10**30]
        assert await table("SELECT count(*) FROM bars") == [(49,)]


class TestCoordinator:
    async def test_started_drained_and_stopped(self, database, table):
        made = coordinator(database, capacity=50)
        result = await run(rows(2000), market_data.store_sink(made))
        assert result["store"] == 2000
        assert await table("SELECT count(*) FROM bars") == [(2000,)]
        assert made.health().workers_alive == 0

    async def test_one_that_runs_already_goes_on(self, database, table):
        async with coordinator(database) as made:
            await run(rows(100), market_data.store_sink(made))
            assert made.health().workers_alive == 2
        assert await table("SELECT count(*) FROM bars") == [(100,)]

    @pytest.mark.parametrize("is_theirs", [False, True])
    async def test_workers_that_were_idle_write_what_comes_then(self, is_theirs):
        from market_data_store.coordinator import WriteCoordinator

        written = []

        class Kept:
            async def write(self, batch):
                written.extend(batch)

        made = WriteCoordinator(sink=Kept(), workers=2, flush_interval=0.01)
        if is_theirs:
            await made.start()
            await asyncio.sleep(0.05)

        async def rare():
            for i in range(3):
                yield {"i": i}
                await asyncio.sleep(0.05)

        assert (await run(rare(), market_data.store_sink(made, max_items=1, timeout="5s")))["store"] == 3
        if is_theirs:
            await made.stop()
        assert sorted(row["i"] for row in written) == [0, 1, 2]

    async def test_its_queue_is_what_the_graph_waits_for(self, database, table):
        """No more is under way than the coordinator's queue, its workers' batches and the gate hold."""
        from market_data_store.coordinator import WriteCoordinator

        read, written, ahead, queued = 0, 0, 0, 0

        class Slow:
            async def write(self, batch):
                nonlocal written, ahead, queued
                ahead, queued = max(ahead, read - written), max(queued, made.health().queue_size)
                written += len(batch)
                await asyncio.sleep(0)

        made = WriteCoordinator(sink=Slow(), capacity=20, workers=1, batch_size=10, flush_interval=0.01)

        def look(item):
            nonlocal read
            read += 1
            return item

        stream = rxdag.wrap(range(5_000)).pipe(ops.map(look)).buffered(max_items=50)
        out = stream.to(market_data.store_sink(made, row=lambda i: {"i": i}, max_items=10), name="store")
        assert (await rxdag.run_async(out))["store"] == written == 5_000
        assert queued <= 20
        assert ahead <= 50 + 2 * 10 + 20 + 10 + 50  # gate, batches being gathered and written, queue, worker, in flight

    @pytest.mark.parametrize("capacity", [5, 10_000])
    async def test_a_fatal_write_ends_the_run_with_its_cause_and_does_not_hang(self, capacity):
        class Broken:
            async def write(self, batch):
                raise ValueError("relation does not exist")

        from market_data_store.coordinator import WriteCoordinator

        made = WriteCoordinator(sink=Broken(), capacity=capacity, workers=2, batch_size=5, flush_interval=0.01)
        with pytest.raises(NodeError, match="relation does not exist"):
            await run(rows(3000), market_data.store_sink(made))
        assert made.health().workers_alive == 0

    async def test_a_write_that_fails_for_a_while_is_retried_by_the_coordinator(self, database, table):
        real, failures = amds(database), []

        class Flaky:
            async def write(self, batch):
                if len(failures) < 3:
                    failures.append(1)
                    raise TimeoutError("timeout")
                await real.write(batch)

        from market_data_store.coordinator import RetryPolicy, WriteCoordinator

        made = WriteCoordinator(sink=Flaky(), workers=1, retry_policy=RetryPolicy(initial_backoff_ms=1))
        assert (await run(rows(300), market_data.store_sink(made)))["store"] == 300
        assert await table("SELECT count(*) FROM bars") == [(300,)]


class TestClient:
    def bar(self, data):
        prices = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0}
        return {"provider": "p", "symbol": data["symbol"], "interval": "1s", "ts": data["ts"]} | prices

    async def test_more_than_two_copies_would_take(self, database, table):
        from datastore import AsyncStoreClient

        sink = market_data.store_sink(lambda: AsyncStoreClient(database), row=self.bar, max_items=999)
        assert (await run(rows(6000), sink))["store"] == 6000
        assert await table("SELECT count(*) FROM bars_ohlcv") == [(6000,)]

    async def test_an_entered_one_is_left_open_and_a_failed_transaction_rolled_back(self, database, table):
        from datastore import AsyncStoreClient

        data = rows(20)
        data[7]["ts"] = "never"
        async with AsyncStoreClient(database) as client:
            out = rxdag.wrap(data).to(
                market_data.store_sink(client, row=self.bar, max_items=10), on_error=on_error.dead, name="store"
            )
            dead = out.dead.to(sinks.collect(), name="dead")
            result = await rxdag.run_async(out, dead)
            assert len(result["dead"]) == 1
            await client.write_bars([])
        assert await table("SELECT count(*) FROM bars_ohlcv") == [(19,)]


async def test_ticks_to_bars_to_the_database(database, table):
    trades = rxdag.from_source(sources.simulated_trades(seed=1, trades=5000), name="trades")
    bars = (
        trades.pipe(ops.event_time("trade_ms", unit="ms", sequence="trade_id", out_of_order="5s"))
        .pipe(ops.key_by("venue", "symbol"))
        .pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")))
    )
    kept = bars.to(sinks.collect(), name="kept")
    row = market_data.store_bar(tenant_id="t", vendor="simulated", timeframe="1s")
    by_venue = lambda pane: {**row(pane), "vendor": pane.key[0]}  # noqa: E731
    out = bars.to(market_data.store_sink(amds(database), row=by_venue), name="store")
    result = await rxdag.run_async(out, kept)
    stored = await table("SELECT vendor, symbol, ts, open_price, close_price FROM bars ORDER BY 1, 2, 3")
    expected = sorted(
        (*pane.key, market_data._items.utc(pane.start), pane.value.open, pane.value.close) for pane in result["kept"]
    )
    assert stored == expected
    assert len(stored) > 50


def test_bad_arguments():
    with pytest.raises(GraphError, match="takes a WriteCoordinator"):
        market_data.store_sink(3)
    with pytest.raises(GraphError, match="max_items must be 1 to 999, since the store's COPY fails above it, got 5000"):
        market_data.store_sink(lambda: None, max_items=5000)
    with pytest.raises(GraphError, match='must be "bars" or "bars_ohlcv"'):
        market_data.store_ddl("news")
