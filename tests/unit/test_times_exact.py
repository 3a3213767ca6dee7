"""Times are read exactly, cut off below the microsecond, or refused: they never move past a boundary."""

import datetime as dt
import json

import msgspec
import numpy as np
import pyarrow as pa
import pytest

import rxdag
from rxdag import NodeError, col, on_error, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops


class Tick(msgspec.Struct):
    ts: dt.datetime
    text: str = ""


# ---- below the microsecond


def read(form, folder, text, hint):
    """A time as a text, read into a field of that type."""
    of = msgspec.defstruct("Item", [("at", hint)])
    path = folder / f"t.{form}"
    path.write_text(f"at\n{text}\n" if form == "csv" else json.dumps({"at": text}) + "\n")
    [item] = rxdag.from_source(getattr(sources, form)(path, of, tz="UTC")).collect()
    return item.at


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-06T11:59:59.9999997Z", dt.datetime(2024, 5, 6, 11, 59, 59, 999_999, tzinfo=dt.UTC)),
        ("2024-05-06 11:59:59.999999999999", dt.datetime(2024, 5, 6, 11, 59, 59, 999_999, tzinfo=dt.UTC)),
        ("1969-12-31T23:59:59.9999999Z", dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)),
        ("2024-05-06T11:59:59.5Z", dt.datetime(2024, 5, 6, 11, 59, 59, 500_000, tzinfo=dt.UTC)),
        ("23:59:59.9999999", dt.time(23, 59, 59, 999_999)),
        ("PT0.0000019S", dt.timedelta(microseconds=1)),
    ],
)
def test_digits_below_the_microsecond_are_cut_off(form, text, expected, tmp_path):
    assert read(form, tmp_path, text, type(expected)) == expected


@pytest.mark.parametrize("kind", [list[dt.datetime], dict[str, dt.datetime], frozenset[dt.datetime], tuple[Tick, int]])
def test_times_anywhere_in_json_are_cut_off_and_other_texts_are_not(kind, tmp_path):
    text = "2024-05-06T11:59:59.9999997Z"
    cut = dt.datetime(2024, 5, 6, 11, 59, 59, 999_999, tzinfo=dt.UTC)
    plain, expected = {
        list: ([text], [cut]),
        dict: ({text: text}, {text: cut}),
        frozenset: ([text], frozenset([cut])),
        tuple: ([{"ts": text, "text": text}, 1], (Tick(cut, text), 1)),
    }[kind.__origin__]
    of = msgspec.defstruct("Item", [("x", kind), ("f", float)])
    (tmp_path / "t.jsonl").write_text(json.dumps({"x": plain, "f": 12.123456789}))
    [item] = rxdag.from_source(sources.jsonl(tmp_path / "t.jsonl", of)).collect()
    assert (item.x, item.f) == (expected, 12.123456789)


class Book(msgspec.Struct):
    at: dt.datetime
    book: dict[str, float | dict[str, float]]


def test_texts_that_are_keys_stay_as_they_are_beside_times(tmp_path):
    book = {"09:00:00.0000001": 1.0, "09:00:00.0000002": 2.0, "0.00000001S": {"2024-01-01T00:00:00.00000011Z": 3.0}}
    (tmp_path / "t.jsonl").write_text(json.dumps({"at": "2024-01-01T00:00:00.0000009Z", "book": book}))
    [item] = rxdag.from_source(sources.jsonl(tmp_path / "t.jsonl", Book)).collect()
    assert (item.at, item.book) == (dt.datetime(2024, 1, 1, tzinfo=dt.UTC), book)


class ByTime(msgspec.Struct):
    by: dict[dt.datetime, float]


def test_times_as_keys_that_are_one_once_they_are_cut_off_are_a_malformed_line(tmp_path):
    by = {"2024-01-01T00:00:00.0000006Z": 1.0, "2024-01-01T00:00:00.0000014Z": 2.0, "2024-01-01T00:00:00.0000004Z": 3.0}
    (tmp_path / "t.jsonl").write_text(json.dumps({"by": by}))
    with pytest.raises(NodeError, match="times that are keys must differ by a microsecond or more"):
        rxdag.from_source(sources.jsonl(tmp_path / "t.jsonl", ByTime)).collect()


class Wait(msgspec.Struct):
    x: dt.timedelta


@pytest.mark.parametrize("text", ["PT0.9999999S", "P0DT0.9999999S"])
def test_a_duration_in_csv_is_cut_off_however_it_is_written(tmp_path, text):
    (tmp_path / "t.csv").write_text(f"x\n{text}\n")
    [item] = rxdag.from_source(sources.csv(tmp_path / "t.csv", Wait)).collect()
    assert item.x == dt.timedelta(microseconds=999_999)


@pytest.mark.parametrize("values", [pa.array([-1], pa.timestamp("ns", "UTC")), np.array([-1], "M8[ns]")])
def test_nanoseconds_in_a_field_of_datetimes_are_cut_off(values):
    source = (
        sources.arrays({"ts": values}, Tick)
        if isinstance(values, np.ndarray)
        else sources.arrow(pa.table({"ts": values}), Tick)
    )
    [tick] = rxdag.from_source(source).collect()
    assert tick.ts == dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_trade_before_noon_is_in_the_bar_before_noon(form, tmp_path):
    path = tmp_path / f"t.{form}"
    texts = ["2024-05-06T11:59:59.999999700Z", "2024-05-06T12:00:00.000000100Z"]
    path.write_text("\n".join(["ts", *texts] if form == "csv" else [json.dumps({"ts": text}) for text in texts]))
    timed = rxdag.from_source(getattr(sources, form)(path, Tick)).pipe(ops.event_time("ts"))
    panes = timed.pipe(ops.window_all(windows.tumbling("1m"), agg.count())).collect()
    assert [pane.value for pane in panes] == [1, 1]


@pytest.mark.parametrize("text", ["20240105", "93000", "1714996799.9999997"])
def test_a_time_of_bare_digits_is_refused(text, tmp_path):
    (tmp_path / "t.csv").write_text(f"ts\n{text}\n")
    with pytest.raises(NodeError, match='column "ts": must be datetime'):
        rxdag.from_source(sources.csv(tmp_path / "t.csv", Tick)).collect()


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


def test_a_time_that_no_datetime_can_hold_is_refused():
    far = pa.table({"ts": pa.array([2**60], pa.timestamp("s", "UTC"))})
    with pytest.raises(NodeError, match='column "ts" must be datetime, got (np|numpy).datetime64'):
        rxdag.from_source(sources.arrow(far, Tick)).collect()


@pytest.mark.parametrize("fine", ["ns", "ps"])
def test_times_of_several_units_do_not_wrap_around_when_written(fine):
    rows = [{"t": np.datetime64("9999-12-31", "us")}, {"t": np.datetime64(1, fine)}]
    with pytest.raises(NodeError, match="times in a column of nanoseconds must be within 1677 to 2262, got 9999-12-31"):
        rxdag.run(rxdag.from_source(sources.iterable(rows)).to(sinks.arrow()))


def test_times_of_several_units_that_fit_are_written():
    rows = [{"t": np.datetime64("2024-01-05", "s")}, {"t": np.datetime64(1, "ns")}, {"t": None}]
    kept = rxdag.from_source(sources.iterable(rows)).to(sinks.arrow())
    assert rxdag.run(kept)[kept].column("t").to_numpy().tolist()[1] == 1


def test_lines_whose_times_are_refused_go_to_dead(tmp_path):
    (tmp_path / "t.csv").write_text("ts\n20240105\n2024-01-05T00:00:00Z\n")
    stream = rxdag.from_source(sources.csv(tmp_path / "t.csv", Tick), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert (len(result[out]), [letter.item for letter in result[dead]]) == (1, [["20240105"]])
