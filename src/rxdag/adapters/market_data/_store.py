"""market-data-store as a sink: its coordinator, its bars sink, its client."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, Final, Literal

from rxdag.adapters._async_iterators import awaited, called
from rxdag.adapters.market_data._items import symbol_of, utc
from rxdag.contract import BadProgram, Duration, OnError, OnErrorName, Pane, Sink, check_arguments, check_function
from rxdag.errors import GraphError, SourceError, shown
from rxdag.sinks import batched, fields_of

_WATCH_S: Final = 0.01
_LEAST_WAIT_S: Final = 0.001
_MOST: Final = 999
"""Largest batch that the store's clients write with INSERT; their COPY fails, or works only once per transaction."""

_DDL: Final = {
    "bars": """\
CREATE TABLE IF NOT EXISTS bars (
    ts timestamptz NOT NULL,
    tenant_id text NOT NULL,
    vendor text NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    open_price double precision,
    high_price double precision,
    low_price double precision,
    close_price double precision,
    volume bigint,
    PRIMARY KEY (ts, tenant_id, vendor, symbol, timeframe)
);
""",
    "bars_ohlcv": """\
CREATE TABLE IF NOT EXISTS bars_ohlcv (
    provider text NOT NULL,
    symbol text NOT NULL,
    "interval" text NOT NULL,
    ts timestamptz NOT NULL,
    open double precision,
    high double precision,
    low double precision,
    close double precision,
    volume double precision,
    PRIMARY KEY (provider, symbol, "interval", ts)
);
""",
}


def store_ddl(table: Literal["bars", "bars_ohlcv"], /) -> str:
    """Return the SQL that creates a table of market-data-store; the package has none.

    Args:
        table: "bars" for BarsSink and AMDS, or "bars_ohlcv" for AsyncStoreClient.

    Raises:
        GraphError: If it is neither.
    """
    if table not in _DDL:
        raise GraphError(f'store_ddl: table must be "bars" or "bars_ohlcv", got {shown(table)}')
    return _DDL[table]


def store_bar(*, tenant_id: str, vendor: str, timeframe: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function from panes of `agg.ohlcv` to rows of table "bars", for `row` of `store_sink`.

    The key of a pane is the symbol, or a tuple that ends with it. The `ts` of a row is the start of the bar. The volume
    is truncated to a whole number, as the store requires.

    Args:
        tenant_id: Value of that column.
        vendor: Value of that column.
        timeframe: Value of that column, such as "1s".
    """

    def row(pane: Pane[Any, Any]) -> dict[str, Any]:
        bar = pane.value
        return {
            "ts": utc(pane.start),
            "tenant_id": tenant_id,
            "vendor": vendor,
            "symbol": symbol_of(pane).upper(),
            "timeframe": timeframe,
            "open_price": bar.open,
            "high_price": bar.high,
            "low_price": bar.low,
            "close_price": bar.close,
            "volume": int(bar.volume),
        }

    return row


def ohlcv_bar(*, provider: str, interval: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function from panes of `agg.ohlcv` to rows of table "bars_ohlcv", for `row` of `store_sink`.

    Args:
        provider: Value of that column.
        interval: Value of that column, such as "1s".
    """

    def row(pane: Pane[Any, Any]) -> dict[str, Any]:
        bar = pane.value
        prices = {name: getattr(bar, name) for name in ("open", "high", "low", "close", "volume")}
        symbol = symbol_of(pane)
        return {"provider": provider, "symbol": symbol, "interval": interval, "ts": utc(pane.start), **prices}

    return row


class _Row(dict[str, Any]):
    """A row that keeps its empty columns: the store's client leaves them out, and then misses them in its INSERT."""

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return dict(self)


def _row(item: Any) -> Mapping[str, Any]:
    if hasattr(item, "model_dump"):
        made: dict[str, Any] = item.model_dump()
        return made
    fields = fields_of(item)
    if fields is None:
        raise TypeError(f"store_sink: an item must have fields, or row= must make them, got {shown(item)}")
    return fields


def store_sink(
    target: Any,
    /,
    *,
    row: Callable[[Any], Mapping[str, Any]] | None = None,
    max_items: int = 500,
    max_wait: Duration | None = "250ms",
    timeout: Duration | None = "30s",
    on_error: OnError | OnErrorName | None = None,
) -> Sink[Any, int]:
    """Write to market-data-store; items that it cannot accept yet wait in the graph.

    The sink works around faults of the store's clients. A WriteCoordinator blocks its callers for ever once its worker
    has died, so its health is watched, and the run fails with the worker's error. Under Python 3.11, a worker that was
    idle for its flush interval never wakes again. Clients forget to bind columns that are None. COPY fails for 5,000
    rows (AMDS), or the second time in a transaction (AsyncStoreClient), so batches stay below its threshold. A
    connection whose transaction has failed is rolled back before the next attempt.

    Args:
        target: A WriteCoordinator, started if necessary, and at the end drained, stopped, and its pool closed; a
            BarsSink, closed at the end; an AsyncStoreClient, entered if necessary; or a function that makes one per
            run.
        row: Function that returns the columns of an item; by default the fields of a mapping, model or object. See
            `store_bar` and `ohlcv_bar`.
        max_items: Number of rows in a full batch, at most 999.
        max_wait: Time after its first item at which an incomplete batch is written.
        timeout: Longest time for one write.
        on_error: See `sinks.batched`.

    Raises:
        GraphError: If an argument is invalid.
    """
    kinds = ("submit", "write", "write_bars")
    if not callable(target) and not any(hasattr(target, kind) for kind in kinds):
        raise GraphError(
            f"store_sink: takes a WriteCoordinator, a BarsSink or an AsyncStoreClient of market-data-store, or a function that "
            f"makes one, got {shown(target)}"
        )
    if not 1 <= max_items <= _MOST:
        raise GraphError(
            f"store_sink: max_items must be 1 to {_MOST}, since the store's COPY fails above it, got {shown(max_items)}"
        )
    is_made = not any(hasattr(target, kind) for kind in kinds)
    if is_made:
        check_arguments(target, "store_sink: target")
    if row is not None:
        check_function(row, "store_sink: row", "the item", instead="")
    make_row = row or _row

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Callable[[list[Any]], Awaitable[object]]]:
        made = await awaited(target()) if is_made else target
        if not any(hasattr(made, kind) for kind in kinds):
            raise BadProgram(
                f"store_sink: target must make a WriteCoordinator, a BarsSink or an AsyncStoreClient, got {shown(made)}"
            )
        if hasattr(made, "submit"):
            async with _coordinated(made, make_row) as write:
                yield write
        elif hasattr(made, "write_bars"):
            async with _client(made, make_row) as write:
                yield write
        else:
            async with _bars_sink(made, make_row) as write:
                yield write

    return batched(opened, max_items=max_items, max_wait=max_wait, timeout=timeout, on_error=on_error)


@asynccontextmanager
async def _coordinated(coordinator: Any, row: Callable[[Any], Mapping[str, Any]]) -> AsyncGenerator[Any]:
    await _connected(getattr(coordinator, "_sink", None))
    _keep_awake(getattr(coordinator, "_q", None))
    # A coordinator that already runs is left to its owner, who also stops it.
    is_ours = coordinator.health().workers_alive == 0
    if is_ours:
        await coordinator.start()
    workers = coordinator.health().workers_alive
    watch = _Watch(coordinator, workers)

    async def write(items: list[Any]) -> None:
        for item in items:
            await watch.submit(_Row(row(item)))

    try:
        yield write
        await watch.drained()
    finally:
        if is_ours:
            await coordinator.stop(drain=coordinator.health().workers_alive == workers)
            await called(getattr(getattr(coordinator, "_sink", None), "amds", None), "aclose")
    watch.check()


def _keep_awake(queue: Any) -> None:
    """Make a worker wait for its queue for at least a moment.

    An idle worker waits for the rest of its flush interval, and from then on with a timeout of 0. Under Python 3.11,
    `asyncio.wait_for` never receives an item with a timeout of 0. The change to the queue is permanent.
    """
    get = getattr(queue, "get", None)
    if get is None or "get" in vars(queue):
        return

    def waiting(timeout: float | None = None) -> Any:
        return get(timeout=timeout if timeout is None else max(timeout, _LEAST_WAIT_S))

    queue.get = waiting


async def _connected(sink: Any) -> None:
    """Open the pool behind a sink now: workers that open it at one time fail."""
    await called(getattr(sink, "amds", None), "aopen")


class _Watch:
    """Submits to a coordinator, and sees when one of its workers has died."""

    def __init__(self, coordinator: Any, workers: int) -> None:
        self._coordinator = coordinator
        self._workers = workers

    def check(self) -> None:
        """Raise the error that ended a worker, if there is one."""
        died = _death(self._coordinator)
        if died is not None:
            raise SourceError(f"store: a worker of the coordinator died during a write: {shown(died)}") from died

    async def submit(self, row: Any) -> None:
        health = self._coordinator.health()
        if health.workers_alive < self._workers:
            self._lost()
        if health.queue_size < health.capacity:
            await self._coordinator.submit(row)
            return
        # submit() waits for ever if the workers die meanwhile, so they are watched alongside.
        submitted = asyncio.ensure_future(self._coordinator.submit(row))
        try:
            await self._until(submitted.done)
            await submitted
        finally:
            submitted.cancel()

    async def drained(self) -> None:
        """Wait until everything submitted has been accepted."""
        await self._until(lambda: self._coordinator.health().queue_size == 0)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            if self._coordinator.health().workers_alive < self._workers:
                self._lost()
            # One turn of the loop often suffices, without the delay of polling.
            await asyncio.sleep(0)
            if not is_so():
                await asyncio.sleep(_WATCH_S)

    def _lost(self) -> None:
        self.check()
        health = self._coordinator.health()
        raise SourceError(
            f"store: {self._workers} workers of the coordinator must be alive, got {health.workers_alive}"
        )


def _death(coordinator: Any) -> BaseException | None:
    """Return the error that ended a worker, or None; only its private task holds it."""
    for worker in getattr(coordinator, "_workers", ()):
        task = getattr(worker, "_task", None)
        if isinstance(task, asyncio.Task) and task.done() and not task.cancelled() and task.exception() is not None:
            died: BaseException | None = task.exception()
            return died
    return None


@asynccontextmanager
async def _bars_sink(sink: Any, row: Callable[[Any], Mapping[str, Any]]) -> AsyncGenerator[Any]:
    async def write(items: list[Any]) -> None:
        await sink.write([_Row(row(item)) for item in items])

    await _connected(sink)
    try:
        yield write
    finally:
        await called(sink, "close")
        await called(getattr(sink, "amds", None), "aclose")


@asynccontextmanager
async def _client(client: Any, row: Callable[[Any], Mapping[str, Any]]) -> AsyncGenerator[Any]:
    is_ours = getattr(client, "_conn", None) is None
    entered = await client.__aenter__() if is_ours else client

    async def write(items: list[Any]) -> None:
        try:
            await entered.write_bars([SimpleNamespace(**row(item)) for item in items])
        except BaseException:  # an interrupted write also leaves its transaction open
            rollback = getattr(getattr(entered, "_conn", None), "rollback", None)
            if rollback is not None and inspect.iscoroutinefunction(rollback):
                await rollback()
            raise

    try:
        yield write
    finally:
        if is_ours:
            await client.__aexit__(None, None, None)
