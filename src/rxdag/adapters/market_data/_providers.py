"""Providers of market-data-core as sources, and the one of market-data-ibkr with its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast

from rxdag.adapters._async_iterators import Leaving, awaited, called
from rxdag.adapters.market_data._extra import EXTRA
from rxdag.adapters.market_data._items import aware
from rxdag.contract import RECEIVES, Duration, Reader, Shape, Source, SourceContext, import_extra
from rxdag.errors import GraphError, shown
from rxdag.sources import Backoff, Lifeline, LiveReader, live

Kind: TypeAlias = Literal["quotes", "bars", "trades"]

_KINDS: Final = ("quotes", "bars", "trades")


@dataclass(frozen=True)
class _Provided(Source[Any]):
    """Items of a provider."""

    provider: Any = field(repr=False)
    instruments: tuple[Any, ...]
    kind: Kind
    resolution: str
    changes_only: bool
    lifeline: Lifeline = field(repr=False)
    is_entered: bool = field(repr=False)
    shape: Shape = field(default=Shape(), repr=False)
    label = "provider"
    where = "async"
    no_position = RECEIVES

    @property
    def side_ports(self) -> tuple[str, ...]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some have none
        return () if self.lifeline.reconnect is None else ("events",)

    def open(self, context: SourceContext) -> Reader:
        return LiveReader(lambda: self._items(context), context, self.lifeline)

    async def _items(self, context: SourceContext) -> AsyncIterator[Any]:
        provider = await awaited(self.provider()) if self.is_entered else self.provider
        try:
            if self.is_entered and hasattr(provider, "__aenter__"):
                provider = await provider.__aenter__()
            items = Leaving(self._stream(provider))
            last: dict[str, Any] = {}
            try:
                async for item in items:
                    if self.changes_only and not _is_change(item, last):
                        context.drop("unchanged")
                        continue
                    yield aware(item)
            finally:
                await items.aclose()
                # Closing a provider's generator does not end its subscriptions.
                await called(provider, "_cleanup_quote_subscriptions")
        finally:
            if self.is_entered:
                await called(provider, "close")

    def _stream(self, provider: Any) -> Any:
        if self.kind == "bars":
            return provider.stream_bars(self.resolution, self.instruments)
        return getattr(provider, f"stream_{self.kind}")(self.instruments)


def _is_change(item: Any, last: dict[str, Any]) -> bool:
    """Return True if it differs from the last item of its symbol in more than its time."""
    symbol = item.symbol
    content = item.model_dump(exclude={"timestamp", "ts"}) if hasattr(item, "model_dump") else item
    if symbol in last and last[symbol] == content:
        return False
    last[symbol] = content
    return True


def provider_source(
    provider: Any,
    instruments: Iterable[Any],
    /,
    *,
    kind: Kind = "quotes",
    resolution: str = "1s",
    changes_only: bool = False,
    reconnect: Backoff | None = None,
    silent_after: Duration | None = None,
) -> Source[Any]:
    """Read a MarketDataProvider of market-data-core, asking for no more items than there is room for.

    Naive times, which are UTC in core, are made aware. Subscriptions are cancelled however the run ends.

    Args:
        provider: The provider; or a function that makes one per connection, which is then entered and closed too.
        instruments: Core instruments, or symbols.
        kind: "quotes", "bars" or "trades".
        resolution: Resolution of bars, such as "1s".
        changes_only: True to drop an item that equals the last one of its symbol except for the time, reason
            "unchanged". Polling providers repeat the same quote.
        reconnect: See `sources.async_iterable`.
        silent_after: See `sources.async_iterable`.

    Raises:
        GraphError: If an argument is invalid.
        MissingExtra: If symbols are given and market-data-core is not installed.
    """
    if kind not in _KINDS:
        raise GraphError(f'provider_source: kind must be "quotes", "bars" or "trades", got {shown(kind)}')
    lifeline = live("provider_source", reconnect, silent_after, None)
    is_entered = callable(provider) and not hasattr(provider, f"stream_{kind}")
    if not is_entered and not hasattr(provider, f"stream_{kind}"):
        raise GraphError(
            f"provider_source: takes a provider with stream_{kind}(), or a function that makes one, got {shown(provider)}"
        )
    made = tuple(_instrument(each) for each in _listed(instruments))
    return _Provided(provider, made, kind, resolution, changes_only, lifeline, is_entered)


def _listed(instruments: Iterable[Any]) -> list[Any]:
    if isinstance(instruments, str) or not isinstance(instruments, Iterable) or not (listed := list(instruments)):
        raise GraphError(f"provider_source: instruments must be a list of one or more, got {shown(instruments)}")
    return listed


def _instrument(each: Any) -> Any:
    if not isinstance(each, str):
        return each
    return import_extra("market_data_core", EXTRA, "provider_source").Instrument(symbol=each)


def ibkr_source(
    settings: Any,
    instruments: Iterable[Any],
    /,
    *,
    kind: Kind = "quotes",
    changes_only: bool = True,
    reconnect: Backoff | None = None,
    silent_after: Duration | None = None,
) -> Source[Any]:
    """Read quotes of Interactive Brokers through market-data-ibkr, which polls ten times a second.

    Args:
        settings: An IBKRSettings, a dict of its fields, or an IBKRProvider.
        instruments: Core instruments, or symbols.
        kind: "quotes". In market-data-ibkr 1.1.7, bars await an object that is not awaitable, and trades are missing;
            build bars from quotes instead: `ops.window(..., agg.ohlcv("last"))`.
        changes_only: False to emit unchanged quotes at every poll.
        reconnect: See `sources.async_iterable`.
        silent_after: See `sources.async_iterable`.

    Raises:
        GraphError: If an argument is invalid.
        MissingExtra: If market-data-ibkr is not installed.
    """
    if kind != "quotes":
        raise GraphError(
            f'ibkr_source: kind must be "quotes", got {shown(kind)}: stream_{kind} of market-data-ibkr 1.1.7 does not work; '
            f'build bars from quotes with ops.window(..., agg.ohlcv("last"))'
        )
    provider = settings
    if not hasattr(settings, "stream_quotes"):
        ibkr = import_extra("market_data_ibkr", EXTRA, "ibkr_source")
        made = ibkr.IBKRSettings(**cast("dict[str, Any]", settings)) if isinstance(settings, dict) else settings

        def connect() -> Any:
            return ibkr.IBKRProvider(made)

        provider = connect
    return provider_source(
        provider, instruments, kind="quotes", changes_only=changes_only, reconnect=reconnect, silent_after=silent_after
    )
