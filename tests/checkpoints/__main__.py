"""Damage a store many times: `python -m tests.checkpoints 3000`."""

import sys
import tempfile

from tests.checkpoints.damage import trials

with tempfile.TemporaryDirectory() as folder:
    found = trials(folder, int(sys.argv[1]))
for (said, kind), count in sorted(found.items()):
    print(f"{count:6} {kind:24} {said}")
sys.exit(any(said.startswith("WRONG") for said, _ in found))
