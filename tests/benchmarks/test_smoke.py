"""The benchmark at a small part of its size: the answers, no times."""

import asyncio
import statistics
import subprocess
import sys
from itertools import accumulate, pairwise

import pytest

from tests.benchmarks import baseline, checkpointed, machine, watched
from tests.benchmarks.__main__ import main, throughput
from tests.benchmarks.budgets import Budget
from tests.benchmarks.checkpointed import Checkpointed, Held
from tests.benchmarks.data import BEGAN_US, DISORDER_US, repeated, ticks, ticks_captured, ticks_ns
from tests.benchmarks.drawing import svg
from tests.benchmarks.in_flight import InFlight
from tests.benchmarks.in_flight import measure as in_flight
from tests.benchmarks.latency import GRAPHS, KINDS, Latency, Quantiles, latency
from tests.benchmarks.loops import w2_loop
from tests.benchmarks.measure import Figure, pairs
from tests.benchmarks.memory import bytes_per_key
from tests.benchmarks.more_loops import w7_loop, w8_loop
from tests.benchmarks.report import Report, Row
from tests.benchmarks.rewritten import over_async, with_first
from tests.benchmarks.rolling_loops import is_trade, w9_loop, w10_loop
from tests.benchmarks.scaling import curves, exponent
from tests.benchmarks.watched import Watched
from tests.benchmarks.work import Case, Work
from tests.benchmarks.workloads import WORKS

ITEMS = 6_000
CASES = [(work, case) for work in WORKS for case in work.cases]


@pytest.mark.parametrize(("work", "case"), CASES, ids=[work.title(case) for work, case in CASES])
def test_every_case_gives_the_answer_of_the_loop(work, case):
    data = work.data(int(ITEMS / work.share))
    expected = work.loop(data.rows) if case.loop is None else case.loop(data)
    assert case.answer(case.run(data)) == case.expected(expected)


def test_no_two_figures_have_one_name():
    titles = [work.title(case) for work, case in CASES]
    assert len(set(titles)) == len(titles)


# ---- data and loops


def test_items_come_up_to_200_ms_out_of_order():
    times = [tick.ts for tick in ticks(5_000)]
    newest = accumulate(times, max)
    behind = max(new - ts for new, ts in zip(newest, times, strict=True))
    assert DISORDER_US / 2 < behind <= DISORDER_US
    assert sorted(times) == [BEGAN_US + 100 * i for i in range(5_000)]


NEAR = """
from itertools import pairwise
from tests.benchmarks.data import {make}
made = {make}(100_000)
for place in ([id(tick) for tick in made], [id(tick.ts) for tick in made], [id(tick.price) for tick in made]):
    print(sum(abs(b - a) < 4096 for a, b in pairwise(place)) / len(place))
"""


@pytest.mark.parametrize("make", ["ticks", "repeated"])
def test_items_lie_in_memory_in_the_order_in_which_they_arrive(make):
    """In a process of its own, as the benchmark's is: one that has run long has gaps in its memory."""
    told = subprocess.run([sys.executable, "-c", NEAR.format(make=make)], capture_output=True, text=True, check=True)
    shares = [float(line) for line in told.stdout.split()]
    assert len(shares) == 3
    assert min(shares) > 0.9


def test_a_tenth_of_the_ticks_of_w3_comes_again_within_8_s():
    made = repeated(11_000)
    seen = {}
    gaps = []
    for tick in made:
        first = seen.setdefault((tick.sym, tick.tid), tick)
        if first is not tick:
            gaps.append(tick.ts - first.ts)
            assert (tick.price, tick.size) == (first.price, first.size)
    assert 0.08 * len(seen) < len(gaps) < 0.12 * len(seen)
    assert 0 <= min(gaps) < max(gaps) < 8_000_000


def test_times_in_nanoseconds_are_those_in_microseconds():
    assert [t.ts for t in ticks_ns(100)] == [t.ts * 1000 for t in ticks(100)]


def test_the_loop_of_sessions_has_the_sessions_of_sorted_times():
    data = ticks_captured(3_000)
    expected = []
    for sym in sorted({tick.sym for tick in data}):
        times = sorted(tick.ts for tick in data if tick.sym == sym)
        ends = [i for i, (a, b) in enumerate(pairwise(times)) if b - a > 50_000]
        starts = [0, *(i + 1 for i in ends)]
        stops = [*(i + 1 for i in ends), len(times)]
        expected += [(sym, times[a], times[b - 1], b - a) for a, b in zip(starts, stops, strict=True)]
    assert sorted(w7_loop(data)) == expected


def test_the_loop_of_sliding_windows_adds_each_item_to_ten():
    data = ticks_captured(3_000)
    expected = {}
    for tick in data:
        for i in range(10):
            window = (tick.sym, tick.ts // 1_000_000 * 1_000_000 - i * 1_000_000)
            expected[window] = expected.get(window, 0.0) + tick.size
    assert {(sym, start): total for sym, start, total in w8_loop(data)} == expected


def test_the_loop_of_rolling_windows_has_the_prices_of_a_second():
    data = sorted(ticks(1_500, syms=3))
    got = w9_loop(data, period_us=50_000)
    prices = [[t.price for t in data if t.sym == tick.sym and tick.ts - 50_000 < t.ts <= tick.ts] for tick in data]
    assert [mean for mean, _ in got] == pytest.approx([statistics.mean(each) for each in prices])
    expected = [statistics.stdev(each) if len(each) > 1 else None for each in prices]
    assert [std for _, std in got] == pytest.approx(expected, abs=1e-6)


def test_the_loop_of_the_join_finds_the_last_quote_before_each_trade():
    data = ticks(3_000, syms=7)
    assert sum(map(is_trade, data)) == 500
    expected = []
    for trade in sorted(filter(is_trade, data)):
        before = [t for t in data if t.sym == trade.sym and t.ts < trade.ts and not is_trade(t)]
        expected.append((trade, max(before, default=None)))
    assert w10_loop(data) == expected


def test_a_rewritten_loop_does_the_same_and_what_was_added():
    data = ticks(2_000)

    async def items():
        for tick in data:
            yield tick

    assert asyncio.run(over_async(w2_loop)(items())) == w2_loop(data)
    small = with_first(w2_loop, "if size > 5:\n    continue")
    assert small(data) == w2_loop([tick for tick in data if tick.size <= 5])


# ---- measuring


def test_pairs_alternate_and_a_wrong_answer_has_no_figure():
    calls = []

    def loop():
        calls.append("loop")
        return [sum(range(10_000)), 1]

    def other():
        calls.append("other")
        return (sum(range(10_000)), 1)

    figure = pairs("same", loop, other, 10, 3, answer=list)
    assert calls == ["loop", "other"] * 4
    assert len(figure.ratios) == 3
    assert figure.is_correct
    wrong = pairs("wrong", loop, other, 10, 3)
    assert (wrong.ratios, wrong.is_correct) == ((), False)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_item_of_the_latency_workload_arrives(graph, kind):
    found = latency(graph, kind, 10_000, 300)
    assert 0 < found.handed.p50 <= found.handed.p99 <= found.handed.p999
    assert found.handed.p50 <= found.due.p50


def test_what_is_in_flight_is_within_the_bound_that_explain_prints():
    found = in_flight(10_000)
    assert 0 < found.most <= found.cap


def test_the_scaling_curves_are_drawn():
    found = curves(0.002)
    assert svg(found).count("<polyline") == len(found) == 6
    assert exponent([(1, 5.0), (10, 5.0), (100, 5.0)]) == 0
    assert exponent([(1, 1.0), (10, 10.0)]) == pytest.approx(1.0)


def test_state_has_bytes():
    kept = bytes_per_key(9_000)  # the smallest table of ints has room for 2,048
    assert len(kept) == 6
    assert all(10 < n < 1_000 for n in kept.values()), kept


def test_a_graph_that_is_watched_and_annoyed_gives_what_it_gives():
    found = watched.measure(100_000, 1)
    assert len(found.scraped) == len(found.hostile) == 1
    assert found.scrape_ms > 0


def test_a_graph_that_takes_checkpoints_is_measured():
    found = checkpointed.measure(20_000, 2, keys=(500, 1_000))
    assert len(found.overheads) == len(found.taken) == 2
    assert min(found.taken) >= 1
    assert [each.keys for each in found.held] == [500, 1_000]
    assert all(len(each.pause_ms) == 7 and min(each.pause_ms) > 0 for each in found.held)
    assert found.held[0].checkpoint_mb < found.held[1].checkpoint_mb < 0.2


# ---- budgets, baselines and the report


def test_a_budget_goes_by_the_form_that_runs():
    budget = Budget(compiled=0.7, plain=3)
    assert (budget.of("compiled"), budget.of("plain")) == (0.7, 3)
    assert machine.form() in ("compiled", "plain")


def test_a_baseline_holds_for_the_machine_and_form_that_made_it_alone(tmp_path, monkeypatch):
    path = tmp_path / "baseline.json"
    assert baseline.load(1000, path=path) == {}
    baseline.save({"W1": 1.0, "W2": 2.0}, 1000, path=path)
    baseline.save({"W2": 3.0}, 1000, path=path)
    assert baseline.load(1000, path=path) == {"W1": 1.0, "W2": 3.0}
    assert baseline.load(2000, path=path) == {}
    mine = machine.key()
    monkeypatch.setattr(machine, "form", lambda: "of another kind")
    assert machine.key() != mine
    assert baseline.load(1000, path=path) == {}
    baseline.save({"W1": 9.0}, 1000, path=path)
    monkeypatch.undo()
    assert baseline.load(1000, path=path) == {"W1": 1.0, "W2": 3.0}


def test_more_than_15_percent_over_the_baseline_is_worse():
    assert baseline.worse({"a": 1.16, "b": 1.15, "c": 9.0}, {"a": 1.0, "b": 1.0}) == [
        "a: 1.16 is more than 15 % over the baseline's 1.00"
    ]


def test_a_report_says_what_is_wrong_and_what_is_past_its_budget():
    report = Report(
        machine="here",
        form="plain",
        items=10,
        pairs=2,
        rows=[
            Row(Figure("W1 slow", (3.0, 3.2), 90.0, 7.4, True), 2.0),
            Row(Figure("W1 fast", (1.5, 1.5, 1.4), 50.0, 0.0, True), 2.0),
            Row(Figure("W1 peer", (), 0.0, 0.0, False)),
            Row(Figure("W1 once", (9.0,), 45.0, 0.0, True)),
        ],
        latencies=[
            Latency(GRAPHS[0], "asyncio", 10_000, Quantiles(31.0, 60.0, 99.0), Quantiles(70.0, 80.0, 90.0)),
            Latency(GRAPHS[0], "asyncio", 100_000, Quantiles(31.0, 60.0, 99.0), Quantiles(70.0, 80.0, 90.0)),
            Latency(GRAPHS[1], "asyncio", 10_000, Quantiles(31.0, 60.0, 99.0), Quantiles(70.0, 80.0, 90.0)),
        ],
        in_flight=InFlight(items=100, most=11, cap=10, rss_mb=0.0),
        curves={"chain": [(1, 5.0), (10, 50.0)]},
        bytes_per_key={"dedupe": 301.0},
        watched=Watched(30.0, (1.02, 1.0, 1.01), 11.0, (1.1,)),
        checkpointed=Checkpointed(
            (1.05, 1.0, 1.04),
            (3, 3, 4),
            (Held(10_000, (900.0,), 0.9, 1.0, 9.0), Held(100_000, (130.0, 1.0, 121.0), 8.2, 40.0, 61.0)),
        ),
    )
    assert report.wrong() == ["W1 peer: the answer is wrong"]
    assert report.over_budget() == [
        "W1 slow: 3.10 is past the budget of 2",
        "W4 map, filter, map, asyncio, 10,000 items/s: p50 31.0 us is past the budget of 30 us",
        "W5: 11 of 10 in flight, 0.0 MB of 5 MB",
        "metrics: 1.1% of a run is past the budget of 1%",
        "checkpoints: 1.040 is past the budget of 1.03",
        "checkpoints, 100,000 keys: 121.0 ms is past the budget of 120 ms",
        "checkpoints, 100,000 keys: growth by 1.52 of the state, past 1.5",
        "dedupe: 301 bytes a key",
    ]
    assert report.ratios() == {"W1 slow": 3.1, "W1 fast": 1.5}
    text = report.text()
    assert "| W1 slow | 3.00 | 3.10 | 3.20 | 90 | 11,111,111 | 7 | 2, **missed** | correct |" in text
    assert "| W1 peer | - | - | - | - | - | - |  | **WRONG** |" in text
    assert "| map, filter, map, asyncio, 10,000 items/s | 31.0 | 60.0 | 99.0 | 70.0 | 80.0 | 90.0 | 30 |" in text
    assert "| 100,000 | 1.0 | 121.0 | 130.0 | 8.2 | 40 | 61 |" in text
    assert "3 pairs: 1.000 to 1.050, median 1.040 (budget 1.03), 3 checkpoints a run." in text
    assert "| chain | 1: 5, 10: 50 | +1.00 |" in text
    assert "**W1 rxdag slow** | 3.10 | 90 |" in report.summary()
    assert report.figures()["figures"]["W1 fast"]["items_per_s"] == 20_000_000


def test_a_selection_is_measured_and_an_unknown_name_is_told(tmp_path, capsys):
    out = tmp_path / "bench.json"
    sized = ["--items", "2000", "--pairs", "1", "--json", str(out)]
    assert main(["W1", "W18", *sized, "--only", "lambdas"]) == 0
    shown = capsys.readouterr().out
    assert "| W18 lambdas |" in shown
    assert "expressions" not in shown
    assert '"W18 lambdas, ops.sum"' in out.read_text()
    assert main(["W99", *sized]) == 2
    assert "got W99" in capsys.readouterr().err


def test_a_case_that_fails_has_no_figure_and_the_others_have_theirs(capsys):
    def fails(data):
        raise ZeroDivisionError

    work = Work("W0", "", ticks, len, (Case("bad", fails), Case("good", lambda data: len(data.rows))))
    report = Report("here", "plain", 100, 1)
    throughput(report, {"W0"}, "", (work,))
    assert [(row.figure.name, row.figure.is_correct) for row in report.rows] == [("W0 bad", False), ("W0 good", True)]
    assert report.wrong() == ["W0 bad: the answer is wrong"]
    assert "ZeroDivisionError" in capsys.readouterr().err
