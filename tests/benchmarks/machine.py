"""What a figure was measured on: the machine, its processor, and the form in which rxdag runs."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from pathlib import Path

import rxdag


def form() -> str:
    """Return "compiled" if rxdag's hot packages are, else "plain"."""
    build_info = getattr(rxdag, "build_info", None)
    return "plain" if build_info is None else str(build_info().form)


def described() -> str:
    """Return a line for people."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores of {_processor()['model name']}, "
        f"{platform.python_implementation()} {platform.python_version()}, rxdag {form()}"
    )


def key() -> str:
    """Return a digest that is the same for figures that may be compared: of one machine, processor, Python and form."""
    parts = (
        platform.node(),
        _text("/etc/machine-id"),
        *_processor().values(),
        str(os.cpu_count()),
        platform.python_implementation(),
        ".".join(platform.python_version_tuple()[:2]),
        form(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _processor() -> dict[str, str]:
    """Names of the processor; clouds call many of them the same, and tell them apart by number."""
    info = _text("/proc/cpuinfo")
    fields = ("model name", "cpu family", "model", "stepping", "cache size")
    found = {name: re.search(rf"^{name}\s*:\s*(.+)$", info, re.MULTILINE) for name in fields}
    named = {name: match[1] for name, match in found.items() if match is not None}
    return {"model name": platform.processor() or platform.machine(), **named}


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
