"""All workloads that are measured in pairs."""

from tests.benchmarks import bars, columns, dedupe, one_by_one, routing, spans, stateless, wire

WORKS = (
    *stateless.WORKS,
    *bars.WORKS,
    *dedupe.WORKS,
    *spans.WORKS,
    *wire.WORKS,
    *routing.WORKS,
    *one_by_one.WORKS,
    *columns.WORKS,
)
