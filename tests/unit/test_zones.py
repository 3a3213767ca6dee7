"""Times without a zone are refused everywhere; `tz=` says what they are."""

import dataclasses
import datetime as dt
import json
from typing import Annotated, NamedTuple, TypedDict
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import polars
import pyarrow as pa
import pytest
from pyarrow import parquet

import rxdag
from rxdag import GraphError, NodeError, col, on_error, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.contract import aware, zone_of
from rxdag.testing import play

NEW_YORK = ZoneInfo("America/New_York")
EST = dt.timezone(dt.timedelta(hours=-5))
NS = 10**9


class Tick(msgspec.Struct, frozen=True):
    ts: dt.datetime


def local(text):
    return dt.datetime.fromisoformat(text)


def ns(text):
    """An instant, written in UTC."""
    return int((dt.datetime.fromisoformat(text) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).total_seconds()) * NS


def written(form, folder, *texts):
    """A source of one column of times, made of ISO texts, in each format; takes `tz`."""
    path = folder / f"ticks.{form}"
    if form == "csv":
        path.write_text("\n".join(["ts", *texts]) + "\n")
        return lambda **options: sources.csv(path, Tick, **options)
    if form == "jsonl":
        path.write_text("".join(json.dumps({"ts": text}) + "\n" for text in texts))
        return lambda **options: sources.jsonl(path, Tick, **options)
    table = pa.table({"ts": pa.array([local(text) for text in texts])})
    if form == "arrow":
        return lambda **options: sources.arrow(table, Tick, **options)
    parquet.write_table(table, path)
    return lambda **options: sources.parquet(path, Tick, **options)


def times_of(source, **options):
    """Event times that items of a source have, by window."""
    timed = rxdag.from_source(source, name="ticks").pipe(ops.event_time("ts", out_of_order="40d", **options))
    return [pane.start for pane in timed.pipe(ops.window_all(windows.tumbling("1s"), agg.count())).collect()]


FORMS = ("csv", "jsonl", "parquet", "arrow")


@pytest.mark.parametrize("form", FORMS)
def test_a_time_without_a_zone_is_refused_with_the_cure(form, tmp_path):
    make = written(form, tmp_path, "2024-01-05T09:30:00")
    with pytest.raises(NodeError, match=r"zone.*tz=") as caught:
        rxdag.from_source(make()).collect()
    assert isinstance(caught.value.__cause__, rxdag.SourceError)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("tz", "expected"),
    [
        ("UTC", "2024-01-05T09:30:00+00:00"),
        ("America/New_York", "2024-01-05T14:30:00+00:00"),
        (NEW_YORK, "2024-01-05T14:30:00+00:00"),
        (EST, "2024-01-05T14:30:00+00:00"),
        (dt.UTC, "2024-01-05T09:30:00+00:00"),
    ],
)
def test_the_source_is_told_what_they_are(form, tz, expected, tmp_path):
    make = written(form, tmp_path, "2024-01-05T09:30:00")
    assert times_of(make(tz=tz)) == [ns(expected)]


@pytest.mark.parametrize("form", FORMS)
def test_of_a_local_time_that_occurs_twice_the_first_is_taken(form, tmp_path):
    texts = ("2024-11-03T00:59:59", "2024-11-03T01:30:00", "2024-11-03T02:00:00")
    make = written(form, tmp_path, *texts)
    expected = ["2024-11-03T04:59:59+00:00", "2024-11-03T05:30:00+00:00", "2024-11-03T07:00:00+00:00"]
    assert times_of(make(tz="America/New_York")) == [ns(each) for each in expected]


@pytest.mark.parametrize("form", FORMS)
def test_a_local_time_that_does_not_occur_is_refused(form, tmp_path):
    make = written(form, tmp_path, "2024-03-10T02:30:00")
    with pytest.raises(NodeError, match="there is no 2024-03-10T02:30:00 in America/New_York: clocks skip that time"):
        rxdag.from_source(make(tz="America/New_York")).collect()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_lines_with_such_times_go_to_dead(form, tmp_path):
    make = written(form, tmp_path, "2024-01-05T09:30:00", "2024-01-05T09:30:00Z")
    stream = rxdag.from_source(make(), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert result[out] == [Tick(dt.datetime(2024, 1, 5, 9, 30, tzinfo=dt.UTC))]
    assert ["a time must have a zone" in str(letter.error) for letter in result[dead]] == [True]


@pytest.mark.parametrize("form", FORMS)
def test_there_is_a_zone_of_that_name(form, tmp_path):
    make = written(form, tmp_path, "2024-01-05T09:30:00")
    with pytest.raises(GraphError, match=f"{form}: tz must be the IANA name of a time zone.*got 'Mars/North'"):
        make(tz="Mars/North")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_time_with_a_zone_keeps_it(form, tmp_path):
    make = written(form, tmp_path, "2024-01-05T09:30:00+02:00", "2024-01-05T09:30:00")
    got = [tick.ts.isoformat() for tick in rxdag.from_source(make(tz="America/New_York")).collect()]
    assert got == ["2024-01-05T09:30:00+02:00", "2024-01-05T09:30:00-05:00"]


def test_arrow_times_with_a_zone_keep_it():
    table = pa.table({"ts": pa.array([local("2024-01-05T09:30:00")], pa.timestamp("us", "Europe/Berlin"))})
    expected = [ns("2024-01-05T09:30:00+00:00")]  # arrow keeps instants
    assert times_of(sources.arrow(table)) == expected
    assert times_of(sources.arrow(table, tz="America/New_York")) == expected


@pytest.mark.parametrize("batched", [False, True])
def test_columns_and_rows_of_a_csv_file_agree(batched, tmp_path):
    make = written("csv", tmp_path, "2024-01-05T09:30:00", "2024-07-05T09:30:00")
    timed = rxdag.from_source(make(tz=NEW_YORK)).pipe(ops.event_time(col.ts))
    timed = timed.pipe(ops.filter(col.ts.is_null() == False)) if batched else timed.pipe(ops.filter(lambda t: True))  # noqa: E712  # an expression
    assert [tick.ts.isoformat() for tick in timed.collect()] == [
        "2024-01-05T09:30:00-05:00",
        "2024-07-05T09:30:00-04:00",
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_unit_of_arrow_is_read_exactly(unit):
    values = [1_704_447_000, None, -1]
    table = pa.table({"ts": pa.array(values, pa.int64()).cast(pa.timestamp("s")).cast(pa.timestamp(unit))})
    got = rxdag.from_source(sources.arrow(table, tz="America/New_York")).collect()
    expected = [np.datetime64(1_704_447_000 + 5 * 3600, "s"), None, np.datetime64(-1 + 5 * 3600, "s")]
    assert [row["ts"] for row in got] == expected


def test_nanoseconds_are_kept_beside_a_null():
    instants = pa.array([1_704_447_000_000_000_001, None], pa.timestamp("ns"))
    got = rxdag.from_source(sources.arrow(pa.table({"ts": instants}), tz="UTC")).collect()
    assert got == [{"ts": np.datetime64(1_704_447_000_000_000_001, "ns")}, {"ts": None}]


def test_many_days_are_read_as_python_reads_them():
    days = [dt.datetime(1900, 1, 1) + dt.timedelta(hours=7 * i) for i in range(20_000)]  # noqa: DTZ001  # that is the point
    days = [day for day in days if day != dt.datetime(1900, 1, 1)]  # noqa: DTZ001
    real = [
        day
        for day in days
        if day.replace(tzinfo=NEW_YORK).astimezone(dt.UTC).astimezone(NEW_YORK).replace(tzinfo=None) == day
    ]
    table = pa.table({"ts": pa.array(real, pa.timestamp("us"))})
    got = rxdag.from_source(sources.arrow(table, tz=NEW_YORK)).collect()
    expected = [day.replace(tzinfo=NEW_YORK).astimezone(dt.UTC).replace(tzinfo=None) for day in real]
    assert [row["ts"].item() for row in got] == expected


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.timestamp("us")), pa.struct([("at", pa.timestamp("us"))]), pa.map_(pa.string(), pa.timestamp("us"))],
)
def test_times_inside_of_lists_and_structs_are_looked_at(kind):
    table = pa.table({"ts": pa.array([None], kind)})
    with pytest.raises(NodeError, match='arrow: column "ts" must have times with a zone, got'):
        rxdag.from_source(sources.arrow(table)).collect()
    with pytest.raises(
        NodeError, match='column "ts" must have times with a zone inside of .*; tz= is for plain columns'
    ):
        rxdag.from_source(sources.arrow(table, tz="UTC")).collect()


def test_a_column_that_the_items_do_not_have_is_not_looked_at():
    table = pa.table({"ts": pa.array([local("2024-01-05T09:30:00")]), "n": [1]})
    assert rxdag.from_source(sources.arrow(table, Count)).collect() == [Count(1)]


class Count(msgspec.Struct):
    n: int


def test_dictionaries_of_times_are_read():
    coded = pa.array([local("2024-01-05T09:30:00")] * 2).dictionary_encode()
    got = rxdag.from_source(sources.arrow(pa.table({"ts": coded}), tz=EST)).collect()
    assert got == [{"ts": np.datetime64("2024-01-05T14:30:00", "us")}] * 2


# ---- fields of fields, in JSON


class Inner(NamedTuple):
    at: dt.datetime


@dataclasses.dataclass(frozen=True)
class Leg:
    at: dt.datetime | None
    inner: Inner


class Legs(TypedDict):
    legs: list[Leg]
    by_name: dict[str, tuple[dt.datetime, int]]


class Order(msgspec.Struct, frozen=True):
    legs: Legs
    days: frozenset[dt.datetime] = frozenset()
    next: "Order | None" = None


ORDER = (
    '{"legs": {"legs": [{"at": "2024-01-05T09:30:00", "inner": ["2024-07-05T09:30:00"]}, {"at": null, "inner": ["2024-01-05T09:30:00Z"]}],'
    ' "by_name": {"x": ["2024-01-05T09:30:00", 3]}}, "days": ["2024-01-05T00:00:00"]}'
)


def test_times_anywhere_in_an_item_get_the_zone(tmp_path):
    path = tmp_path / "orders.jsonl"
    path.write_text(ORDER + "\n" + ORDER[:-1] + f', "next": {ORDER}}}\n')
    first, second = rxdag.from_source(sources.jsonl(path, Order, tz=NEW_YORK)).collect()
    january, july = (dt.datetime(2024, month, 5, 9, 30, tzinfo=NEW_YORK) for month in (1, 7))
    utc = dt.datetime(2024, 1, 5, 9, 30, tzinfo=dt.UTC)
    expected = Order(
        {"legs": [Leg(january, Inner(july)), Leg(None, Inner(utc))], "by_name": {"x": (january, 3)}},
        frozenset([dt.datetime(2024, 1, 5, tzinfo=NEW_YORK)]),
    )
    assert first == expected
    assert second == Order(expected.legs, expected.days, expected)
    assert second.next.legs["legs"][0].at.tzinfo is NEW_YORK


def test_times_anywhere_in_an_item_are_refused_without_one(tmp_path):
    path = tmp_path / "orders.jsonl"
    path.write_text('{"legs": {"legs": [], "by_name": {}}, "days": ["2024-01-05T00:00:00"]}\n')
    with pytest.raises(NodeError, match="line 1: .*a time must have a zone; write it as .*, or pass tz= to the source"):
        rxdag.from_source(sources.jsonl(path, Order)).collect()


def test_a_type_that_wants_a_zone_is_decoded_as_ever(tmp_path):
    class Wanting(msgspec.Struct):
        ts: Annotated[dt.datetime, msgspec.Meta(tz=True)]

    path = tmp_path / "wanting.jsonl"
    path.write_text('{"ts": "2024-01-05T09:30:00Z"}\n')
    assert len(rxdag.from_source(sources.jsonl(path, Wanting)).collect()) == 1


def test_text_that_looks_like_a_time_is_text(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"ts": "2024-01-05T09:30:00"}\n')
    assert rxdag.from_source(sources.jsonl(path, dict)).collect() == [{"ts": "2024-01-05T09:30:00"}]


# ---- event_time

CLOCKS = {
    "plain": {},
    "by feed": {"by": lambda when: 0},
    "of the source": {"watermarks": "source"},
}


@pytest.mark.parametrize("clock", ["plain", "by feed", "of the source"])
@pytest.mark.parametrize("tz", [None, NEW_YORK, "America/New_York", EST])
def test_event_time_is_told_what_they_are(clock, tz):
    when = local("2024-01-05T09:30:00")
    stream = rxdag.from_source(sources.iterable([when]))
    if clock == "of the source":
        stream = stream.pipe(ops.event_time(lambda when: 0))
    timed = stream.pipe(ops.event_time(lambda when: when, tz=tz, **CLOCKS[clock]), name="timed")
    panes = timed.pipe(ops.window_all(windows.tumbling("1s"), agg.count()))
    if tz is None:
        with pytest.raises(NodeError, match=r"got the naive .*; use .replace\(tzinfo=...\), or pass tz= for"):
            panes.collect()
    else:
        assert [pane.start for pane in panes.collect()] == [ns("2024-01-05T14:30:00+00:00")]


def test_event_time_of_a_local_time_that_occurs_twice_is_the_first():
    twice = local("2024-11-03T01:30:00")
    items = [{"ts": twice}, {"ts": twice.replace(fold=1)}]
    got = times_of(sources.iterable(items, of=dict), tz="America/New_York")
    assert got == [ns("2024-11-03T05:30:00+00:00"), ns("2024-11-03T06:30:00+00:00")]


def test_event_time_of_a_local_time_that_does_not_occur_goes_to_dead():
    never, fine = local("2024-03-10T02:30:00"), local("2024-03-10T03:30:00")
    stream = rxdag.from_source(sources.iterable([never, fine])).pipe(ops.event_time(lambda when: when, tz=NEW_YORK))
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert result[out] == [fine]
    assert [str(letter.error) for letter in result[dead]] == [
        "event_time: there is no 2024-03-10T02:30:00 in America/New_York: clocks skip that time"
    ]


def test_datetimes_with_a_zone_and_numbers_do_not_care():
    utc = dt.datetime(2024, 1, 5, 9, 30, tzinfo=dt.UTC)
    items = [{"ts": utc}, {"ts": ns("2024-01-05T09:30:01+00:00")}]
    got = times_of(sources.iterable(items, of=dict), tz="America/New_York")
    assert got == [ns("2024-01-05T09:30:00+00:00"), ns("2024-01-05T09:30:01+00:00")]


@pytest.mark.parametrize("lane", ["rows", "columns"])
def test_numpys_times_are_utc_and_take_no_zone(lane):
    times = np.array(["2024-01-05T09:30:00"], "M8[us]")
    ts = "ts" if lane == "columns" else lambda row: row["ts"]
    stream = rxdag.from_source(sources.arrays({"ts": times}))
    timed = stream.pipe(ops.event_time(ts)).pipe(ops.window_all(windows.tumbling("1s"), agg.count()))
    assert [pane.start for pane in timed.collect()] == [ns("2024-01-05T09:30:00+00:00")]
    told = r"with tz= a time must be a datetime, a text or a number, got .*, which is UTC; leave out tz="
    with pytest.raises(NodeError, match=told):
        stream.pipe(ops.event_time(ts, tz=NEW_YORK)).collect()


@pytest.mark.parametrize("tz", ["Mars/North", "", 5, "../etc/passwd", dt.timedelta(hours=1)])
def test_tz_is_a_zone(tz):
    with pytest.raises(GraphError, match="event_time: tz must be the IANA name of a time zone"):
        ops.event_time("ts", tz=tz)


def test_zones_of_pytz_are_refused():
    class Pytz(dt.tzinfo):
        def localize(self, value):
            return value

    with pytest.raises(GraphError, match="event_time: tz must not be a pytz zone, got .*; use its name"):
        ops.event_time("ts", tz=Pytz())


def test_times_at_the_ends_of_the_calendar_have_a_zone_too():
    for text in ("0001-01-01T00:00:00", "9999-12-31T23:59:59"):
        for zone in (NEW_YORK, ZoneInfo("Asia/Tokyo")):
            assert aware(local(text), zone).replace(tzinfo=None) == local(text)


def test_a_zone_may_be_left_out():
    assert zone_of(None, "x: tz") is None


def test_a_tumbling_window_takes_a_zone_too():
    assigner = windows.tumbling("1d", tz=NEW_YORK)
    assert assigner == windows.tumbling("1d", tz="America/New_York")
    with pytest.raises(GraphError, match="tumbling: tz must be the IANA name of a time zone"):
        windows.tumbling("1d", tz=EST)


# ---- what is written can be read


@pytest.mark.parametrize("lane", ["rows", "columns"])
def test_numpys_times_are_written_to_arrow_with_their_zone(lane):
    times = {"ts": np.array(["2024-01-05T09:30:00", "NaT"], "M8[ms]")}
    stream = rxdag.from_source(sources.arrays(times))
    kept = (stream if lane == "columns" else stream.pipe(ops.map(lambda row: row))).to(sinks.arrow())
    table = rxdag.run(kept)[kept]
    assert table.schema.field("ts").type == pa.timestamp("ms", "UTC")
    got = rxdag.from_source(sources.arrow(table)).collect()
    assert got == [{"ts": np.datetime64("2024-01-05T09:30:00", "ms")}, {"ts": None}]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_numpys_times_are_written_as_text_with_their_zone(form, tmp_path):
    path = tmp_path / f"ticks.{form}"
    rows = [{"ts": np.datetime64("2024-01-05T09:30:00.000001", "us")}]
    rxdag.run(rxdag.from_source(sources.iterable(rows, of=dict)).to(getattr(sinks, form)(path)))
    assert "2024-01-05T09:30:00.000001Z" in path.read_text()
    got = rxdag.from_source(getattr(sources, form)(path, Tick)).collect()
    assert got == [Tick(dt.datetime(2024, 1, 5, 9, 30, 0, 1, tzinfo=dt.UTC))]


def test_times_of_numpy_have_one_type_as_rows_and_as_columns():
    times = np.array(["2024-01-05T09:30:00", "NaT"], "M8[us]")
    rows = [{"ts": times[0], "n": 1}, {"ts": None, "n": 2}]
    columns = {"ts": times, "n": [1, 2]}
    for source in (sources.iterable(rows), sources.iterable(rows, of=dict), sources.arrays(columns)):
        kept = rxdag.from_source(source).to(sinks.arrow())
        schema = rxdag.run(kept)[kept].schema
        assert (schema.field("ts").type, schema.field("n").type) == (pa.timestamp("us", "UTC"), pa.int64())


def test_days_of_numpy_are_written_as_days(tmp_path):
    kept = rxdag.from_source(sources.arrays({"day": np.array(["2024-01-05"], "M8[D]")})).to(sinks.arrow())
    assert rxdag.run(kept)[kept].schema.field("day").type == pa.date32()
    rows = [{"day": np.datetime64("2024-01-05")}]
    rxdag.run(rxdag.from_source(sources.iterable(rows, of=dict)).to(sinks.csv(tmp_path / "days.csv")))
    assert (tmp_path / "days.csv").read_text() == "day\n2024-01-05\n"


@pytest.mark.parametrize("batch_format", ["pyarrow", "polars"])
def test_map_batch_gives_and_takes_times_with_a_zone(batch_format):
    seen = []

    def same(batch):
        seen.append(str(batch.schema.field("ts").type if batch_format == "pyarrow" else batch.schema["ts"]))
        return batch

    stream = rxdag.from_source(sources.arrays({"ts": np.array(["2024-01-05T09:30:00"], "M8[us]")}))
    got = stream.pipe(ops.map_batch(same, batch_format=batch_format)).collect()
    assert got == [{"ts": np.datetime64("2024-01-05T09:30:00", "us")}]
    assert "UTC" in seen[0]

    def naive(batch):
        table = polars.DataFrame({"ts": [local("2024-01-05T09:30:00")]})
        return table.to_arrow() if batch_format == "pyarrow" else table

    with pytest.raises(NodeError, match="a column of times must have a zone, got timestamp"):
        stream.pipe(ops.map_batch(naive, batch_format=batch_format)).collect()


# ---- specs


def test_a_spec_says_tz_and_a_dag_with_one_is_written(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("ts\n2024-01-05T09:30:00\n")
    spec = (
        "nodes:\n"
        "  ticks: {source: csv, path: t.csv, of: 'tests.unit.test_zones:Tick', tz: America/New_York}\n"
        "  timed: {op: event_time, input: ticks, ts: ts, tz: UTC}\n"
        "  out: {sink: collect, input: timed}\n"
    )
    (tmp_path / "s.yaml").write_text(spec)
    dag = rxdag.load_spec(tmp_path / "s.yaml", allow=["tests.unit.test_zones"])
    assert [row.ts.isoformat() for row in rxdag.run(dag)["out"]] == ["2024-01-05T09:30:00-05:00"]
    timed = rxdag.from_source(sources.csv("t.csv", Tick, tz=NEW_YORK)).pipe(ops.event_time("ts", tz=NEW_YORK))
    assert rxdag.dump_spec(rxdag.Dag(timed.to(sinks.null()))).count("tz: America/New_York") == 2


def test_a_spec_tells_where_a_zone_is_wrong():
    text = "nodes:\n  n: {source: csv, path: t.csv, of: 'x:Tick', tz: Mars/North}\n  o: {sink: 'null', input: n}\n"
    with pytest.raises(rxdag.SpecError, match=r"2:\d+: nodes.n.tz: must be the IANA name of a time zone"):
        rxdag.load_spec(text=text)


def test_a_zone_without_a_name_is_not_written():
    timed = rxdag.from_source(sources.range(3)).pipe(ops.event_time("ts", tz=EST))
    with pytest.raises(rxdag.SpecError, match="tz: must be the name of a time zone, got datetime.timezone"):
        rxdag.dump_spec(rxdag.Dag(timed.to(sinks.null())))


def test_marbles_are_not_touched():
    assert play(ops.event_time(lambda mark: 5), "ab|") == "ab|"
