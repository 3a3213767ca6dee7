"""The reference: a page for each family of operators, and one table of what they keep."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Collection
from enum import EnumMeta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import rxdag
from rxdag import aggregates as agg
from rxdag import col, market, sources, testing, windows
from rxdag import operators as ops
from rxdag.contract import LEFT_OUT, OnError, Overflow, Shape, optional_first
from rxdag.errors import GraphError
from rxdag.graph import Node, Routes, stream_of
from rxdag.operators import joining
from rxdag.testing import strategies
from tests.reference.marbles import draw
from tests.reference.specs import COLUMNS, DIAGRAMS, DIFFERS, FAMILIES, ORDER, STATE
from tests.unit.samples import SAMPLES

PICTURE: Final = Path(__file__).parent.parent.parent / "docs" / "bars.svg"
FOLDER: Final = Path(__file__).parent.parent.parent / "docs" / "reference"
_SECTION: Final = re.compile(r"^(Args|Attributes|Raises|Returns|Example):$", re.M)
_LINE: Final = re.compile(r"^(Emits|Drops|Holds|Ends|Clock): ", re.M)
_NAMES: Final = """```python
import rxdag
from rxdag import aggregates as agg, col, element, lit, market, on_error, operators as ops, sinks, sources, windows
from rxdag.testing import aggregate, feed, play
```
"""


def function_of(name: str) -> tuple[str, Any]:
    """How users call it, and the function."""
    homes = {"ops": ops, "rxdag": joining, "market": market}
    return next((prefix, getattr(home, name)) for prefix, home in homes.items() if name in home.__all__)


def sections(doc: str) -> dict[str, str]:
    """The parts of a docstring, by their heading; "" for what stands before."""
    parts = _SECTION.split(doc)
    return {
        "": parts[0].strip(),
        **{name: inspect.cleandoc(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)},
    }


def signature(prefix: str, name: str, function: Any) -> str:
    """A call as it is written, without types."""
    if isinstance(function, EnumMeta):  # each version of Python has its own
        return f"{prefix}.{name}(value)"
    if getattr(function, "_is_protocol", False) or typing.is_typeddict(function):  # nobody calls it
        return f"{prefix}.{name}"
    whole = inspect.signature(function)
    optional = optional_first(whole) or ()
    names = [[name for name in whole.parameters if name not in optional[:1]], list(whole.parameters)]
    forms = [_form(whole, each) for each in (names if optional else names[1:])]
    return "`, `".join(f"{prefix}.{name}{text}".replace("'", '"').replace('"""', "'\"'") for text in forms)


def _form(whole: inspect.Signature, names: list[str]) -> inspect.Signature:
    """A signature of some of the parameters, without types."""
    empty = inspect.Parameter.empty
    return inspect.Signature(
        [
            p.replace(annotation=empty, default=empty if p.default is LEFT_OUT else _shown(p.default))
            for p in map(whole.parameters.__getitem__, names)
        ]
    )


class _Named:
    """A default, by its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


def _shown(default: Any) -> Any:
    """A default as it is written: functions, classes and policies by their names."""
    if inspect.isfunction(default) or (inspect.isclass(default) and default is not inspect.Parameter.empty):
        return _Named(default.__name__.strip("_"))
    if isinstance(default, tuple):
        return tuple(map(_shown, default))
    if isinstance(default, Overflow):
        return default.value
    return (
        _Named(f"{default.kind}_" if default.kind == "raise" else default.kind)
        if isinstance(default, OnError)
        else default
    )


def contract_lines(text: str) -> list[str]:
    """The six lines as a list."""
    out: list[str] = []
    for heading, body in zip(*[iter(_LINE.split(text)[1:])] * 2, strict=True):
        flat = " ".join(body.split())
        if heading == "Ends" and " Fails: " in flat:
            ends, _, fails = flat.partition(" Fails: ")
            out += [f"* **Ends:** {ends}", f"* **Fails:** {fails}"]
        else:
            out.append(f"* **{heading}:** {flat}")
    return out


def arguments(text: str) -> list[str]:
    """The arguments as a list."""
    out: list[str] = []
    for line in text.splitlines():
        if re.match(r"\w+: ", line):
            name, _, rest = line.partition(": ")
            out.append(f"* `{name}`: {rest}")
        else:
            out[-1] += " " + line.strip()
    return out


def entry(name: str) -> str:
    """All about one operator."""
    prefix, function = function_of(name)
    parts = sections(inspect.getdoc(function) or "")
    about = _LINE.split(parts[""])[0].strip()
    out = [f"## {name}", f"`{signature(prefix, name, function)}`", about]
    for diagram in _diagrams(name):
        out.append(f"```text\n{draw(diagram)}\n```")
    out += ["\n".join(contract_lines(parts[""]))] if _LINE.search(parts[""]) else []
    if "Args" in parts:
        out.append("**Arguments**\n\n" + "\n".join(arguments(parts["Args"])))
    if "Returns" in parts:
        out.append("**Returns** " + " ".join(parts["Returns"].split()))
    if "Raises" in parts:
        out.append("**Raises** " + "; ".join(line.removeprefix("* ") for line in arguments(parts["Raises"])))
    if "Example" in parts:
        out.append(f"```python\n{parts['Example'].rstrip()}\n```")
    if name in DIFFERS:
        out.append(f"**Elsewhere:** {DIFFERS[name]}")
    return "\n\n".join(out)


def _diagrams(name: str) -> tuple[Any, ...]:
    found: Any = DIAGRAMS.get(name, ())
    return found if isinstance(found, tuple) else (found,)


def page(family: str) -> str:
    """A page of the reference."""
    title, about, names = FAMILIES[family]
    legend = (
        "In the diagrams, a column is a second and a letter is an item. `|` is the end, `#` a failure, `(ab)` several items in one\n"
        "second, and `[...]` an item longer than one letter. On streams with event time, each digit is an item whose event time is\n"
        "that number of seconds. A `'` marks each revision of a pane. All diagrams are drawn by running the operator."
    )
    return "\n\n".join([f"# {title}", about, legend, _NAMES.rstrip(), *map(entry, names)]) + "\n"


# ---- what an operator keeps


def _built(name: str) -> Any:
    """An operator behind a stream that has all there is, or as much as it takes."""
    for shape in (Shape(timed=True, keyed=True), Shape(timed=True), Shape(keyed=True), Shape()):
        for make, _, _, *_ in SAMPLES[name]:
            stream: Any = stream_of(Node(_Any(shape)))
            try:
                built = make(stream) if make.__code__.co_argcount else stream.pipe(make())
            except GraphError:
                continue
            return shape, built
    raise AssertionError(f"{name}: no sample can be built")


class _Any(sources.Source):  # type: ignore[misc]
    """A source of some shape, that is never opened."""

    label = "any"

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    @property
    def shape(self) -> Shape:
        return self._shape

    def open(self, context: Any) -> Any:
        raise TypeError("it is only looked at")


def _keeps(name: str) -> tuple[str, str]:
    """Whether an operator keeps the key and event time; "-" if it takes no such stream."""
    given, built = _built(name)
    port = next(iter(built)) if isinstance(built, Routes) else built.port
    shape = built.node.port_shape(port)
    key = "makes it" if name == "key_by" else ("yes" if shape.keyed else "no") if given.keyed else "-"
    time = "makes it" if name == "event_time" else ("yes" if shape.timed else "no") if given.timed else "-"
    return key, time


def works_on_columns(name: str) -> bool:
    """True if an operator does, where it is given expressions, on a stream with keys or without."""
    if name not in COLUMNS:
        return False
    return any(_is_on_columns(name, s(), s()) for s in (_plain, _timed, _keyed))


def _plain() -> Any:
    return rxdag.from_source(sources.arrays({"n": [1, 2], "s": ["a", "b"], "t": [1, 2]}))


def _timed() -> Any:
    return _plain().pipe(ops.event_time("t"))


def _keyed() -> Any:
    return _timed().pipe(ops.key_by("s"))


def _is_on_columns(name: str, stream: Any, other: Any) -> bool:
    scope = {"s": stream, "other": other, "ops": ops, "rxdag": rxdag, "agg": agg, "windows": windows, "col": col}
    try:
        made = eval(COLUMNS[name], scope)  # the calls are those of this package
        built = made if isinstance(made, rxdag.Stream) else stream.pipe(made)
        ports = list(built) if isinstance(built, Routes) else [built.port]
        kept = [stream_of(built.node, port).to(rxdag.sinks.collect(), name=f"out{i}") for i, port in enumerate(ports)]
        plan = rxdag.compile(rxdag.Dag(*kept))
    except rxdag.GraphError:  # it needs a key, or event time
        return False
    return any(type(plan.dag.nodes[node].thing) is type(built.node.thing) for node in plan.lanes.columns)


def state_of(name: str) -> str:
    """What an operator keeps its state of."""
    if name in STATE:
        return STATE[name]
    return "by key, `ttl`" if "ttl" in inspect.signature(function_of(name)[1]).parameters else "-"


def table() -> str:
    """What all operators keep, in one table."""
    rows = [
        "# Operators",
        "The table shows what each operator keeps of its input stream. **Key** and **event time**: whether the output items have them. **State**: "
        "whether the state is kept per [key](../explanation/keys.md) or for the whole stream, and whether `ttl=` limits its lifetime. **Order**: "
        'the order in which items leave; "yes" means the order of arrival. **Lanes**: whether the operator also works on columns, if it is given '
        "expressions and its input is columns. The result is the same on both lanes.",
        "Items that an operator does not pass on are available as streams, and cost nothing if nobody reads them. Every operator has "
        "`stream.dead` (items that failed, with the error) and `stream.dropped` (duplicates, throttled items, items skipped by "
        "`on_error.skip`). Operators with lateness have `stream.late`, windows have `stream.unassigned`, and routes have `routes.unrouted`. "
        'Some operators have more ports, such as `stream.side("gaps")`.',
        "| operator | key | event time | state | order | lanes |\n|---|---|---|---|---|---|",
    ]
    lines: list[str] = []
    for family, (_, _, names) in FAMILIES.items():
        for name in names:
            if function_of(name)[0] == "market":
                continue
            key, time = _keeps(name)
            lanes = "rows, columns" if works_on_columns(name) else "rows"
            order, state = ORDER.get(name, "yes"), state_of(name)
            lines.append(f"| [{name}]({family}.md#{name}) | {key} | {time} | {state} | {order} | {lanes} |")
    rows[-1] += "\n" + "\n".join(lines)
    return "\n\n".join(rows) + "\n"


# ---- aggregates


def aggregates_page() -> str:
    """The page of aggregates, and of windows that they are computed over."""
    out = [
        "# Aggregates",
        "Aggregates are computed by windows and `ops.rolling`. A field is a name, `col.<name>` or a function. Aggregates that are described as "
        "exact in event time do not depend on the order of arrival. Sums of floats are added in order of arrival.",
        _NAMES.rstrip(),
    ]
    for module, names in ((agg, agg.__all__), (windows, windows.__all__)):
        prefix = "agg" if module is agg else "windows"
        if module is windows:
            out += ["# Assigners", "An assigner maps an event time to windows."]
        for name in names:
            function = getattr(module, name)
            if not inspect.isfunction(function):
                continue
            parts = sections(inspect.getdoc(function) or "")
            out += [f"## {prefix}.{name}", f"`{signature(prefix, name, function)}`", parts[""]]
            if "Args" in parts:
                out.append("\n".join(arguments(parts["Args"])))
            out.append(f"```python\n{parts['Example'].rstrip()}\n```")
    return "\n\n".join(out) + "\n"


# ---- what meets the world, and the test kit

WORLD: Final = """```python
import rxdag
from rxdag import aggregates as agg, col, on_error, operators as ops, render, sinks, sources, testing, windows
from rxdag.market import Trade
from rxdag.testing import aggregate, feed, play
```
"""


def plain_entry(prefix: str, name: str, thing: Any) -> str:
    """All that a docstring says of a function, or of a class by its attributes."""
    parts = sections(inspect.getdoc(thing) or "")
    out = [f"## {prefix}.{name}", f"`{signature(prefix, name, thing)}`", parts[""]]
    if "Args" in parts:
        out.append("**Arguments**\n\n" + "\n".join(arguments(parts["Args"])))
    if "Attributes" in parts:
        out.append("**Attributes**\n\n" + "\n".join(arguments(parts["Attributes"])))
    if "Raises" in parts:
        out.append("**Raises** " + "; ".join(line.removeprefix("* ") for line in arguments(parts["Raises"])))
    if "Example" in parts:
        out.append(f"```python\n{parts['Example'].rstrip()}\n```")
    return "\n\n".join(out)


def ends_page() -> str:
    """Sources and sinks."""
    out = [
        "# Sources and sinks",
        "Sources bring items into a graph, and sinks take them out. A source is read only while its gates have space. A source that cannot "
        "be paused needs an overflow policy.",
        WORLD.rstrip(),
    ]
    for module, prefix in ((sources, "sources"), (rxdag.sinks, "sinks")):
        for name in module.__all__:
            thing = getattr(module, name)
            if (inspect.isfunction(thing) and name not in ("live", "fields_of")) or name in (
                "Backoff",
                "ConnectionEvent",
                "Dialect",
                "JournalGap",
                "Retention",
                "SeamGap",
            ):
                out.append(plain_entry(prefix, name, thing))
    return "\n\n".join(out) + "\n"


def testing_page() -> str:
    """The test kit."""
    out = [
        "# The test kit",
        "The test kit runs graphs and nodes in virtual time. See [test a graph in virtual time](../how-to/test-in-virtual-time.md) and "
        "[reproduce a failing seed](../how-to/failing-seed.md).",
        WORLD.rstrip(),
    ]
    for name in sorted(testing.__all__):
        thing = getattr(testing, name)
        if inspect.isfunction(thing) or name in ("Simulation", "Exploration"):
            out.append(plain_entry("testing", name, thing))
    for module in (testing.faults, strategies):
        prefix = module.__name__.removeprefix("rxdag.")
        out += [f"# {prefix}", about(module)]
        out += [
            plain_entry(prefix, n, getattr(module, n)) for n in module.__all__ if inspect.isfunction(getattr(module, n))
        ]
    return "\n\n".join(out) + "\n"


def class_entry(prefix: str, name: str, thing: Any, *, without: Collection[str] = ()) -> str:
    """A class, and each of its public methods, some of which may be left out."""
    if issubclass(thing, BaseException):
        return f"## {prefix}.{name}\n\n{inspect.getdoc(thing)}"
    out = [plain_entry(prefix, name, thing)]
    values = [line for own, member in inspect.getmembers(thing, _is_property) if (line := _property_line(own, member))]
    if values:
        out.append("**Properties**\n\n" + "\n".join(values))
    for own, member in inspect.getmembers(thing):
        if own.startswith("_") or own in without or not (inspect.isfunction(member) or inspect.ismethod(member)):
            continue
        out.append(plain_entry(name, own, member).replace("## ", "### ", 1))
    return "\n\n".join(out)


def _is_property(member: Any) -> bool:
    return isinstance(member, property | cached_property)


def _property_line(name: str, member: Any) -> str:
    """A property as an item of a list; empty for one that is not public."""
    said = " ".join((inspect.getdoc(member) or "").split("\n\n")[0].split()).removeprefix("Return ")
    return "" if name.startswith("_") or not said else f"* `{name}`: {said[0].upper()}{said[1:]}"


def about(module: Any) -> str:
    """What a module's docstring says first."""
    return (module.__doc__ or "").partition("\n\n")[0].strip()


def runtime_page() -> str:
    """Many graphs in one process, wraps, specs, and what feeds need around them."""
    from rxdag import adapters, orchestration, render, spec
    from rxdag.adapters import market_data

    compat = rxdag.PipelineRuntime.__base__
    verbs = sorted(name for name in vars(compat) if name[0] != "_" and not hasattr(compat.__base__, name))
    out = [
        "# Runtime, wraps, specs",
        "See [run many graphs in one process](../how-to/many-graphs.md), [from a linear pipeline](../tutorials/from-linear-pipelines.md), "
        "[write a graph as YAML](../how-to/yaml-specs.md) and [use the market-data packages](../how-to/market-data-packages.md).",
        WORLD.rstrip().replace("import rxdag\n", "import asyncio\n\nimport rxdag\n", 1),
        class_entry("rxdag", "PipelineRuntime", rxdag.PipelineRuntime, without=verbs),
        f"### The methods of market-data-pipeline\n\n{inspect.getdoc(compat)}",
        *(plain_entry("PipelineRuntime", each, getattr(compat, each)).replace("## ", "### ", 1) for each in verbs),
        class_entry("rxdag", "RuntimeSettings", rxdag.RuntimeSettings),
    ]
    for name in (
        "RestartSettings",
        "ProviderSettings",
        "QuotesSettings",
        "RuntimeEvent",
        "RuntimeStatus",
        "JobStatus",
        "Health",
    ):
        out.append(plain_entry("rxdag", name, getattr(rxdag, name)))
    out.append(plain_entry("rxdag", "wrap", rxdag.wrap))
    for module in (adapters, market_data, orchestration):
        prefix = (
            module.__name__.removeprefix("rxdag.").removeprefix("adapters.")
            if module is market_data
            else module.__name__
        )
        prefix = prefix.removeprefix("rxdag.")
        out += [f"# {prefix}", about(module)]
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isfunction(thing) and name not in ("wrap", "is_linear", "build_pipeline"):
                out.append(plain_entry(prefix, name, thing))
            elif inspect.isclass(thing) and thing.__doc__ and name not in ("LinearPipeline",):
                out.append(class_entry(prefix, name, thing))
    out += [
        "# Specs and pictures",
        plain_entry("rxdag", "load_spec", spec.load_spec),
        plain_entry("rxdag", "dump_spec", spec.dump_spec),
    ]
    out += [plain_entry("render", name, getattr(render, name)) for name in render.__all__]
    return "\n\n".join(out) + "\n"


def recovery_page() -> str:
    """What becomes of errors: policies, `catch`, and sources that connect again."""
    out = ["# Recovery", about(rxdag.on_error), _NAMES.rstrip()]
    for name in rxdag.on_error.__all__:
        thing = getattr(rxdag.on_error, name)
        if inspect.isfunction(thing):
            parts = sections(inspect.getdoc(thing) or "")
            out += [f"## on_error.{name}", f"`{signature('on_error', name, thing)}`", parts[""]]
            if "Args" in parts:
                out.append("\n".join(arguments(parts["Args"])))
            if "Example" in parts:
                out.append(f"```python\n{parts['Example'].rstrip()}\n```")
        elif name in _POLICIES:
            out += [f"## on_error.{name}", _POLICIES[name]]
    parts = sections(inspect.getdoc(sources.reconnecting) or "")
    out += ["## sources.reconnecting", f"`{signature('sources', 'reconnecting', sources.reconnecting)}`", parts[""]]
    out += ["\n".join(arguments(parts["Args"])), f"```python\n{parts['Example'].rstrip()}\n```"]
    return (
        "\n\n".join(out)
        + "\n\nTo continue with another stream after a failure, use [`rxdag.catch`](fan-in.md#catch).\n"
    )


_POLICIES: Final = {
    "raise_": "The default: the run fails with a `NodeError` that names the node and shows the item.",
    "skip": 'The item is skipped and counted as dropped, with reason "skipped".',
    "dead": 'The item goes to port "dead" as a `DeadLetter`: node, item, error, attempts, traceback.',
}


def pages() -> dict[Path, str]:
    """All pages, by where they stand."""
    out = {FOLDER / f"{family}.md": page(family) for family in FAMILIES}
    out[FOLDER / "operators.md"] = table()
    out[FOLDER / "aggregates.md"] = aggregates_page()
    out[FOLDER / "sources-and-sinks.md"] = ends_page()
    out[FOLDER / "testing.md"] = testing_page()
    out[FOLDER / "runtime.md"] = runtime_page()
    out[FOLDER / "recovery.md"] = recovery_page()
    from tests.reference import more  # which is made of what stands here

    out[FOLDER / "metrics.md"] = more.metrics_page()
    out[FOLDER / "logs.md"] = more.logs_page()
    out[FOLDER / "command-line.md"] = more.command_page()
    out[FOLDER / "specs.md"] = more.specs_page()
    out[FOLDER / "checkpoints.md"] = more.checkpoints_page()
    out[FOLDER / "errors.md"] = more.errors_page()
    out[FOLDER / "graphs-and-runs.md"] = more.graphs_page()
    out[FOLDER / "public.md"] = more.public_page()
    out[FOLDER / "own-nodes.md"] = more.own_page()
    out[FOLDER / "expressions.md"] = more.expressions_page()
    for path in out:
        types = more.types_of(path.stem)
        out[path] += f"\n{types}\n" if types else ""
    return out
