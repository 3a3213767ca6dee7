"""Metrics of what outlives the process: checkpoints, journals, and the disks that hold them."""

from __future__ import annotations

import itertools
import os
import shutil
from typing import Any

from rxdag.engine import Writes
from rxdag.runtime import CheckpointStats, RunStats


def add_durable(families: dict[str, Any], dag: str, stats: RunStats) -> None:
    """Add the metrics of the checkpoints and journals of a run."""
    paths: set[str] = set()
    if stats.checkpoints is not None:
        _add_checkpoints(families, dag, stats.checkpoints, goes_on=stats.state in ("running", "draining"))
        for node, ledger in stats.nodes.items():
            families["rxdag_node_restored_items"].add_metric([dag, node], ledger.restored)
        _add_totals(families, dag, stats)
        paths |= set() if stats.checkpoints.path is None else {stats.checkpoints.path}
    for node, source in stats.sources.items():
        if source.journal is not None:
            families["rxdag_journal_behind_seconds"].add_metric([dag, node], source.journal.behind_s)
            families["rxdag_journal_bytes"].add_metric([dag, node], source.journal.bytes)
            families["rxdag_journal_gaps_total"].add_metric([dag, node], source.journal.gaps)
            families["rxdag_journal_unrecorded_items_total"].add_metric([dag, node], source.journal.unrecorded)
            paths.add(source.journal.path)
    for path in sorted(paths):
        free = _free_bytes(path)
        if free is not None:
            families["rxdag_disk_free_bytes"].add_metric([dag, path], free)


def _add_totals(families: dict[str, Any], dag: str, stats: RunStats) -> None:
    for node, ledger in stats.totals.items():
        for count, n in (
            ("in", ledger.arrived),
            ("out", sum(ledger.out.values())),
            ("lost", sum(ledger.lost.values())),
        ):
            families["rxdag_node_items_since_first_start"].add_metric([dag, node, count], n)


def _add_checkpoints(families: dict[str, Any], dag: str, stats: CheckpointStats, *, goes_on: bool) -> None:
    for phase, durations in (("pause", stats.pauses), ("write", stats.writes)):
        families["rxdag_checkpoint_seconds"].add_metric([dag, phase], *buckets_of(durations))
    families["rxdag_checkpoint_failures_total"].add_metric([dag], stats.failures)
    if stats.last_id is not None:
        families["rxdag_checkpoint_bytes"].add_metric([dag], stats.last_bytes)
    if goes_on:  # a run that has ended takes no more, and must not seem stale
        families["rxdag_checkpoint_age_seconds"].add_metric([dag], stats.age_s)
        if stats.every_s is not None:
            families["rxdag_checkpoint_interval_seconds"].add_metric([dag], stats.every_s)


def buckets_of(durations: Writes) -> tuple[list[tuple[str, int]], float]:
    """Return the cumulative buckets of a histogram, and the sum in s."""
    ends = [*(str(bound / 1e9) for bound in durations.bounds), "+Inf"]
    return list(zip(ends, itertools.accumulate(durations.counts), strict=True)), durations.total_ns / 1e9


def _free_bytes(path: str) -> int | None:
    """Return the free space of the disk that holds a path; None while the folder is missing or cannot be read."""
    try:
        return shutil.disk_usage(path if os.path.isdir(path) else os.path.dirname(path) or ".").free
    except OSError:
        return None
