"""The market-data packages, each imported on first use: core, store, ibkr, pipeline.

Public.
"""

from rxdag.adapters.market_data._feedback import RateController, feedback_event, level_of, rate_adjustment
from rxdag.adapters.market_data._items import aware, core_bar, core_trade, event_ns, from_core
from rxdag.adapters.market_data._pipelines import build_pipeline
from rxdag.adapters.market_data._providers import ibkr_source, provider_source
from rxdag.adapters.market_data._store import ohlcv_bar, store_bar, store_ddl, store_sink

__all__ = [
    "RateController",
    "aware",
    "build_pipeline",
    "core_bar",
    "core_trade",
    "event_ns",
    "feedback_event",
    "from_core",
    "ibkr_source",
    "level_of",
    "ohlcv_bar",
    "provider_source",
    "rate_adjustment",
    "store_bar",
    "store_ddl",
    "store_sink",
]
