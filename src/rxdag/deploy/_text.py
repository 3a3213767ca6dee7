"""Plain data as YAML."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from rxdag.contract import import_extra


def yaml_text(documents: Sequence[Any], /) -> str:
    """Convert plain data to YAML documents, in the given order (extra `yaml`).

    Raises:
        MissingExtra: If ruamel.yaml is not installed.

    Example:
        >>> print(deploy.yaml_text([{"kind": "Namespace", "metadata": {"name": "bars"}}]), end="")
        ---
        kind: Namespace
        metadata:
          name: bars
    """
    yaml = import_extra("ruamel.yaml", "yaml", "deploy").YAML()
    yaml.explicit_start = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    for document in documents:
        yaml.dump(_shown(document), out)
    return out.getvalue()


def _shown(data: Any) -> Any:
    """Return the data with texts of several lines as YAML blocks."""
    if isinstance(data, dict):
        return {key: _shown(value) for key, value in data.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(data, list):
        return [_shown(value) for value in data]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(data, str) and "\n" in data:
        return import_extra("ruamel.yaml.scalarstring", "yaml", "deploy").LiteralScalarString(data)
    return data
