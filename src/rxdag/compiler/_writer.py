"""Writer: the loops of a region, from the trees of its kernels."""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from rxdag.compiler._fold import Folder, decided
from rxdag.compiler._frame import Env, Frame
from rxdag.compiler._rename import OwnerRenamer, Renamer, is_self
from rxdag.compiler._splice import (
    Method,
    assigned,
    attribute_of,
    emit_call,
    exit_of,
    inlinable,
    is_emit,
    read,
    stored_names,
)
from rxdag.contract import Splitter
from rxdag.expressions import PlainReader, Reader, plain


class _NoMethods:
    """Stands for the owner of a spliced method: what that calls of its own is called, since nothing of it is spilled."""


class Writer(Frame):
    """Writes the functions of a region."""

    _stop: str | None = None
    _join_env: Env = Env("j", "0", "0", "None")
    _meet: str | None = None
    """The list in which the branches of one port leave what meets again; None for those of a route."""

    # ---- a function

    def function(self, name: str, start: str, where: str) -> None:
        """Write the loop whose items enter at `start`; `where` says whose shape they have."""
        self._body, self._loads, self._dirty, self._counts, self._outlets = [], {}, {}, {}, {}
        self._slow, self._stop, self._fresh = set(), None, itertools.count()
        self._conditions = {}
        timed, keyed = self.shapes[where]
        env = Env("x", "t" if timed else "0", "s" if timed else "0", "k" if keyed else "None")
        self.visit(start, env, 4)
        target = ", ".join(["x", *(["t", "s"] if timed else []), *(["k"] if keyed else [])])
        self._assemble(name, target)

    # ---- the walk

    def visit(self, name: str, env: Env, indent: int) -> None:
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

    def _behind(self, name: str, port: str, env: Env, indent: int) -> None:
        """Write what reads a port."""
        timed, keyed = self._exit_shape(name, port)
        env = Env(env.item, *((env.ts, env.sequence) if timed else ("0", "0")), env.key if keyed else "None")
        if (name, port) in self.plan.exits:
            self._exit(name, port, env, indent)
        readers = self.plan.after.get((name, port), ())
        if len(readers) > 1 or (readers and name in self.plan.joins and not isinstance(self.kernels[name], Splitter)):
            self._fork(name, readers, env, indent)
        elif readers and readers[0] == self._stop:
            self._arrive(env, indent)
        elif readers:
            self.visit(readers[0], env, indent)

    def _arrive(self, env: Env, indent: int) -> None:
        """An item comes to the node where branches meet."""
        if self._meet is not None:
            self.put(indent, f"{self._meet}.append({env.item})")
        elif env.item != self._join_env.item:
            self.put(indent, f"{self._join_env.item} = {env.item}")

    def _fork(self, name: str, readers: tuple[str, ...], env: Env, indent: int) -> None:
        """Several nodes that read one port: each has the item in turn, whatever becomes of it in the ones before.

        A branch is a loop of one turn, so that leaving an item in it leaves the branch.
        """
        join = self.plan.joins.get(name)
        outer = self._stop, self._meet
        meet = f"m{next(self._fresh)}"
        if join is not None:
            self._stop, self._meet = join, meet
            self.put(indent, f"{meet} = []")
        for i, reader in enumerate(readers):
            if join is None and i + 1 == len(readers):
                self.visit(reader, env, indent)
                return
            self.put(indent, "for _ in (0,):")
            self.put(indent + 1, "try:")
            if reader == join:
                self._arrive(env, indent + 2)
            else:
                self.visit(reader, env, indent + 2)
            lost = dict.fromkeys(readers[i + 1 :], "1")
            self._guard(
                lost if join is None else {**lost, join: f"len({meet}){' + 1' if join in lost else ''}"}, indent + 1
            )
        self._stop, self._meet = outer
        if join is not None:
            item, rest = f"j{next(self._fresh)}", f"{meet}_left"
            self.put(indent, f"{rest} = iter({meet})")
            self.put(indent, f"for {item} in {rest}:")
            self.put(indent + 1, "try:")
            self.visit(join, Env(item, env.ts, env.sequence, env.key), indent + 2)
            self._guard({join: f"sum(1 for _ in {rest})"}, indent + 1)

    def _guard(self, lost: dict[str, str], indent: int) -> None:
        """What is done if a node of a branch fails: the others go on; if the region ends, they lose the item."""
        self.put(indent, "except Exception as error:")
        self.put(indent + 1, "#SPILL_IF")
        self.put(indent + 1, "if not fault(error):")
        for node, n in lost.items():
            self.put(indent + 2, f"{self._count(node, 'discarded')} += {n}")
        self.put(indent + 2, "raise")
        self.put(indent + 1, "#RELOAD")

    def _route(self, name: str, kernel: Splitter, env: Env, indent: int) -> None:
        """A node that sends each item one way: its conditions, in order."""
        join = self.plan.joins.get(name)
        outer, outer_env, outer_meet = self._stop, self._join_env, self._meet
        joined = Env(f"j{next(self._fresh)}", env.ts, env.sequence, env.key)
        if join is not None:
            self._stop, self._join_env, self._meet = join, joined, None
        index = self._index[name]
        local = ""
        for i, (port, condition) in enumerate(kernel.conditions):
            tree = self._tree(name, condition, (env.item,))
            if tree is None:
                local = f"n{index}_condition_{i}"
                self._conditions[local] = (index, f"k{index}.conditions[{i}][1]")
            test = f"{local}({env.item})" if tree is None else ast.unparse(tree)
            self.put(indent, f"{'elif' if i else 'if'} {test}:  # {name}: {port!r}")
            self._branch(name, port, env, indent)
        self.put(indent, "else:")
        if kernel.default is not None:
            self._branch(name, kernel.default, env, indent)
        else:
            self.put(indent + 1, f"{self._count(name, 'unrouted')} += 1")
            if (name, "unrouted") in self.plan.exits:
                self._exit(name, "unrouted", env, indent + 1)
            self.put(indent + 1, "continue")
        self._stop, self._join_env, self._meet = outer, outer_env, outer_meet
        if join is not None:
            self.visit(join, joined, indent)

    def _branch(self, name: str, port: str, env: Env, indent: int) -> None:
        self.put(indent + 1, f"{self._count(name, 'to ' + port)} += 1")
        self._behind(name, port, env, indent + 1)
        if self._stop is not None and not self._reaches_stop(name, port):
            self.put(indent + 1, "continue")

    def _reaches_stop(self, name: str, port: str) -> bool:
        at = self.plan.after.get((name, port), ())
        while at and self._stop not in at:
            at = self.plan.after.get((at[0], "out"), ())
        return bool(at)

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

    def _inline(self, index: int, attr: str, arguments: tuple[str, ...]) -> ast.expr | None:
        """The tree of `self.<attr>(<arguments>)` where the attribute is an expression; None where it must be called."""
        name = self.plan.nodes[index]
        fn = None if self._changes(index, attr) else vars(self.kernels[name]).get(attr)
        return self._tree(name, fn, arguments)

    def _tree(self, name: str, fn: object, arguments: tuple[str, ...]) -> ast.expr | None:
        if isinstance(fn, PlainReader):
            fn = fn.fn
        if isinstance(fn, Reader):
            return fn.tree(*arguments, self._constant) if len(arguments) == 1 else None
        tree = plain(fn, arguments, self._constant)
        if tree is not None:
            self.inlined.setdefault(name, []).append((fn, arguments))
        return tree

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
        env: Env,
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
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del) and is_self(node.value):
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
            self._block(list(method.body), method, names, index, Env("x", "0", "0", "None"), indent, depth + 1)
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
        inner = OwnerRenamer(
            owner,
            {a: self._own_shared(index, a) for a in shared},
            lambda a, arguments: self._inline(index, f"shared_{a}", arguments),
            names,
            f"n{index}_a_",
            self._constant,
            method,
        )
        for given in method.body:
            self.put(indent, ast.unparse(ast.fix_missing_locations(inner.visit(copy.deepcopy(given)))))

    def _own_shared(self, index: int, attr: str) -> str:
        return self._own(index, f"shared_{attr}")

    def _emit(self, statement: Any, renamer: Renamer, name: str, env: Env, indent: int) -> None:
        call: ast.Call = statement.value
        new = Env(ast.unparse(renamer.visit(call.args[0])), env.ts, env.sequence, env.key)
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

    def _leave(self, call: ast.Call, renamer: Renamer, name: str, env: Env, indent: int) -> None:
        exit_ = attribute_of(call)
        reason = call.args[1] if exit_ == "dropped" and len(call.args) > 1 else None
        if reason is not None and not isinstance(reason, ast.Constant):
            raise TypeError(f"{name}: emit.dropped must be given a plain text as reason")
        label = f"dropped {reason.value!s}" if isinstance(reason, ast.Constant) else exit_
        self.put(indent, f"{self._count(name, label)} += 1")
        if exit_ != "to" and (name, exit_) in self.plan.exits:
            item = ast.unparse(renamer.visit(call.args[0]))
            self._exit(name, exit_, Env(item, env.ts, env.sequence, env.key), indent)
        self.put(indent, "continue")


def _is_literal(text: str) -> bool:
    return text in ("None", "0", "True", "False") or text.isdigit()


def _own_call(statement: ast.stmt) -> ast.Call | None:
    """The call of `self.<name>(...)` or `x = self.<name>(...)`; None for anything else."""
    value = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and is_self(value.func.value):
        return value
    return None
