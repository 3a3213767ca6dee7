"""Change a file in small ways and say which of the changes the tests do not notice: `python -m tests.mutation FILE`."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.mutation.changes import Change, changes_of

ROOT: Final = Path(__file__).parent.parent.parent
LONGEST_S: Final = 300.0
"""What takes longer has come to hang."""
_MEANING: Final = ("tests/conformance", "tests/laws")
TESTS: Final = {
    "aggregates": ("tests/unit/test_aggregates.py", "tests/unit/test_decimals.py", "tests/unit/test_windows.py"),
    "engine": ("tests/engine/test_rules.py", "tests/engine/test_gates.py", "tests/unit/test_gate.py", "tests/unit/test_overflow.py"),
    "operators/joining": ("tests/unit/test_fan_in.py", "tests/unit/test_keyed.py"),
    "operators/windows": ("tests/unit/test_windows.py", "tests/unit/test_keyed.py", "tests/unit/test_times_exact.py"),
    "operators": ("tests/unit/test_keyed.py", "tests/unit/test_by_key.py", "tests/unit/test_expiring.py"),
    "sinks": ("tests/unit/test_sinks.py", "tests/unit/test_whole_file.py", "tests/unit/test_batched.py", "tests/unit/test_flat.py"),
    "sources": ("tests/unit/test_sources.py", "tests/unit/test_live.py"),
}  # fmt: skip
"""Tests that look at a part of the source first, the longest prefix counts; behind them come those of meaning."""


def tests_of(file: str) -> list[str]:
    """Return the tests that may notice a change of a file, the nearest first."""
    near = max((part for part in TESTS if file.startswith(part)), key=len, default=None)
    first = TESTS[near] if near else ()
    return [*first, "tests/unit/test_operators.py", *_MEANING]


def noticed(change: Change, file: str, tests: list[str]) -> str | None:
    """Run tests on a changed source; return what has noticed the change, or None if nothing has."""
    with tempfile.TemporaryDirectory(prefix="rxdag-mutation-") as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        (source / "rxdag" / file).write_text(change.text)
        env = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
        try:
            run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            return "it hangs"
    if run.returncode == 0:
        return None
    lines = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0][:160] if lines else (run.stdout + run.stderr)[-160:]


def main() -> int:
    parser = argparse.ArgumentParser(prog="mutation")
    parser.add_argument("files", nargs="+", help="in src/rxdag")
    parser.add_argument("--mutants", type=int, default=25, help="how many changes are drawn, from all files together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tests", nargs="*", help="in place of those that belong to each file")
    parser.add_argument("--only", type=int, help="the number of one change to try")
    args = parser.parse_args()
    compiled = [*(ROOT / "src").rglob("*.so"), *(ROOT / "src").rglob("*.pyd")]
    if compiled:
        print(f"{compiled[0]} would be imported in place of what is changed: make plain", file=sys.stderr)
        return 2
    names = [
        str(Path(file).resolve().relative_to(ROOT / "src/rxdag")) if Path(file).exists() else file
        for file in args.files
    ]
    all_changes = [(name, change) for name in names for change in changes_of((ROOT / "src/rxdag" / name).read_text())]
    drawn = random.Random(args.seed).sample(all_changes, min(args.mutants, len(all_changes)))
    alive = 0
    for number, (name, change) in enumerate(drawn):
        if args.only is not None and number != args.only:
            continue
        said = noticed(change, name, args.tests or tests_of(name))
        alive += said is None
        print(f"{number:3} {'ALIVE ' if said is None else 'killed'} {name}:{change.line}: {said or ''}", flush=True)
        if said is None:
            print(f"      was  {change.was}\n      now  {change.now}".replace("\n    ", "\n          "), flush=True)
    print(f"{len(drawn)} of {len(all_changes)} changes, {alive} alive")
    return 1 if alive else 0


if __name__ == "__main__":
    raise SystemExit(main())
