"""Pages of the reference that are made of registries: metrics, the command line, specs, errors."""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, get_args

from typer.models import ArgumentInfo, OptionInfo

import rxdag
from rxdag import checkpoints, deploy, errors, expressions, logs, metrics
from rxdag.cli._app import app
from rxdag.cli._nodes import options_of, parameters_of, settings
from rxdag.spec import parts, registry
from tests.public import PUBLIC, public_packages
from tests.reference.pages import WORLD, about, class_entry, plain_entry, sections

_NAMES: Final = """```python
import rxdag
from rxdag import deploy, operators as ops, sinks, sources
```"""


def metrics_page() -> str:
    """All metrics, alerts, and the functions that give them."""
    out = [
        "# Metrics",
        "Metrics are the books of the runs, which are read only when they are scraped. See [watch a run](../how-to/watch-a-run.md), [dashboards and "
        "alerts](../how-to/dashboards-and-alerts.md) and [scale on Kubernetes](../how-to/scale-on-kubernetes.md).",
        _NAMES,
        "| metric | kind | labels | meaning |\n|---|---|---|---|\n"
        + "\n".join(f"| `{m.name}` | {m.kind} | {', '.join(m.labels)} | {m.help} |" for m in metrics.METRICS),
        "Labels are names of the graph: dag, node, edge, port, reason and state. Keys are never labels. Units are seconds and items.",
        "## Alerts",
        "| alert | severity | when | for | look at |\n|---|---|---|---|---|\n"
        + "\n".join(
            f"| {a.name} | {a.severity} | `{a.expr.replace('|', chr(92) + '|')}` | {a.lasts} | {a.remedy} |"
            for a in deploy.ALERTS
        ),
    ]
    for name in ("watch", "unwatch", "serve", "status", "compat"):
        out.append(plain_entry("metrics", name, getattr(metrics, name)))
    out.append("# deploy")
    out.append(about(deploy))
    for name in ("keda", "scaling", "dashboard", "alert_rules", "yaml_text"):
        out.append(plain_entry("deploy", name, getattr(deploy, name)))
    out.append(class_entry("deploy", "Scaling", deploy.Scaling))
    return "\n\n".join(out) + "\n"


_LOG_RULES: Final = (
    "* **One line for each event.** Line breaks in names are escaped.\n"
    "* **At most one line per second** for each code and place (dag, node, gate and so on), by the clock of the run. Events between two "
    "lines are counted in field `repeated` of the next line, which is written when the second is over or the run ends. A field `n`, "
    "such as that of `late`, is the number of items since the previous line. Restarts of one dag in a `PipelineRuntime` share this limit.\n"
    "* **Never an item.** The text of an error may contain the item on which your code failed, so a line has only the class of the error and, as "
    "`at`, the line that failed. For the text, catch the error of the run, call `runtime.status()`, or read port `dead` or `events`.\n"
    '* **Never a credential.** Addresses are shown without login, query and fragment, and values that are named as a password, token or key as "...".\n'
    "* **Only lost items.** `late`, `dead`, `unrouted`, `unassigned` and `skipped` are logged only if "
    "no node reads the port. `gap` is always logged, also for a port `gaps` of your own operator.\n"
    "* **Nothing per item.** The engine calls the logger only for events; losses are read from the books.",
    "rxdag does not configure logging. In a program without handlers, four codes are printed to stderr, because a user may be waiting for an "
    "explanation: `signal.received`, `drain.overdue`, `run.silent` and `run.stuck`. "
    "`logging.basicConfig(level=logging.INFO)` shows all of them. On the command line, use `--log-level` and `--log-format`.",
)


def logs_page() -> str:
    """All codes of the logs, and the formatter."""
    out = [
        "# Logs",
        "rxdag logs through the standard `logging`: one line for each event, with a documented code. Codes and fields are an interface: you "
        "can filter and alert on them. [Run a graph as a service](../how-to/run-as-a-service.md) shows how.",
        "```text\nsource.disconnected dag=bars node=trades connection=3 error=ConnectionResetError at=feed.py:12: "
        "a source has lost its connection\n```",
        "A line is `code field=value ...: sentence`. A value with spaces or special characters is quoted, as in JSON. "
        "As attributes of the `LogRecord`, the code is `code`, and each field has its own name. The logger is `rxdag.<area>`.",
        *_LOG_RULES,
        "## Codes",
        "| code | logger | level | fields | event | what to do |\n|---|---|---|---|---|---|\n"
        + "\n".join(
            f"| `{c.name}` | `{c.logger}` | {logging.getLevelName(c.level)} | {', '.join(c.fields)} | {_sentence(c.sentence)} | {c.fix} |"
            for c in logs.CODES.values()
        ),
        "## Fields",
        "| field | meaning |\n|---|---|\n" + "\n".join(f"| `{name}` | {what} |" for name, what in logs.FIELDS.items()),
        *_formatter_entry(),
    ]
    return "\n\n".join(out) + "\n"


def _formatter_entry() -> list[str]:
    """The formatter alone: its arguments and other methods are those of `logging.Formatter`."""
    parts = sections(inspect.getdoc(logs.JsonFormatter) or "")
    return ["## logs.JsonFormatter", parts[""], f"```python\n{parts['Example'].rstrip()}\n```"]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('?') else '.'}"


def _parameters(callback: Any) -> list[tuple[str, str, bool, Any]]:
    """Of a command: the name on the command line, what it is, whether it is an argument, the default."""
    out: list[tuple[str, str, bool, Any]] = []
    for name, parameter in inspect.signature(callback, eval_str=True).parameters.items():
        info = next(each for each in parameter.annotation.__metadata__ if isinstance(each, OptionInfo | ArgumentInfo))
        is_argument = isinstance(info, ArgumentInfo)
        named = (
            info.default if isinstance(info.default, str) else None
        )  # a name that stands first is taken for the default
        given = named or f"--{name.replace('_', '-')}"
        shown = info.metavar or name.upper() if is_argument else " ".join(filter(None, (given, info.metavar)))
        what = (info.help or "") + _choices(parameter.annotation.__origin__)
        out.append((shown, what, is_argument, parameter.default))
    return out


def _choices(kind: Any) -> str:
    """Return the values of a type of option, if it has few."""
    for each in (kind, *get_args(kind)):
        if inspect.isclass(each) and issubclass(each, Enum):
            return f" One of {', '.join(f'`{one.value}`' for one in each)}."
    return ""


def command_page() -> str:
    """All commands and their options."""
    out = [
        "# The command line",
        "`pip install '.[cli]'` in a checkout installs everything that the commands need. A SPEC is a YAML file, `-` for the "
        "standard input, or a graph in Python: `job.py` with one Dag, `job.py:name`, or `package.module:name`. Exit: 0 done, 1 failed, 2 wrong usage or spec, 130 interrupted, "
        "143 terminated.",
    ]
    commands: dict[str, Any] = {
        command.name or command.callback.__name__: command for command in app.registered_commands
    }  # type: ignore[union-attr]
    commands |= {
        f"{group.name} {command.name}": command
        for group in app.registered_groups
        for command in group.typer_instance.registered_commands  # type: ignore[union-attr]
    }
    for name, command in sorted(commands.items()):
        callback: Any = command.callback
        parameters = _parameters(callback)
        empty = inspect.Parameter.empty
        usage = [
            shown if default is empty else f"[{shown}]" for shown, _, is_argument, default in parameters if is_argument
        ]
        out += [
            f"## rxdag {name}",
            inspect.getdoc(callback) or "",
            f"`{' '.join(['rxdag', name, *usage, '[OPTIONS]'])}`",
        ]
        rows: list[str] = []
        for shown, what, _, default in parameters:
            value = "" if default in (None, False, empty) else f"`{getattr(default, 'value', default)}`"
            rows.append(f"| `{shown}` | {what} | {value} |")
        out.append("| option | what | default |\n|---|---|---|\n" + "\n".join(rows))
        if command.epilog:
            out.append(command.epilog)
    return "\n\n".join(out) + "\n"


def specs_page() -> str:
    """All nodes that a spec can name, with their parameters."""
    out = [
        "# Specs",
        "The nodes, windows and aggregates of graphs in YAML; [write a graph as YAML](../how-to/yaml-specs.md) shows how to use them. `rxdag schema` prints the same as a JSON Schema, "
        "with which editors complete and check specs. At the top level, a spec has `name`, `nodes`, `version` (1), `include` and `settings`. Windows and aggregates are parts of nodes: `window: {type: tumbling, size: 1s}`, `aggregate: count`.",
    ]
    sink = registry().nodes["sink"]["collect"]
    out += [
        "## Settings",
        "Write them under `settings:`; `rxdag run` reads them.",
        "```text\n" + "\n".join(settings()) + "\n```",
        "## Options of every node",
        "Every node takes these options in addition to its parameters; a source takes only `on_error`.",
        "```text\n" + "\n".join(options_of(sink)) + "\n```",
    ]
    for role, types in {**registry().nodes, **parts()}.items():
        out.append(f"## {role}")
        for each in types.values():
            shown = "\n".join(parameters_of(each))
            out += [f"### {role}: {each.name}", each.summary, f"```text\n{shown}\n```" if shown.strip() else ""]
    out = [part for part in out if part]
    return "\n\n".join(out) + "\n"


_WHEN: Final = {
    "GraphError": (
        "a graph is defined",
        "a wrong field or argument, a function that takes the wrong arguments, a stream that does not fit",
        "correct the call that the message names",
    ),
    "CompileError": (
        "a graph is compiled",
        "a contradiction, such as a source that cannot be paused with the policy `block`",
        "choose one of the options in the message",
    ),
    "SpecError": (
        "a spec or settings are read",
        "all problems, each with file, line and column",
        "run `rxdag check`; `rxdag nodes NAME` shows the parameters of a node",
    ),
    "NodeError": (
        "a graph runs",
        "a function failed: the message names the node and the item; `__cause__` is the error of the function",
        "correct the function, or set `on_error=` to skip, dead or retry",
    ),
    "SourceError": (
        "a graph runs",
        "a missing file, a malformed line, or a lost connection",
        "correct the file at the line in the message, or set `on_error=` of `from_source`",
    ),
    "BufferOverflow": (
        "a graph runs",
        "a full gate with the policy `error`",
        "set a larger `max_items`, another policy, or a faster consumer",
    ),
    "Stalled": (
        "a graph runs",
        "no node can make progress: the message names the full gates",
        "put a larger `.buffered(max_items=...)` before the node that combines two streams, or one that drops",
    ),
    "StateError": (
        "state is saved or read",
        "a value that cannot be saved, with its path in the state; or bytes that are damaged, or name an unknown class",
        "keep plain data in the state; import the module of the class, or pass it in `types=`",
    ),
    "SavedError": (
        "state that was saved is used again",
        "the error of an item, such as one of a dead letter, that outlived its process",
        "look at its text and at `kind`; the error itself was raised in the earlier run",
    ),
    "CheckpointError": (
        "a store of checkpoints is opened, read or written",
        "a store that is in use, and by whom; a path that cannot be used; a full disk; or damage, with the checkpoint that is whole as `.whole`",
        "follow the fix in the message; [Checkpoints](checkpoints.md#messages) lists them",
    ),
    "MissingExtra": (
        "a feature is used",
        "a package that is not installed",
        "run the `pip install` in the message",
    ),
    "GraphWarning": (
        "a graph is defined",
        "a probable mistake, such as a sink that no dag includes",
        "include the sink, or remove it",
    ),
    "Terminated": (
        "SIGTERM ends `run` or `PipelineRuntime.run`",
        "the result that the call would have returned, as `.result`",
        "nothing: the process ends with exit code 143; catch it to use `.result` first",
    ),
    "RxDagError": (
        "at any time",
        "the base class of the others; raised itself if the books of a run do not balance",
        "catch it to catch all errors; if the books do not balance, check your own operators for a lost item, or report a bug",
    ),
}


def errors_page() -> str:
    """All errors with their fixes."""
    missing = set(errors.__all__) ^ set(_WHEN)
    if missing:
        raise AssertionError(f"errors without a line, or lines without an error: {missing}")
    rows = [
        f"| `{name}` | {(inspect.getdoc(getattr(errors, name)) or '').splitlines()[0]} | {when} | {what} | {fix} |"
        for name, (when, what, fix) in _WHEN.items()
    ]
    return (
        "\n\n".join(
            [
                "# Errors and their fixes",
                "Every message names the place, the rule, the value, and the fix if there is one. Import the errors from `rxdag` or `rxdag.errors`.",
                "| error | meaning | raised when | content | what to do |\n|---|---|---|---|---|\n" + "\n".join(rows),
                "A run that fails raises the first error; later failures are in its notes (`error.__notes__`). The traceback is that of your function. "
                "Problems of a graph are found before it runs: those of fields and types when it is defined, the others by `rxdag.compile(dag)`.",
                "`Terminated` is a `SystemExit`, so `except Exception` lets it through. Ctrl-C raises a plain `KeyboardInterrupt`, with the same attribute `result`. A plain "
                "function that raises `SystemExit` or `KeyboardInterrupt` itself ends the run with the same exception, which does not name the node.",
                "Every error survives pickle, with its node, item, causes and notes, so a worker of a process pool can return it. A part that cannot be "
                "pickled is replaced by its text. If the `str` of an error or the `repr` of an item raises, the message says so, and the failure is still reported.",
                "```python\n>>> import rxdag\n>>> from rxdag import operators as ops, sinks, sources\n"
                '>>> stream = rxdag.from_source(sources.iterable([1, 0])).pipe(ops.map(lambda x: 1 // x), name="inverse")\n'
                ">>> try:\n...     rxdag.run(stream.to(sinks.null()))\n... except rxdag.NodeError as error:\n...     print(error)\n"
                'node "inverse" failed on 0: ZeroDivisionError: integer division or modulo by zero\n\n```',
                "If you write nodes of your own, you may meet two of Python's own errors. `emit` raises `RuntimeError` when it is called after the kernel's method has "
                "returned. The [compiled form](../how-to/compile-it.md) raises `TypeError` for an argument of the wrong type.",
            ]
        )
        + "\n"
    )


_GRAPHS: Final = {
    "Streams and dags": (
        "from_source",
        "from_observable",
        "Stream",
        "KeyedStream",
        "WindowedStream",
        "Routes",
        "KeyedRoutes",
        "SinkNode",
        "Dag",
        "DagBuilder",
    ),
    "Runs": (
        "compile",
        "Plan",
        "PlanFacts",
        "run",
        "run_async",
        "start",
        "start_async",
        "Run",
        "AsyncRun",
        "RunResult",
        "RunStats",
        "Ledger",
        "EdgeBook",
        "GateStats",
        "SourceStats",
        "CheckpointStats",
        "to_observable",
    ),
    "What comes out": ("Pane", "DeadLetter", "Overflow", "Duration"),
    "The installation": ("build_info", "BuildInfo"),
}
_OWN: Final = {
    "Operators": ("Operator", "Unkeyed", "KeyBy", "WindowOp", "RouteOp", "Kernel", "Emit", "Shape", "Chunk"),
    "Columns": ("Columns", "ColumnsEmit", "RowFailed"),
    "Aggregates": ("Aggregate", "Accumulator", "ColumnsAggregate"),
    "Sources and sinks": (
        "Source",
        "SourceContext",
        "Reader",
        "JournalStats",
        "Sink",
        "SinkContext",
        "Writer",
        "WriteFailed",
        "Enough",
        "Clock",
    ),
    "What is wrong": ("BadItem", "BadProgram"),
}


def _entries(groups: Mapping[str, tuple[str, ...]]) -> list[str]:
    out: list[str] = []
    for title, names in groups.items():
        out.append(f"# {title}")
        for name in names:
            thing: Any = getattr(rxdag, name)
            if inspect.isclass(thing):
                out.append(class_entry("rxdag", name, thing))
            elif inspect.isfunction(thing):
                out.append(plain_entry("rxdag", name, thing))
            else:
                out.append(f"## rxdag.{name}\n\n`{thing}`".replace("datetime.timedelta", "timedelta"))
    return out


def graphs_page() -> str:
    """Streams, dags, plans and runs."""
    out = [
        "# Graphs and runs",
        "A stream is a handle on the output of a node. A dag is a frozen graph, a plan is a compiled dag, and a run executes a plan once. See [your first "
        "graph](../tutorials/first-graph.md), [one-way flow](../explanation/one-way-flow.md).",
        WORLD.rstrip().replace("import rxdag\n", "import asyncio\n\nimport rxdag\n", 1),
        *_entries(_GRAPHS),
    ]
    return "\n\n".join(out) + "\n"


def own_page() -> str:
    """What the author of a node implements."""
    out = [
        "# Nodes of your own",
        "The types that authors of nodes implement. See [own operator](../how-to/own-operator.md), [own source](../how-to/own-source.md), [own sink](../how-to/own-sink.md), [own aggregate](../how-to/own-aggregate.md).",
        WORLD.rstrip(),
        *_entries(_OWN),
    ]
    out += ["# State as bytes", "A codec converts the state of a kernel to bytes and back."]
    out += [
        class_entry("codec", "Codec", rxdag.codec.Codec),
        plain_entry("codec", "types_in", rxdag.codec.types_in),
    ]
    return "\n\n".join(out) + "\n"


_REFUSALS: Final = (
    (
        "must be used by one run at a time, got dag ... in process ... on host ... since ...",
        "stop that run, or choose another path",
    ),
    (
        "must be undamaged, got damage: ...; checkpoint 6 is whole",
        'pass `on_damage="previous"` to go on from that checkpoint',
    ),
    (
        "must be undamaged, got damage: ...; restore a backup",
        "no checkpoint is whole: restore a backup, or start over at another path",
    ),
    (
        "must be a store of checkpoints, got ...",
        "choose another path; the file belongs to something else, or its header is damaged",
    ),
    ("must have format 1, got format ...", "upgrade rxdag"),
    ("must have the tables of format 1, got others", "restore a backup, or choose another path"),
    ("must be a file, got a directory", "add a file name to the path"),
    ("must be a file that exists, got none", "correct the path; only `open` makes the file"),
    ("must be the file that was opened, got another one or none", "put the file back, or restart the run"),
    ("must be copied to a path where no file is, got ...", "choose another path for the copy"),
    ("must be on a disk that SQLite's log works on, got ...", "choose a local disk"),
    ("the disk is full", "free some space or choose another disk; the session goes on"),
    ("permission denied", "choose a file and a directory that you may write to"),
    ("the file, its directory or its disk is read-only", "choose a path that you may write to"),
    ("another process is using the file", "try again when it has finished"),
    ("id must be that of a checkpoint in it (...), got ...", "use one of the ids in the message"),
)


def checkpoints_page() -> str:
    """Stores of checkpoints, and what they refuse."""
    out = [
        "# Checkpoints",
        "A store keeps checkpoints: numbered sets of named parts, each a few bytes or many. A program opens a store, which locks it, "
        "and writes one checkpoint after the other. Each one is durable when `commit` returns, and a process that is killed at any "
        "moment leaves the last one whole. A run writes them by itself: see [continue after a restart](../how-to/continue-after-a-restart.md).",
        "```python\nimport rxdag\nfrom rxdag import checkpoints\n```",
        '```python\n>>> store = checkpoints.sqlite("state/bars.db", keep=2)\n'
        '>>> with store.open("bars") as session:\n...     number = session.begin()\n'
        '...     session.put("dedupe", b"state of the node")\n'
        '...     done = session.commit(graph="1f2e", at_ns=1_700_000_000_000_000_000)\n'
        ">>> store.latest() == done\nTrue\n>>> store.read(1)\n{'dedupe': b'state of the node'}\n\n```",
        plain_entry("checkpoints", "sqlite", checkpoints.sqlite),
        plain_entry("checkpoints", "memory", checkpoints.memory),
    ]
    for name in ("SqliteStore", "MemoryStore", "Checkpoint"):
        out.append(class_entry("checkpoints", name, getattr(checkpoints, name)))
    out += [
        "# Stores of your own",
        "A store is any object with these methods. The stores above are examples.",
        class_entry("checkpoints", "Store", checkpoints.Store),
        class_entry("checkpoints", "StoreSession", checkpoints.StoreSession),
        "# Messages",
        'All are `CheckpointError`s, and begin with the store: `checkpoints "state/bars.db": `.',
        "| message | what to do |\n|---|---|\n" + "\n".join(f"| `{said}` | {fix} |" for said, fix in _REFUSALS),
    ]
    return "\n\n".join(out) + "\n"


def public_page() -> str:
    """Which packages are public, and the rule."""
    packages = {name: importlib.import_module(name) for name in public_packages()}
    out = [
        "# What is public",
        f"The docstring of every package ends with one of two lines: `{PUBLIC}`, or `Internal: not part of the API; may change in any release.`",
        "A name is public if this reference describes it, under a public package. Import it from that package, never from a module with a leading underscore. "
        "The other names that packages export are for rxdag itself. [Support](../support.md) says how public names may change. You may read objects of "
        "other types that a public function returns, but do not construct them.",
        "`rxdag` itself has everything that graphs and nodes of your own need. Each of the other packages has one subject.",
        "| package | content |\n|---|---|\n"
        + "\n".join(f"| `{name}` | {about(package)} |" for name, package in packages.items()),
    ]
    return "\n\n".join(out) + "\n"


def expressions_page() -> str:
    """Expressions, their methods, and how they are read from text."""
    out = [
        "# Expressions",
        "`col.price * col.qty > 0`: a value computed from the fields of an item, in a form that rxdag can read. In rows it is called as one function of the item; over columns numpy evaluates it, "
        'with the same result. `col.name` is a field, `col["odd name"]` one with an odd name, `element` the item itself, `lit(1)` a value; `+ - * / // % **`, comparisons, `& | ~` make '
        "expressions of them.",
        WORLD.rstrip(),
        plain_entry("rxdag", "lit", rxdag.lit),
        class_entry("rxdag", "Expr", rxdag.Expr),
    ]
    out += [plain_entry("expressions", name, getattr(expressions, name)) for name in ("parse", "unparse")]
    return "\n\n".join(out) + "\n"


TYPES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "keyed": (("ops", "KeyedProcess"), ("ops", "ProcessContext")),
    "time": (("ops", "Timestamped"),),
    "fan-in": (("ops", "Gap"),),
    "aggregates": (("agg", "Ohlcv"), ("windows", "Assigner")),
    "market": (
        ("market", "Trade"),
        ("market", "Quote"),
        ("market", "Bar"),
        ("market", "Correction"),
        ("market", "RevisedBar"),
        ("market", "BookTop"),
        ("market", "Session"),
        ("market", "Silence"),
        ("market", "as_bar"),
        ("market", "by_venue"),
        ("market", "iso_utc"),
    ),
    "recovery": (("on_error", "OnError"),),
    "sources-and-sinks": (
        ("sources", "Ingress"),
        ("sources", "Push"),
        ("sinks", "BatchTarget"),
        ("sinks", "EpochTarget"),
        ("sinks", "BatchEpoch"),
    ),
    "command-line": (("cli", "main"), ("cli", "top")),
    "logs": (("logs", "Code"),),
    "runtime": (
        ("adapters", "LinearPipeline"),
        ("schedulers", "FlowScheduler"),
        ("spec", "json_schema"),
        ("spec", "Problem"),
        ("spec", "Mark"),
    ),
    "metrics": (
        ("metrics", "Metric"),
        ("metrics", "Server"),
        ("deploy", "Alert"),
        ("deploy", "Panel"),
        ("deploy", "panels"),
    ),
    "testing": (
        ("testing", "VirtualRun"),
        ("testing", "Input"),
        ("testing", "Manual"),
        ("testing", "Timeline"),
        ("testing", "Trace"),
        ("testing", "LawBroken"),
        ("testing", "MarbleError"),
        ("faults", "Fault"),
        ("faults", "InjectedFault"),
    ),
}
"""By page: types of arguments and results of the functions on the page, and functions for them."""
_DATA: Final = {
    "market": (
        (
            "market.BAR_COLUMNS",
            "Names of the fields of a `market.Bar`, in the order in which they are written to files.",
        ),
        (
            "market.is_valid",
            "The expression of a trade whose price and quantity are positive and finite: `ops.filter(market.is_valid)`.",
        ),
    ),
    "recovery": (("on_error.OnErrorName", 'Policies that are given as text: "raise", "skip" and "dead".'),),
    "sources-and-sinks": (
        ("sources.OverflowName", "Overflow policies as text, such as `drop_oldest`."),
        ("sources.END", "The result of `Reader.read` at the end of the source."),
        (
            "sinks.WriteBatch",
            "An async function of a batch: the type of the function that a context manager gives to `sinks.batched`.",
        ),
    ),
    "checkpoints": (
        (
            "checkpoints.OnDamage",
            'Policies for a damaged store: "raise" an error, or go on from the "previous" checkpoint that is whole.',
        ),
    ),
    "logs": (
        ("logs.CODES", "The codes of this page as `logs.Code`, by name."),
        ("logs.FIELDS", "The fields of this page and their meanings, by name."),
    ),
    "runtime": (
        ("orchestration.BreakerState", "State of a circuit breaker."),
        ("orchestration.PressureLevel", "Level of a `FeedbackDecision`."),
    ),
    "metrics": (
        ("metrics.METRICS", "The first table of this page as a tuple of `metrics.Metric`."),
        ("deploy.ALERTS", "The alerts of this page as a tuple of `deploy.Alert`."),
    ),
    "testing": (("testing.LAWS", "Names of the laws that `check_operator` checks, for its argument `laws`."),),
}
"""By page: values without a docstring."""


def types_of(page: str) -> str:
    """The types of a page, and values beside them; empty if it has none."""
    out: list[str] = []
    packages = {"ops": rxdag.operators, "agg": rxdag.aggregates, "faults": rxdag.testing.faults}
    for prefix, name in TYPES.get(page, ()):
        package = packages[prefix] if prefix in packages else importlib.import_module(f"rxdag.{prefix}")
        thing: Any = getattr(package, name)
        shown = "testing.faults" if prefix == "faults" else prefix
        out.append(class_entry(shown, name, thing) if inspect.isclass(thing) else plain_entry(shown, name, thing))
    for name, text in _DATA.get(page, ()):
        value = _value(name)
        out.append(f"## {name}\n\n{text}" + (f"\n\n`{value}`" if value else ""))
    return "\n\n".join(["# Types", *out]) if out else ""


def _value(name: str) -> str:
    """A value of texts as it is written; empty for another one."""
    package, _, last = name.partition(".")
    value: Any = getattr(getattr(rxdag, package), last)
    texts = get_args(value) or (value if isinstance(value, tuple) else ())
    return ", ".join(f'"{text}"' for text in texts) if all(isinstance(text, str) for text in texts) else ""
