"""The law about older state: a kernel takes up what its older versions have saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rxdag.codec import Codec
from rxdag.contract import Kernel
from rxdag.errors import shown
from rxdag.testing._check_recover import Broken


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
    if sorted(older) != list(range(1, version)):
        raise Broken(
            f"older must have a state of each version before {version}, got {', '.join(map(str, sorted(older))) or 'none'}"
        )
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
