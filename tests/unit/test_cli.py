"""The command line: what it prints, where, and what it exits with."""

import contextlib
import gzip
import io
import json
import logging
import os
import signal
import subprocess
import sys

import pytest
from tests.unit import specs

import rxdag
from rxdag import sinks, sources
from rxdag.cli import main

# The oldest typer that is allowed, with the newest click, uses what click is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")

BARS = """\
name: bars
nodes:
  trades: {source: simulated_trades, trades: 500}
  timed: {op: event_time, input: trades, ts: trade_ms, unit: ms, out_of_order: 5s}
  keyed: {op: key_by, input: timed, key: [venue, symbol]}
  bars: {op: window, input: keyed, window: {type: tumbling, size: 1s}, aggregate: {type: ohlcv, price: price, qty: qty}}
  out: {sink: stdout, input: bars, form: jsonl}
"""

DAG = rxdag.Dag(rxdag.from_source(sources.range(3), name="n").to(sinks.stdout(), name="o"), name="mine")


def made():
    return DAG


def start(*args, cwd=None, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "rxdag.cli", *args],
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def in_a_process(*args, cwd=None, given=None):
    done = subprocess.run(
        [sys.executable, "-m", "rxdag.cli", *args], cwd=cwd, capture_output=True, text=True, timeout=60, input=given
    )
    return done.returncode, done.stdout, done.stderr


def rxdag_(*args, cwd=None, given=None):
    """The command in this process: what it exits with, and what it wrote."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    stdin, path, handlers = sys.stdin, list(sys.path), list(logging.getLogger().handlers)
    sys.stdin = io.TextIOWrapper(io.BytesIO((given or "").encode()))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(cwd or os.getcwd()):
            main(list(args))
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdin, sys.path[:] = stdin, path
        logging.getLogger().handlers[:] = handlers
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def bars(tmp_path):
    path = tmp_path / "bars.yaml"
    path.write_text(BARS)
    return str(path)


class TestRun:
    def test_items_on_stdout_and_books_on_stderr(self, bars):
        code, out, err = rxdag_("run", bars)
        assert code == 0
        assert all({"venue", "symbol", "open"} <= json.loads(line).keys() for line in out.splitlines())
        assert "bars: completed" in err

    def test_stdin_and_values_put_in(self, bars):
        code, out, err = rxdag_("run", "-", "--quiet", "--set", "trades.trades=0", given=BARS)
        assert (code, out, err) == (0, "", "")

    def test_json(self, bars):
        code, out, err = rxdag_("run", bars, "--json", "--set", "out.sink=null", "--set", "out.form=text")
        assert code == 2  # null has no form
        text = BARS.replace("stdout, input: bars, form: jsonl", "null, input: bars")
        code, out, err = rxdag_("run", "-", "--json", given=text)
        said = json.loads(out)
        assert (code, err) == (0, "")
        assert (said["dag"], said["state"], said["nodes"]["trades"]["made"], said["problems"]) == (
            "bars",
            "completed",
            500,
            [],
        )

    @pytest.mark.parametrize("name", ["DAG", "made"])
    def test_a_dag_in_python(self, name):
        code, out, err = rxdag_("run", f"tests.unit.test_cli:{name}")
        assert (code, out) == (0, "0\n1\n2\n")
        assert "mine: completed" in err

    def test_functions_of_allowed_modules(self, tmp_path):
        (tmp_path / "mymath.py").write_text("def double(x):\n    return 2 * x\n")
        (tmp_path / "s.yaml").write_text(
            "nodes:\n  n: {source: range, bounds: 3}\n  d: {op: map, input: n, fn: 'mymath:double'}\n  o: {sink: stdout, input: d}\n"
        )
        assert rxdag_("run", "s.yaml", "--quiet", "--allow", "mymath", cwd=tmp_path)[:2] == (0, "0\n2\n4\n")
        code, _, err = rxdag_("run", "s.yaml", cwd=tmp_path)
        assert code == 2
        assert 's.yaml:3:30: nodes.d.fn: module "mymath" must be allowed' in err

    def test_a_run_that_fails(self, tmp_path):
        text = "nodes:\n  n: {source: iterable, items: [1, 0]}\n  d: {op: map, input: n, fn: x}\n  o: {sink: 'null', input: d}\n"
        code, out, err = rxdag_("run", "-", given=text)
        assert (code, out) == (1, "")
        assert 'error: node "d" failed on 1' in err
        assert "Traceback" not in err

    @pytest.mark.parametrize("policy", ["never", "on_failure"])
    def test_until_drains(self, policy):
        text = "nodes:\n  n: {source: interval, every: 1ms}\n  o: {sink: 'null', input: n}\n"
        code, out, _ = rxdag_("run", "-", "--json", "--until", "50ms", "--restart", policy, given=text)
        said = json.loads(out)
        assert (code, said["state"], said["was_drained"]) == (0, "completed", True)

    @pytest.mark.parametrize("policy", ["never", "on_failure"])
    @pytest.mark.parametrize("flush", [True, False])
    def test_flush_closes_the_windows_that_until_leaves_open(self, policy, flush):
        text = """
nodes:
  n: {source: interval, every: 1ms}
  s: {op: timestamp, input: n}
  t: {op: event_time, input: s, ts: ts}
  w: {op: window_all, input: t, window: global, aggregate: count}
  o: {sink: stdout, input: w, form: jsonl}
"""
        code, out, _ = rxdag_("run", "-", "--until", "50ms", "--restart", policy, *["--flush"] * flush, given=text)
        assert code == 0
        assert [json.loads(line)["closed_by"] for line in out.splitlines()] == ["end"] * flush

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    @pytest.mark.parametrize("restart", ["never", "on_failure"])
    def test_a_signal_drains_and_is_told(self, tmp_path, number, code, restart):
        (tmp_path / "s.yaml").write_text("nodes:\n  n: {source: interval, every: 1ms}\n  o: {sink: stdout, input: n}\n")
        process = start("run", "s.yaml", "--restart", restart, cwd=tmp_path)
        assert process.stdout.readline() == "0\n"
        process.send_signal(number)
        with process:  # from the file: it has read ahead, what communicate would not see
            out, err = process.stdout.read(), process.stderr.read()
        assert process.returncode == code
        assert "s: completed, drained" in err
        assert [int(line) for line in out.splitlines()] == list(range(1, len(out.splitlines()) + 1))

    def test_a_reader_that_leaves_ends_it_quietly(self, tmp_path):
        (tmp_path / "s.yaml").write_text(
            "nodes:\n  n: {source: range, bounds: 1000000}\n  o: {sink: stdout, input: n}\n"
        )
        process = start("run", "s.yaml", cwd=tmp_path)
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 1
        process.stderr.close()


class TestCheck:
    def test_a_good_one(self, bars):
        assert rxdag_("check", bars) == (0, "ok: bars, 5 nodes, 4 edges\n", "")
        assert json.loads(rxdag_("check", bars, "--json")[1]) == {"ok": True, "name": "bars", "nodes": 5, "edges": 4}

    def test_all_problems_at_once(self):
        text = BARS.replace("tumbling", "tumblin").replace("simulated_trades", "simulated_trade")
        code, out, err = rxdag_("check", "-", given=text)
        assert (code, out) == (2, "")
        assert err.startswith("error: 2 problems:")
        assert "\n  spec:6:" in err
        code, out, err = rxdag_("check", "-", "--json", given=text)
        said = json.loads(out)
        assert (code, err, said["ok"]) == (2, "", False)
        assert [(p["line"], p["path"]) for p in said["problems"]] == [
            (3, "nodes.trades.source"),
            (6, "nodes.bars.window"),
        ]

    @pytest.mark.parametrize(
        ("spec", "said"),
        [
            ("none.yaml", "must be a file that can be read"),
            ("no.module:dag", "must be a module that can be imported from here"),
            ("tests.unit.test_cli:DAGG", 'has no "DAGG"; did you mean "DAG"'),
            ("tests.unit.test_cli:BARS", "must be a Dag, a Plan, or a function that returns one"),
        ],
    )
    def test_what_is_none(self, spec, said):
        code, _, err = rxdag_("check", spec)
        assert code == 2
        assert said in err

    def test_values_without_a_key(self, bars):
        assert rxdag_("check", bars, "--set", "x")[0] == 2
        assert rxdag_("check", "tests.unit.test_cli:DAG", "--set", "n.bounds=1")[0] == 2


class TestLooks:
    def test_explain(self, bars):
        code, out, _ = rxdag_("explain", bars, "--service", "out=2ms")
        assert code == 0
        assert "plan bars" in out
        assert "cap: " in out

    @pytest.mark.parametrize(
        ("form", "said"),
        [("text", "dag bars: 5 nodes"), ("mermaid", "flowchart LR"), ("dot", 'digraph "bars"'), ("svg", "<svg ")],
    )
    def test_graph(self, bars, form, said):
        code, out, err = rxdag_("graph", bars, "--format", form)
        assert (code, err) == (0, "")
        assert out.startswith(said)

    def test_nodes(self):
        code, out, _ = rxdag_("nodes")
        assert code == 0
        assert "  debounce " in out
        code, out, _ = rxdag_("nodes", "dedupe")
        for line in ("Emits:", "Drops:", "Holds:", "Ends:", "Clock:", "within: duration, default none"):
            assert line in out
        code, _, err = rxdag_("nodes", "dedup")
        assert code == 2
        assert 'did you mean "dedupe"' in err
        (said,) = json.loads(rxdag_("nodes", "take", "--json")[1])
        assert said["params"]["max_items"]["required"] is True

    def test_schema(self):
        code, out, _ = rxdag_("schema")
        assert code == 0
        assert json.loads(out)["title"] == "rxdag spec"

    def test_help_has_examples(self):
        for command in ("run", "check", "explain", "graph", "nodes", "schema", "replay"):
            code, out, _ = rxdag_(command, "--help")
            assert code == 0
            assert f"rxdag {command}" in out.replace("\n", " ").replace("  ", " ")

    def test_wrong_usage(self):
        assert rxdag_("run")[0] == 2
        assert rxdag_("nothing")[0] == 2
        assert rxdag_("graph", "x.yaml", "--format", "png")[0] == 2

    def test_no_colours_but_on_a_terminal(self, bars):
        for args in (("run", bars), ("nodes",), ("--help",), ("check", "none.yaml")):
            _, out, err = in_a_process(*args)
            assert "\x1b" not in out + err


class TestReplay:
    RECORDS = [{"t": 0, "p": 1.5}, {"t": 30, "p": 2}, {"t": 60, "p": 3}]

    @pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.csv", "x.csv.gz"])
    def test_at_once(self, tmp_path, name):
        rows = "".join(json.dumps(r) + "\n" for r in self.RECORDS)
        if "csv" in name:
            rows = "t,p\n" + "".join(f"{r['t']},{r['p']}\n" for r in self.RECORDS)
        opened = gzip.open if name.endswith("gz") else open
        with opened(tmp_path / name, "wt") as file:
            file.write(rows)
        code, out, err = rxdag_("replay", str(tmp_path / name), "--at-once")
        assert (code, err) == (0, "")
        assert [json.loads(line) for line in out.splitlines()] == self.RECORDS

    def test_at_some_pace(self, tmp_path):
        """How the pace is kept is a fact of `sources.paced` in virtual time."""
        (tmp_path / "x.jsonl").write_text("".join(json.dumps(r) + "\n" for r in self.RECORDS))
        code, out, _ = rxdag_("replay", str(tmp_path / "x.jsonl"), "--time", "t", "--unit", "s", "--speed", "3000")
        assert code == 0
        assert [json.loads(line) for line in out.splitlines()] == self.RECORDS

    def test_what_is_wrong(self, tmp_path):
        (tmp_path / "x.jsonl").write_text('{"t": 1}\n{')
        assert "line 2: must be JSON" in rxdag_("replay", str(tmp_path / "x.jsonl"), "--at-once")[2]
        code, _, err = rxdag_("replay", str(tmp_path / "x.jsonl"), "--time", "tt")
        assert code == 1
        assert 'must have the field "tt"; did you mean "t"' in err or 'must have the field "tt"' in err
        assert rxdag_("replay", str(tmp_path / "x.jsonl"))[0] == 2
        assert "must be a file that can be read" in rxdag_("replay", str(tmp_path / "none.jsonl"), "--at-once")[2]


def test_a_spec_of_the_tests_runs_as_a_command(tmp_path):
    (tmp_path / "many.yaml").write_text(specs.MANY)
    code, out, _ = rxdag_("run", "many.yaml", "--json", cwd=tmp_path)
    assert code == 0
    assert json.loads(out)["problems"] == []
    assert os.listdir(tmp_path) == ["many.yaml"]


PARTS = """\
name: bars
nodes:
  trades: {source: simulated_trades, trades: 3000}
  timed: {op: event_time, input: trades, ts: trade_ms, unit: ms, out_of_order: 250ms}
  mine: {op: shard, input: timed, key: symbol}
  keyed: {op: key_by, input: mine, key: [venue, symbol]}
  bars: {op: window, input: keyed, window: {type: tumbling, size: 1s}, aggregate: {type: ohlcv, price: price, qty: qty}}
  out: {sink: stdout, input: bars, form: jsonl}
  late: {sink: jsonl, input: bars.late, path: late.jsonl}
"""


class TestWorkers:
    @pytest.fixture
    def parts(self, tmp_path):
        path = tmp_path / "parts.yaml"
        path.write_text(PARTS)
        return path

    @pytest.mark.parametrize("workers", [1, 2, 3, 8])
    def test_the_outputs_of_all_workers_together_are_those_of_one(self, parts, workers):
        def ran(*options):
            late = parts.parent / "late.jsonl"
            code, out, err = rxdag_("run", str(parts), "--quiet", *options)
            assert code == 0, err
            return sorted(out.splitlines()), sorted(late.read_text().splitlines())

        bars, late = ran()
        assert late  # what comes too late is so for every worker
        shares = [ran("--partition", f"{worker}/{workers}") for worker in range(workers)]
        assert sorted(bar for share, _ in shares for bar in share) == bars
        assert sorted(each for _, share in shares for each in share) == late
        if workers in (2, 3):
            assert all(len(share) < len(bars) for share, _ in shares)

    @pytest.mark.parametrize(
        ("share", "message"),
        [
            ("1", '--partition: must be I/N, as 0/3 for the first of three workers, got "1"'),
            ("a/b", '--partition: must be I/N, as 0/3 for the first of three workers, got "a/b"'),
            ("\u0661/\u0662", "--partition: must be I/N, as 0/3 for the first of three workers"),
            ("3/3", 'dag "bars": part: must be worker 0 to n - 1 of n, got 3 of 3'),
        ],
    )
    def test_a_share_that_is_none(self, parts, share, message):
        code, _, err = rxdag_("run", str(parts), "--partition", share)
        assert code != 0
        assert message in " ".join(err.split())

    def test_a_graph_without_shares_refuses_to_be_run_by_several(self, bars):
        code, _, err = rxdag_("run", bars, "--partition", "0/2")
        assert code != 0
        assert "must have an ops.shard(key)" in " ".join(err.split())


class TestClusters:
    def test_manifests_with_the_spec_in_them(self, bars):
        code, out, err = rxdag_(
            "keda", bars, "--deployment", "bars", "--image", "bars:1", "--max", "4", "--set", "trades.trades=9"
        )
        assert code == 0, err
        assert [line for line in out.splitlines() if line.startswith("kind: ")] == [
            "kind: ConfigMap", "kind: Deployment", "kind: Service", "kind: PodMonitor", "kind: ScaledObject",
        ]  # fmt: skip
        assert "maxReplicaCount: 4" in out
        assert "- trades.trades=9" in out
        assert "  trades: {source: simulated_trades, trades: 500}" in out  # the spec as it stands

    def test_manifests_of_a_graph_in_python(self, tmp_path):
        (tmp_path / "jobs.py").write_text(
            "import rxdag\nfrom rxdag import sinks, sources\n"
            "dag = rxdag.Dag(rxdag.from_source(sources.range(3)).to(sinks.null()), name='three')\n"
        )
        code, out, err = rxdag_("keda", "jobs:dag", "--deployment", "three", "--image", "x:1", cwd=tmp_path)
        assert code == 0, err
        assert "- jobs:dag" in out
        assert "ConfigMap" not in out
        sys.modules.pop("jobs")

    def test_what_kubernetes_does_not_take(self, bars):
        code, _, err = rxdag_("keda", bars, "--deployment", "Bars_1", "--image", "bars:1")
        assert code != 0
        assert "keda: deployment must be a Kubernetes name: 1 to 63 characters" in " ".join(err.split())

    def test_dashboard_and_alerts(self, tmp_path):
        code, out, err = rxdag_("grafana", "--out", str(tmp_path / "monitoring"))
        assert code == 0, err
        assert [line.rpartition("/")[2] for line in out.split()] == ["rxdag-dashboard.json", "rxdag-alerts.yaml"]
        board = json.loads((tmp_path / "monitoring" / "rxdag-dashboard.json").read_text())
        assert board["title"] == "rxdag"
        assert "alert: RxdagRunFailed" in (tmp_path / "monitoring" / "rxdag-alerts.yaml").read_text()

    def test_top_of_a_run_elsewhere(self):
        from prometheus_client import CollectorRegistry

        registry = CollectorRegistry()
        run = rxdag.start(made())
        run.wait(30)
        rxdag.metrics.watch(run, registry=registry)
        with rxdag.metrics.serve(0, registry=registry) as server:
            code, out, err = rxdag_("top", f"localhost:{server.port}", "--once", "--every", "0.05")
        assert code == 0, err
        assert "mine: completed" in out
        code, _, err = rxdag_("top", f"localhost:{server.port}", "--once")
        assert code != 0
        assert "must be where a run serves its metrics" in " ".join(err.split())
