"""Metrics: what is scraped is what the books say, and a hostile client annoys nobody."""

import asyncio
import contextlib
import gc
import io
import json
import re
import socket
import threading
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed
from rich.console import Console

import rxdag
from rxdag import (
    CheckpointStats,
    JobStatus,
    RunStats,
    RuntimeStatus,
    checkpoints,
    metrics,
    on_error,
    sinks,
    sources,
    testing,
)
from rxdag import operators as ops
from rxdag.cli._top import Top
from rxdag.contract import Reader, Source
from rxdag.engine import BOUNDS_NS
from rxdag.engine.drivers import VirtualClock
from rxdag.errors import RxDagError
from rxdag.metrics._status import as_data
from rxdag.metrics._subjects import Subject
from rxdag.orchestration import FeedbackPolicy
from rxdag.runtime import Execution
from rxdag.runtime._checkpointing import Checkpointing
from rxdag.runtime._recovery import Recovery, begun

MS = 1_000_000


@pytest.fixture
def registry():
    return CollectorRegistry()


def dag(name="job", n=10):
    def fails_on_3(item):
        if item == 3:
            raise ValueError("three")
        return item

    numbers = rxdag.from_source(sources.range(n), name="numbers")
    timed = numbers.pipe(ops.event_time(lambda x: x, unit="s"), name="timed")
    some = timed.pipe(ops.filter(lambda x: x != 5), name="some").pipe(
        ops.map(fails_on_3), name="map", on_error=on_error.dead
    )
    gated = some.buffered(max_items=4)
    return rxdag.Dag(gated.to(sinks.collect(), name="out"), some.dead.to(sinks.null(), name="dead"), name=name)


def kept(n=10, waits=False):
    """A graph that can take checkpoints; it waits for ever after its items if it is to."""
    numbers = rxdag.from_source(Waits() if waits else sources.range(n), name="numbers")
    return rxdag.Dag(numbers.to(sinks.collect(), name="out"), name="kept")


class Waits(Source):
    label = "waits"
    no_position = None

    def open(self, context):
        return WaitingReader()


class WaitingReader(Reader):
    def read(self, max_items):
        return None

    def position(self):
        return 0

    def seek(self, position):
        pass


def value(registry, name, **labels):
    return registry.get_sample_value(name, labels)


class TestCollector:
    def test_it_says_what_the_books_say(self, registry):
        run = rxdag.start(dag())
        metrics.watch(run, registry=registry)
        run.wait(30)
        job = {"dag": "job"}
        assert value(registry, "rxdag_run_state", state="completed", **job) == 1
        assert value(registry, "rxdag_node_out_items_total", node="numbers", port="out", **job) == 10
        assert value(registry, "rxdag_node_in_items_total", node="some", **job) == 10
        assert value(registry, "rxdag_node_filtered_items_total", node="some", **job) == 1
        assert value(registry, "rxdag_node_dead_items_total", node="map", **job) == 1
        assert value(registry, "rxdag_node_delivered_items_total", node="out", **job) == 8
        assert value(registry, "rxdag_gate_capacity_items", gate="map -> out", **job) == 4
        assert value(registry, "rxdag_gate_items", gate="map -> out", **job) == 0
        assert value(registry, "rxdag_run_uptime_seconds", **job) == run.stats().elapsed_s

    def test_every_metric_has_its_kind_and_its_labels(self, registry):
        run = rxdag.start(dag())
        metrics.watch(run, registry=registry)
        run.wait(30)
        families = {family.name: family for family in registry.collect()}
        assert len(families) == len(metrics.METRICS)
        for metric in metrics.METRICS:
            family = families[metric.name.removesuffix("_total")]
            assert (family.type, family.documentation) == (metric.kind, metric.help)
            for sample in family.samples:
                is_histogram = metric.kind == "histogram"
                assert set(sample.labels) - {"le"} == set(metric.labels), sample
                assert sample.name.removesuffix("_bucket" if is_histogram else "") == metric.name or (
                    is_histogram and sample.name in (f"{metric.name}_sum", f"{metric.name}_count")
                )

    def test_a_runtime_with_all_that_it_runs(self, registry):
        async def main():
            async with rxdag.PipelineRuntime() as runtime:
                metrics.watch(runtime, registry=registry)
                runtime.add(dag("a"))
                runtime.add(dag("b"), restart="always", backoff=sources.Backoff(base="1ms"))
                while runtime.status().jobs["b"].restarts < 2:
                    await asyncio.sleep(0.001)
                assert value(registry, "rxdag_run_restarts_total", dag="b") >= 2
                assert value(registry, "rxdag_node_delivered_items_total", dag="a", node="out") is not None

        asyncio.run(main())

    def test_several_registries_and_watching_twice(self, registry):
        run = rxdag.start(dag())
        other = CollectorRegistry()
        for _ in range(3):
            metrics.watch(run, registry=registry)
        metrics.watch(run, registry=other)
        run.wait(30)
        for each in (registry, other):
            assert value(each, "rxdag_node_delivered_items_total", dag="job", node="out") == 8
        metrics.unwatch(run, registry=registry)
        assert value(registry, "rxdag_node_delivered_items_total", dag="job", node="out") is None
        assert value(other, "rxdag_node_delivered_items_total", dag="job", node="out") == 8

    def test_a_run_that_nobody_holds_is_forgotten(self, registry):
        run = rxdag.start(dag())
        collector = metrics.watch(run, registry=registry)
        run.wait(30)
        del run
        gc.collect()
        assert collector.things() == []
        assert value(registry, "rxdag_run_uptime_seconds", dag="job") is None

    def test_runs_of_one_name_are_summed_and_no_counter_goes_back(self, registry):
        delivered = {"dag": "job", "node": "out"}
        first, second = rxdag.start(dag(n=3)), rxdag.start(dag(n=2))
        for run in (first, second):
            metrics.watch(run, registry=registry)
            run.wait(30)
        assert value(registry, "rxdag_node_delivered_items_total", **delivered) == 5
        assert value(registry, "rxdag_sink_write_seconds_bucket", le="+Inf", **delivered) >= 2
        assert value(registry, "rxdag_run_uptime_seconds", dag="job") == second.stats().elapsed_s
        assert value(registry, "rxdag_run_state", dag="job", state="completed") == 1
        del first, run
        gc.collect()
        third = rxdag.start(dag(n=1))
        metrics.watch(third, registry=registry)
        third.wait(30)
        assert value(registry, "rxdag_node_delivered_items_total", **delivered) == 6
        del second, third
        gc.collect()
        assert value(registry, "rxdag_node_delivered_items_total", **delivered) is None
        fourth = rxdag.start(dag(n=1))
        metrics.watch(fourth, registry=registry)
        fourth.wait(30)
        assert value(registry, "rxdag_node_delivered_items_total", **delivered) == 1

    def test_the_state_is_that_of_the_run_watched_last(self, registry):
        failed, running = rxdag.start(dag()), rxdag.start(dag("job", n=1_000_000))
        failed.cancel()
        for run in (failed, running):
            metrics.watch(run, registry=registry)
        assert value(registry, "rxdag_run_state", dag="job", state="cancelled") is None
        running.cancel()

    def test_what_nobody_scrapes_is_forgotten_too(self, registry):
        for i in range(20):
            run = rxdag.start(dag(f"job{i}", n=1))
            collector = metrics.watch(run, registry=registry)
            run.wait(30)
            del run
            gc.collect()
        assert (len(collector._watched), collector._forgotten) == (1, {})

    def test_it_can_be_scraped_at_any_moment_of_a_run(self, registry):
        run = rxdag.start(
            rxdag.from_source(sources.range(200_000))
            .on("a")
            .pipe(ops.map(lambda x: x))
            .on("b")
            .to(sinks.null(), name="out")
        )
        metrics.watch(run, registry=registry)
        seen = []
        while run.state not in ("completed", "failed"):
            seen.append(value(registry, "rxdag_node_delivered_items_total", dag="dag", node="out"))
        run.wait(30)
        assert seen == sorted(seen)

    def test_only_runs_are_watched(self, registry):
        with pytest.raises(TypeError, match="takes a Run, an AsyncRun or a PipelineRuntime"):
            metrics.watch(dag(), registry=registry)


class TestCheckpoints:
    def test_a_run_that_takes_checkpoints_exports_them_and_continues_its_line(self, registry, tmp_path):
        store = tmp_path / "job.state"
        first = rxdag.start(kept(waits=True), checkpoints=store, every="1h")
        metrics.watch(first, registry=registry)
        taken = first.checkpoint(30)
        job = {"dag": "kept"}
        assert value(registry, "rxdag_checkpoint_bytes", **job) == taken.bytes
        assert value(registry, "rxdag_checkpoint_interval_seconds", **job) == 3600
        assert 0 <= value(registry, "rxdag_checkpoint_age_seconds", **job) < 3600
        assert value(registry, "rxdag_checkpoint_failures_total", **job) == 0
        for phase in ("pause", "write"):
            assert value(registry, "rxdag_checkpoint_seconds_count", phase=phase, **job) == 1
        assert value(registry, "rxdag_disk_free_bytes", path=str(store), **job) > 0
        assert value(registry, "rxdag_node_restored_items", node="out", **job) == 0
        assert metrics.status(first)["kept"]["checkpoints"]["last_id"] == 1
        with metrics.serve(0, registry=registry) as server:
            assert "checkpoint 1, " in get(server, "/readyz")[1]
        first.drain(30)
        assert value(registry, "rxdag_checkpoint_age_seconds", **job) is None  # a run that has ended is not stale
        result = rxdag.start(kept(waits=True), checkpoints=store, every="1h").drain(30)
        assert result.stats.checkpoints.resumed_from == 2
        assert "0 failed, continued from checkpoint 2" in str(result)

    def test_a_run_without_checkpoints_exports_none_of_it(self, registry):
        run = rxdag.start(dag())
        metrics.watch(run, registry=registry)
        run.wait(30)
        exported = {sample.name for family in registry.collect() for sample in family.samples}
        assert not {name for name in exported if name.startswith(("rxdag_checkpoint", "rxdag_disk", "rxdag_node_rest"))}
        assert "checkpoints" not in metrics.status(run)["job"]
        assert run.stats().checkpoints is None

    def test_the_status_of_a_runtime_and_the_table_of_top_have_the_line(self):
        told = CheckpointStats(10.0, 7, 1234, 3.0, 0.012, 4, 2, 2468, 86_400.0)
        line = (
            "checkpoint 7, 3.0 s old, 1,234 bytes, pause 12.0 ms, 86,400 bytes a day, every 10 s, 2 failed, "
            "continued from checkpoint 4"
        )
        stats = RunStats("running", 9.0, {}, (), {}, {}, checkpoints=told)
        status = RuntimeStatus(True, {"job": JobStatus("job", "dag", "running", stats=stats)})
        assert str(status).splitlines()[1:] == ["  job  dag  running", f"       {line}"]
        console = Console(width=200, file=io.StringIO())
        console.print(Top().table({"job": as_data(Subject("job", "running", stats=stats))}, 0.0))
        assert console.file.getvalue().splitlines() == ["job: running for 9 s", line]

    def test_before_the_first_checkpoint_the_age_counts_from_the_start(self):
        run = Execution(rxdag.compile(kept()), VirtualClock(5_000_000_000))
        taking = begun(run, Recovery.of(checkpoints.memory(), {"every": "10s"}, "run")).checkpointing
        taking.start()
        run.clock.advance_to(9_000_000_000)
        stats = taking.stats(4.0)
        assert (stats.age_s, stats.last_id, stats.every_s) == (4.0, None, 10.0)
        assert str(stats) == "no checkpoint for 4.0 s, every 10 s, 0 failed"
        taking.close()

    def test_figures_are_read_at_a_scrape_and_never_while_items_flow(self, registry, monkeypatch):
        reads = []
        stats = Checkpointing.stats
        monkeypatch.setattr(Checkpointing, "stats", lambda self, elapsed_s: reads.append(1) or stats(self, elapsed_s))
        run = rxdag.start(kept(n=50_000), checkpoints=checkpoints.memory(), every="1h")
        metrics.watch(run, registry=registry)
        run.wait(30)
        assert len(reads) == 1  # the books at the end
        list(registry.collect())
        assert len(reads) > 1


class TestTimes:
    def test_how_long_a_sink_writes_and_how_long_it_is_waited_for(self):
        async def slow(_):
            await asyncio.sleep(0.01)

        numbers = rxdag.from_source(sources.range(30), name="numbers").buffered(max_items=5)
        result = testing.run_virtual(rxdag.Dag(numbers.to(sinks.acall(slow), name="out")))
        writes = result.stats.writes["out"]
        assert (writes.n, writes.total_ns, writes.failed) == (6, 300 * MS, 0)  # as many as there is room for at a time
        assert writes.counts[BOUNDS_NS.index(50 * MS)] == 6
        assert result.stats.gates["numbers -> out"].blocked_s == 0.2  # 20 items are read while 10 wait or are written

    def test_tries_are_counted_where_they_are_made(self):
        failures = iter([True, True, False, True, False])

        def shaky(item):
            if next(failures, False):
                raise ValueError("not yet")
            return item

        def shaky_sink(item):
            if item == 1 and next(written, False):
                raise ValueError("nor now")

        written = iter([True, False])
        numbers = rxdag.from_source(sources.range(3))
        tried = numbers.pipe(ops.map(shaky), name="map", on_error=on_error.retry(5, base="1s", then=on_error.raise_))
        sink = tried.to(sinks.call(shaky_sink), name="out", on_error=on_error.retry(3, base="1s", then=on_error.raise_))
        result = testing.run_virtual(rxdag.Dag(sink))
        assert result.stats.nodes["map"].retried == 3
        assert (result.stats.nodes["out"].retried, result.stats.writes["out"].failed) == (1, 1)

    def test_what_a_source_has_still_to_give(self):
        backlog, idle = [], []

        def look(_):
            stats = run.execution.stats()
            backlog.append(stats.sources["numbers"].backlog)
            idle.append(stats.sources["numbers"].is_idle)

        numbers = rxdag.from_source(sources.range(3), name="numbers")
        run = testing.start(rxdag.Dag(numbers.buffered(max_items=1).to(sinks.call(look))))
        run.settle()
        assert backlog[-1] == 0
        assert backlog == sorted(backlog, reverse=True)
        assert not any(idle)

    def test_work_is_counted_where_the_way_of_the_items_begins(self):
        numbers = rxdag.from_source(sources.range(1000), name="numbers").pipe(ops.map(lambda x: x), name="map")
        result = rxdag.run(rxdag.Dag(numbers.buffered(max_items=10).to(sinks.collect(), name="out")))
        assert set(result.stats.busy_s) == {"numbers", "out"}
        assert all(seconds > 0 for seconds in result.stats.busy_s.values())


class TestFeedback:
    async def test_decisions_are_metrics_and_events(self, registry):
        policy = FeedbackPolicy(hold="1ms", ramp="2ms")
        pressure = 0.9
        async with rxdag.PipelineRuntime({"providers": {"p": {}}}) as runtime:
            metrics.watch(runtime, registry=registry)
            events = runtime.events()
            following = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            runtime.add_feedback("d", "p", policy=policy, every="1ms", pressure=lambda: pressure)
            event = await following
            assert (event.kind, event.name, event.decision.level) == ("feedback", "d", "hard")
            where = {"dag": "d", "provider": "p"}
            assert value(registry, "rxdag_feedback_pressure_ratio", **where) == 0.9
            assert value(registry, "rxdag_feedback_scale_ratio", **where) == 0
            assert value(registry, "rxdag_feedback_level", level="hard", **where) == 1
            pressure = 0.0
            told = [(await anext(events)).decision for _ in range(2)]
            assert [decision.level for decision in told] == ["ok", "ok"]
            assert told[-1].scale == 1
            await events.aclose()


class TestCompat:
    async def test_the_old_names(self, registry):
        async with rxdag.PipelineRuntime({"providers": {"p": {"capacity": 5}}}) as runtime:
            metrics.compat(runtime, registry=registry)
            states = []
            for scale in (1.0, 0.3, 0.0):
                runtime.rates.set_scale("p", scale)
                states.append(value(registry, "pipeline_backpressure_state", provider="p"))
                assert value(registry, "pipeline_rate_scale_factor", provider="p") == scale
            assert states == [0, 1, 2]
            runtime.add(dag())
            await runtime.run_until_complete()
            assert value(registry, "pipeline_feedback_queue_depth", source="job: map -> out") == 0

    def test_where_the_names_are_taken_they_stay_those_of_whoever_has_them(self, registry):
        from prometheus_client import Gauge

        Gauge("pipeline_backpressure_state", "Theirs.", ["provider"], registry=registry).labels("x").set(7)
        assert metrics.compat(rxdag.PipelineRuntime(), registry=registry) is None
        assert value(registry, "pipeline_backpressure_state", provider="x") == 7


@pytest.fixture
def server(registry):
    with metrics.serve(0, registry=registry) as server:
        yield server


def get(server, path, method="GET", **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers["Content-Type"]


def raw(server, data):
    """What it answers to bytes, to the end."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        try:
            client.sendall(data)
            return b"".join(iter(lambda: client.recv(65536), b""))
        except ConnectionError:
            return b""


class TestServer:
    def test_metrics_in_both_formats(self, server, registry):
        run = rxdag.start(dag())
        metrics.watch(run, registry=registry)
        run.wait(30)
        code, text, kind = get(server, "/metrics")
        assert (code, kind.split(";")[0]) == (200, "text/plain")
        assert {family.name for family in parsed(text)} >= {"rxdag_node_in_items", "rxdag_gate_items"}
        code, text, kind = get(server, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert (code, kind.split(";")[0]) == (200, "application/openmetrics-text")
        assert any(
            family.name == "rxdag_build" or family.name == "rxdag_build_info" for family in parsed_openmetrics(text)
        )

    def test_ready_only_while_all_runs_as_it_should(self, server, registry):
        assert get(server, "/readyz")[:2] == (503, "nothing runs\n")
        may_go = threading.Event()
        run = rxdag.start(
            rxdag.wrap([1]).pipe(ops.map(lambda _: may_go.wait(30) and 1 // 0), name="m").to(sinks.null())
        )
        metrics.watch(run, registry=registry)
        while run.state == "created":
            pass
        assert get(server, "/readyz")[:2] == (200, "ready\n")
        may_go.set()
        with pytest.raises(rxdag.NodeError):
            run.wait(30)
        code, text, _ = get(server, "/readyz")
        assert code == 503
        assert 'dag: failed: node "m" failed' in text
        assert get(server, "/healthz")[:2] == (200, "alive\n")

    def test_not_ready_while_a_source_lacks_its_connection(self, server, registry):
        up, down = threading.Event(), threading.Event()

        async def feed():
            while not up.is_set():
                await asyncio.sleep(0.001)
            yield 1
            while not down.is_set():
                await asyncio.sleep(0.001)

        source = sources.async_iterable(feed, reconnect=sources.Backoff(base="1h"))
        run = rxdag.start(rxdag.Dag(rxdag.from_source(source, name="feed").to(sinks.null()), name="live"))
        metrics.watch(run, registry=registry)
        for event, expected in ((up, 200), (down, 503)):
            while get(server, "/readyz")[:2] != (503, "live: running: not connected: feed\n") and event is up:
                pass
            event.set()
            while get(server, "/readyz")[0] != expected:
                pass
        assert value(registry, "rxdag_source_connected", dag="live", node="feed") == 0
        run.cancel()

    def test_the_status_is_json_whatever_a_source_says_of_its_progress(self, server, registry):
        is_read = threading.Event()

        class Reader(rxdag.Reader):
            def read(self, max_items):
                is_read.set()

            def progress(self):
                return float("nan")

        class Odd(rxdag.Source):
            shape = rxdag.Shape()

            def open(self, context):
                return Reader()

        run = rxdag.start(rxdag.Dag(rxdag.from_source(Odd(), name="in").to(sinks.null()), name="odd"))
        metrics.watch(run, registry=registry)
        assert is_read.wait(30)
        text = get(server, "/status")[1]
        run.cancel()
        assert '"progress": "nan"' in text

    def test_status_and_graph(self, server, registry):
        assert get(server, "/graph")[0] == 404
        run = rxdag.start(dag())
        metrics.watch(run, registry=registry)
        run.wait(30)
        said = json.loads(get(server, "/status")[1])
        assert said["job"]["state"] == "completed"
        assert said["job"]["nodes"]["out"]["passed"] == 8
        assert said["job"]["gates"]["map -> out"]["capacity"] == 4
        code, text, kind = get(server, "/graph")
        assert (code, kind) == (200, "image/svg+xml")
        assert ">numbers<" in text
        other = rxdag.start(dag("other"))
        metrics.watch(other, registry=registry)
        other.wait(30)
        assert get(server, "/graph")[1].count("<svg") == 2

    def test_the_root_links_all_there_is(self, server):
        code, text, kind = get(server, "/")
        assert (code, kind) == (200, "text/html; charset=utf-8")
        paths = re.findall(r'href="([^"]+)"', text)
        assert paths == ["/metrics", "/healthz", "/readyz", "/status", "/graph"]
        assert get(server, "/nothing")[1] == f"not found; the paths are {', '.join(paths)}\n"

    @pytest.mark.parametrize(
        ("method", "path", "code"),
        [
            ("GET", "/nothing", 404),
            ("GET", "/../etc/passwd", 404),
            ("POST", "/metrics", 405),
            ("DELETE", "/", 405),
            ("HEAD", "/healthz", 200),
        ],
    )
    def test_methods_and_paths(self, server, method, path, code):
        got = get(server, path, method)
        assert got[0] == code
        assert method != "HEAD" or got[1] == ""

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"\r\n\r\n", b"400"),
            (b"GET\r\n\r\n", b"400"),
            (b"\x00\xff\xfe\r\n\r\n", b"400"),
            (b"GET /healthz HTTP/1.1\r\n" + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", b"431"),
            (b"GET /metrics?" + b"&".join(b"name[]=%d" % i for i in range(100_000)) + b" HTTP/1.1\r\n\r\n", b"431"),
            (b"GET /healthz HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n", b"200"),
        ],
        ids=["empty", "short", "bytes", "1 MB of head", "100,000 parameters", "two at once"],
    )
    def test_what_is_no_request(self, server, data, code):
        answer = raw(server, data)
        assert answer == b"" or answer.split(b" ")[1] == code  # it may have left before all was sent
        assert get(server, "/healthz")[0] == 200

    def test_200_slow_clients_hold_nobody_up(self, server, registry):
        run = rxdag.start(dag())
        metrics.watch(run, registry=registry)
        run.wait(30)
        clients = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(200)]
        for client in clients:
            with contextlib.suppress(ConnectionError):
                client.send(b"GET /metrics HTTP/1.1\r\nX: ")
        turned_away = 0
        for client in clients[64:]:
            client.settimeout(20)
            try:
                turned_away += b"503" in client.recv(100)
            except ConnectionError:
                turned_away += 1
        assert turned_away == 136
        for client in clients:
            client.close()
        while get(server, "/healthz")[0] != 200:
            pass
        assert "rxdag_gate_items" in get(server, "/metrics")[1]

    def test_closed_it_leaves_no_thread_and_its_port_is_free(self, registry):
        server = metrics.serve(0, registry=registry)
        port = server.port
        server.close()
        server.close()
        assert not any(thread.name == "rxdag-metrics" for thread in threading.enumerate())
        with metrics.serve(port, registry=registry) as again:
            assert again.port == port
            with pytest.raises(RxDagError, match=f"127.0.0.1:{port} must be free"):
                metrics.serve(port, registry=registry)


def test_rxdag_run_serves_them(tmp_path):
    import signal
    import subprocess
    import sys

    (tmp_path / "s.yaml").write_text("nodes:\n  n: {source: interval, every: 1ms}\n  o: {sink: 'null', input: n}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "rxdag.cli", "run", "s.yaml", "--metrics-port", "0"],
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    line = process.stderr.readline()
    url = re.search(r"http://\S+", line).group(0)
    text = ""
    while 'rxdag_node_delivered_items_total{dag="s",node="o"}' not in text:
        text = urllib.request.urlopen(url, timeout=20).read().decode()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
