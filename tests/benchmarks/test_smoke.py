"""The benchmark at 1 % of its size: the answers, no times."""

import pytest

from tests.benchmarks.latency import hand_over_us, in_flight
from tests.benchmarks.measure import Figure
from tests.benchmarks.memory import bytes_per_key
from tests.benchmarks.report import Report, Row
from tests.benchmarks.scaling import curves, exponent, svg
from tests.benchmarks.watched import Watched, measure
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


def test_a_graph_that_is_watched_and_annoyed_gives_what_it_gives():
    found = measure(300_000, 1)
    assert len(found.scraped) == len(found.hostile) == 1
    assert found.counted_ns > 0
    assert found.scrape_ms > 0


def test_state_has_bytes_and_a_report_says_what_is_past_its_budget():
    kept = bytes_per_key(2_000)
    assert all(10 < n < 1_000 for n in kept.values()), kept
    report = Report(
        machine="here",
        items=10,
        pairs=1,
        rows=[
            Row(Figure("W1 slow, chunks of 1,024", (3.0, 3.0), 90.0, True), 2.0),
            Row(Figure("W1 peer", (1.5, 1.5, 1.4), 45.0, False), None),
            Row(Figure("W1 once", (9.0,), 45.0, True), None),
        ],
        w4={"asyncio": (31.0, 60.0)},
        w4_budgets={"asyncio": 30},
        w5=(11, 10, 0.0),
        w5_budget_mb=5,
        w6={"chain": ([(1, 5.0)], 0.0)},
        bytes_per_key={"dedupe": 301.0},
        bytes_budget=300,
        watched=Watched(0.3, 30.0, (1.02, 1.0, 1.01), 1.0, (1.1,)),
    )
    assert report.wrong() == ["W1 peer: the answer is wrong"]
    assert report.over_budget() == [
        "W1 slow, chunks of 1,024: 3.00 is past the budget of 2",
        "W4 asyncio: p50 31 us is past the budget of 30 us",
        "W5: 11 of 10 in flight, 0.0 MB of 5 MB",
        "metrics: 1.1% of W1 is past the budget of 1%",
        "dedupe: 301 bytes a key",
    ]
    assert report.over({"W1 peer": 1.3, "W1 slow, chunks of 1,024": 2.9, "W1 once": 1.0}) == [
        "W1 peer: 1.50 is more than 15 % over the baseline's 1.30"
    ]
    assert "| **W1 rxdag, slow** | 3.00 | 90 |" in report.summary()
    assert "3.00 | 3.00 | 3.00 | 90 | 2, **missed** | correct |" in report.text()
