"""The commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rxdag import build_info
from rxdag.cli._choices import By, Form, Require, Restart
from rxdag.cli._demo import run_demo
from rxdag.cli._diff import diff
from rxdag.cli._flags import in_flags, said
from rxdag.cli._load import Loaded, load
from rxdag.cli._load import check as check_graph
from rxdag.cli._logs import AsForm, AtLevel, LogForm, LogLevel, configure_logs
from rxdag.cli._nodes import describe_node, list_nodes, nodes_as_data
from rxdag.cli._options import Allow, AllowDrop, AsJson, Outside, Renamed, Set, Spec, Traceback, renamed_of
from rxdag.cli._peek import peek
from rxdag.cli._recordings import record, replay
from rxdag.cli._run import run_loaded
from rxdag.cli._shadow import shadowed
from rxdag.cli._state_app import state_app
from rxdag.cli._workers import run_workers
from rxdag.errors import RxDagError, SpecError
from rxdag.logs import json_text
from rxdag.runtime import Shadow

app = typer.Typer(
    help="Streaming DAGs: bounded, correct in event time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="A SPEC is a YAML file, - for stdin, or Python: job.py, job.py:dag or package.module:dag. Exit: 0 done, 1 failed, 2 wrong usage "
    "or spec, 130 interrupted, 143 terminated.",
)


app.add_typer(state_app, name="state")
app.command(epilog="Example: rxdag diff out/old out/new")(diff)
app.command(epilog="Example: rxdag peek trades.csv.gz > job.py")(peek)
app.command(epilog="Example: rxdag record job.py --source ticks --source quotes --to journal/")(record)
app.command(
    epilog="Examples: rxdag replay trades.csv.gz --time recv_ns --speed 20 | jq .price; rxdag replay feed.jsonl --at-once; rxdag replay journal/ --at-once"
)(replay)


def _version(show: bool) -> None:
    if show:
        typer.echo(str(build_info()))
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and the form: plain or compiled."
        ),
    ] = False,
) -> None:
    """Streaming DAGs: bounded, correct in event time."""


def flags_of(*words: str) -> dict[str, str]:
    """Return the options of a command by parameter: "until" is "--until"; none of no command.

    Args:
        words: The command line without options, such as "state", "check".
    """
    return {param.name: param.opts[-1] for param in _params_of(*words) if param.opts[-1].startswith("--")}


def _params_of(*words: str) -> list[Any]:
    """Return the parameters of a command."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    params: list[Any] = command.params
    return params


def _load(spec: str, sets: list[str] | None, allow: list[str] | None, outside: bool) -> Loaded:
    return load(spec, sets or [], allow or [], outside=outside)


@app.command(
    epilog="Examples: rxdag run bars.yaml --set trades.path=today.csv --until 60s; rxdag run - < bars.yaml; rxdag run job.py"
)
def run(
    spec: Spec,
    sets: Set = None,
    until: Annotated[str | None, typer.Option(help="Drain after this time, such as 60s.", metavar="DURATION")] = None,
    flush: Annotated[
        bool,
        typer.Option(
            "--flush", help="Close open windows when --until or a signal drains it; their panes say closed_by=end."
        ),
    ] = False,
    restart: Annotated[Restart | None, typer.Option(help="When to start the run again, after growing waits.")] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Port that serves metrics, health, status and a picture; / lists them; 0 for a free port.",
            min=0,
            max=65535,
        ),
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address on which they are served.")] = "127.0.0.1",
    shard: Annotated[
        str | None,
        typer.Option(help="Run as worker I of N, from 0: pass its share of each ops.shard.", metavar="I/N"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Run in N processes, each with its share of each ops.shard, its own files (bars-0.csv), checkpoints "
            "and metrics port.",
            metavar="N",
            min=1,
        ),
    ] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="File of checkpoints: continue from the last one, and take others.")
    ] = None,
    every: Annotated[str | None, typer.Option(help="Time between two checkpoints, 10s by default.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over, whatever the last checkpoint is.")] = False,
    require: Annotated[
        Require | None, typer.Option(help="exactly: refuse sinks that may deliver an item again after a restart.")
    ] = None,
    allow_drop: AllowDrop = None,
    renamed: Renamed = None,
    shadow: Annotated[
        Path | None,
        typer.Option(
            help="Begin with the state in this file of checkpoints, which is not changed; write the output to --into.",
            metavar="DB",
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="Empty folder for the output of --shadow, NAME.shadow by default.", metavar="DIR"),
    ] = None,
    allow: Allow = None,
    outside: Outside = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print neither progress nor books.")] = False,
    log_format: AsForm = LogForm.text,
    log_level: AtLevel = LogLevel.warning,
    traceback: Traceback = False,
) -> None:
    """Run a graph to its end. Ctrl-C or SIGTERM drains it; a second one cancels it."""
    given = dict(locals())
    configure_logs(log_format, log_level)
    if workers is not None:
        raise typer.Exit(run_workers(_params_of("run"), given, lambda: _load(spec, sets, allow, outside)))
    loaded = _load(spec, sets, allow, outside).shard(shard)
    state: Path | Shadow | None = checkpoints
    if shadow is not None:
        if checkpoints is not None or every is not None or fresh:
            raise SpecError("--shadow: must be given without --checkpoints, --every and --fresh: such a run takes none")
        loaded, state = shadowed(loaded, shadow, into)
    elif into is not None:
        raise SpecError("--into: must be given with --shadow")
    raise typer.Exit(
        run_loaded(
            loaded,
            until=until,
            flush=flush,
            restart=None if restart is None else restart.value,
            as_json=as_json,
            quiet=quiet,
            only_logs=log_format is LogForm.json,
            serves=None if metrics_port is None else (metrics_host, metrics_port),
            flags=flags_of("run"),
            recovery={
                "checkpoints": state,
                "every": every,
                "fresh": fresh,
                "require": None if require is None else require.value,
                "allow_drop": allow_drop,
                "renamed": renamed_of(renamed),
            },
        )
    )


@app.command(epilog="Example: rxdag check bars.yaml --json")
def check(
    spec: Spec,
    sets: Set = None,
    allow: Allow = None,
    outside: Outside = False,
    as_json: AsJson = False,
    traceback: Traceback = False,
) -> None:
    """Check a graph and report all problems at once; nothing runs."""
    try:
        dag = check_graph(spec, sets or [], allow or [], outside=outside)
    except RxDagError as error:
        if not as_json:
            raise
        flags = flags_of("check")
        listed: list[dict[str, Any]] = [
            {
                "file": p.mark.file,
                "line": p.mark.line,
                "column": p.mark.column,
                "path": p.path,
                "message": in_flags(p.message, flags),
            }
            for p in (error.problems if isinstance(error, SpecError) else ())
        ]
        print(json_text({"ok": False, "problems": listed or [{"message": said(error, flags)}]}))
        raise typer.Exit(2) from None
    if as_json:
        print(json_text({"ok": True, "name": dag.name, "nodes": len(dag.nodes), "edges": len(dag.edges)}))
    else:
        print(f"ok: {dag.name}, {len(dag.nodes)} nodes, {len(dag.edges)} edges")


@app.command(epilog="Example: rxdag explain bars.yaml --service out=2.5ms")
def explain(
    spec: Spec,
    sets: Set = None,
    service: Annotated[
        list[str] | None,
        typer.Option("--service", help="Service time of a sink per item: node=duration.", metavar="NODE=DURATION"),
    ] = None,
    allow: Allow = None,
    outside: Outside = False,
    as_json: AsJson = False,
    traceback: Traceback = False,
) -> None:
    """Show how a graph would run: segments, gates, lanes, bounds."""
    from rxdag.plan import compile

    times = dict(_pair(each, "--service") for each in service or [])
    plan = compile(_load(spec, sets, allow, outside).dag)
    print(json_text(plan.explain(service=times, form="dict")) if as_json else plan.explain(service=times))


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"must be KEY=VALUE, got {text!r}", param_hint=option)
    return key, value


@app.command(epilog="Example: rxdag graph bars.yaml --format svg > bars.svg")
def graph(
    spec: Spec,
    form: Annotated[Form, typer.Option("--format", help="Format of the picture.")] = Form.text,
    sets: Set = None,
    allow: Allow = None,
    outside: Outside = False,
    traceback: Traceback = False,
) -> None:
    """Draw a graph."""
    from rxdag import render

    dag = _load(spec, sets, allow, outside).dag
    if form in ("text", "mermaid"):
        print(dag.describe() if form == "text" else dag.mermaid())
    else:
        print(render.dot(dag) if form == "dot" else render.svg(dag))


@app.command(epilog="Example: rxdag run bars.yaml --metrics-port 9464, and elsewhere rxdag top localhost:9464")
def top(
    url: Annotated[
        str, typer.Argument(help="Address at which a run serves its metrics.", metavar="URL")
    ] = "localhost:9464",
    every: Annotated[float, typer.Option(help="Interval between two tables, s.", min=0.05)] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Show one table and end.")] = False,
    traceback: Traceback = False,
) -> None:
    """Watch runs: rates, losses, load and delay of each node, and the fill of the gates."""
    from rxdag.cli._top import fetched, show

    show(lambda: fetched(url), every_s=every, once=once)


@app.command(
    epilog="Example: rxdag keda bars.yaml --deployment bars --image registry/bars:1 --max 8 | kubectl apply -f -"
)
def keda(
    spec: Spec,
    deployment: Annotated[str, typer.Option(help="Name of the Deployment and of the other objects.", metavar="NAME")],
    image: Annotated[str, typer.Option(help="Container image with rxdag in it.", metavar="IMAGE")],
    namespace: Annotated[str, typer.Option(help="Namespace of the objects.", metavar="NAME")] = "default",
    prometheus: Annotated[
        str, typer.Option(help="Address of the Prometheus that KEDA queries.", metavar="URL")
    ] = "http://prometheus-operated.monitoring.svc:9090",
    min_replicas: Annotated[int, typer.Option("--min", help="Minimum number of pods.")] = 1,
    max_replicas: Annotated[int, typer.Option("--max", help="Maximum number of pods.")] = 10,
    by: Annotated[
        By | None, typer.Option(help="Metric to scale by; by default the best one that the graph has.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Value of the metric per pod.")] = None,
    port: Annotated[int, typer.Option(help="Port of the metrics.")] = 9464,
    sets: Set = None,
    allow: Allow = None,
    outside: Outside = False,
    traceback: Traceback = False,
) -> None:
    """Write manifests for Kubernetes: a Deployment that KEDA scales by the load of the graph."""
    from rxdag import deploy

    loaded = _load(spec, sets, allow, outside)
    text = deploy.keda(
        loaded.dag,
        deployment=deployment,
        image=image,
        run=spec if loaded.text is None else "spec.yaml",
        spec=loaded.text,
        arguments=[part for each in sets or [] for part in ("--set", each)]
        + [part for each in allow or [] for part in ("--allow", each)],
        namespace=namespace,
        prometheus=prometheus,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        by=None if by is None else by.value,
        threshold=threshold,
        port=port,
    )
    print(text, end="")


@app.command(epilog="Example: rxdag grafana --out monitoring, then import rxdag-dashboard.json into Grafana")
def grafana(
    out: Annotated[Path, typer.Option(help="Directory for the two files.", metavar="DIR")] = Path(),
    runbook: Annotated[
        str, typer.Option(help="Address of the runbook, for the links of the alerts.", metavar="URL")
    ] = "docs/how-to/runbook.md",
) -> None:
    """Write a dashboard for Grafana and alerts for Prometheus: rxdag-dashboard.json and rxdag-alerts.yaml."""
    from rxdag import deploy

    out.mkdir(parents=True, exist_ok=True)
    files = {
        "rxdag-dashboard.json": json.dumps(deploy.dashboard(), indent=1) + "\n",
        "rxdag-alerts.yaml": deploy.yaml_text([deploy.alert_rules(runbook=runbook)]),
    }
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
        print(out / name)


@app.command(epilog="Examples: rxdag nodes; rxdag nodes window")
def nodes(
    name: Annotated[str | None, typer.Argument(help="Node to describe in full.", metavar="NAME")] = None,
    as_json: AsJson = False,
) -> None:
    """List the nodes that a spec can name, or show the contract of one."""
    if as_json:
        print(json_text(nodes_as_data(name)))
    else:
        print(list_nodes() if name is None else describe_node(name))


@app.command(epilog="Example: rxdag schema > rxdag.schema.json, then # yaml-language-server: $schema=rxdag.schema.json")
def schema() -> None:
    """Print the JSON Schema of specs, which editors use to complete and check them."""
    from rxdag.spec import json_schema

    print(json.dumps(json_schema(), indent=1))


@app.command()
def demo(
    data: Annotated[
        str | None,
        typer.Option(help="CSV of trades (or .gz; - for stdin); by default trades are simulated.", metavar="FILE"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Directory for bars.csv and late.jsonl.", metavar="DIR")] = Path("out"),
    trades: Annotated[int, typer.Option(min=0, help="Number of trades to simulate.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulated trades.")] = 0,
    speed: Annotated[
        float | None,
        typer.Option(
            help="1 for simulated trades in real time, 20 for twenty times as fast; by default as fast as possible."
        ),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip malformed lines instead of stopping.")] = False,
    log_format: AsForm = LogForm.text,
    log_level: AtLevel = LogLevel.warning,
    traceback: Traceback = False,
) -> None:
    """Make 1 s bars of trades: deduplicated, in event time, by venue and symbol."""
    configure_logs(log_format, log_level)
    raise typer.Exit(run_demo(data=data, out=out, trades=trades, seed=seed, speed=speed, skip_bad=skip_bad))
