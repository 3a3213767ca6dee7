"""Specs: what is loaded, and what is refused."""

from __future__ import annotations

import base64
import os
import time
import tracemalloc
from typing import Any

from rxdag.errors import SpecError
from rxdag.spec import build_dag, open_spec


def run(given: dict[str, Any]) -> dict[str, Any]:
    """The ids of its nodes, or the error; what it executed, and what it cost."""
    text = base64.b64decode(given["yaml_base64"]) if "yaml_base64" in given else given["yaml"]
    executed: list[str] = []
    real, os.system = os.system, lambda command: executed.append(command) or 0
    tracemalloc.start()
    began = time.process_time()
    outcome: dict[str, Any] = {}
    try:
        document = open_spec(text=text)
        if any(node.found.role == "sink" for node in document.nodes.values()):
            build_dag(document)
        problems = document.context.problems
        # A case may be a part of a graph.
        problems.found = [each for each in problems.found if "nothing reads it" not in each.message]
        problems.check()
        outcome["nodes"] = list(document.nodes)
    except SpecError as error:
        outcome |= {"error": "SpecError", "message": str(error)}
    finally:
        outcome["seconds"] = time.process_time() - began
        outcome["extra_mb"] = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        os.system = real
    return outcome | {"executed": executed}


def refit(outcome: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """The outcome in the words of what is expected: mentions that are there, limits that are kept."""
    out = dict(outcome)
    message = outcome.get("message", "")
    if "mentions" in expected:
        out["mentions"] = [word for word in expected["mentions"] if word in message]
    if "limits" in expected:
        out["limits"] = {
            name: most if outcome[name] <= most else outcome[name] for name, most in expected["limits"].items()
        }
    return out
