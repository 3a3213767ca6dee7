"""Manifests, dashboards and alerts: by the schemas of Kubernetes and KEDA, and by a Prometheus that scrapes a real run."""

import asyncio
import json
import math
import random
import re
import subprocess
import threading
import time
from collections import deque
from pathlib import Path

import jsonschema
import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML
from tests import servers
from tests.unit.test_metrics import Waits

import rxdag
from rxdag import aggregates as agg
from rxdag import deploy, metrics, on_error, sinks, sources, windows
from rxdag import operators as ops
from rxdag.errors import GraphError

K8S = Path(__file__).parent.parent / "k8s"


def parsed(text):
    return list(YAML(typ="safe", pure=True).load_all(text))


def jobs(*, queue=None, knows=True):
    source = sources.range(9) if knows else sources.simulated_trades(trades=9)
    stream = rxdag.from_source(source, name="numbers")
    return rxdag.Dag((stream if queue is None else stream.buffered(max_items=queue)).to(sinks.null()), name="jobs")


def manifests(dag=None, **options):
    text = deploy.keda(dag or jobs(), **({"deployment": "jobs", "image": "jobs:1", "run": "jobs:dag"} | options))
    return {document["kind"]: document for document in parsed(text)}


def scaled(**options):
    return manifests(**options)["ScaledObject"]["spec"]


class TestManifests:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"spec": "name: jobs\nnodes: {}\n", "run": "jobs.yaml", "arguments": ["--set", "a.b=1"]},
            {"dag": jobs(queue=10), "by": "queued", "min_replicas": 0, "max_replicas": 3},
            {"dag": jobs(knows=False), "namespace": "other", "threshold": 0.5},
        ],
    )
    def test_kubernetes_and_keda_take_them(self, options):
        validate = pytest.importorskip(
            "kubernetes_validate", reason="kubernetes-validate is for the newest versions only"
        )
        found = manifests(**options)
        kinds = {"Deployment", "Service", "PodMonitor", "ScaledObject"} | (
            {"ConfigMap"} if "spec" in options else set()
        )
        assert set(found) == kinds
        for kind in kinds - {"PodMonitor", "ScaledObject"}:
            validate.validate(found[kind], "1.31", strict=True)
        crd = YAML(typ="safe", pure=True).load(K8S / "keda.sh_scaledobjects.yaml")
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        jsonschema.validate(found["ScaledObject"], schema)
        scalers = json.loads((K8S / "scalers-schema.json").read_text())["scalers"]
        known = {each["name"] for each in next(s for s in scalers if s["type"] == "prometheus")["parameters"]}
        (trigger,) = found["ScaledObject"]["spec"]["triggers"]
        assert set(trigger["metadata"]) <= known

    def test_all_of_them_are_of_the_same_pods(self):
        found = manifests(port=9000)
        labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
        assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
        assert found["Service"]["spec"]["selector"] == labels
        assert found["PodMonitor"]["spec"]["selector"]["matchLabels"] == labels
        assert found["ScaledObject"]["spec"]["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]
        (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["run", "jobs:dag", "--metrics-host", "0.0.0.0", "--metrics-port", "9000"]
        assert container["ports"] == [{"name": "metrics", "containerPort": 9000}]
        assert "replicas" not in found["Deployment"]["spec"]  # they are the autoscaler's

    def test_a_query_that_gives_nothing_changes_nothing(self):
        spec = scaled()
        (trigger,) = spec["triggers"]
        assert trigger["metadata"]["ignoreNullValues"] == "false"
        assert spec["fallback"]["behavior"] == "currentReplicas"
        assert "vector(0)" not in trigger["metadata"]["query"]
        assert "cooldownPeriod" not in spec  # it acts on scaling to none only
        assert scaled(min_replicas=0)["cooldownPeriod"] == 300

    @pytest.mark.parametrize(
        ("dag", "by", "metric", "threshold"),
        [
            (jobs(), "backlog", "rxdag_source_backlog_items", "1000"),
            (jobs(knows=False, queue=500), "queued", "rxdag_gate_items", "250"),
            (jobs(knows=False), "busy", "rxdag_node_busy_seconds_total", "0.7"),
        ],
    )
    def test_it_scales_by_the_best_that_the_graph_has(self, dag, by, metric, threshold):
        assert deploy.scaling(dag).by == by
        (trigger,) = scaled(dag=dag)["triggers"]
        assert f"{metric}{{" in trigger["metadata"]["query"]
        assert trigger["metadata"]["threshold"] == threshold

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"deployment": "Jobs!"},
                "keda: deployment must be a Kubernetes name: 1 to 63 characters of a to z, 0 to 9 and -",
            ),
            ({"namespace": "-"}, "keda: namespace must be"),
            (
                {"min_replicas": 3, "max_replicas": 2},
                "min_replicas must be 0 or more, and max_replicas at least that and 1, got 3 and 2",
            ),
            ({"threshold": 0}, "threshold must be more than 0, got 0"),
            ({"port": 0}, "port must be 1 to 65535, got 0"),
            ({"by": "lag"}, 'by must be "backlog", "queued" or "busy", got \'lag\''),
            ({"by": "queued"}, 'by="queued" needs a gate, and the graph has none'),
            ({"dag": jobs(knows=False), "by": "backlog"}, "needs a source that reports its backlog, got numbers"),
        ],
    )
    def test_what_it_does_not_take(self, options, message):
        with pytest.raises(GraphError, match=re.escape(message)):
            manifests(**options)


def hpa(spec, lag_of, seconds, replicas=1):
    """What a HorizontalPodAutoscaler makes of a lag, by Kubernetes' own algorithm: the replicas at each of its looks."""
    (trigger,) = spec["triggers"]
    target = float(trigger["metadata"]["threshold"])
    minutes, step = map(int, re.search(r"\[(\d+)m:(\d+)s\]", trigger["metadata"]["query"]).groups())
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    up, down = behavior["scaleUp"], behavior["scaleDown"]
    advised, changes, looks = deque(), [], []
    for now in range(0, seconds, spec["pollingInterval"]):
        seen = [lag_of(now - back) for back in range(0, minutes * 60, step)]
        lag = sum(seen) / len(seen)
        advice = replicas if abs(1 - lag / (target * replicas)) <= 0.1 else math.ceil(lag / target)
        advice = min(max(advice, spec["minReplicaCount"]), spec["maxReplicaCount"])
        advised.append((now, advice))
        least = min(a for t, a in advised if now - t <= up["stabilizationWindowSeconds"])
        most = max(a for t, a in advised if now - t <= down["stabilizationWindowSeconds"])
        wanted = max(replicas, least) if advice > replicas else min(replicas, most)
        recent = sum(by for t, by in changes if now - t < 60)
        began = replicas - recent
        if wanted > replicas:
            wanted = min(wanted, began + up["policies"][0]["value"])
        elif wanted < replicas:
            wanted = max(wanted, math.floor(began * (1 - down["policies"][0]["value"] / 100)))
        if wanted != replicas:
            changes.append((now, wanted - replicas))
            replicas = wanted
        looks.append(replicas)
    return changes, looks


class TestScaling:
    @pytest.mark.parametrize("threshold", [3000, 4300, 5000, 7000])
    def test_noise_of_30_percent_makes_two_changes_at_most(self, threshold):
        spec = scaled(threshold=threshold)
        for seed in range(50):
            noise = random.Random(seed)
            lag = [30_000 * noise.uniform(0.7, 1.3) for _ in range(1200)]
            changes, looks = hpa(spec, lambda t: lag[600 + t], 600)
            assert len(changes) <= 2, (seed, changes)
            assert abs(1 - 30_000 / (threshold * looks[-1])) < 0.25

    def test_it_follows_what_lasts(self):
        spec = scaled(threshold=5000)
        _, looks = hpa(spec, lambda t: 40_000 if 600 <= t < 2400 else 4000, 5400)
        per_minute = 60 // spec["pollingInterval"]
        assert looks[9 * per_minute] == 1
        assert looks[20 * per_minute] == 8
        assert looks[-1] == 1


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    """A graph in which everything happens, scraped by a Prometheus that has its alerts."""
    registry = CollectorRegistry()
    stop = []

    def endless():
        n = 0
        while not stop:
            yield n
            n += 1
            time.sleep(0.001)

    def fails(item):
        if item % 50 == 7:
            raise ValueError("seven")
        return item

    def fails_once(item, seen=set()):
        time.sleep(0.001)
        if item % 100 == 9 and item not in seen:
            seen.add(item)
            raise ConnectionError("down for a moment")

    ticks = rxdag.from_source(sources.iterable(endless(), blocking=True, of=int), name="ticks")
    timed = ticks.pipe(ops.event_time(lambda n: time.time_ns() - (60_000_000_000 if n % 40 == 3 else 0)), name="timed")
    some = timed.pipe(ops.filter(lambda n: n % 2 == 1), name="some").pipe(
        ops.map(fails), name="map", on_error=on_error.dead
    )
    once = some.pipe(ops.dedupe(lambda n: n // 4, within="1s"), name="once")
    routes = once.pipe(ops.route({"most": lambda n: n % 3}), name="routes")
    bars = (
        routes["most"]
        .pipe(ops.key_by(lambda n: n % 5))
        .pipe(ops.window(windows.tumbling("1s"), agg.count()), name="bars")
    )
    listed = rxdag.from_source(sources.range(1_000_000), name="listed")
    silent = rxdag.from_source(sources.journal(Waits(), tmp_path_factory.mktemp("journal")), name="silent")
    kept = rxdag.Dag(silent.to(sinks.null(), name="kept_out"), name="kept")
    dag = rxdag.Dag(
        bars.buffered(max_items=100).to(sinks.null(), name="bars_out"),
        bars.late.to(sinks.null(), name="late"),
        some.dead.to(sinks.null(), name="dead"),
        ticks.buffered(max_items=10, overflow="drop_oldest")
        .on("far")
        .to(sinks.call(lambda n: time.sleep(0.002)), name="slow"),
        listed.buffered(max_items=10)
        .on("shaky")
        .to(sinks.call(fails_once), name="shaky", on_error=on_error.retry(3, base="1ms", then=on_error.raise_)),
        name="all",
    )
    run = rxdag.start(dag)
    metrics.watch(run, registry=registry)
    store = tmp_path_factory.mktemp("state") / "kept.db"
    kept_run = rxdag.start(kept, checkpoints=store, every="1h")
    kept_run.checkpoint(30)
    metrics.watch(kept_run, registry=registry)
    runtime = rxdag.PipelineRuntime({"providers": {"feed": {}}})
    metrics.watch(runtime, registry=registry)

    async def fed_back():
        async with runtime:
            runtime.add_feedback("all", "feed", every="100ms", pressure=lambda: 0.6)
            while not stop:
                await asyncio.sleep(0.05)

    feeding = threading.Thread(target=lambda: asyncio.run(fed_back()))
    feeding.start()
    with metrics.serve(0, registry=registry) as server:
        rules = deploy.yaml_text([deploy.alert_rules()])
        with servers.prometheus(server.port, rules) as prometheus:
            prometheus.wait_for("count(rxdag_run_uptime_seconds > 4)", lambda n: n == 2)
            prometheus.wait_for("count(count_over_time(rxdag_build_info[4s]) > 10)", lambda n: n == 1)
            assert run.state == "running"
            yield prometheus
    stop.append(True)
    run.cancel()
    kept_run.cancel()
    feeding.join()


def as_asked(query):
    return (
        query.replace("$__rate_interval", "4s")
        .replace('"$dag"', '".*"')
        .replace("[5m]", "[4s]")
        .replace("[15m]", "[4s]")
        .replace("[1h]", "[4s]")
    )


class TestPrometheus:
    @pytest.mark.parametrize("panel", deploy.panels(), ids=lambda panel: panel.metric.name)
    def test_every_panel_shows_something(self, scraped, panel):
        found = scraped.query(as_asked(panel.query))
        assert found
        for labels, _ in found:
            assert set(labels) == set(panel.metric.labels)

    @pytest.mark.parametrize("alert", deploy.ALERTS, ids=lambda alert: alert.name)
    def test_every_alert_looks_at_something(self, scraped, alert):
        assert scraped.query(as_asked(alert.query))
        scraped.query(alert.expr)

    def test_the_metrics_of_queries_exist(self):
        known = {metric.name for metric in metrics.METRICS}
        for text in [alert.query for alert in deploy.ALERTS] + [deploy.scaling(jobs(), by="busy").query]:
            names = set(re.findall(r"rxdag_\w+", text))
            assert names
            assert names <= known, text


def test_every_alert_links_to_a_section_of_the_runbook():
    page = Path(__file__).parent.parent.parent / deploy.alert_rules.__kwdefaults__["runbook"]
    sections = re.findall(r"^## (\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == [alert.name for alert in deploy.ALERTS]
    (group,) = deploy.alert_rules(runbook="https://x.test/runbook")["groups"]
    links = [rule["annotations"]["runbook_url"] for rule in group["rules"]]
    assert links == [f"https://x.test/runbook#{name.lower()}" for name in sections]


class TestPromtool:
    @pytest.fixture
    def promtool(self):
        return servers.binary("promtool", package="prometheus")

    def test_it_takes_the_rules(self, promtool, tmp_path):
        rules = tmp_path / "rules.yaml"
        rules.write_text(deploy.yaml_text([deploy.alert_rules()]))
        done = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert f"{len(deploy.ALERTS)} rules found" in done.stdout

    def test_they_fire_when_they_should_and_not_otherwise(self, promtool, tmp_path):
        (tmp_path / "rules.yaml").write_text(deploy.yaml_text([deploy.alert_rules()]))
        node = 'dag="d", node="n"'
        gate = 'dag="d", gate="a -> b"'
        wrong = {
            "RxdagRunFailed": {'rxdag_run_state{dag="d", state="failed"}': "1x60"},
            "RxdagRestarting": {'rxdag_run_restarts_total{dag="d"}': "0+1x60"},
            "RxdagNothingDelivered": {
                f"rxdag_node_delivered_items_total{{{node}}}": "7x60",
                f'rxdag_node_out_items_total{{{node}, port="out"}}': "0+100x60",
            },
            "RxdagBehind": {f"rxdag_node_event_time_lag_seconds{{{node}}}": "301x60"},
            "RxdagBlocked": {f"rxdag_gate_blocked_seconds_total{{{gate}}}": "0+40x60"},
            "RxdagDropping": {f"rxdag_gate_dropped_items_total{{{gate}}}": "0+1x60"},
            "RxdagDeadLetters": {f"rxdag_node_dead_items_total{{{node}}}": "0+1x60"},
            "RxdagLate": {
                f"rxdag_node_late_items_total{{{node}}}": "0+2x60",
                f"rxdag_node_in_items_total{{{node}}}": "0+100x60",
            },
            "RxdagSinkFailing": {f"rxdag_sink_write_failures_total{{{node}}}": "0+1x60"},
            "RxdagSourceDisconnected": {f"rxdag_source_connected{{{node}}}": "0x60"},
            "RxdagCheckpointStale": {
                'rxdag_checkpoint_age_seconds{dag="d"}': "31x60",
                'rxdag_checkpoint_interval_seconds{dag="d"}': "10x60",
            },
            "RxdagCheckpointFailing": {'rxdag_checkpoint_failures_total{dag="d"}': "0+1x60"},
            "RxdagJournalBehind": {f"rxdag_journal_behind_seconds{{{node}}}": "61x60"},
            "RxdagDiskFullIn4h": {'rxdag_disk_free_bytes{dag="d", path="/s"}': "200-1x60"},
        }
        right = {
            "RxdagRunFailed": {'rxdag_run_state{dag="d", state="running"}': "1x60"},
            "RxdagRestarting": {'rxdag_run_restarts_total{dag="d"}': "3x60"},
            "RxdagNothingDelivered": {
                f"rxdag_node_delivered_items_total{{{node}}}": "0+1x60",
                f'rxdag_node_out_items_total{{{node}, port="out"}}': "0+100x60",
            },
            "RxdagBehind": {f"rxdag_node_event_time_lag_seconds{{{node}}}": "299x60"},
            "RxdagBlocked": {f"rxdag_gate_blocked_seconds_total{{{gate}}}": "0+20x60"},
            "RxdagDropping": {f"rxdag_gate_dropped_items_total{{{gate}}}": "7x60"},
            "RxdagDeadLetters": {f"rxdag_node_dead_items_total{{{node}}}": "7x60"},
            "RxdagLate": {
                f"rxdag_node_late_items_total{{{node}}}": "0+1x60",
                f"rxdag_node_in_items_total{{{node}}}": "0+200x60",
            },
            "RxdagSinkFailing": {f"rxdag_sink_write_failures_total{{{node}}}": "7x60"},
            "RxdagSourceDisconnected": {f"rxdag_source_connected{{{node}}}": "1x60"},
            "RxdagCheckpointStale": {
                'rxdag_checkpoint_age_seconds{dag="d"}': "30x60",
                'rxdag_checkpoint_interval_seconds{dag="d"}': "10x60",
            },
            "RxdagCheckpointFailing": {'rxdag_checkpoint_failures_total{dag="d"}': "7x60"},
            "RxdagJournalBehind": {f"rxdag_journal_behind_seconds{{{node}}}": "59x60"},
            "RxdagDiskFullIn4h": {'rxdag_disk_free_bytes{dag="d", path="/s"}': "400-1x60"},
        }
        by_name = {alert.name: alert for alert in deploy.ALERTS}
        assert set(wrong) == set(right) == set(by_name)
        tests = []
        for series, fires in ((wrong, True), (right, False)):
            for name, inputs in series.items():
                labels = {"dag": "d", "severity": by_name[name].severity}
                labels |= {"node": "n"} if "by (dag, node)" in by_name[name].query else {}
                labels |= {"gate": "a -> b"} if "by (dag, gate)" in by_name[name].query else {}
                tests.append(
                    {
                        "interval": "1m",
                        "input_series": [{"series": each, "values": values} for each, values in inputs.items()],
                        "promql_expr_test": [
                            {
                                "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}})',
                                "eval_time": "40m",
                                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                            }
                        ],
                    }
                )
        (tmp_path / "tests.json").write_text(json.dumps({"rule_files": ["rules.yaml"], "tests": tests}))
        done = subprocess.run(
            [promtool, "test", "rules", "tests.json"], capture_output=True, text=True, timeout=60, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_graph_that_is_put_behind_asks_for_more_and_then_for_less():
    """The query of the ScaledObject, asked of a real Prometheus that scrapes a real run."""
    speed = [0.02]
    pushed = sources.ingress(max_items=5000, of=int)
    stream = rxdag.from_source(pushed, name="pushed")
    dag = rxdag.Dag(stream.to(sinks.call(lambda _: time.sleep(speed[0])), name="slow"), name="behind")
    chosen = deploy.scaling(dag, namespace="default", threshold=100)
    assert chosen.by == "backlog"
    query = chosen.query.replace("[3m:15s]", "[1s:200ms]")  # as it is, but for how long it takes to see it
    run = rxdag.start(dag)
    registry = CollectorRegistry()
    metrics.watch(run, registry=registry)
    with metrics.serve(0, registry=registry) as server, servers.prometheus(server.port) as prometheus:
        prometheus.wait_for(query, lambda lag: lag < chosen.threshold)
        for n in range(3000):
            pushed.push(n)
        assert prometheus.wait_for(query, lambda lag: lag > chosen.threshold) > chosen.threshold
        speed[0] = 0
        prometheus.wait_for(query, lambda lag: lag < chosen.threshold)
        prometheus.wait_for(chosen.query, lambda lag: lag >= 0)  # one element, once a step of it has come round
        pushed.complete()
        run.wait(30)


def test_the_dashboard_has_every_metric_of_a_run_and_no_panel_on_another():
    board = deploy.dashboard()
    drawn = [panel for panel in board["panels"] if panel["type"] != "row"]
    described = {panel["description"].partition(":")[0] for panel in drawn}
    assert described == {metric.name for metric in metrics.METRICS if "dag" in metric.labels}
    cells = [(x, y) for panel in board["panels"] for x, y in _cells(panel["gridPos"])]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def _cells(at):
    return [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
