"""The law about older state: kernels and accumulators take up what their older versions have saved."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any, Final

from rxdag.codec import Codec
from rxdag.contract import Accumulator, Kernel
from rxdag.errors import shown
from rxdag.testing._check_imprint import attributes_of
from rxdag.testing._check_recover import Broken, Drives

_ENDS: Final = (str, bytes, int, float, type, FunctionType, ModuleType)
"""Values in which no accumulators are looked for."""


def check_older(drives: Drives, older: Mapping[int, Any], codec: Codec) -> None:
    """Check that state of each older version is taken up: that of the kernel or, if it has one version, of its aggregates.

    Args:
        drives: Makes runs of the graph.
        older: A state of each older version, by that.
        codec: Codec that saves the state.

    Raises:
        Broken: If it is not, or a version is missing.
    """
    driven = drives.make()
    driven.close()
    kernel = list(driven.nodes.values())[-1].kernel
    if kernel.state_version == 1 and _check_aggregates(drives, older, codec):
        return
    check_migrate(kernel, older, codec)


def check_migrate(kernel: Kernel, older: Mapping[int, Mapping[str, Any]], codec: Codec) -> None:
    """Check that a kernel migrates state of each older version into its present form.

    Args:
        kernel: A new kernel, on rows.
        older: A state of each older version, by that.
        codec: Codec that saves the state.

    Raises:
        Broken: If it does not, or a version is missing.
    """
    kind, version = type(kernel).__name__, kernel.state_version
    if not isinstance(version, int) or version < 1:
        raise Broken(f"{kind}.state_version must be 1 or more, got {shown(version)}")
    _check_versions(older, version)
    for old, saved in older.items():
        how = f"a state of version {old}"
        try:
            migrated = kernel.migrate(codec.decode(codec.encode(dict(saved), where=how)), old)
        except Exception as error:
            raise Broken(f"{kind}.migrate must take {how}, and failed: {shown(error)}") from error
        if sorted(migrated) != sorted(kernel.state):
            raise Broken(
                f"{kind}.migrate must give the names in `state`, {sorted(kernel.state)}, got {sorted(migrated)}"
            )
        data = codec.encode(migrated, where=f"{how}, migrated")
        try:
            kernel.restore(codec.decode(data))
        except Exception as error:
            raise Broken(f"{kind}.restore must take {how}, migrated, and failed: {shown(error)}") from error
        if codec.encode(kernel.snapshot()) != data:
            raise Broken(
                f"{kind}.snapshot must give back {how}, migrated, got {shown(kernel.snapshot())}, not {shown(codec.decode(data))}"
            )


def _check_versions(older: Mapping[int, Any], version: int) -> None:
    if sorted(older) == list(range(1, version)):
        return
    got = ", ".join(map(str, sorted(older))) or "none"
    if version == 1:
        raise Broken(f"older must be left out, since no saved state has a version above 1, got {got}")
    raise Broken(f"older must have a state of each version before {version}, got {got}")


def _check_aggregates(drives: Drives, older: Mapping[int, Any], codec: Codec) -> bool:
    """Check the accumulators in open panes; False if none of them has a version above 1."""
    for point in range(drives.whole.turn, -1, -1):
        driven = drives.make()
        driven.open()
        driven.run(point)
        saved = codec.encode(driven.save())
        driven.close()
        if any(_tagged(codec.decode(saved))):
            break
    else:
        return False
    found: dict[str, Accumulator[Any, Any]] = {}
    for node in driven.nodes.values():
        found |= {type(each).__name__: each for each in _accumulators_in(node.kernel, set()) if each.state_version > 1}
    if len(found) != 1:
        raise Broken(
            f"the operator must have one aggregate with a version above 1, got {' and '.join(sorted(found)) or 'none'}; "
            "check each alone"
        )
    (accumulator,) = found.values()
    _check_versions(older, accumulator.state_version)
    for old, state in older.items():
        data = codec.encode(state, where=f"a state of version {old}")
        _check_accumulator(drives, accumulator, saved, old, data, codec)
    return True


def _check_accumulator(
    drives: Drives, accumulator: Accumulator[Any, Any], saved: bytes, old: int, older: bytes, codec: Codec
) -> None:
    """Check that a run continues from a checkpoint with the state of an older version in its panes."""
    kind, how = type(accumulator).__name__, f"a state of version {old}"
    try:
        migrated = codec.encode(accumulator.migrate(codec.decode(older), old))
    except Exception as error:
        raise Broken(f"{kind}.migrate must take {how}, and failed: {shown(error)}") from error
    state = codec.decode(saved)
    for tag in _tagged(state):
        tag.update(state_version=old, state=codec.decode(older))
    second = drives.make()
    try:
        second.load(state)
        for tag in _tagged(codec.decode(codec.encode(second.save()))):
            if codec.encode(tag["state"]) != migrated:
                raise Broken(
                    f"{kind}.snapshot must give back {how}, migrated, got {shown(tag['state'])}, not "
                    f"{shown(codec.decode(migrated))}"
                )
        second.run()
        if second.error is not None:
            raise second.error
    except Broken:
        raise
    except Exception as error:
        raise Broken(f"{kind} must continue from {how}, migrated, and failed: {shown(error)}") from error
    finally:
        second.close()


def _tagged(saved: object) -> Iterator[dict[str, Any]]:
    """Yield the states of accumulators in decoded state that have a version above 1."""
    kind: Any = type(saved)
    held: Any = saved
    if issubclass(kind, dict) and held.keys() == {"state_version", "state"}:
        yield held
    elif issubclass(kind, dict | list | tuple):
        for each in held.values() if issubclass(kind, dict) else held:
            yield from _tagged(each)


def _accumulators_in(value: object, seen: set[int]) -> Iterator[Accumulator[Any, Any]]:
    """Yield the accumulators that an object holds, and those that they hold."""
    kind: Any = type(value)
    held: Any = value
    if id(value) in seen or issubclass(kind, _ENDS):
        return
    seen.add(id(value))
    if issubclass(kind, Accumulator):
        yield held
    if not issubclass(kind, list | tuple | deque):
        held = list((held if issubclass(kind, dict) else attributes_of(value)).values())
    for each in held:
        yield from _accumulators_in(each, seen)
