"""Times are read exactly, or refused: they never move past a boundary."""

import numpy as np
import pyarrow as pa
import pytest

import rxdag
from rxdag import NodeError, col, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops


# ---- outside of 1677 to 2262


def run(source, **options):
    """Texts of what passed, and errors of what is dead."""
    timed = rxdag.from_source(source).pipe(ops.event_time(col.t, **options))
    out, dead = timed.to(sinks.collect()), timed.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    return [str(row["t"]) for row in result[out]], [str(letter.error) for letter in result[dead]]


def source_of(lane, times):
    if lane == "rows":
        return sources.iterable([{"t": time} for time in times], of=dict)
    if lane == "arrow":
        return sources.arrow(pa.table({"t": pa.array(times)}), tz="UTC")
    return sources.arrays({"t": times})


@pytest.mark.parametrize("options", [{}, {"by": lambda row: "a"}])
@pytest.mark.parametrize("lane", ["rows", "arrays", "arrow"])
@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_time_of_numpy_out_of_range_goes_to_dead(unit, lane, options):
    times = np.array(["2024-01-05", "9999-12-31", "0001-01-01"], f"M8[{unit}]")
    passed, dead = run(source_of(lane, times), **options)
    assert [text[:10] for text in passed] == ["2024-01-05"]
    assert [text[:63] for text in dead] == [
        "event_time: a time must be within 1677 to 2262, got 9999-12-31T",
        "event_time: a time must be within 1677 to 2262, got 0001-01-01T",
    ]


@pytest.mark.parametrize("unit", ["Y", "M", "D", "h"])
@pytest.mark.parametrize("lane", ["rows", "arrays"])
def test_a_day_or_a_year_out_of_range_goes_to_dead(unit, lane):
    passed, dead = run(source_of(lane, np.array(["2024", "9999", "NaT"], f"M8[{unit}]")))
    assert (len(passed), len(dead)) == (1, 2)
    assert "must not be NaT" in dead[1]


@pytest.mark.parametrize("lane", ["rows", "arrays"])
@pytest.mark.parametrize(
    ("ns", "passes"), [(2**63 - 4, 1), (2**63 - 3, 0), (2**63 - 1, 0), (2 - 2**63, 1), (1 - 2**63, 0)]
)
@pytest.mark.parametrize("kind", ["int64", "M8[ns]"])
def test_rows_and_columns_agree_on_the_last_instants(lane, ns, passes, kind):
    passed, dead = run(source_of(lane, np.array([ns], np.int64).view(kind)))
    assert (len(passed), len(dead)) == (passes, 1 - passes)


@pytest.mark.parametrize("lane", ["rows", "arrays"])
def test_a_time_finer_than_ns_is_cut_off(lane):
    timed = rxdag.from_source(source_of(lane, np.array([-1], "M8[ps]"))).pipe(ops.event_time(col.t))
    [pane] = timed.pipe(ops.window_all(windows.tumbling("1ns"), agg.count())).collect()
    assert pane.start == -1


def test_a_local_time_whose_instant_does_not_fit_is_refused():
    last = pa.table({"t": pa.array([2**63 - 10**9], pa.timestamp("ns"))})
    with pytest.raises(NodeError, match='column "t": a time must be within 1677 to 2262 in UTC too, got 2262-04-11'):
        rxdag.from_source(sources.arrow(last, tz="America/New_York")).collect()


@pytest.mark.parametrize("fine", ["ns", "ps"])
def test_times_of_several_units_do_not_wrap_around_when_written(fine):
    rows = [{"t": np.datetime64("9999-12-31", "us")}, {"t": np.datetime64(1, fine)}]
    with pytest.raises(NodeError, match="times beside others in ns must be within 1677 to 2262, got 9999-12-31"):
        rxdag.run(rxdag.from_source(sources.iterable(rows)).to(sinks.arrow()))


def test_times_of_several_units_that_fit_are_written():
    rows = [{"t": np.datetime64("2024-01-05", "s")}, {"t": np.datetime64(1, "ns")}, {"t": None}]
    kept = rxdag.from_source(sources.iterable(rows)).to(sinks.arrow())
    assert rxdag.run(kept)[kept].column("t").to_numpy().tolist()[1] == 1
