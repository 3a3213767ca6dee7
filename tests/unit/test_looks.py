"""What is seen of a graph: lists as tables, and reprs of one line."""

import copy
import pickle
import re
import xml.etree.ElementTree as ET
from typing import NamedTuple

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows

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
