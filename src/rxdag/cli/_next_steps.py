"""Commands to try after the demo: one per line, ready to be pasted."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

_SPEC: Final = Path("examples", "bars.yaml")
"""The spec of the demo, in a checkout."""


def next_steps(chart: Path | None, *, called: str) -> str:
    """Return the commands to try next, each with its effect.

    Args:
        chart: File of the chart; None if there is none.
        called: The command, as in `sys.argv[0]`.
    """
    rxdag = _program(called)
    steps = [(f"{rxdag} demo --data trades.csv.gz", "bars of your own file, with the columns of rxdag.market.Trade")]
    if chart is not None:
        steps.append((f"python3 -m webbrowser {shlex.quote(chart.resolve().as_uri())}", "the bars as candles"))
    if _SPEC.is_file():
        spec = _SPEC.as_posix()
        steps += [
            (f"{rxdag} explain {spec}", "how a job in YAML would run, and what it can hold"),
            (f"{rxdag} graph {spec}", "its nodes and edges; --format svg draws them"),
            (f"{rxdag} run {spec} --set trades.speed=1 --metrics-port 9464", "run it at the pace of the trades"),
            (f"{rxdag} top localhost:9464", "watch that run from another terminal"),
        ]
    steps += [
        (f"jupyter lab {notebook.as_posix()}", "a notebook to start from")
        for notebook in sorted(_SPEC.parent.glob("*.ipynb"))
        if shutil.which("jupyter")
    ]
    steps.append((f"{rxdag} nodes", "everything that a graph in YAML can use"))
    width = max(len(command) for command, _ in steps if len(command) < 80)
    return "\n".join(["try next:", *(f"  {command:{width}}  # {about}" for command, about in steps)])


def _program(called: str) -> str:
    """Return the shortest name by which a shell finds this program again."""
    if Path(called).name != "rxdag":
        return f"{shlex.quote(sys.executable)} -m rxdag.cli"
    found = shutil.which("rxdag")
    return "rxdag" if found is not None and Path(found).samefile(called) else shlex.quote(called)
