"""The same work by others, each in an environment of its own: `PEERS=1 make bench`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from tests.benchmarks.measure import Figure

ROOT = Path(__file__).parents[3]
PEERS = {
    "csp": ("csp==0.19.1", "numpy==2.4.6"),
    "bytewax": ("bytewax==0.21.1",),
    "duckdb": ("duckdb==2.0.1", "pyarrow==26.0.1"),
    "numba": ("numba==0.68.1", "numpy==2.4.6"),
}


def measure(items: int, count: int, works: set[str]) -> list[Figure]:
    """Return the figures of every peer; each is measured against the plain loop in its own process."""
    found: list[Figure] = []
    for name, requirements in PEERS.items():
        home = ROOT / ".peers" / name
        python = home / "bin" / "python"
        if not python.exists():
            venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
        print(f"measuring {name}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [python, "-m", f"tests.benchmarks.peers.{name}_peer", str(items), str(count), *sorted(works)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        found += [Figure(each[0], tuple(each[1]), *each[2:]) for each in json.loads(done.stdout.splitlines()[-1])]
    return found
