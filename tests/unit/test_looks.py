"""What is seen of a graph: lists as tables, and reprs of one line."""

import copy
import pickle
import re
import sys
import xml.etree.ElementTree as ET
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, testing, windows

AT = 1_723_161_254


class Tick(NamedTuple):
    ts_ms: int
    symbol: str
    price: float


TICKS = [Tick(1000 * (AT + n) + 250 * n, "ab"[n % 2], 100 + n / 8) for n in range(4)]


def ticks(items=TICKS, unit="ms"):
    return rxdag.from_source(sources.iterable(items, of=Tick)).pipe(ops.event_time("ts_ms", unit=unit))


def bars(items=TICKS, unit="ms", size="2s"):
    keyed = ticks(items, unit).pipe(ops.key_by("symbol", names=("symbol",)))
    return keyed.pipe(ops.window(windows.tumbling(size), agg.ohlcv("price", lambda t: 1.0)))


def html(items):
    return ET.fromstring(f"<div>{items._repr_html_().replace('&#8230;', '...')}</div>")


def cells(items):
    return [["".join(cell.itertext()) for cell in row] for row in html(items).iter("tr")]


class TestItems:
    def test_a_look_is_still_a_list(self):
        looks = rxdag.wrap([3, 1, 2]).head(2)
        assert looks == [3, 1]
        assert isinstance(looks, list)
        looks.append(7)
        assert sorted(looks) == [1, 3, 7]
        assert repr(looks) == "[3, 1, 7]"

    def test_its_repr_is_that_of_a_list(self):
        looks = bars().collect()
        assert repr(looks) == repr(list(looks))

    def test_a_terminal_of_ipython_shows_what_print_shows(self):
        class Printer:
            shown = ""

            def text(self, text):
                self.shown += text

        looks, printer = bars().collect(), Printer()
        looks._repr_pretty_(printer, False)
        assert printer.shown == str(looks)

    def test_its_slices_and_copies_are_shown_as_it_is(self):
        looks = bars().collect()
        for other in (looks[:], copy.copy(looks), copy.deepcopy(looks), pickle.loads(pickle.dumps(looks))):
            assert other == looks
            assert str(other) == str(looks)

    def test_short_records_are_shown_as_a_list(self):
        assert str(rxdag.wrap([{"a": 1}, {"a": 2}]).collect()) == "[{'a': 1}, {'a': 2}]"

    def test_panes_are_a_table_with_dates(self):
        assert str(bars().head(2)) == (
            "symbol  start                 end                      open     high      low    close  volume     vwap  count\n"
            "a       2024-08-08T23:54:14Z  2024-08-08T23:54:16Z      100      100      100      100       1      100      1\n"
            "b       2024-08-08T23:54:14Z  2024-08-08T23:54:16Z  100.125  100.125  100.125  100.125       1  100.125      1\n"
            "2 items"
        )

    def test_a_notebook_shows_a_table(self):
        (head, first, *_) = cells(bars().collect())
        assert head[:4] == ["symbol", "start", "end", "open"]
        assert first[:4] == ["a", "2024-08-08T23:54:14Z", "2024-08-08T23:54:16Z", "100"]

    def test_columns_of_panes_that_say_nothing_are_left_out(self):
        assert "closed_by" not in cells(bars().collect()[:1])[0]
        early = ticks().pipe(ops.window_all(windows.tumbling("1h"), agg.count(), early=1)).collect()
        assert cells(early)[0][-2:] == ["revision", "closed_by"]

    def test_event_times_that_have_a_name_are_dates(self):
        assert cells(ticks().head(2))[1:] == [
            ["2024-08-08T23:54:14Z", "a", "100"],
            ["2024-08-08T23:54:15.250Z", "b", "100.125"],
        ]

    def test_the_name_is_read_from_a_lambda_too(self):
        named = rxdag.from_source(sources.iterable(TICKS, of=Tick)).pipe(ops.event_time(lambda t: t.ts_ms, unit="ms"))
        assert cells(named.head(1))[1][0] == "2024-08-08T23:54:14Z"

    def test_items_without_fields_are_one_column(self):
        assert cells(rxdag.wrap([1, (2, 3)]).collect()) == [["value"], ["1"], ["(2, 3)"]]

    def test_markup_in_items_is_text(self):
        assert cells(rxdag.wrap(["<b>"]).collect()) == [["value"], ["<b>"]]

    def test_nothing_is_said_to_be_nothing(self):
        assert "".join(html(rxdag.wrap([]).collect()).itertext()) == "0 items"
        assert str(rxdag.wrap([]).collect()) == "[]"

    def test_of_many_items_the_first_and_the_last_are_shown(self):
        many = rxdag.wrap([{"n": n} for n in range(1234)]).collect()
        lines = str(many).splitlines()
        assert lines[1:3] == ["   0", "   1"]
        assert lines[10:13] == ["   9", "...", "1224"]
        assert lines[-2:] == ["1233", "1,234 items"]
        assert len(cells(many)) == 22

    def test_a_record_that_cannot_be_flattened_is_shown_whole(self):
        odd = rxdag.wrap([{1: "a", "1": "b"}]).collect()
        assert str(odd) == "[{1: 'a', '1': 'b'}]"
        assert cells(odd)[1] == ["{1: 'a', '1': 'b'}"]

    @pytest.mark.parametrize(("scale", "unit"), [(1, "ns"), (1000, "ns"), (1, "us"), (1, "s")])
    def test_times_of_another_unit_are_asked_about(self, scale, unit):
        wrong = [tick._replace(ts_ms=tick.ts_ms * scale) for tick in TICKS]
        if unit == "s":
            wrong = [tick._replace(ts_ms=tick.ts_ms // 1000) for tick in TICKS]
            unit = "ms"
        assert re.search(r"\ntimes are at 1970-.*: is unit= of event_time right\?$", str(bars(wrong, unit).collect()))

    def test_times_of_a_toy_are_not_asked_about(self):
        assert "unit=" not in str(bars([tick._replace(ts_ms=1000 * n) for n, tick in enumerate(TICKS)]).collect())

    def test_what_a_run_collected_is_a_table(self):
        out = bars().to(sinks.collect(), name="out")
        assert cells(rxdag.run(out)[out])[0][0] == "symbol"

    def test_a_look_can_be_read_again(self):
        source = sources.iterable(ticks().collect())
        assert source.knows_backlog
        assert rxdag.from_source(source).collect() == TICKS


class TestFrames:
    def test_collected_panes_have_the_shape_of_an_arrow_table(self):
        kept, table = bars().to(sinks.collect(), name="kept"), bars().to(sinks.arrow(), name="table")
        result = rxdag.run(kept, table)
        frame = result.to_frame(kept)
        assert frame.columns == [
            "symbol", "start", "end", "open", "high", "low", "close", "volume", "vwap", "count", "revision", "closed_by"
        ]  # fmt: skip
        assert_frame_equal(frame, pl.from_arrow(result[table]))
        assert_frame_equal(frame, result.to_frame("table"))

    def test_plain_items_are_one_column(self):
        out = rxdag.wrap([1, 2]).to(sinks.collect())
        assert rxdag.run(out).to_frame(out).to_dict(as_series=False) == {"value": [1, 2]}

    def test_nothing_is_an_empty_frame(self):
        out = rxdag.wrap([]).to(sinks.collect())
        assert rxdag.run(out).to_frame(out).shape == (0, 0)

    def test_a_sink_that_collects_nothing_is_refused(self):
        result = rxdag.run(rxdag.wrap([1]).to(sinks.null(), name="out"))
        said = (
            r'to_frame: sink "out": the sink must collect its items, as sinks.collect\(\) and sinks.arrow\(\) do, got 1'
        )
        with pytest.raises(rxdag.GraphError, match=said):
            result.to_frame("out")

    def test_without_polars_it_says_how_to_install_it(self, monkeypatch):
        result = rxdag.run(rxdag.wrap([1]).to(sinks.collect(), name="out"))
        monkeypatch.setitem(sys.modules, "polars", None)
        with pytest.raises(rxdag.MissingExtra, match=r'to_frame: .*polars must be installed.*extra "polars"'):
            result.to_frame("out")
        with pytest.raises(rxdag.MissingExtra, match=r'stats.to_frame: polars must be installed.*extra "polars"'):
            result.stats.to_frame()

    def test_the_books_are_a_row_for_each_node(self):
        dead = rxdag.wrap([1, 0, 2]).pipe(ops.map(lambda x: 1 / x), name="inverse", on_error="dead")
        frame = rxdag.run(dead.to(sinks.null(), name="out")).stats.to_frame()
        assert frame.filter(node="inverse").select("arrived", "passed", "dead", "watermark").rows() == [(3, 2, 1, None)]
        assert frame["node"].to_list() == ["iterable", "inverse", "out"]

    def test_watermarks_are_times(self):
        run = testing.start(bars().to(sinks.null()), inputs=["iterable"])
        run.inputs["iterable"].push(TICKS[0])
        run.settle()
        marks = run.stats().to_frame().filter(node="event_time")["watermark"].dt.to_string("%FT%T").to_list()
        assert marks == ["2024-08-08T23:54:13"]
        run.cancel()


class TestTaken:
    """What `wrap`, `sources.iterable` and `from_source` make of what is hardly a stream."""

    FRAMES = (
        pl.DataFrame({"a": [1, 2]}),
        pa.table({"a": [1, 2]}),
        pa.record_batch({"a": [1, 2]}),
    )

    @pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
    def test_a_frame_is_read_by_rows(self, frame):
        assert rxdag.wrap(frame).collect() == [{"a": 1}, {"a": 2}]

    def test_a_frame_of_pandas_is_too(self):
        class DataFrame:  # of pandas 2.2
            columns, dtypes = "a", "int64"

            def __iter__(self):
                return iter("a")

            def __arrow_c_stream__(self, schema=None):
                return pa.table({"a": [1, 2]}).__arrow_c_stream__(schema)

        assert rxdag.wrap(DataFrame()).collect() == [{"a": 1}, {"a": 2}]

    def test_a_column_is_read_by_values(self):
        assert rxdag.wrap(pl.Series([1, 2])).collect() == [1, 2]

    @pytest.mark.parametrize("make", [lambda x: rxdag.wrap(x), lambda x: sources.iterable(x)])
    @pytest.mark.parametrize(
        ("thing", "said"),
        [
            (
                "trades.csv",
                r"must not be a str, whose items are its characters, got 'trades.csv'; sources.csv\(path, Type\)",
            ),
            (b"ab", r"must not be bytes, whose items are numbers, got b'ab'; list\(data\)"),
            (bytearray(b"ab"), "must not be bytes, whose items are numbers"),
            ({"a": 1}, r"must not be a mapping, whose items are its keys, got {'a': 1}; pass its .items\(\)"),
            (pl.LazyFrame({"a": [1]}), r"must not be a LazyFrame, of which a loop gives no rows; .*frame.collect\(\)"),
        ],
        ids=lambda each: type(each).__name__,
    )
    def test_what_a_loop_takes_apart_is_refused(self, make, thing, said):
        with pytest.raises(rxdag.GraphError, match=f"^(wrap: thing|iterable: items) {said}"):
            make(thing)

    def test_a_frame_is_no_iterable_of_items(self):
        with pytest.raises(rxdag.GraphError, match=r"must not be a DataFrame.*; sources.arrow\(table\) reads"):
            sources.iterable(self.FRAMES[0])

    @pytest.mark.parametrize(
        ("thing", "said"),
        [
            (FRAMES[0], r"got a DataFrame; sources.arrow\(...\) makes one of a frame or table"),
            ("trades.csv", r"got 'trades.csv'; sources.csv\(path, Type\), parquet or jsonl make one of a file"),
            ([1], r"got \[1\]; sources.iterable\(...\) makes one of an iterable"),
        ],
    )
    def test_from_source_says_which_source_it_wants(self, thing, said):
        with pytest.raises(rxdag.GraphError, match=f"^from_source: takes a source, {said}$"):
            rxdag.from_source(thing)


class TestReprs:
    def test_stats_say_where_the_watermark_is(self):
        run = testing.start(bars().to(sinks.null()), inputs=["iterable"])
        run.settle()
        assert repr(run.stats()).endswith("0 lost, watermark not set>")
        run.inputs["iterable"].push(TICKS[0])
        run.settle()
        assert repr(run.stats()).endswith("0 lost, watermark 2024-08-08T23:54:13.999999999Z>")
        assert repr(run.finish().stats).endswith("0 lost, watermark 2024-08-08T23:54:13.999999999Z>")
        assert repr(rxdag.run(bars().to(sinks.null())).stats).endswith("0 lost, watermark at the end>")
        assert "watermark" not in repr(rxdag.run(rxdag.wrap([1]).to(sinks.null())).stats)

    def test_routes_name_their_ports(self):
        routes = rxdag.wrap([1]).pipe(ops.route({"odd": lambda x: x % 2}, default="even"), name="kinds")
        assert repr(routes) == '<Routes route "kinds", ports odd, even>'

    def test_a_runtime_counts_its_jobs(self):
        runtime = rxdag.PipelineRuntime(rxdag.RuntimeSettings())
        assert repr(runtime) == "<PipelineRuntime: no jobs>"
        runtime.create_dag("one", rxdag.wrap([1]).to(sinks.null()))
        assert repr(runtime) == "<PipelineRuntime: 1 waiting>"

    def test_a_run_in_virtual_time_says_what_time_it_is(self):
        run = testing.start(rxdag.wrap([1]).to(sinks.null()))
        run.advance("1500ms")
        assert repr(run) == "<VirtualRun dag: running at 1500ms>"
        run.finish()

    def test_a_run_without_output_asks_for_the_unit(self):
        run = testing.start(bars().to(sinks.null()), inputs=["iterable"])
        run.inputs["iterable"].push(TICKS[0])
        run.settle()
        result = run.finish()
        assert "  1 in, 0 out, watermark at 2024-08-08T23:54:13.999999999Z: is unit= right?" in str(result).splitlines()


class TestLooksOfOddLists:
    def test_a_list_that_contains_itself_can_be_copied_and_pickled(self):
        items = rxdag.wrap([1, 2]).collect()
        items.append(items)
        for made in (copy.deepcopy(items), pickle.loads(pickle.dumps(items))):
            assert type(made) is type(items)
            assert made[:2] == [1, 2]
            assert made[2] is made

    def test_a_frame_of_items_that_are_no_table_names_the_sink(self):
        out = rxdag.wrap([1, "x"]).to(sinks.collect(), name="kept")
        with pytest.raises(rxdag.SourceError, match=r'to_frame: sink "kept": sinks.arrow: items must have the columns'):
            rxdag.run(out).to_frame("kept")

    @pytest.mark.parametrize("asked", [None, 5, ["kept"]])
    def test_what_is_no_sink_is_refused_with_the_sinks_of_the_run(self, asked):
        result = rxdag.run(rxdag.wrap([1]).to(sinks.collect(), name="kept"))
        with pytest.raises(
            rxdag.GraphError, match=r"result: must be asked for a sink or its name, .*its sinks are kept"
        ):
            result[asked]
