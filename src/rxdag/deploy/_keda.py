"""Manifests of a graph on Kubernetes that KEDA scales by its backlog."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from rxdag.contract import Source
from rxdag.deploy._text import yaml_text
from rxdag.errors import GraphError, shown
from rxdag.graph import Dag
from rxdag.plan import compile

By = Literal["backlog", "queued", "busy"]

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_OVER: Final = "3m"
"""Period over which the metric is averaged, so that a single burst adds no pod."""
_BUSY_SHARE: Final = 0.7
_BACKLOG_ITEMS: Final = 1000


@dataclass(frozen=True)
class Scaling:
    """The metric by which a graph is scaled.

    Attributes:
        by: "backlog": items waiting at the sources; "queued": items in the gates; "busy": seconds of work per second.
        query: A query that always returns one element, over all pods together.
        threshold: Share of the metric per pod.
    """

    by: By
    query: str
    threshold: float


def scaling(
    dag: Dag, /, *, namespace: str | None = None, by: By | None = None, threshold: float | None = None
) -> Scaling:
    """Return the metric by which a graph is best scaled.

    It is the backlog of its sources, if a source knows it; otherwise the items in its gates, if it has gates; otherwise
    its work. Event-time lag shows that a graph is slow but not how much there is to do, so it is an alert instead.

    Args:
        dag: The graph; its name is a label of its metrics.
        namespace: Namespace of its pods; None if Prometheus has no such label.
        by: The metric to use, if you know better.
        threshold: Amount per pod: items, or seconds of work per second. By default 1,000 waiting items, half of the
            capacity of the gates of one pod, or 0.7 s of work per second.

    Raises:
        GraphError: If `by` or `threshold` is invalid, or the graph has no such metric.

    Example:
        >>> numbers = rxdag.from_source(sources.range(9), name="numbers")
        >>> scaling = deploy.scaling(rxdag.Dag(numbers.to(sinks.null(), name="out"), name="nine"), by="busy")
        >>> scaling.threshold
        0.7
    """
    knows = [name for name, node in dag.nodes.items() if isinstance(node.thing, Source) and node.thing.knows_backlog]
    gates = compile(dag).gates
    chosen = by or ("backlog" if knows else "queued" if gates else "busy")
    which = f'dag="{dag.name}"' + ("" if namespace is None else f', namespace="{namespace}"')
    if chosen == "backlog" and not knows:
        raise GraphError(
            f'keda: by="backlog" needs a source that reports its backlog, got {", ".join(dag.sources)}; use "queued" '
            'or "busy"'
        )
    if chosen == "queued" and not gates:
        raise GraphError('keda: by="queued" needs a gate, and the graph has none; use "busy", or add .buffered(...)')
    if chosen not in ("backlog", "queued", "busy"):
        raise GraphError(f'keda: by must be "backlog", "queued" or "busy", got {shown(chosen)}')
    if threshold is not None and not threshold > 0:
        raise GraphError(f"keda: threshold must be more than 0, got {shown(threshold)}")
    if chosen == "busy":
        query = f"sum(rate(rxdag_node_busy_seconds_total{{{which}}}[{_OVER}]))"
        return Scaling("busy", query, threshold or _BUSY_SHARE)
    metric = "rxdag_source_backlog_items" if chosen == "backlog" else "rxdag_gate_items"
    # Summed at each instant over the pods that exist then, so removed pods no longer count.
    query = f"avg_over_time(sum({metric}{{{which}}})[{_OVER}:15s])"
    room = max(1, sum(gate.max_items for gate in gates.values()) // 2)
    return Scaling(chosen, query, threshold or (_BACKLOG_ITEMS if chosen == "backlog" else room))


def keda(
    dag: Dag,
    /,
    *,
    deployment: str,
    image: str,
    run: str,
    spec: str | None = None,
    arguments: Sequence[str] = (),
    namespace: str = "default",
    prometheus: str = "http://prometheus-operated.monitoring.svc:9090",
    min_replicas: int = 1,
    max_replicas: int = 10,
    by: By | None = None,
    threshold: float | None = None,
    port: int = 9464,
) -> str:
    """Return the manifests of a graph on Kubernetes, scaled by KEDA: YAML (extra `yaml`).

    They are a Deployment that runs the graph, with probes and a drain at the end; a Service and a PodMonitor, through
    which Prometheus finds its metrics; a ScaledObject, whose query returns one number; and a ConfigMap with the spec,
    if any.

    Args:
        dag: The graph.
        deployment: Name of the Deployment, and of all other objects.
        image: Container image with rxdag and the modules that the graph imports.
        run: Graph that the container runs: `package.module:dag`, or the name of the spec.
        spec: Text of the spec, which is mounted in the container; None for a graph in Python.
        arguments: Further arguments of `rxdag run`, such as `--set out.table=bars`.
        namespace: Namespace of all objects.
        prometheus: Address of the Prometheus that KEDA queries.
        min_replicas: Minimum number of pods. With 0, it scales to none after five minutes without work, which requires
            a metric from outside the pods.
        max_replicas: Maximum number of pods.
        by: See `scaling`.
        threshold: See `scaling`.
        port: Port of the metrics.

    Raises:
        GraphError: If a name is not valid in Kubernetes, or a number is out of range.
        MissingExtra: If ruamel.yaml is not installed.

    Example:
        >>> numbers = rxdag.from_source(sources.range(9), name="numbers")
        >>> dag = rxdag.Dag(numbers.to(sinks.null(), name="out"), name="nine")
        >>> text = deploy.keda(dag, deployment="nine", image="nine:1", run="jobs:nine")
        >>> [line.split()[1] for line in text.splitlines() if line.startswith("kind:")]
        ['Deployment', 'Service', 'PodMonitor', 'ScaledObject']
        >>> deploy.scaling(dag).query
        'avg_over_time(sum(rxdag_source_backlog_items{dag="nine"})[3m:15s])'
    """
    for what, name in (("deployment", deployment), ("namespace", namespace)):
        if not _NAME.fullmatch(name):
            raise GraphError(
                f"keda: {what} must be a Kubernetes name: 1 to 63 characters of a to z, 0 to 9 and -, without - at "
                f"either end, got {shown(name)}"
            )
    if not 0 <= min_replicas <= max_replicas or max_replicas < 1:
        raise GraphError(
            f"keda: min_replicas must be 0 or more, and max_replicas at least that and 1, got {min_replicas} and {max_replicas}"
        )
    if not 1 <= port <= 65535:
        raise GraphError(f"keda: port must be 1 to 65535, got {port}")
    chosen = scaling(dag, namespace=namespace, by=by, threshold=threshold)
    labels = {"app.kubernetes.io/name": deployment, "app.kubernetes.io/component": "rxdag"}
    meta: dict[str, Any] = {"name": deployment, "namespace": namespace, "labels": labels}
    documents: list[dict[str, Any]] = []
    if spec is not None:
        documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {Path(run).name: spec}})
    documents += [
        _deployment(meta, image, [f"/etc/rxdag/{Path(run).name}" if spec is not None else run, *arguments], port, spec),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {
                "clusterIP": "None",
                "selector": labels,
                "ports": [{"name": "metrics", "port": port, "targetPort": "metrics"}],
            },
        },
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": meta,
            "spec": {
                "selector": {"matchLabels": labels},
                "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": "15s"}],
            },
        },
        _scaled_object(meta, chosen, prometheus, min_replicas, max_replicas),
    ]
    return yaml_text(documents)


def _deployment(meta: dict[str, Any], image: str, run: list[str], port: int, spec: str | None) -> dict[str, Any]:
    labels: dict[str, str] = meta["labels"]
    container: dict[str, Any] = {
        "name": "rxdag",
        "image": image,
        "command": ["rxdag"],
        "args": ["run", *run, "--metrics-host", "0.0.0.0", "--metrics-port", str(port)],
        "ports": [{"name": "metrics", "containerPort": port}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "metrics"}, "periodSeconds": 10},
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": "metrics"},
            "periodSeconds": 10,
            "failureThreshold": 6,
        },
        "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod: dict[str, Any] = {"terminationGracePeriodSeconds": 60, "containers": [container]}  # SIGTERM drains it
    if spec is not None:
        container["volumeMounts"] = [{"name": "spec", "mountPath": "/etc/rxdag", "readOnly": True}]
        pod["volumes"] = [{"name": "spec", "configMap": {"name": meta["name"]}}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {  # no `replicas`, which the autoscaler sets
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _scaled_object(
    meta: dict[str, Any], chosen: Scaling, prometheus: str, min_replicas: int, max_replicas: int
) -> dict[str, Any]:
    behavior = {  # scales up at once, but not for a burst; scales down slowly, by half at most
        "scaleUp": {
            "stabilizationWindowSeconds": 120,
            "policies": [{"type": "Pods", "value": max_replicas, "periodSeconds": 60}],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 300,
            "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}],
        },
    }
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"]},
        "pollingInterval": 15,
        "minReplicaCount": min_replicas,
        "maxReplicaCount": max_replicas,
        # An unreachable Prometheus must not change the number of pods.
        "fallback": {"failureThreshold": 3, "replicas": max(1, min_replicas), "behavior": "currentReplicas"},
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}},
        "triggers": [
            {
                "type": "prometheus",
                "metricType": "AverageValue",
                "metadata": {
                    "serverAddress": prometheus,
                    "query": chosen.query,
                    "threshold": f"{chosen.threshold:g}",
                    "ignoreNullValues": "false",
                },
            }
        ],
    }
    if min_replicas == 0:
        spec["cooldownPeriod"] = 300
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": meta, "spec": spec}
