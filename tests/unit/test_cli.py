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
import zipfile

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
        logging.getLogger("rxdag").setLevel(logging.NOTSET)
        logging.captureWarnings(False)
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

    def test_flush_is_a_setting_too(self):
        code, out, _ = rxdag_("run", "-", "--until", "50ms", given=LIVE + "settings: {flush: true}\n")
        assert code == 0
        assert [json.loads(line)["closed_by"] for line in out.splitlines()] == ["end"]

    def test_all_settings_of_checkpoints_can_be_in_the_spec(self, tmp_path):
        nodes = """
nodes:
  rows: {source: iterable, items: [{n: 1}, {n: 2}]}
  kept: {op: filter, input: rows, predicate: n > 0}
  out: {sink: jsonl, input: kept, path: out.jsonl}
settings: {checkpoints: job.state, every: 1h%s}
"""
        spec, out = tmp_path / "s.yaml", tmp_path / "out.jsonl"

        def run(settings=""):
            spec.write_text(nodes % settings)
            process = start("run", "s.yaml", "--quiet", cwd=tmp_path)
            _, said = process.communicate(timeout=60)
            return process.returncode, said

        assert run(", require: exactly") == (0, "")
        assert out.read_text() == '{"n":1}\n{"n":2}\n'
        out.unlink()
        assert run()[0] == 0  # the job is done
        assert not out.exists()
        assert run(", fresh: true")[0] == 0
        assert out.read_text() == '{"n":1}\n{"n":2}\n'
        code, said = run(", require: twice, allow_drop: kept, renamed: [a]")
        assert code == 2
        for line in (
            "settings.require: must be exactly, got 'twice'",
            "settings.allow_drop: expected `array`",
            "settings.renamed: expected `object`",
        ):
            assert line in said

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


LIVE = """\
nodes:
  n: {source: interval, every: 1ms}
  s: {op: timestamp, input: n}
  t: {op: event_time, input: s, ts: ts}
  w: {op: window_all, input: t, window: global, aggregate: count}
  o: {sink: stdout, input: w, form: jsonl}
"""


class TestSpelling:
    """Messages name what the command line has."""

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (("run", "-", "--until", "3"), "error: --until must be a duration such as \"500ms\", \"1s\" or \"2h30m\", got '3'; did you mean \"3s\"?"),
            (("run", "-", "--until", "3", "--restart", "always"), "error: --until must be a duration"),
            (("run", "-", "--shard", "1"), 'error: --shard: must be I/N, as 0/3 for the first of three workers, got "1"'),
            (("run", "-", "--shard", "0/2"), "error: --shard must have an ops.shard(key)"),
            (("explain", "-", "--service", "oo=1s"), 'error: --service of "oo" must be of a sink; did you mean "o"?'),
            (("explain", "-", "--service", "o=1"), "error: --service of \"o\" must be a duration"),
            (("keda", "-", "--deployment", "d", "--image", "i", "--min", "3", "--max", "2"), "error: --min must be 0 or more, and --max at least that and 1, got 3 and 2"),
            (("keda", "-", "--deployment", "D", "--image", "i"), "error: --deployment must be a Kubernetes name"),
            (("keda", "-", "--deployment", "d", "--image", "i", "--threshold", "0"), "error: --threshold must be more than 0, got 0.0"),
        ],
    )  # fmt: skip
    def test_an_argument_is_named_by_its_option(self, args, said):
        code, out, err = rxdag_(*args, given=LIVE)
        assert (code, out) == (2, "")
        assert err.startswith(said)

    @pytest.mark.parametrize(
        ("node", "said"),
        [
            ("{op: map, input: n, fn: 'mypkg.model:f'}", 'module "mypkg.model" must be allowed by the code that loads the spec, with --allow mypkg.model; allowed: none'),
            ("{sink: csv, input: n, path: /tmp/x.csv}", "unless the code that loads the spec allows other paths (--outside), got '/tmp/x.csv'"),
        ],
    )  # fmt: skip
    def test_what_would_allow_it_is_an_option(self, node, said):
        text = f"nodes:\n  n: {{source: range, bounds: 1}}\n  x: {node}\n  o: {{sink: collect, input: n}}\n"
        code, _, err = rxdag_("check", "-", given=text)
        assert code == 2
        assert said in err
        told = json.loads(rxdag_("check", "-", "--json", given=text)[1])["problems"]
        assert any(said in each["message"] for each in told)
        assert said in json.loads(rxdag_("run", "-", "--json", given=text)[1] or "{}").get("error", said)

    def test_the_text_of_an_item_is_left_alone(self, tmp_path):
        text = 'nodes: {n: {source: iterable, items: ["until=True"]}, m: {op: map, input: n, fn: x}, o: {sink: collect, input: m}}'
        code, _, err = rxdag_("run", "-", given=text)
        assert code == 1
        assert "failed on 'until=True'" in err

    def test_json_has_the_same_spelling(self):
        code, out, _ = rxdag_("run", "-", "--json", "--until", "3", given=LIVE)
        assert code == 2
        assert json.loads(out)["error"].startswith("--until must be a duration")


class TestLogs:
    TEXT = "name: s\nnodes:\n  n: {source: range, bounds: 3}\n  o: {sink: 'null', input: n}\n"
    FAILS = "name: s\nnodes:\n  n: {source: iterable, items: [secret]}\n  d: {op: map, input: n, fn: 1 / x}\n  o: {sink: 'null', input: d}\n"

    @pytest.mark.parametrize("more", [(), ("--restart", "on_failure"), ("--metrics-port", "0")])
    def test_with_json_every_line_on_stderr_is_an_object_with_a_code(self, more):
        code, out, err = rxdag_("run", "-", "--log-format", "json", "--log-level", "info", *more, given=self.TEXT)
        lines = [json.loads(line) for line in err.splitlines()]
        assert (code, out) == (0, "")
        assert [line["code"] for line in lines if line["code"].startswith("run.")] == ["run.started", "run.completed"]

    def test_text_is_one_line_an_event_before_the_books(self):
        code, _, err = rxdag_("run", "-", "--log-level", "info", given=self.TEXT)
        assert code == 0
        started, completed, books, *_ = err.splitlines()
        assert " INFO run.started dag=s nodes=2: " in started
        assert " INFO run.completed dag=s " in completed
        assert books.startswith("s: completed in")

    def test_by_default_only_warnings_are_logged(self):
        assert rxdag_("run", "-", "--quiet", given=self.TEXT) == (0, "", "")

    @pytest.mark.parametrize("option", [("--log-format", "json"), ("--log-format=json",)])
    def test_a_run_that_fails_is_logged_without_the_item(self, option):
        code, out, err = rxdag_("run", "-", *option, given=self.FAILS)
        run, command = [json.loads(line) for line in err.splitlines()]
        assert (code, out) == (1, "")
        assert (run["code"], run["node"], run["error"]) == ("run.failed", "d", "AttributeError")
        assert (command["code"], command["exit_code"], command["error"]) == ("command.failed", 1, "AttributeError")
        assert "detail" not in command
        assert "secret" not in err

    def test_what_is_wrong_with_a_spec_is_logged_in_full(self):
        code, _, err = rxdag_("run", "-", "--log-format", "json", given=self.TEXT.replace("range", "rang"))
        (said,) = [json.loads(line) for line in err.splitlines()]
        assert (code, said["code"], said["exit_code"]) == (2, "command.failed", 2)
        assert 'did you mean "range"' in said["detail"]

    def test_warnings_of_python_are_json_too(self, tmp_path):
        (tmp_path / "warns.py").write_text(
            "import warnings\nimport rxdag\nfrom rxdag import sinks, sources\n"
            "def dag():\n    warnings.warn('two\\nlines')\n"
            "    return rxdag.Dag(rxdag.from_source(sources.range(3)).to(sinks.null()), name='three')\n"
        )
        code, _, err = in_a_process("run", "warns:dag", "--log-format", "json", cwd=tmp_path)
        (said,) = [json.loads(line) for line in err.splitlines()]
        assert (code, said["logger"], said["level"]) == (0, "py.warnings", "WARNING")

    def test_a_line_goes_to_what_stands_in_for_stderr_as_a_progress_bar_does(self, monkeypatch):
        from rxdag.cli._logs import LogForm, LogLevel, configure_logs

        root = logging.getLogger()
        monkeypatch.setattr(root, "handlers", [])
        configure_logs(LogForm.text, LogLevel.warning)
        with contextlib.redirect_stderr(io.TextIOWrapper(io.BytesIO())) as bar:
            root.warning("above the bar")
        assert bar.detach().getvalue().endswith(b" WARNING above the bar\n")
        with contextlib.redirect_stderr(io.StringIO()) as next_bar:  # the first one is gone, and cannot be flushed
            root.warning("above the next")
        assert next_bar.getvalue().endswith(" WARNING above the next\n")

    @pytest.mark.parametrize("command", ["demo", "replay"])
    def test_other_commands_that_run_something_log_too(self, command, tmp_path):
        (tmp_path / "x.jsonl").write_text("1\n")
        args = {"demo": ("--trades", "10"), "replay": ("x.jsonl", "--at-once")}[command]
        code, _, err = rxdag_(command, *args, "--log-format", "json", "--log-level", "info", cwd=tmp_path)
        assert code == 0
        assert "run.completed" in [json.loads(line)["code"] for line in err.splitlines()]

    def test_a_drain_that_a_signal_asks_for_is_logged_step_by_step(self, tmp_path):
        (tmp_path / "s.yaml").write_text("nodes:\n  n: {source: interval, every: 1ms}\n  o: {sink: stdout, input: n}\n")
        process = start("run", "s.yaml", "--log-format", "json", "--log-level", "info", cwd=tmp_path)
        assert process.stdout.readline() == "0\n"
        process.send_signal(signal.SIGTERM)
        with process:
            process.stdout.read()
            lines = [json.loads(line) for line in process.stderr.read().splitlines()]
        assert process.returncode == 143
        assert [line["code"] for line in lines] == [
            "run.started", "signal.received", "draining", "drained", "run.completed",
        ]  # fmt: skip


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
            ("tests.unit.test_cli:DAGG", 'must have "DAGG", got none; did you mean "DAG"'),
            ("tests.unit.test_cli:BARS", "must be a Dag, a Plan, or a function without arguments that returns one"),
        ],
    )
    def test_what_is_none(self, spec, said):
        code, _, err = rxdag_("check", spec)
        assert code == 2
        assert said in err

    def test_problems_of_the_spec_and_of_the_graph_are_told_together(self, tmp_path):
        text = """\
nodes:
  n: {source: range, bounds: 3}
  t: {op: take, input: n, max_items: many}
  o: {sink: collect, input: t}
  m: {op: filter, input: n, predicate: price > 1}
  w: {op: window_all, input: n, window: {type: tumbling, size: 1s}, aggregate: count}
  p: {sink: collect, input: w}
  h: {source: 'parts:pushing'}
  q: {sink: collect, input: h}
"""
        (tmp_path / "parts.py").write_text(
            "from rxdag import sources\ndef pushing():\n    return sources.callback(lambda push: None)\n"
        )
        code, out, _ = rxdag_("check", "-", "--json", "--allow", "parts", given=text, cwd=tmp_path)
        sys.modules.pop("parts")
        found = [(each["line"], each["path"]) for each in json.loads(out)["problems"]]
        assert code == 2
        assert found == [(3, "nodes.t.max_items"), (5, "nodes.m"), (6, "nodes.w"), (8, "nodes.h")]

    def test_a_file_that_is_not_there_names_the_nearest(self, tmp_path):
        (tmp_path / "bars.yaml").write_text(BARS)
        (tmp_path / "bars.csv").write_text("")
        code, _, err = rxdag_("run", "bars.yml", cwd=tmp_path)
        assert code == 2
        assert err == (
            'error: bars.yml: must be a file that can be read: No such file or directory; did you mean "bars.yaml"?\n'
        )
        assert 'its directory "no" does not exist either' in rxdag_("run", "no/bars.yaml", cwd=tmp_path)[2]

    def test_values_without_a_key(self, bars):
        assert rxdag_("check", bars, "--set", "x")[0] == 2
        assert rxdag_("check", "tests.unit.test_cli:DAG", "--set", "n.bounds=1")[0] == 2


class TestLooks:
    def test_explain(self, bars):
        code, out, _ = rxdag_("explain", bars, "--service", "out=2ms")
        assert code == 0
        assert "plan bars" in out
        assert "cap: " in out
        code, out, _ = rxdag_("explain", bars, "--service", "out=2ms", "--json")
        said = json.loads(out)
        assert (code, said["dag"], [each["sink"] for each in said["ages"]]) == (0, "bars", ["out"])
        assert "tumbling(" in said["nodes"][3]["call"]

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
        assert {"window:", "aggregate:"} <= set(rxdag_("nodes")[1].splitlines())
        code, out, _ = rxdag_("nodes", "tumbling")
        assert out.startswith("window: tumbling\n  size: 1w | 1mo | 1q | 1y or duration, required\n")
        for line in ("Args:", "size: Length of a window"):
            assert line in out
        out = rxdag_("nodes", "window")[1]
        assert "  window: name, or mapping with type, required" in out
        assert "    window: The windows" in out
        assert "assigner" not in out
        assert [line.split()[0] for line in rxdag_("nodes", "count")[1].splitlines() if line.endswith(": count")] == [
            "op:", "window:", "aggregate:"
        ]  # fmt: skip
        (said,) = json.loads(rxdag_("nodes", "take", "--json")[1])
        assert said["params"]["max_items"]["required"] is True

    def test_nodes_show_the_words_that_a_parameter_takes(self):
        out = rxdag_("nodes", "event_time")[1]
        assert "  unit: ns | us | ms | s | auto, default ns" in out
        assert "  on_error: raise | skip | dead | {retry: {attempts: int, base: duration" in out
        assert "overflow: block | drop_oldest | drop_newest | drop_tail | drop_buffer | error" in out
        assert "one of" not in rxdag_("nodes", "throttle")[1]

    def test_graph_and_explain_show_the_window_as_it_was_written(self, bars):
        said = 'window(tumbling("1s"), ohlcv(col.price, col.qty))'
        assert said in rxdag_("graph", bars)[1]
        assert said in rxdag_("explain", bars)[1]

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
        near = rxdag_("replay", str(tmp_path / "x.json"), "--at-once")[2]
        assert f'file must exist, got "{tmp_path}/x.json"; did you mean "{tmp_path}/x.jsonl"?' in near

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ((), '--unit: must be given: "t" 1700000000000 is 1970-01-01 00:28 in ns; pass --unit ms'),
            (("--unit", "s"), '--unit: "t" must be within 1677 to 2262, got 1700000000000 s; pass --unit ms'),
        ],
    )
    def test_times_in_another_unit_are_no_times_of_1970(self, tmp_path, options, said):
        (tmp_path / "x.csv").write_text("t,p\n1700000000000,1\n1700000000001,2\n")
        code, out, err = rxdag_("replay", str(tmp_path / "x.csv"), "--time", "t", *options)
        assert (code, out) == (1, "")
        assert said in err
        assert rxdag_("replay", str(tmp_path / "x.csv"), "--time", "t", "--unit", "ms")[0] == 0
        assert rxdag_("replay", str(tmp_path / "x.csv"), "--time", "t", "--unit", "ns")[0] == 0

    def test_an_archive_says_what_it_is(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "x.csv", "w") as archive:
            archive.writestr("x.csv", "t,p\n1,2\n")
        code, _, err = rxdag_("replay", str(tmp_path / "x.csv"), "--at-once")
        assert code == 1
        assert "x.csv: must be text, plain or compressed, got a zip archive; name it .zip" in err


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    code, out, err = rxdag_("run", "bars.yaml")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: rxdag: {package} must be installed, and is not; run pip install ")
    assert err.endswith('(extra "cli")\n')


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
        def ran(file, *options):
            late = parts.parent / file
            code, out, err = rxdag_("run", str(parts), "--quiet", *options)
            assert code == 0, err
            return sorted(out.splitlines()), sorted(late.read_text().splitlines())

        bars, late = ran("late.jsonl")
        assert late  # what comes too late is so for every worker
        files = [f"late-{worker}.jsonl" for worker in range(workers)] if workers > 1 else ["late.jsonl"]
        shares = [ran(file, "--shard", f"{worker}/{workers}") for worker, file in enumerate(files)]
        assert sorted(bar for share, _ in shares for bar in share) == bars
        assert sorted(each for _, share in shares for each in share) == late
        if workers in (2, 3):
            assert all(len(share) < len(bars) for share, _ in shares)

    @pytest.mark.parametrize(
        ("share", "message"),
        [
            ("1", '--shard: must be I/N, as 0/3 for the first of three workers, got "1"'),
            ("a/b", '--shard: must be I/N, as 0/3 for the first of three workers, got "a/b"'),
            ("\u0661/\u0662", "--shard: must be I/N, as 0/3 for the first of three workers"),
            ("3/3", "--shard must be worker 0 to n - 1 of n, got 3 of 3"),
        ],
    )
    def test_a_share_that_is_none(self, parts, share, message):
        code, _, err = rxdag_("run", str(parts), "--shard", share)
        assert code != 0
        assert message in " ".join(err.split())

    def test_a_graph_without_shares_refuses_to_be_run_by_several(self, bars):
        code, _, err = rxdag_("run", bars, "--shard", "0/2")
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
        assert "--deployment must be a Kubernetes name: 1 to 63 characters" in " ".join(err.split())

    def test_dashboard_and_alerts(self, tmp_path):
        code, out, err = rxdag_("grafana", "--out", str(tmp_path / "monitoring"))
        assert code == 0, err
        assert [line.rpartition("/")[2] for line in out.split()] == ["rxdag-dashboard.json", "rxdag-alerts.yaml"]
        board = json.loads((tmp_path / "monitoring" / "rxdag-dashboard.json").read_text())
        assert board["title"] == "rxdag"
        assert "alert: RxdagRunFailed" in (tmp_path / "monitoring" / "rxdag-alerts.yaml").read_text()

    def test_top_flushes_each_table_and_a_reader_that_leaves_ends_it_quietly(self):
        from prometheus_client import CollectorRegistry

        registry = CollectorRegistry()
        endless = rxdag.from_source(sources.interval("1ms"), name="n").to(sinks.null(), name="o")
        run = rxdag.start(rxdag.Dag(endless, name="endless"))
        rxdag.metrics.watch(run, registry=registry)
        with rxdag.metrics.serve(0, registry=registry) as server:
            process = start("top", f"localhost:{server.port}", "--every", "0.05")
            assert process.stdout.readline().startswith("endless: running")
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait(30) == 1
            process.stderr.close()
        run.cancel()

    def test_top_of_a_run_elsewhere(self):
        from prometheus_client import CollectorRegistry

        registry = CollectorRegistry()
        run = rxdag.start(made())
        run.wait(30)
        rxdag.metrics.watch(run, registry=registry)
        with rxdag.metrics.serve(0, registry=registry) as server:
            code, out, err = rxdag_("top", f"localhost:{server.port}", "--once", "--every", "0.05")
            lines = rxdag_("top", f"localhost:{server.port}", "--every", "0.05")[1]
        assert code == 0, err
        assert "mine: completed" in out
        assert "mine: completed" in lines
        code, _, err = rxdag_("top", f"localhost:{server.port}", "--once")
        assert code != 0
        assert "must be where a run serves its metrics" in " ".join(err.split())
