"""What is shown: graphs and runs as pictures, in notebooks and on terminals, and bars as candles."""

import io
import json
import re
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client import CollectorRegistry
from rich.console import Console
from tests import servers

import rxdag
from rxdag import market, metrics, on_error, render, sinks, sources, testing
from rxdag import operators as ops
from rxdag.cli import top
from rxdag.cli._progress import Progressing, share_of
from rxdag.cli._top import Top, fetched, is_over, show
from rxdag.errors import GraphError, RxDagError

# The oldest typer that is allowed, with the newest click, uses what click is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")


class Row(NamedTuple):
    n: int


def dag():
    numbers = rxdag.from_source(sources.range(100), name="numbers")
    some = numbers.pipe(ops.filter(lambda n: n % 2), name="odd").pipe(
        ops.map(lambda n: 1 // (n % 5)), name="inverse", on_error=on_error.dead
    )
    return rxdag.Dag(
        some.buffered(max_items=20).to(sinks.null(), name="out"), some.dead.to(sinks.null(), name="dead"), name="odds"
    )


DOCS = Path(__file__).parent.parent.parent / "docs"
SVG = "{http://www.w3.org/2000/svg}"


def routed():
    numbers = rxdag.from_source(sources.range(100), name="numbers")
    routes = numbers.pipe(ops.route({"low": lambda n: n < 5, "mid": lambda n: n < 50}, default="rest"), name="by_size")
    merged = rxdag.merge(routes["low"], routes["mid"].pipe(ops.map(lambda n: n)), routes["rest"])
    return rxdag.Dag(merged.to(sinks.null(), name="merged"), name="routed")


def drawn(path):
    """Points of the curves of a path."""
    start, *curves = re.findall(r"[MC]([^MC]*)", path.get("d"))
    x, y = map(float, start.split())
    for curve in curves:
        ax, ay, bx, by, x2, y2 = map(float, curve.split())
        for step in range(101):
            t, u = step / 100, 1 - step / 100
            yield tuple(
                u**3 * p + 3 * u * u * t * a + 3 * u * t * t * b + t**3 * q
                for p, a, b, q in ((x, ax, bx, x2), (y, ay, by, y2))
            )
        x, y = x2, y2


def texts_of(svg):
    return [element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


class TestSvg:
    def test_a_run_with_its_numbers(self):
        result = rxdag.run(dag())
        texts = texts_of(render.svg(result))
        assert "100 \N{RIGHTWARDS ARROW} 50" in texts
        assert "50 filtered" in texts
        assert "10 dead" in texts
        peak = result.stats.gates["inverse -> out"].high_water
        assert f"{peak} of 20" in texts
        assert any(text.startswith("odds: completed in ") for text in texts)

    def test_a_run_that_failed_says_with_what(self):
        stream = rxdag.from_source(sources.range(3)).pipe(ops.map(lambda n: 1 // n))
        result = testing.settle_virtual(testing.virtual(rxdag.compile(rxdag.Dag(stream.to(sinks.null())))))
        assert any("failed" in text and "ZeroDivisionError" in text for text in texts_of(render.svg(result)))

    def test_nothing_stands_on_anything_else(self):
        root = ET.fromstring(render.svg(rxdag.run(dag())))
        boxes = []
        for group in root.iter("{http://www.w3.org/2000/svg}g"):
            found = group.find("{http://www.w3.org/2000/svg}rect")
            if found is not None:
                boxes.append([float(found.get(name)) for name in ("x", "y", "width", "height")])
        for i, (x, y, w, h) in enumerate(boxes):
            for x2, y2, w2, h2 in boxes[:i]:
                assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y

    def test_no_text_stands_on_a_line(self):
        for thing in (routed(), rxdag.run(routed()), rxdag.run(dag())):
            root = ET.fromstring(render.svg(thing))
            points = [point for path in root.iter(f"{SVG}path") if path.get("class") == "edge" for point in drawn(path)]
            notes = [text for text in root.iter(f"{SVG}text") if text.get("class") == "port"]
            assert len(notes) >= 2
            for note in notes:
                left, base = float(note.get("x")), float(note.get("y"))
                right = left + 6 * len(note.text)
                assert not [1 for x, y in points if left < x < right and base - 8 < y < base + 2], note.text

    def test_ports_that_lead_to_the_same_node_are_all_named(self):
        texts = texts_of(render.svg(routed()))
        assert {"mid", "low, rest"} <= set(texts)

    def test_a_picture_has_a_ground_and_colours_for_both_schemes(self):
        root = ET.fromstring(render.svg(dag()))
        ground = next(rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "ground")
        assert (ground.get("width"), ground.get("height")) == (root.get("width"), root.get("height"))
        light, dark = root.find(f"{SVG}style").text.split("@media(prefers-color-scheme:dark){")
        for name in ("text", ".ground", ".label", ".port", ".edge", ".tip", ".lost", ".failed"):
            assert re.search(rf"\.rxdag {re.escape(name)}\b", dark), name
            assert re.search(rf"\.rxdag {re.escape(name)}\b", light), name

    def test_its_style_is_for_this_picture_only(self):
        style = ET.fromstring(render.svg(dag())).find(f"{SVG}style").text
        rules = re.findall(r"^([^@}{][^{]*){", style, re.M)
        assert all(part.startswith(".rxdag ") for rule in rules for part in rule.split(","))


class TestNotebooks:
    def test_a_dag_and_a_run_are_pictures(self):
        for thing, text in ((dag(), "dag odds"), (rxdag.run(dag()), "odds: completed")):
            bundle = thing._repr_mimebundle_()
            ET.fromstring(bundle["image/svg+xml"])
            assert bundle["text/plain"].startswith(text)

    def test_without_the_package_that_lays_them_out_they_are_text(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "igraph", None)
        bundle = dag()._repr_mimebundle_()
        assert set(bundle) == {"text/plain"}
        assert 'pip install "igraph' in bundle["text/plain"]


def shown(renderable):
    console = Console(width=120, file=io.StringIO(), force_terminal=False)
    console.print(renderable)
    return console.file.getvalue()


class TestTop:
    def test_rates_are_those_since_the_table_before(self):
        run = rxdag.start(dag())
        run.wait(30)
        status = metrics.status(run)
        top = Top()
        first = shown(top.table({}, 0.0))
        assert "nothing runs" in first
        before = {name: dict(value) for name, value in status.items()}
        before["odds"] = status["odds"] | {"nodes": {n: {"arrived": 0} for n in status["odds"]["nodes"]}}
        top.table(before, 10.0)
        table = shown(top.table(status, 12.0))
        odd = next(line.split() for line in table.splitlines() if line.strip().startswith("odd "))
        assert odd[:5] == ["odd", "50", "25", "100", "50"]  # 100 and 50 in two seconds
        inverse = next(line.split() for line in table.splitlines() if line.strip().startswith("inverse "))
        assert inverse[5:7] == ["10", "10"]  # lost, and by an error
        assert "inverse -> out" in table
        assert "odds: completed" in table

    def test_of_a_run_elsewhere(self):
        registry = CollectorRegistry()
        gate = threading.Event()
        waits = rxdag.from_source(sources.range(3)).pipe(ops.map(lambda n: gate.wait(30)))
        run = rxdag.start(rxdag.Dag(waits.to(sinks.null(), name="out"), name="waits"))
        metrics.watch(run, registry=registry)
        console = Console(width=120, file=io.StringIO())
        with metrics.serve(0, registry=registry) as server:
            status = fetched(f"localhost:{server.port}")
            assert status["waits"]["state"] == "running"
            assert not is_over(status)
            gate.set()
            run.wait(30)
            show(lambda: fetched(f"http://localhost:{server.port}/status"), every_s=0.01, console=console)
        assert "waits: completed" in console.file.getvalue()

    def test_of_a_run_that_goes_away(self):
        looks = iter([{"a": {"state": "running", "restarts": 0, "error": None}}])
        console = Console(width=120, file=io.StringIO())

        def read():
            try:
                return next(looks)
            except StopIteration:
                raise RxDagError("connection refused") from None

        show(read, every_s=0.01, console=console)
        assert "the run has ended: its server is gone" in console.file.getvalue()

    def test_of_a_run_in_this_process(self, capsys):
        run = rxdag.start(dag())
        top(run, every_s=0.01)
        assert "odds: completed" in capsys.readouterr().out
        run.wait(30)

    def test_where_nothing_is_served(self):
        with pytest.raises(RxDagError, match=r"must be where a run serves its metrics \(rxdag run --metrics-port"):
            fetched(f"127.0.0.1:{servers.free_port()}")


class TestProgress:
    def test_it_is_that_of_the_input_that_is_least_far(self):
        shares = []

        def look(_):
            shares.append(share_of(run.execution.stats()))

        run = testing.start(
            rxdag.Dag(
                rxdag.merge(
                    rxdag.from_source(sources.range(4), name="short"), rxdag.from_source(sources.range(10), name="long")
                ).to(sinks.call(look))
            )
        )
        run.settle()
        assert shares[0] is None  # the long one is not open yet
        assert shares[1:4] == [0.1, 0.1, 0.2]
        assert shares[1:] == sorted(shares[1:])

    def test_there_is_none_where_an_input_has_no_end(self):
        shares = []
        endless = rxdag.from_source(sources.iterable(iter(range(3))), name="endless")
        run = testing.start(rxdag.Dag(endless.to(sinks.call(lambda _: shares.append(share_of(run.execution.stats()))))))
        run.settle()
        assert shares == [None, None, None]

    @pytest.mark.parametrize(
        "make",
        [
            lambda folder: sources.range(1000),
            lambda folder: sources.arrays({"n": list(range(1000))}),
            lambda folder: sources.simulated_trades(trades=1000),
            lambda folder: sources.jsonl(_lines(folder), int),
            lambda folder: sources.csv(_rows(folder), Row),
            lambda folder: sources.parquet(_parquet(folder)),
        ],
    )
    def test_every_bounded_source_knows_it(self, make, tmp_path):
        source = make(tmp_path)

        class Context:
            clock = testing.virtual(rxdag.compile(rxdag.Dag(rxdag.wrap([1]).to(sinks.null())))).clock
            wants_columns = False

            def wants_thread(self):
                return False

            def bad(self, item, error):
                raise error

        reader = source.open(Context())
        seen = [reader.progress()]
        while True:
            read = reader.read(100)
            if read is rxdag.sources.END:
                break
            seen.append(reader.progress())
        reader.close()
        assert seen == sorted(seen)
        assert seen[-1] == 1
        assert seen[0] in (0, 1)  # a short file is read at once

    def test_a_bar_where_there_is_an_end_and_none_where_there_is_not(self):
        console = Console(file=io.StringIO(), force_terminal=True, width=80)
        with Progressing(console, lambda stats: f"{stats.nodes['numbers'].made} so far") as progress:
            result = rxdag.run(dag())
            progress.update(result.stats)
            assert progress._bar.tasks[0].description == "100 so far"
            assert progress._bar.tasks[0].total is None  # it has ended, and says nothing more


def _lines(folder):
    path = folder / "n.jsonl"
    path.write_text("".join(f"{n}\n" for n in range(20_000)))
    return path


def _rows(folder):
    path = folder / "n.csv"
    path.write_text("n\n" + "".join(f"{n}\n" for n in range(20_000)))
    return path


def _parquet(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"n": list(range(1000))}), folder / "n.parquet")
    return folder / "n.parquet"


BAR = {"start": "2024-08-08T00:00:00Z", "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 7.0}


def parts_of(page):
    """What the page gives plotly: the data and the layout."""
    text = re.split(r'Plotly\.newPlot\(\s*"candles",', page)[1]
    decoder, parts = json.JSONDecoder(), []
    for _ in range(2):
        part, end = decoder.raw_decode(text.lstrip(" ,\n"))
        parts.append(part)
        text = text.lstrip(" ,\n")[end:]
    return parts


def data_of(page):
    return parts_of(page)[0]


def layout_of(page):
    return parts_of(page)[1]


class TestCandles:
    def test_a_browser_draws_them(self, tmp_path):
        chromium = servers.binary("chromium", package="chromium")
        trades = rxdag.from_source(sources.simulated_trades(trades=5000), name="trades")
        bars = market.trade_bars(trades).collect()
        page = tmp_path / "bars.html"
        page.write_text(render.candlesticks(bars, by=lambda bar: bar.symbol, title="simulated"), encoding="utf-8")
        assert "<script src=" not in page.read_text()  # nothing is fetched
        with tempfile.TemporaryDirectory() as profile:
            done = subprocess.run(
                [
                    chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
                    "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000", "--dump-dom", page.as_uri(),
                ],
                capture_output=True,
                text=True,
                timeout=100,
            )  # fmt: skip
        root = done.stdout
        drawn = root.count('class="box"')
        counts = {symbol: sum(bar.symbol == symbol for bar in bars) for symbol in {bar.symbol for bar in bars}}
        assert drawn == max(counts.values()), done.stderr[-500:]
        assert root.count('class="point"') >= drawn  # the volumes
        first = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[0]
        assert f"simulated: {first}" in root
        assert "time, UTC" in root
        ticks = re.findall(r'class="ytick"><text[^>]*>([^<]*)<', root)
        assert ticks
        assert not [tick for tick in ticks if re.search(r"[kMµ]", tick)]

    def test_the_menu_is_not_where_the_toolbar_is_and_sets_the_title(self):
        bars = [BAR | {"symbol": symbol} for symbol in "ab"]
        layout = layout_of(render.candlesticks(bars, by=lambda bar: bar["symbol"], title="two"))
        (menu,) = layout["updatemenus"]
        assert (menu["x"], menu["xanchor"]) == (0, "left")  # the toolbar is on the right
        assert layout["title"]["text"] == "two: a"
        assert [button["args"][1] for button in menu["buttons"]] == [{"title.text": "two: a"}, {"title.text": "two: b"}]

    @pytest.mark.parametrize(
        ("start", "axis", "shown"),
        [
            ("2024-08-08T12:00:00Z", "time, UTC", "2024-08-08T12:00:00"),
            ("2024-08-08T14:00:00+02:00", "time, UTC", "2024-08-08T12:00:00"),
            (datetime(2024, 8, 8, 14, tzinfo=timezone(timedelta(hours=2))), "time, UTC", "2024-08-08T12:00:00"),
            ("2024-08-08T12:00:00", "time", "2024-08-08T12:00:00"),
            ("noon", "time", "noon"),
            (1_723_118_400_000, "time, UTC", 1_723_118_400_000),
            (1_723_118_400_000_000_000, "time, UTC", 1_723_118_400_000),
        ],
    )
    def test_times_are_shown_in_the_zone_that_is_named(self, start, axis, shown):
        page = render.candlesticks([BAR | {"start": start}])
        assert layout_of(page)["xaxis2"]["title"]["text"] == axis
        assert data_of(page)[0]["x"] == [shown]

    def test_the_same_bars_give_the_same_page(self):
        trades = rxdag.from_source(sources.simulated_trades(trades=500))
        bars = market.trade_bars(trades).collect()
        first, second = (render.candlesticks(bars, by=lambda bar: bar.symbol) for _ in range(2))
        assert first == second

    def test_what_is_no_bar(self):
        with pytest.raises(GraphError, match='each bar must have open, high, low, close, volume, .* one without "low"'):
            render.candlesticks([{"start": 0, "open": 1, "high": 2}])
        with pytest.raises(GraphError, match='got one without "time"; name the field of the time with time='):
            render.candlesticks([BAR | {"start": 0}], time="time")

    def test_series_are_named_by_a_field_as_by_a_function(self):
        bars = [BAR | {"start": 0, "symbol": symbol} for symbol in "AB"]
        by_field = render.candlesticks(bars, by="symbol")
        assert [trace["name"] for trace in data_of(by_field)] == ["A", "volume", "B", "volume"]
        assert by_field == render.candlesticks(bars, by=lambda bar: bar["symbol"])


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.svg")), ids=lambda path: path.name)
def test_a_picture_of_the_documentation_covers_the_page_below_it(path):
    root = ET.parse(path).getroot()
    _, _, width, height = root.get("viewBox").split()
    assert next(root.iter(f"{SVG}rect")).attrib.items() >= {"width": width, "height": height}.items()
