"""Specs: what they make, what they refuse and how they say so, and the way back."""

import json
import random
import re
import subprocess
import sys

import pytest
from tests.unit import specs

import rxdag
from rxdag import aggregates as agg
from rxdag import col, sinks, sources, spec, windows
from rxdag import operators as ops
from rxdag.errors import MissingExtra, SpecError
from rxdag.operators import joining
from rxdag.testing import run_virtual

MINE = "tests.unit.specs"


def load(text, **options):
    return rxdag.load_spec(text=text, **options)


def problems(text, **options):
    """What is wrong with a text: each as line, path and message."""
    with pytest.raises(SpecError) as raised:
        load(text, **options)
    assert raised.value.problems, raised.value
    return [(problem.mark.line, problem.path, problem.message) for problem in raised.value.problems]


def one(text, **options):
    (found,) = problems(text, **options)
    return found


def nodes(body):
    """A spec of a few nodes, around one that is looked at."""
    return f"nodes:\n  src: {{source: simulated_trades}}\n{body}\n  out: {{sink: collect, input: src}}\n"


BEHIND = """\
nodes:
  src: {source: simulated_trades}
  timed: {op: event_time, input: src, ts: trade_ms, unit: ms}
  keyed: {op: key_by, input: timed, key: symbol}
  bars: {op: window, input: keyed, window: {type: tumbling, size: 1s}, aggregate: {type: ohlcv, price: price, qty: qty}}
  long: {op: rollup, input: bars, size: 5s}
  even: {op: resample_ohlc, input: keyed, size: 1s, price: price, qty: qty}
  plain: {op: unkey, input: keyed}
  signs: {op: tick_rule, input: keyed, price: price}
  all: {op: window_all, input: plain, window: {type: session, gap: 1s}, aggregate: count}
  both: {op: join_window, input: {left: keyed, right: keyed}, window: {type: tumbling, size: 1s}}
  sorted: {op: merge_sorted, input: [timed, plain]}
  o1: {sink: csv, path: x, input: long}
  o2: {sink: collect, input: even}
  o3: {sink: collect, input: sorted}
  o4: {sink: collect, input: signs}
  o5: {sink: collect, input: all}
  o6: {sink: parquet, path: y, input: both}
"""


class TestLoading:
    def test_the_inputs_of_a_join_are_told_by_their_names_not_by_their_order(self):
        text = specs.MANY.replace("{left: timed, right: side}", "{right: side, left: timed}")
        edges = [(edge.producer, edge.input) for edge in load(text).edges if edge.consumer == "joined"]
        assert edges == [("timed", 0), ("side", 1)]

    def test_bars_of_a_file(self, tmp_path):
        (tmp_path / "bars.yaml").write_text(specs.BARS)
        (tmp_path / "trades.csv").write_text(
            "ts_ms,symbol,trade_id,price,qty\n1000,A,1,10,1\n1400,A,2,11,2\n1300,B,3,5,1\n1300,B,3,5,1\n2600,A,4,12,1\n2700,C,5,1,1\n"
        )
        dag = rxdag.load_spec(tmp_path / "bars.yaml")
        assert dag.name == "bars"
        result = rxdag.run(dag)
        assert result["out"] == 3
        assert result.stats.nodes["once"].dropped == {"repeated": 1}
        rows = (tmp_path / "bars.csv").read_text().splitlines()
        assert [row.split(",")[0] for row in rows[1:]] == ["A", "B", "A"]

    def test_the_same_as_in_code(self):
        trades = rxdag.from_source(sources.simulated_trades(3, trades=500), name="trades")
        timed = trades.pipe(ops.event_time("trade_ms", unit="ms", out_of_order="5s"))
        keyed = timed.pipe(ops.filter(col.qty > 0.1)).pipe(ops.key_by("venue", "symbol"))
        bars = keyed.pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")))
        text = """
        nodes:
          trades: {source: simulated_trades, seed: 3, trades: 500}
          timed: {op: event_time, input: trades, ts: trade_ms, unit: ms, out_of_order: 5s}
          some: {op: filter, input: timed, predicate: qty > 0.1}
          keyed: {op: key_by, input: some, key: [venue, symbol]}
          bars: {op: window, input: keyed, window: {type: tumbling, size: 1s}, aggregate: {type: ohlcv, price: price, qty: qty}}
          out: {sink: collect, input: bars}
        """
        assert rxdag.run(load(text))["out"] == bars.collect()

    def test_many_kinds_of_nodes(self):
        result = run_virtual(load(specs.MANY))
        assert len(result["until_out"]) == 0  # b ends it before anything is joined
        assert len(result["fields_out"]) == 100
        assert set(result["fields_out"][0]) == {"symbol", "price", "turnover", "odd"}
        assert result["stats_out"]
        assert result.problems == ()

    def test_gates_threads_and_policies(self):
        dag = load(specs.MANY)
        (edge,) = [edge for edge in dag.edges if edge.consumer == "cheap"]
        assert (edge.boundary.max_items, edge.boundary.overflow.value, edge.boundary.scheduler) == (
            16,
            "drop_oldest",
            "worker",
        )
        (edge,) = [edge for edge in dag.edges if edge.consumer == "batches_out"]
        assert edge.boundary.max_items == 3
        assert dag.nodes["cheap"].on_error is rxdag.on_error.dead
        policy = dag.nodes["some"].on_error
        assert (policy.attempts, policy.backoff.base_ns, policy.last.kind) == (3, 10_000_000, "skip")

    def test_keys_that_end_and_keys_that_are_dropped(self):
        text = """
        nodes:
          rows: {source: iterable, items: [{t: 0, k: a}, {t: 1, k: b}, {t: 2, k: a}, {t: 9, k: a}]}
          timed: {op: event_time, input: rows, ts: t, unit: s}
          keyed: {op: key_by, input: timed, key: k}
          counts: {op: count, input: keyed, ttl: 5s}
          first: {op: take, input: keyed, max_items: 1, ttl: 5s, clock: event}
          whole: {op: unkey, input: keyed}
          all: {op: count, input: whole}
          counts_out: {sink: collect, input: counts}
          first_out: {sink: collect, input: first}
          all_out: {sink: collect, input: all}
        """
        dag = load(text)
        result = rxdag.run(dag)
        assert result["counts_out"] == [1, 2, 1]
        assert [row["t"] for row in result["first_out"]] == [0, 1, 9]
        assert result["all_out"] == [4]
        again = load(rxdag.dump_spec(dag))
        assert rxdag.run(again)["counts_out"] == [1, 2, 1]

    def test_the_global_window_has_a_name_without_underscore(self):
        text = """
        nodes:
          rows: {source: iterable, items: [{t: 0}, {t: 1}]}
          timed: {op: event_time, input: rows, ts: t, unit: s}
          all: {op: window_all, input: timed, window: global, aggregate: count}
          out: {sink: collect, input: all}
        """
        dag = load(text)
        assert "window: global, aggregate: count" in rxdag.dump_spec(dag)
        assert [pane.value for pane in rxdag.run(dag)["out"]] == [2]

    @pytest.mark.parametrize(("written", "read"), [("5s", "5s"), ("5", 5), ("0.5", 0.5)])
    def test_a_drain_timeout_is_seconds_or_a_duration(self, written, read):
        text = f"settings: {{drain_timeout: {written}}}\n{specs.BARS}"
        assert spec.read_spec(text=text).settings == {"drain_timeout": read}

    @pytest.mark.parametrize("size", ["1w", "1mo", "1q", "1y", "5min", "2h30m"])
    def test_a_window_is_as_long_as_in_code(self, size):
        text = f"""
        nodes:
          rows: {{source: iterable, items: [{{t: 0}}, {{t: 86400}}]}}
          timed: {{op: event_time, input: rows, ts: t, unit: s}}
          all: {{op: window_all, input: timed, window: {{type: tumbling, size: {size}}}, aggregate: count}}
          out: {{sink: collect, input: all}}
        """
        dag = load(text)
        assert f"{{type: tumbling, size: {size}}}" in rxdag.dump_spec(dag)
        pane = rxdag.run(dag)["out"][0]
        assert ((pane.start, pane.end),) == windows.tumbling(size).assign(0)

    def test_json_is_yaml(self):
        text = json.dumps(
            {"nodes": {"a": {"source": "range", "bounds": [2, 5]}, "b": {"sink": "collect", "input": "a"}}}
        )
        assert rxdag.run(load(text))["b"] == [2, 3, 4]

    def test_replaced_sources_and_sinks(self, tmp_path):
        (tmp_path / "bars.yaml").write_text(specs.BARS)
        dag = (
            rxdag.load_spec(
                tmp_path / "bars.yaml",
                replace={
                    "trades": sources.simulated_trades(trades=10),
                    "out": sinks.collect(),
                    "late": sinks.collect(),
                },
            )
            if False
            else rxdag.load_spec(tmp_path / "bars.yaml", replace={"out": sinks.collect(), "late": sinks.null()})
        )
        (tmp_path / "trades.csv").write_text("ts_ms,symbol,trade_id,price,qty\n1000,A,1,10,1\n")
        assert [pane.value.open for pane in rxdag.run(dag)["out"]] == [10.0]

    def test_values_put_in_before(self):
        text = nodes(
            "  n: {source: range, bounds: 5}\n  t.1: {op: take, input: n, max_items: 4}\n  o: {sink: collect, input: t.1}"
        )
        dag = load(text, overrides={"t.1.max_items": "2", "n.bounds": "[3, 9]"})
        assert run_virtual(dag)["o"] == [3, 4]
        dag = load(text, overrides={"t.1.max_items": 2, "n.bounds": [3, 9]})
        assert run_virtual(dag)["o"] == [3, 4]
        with pytest.raises(
            SpecError, match=r"--set n.bounds:1:1: must be a text, a number, .* or a mapping, got <object"
        ):
            load(text, overrides={"n.bounds": object()})
        with pytest.raises(SpecError, match='--set m.x:1:1: "m" is not known; did you mean'):
            load(text.replace("n:", "mm:").replace("input: n", "input: mm"), overrides={"m.x": "1"})

    def test_the_environment(self, monkeypatch):
        monkeypatch.setenv("N", "3")
        text = "nodes:\n  n:\n    source: range\n    bounds: ${N}\n"
        text += "  o: {sink: collect, input: n}\n  p: {source: iterable, items: ['${N}', '$${N}', '${M:-x}y']}\n  q: {sink: collect, input: p}\n"
        result = rxdag.run(load(text))
        assert result["o"] == [0, 1, 2]
        assert result["q"] == ["3", "${N}", "xy"]
        monkeypatch.delenv("N")
        line, _, message = one(text)
        assert (line, message) == (4, "${N} must be set in the environment; ${N:-default} sets a default")

    def test_included_nodes(self, tmp_path):
        (tmp_path / "parts").mkdir()
        (tmp_path / "parts" / "feed.yaml").write_text("nodes:\n  n: {source: range, bounds: 3}\n")
        (tmp_path / "main.yaml").write_text("include: parts/feed.yaml\nnodes:\n  o: {sink: collect, input: n}\n")
        assert rxdag.run(rxdag.load_spec(tmp_path / "main.yaml"))["o"] == [0, 1, 2]
        (tmp_path / "parts" / "feed.yaml").write_text(
            "include: [main.yaml]\nname: x\nnodes:\n  m: {source: rang}\n  o: {sink: null, input: m}\n"
        )
        with pytest.raises(SpecError) as raised:
            rxdag.load_spec(tmp_path / "main.yaml")
        said = str(raised.value)
        assert "must not be in a file that is included" in said
        assert 'source "rang" is not known; did you mean "range"' in said
        assert f"{tmp_path / 'parts' / 'feed.yaml'}:4:" in said
        assert "must be given once" in said

    def test_a_circle_of_files(self, tmp_path):
        (tmp_path / "a.yaml").write_text(
            "include: b.yaml\nnodes: {n: {source: range, bounds: 1}, o: {sink: collect, input: n}}\n"
        )
        (tmp_path / "b.yaml").write_text("include: a.yaml\nnodes: {}\n")
        with pytest.raises(SpecError, match=r"must not lead back to itself, got a.yaml -> b.yaml -> a.yaml"):
            rxdag.load_spec(tmp_path / "a.yaml")


class TestOwnNodes:
    TEXT = f"""
    nodes:
      n: {{source: '{MINE}:counting', n: 3, step: 10}}
      d: {{op: map, input: n, fn: '{MINE}:double'}}
      e: {{op: '{MINE}:doubled', input: d}}
      o: {{sink: '{MINE}:keep', input: e}}
    """

    def test_by_module_and_name(self):
        assert rxdag.run(load(self.TEXT, allow=[MINE]))["o"] == [0, 40, 80]
        assert rxdag.run(load(self.TEXT, allow="tests"))["o"] == [0, 40, 80]

    def test_a_first_value_may_be_left_out_and_may_be_null(self):
        text = f"""
        nodes:
          n: {{source: range, bounds: [1, 4]}}
          running: {{op: scan, input: n, fn: '{MINE}:pair'}}
          whole: {{op: reduce, input: n, initial: 10, fn: '{MINE}:pair'}}
          of_null: {{op: reduce, input: n, initial: null, fn: '{MINE}:pair'}}
          running_out: {{sink: collect, input: running}}
          whole_out: {{sink: collect, input: whole}}
          null_out: {{sink: collect, input: of_null}}
        """
        dag = load(text, allow=[MINE])
        for each in (dag, load(rxdag.dump_spec(dag), allow=[MINE])):
            result = rxdag.run(each)
            assert result["running_out"] == [1, [1, 2], [[1, 2], 3]]
            assert result["whole_out"] == [[[[10, 1], 2], 3]]
            assert result["null_out"] == [[[[None, 1], 2], 3]]

    def test_only_of_modules_that_are_allowed(self):
        found = problems(self.TEXT, allow=["other"])
        assert len(found) == 4
        assert found[0][1:] == (
            "nodes.n.source",
            f'module "{MINE}" must be allowed by the code that loads the spec, with allow=("{MINE}",); allowed: other',
        )

    @pytest.mark.parametrize(
        ("reference", "said"),
        [
            (f"{MINE}:ops.map", "must be defined in an allowed module"),
            (f"{MINE}:sources", "must be defined in an allowed module"),
            (f"{MINE}:nobody", f'"{MINE}" has no "nobody"'),
            (f"{MINE}:BROKEN", "must be a function that makes a source"),
            (f"{MINE}:nothing", "must make a source, got 3"),
            (f"{MINE}.missing:x", "must be importable: ModuleNotFoundError"),
            ("os:system", 'module "os" must be allowed'),
        ],
    )
    def test_references_that_are_refused(self, reference, said):
        assert said in one(nodes(f"  n: {{source: '{reference}'}}\n  o: {{sink: collect, input: n}}"), allow=MINE)[2]

    def test_parameters_are_those_of_the_function(self):
        found = problems(
            nodes(f"  n: {{source: '{MINE}:counting', m: 3}}\n  o: {{sink: collect, input: n}}"), allow=MINE
        )
        assert [message for _, _, message in found] == [
            f'must be given: "{MINE}:counting" needs it',
            f'is not known; the parameters of "{MINE}:counting" are n, step',
        ]

    def test_plugins(self, monkeypatch):
        class Entry:
            def __init__(self, name, load):
                self.name, self.load = name, load

        def broken():
            raise ImportError("no such module")

        entries = [Entry("source:counting", lambda: specs.counting), Entry("op:broken", broken), Entry("what", broken)]
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries if group == "rxdag.nodes" else [])
        spec.registry.cache_clear()
        try:
            text = "nodes: {n: {source: counting, n: 2}, o: {sink: collect, input: n}}"
            assert rxdag.run(load(text))["o"] == [0, 1]
            assert 'plugin "broken" could not be loaded: no such module' in problems(
                "nodes: {n: {op: broken, input: n}}"
            )[-1][2] or any(
                "no such module" in message for _, _, message in problems("nodes: {n: {op: broken, input: n}}")
            )
        finally:
            spec.registry.cache_clear()


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "path", "said"),
        [
            ("  n: {op: debonce, input: src}", "nodes.n.op", 'op "debonce" is not known; did you mean "debounce"'),
            ("  n: {op: csv, input: src}", "nodes.n.op", 'there is a source of that name: write "source: csv"'),
            ("  n: {op: debounce, input: src, quiet: 1s, dueee: 5}", "nodes.n.dueee", "the parameters of \"debounce\" are quiet"),
            ("  n: {op: debounce, input: src}", "nodes.n.quiet", 'must be given: "debounce" needs it'),
            ("  n: {op: debounce, input: src, quiet: soon}", "nodes.n.quiet", "must be a duration such as \"500ms\""),
            ("  n: {op: debounce, input: src, quiet: 0s}", "nodes.n", "must be more than 0"),
            ("  n: {op: take, input: src, max_items: many}", "nodes.n.max_items", "expected `int`, got `str`; got 'many'"),
            ("  n: {op: filter, input: src, predicate: 'price >'}", "nodes.n.predicate", "column"),
            ("  n: {op: filter, input: src, predicate: '__import__(1)'}", "nodes.n.predicate", "must be one of the functions"),
            ("  n: {op: filter, input: src, predicate: [1]}", "nodes.n.predicate", "must be a field, an expression"),
            ("  n: {op: filter, input: sorc, predicate: price > 1}", "nodes.n.input", 'node "sorc" is not known; did you mean "src"'),
            ("  n: {op: filter, predicate: price > 1}", "nodes.n.input", "must be given: the id of the node it reads"),
            ("  n: {op: filter, input: [src, src], predicate: price > 1}", "nodes.n.input", "must be one input"),
            ("  n: {op: filter, input: {left: src}, predicate: price > 1}", "nodes.n.input", "must be the id of the node it reads"),
            ("  n: {op: filter, input: src.lat, predicate: price > 1}", "nodes.n.input", 'has no port "lat"'),
            ("  n: {op: join_asof, input: src}", "nodes.n.input", "must be a mapping of left, right"),
            ("  n: {op: join_asof, input: {left: src, rigth: src}}", "nodes.n.input.rigth", 'did you mean "right"'),
            ("  n: {op: merge, input: []}", "nodes.n.input", "must be one input or more, got none"),
            ("  n: {op: take_until, input: src}", "nodes.n.other", "reads a second stream"),
            ("  n: {source: range, bounds: 1, input: src}", "nodes.n.input", "a source takes no input"),
            ("  n: {source: range, bounds: 1, sink: collect}", "nodes.n", "must have one of source, op and sink, got source and sink"),
            ("  n: {}", "nodes.n", "must have one of source, op and sink, got nothing"),
            ("  n: 3", "nodes.n", "must be a mapping with source, op or sink, got 3"),
            ("  n: {sink: collect, input: 1}", "nodes.n.input", 'as "trades" or "bars.late", got 1; put quotes around it'),
            ("  -n: {sink: collect, input: src}", "nodes.-n", "must be letters, digits"),
            ("  n: {op: window_all, input: src, window: tumbling, aggregate: count}", "nodes.n.window.size", "needs it"),
            ("  n: {op: window_all, input: src, window: {type: tumblin, size: 1s}, aggregate: count}", "nodes.n.window", 'did you mean "tumbling"'),
            ("  n: {op: window_all, input: src, window: {size: 1s}, aggregate: count}", "nodes.n.window", "must name a window"),
            ("  n: {op: window_all, input: src, window: {type: tumbling, size: 1s}, aggregate: {type: ohlcv, price: price}}", "nodes.n.aggregate.qty", "needs it"),
            ("  n: {source: csv, path: ../x.csv, of: {a: int}}", "nodes.n.path", "must be inside"),
            ("  n: {source: csv, path: /etc/passwd, of: {a: int}}", "nodes.n.path", "must be inside"),
            ("  n: {source: csv, path: x.csv, of: {a: integer}}", "nodes.n.of.a", "must be int, float, str or bool"),
            ("  n: {source: csv, path: x.csv, of: Trad}", "nodes.n.of", 'did you mean "Trade"'),
            ("  n: {sink: collect, input: src, on_error: skipp}", "nodes.n.on_error", "got 'skipp'; did you mean \"skip\"?"),
            ("  n: {sink: collect, input: src, on_error: ignore}", "nodes.n.on_error", "must be raise, skip, dead or"),
            ("  n: {sink: collect, input: src, on_error: {retry: {attempts: 0}}}", "nodes.n.on_error.retry", "attempts must be 1 or more"),
            ("  n: {sink: collect, input: src, on_error: {retry: {attemps: 1}}}", "nodes.n.on_error.retry.attemps", 'did you mean "attempts"'),
            ("  n: {sink: collect, input: src, buffered: {max_items: 1, overflow: block_all}}", "nodes.n.buffered.overflow", "must be block, drop_oldest, drop_newest, drop_tail, drop_buffer or error, got 'block_all'; did you mean \"block\"?"),
            ("  n: {source: websocket, url: 'ws://x', overflow: drop_old}", "nodes.n.overflow", 'got \'drop_old\'; did you mean "drop_oldest"?'),
            ("  n: {op: join_asof, input: {left: src, right: src}, strategy: nearst}", "nodes.n.strategy", 'must be backward, forward or nearest, got \'nearst\'; did you mean "nearest"?'),
            ("  n: {sink: collect, input: src, on_error: {retry: {attempts: 1, then: ded}}}", "nodes.n.on_error.retry.then", 'did you mean "dead"'),
            ("  n: {sink: collect, input: {from: src, bufered: 3}}", "nodes.n.input.bufered", "known: from, buffered, on"),
            ("  n: {source: websocket, url: 'ws://x', reconnect: {bas: 1s}}", "nodes.n.reconnect.bas", 'did you mean "base"'),
        ],
    )  # fmt: skip
    def test_each_says_where_and_what(self, body, path, said):
        found = problems(nodes(body))
        assert any(p == path and said in message and line == 3 for line, p, message in found), found

    def test_field_names_are_checked_against_the_items(self):
        _, path, message = problems(
            nodes("  n: {op: filter, input: src, predicate: prize > 1}\n  o: {sink: collect, input: n}")
        )[0]
        assert path == "nodes.n"
        assert 'did you mean "price"' in message

    def test_what_leads_nowhere(self):
        assert one(nodes("  n: {op: count, input: src}"))[1:] == (
            "nodes.n", "must lead to a sink, and nothing reads it: add input: n to another node"
        )  # fmt: skip

    def test_a_route_has_ports(self):
        text = nodes(
            "  r: {op: route, input: src, routes: {a: price > 1}}\n  o: {sink: collect, input: r}\n  p: {sink: collect, input: r.b}"
        )
        said = [message for _, _, message in problems(text)]
        assert said[0] == '"r" is a route; take one of its ports: r.a'
        assert 'has no port "b"' in said[1]

    def test_all_at_once_in_the_order_of_the_text(self):
        text = """\
version: 2
name: 3 x
color: red
nodes:
  a: {source: nothing}
  b: {op: take, input: c}
  c: {op: take, input: b, max_items: x}
settings: {untl: 5s}
"""
        found = problems(text)
        assert [path for _, path, _ in found] == [
            "version", "name", "color", "nodes.a", "nodes.a.source", "nodes.b.max_items", "nodes.c", "nodes.c.max_items", "settings.untl"
        ]  # fmt: skip
        assert "b -> c -> b" in " ".join(message for _, _, message in found) or "c -> b -> c" in " ".join(
            m for _, _, m in found
        )

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "must be a mapping"),
            ("[1]", "must be a mapping"),
            ("nodes: {}", "must have a node, got none"),
            ("nodes: []", "must be a mapping of nodes by id"),
            ("a: [1", "must be YAML"),
            ("a: !!python/object/apply:os.system [id]", "must have no tags"),
            ("a: !x 1", "must have no tags"),
            ("a: 1\na: 2", 'key "a" must be given once, got it at spec:1:1 too'),
            ("? [1]\n: 2", "a key must be a text"),
            ("a: *b", "must come after its anchor &b"),
            ("a: &a [*a]", "must not hold itself"),
            ("--- {a: 1}\n--- {b: 1}", "must be one document"),
            ("a: " + "[" * 40 + "]" * 40, "must be nested at most 32 deep"),
            ("a: " + "x" * 1_100_000, "must be at most 1,000,000 characters"),
            (b"\xff\xfe", "must be UTF-8"),
            ("nodes: {n: {source: range, bounds: 1}}", "must lead to a sink"),
        ],
    )
    def test_texts(self, text, said):
        with pytest.raises(SpecError) as raised:
            load(text)
        assert said in str(raised.value)

    @pytest.mark.parametrize(
        ("text", "value"),
        [("no", "no"), ("on", "on"), ("yes", "yes"), ("12:30:00", "12:30:00"), ("010", 10), ("0o10", 8), ("1e3", 1000.0), ("~", None),
         ("true", True), ("'1'", "1"), (".5", 0.5), ("1_000", "1_000"), ("2024-08-08", "2024-08-08"), ("0x1F", 31)],
    )  # fmt: skip
    def test_scalars_are_those_of_yaml_1_2(self, text, value):
        dag = load(f"nodes: {{n: {{source: iterable, items: [{text}]}}, o: {{sink: collect, input: n}}}}")
        (got,) = rxdag.run(dag)["o"]
        assert (got, type(got)) == (value, type(value))

    def test_paths_may_lead_out_if_that_is_allowed(self, tmp_path):
        (tmp_path / "x.csv").write_text("a\n1\n")
        text = (
            f"nodes: {{n: {{source: csv, path: {tmp_path / 'x.csv'}, of: {{a: int}}}}, o: {{sink: collect, input: n}}}}"
        )
        assert rxdag.run(load(text, outside=True))["o"][0].a == 1
        assert rxdag.run(load(text, base=tmp_path))["o"][0].a == 1

    def test_a_link_out_of_the_folder_is_no_way_out(self, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "link").symlink_to(tmp_path)
        text = "nodes: {n: {source: csv, path: link/x.csv, of: {a: int}}, o: {sink: collect, input: n}}"
        assert "must be inside" in one(text, base=tmp_path / "in")[2]

    @pytest.mark.parametrize(
        "cycle",
        [
            "  a: {op: take, input: a, max_items: 1}",
            "  a: {op: take, input: b, max_items: 1}\n  b: {op: take, input: a, max_items: 1}",
            "  a: {op: merge, input: [src, c]}\n  b: {op: merge, input: [a, c]}\n  c: {op: merge, input: [b, a]}",
        ],
    )
    def test_a_cycle_is_told_with_what_is_wrong_beside_it(self, cycle):
        found = problems(
            nodes(f"{cycle}\n  o: {{sink: collect, input: a}}\n  w: {{op: filter, input: src, predicate: prize > 1}}")
        )
        assert {path for _, path, message in found if "must not be in a cycle" in message} <= {
            "nodes.a",
            "nodes.b",
            "nodes.c",
        }
        assert any("must not be in a cycle" in message for _, _, message in found)
        assert found[-1][1] == "nodes.w"

    def test_problems_of_nodes_and_of_what_they_make_are_told_together(self):
        text = nodes(
            "  n: {op: take, input: src, max_items: many}\n"
            "  w: {op: filter, input: src, predicate: prize > 1}\n"
            "  o: {sink: collect, input: w}"
        )
        assert [path for _, path, _ in problems(text)] == ["nodes.n", "nodes.n.max_items", "nodes.w"]

    def test_nodes_behind_a_wrong_one_are_checked_too(self):
        text = nodes(
            "  n: {op: take, input: src, max_items: many}\n"
            "  t: {op: throttle, input: n, rate: 1, burst: 0, max_items: 0, mode: x}\n"
            "  j: {op: join_window, input: {left: n, right: n}, window: {type: sliding, size: 0s, slide: 1}, into: x}\n"
            "  p: {op: partition, input: j, n: 0, key: k}\n"
            "  o: {sink: collect, input: t, buffered: {max_items: 0}}\n"
            "  q: {sink: collect, input: n, on_error: {retry: {attempts: 0}}}\n"
            "  r: {sink: stdout, input: n, form: 3}\n"
            "  s: {sink: collect, input: p}"
        )
        assert [(path, message) for _, path, message in problems(text)] == [
            ("nodes.n.max_items", "expected `int`, got `str`; got 'many'"),
            ("nodes.t", "throttle: burst must be 1 or more, got 0"),
            ("nodes.t", "throttle: max_items must be 1 or more, got 0"),
            ("nodes.t.mode", "must be drop or shape, got 'x'"),
            ("nodes.j.window.slide", 'must be a duration such as "500ms", "1s" or "2h30m", got 1; did you mean "1s"?'),
            ("nodes.j.into", 'must be a reference such as "package.module:name", got \'x\''),
            ("nodes.p", "partition: n must be 1 or more, got 0"),
            ("nodes.o.input", 'buffered: max_items must be 1 or more, or 0 with overflow="drop_newest", got 0'),
            ("nodes.q.on_error.retry", "retry: attempts must be 1 or more, got 0"),
            ("nodes.r.form", "must be text or jsonl, got 3"),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "node"),
        [
            pytest.param(text, node, id=node)
            for text in (specs.BARS, specs.MANY, BEHIND)
            for node in re.findall(r"^  (\w+):", text, re.M)
        ],
    )
    def test_a_wrong_node_makes_no_problem_of_those_behind_it(self, text, node):
        wrong = re.sub(rf"(^  {node}:\s+\{{?(?:source|op|sink): )'?\w+'?", r"\1nonsense", text, flags=re.M)
        assert [path.rpartition(".")[0] for _, path, _ in problems(wrong)] == [f"nodes.{node}"]

    def test_the_names_of_wrong_nodes_are_read_as_those_of_right_ones(self):
        text = "nodes: {a: {source: range, bounds: 3}, b: {op: merg, input: [a, a]}, c: {sink: collect, input: b.late}}"
        assert one(text)[1] == "nodes.b.op"

    def test_a_node_that_nothing_reads_is_told_beside_other_problems(self):
        assert [
            path for _, path, _ in problems(nodes("  n: {op: count, input: src}\n  o: {sink: colect, input: src}"))
        ] == [
            "nodes.n",
            "nodes.o.sink",
        ]

    def test_no_node_is_said_to_be_unread_while_a_name_is_not_known(self):
        assert one(nodes("  n: {op: count, input: src}\n  o: {sink: collect, input: m}"))[1] == "nodes.o.input"

    def test_a_missing_sink_is_told_beside_a_name_that_is_not_known(self):
        found = problems("nodes: {a: {source: range, bounds: 3}, b: {op: take, input: aa, max_items: 1}}")
        assert [(path, message) for _, path, message in found] == [
            ("nodes", "must have a sink, got none"),
            ("nodes.b.input", 'node "aa" is not known; did you mean "a"?'),
        ]

    def test_all_overrides_that_have_no_place_are_told_with_the_problems_of_the_document(self):
        found = problems(nodes("  n: {sink: colect, input: src}"), overrides={"srd.trades": 1, "nod.x": 2})
        assert [message.partition(";")[0] for _, _, message in found] == [
            '"nod" is not known',
            '"srd" is not known',
            'sink "colect" is not known',
        ]

    def test_all_unset_variables_and_double_keys_are_told_at_once(self, monkeypatch):
        monkeypatch.delenv("NONE", raising=False)
        found = problems("name: ${NONE}\nnodes:\n  a:\n    source: range\n    bounds: ${NO}${NONE}\n    bounds: !x 3")
        assert [message.partition(";")[0].partition(", got")[0] for _, _, message in found] == [
            "${NONE} must be set in the environment",
            "${NO} must be set in the environment",
            'key "bounds" must be given once',
            "must have no tags",
        ]

    def test_a_file_that_is_missing(self, tmp_path):
        with pytest.raises(SpecError, match="must be a file that can be read"):
            rxdag.load_spec(tmp_path / "none.yaml")

    def test_without_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
        with pytest.raises(MissingExtra, match=r'pip install "ruamel-yaml>=0.18" \(extra "yaml"\)'):
            load("nodes: {}")


class TestWayBack:
    @pytest.mark.parametrize("text", [specs.BARS, specs.MANY], ids=["bars", "many"])
    def test_a_spec_is_written_as_it_was_read(self, text):
        dag = load(text)
        again = load(rxdag.dump_spec(dag))
        assert again.describe() == dag.describe()
        assert again.edges == dag.edges
        assert [node.on_error for node in again.nodes.values()] == [node.on_error for node in dag.nodes.values()]
        assert rxdag.dump_spec(again) == rxdag.dump_spec(dag)

    def test_a_dag_of_code(self):
        trades = rxdag.from_source(sources.simulated_trades(trades=50), name="trades")
        some = trades.pipe(ops.filter((col.price > 1) & ~col.symbol.is_in(["X"]) | col.qty.is_null()), name="some")
        more = some.pipe(ops.with_columns(twice=col.price * 2 + col.qty.fill_null(0).abs(), into=dict), name="more")
        panes = some.pipe(ops.event_time(col.trade_ms, unit="ms", out_of_order="1s")).pipe(
            ops.rolling("5s", agg.named(a=agg.mean(col.price.between(1, 2).cast(int)), b=agg.count()))
        )
        out = panes.buffered(max_items=5).on("worker").to(sinks.collect(), name="out")
        dag = rxdag.Dag(out, more.to(sinks.null(), name="null"), name="x")
        again = load(rxdag.dump_spec(dag), allow="builtins")
        assert again.describe() == dag.describe()
        assert [edge.boundary for edge in again.edges] == [edge.boundary for edge in dag.edges]

    def test_functions_with_a_name_in_a_module_are_referred_to(self):
        out = rxdag.wrap([1, 2]).pipe(ops.map(specs.double), name="d").to(sinks.collect(), name="o")
        text = rxdag.dump_spec(rxdag.Dag(out))
        assert f"fn: '{MINE}:double'" in text or f"fn: {MINE}:double" in text
        assert rxdag.run(load(text, allow=MINE))["o"] == [2, 4]

    def test_what_cannot_be_written_is_named_with_its_reason(self):
        stream = rxdag.wrap([1]).pipe(ops.map(lambda x: x), name="m").pipe(ops.filter(col.x == object()), name="f")
        import reactivex.operators as rx

        out = stream.rx(rx.pairwise(), name="r").to(sinks.collect(), name="o")
        with pytest.raises(SpecError) as raised:
            rxdag.dump_spec(rxdag.Dag(out))
        said = {problem.path: problem.message for problem in raised.value.problems}
        assert "has no name in a module" in said["nodes.m"]
        assert "a value must be a number" in said["nodes.f"]
        assert "it is a reactivex operator" in said["nodes.r"]
        assert "nodes.o" not in said


class TestSchema:
    def test_specs_are_valid_by_it_and_others_are_not(self):
        jsonschema = pytest.importorskip("jsonschema")
        from ruamel.yaml import YAML

        schema = spec.json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        for text in (specs.BARS, specs.MANY):
            validator.validate(YAML(typ="safe", pure=True).load(text))
        for wrong in (
            specs.BARS.replace("within", "withn"),
            specs.BARS.replace("source: csv", "source: cvs"),
            specs.BARS + "x: 1\n",
        ):
            assert not validator.is_valid(YAML(typ="safe", pure=True).load(wrong)), wrong

    def test_it_is_plain_json_and_knows_every_node(self):
        text = json.dumps(spec.json_schema())
        for types in spec.registry().nodes.values():
            for name in types:
                assert f'"const": "{name}"' in text


def test_every_operator_can_be_named():
    """But those whose parameters a spec cannot say."""
    known = spec.registry().nodes
    public = {name for name in (*ops.__all__, *joining.__all__) if name.islower()}
    assert public <= set(known["op"])


def mutated(rng, text):
    """A spec that was a good one."""
    for _ in range(rng.randint(1, 3)):
        kind = rng.randrange(6)
        at = rng.randrange(len(text) + 1)
        if kind == 0:
            text = text[:at] + rng.choice("{}[]:,'\"&*!|>%@`#-?\n\t $~\0é\u2028\ud7ff") + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + rng.randint(1, 9) :]
        elif kind == 2:
            lines = text.splitlines(keepends=True)
            rng.shuffle(lines)
            text = "".join(lines)
        elif kind == 3:
            words = text.split(" ")
            i, j = rng.randrange(len(words)), rng.randrange(len(words))
            words[i], words[j] = words[j], words[i]
            text = " ".join(words)
        elif kind == 4:
            text = text[:at] + text[rng.randrange(len(text) + 1) :]
        else:
            words = text.split(" ")
            words[rng.randrange(len(words))] = rng.choice(
                [
                    "null",
                    "-1",
                    "1e999",
                    "[]",
                    "{}",
                    "''",
                    "&a x",
                    "*a",
                    "!!int 1",
                    "<<",
                    "${HOME}",
                    "true",
                    "0x",
                    "os:system",
                    "col[1]",
                ]
            )
            text = " ".join(words)
        text = text or "x"
    return text


def test_10_000_mutated_specs_give_only_spec_errors():
    rng = random.Random(7)
    fine = 0
    for i in range(10_000):
        text = mutated(rng, rng.choice([specs.BARS, specs.MANY, TestOwnNodes.TEXT]))
        try:
            load(text, allow=MINE)
            fine += 1
        except SpecError:
            pass
        except Exception as error:
            raise AssertionError(f"mutation {i}: {error!r} for\n{text}") from error
    assert 50 < fine < 9_500


def test_reading_a_spec_imports_no_other_module():
    code = "import sys, rxdag; rxdag.load_spec(text='nodes: {n: {source: range, bounds: 1}, o: {sink: collect, input: n}}'); print('typer' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


@pytest.mark.parametrize("settings", ["", "settings:\n", "settings: {until: 5s}\n"])
def test_a_setting_is_overridden_whether_the_spec_has_settings_or_not(settings):
    text = f"{settings}nodes:\n  out: {{sink: stdout, input: in}}\n  in: {{source: interval, every: 1s}}\n"
    rxdag.load_spec(text=text, overrides={"settings.flush": True})
    with pytest.raises(rxdag.SpecError, match="settings.flush: expected `bool`, got `str`; got 'maybe'"):
        rxdag.load_spec(text=text, overrides={"settings.flush": "maybe"})


def test_an_override_without_a_name_is_refused():
    with pytest.raises(rxdag.SpecError, match='must be a name such as "trades.path", got 5'):
        rxdag.load_spec(text="nodes: {}", overrides={5: 1})
