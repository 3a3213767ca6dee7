"""Sources: starts of streams.

Public.
"""

from typing import TYPE_CHECKING

from rxdag.contract import END, Chunk, Reader, Source, remember, unknown_name
from rxdag.journal import Retention
from rxdag.sources._arrays import arrays
from rxdag.sources._arrow import arrow
from rxdag.sources._arrow_file import arrow_file
from rxdag.sources._async_iterable import async_iterable
from rxdag.sources._backoff import Backoff
from rxdag.sources._callback import OverflowName, Push, callback, from_observable, observable
from rxdag.sources._clocked import interval, timer
from rxdag.sources._csv import csv
from rxdag.sources._dialect import Dialect
from rxdag.sources._ingress import Ingress, ingress
from rxdag.sources._iterable import iterable, range
from rxdag.sources._journal import journal
from rxdag.sources._journal_reader import journal_reader
from rxdag.sources._jsonl import jsonl
from rxdag.sources._live import ConnectionEvent
from rxdag.sources._live import Lifeline as Lifeline
from rxdag.sources._live import LiveReader as LiveReader
from rxdag.sources._live import live as live
from rxdag.sources._paced import paced
from rxdag.sources._parquet import parquet
from rxdag.sources._playback import JournalGap
from rxdag.sources._postgres import postgres
from rxdag.sources._queue import ItemQueue as ItemQueue
from rxdag.sources._queue import QueueReader as QueueReader
from rxdag.sources._reconnecting import reconnecting
from rxdag.sources._simulated import Trade, simulated_trades
from rxdag.sources._simulated_quotes import Quote, simulated_quotes
from rxdag.sources._then import then
from rxdag.sources._then_source import SeamGap
from rxdag.sources._threaded import Threaded as Threaded
from rxdag.sources._websocket import websocket

__all__ = [
    "Backoff",
    "Chunk",
    "ConnectionEvent",
    "Dialect",
    "END",
    "Ingress",
    "JournalGap",
    "OverflowName",
    "Push",
    "Quote",
    "Reader",
    "Retention",
    "SeamGap",
    "Source",
    "Trade",
    "arrays",
    "arrow",
    "arrow_file",
    "async_iterable",
    "callback",
    "csv",
    "from_observable",
    "ingress",
    "interval",
    "iterable",
    "journal",
    "journal_reader",
    "jsonl",
    "observable",
    "paced",
    "parquet",
    "postgres",
    "range",
    "reconnecting",
    "simulated_quotes",
    "simulated_trades",
    "then",
    "timer",
    "websocket",
]

remember(globals(), __all__, "source")

if not TYPE_CHECKING:  # a type checker that saw __getattr__ would accept every misspelt name

    def __getattr__(name: str) -> object:
        raise unknown_name(__name__, name)
