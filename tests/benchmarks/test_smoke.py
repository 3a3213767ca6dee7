"""The benchmark at 1 % of its size: the answers, no times."""

import pytest

from tests.benchmarks.latency import hand_over_us, in_flight
from tests.benchmarks.scaling import curves, exponent, svg
from tests.benchmarks.workloads import WORKLOADS


@pytest.mark.parametrize("work", WORKLOADS, ids=lambda work: work.name)
@pytest.mark.parametrize("chunk", [1, 64, 1024, 32_768])
def test_every_variant_gives_the_answer_of_the_loop(work, chunk):
    data = work.data(10_000)
    expected = work.loop(data)
    given = {"rows": data, "columns": work.columns(data)}
    for variant in work.variants.values():
        assert variant.fn(given[variant.lane], chunk) == expected
    for other in work.others.values():
        assert other(data) == expected
    for other in work.whole_set.values():
        assert other(given["columns"]) == expected


@pytest.mark.parametrize("kind", ["same thread", "thread hop", "asyncio"])
def test_every_item_of_the_latency_workload_arrives(kind):
    p50, p99 = hand_over_us(kind, 10_000, 500)
    assert 0 < p50 <= p99


def test_what_is_in_flight_is_within_the_bound_that_explain_prints():
    most, cap = in_flight(10_000)
    assert 0 < most <= cap


def test_the_scaling_curves_are_drawn():
    found = curves(0.01)
    assert "<polyline" in svg(found)
    assert exponent([(1, 5.0), (10, 5.0), (100, 5.0)]) == 0
    assert exponent([(1, 1.0), (10, 10.0)]) == pytest.approx(1.0)
