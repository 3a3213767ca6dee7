"""The market-data packages, each imported when something of it is used: core, store, ibkr, pipeline."""

from rxdag.adapters.market_data._pipelines import build_pipeline

__all__ = ["build_pipeline"]
