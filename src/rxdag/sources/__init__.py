"""Where items come from."""

from rxdag.contract import END, Chunk, Reader, Source
from rxdag.sources._arrays import arrays
from rxdag.sources._arrow import arrow, parquet
from rxdag.sources._clocked import interval, timer
from rxdag.sources._csv import csv
from rxdag.sources._ingress import Ingress, ingress
from rxdag.sources._iterable import async_iterable, iterable, range
from rxdag.sources._jsonl import jsonl
from rxdag.sources._reconnecting import reconnecting
from rxdag.sources._simulated import Trade, simulated_trades

__all__ = [
    "Chunk",
    "END",
    "Ingress",
    "Reader",
    "Source",
    "Trade",
    "arrays",
    "arrow",
    "async_iterable",
    "csv",
    "ingress",
    "interval",
    "iterable",
    "jsonl",
    "parquet",
    "range",
    "reconnecting",
    "simulated_trades",
    "timer",
]
