"""Weave: a region of nodes becomes generated loops, one for each place where items start to travel."""

from __future__ import annotations

import ast
import copy
import itertools
import linecache
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rxdag.compiler._fold import Folder, decided
from rxdag.compiler._splice import (
    Method,
    Renamer,
    assigned,
    attribute_of,
    emit_call,
    exit_of,
    gives_out,
    inlinable,
    is_emit,
    read,
    stored_names,
)
from rxdag.contract import Kernel, Splitter
from rxdag.expressions import Reader

_numbers = itertools.count(1)


@dataclass(frozen=True)
class RegionPlan:
    """A part of a segment that becomes generated loops: a tree of nodes without a fork, but for routes.

    Attributes:
        nodes: Names, each before those behind it; the first is where items come in.
        after: For each node and port, the node of the region that reads it; "" behind the branches of a route that
            meet: the node where they do.
        exits: Ports that somebody outside reads.
        joins: For each route whose branches meet in the region, the node where they do.
    """

    nodes: tuple[str, ...]
    after: dict[tuple[str, str], str]
    exits: frozenset[tuple[str, str]]
    joins: dict[str, str]


@dataclass(frozen=True)
class Woven:
    """The generated loops of a region.

    Attributes:
        source: Their text, as tracebacks and debuggers show it.
        loops: By the node whose input (the first one) or whose output (the others) the items are.
        nodes: For each line of the text, from 1, the node it belongs to.
        inputs: For each line, the local that holds the item.
        binds: Makes what a loop needs of a run: (host) -> tuple.
    """

    plan: RegionPlan
    source: str
    loops: dict[str, Callable[..., None]]
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    constants: tuple[Any, ...] = field(repr=False)


def weave(
    dag: str, plan: RegionPlan, kernels: dict[str, Kernel], shapes: dict[str, tuple[bool, bool]], *, itemwise: bool
) -> Woven:
    """Generate the loops of a region.

    Args:
        dag: Name of the dag, for the file name that tracebacks show.
        plan: The region.
        kernels: A kernel of each node, to read.
        shapes: Whether items have (times, keys) at the input of each node; at its main output under "<node>.out".
        itemwise: True to hand outputs over one by one.
    """
    writer = _Writer(plan, kernels, shapes, itemwise=itemwise)
    names = {plan.nodes[0]: "loop"}
    writer.function("loop", plan.nodes[0], plan.nodes[0])
    for name in plan.nodes:
        behind = plan.after.get((name, "out"))
        if behind is not None and gives_out(type(kernels[name])):
            names[f"{name}.out"] = f"from_{len(names)}"
            writer.function(names[f"{name}.out"], behind, f"{name}.out")
    source = "\n".join(text for text, _, _ in writer.lines) + "\n"
    file = f"<rxdag {dag}: {plan.nodes[0]} #{next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {}
    exec(compile(source, file, "exec"), namespace)
    woven = Woven(
        plan,
        source,
        {where: namespace[fn] for where, fn in names.items()},
        tuple(node for _, node, _ in writer.lines),
        tuple(item for _, _, item in writer.lines),
        tuple(writer.constants.values()),
    )
    weakref.finalize(woven, linecache.cache.pop, file, None)
    return woven


class _NoMethods:
    """Stands for the owner of a spliced method: what that calls of its own is called, since nothing of it is spilled."""


@dataclass
class _Env:
    """Locals that hold the item at hand, its time, its sequence and its key."""

    item: str
    ts: str
    sequence: str
    key: str


class _Writer:
    """Writes the functions of a region."""

    def __init__(
        self, plan: RegionPlan, kernels: dict[str, Kernel], shapes: dict[str, tuple[bool, bool]], *, itemwise: bool
    ) -> None:
        self.plan = plan
        self.kernels = kernels
        self.shapes = shapes
        self.itemwise = itemwise
        self.lines: list[tuple[str, str, str]] = []
        self.constants: dict[str, Any] = {}
        self._index = {name: i for i, name in enumerate(plan.nodes)}
        self._node, self._item = plan.nodes[0], "x"
        self._env: _Env = _Env("x", "0", "0", "None")
        self._body: list[tuple[str, str, str]] = []
        self._loads: dict[str, tuple[int, str]] = {}
        self._dirty: dict[str, tuple[int, str]] = {}
        self._counts: dict[str, tuple[str, str]] = {}
        self._outlets: dict[str, tuple[str, str]] = {}
        self._slow: set[int] = set()
        self._conditions: dict[str, tuple[int, str]] = {}
        self._stop: str | None = None
        self._join_env: _Env = _Env("j", "0", "0", "None")
        self._fresh = itertools.count()

    # ---- a function

    def function(self, name: str, start: str, where: str) -> None:
        """Write the loop whose items enter at `start`; `where` says whose shape they have."""
        self._body, self._loads, self._dirty, self._counts, self._outlets = [], {}, {}, {}, {}
        self._slow, self._stop, self._fresh = set(), None, itertools.count()
        self._conditions = {}
        timed, keyed = self.shapes[where]
        env = _Env("x", "t" if timed else "0", "s" if timed else "0", "k" if keyed else "None")
        self.visit(start, env, 3)
        target = ", ".join(["x", *(["t", "s"] if timed else []), *(["k"] if keyed else [])])
        self._assemble(name, target)

    def _assemble(self, name: str, target: str) -> None:
        spill = "; ".join(f"k{i}.{attr} = {local}" for local, (i, attr) in self._dirty.items())
        load = "; ".join(f"{local} = k{i}.{attr}" for local, (i, attr) in self._loads.items())
        changing = "; ".join(
            f"{local} = k{i}.{attr}" for local, (i, attr) in self._loads.items() if self._changes(i, attr)
        )
        entry = self.plan.nodes[0]
        out: list[tuple[str, str, str]] = []

        def put(text: str, node: str = entry, item: str = "x") -> None:
            out.append((text, node, item))

        put(f"def {name}(rows, kernels, emits, outlets, constants, counts):")
        used = sorted({i for i, _ in (*self._loads.values(), *self._conditions.values())} | self._slow)
        for i in used:
            put(f"    k{i} = kernels[{i}]  # {self.plan.nodes[i]}")
        for i in sorted(self._slow):
            put(f"    e{i} = emits[{i}]")
        for i, constant in enumerate(self.constants):
            if any(constant in text for text, _, _ in self._body):
                put(f"    {constant} = constants[{i}]")
        if load:
            put(f"    {load}")
        for local, (_, test) in self._conditions.items():
            put(f"    {local} = {test}")
        for local, (node, port) in self._outlets.items():
            put(f"    {local} = outlets[{node!r}, {port!r}]")
            if not self.itemwise:
                timed, keyed = self._exit_shape(node, port)
                put(f"    {local}_items = {local}.items.append")
                if timed:
                    put(f"    {local}_ts = {local}.ts.append; {local}_sequence = {local}.sequence.append")
                if keyed:
                    put(f"    {local}_key = {local}.key.append")
        for local in self._counts:
            put(f"    {local} = 0")
        put("    spilled = False")
        put("    try:")
        put(f"        for {target} in rows:")
        for text, node, item in self._body:
            stripped = text.strip()
            pad = text[: len(text) - len(text.lstrip())]
            if stripped == "#SPILL":
                put(f"{pad}spilled = True{'; ' + spill if spill else ''}", node, item)
            elif stripped == "#RELOAD":
                put(f"{pad}spilled = False{'; ' + changing if changing else ''}", node, item)
            else:
                put(text, node, item)
        put("    finally:")
        put("        if not spilled:")
        put(f"            {spill or 'pass'}")
        for local, (node, exit_) in self._counts.items():
            put(f"        counts[{node!r}, {exit_!r}] += {local}")
        self.lines += out

    def _changes(self, index: int, attr: str) -> bool:
        return attr in assigned(type(self.kernels[self.plan.nodes[index]])) or attr == "watermark"

    def put(self, indent: int, text: str) -> None:
        """Add lines that belong to the node at hand."""
        for line in text.split("\n"):
            self._body.append(("    " * indent + line, self._node, self._item))

    # ---- the walk

    def visit(self, name: str, env: _Env, indent: int) -> None:
        """Write a node, and what is behind it."""
        outer = self._node, self._item, self._env
        self._node, self._item, self._env = name, env.item, env
        kernel = self.kernels[name]
        if isinstance(kernel, Splitter):
            self._route(name, kernel, env, indent)
        else:
            index = self._index[name]
            method = read(type(kernel).on_item)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]  # spliced kernels have it
            given = {"item": env.item, "ts": env.ts, "sequence": env.sequence, "key": env.key}
            names = {name: text for name, text in given.items() if name in method.parameters}
            self._block(list(method.body), method, names, index, env, indent, 0)
        self._node, self._item, self._env = outer

    def _behind(self, name: str, port: str, env: _Env, indent: int) -> None:
        """Write what reads a port."""
        if (name, port) in self.plan.exits:
            self._exit(name, port, env, indent)
        following = self.plan.after.get((name, port))
        if following is not None and following == self._stop:
            if env.item != self._join_env.item:
                self.put(indent, f"{self._join_env.item} = {env.item}")
        elif following is not None:
            self.visit(following, env, indent)

    def _exit_shape(self, name: str, port: str) -> tuple[bool, bool]:
        return self.shapes[f"{name}.{port}"]

    def _exit(self, name: str, port: str, env: _Env, indent: int) -> None:
        local = f"o{self._index[name]}_{port}" if port.isidentifier() else f"o{self._index[name]}_p{len(self._outlets)}"
        for known, where in self._outlets.items():
            if where == (name, port):
                local = known
        self._outlets[local] = (name, port)
        if self.itemwise:
            self.put(indent, f"{local}.put({env.item}, {env.ts}, {env.sequence}, {env.key})")
            return
        timed, keyed = self._exit_shape(name, port)
        self.put(indent, f"{local}_items({env.item})")
        if timed:
            self.put(indent, f"{local}_ts({env.ts}); {local}_sequence({env.sequence})")
        if keyed:
            self.put(indent, f"{local}_key({env.key})")

    def _route(self, name: str, kernel: Splitter, env: _Env, indent: int) -> None:
        """A node that sends each item one way: its conditions, in order."""
        join = self.plan.joins.get(name)
        outer, outer_env = self._stop, self._join_env
        joined = _Env(f"j{next(self._fresh)}", env.ts, env.sequence, env.key)
        if join is not None:
            self._stop, self._join_env = join, joined
        index = self._index[name]
        local = ""
        for i, (port, condition) in enumerate(kernel.conditions):
            tree = self._tree(condition, env.item)
            if tree is None:
                local = f"n{index}_condition_{i}"
                self._conditions[local] = (index, f"k{index}.conditions[{i}][1]")
            test = f"{local}({env.item})" if tree is None else ast.unparse(tree)
            self.put(indent, f"{'elif' if i else 'if'} {test}:  # {name}: {port}")
            self._branch(name, port, env, indent)
        self.put(indent, "else:")
        if kernel.default is not None:
            self._branch(name, kernel.default, env, indent)
        else:
            self.put(indent + 1, f"{self._count(name, 'unrouted')} += 1\ncontinue")
        self._stop, self._join_env = outer, outer_env
        if join is not None:
            self.visit(join, joined, indent)

    def _branch(self, name: str, port: str, env: _Env, indent: int) -> None:
        self.put(indent + 1, f"{self._count(name, 'to ' + port)} += 1")
        self._behind(name, port, env, indent + 1)
        if self._stop is not None and not self._reaches_stop(name, port):
            self.put(indent + 1, "continue")

    def _reaches_stop(self, name: str, port: str) -> bool:
        at: str | None = self.plan.after.get((name, port))
        while at is not None and at != self._stop:
            at = self.plan.after.get((at, "out"))
        return at is not None

    # ---- pieces of source

    def _known(self, index: int) -> Callable[[str], Any]:
        """Parameters of a node's kernel that never change, by name."""
        kernel = self.kernels[self.plan.nodes[index]]
        changing = assigned(type(kernel))

        def known(attr: str) -> Any:
            if attr in changing or attr in ("watermark", "timer"):
                raise KeyError(attr)
            value = vars(kernel)[attr]
            if value is not None and type(value) not in (bool, int):
                raise KeyError(attr)
            return value

        return known

    def _inline(self, index: int, attr: str, item: str) -> ast.expr | None:
        """The tree of `self.<attr>(item)` where the attribute is an expression; None where it must be called."""
        return self._tree(vars(self.kernels[self.plan.nodes[index]]).get(attr), item)

    def _tree(self, reader: object, item: str) -> ast.expr | None:
        return reader.tree(item, self._constant) if isinstance(reader, Reader) else None

    def _own(self, index: int, attr: str) -> str:
        local = f"n{index}_{attr}"
        self._loads[local] = (index, attr)
        return local

    def _count(self, name: str, exit_: str) -> str:
        for local, where in self._counts.items():
            if where == (name, exit_):
                return local
        local = f"c{self._index[name]}_{len(self._counts)}"
        self._counts[local] = (name, exit_)
        return local

    def _constant(self, name: str, value: Any) -> str:
        for known, other in self.constants.items():
            if other is value:
                return known
        local = f"g{len(self.constants)}_{name}"
        self.constants[local] = value
        return local

    def _renamer(self, method: Method, names: dict[str, str], index: int, depth: int) -> Renamer:
        prefix = f"n{index}_{'' if depth == 0 else f'{depth}_'}"

        def own(attr: str) -> str:
            return self._own(index, attr)

        return Renamer(
            own,
            partial(self._inline, index),
            names,
            lambda n: f"{prefix}v_{n}",
            self._constant,
            method.scope,
            stored_names(method),
        )

    def _block(
        self,
        body: list[ast.stmt],
        method: Method,
        names: dict[str, str],
        index: int,
        env: _Env,
        indent: int,
        depth: int,
    ) -> None:
        """Write statements of a method."""
        name = self.plan.nodes[index]
        renamer = self._renamer(method, names, index, depth)
        fold = Folder(self._known(index))
        wrote = len(self._body)
        for given in body:
            statement: ast.stmt = fold.visit(copy.deepcopy(given))
            if is_emit(statement):
                self._emit(statement, renamer, name, env, indent)
                return
            leaving = exit_of(statement)
            if leaving is not None:
                self._leave(leaving, renamer, name, env, indent)
            elif emit_call(statement) is not None:
                self._slow.add(index)
                self._tell(index, indent)
                self.put(indent, "#SPILL")
                self.put(indent, ast.unparse(renamer.visit(statement)).replace("emit.", f"e{index}.", 1))
                self.put(indent, "#RELOAD")
            elif isinstance(statement, ast.Return):
                self.put(indent, "continue")
            elif isinstance(statement, ast.If) and decided(statement.test) is not None:
                taken = statement.body if decided(statement.test) else statement.orelse
                if taken:
                    self._block(taken, method, names, index, env, indent, depth)
                if taken and isinstance(taken[-1], ast.Return):
                    return
            elif isinstance(statement, ast.If):
                self.put(indent, f"if {ast.unparse(renamer.visit(statement.test))}:")
                self._block(statement.body, method, names, index, env, indent + 1, depth)
                if statement.orelse:
                    self.put(indent, "else:")
                    self._block(statement.orelse, method, names, index, env, indent + 1, depth)
            else:
                self._plain(statement, renamer, index, indent, depth)
        if len(self._body) == wrote:
            self.put(indent, "pass")

    def _plain(self, statement: ast.stmt, renamer: Renamer, index: int, indent: int, depth: int) -> None:
        """A statement without control flow of its own; a call of a helper is spliced or made slowly."""
        call = _own_call(statement)
        if call is not None:
            kernel = self.kernels[self.plan.nodes[index]]
            attr = attribute_of(call)
            if hasattr(type(kernel), attr):
                self._helper(statement, call, getattr(type(kernel), attr), renamer, index, indent, depth)
                return
            if attr in kernel.splices and isinstance(statement, ast.Expr):
                self._spliced_call(call, getattr(kernel, attr), renamer, index, indent, depth)
                return
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del) and _is_self(node.value):
                self._dirty[self._own(index, node.attr)] = (index, node.attr)
        self.put(indent, ast.unparse(ast.fix_missing_locations(renamer.visit(statement))))

    def _helper(
        self, statement: ast.stmt, call: ast.Call, function: Any, renamer: Renamer, index: int, indent: int, depth: int
    ) -> None:
        """A method of the kernel: its statements if it is plain, else a call with the state spilled around it."""
        method = (
            inlinable(function, type(self.kernels[self.plan.nodes[index]]), depth)
            if isinstance(statement, ast.Expr)
            else None
        )
        arguments = [ast.unparse(renamer.visit(a)) for a in call.args]
        if method is not None and not call.keywords and all(a.isidentifier() or _is_literal(a) for a in arguments):
            names = dict(zip(method.parameters[1:], arguments, strict=True))
            self._block(list(method.body), method, names, index, _Env("x", "0", "0", "None"), indent, depth + 1)
            return
        self._slow.add(index)
        if "emit" in arguments:
            self._tell(index, indent)
        self.put(indent, "#SPILL")
        text = ", ".join(f"e{index}" if a == "emit" else a for a in arguments)
        made = f"k{index}.{function.__name__}({text})"
        if isinstance(statement, ast.Assign):
            target = ast.unparse(renamer.visit(statement.targets[0]))
            self.put(indent, f"{target} = {made}")
        else:
            self.put(indent, made)
        self.put(indent, "#RELOAD")

    def _tell(self, index: int, indent: int) -> None:
        """Tell the slow exits which item is at hand."""
        env = self._env
        self.put(indent, f"e{index}.ts = {env.ts}; e{index}.sequence = {env.sequence}; e{index}.key = {env.key}")

    def _spliced_call(
        self, call: ast.Call, function: Any, renamer: Renamer, index: int, indent: int, depth: int
    ) -> None:
        """`self.<attr>(owner, ...)` where the attribute is a method of the owner's class: its statements."""
        method = inlinable(function, _NoMethods, depth)
        arguments = [ast.unparse(renamer.visit(a)) for a in call.args]
        if method is None or len(method.parameters) != len(arguments) or call.keywords:
            made = f"{self._own(index, attribute_of(call))}({', '.join(arguments)})"
            self.put(indent, made)
            return
        owner = f"n{index}_owner"
        self.put(indent, f"{owner} = {arguments[0]}")
        names = dict(zip(method.parameters[1:], arguments[1:], strict=True))
        shared = self.kernels[self.plan.nodes[index]].shared
        inner = _OwnerRenamer(
            owner,
            {a: self._own_shared(index, a) for a in shared},
            lambda a, item: self._inline(index, f"shared_{a}", item),
            names,
            f"n{index}_a_",
            self._constant,
            method,
        )
        for given in method.body:
            self.put(indent, ast.unparse(ast.fix_missing_locations(inner.visit(copy.deepcopy(given)))))

    def _own_shared(self, index: int, attr: str) -> str:
        return self._own(index, f"shared_{attr}")

    def _emit(self, statement: Any, renamer: Renamer, name: str, env: _Env, indent: int) -> None:
        call: ast.Call = statement.value
        new = _Env(ast.unparse(renamer.visit(call.args[0])), env.ts, env.sequence, env.key)
        for keyword in call.keywords:
            text = ast.unparse(renamer.visit(keyword.value))
            if keyword.arg is not None:
                setattr(new, keyword.arg, self._named(text, f"n{self._index[name]}_{keyword.arg}", indent))
        if not self.kernels[name].passes:
            self.put(indent, f"{self._count(name, 'made')} += 1")
        used = (name, "out") in self.plan.exits or (name, "out") in self.plan.after
        if used and not new.item.isidentifier():
            new.item = self._named(new.item, f"x{self._index[name]}", indent)
        elif not used:
            self.put(indent, new.item)
        self._behind(name, "out", new, indent)

    def _named(self, text: str, local: str, indent: int) -> str:
        if text.isidentifier() or _is_literal(text):
            return text
        self.put(indent, f"{local} = {text}")
        return local

    def _leave(self, call: ast.Call, renamer: Renamer, name: str, env: _Env, indent: int) -> None:
        exit_ = attribute_of(call)
        reason = call.args[1] if exit_ == "dropped" and len(call.args) > 1 else None
        if reason is not None and not isinstance(reason, ast.Constant):
            raise TypeError(f"{name}: emit.dropped must be given a plain text as reason")
        label = f"dropped {reason.value!s}" if isinstance(reason, ast.Constant) else exit_
        self.put(indent, f"{self._count(name, label)} += 1")
        if exit_ == "late" and (name, "late") in self.plan.exits:
            item = ast.unparse(renamer.visit(call.args[0]))
            self._exit(name, "late", _Env(item, env.ts, env.sequence, env.key), indent)
        self.put(indent, "continue")


class _OwnerRenamer(ast.NodeTransformer):
    """Puts the names of an accumulator's method into those of the loop; `self` is the accumulator at hand."""

    def __init__(
        self,
        owner: str,
        shared: dict[str, str],
        inline: Callable[[str, str], ast.expr | None],
        names: dict[str, str],
        prefix: str,
        constant: Callable[[str, Any], str],
        method: Method,
    ) -> None:
        self._owner = owner
        self._shared = shared
        self._inline = inline
        self._names = names
        self._prefix = prefix
        self._constant = constant
        self._scope = method.scope
        self._stored = stored_names(method)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = node.func
        if isinstance(function, ast.Attribute) and _is_self(function.value) and function.attr in self._shared:
            argument: ast.expr = self.visit(node.args[0])
            if isinstance(argument, ast.Name):
                tree = self._inline(function.attr, argument.id)
                if tree is not None:
                    return tree
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if _is_self(node.value) and node.attr in self._shared:
            return ast.Name(self._shared[node.attr], node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == "self":
            return ast.Name(self._owner, node.ctx)
        if node.id in self._names:
            return ast.parse(self._names[node.id], mode="eval").body
        if node.id in self._stored:
            return ast.Name(self._prefix + node.id, node.ctx)
        if node.id in self._scope:
            return ast.Name(self._constant(node.id, self._scope[node.id]), node.ctx)
        return node


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _is_literal(text: str) -> bool:
    return text in ("None", "0", "True", "False") or text.isdigit()


def _own_call(statement: ast.stmt) -> ast.Call | None:
    """The call of `self.<name>(...)` or `x = self.<name>(...)`; None for anything else."""
    value = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and _is_self(value.func.value):
        return value
    return None
