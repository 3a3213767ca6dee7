"""Sinks: ends of streams. The second type parameter of a sink is the type of `result[sink]`.

Public.
"""

from typing import TYPE_CHECKING

from rxdag.contract import Sink, Writer, remember, unknown_name
from rxdag.sinks._arrow import arrow
from rxdag.sinks._arrow_file import arrow_file
from rxdag.sinks._batch_target import BatchTarget, WriteBatch
from rxdag.sinks._batched import batched
from rxdag.sinks._delta import delta
from rxdag.sinks._epoch_batches import BatchEpoch, EpochTarget
from rxdag.sinks._files import csv, jsonl
from rxdag.sinks._flatten import fields_of as fields_of
from rxdag.sinks._memory import acall, call, collect, null
from rxdag.sinks._parquet import parquet
from rxdag.sinks._postgres import postgres
from rxdag.sinks._publisher import Hub as Hub
from rxdag.sinks._publisher import PublisherSink as PublisherSink
from rxdag.sinks._publisher import Subscribed as Subscribed
from rxdag.sinks._publisher import publisher
from rxdag.sinks._sqlite import sqlite
from rxdag.sinks._stdout import stdout

__all__ = [
    "BatchEpoch",
    "BatchTarget",
    "EpochTarget",
    "Sink",
    "WriteBatch",
    "Writer",
    "acall",
    "arrow",
    "arrow_file",
    "batched",
    "call",
    "collect",
    "csv",
    "delta",
    "jsonl",
    "null",
    "parquet",
    "postgres",
    "publisher",
    "sqlite",
    "stdout",
]

remember(globals(), __all__, "sink")

if not TYPE_CHECKING:  # a type checker that saw __getattr__ would accept every misspelt name

    def __getattr__(name: str) -> object:
        raise unknown_name(__name__, name)
