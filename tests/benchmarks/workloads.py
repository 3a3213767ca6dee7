"""All workloads that are measured in pairs."""

from tests.benchmarks import (
    bars,
    columns,
    dedupe,
    files,
    large_state,
    one_by_one,
    rolling,
    routing,
    spans,
    stateless,
    wire,
)

WORKS = (
    *stateless.WORKS,
    *bars.WORKS,
    *dedupe.WORKS,
    *spans.WORKS,
    *rolling.WORKS,
    *wire.WORKS,
    *large_state.WORKS,
    *routing.WORKS,
    *one_by_one.WORKS,
    *columns.WORKS,
    *files.WORKS,
)
