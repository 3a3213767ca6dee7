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
PEERS = {"csp": "csp==0.19.1", "bytewax": "bytewax==0.21.1"}


def measure(items: int, count: int) -> list[Figure]:
    """Figures of every peer; each is measured against the plain loop in its own process."""
    found: list[Figure] = []
    for name, requirement in PEERS.items():
        home = ROOT / ".peers" / name
        python = home / "bin" / "python"
        if not python.exists():
            venv.create(home, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "-q", requirement, "numpy"], check=True)
        code = ["-m", f"tests.benchmarks.peers.{name}_peer", str(items), str(count)]
        done = subprocess.run(
            [python, *code],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        found += [Figure(*row[:1], tuple(row[1]), *row[2:]) for row in json.loads(done.stdout.splitlines()[-1])]
    return found
