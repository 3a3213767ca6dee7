"""Changes of a graph between two runs: those that the user declares, and those that are found."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from rxdag.errors import GraphError, did_you_mean

_EDGE: Final = re.compile(r"(?P<producer>.+)(?P<port>\.[^.]+) -> (?P<consumer>.+)(?P<rest>\[\d+\](?:: \w+)?)")
_EXIT: Final = re.compile(r"(?P<producer>.+)(?P<port>\.[^.]+: (?:rows|fork))")
_LEFT_OUT: Final = ("left out", "")
"""Text and digest of an argument that is left out, or equals its default."""


@dataclass(frozen=True)
class Changes:
    """The changes of a graph that the user declares.

    Attributes:
        drop: Names of nodes whose saved state is to be dropped.
        renamed: New name of a node by its old one.
    """

    drop: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())

    def of(self, saved: Collection[str]) -> Changes:
        """Return the changes with the nodes to drop under their names in the checkpoint, whose nodes are given."""
        before = {new: old for old, new in self.renamed.items()}
        return replace(self, drop=frozenset(name if name in saved else before.get(name, name) for name in self.drop))

    def name(self, old: str) -> str:
        """Return the current name of a node."""
        return self.renamed.get(old, old)

    def place(self, old: str) -> str:
        """Return the current name of a place in the graph: a node, or something on an edge."""
        edge = _EDGE.fullmatch(old)
        if edge is not None:
            return f"{self.name(edge['producer'])}{edge['port']} -> {self.name(edge['consumer'])}{edge['rest']}"
        exit_ = _EXIT.fullmatch(old)
        return self.name(old) if exit_ is None else f"{self.name(exit_['producer'])}{exit_['port']}"

    def drops(self, place: str) -> bool:
        """Return True if the state of a place is to be dropped, as that of a node at one end of an edge."""
        edge = _EDGE.fullmatch(place) or _EXIT.fullmatch(place)
        return bool(self.drop & ({place} if edge is None else set(edge.groupdict().values())))

    @staticmethod
    def owner(place: str) -> str:
        """Return the node whose state to drop for a place: itself, or the consumer of an edge."""
        edge = _EDGE.fullmatch(place)
        return place if edge is None else edge["consumer"]

    def check(self, saved: Mapping[str, Any], graph: Mapping[str, Any], where: str) -> None:
        """Check the names of nodes.

        Raises:
            GraphError: If a name is not that of a node.
        """
        for old, new in self.renamed.items():
            if old not in saved["nodes"]:
                raise GraphError(
                    f'{where}: renamed: "{old}" must be a node of the checkpoint{did_you_mean(old, saved["nodes"])}'
                )
            if new not in graph["nodes"]:
                raise GraphError(
                    f'{where}: renamed: "{new}" must be a node of the graph{did_you_mean(new, graph["nodes"])}'
                )
        old_names: dict[str, str] = {}
        for old in (name for name in saved["nodes"] if name not in self.drop):
            other = old_names.setdefault(self.name(old), old)
            if other != old:
                raise GraphError(
                    f'{where}: renamed: "{self.name(old)}" must be the name of one node of the checkpoint, got "{other}" '
                    f'and "{old}"; give each a name of its own, or pass allow_drop= with one of them'
                )
        for name in self.drop:
            if name not in saved["nodes"] and name not in graph["nodes"]:
                raise GraphError(
                    f'{where}: allow_drop: "{name}" must be a node of the checkpoint{did_you_mean(name, saved["nodes"])}'
                )


def gone(name: str, saved: Mapping[str, Any], before: Collection[str], now: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the message for a node that was removed, with the node that it may have become."""
    new = [each for each, node in now.items() if each not in before and node["label"] == saved["label"]]
    near = new[0] if len(new) == 1 else did_you_mean(name, new).removeprefix('; did you mean "').removesuffix('"?')
    renamed = f'; if it is "{near}" now, pass renamed={{"{name}": "{near}"}}, else' if near else "; pass"
    return f'node "{name}" was removed, with its state{renamed} allow_drop=["{name}"]'


def differences(
    name: str, before: Mapping[str, Any], now: Mapping[str, Any], adjustable: Mapping[str, str]
) -> list[str]:
    """Return how a node with state differs from what it was.

    Args:
        name: Of the node.
        before: Its identity in the checkpoint.
        now: Its identity.
        adjustable: Arguments that may have other values, each with its default as text.
    """
    drop = f'; undo that, or pass allow_drop=["{name}"]'
    if before["label"] != now["label"]:
        return [f'node "{name}" was {before["label"]}, and is {now["label"]}{drop}']
    if before["inputs"] != now["inputs"]:
        return [f'node "{name}" had {before["inputs"]} inputs, and has {now["inputs"]}{drop}']
    if before["state_version"] > now["state_version"]:
        return [
            f'node "{name}": its state must be of version {now["state_version"]} or older, got {before["state_version"]}, '
            f'written by a newer {now["label"]}; run the newer one, or pass allow_drop=["{name}"]'
        ]
    found: list[str] = []
    if before["key"][1] != now["key"][1] or _differ(before["key"][2], now["key"][2]):
        was, is_ = (each["key"][0] or "none" for each in (before, now))
        found.append(f'node "{name}": its key was {was}, and is {is_}{drop}')
    old, new = before["parameters"], now["parameters"]
    for key in dict.fromkeys((*old, *new)):
        was, is_ = old.get(key, _LEFT_OUT), new.get(key, _LEFT_OUT)
        if was[1] != is_[1] and not _may_change(was, is_, adjustable.get(key)):
            found.append(f'node "{name}": {key} was {was[0]}, and is {is_[0]}{drop}')
    return found


def _differ(was: list[str], now: list[str]) -> bool:
    """Return True if keys of equal fields have values of other kinds, where the types tell both."""
    return any(before != after and "any" not in (before, after) for before, after in zip(was, now, strict=True))


def _may_change(was: tuple[str, str], now: tuple[str, str], default: str | None) -> bool:
    """Return True for an adjustable argument, unless it is None in one of the runs: the state then has another form."""
    return default is not None and "None" not in (default if each == _LEFT_OUT else each[0] for each in (was, now))
