"""Mutants: the engine with one rule broken, each of which the torture must find. `python -m tests.engine.mutants` tries all."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
GRAPHS: Final = 1500
"""So many graphs of each kind are tried at most."""
LONGEST_S: Final = 600.0
"""A hunt that takes longer has found something that hangs."""
LOOM: Final = "tests/engine/test_loom.py"
"""In place of kinds of graphs: 600 schedules of each graph."""
RULES: Final = "tests/engine/test_rules.py"
"""In place of kinds of graphs: small cases."""
BUILDS: Final = "tests/unit/test_build_info.py"
"""In place of kinds of graphs: compiled modules and their sources."""


@dataclass(frozen=True)
class Mutant:
    """One place of the source, changed.

    Attributes:
        rule: Which rule it breaks, and how.
        file: In `src/rxdag`.
        old: The text, which is there once.
        new: What takes its place.
        hunt: Kinds of graphs that find it, or a file of tests.
    """

    rule: str
    file: str
    old: str
    new: str
    hunt: str


MUTANTS: Final = (
    Mutant(
        "1: an output is given though something is in the way",
        "engine/_point.py",
        "        if self.blocked > self.free:\n            self.hold((ITEM, exit_, item, ts, sequence, key))",
        "        if self.blocked < 0:\n            self.hold((ITEM, exit_, item, ts, sequence, key))",
        "A",
    ),
    Mutant(
        "1: a full gate blocks nobody",
        "engine/_gate.py",
        "        if self.blocks and not self.is_full and self.is_at_limit():\n            self.is_full = True\n            block_all",
        "        if self.blocks and not self.is_full and self.is_at_limit() and self.n < 0:\n            self.is_full = True\n            block_all",
        "B",
    ),
    Mutant(
        "1: what rests blocks nobody above",
        "engine/_point.py",
        "        if self.blocked == 1 or self.absorbs or self.is_ended:\n            block_all(self.up)",
        "        if self.blocked < 0:\n            block_all(self.up)",
        "A",
    ),
    Mutant(
        "2: a fork that goes on begins with its first branch",
        "engine/_branches.py",
        "self.spread(entry[1], entry[2]",
        "self.spread(0, entry[2]",
        "A",
    ),
    Mutant(
        "2: a fork gives to its next branch though something is in the way",
        "engine/_branches.py",
        "            if self.blocked > free:\n                self.hold_first((INPUT, at, item, ts, sequence, key))",
        "            if self.blocked < 0:\n                self.hold_first((INPUT, at, item, ts, sequence, key))",
        "A",
    ),
    Mutant(
        "3: what rests behind a lane holds back no fork above it",
        "runtime/_survey.py",
        "node.order.append(fork)",
        "node.order.extend(())",
        "A",
    ),
    Mutant(
        "3: a full lane holds up the others",
        "engine/_branches.py",
        "        self.absorbs = True",
        "        self.absorbs = False",
        RULES,
    ),
    Mutant(
        "4: a mark overtakes what rests",
        "engine/_point.py",
        "            self.watermark = watermark\n        if self.blocked > self.free:",
        "            self.watermark = watermark\n        if self.blocked < 0:",
        "A",
    ),
    Mutant(
        "5: what is not wanted comes all the same",
        "engine/_kernel_node.py",
        "self.set_shut(self.kernel.want(self.run.clock.now()) == 0)",
        "self.set_shut(self.kernel.want(self.run.clock.now()) == -1)",
        "A",
    ),
    Mutant(
        "5: a node that has ended stays shut",
        "engine/_point.py",
        "        if self.is_ended:\n            return\n        self.set_shut(False)",
        "        if self.is_ended:\n            return",
        "B",
    ),
    Mutant(
        "6: a timer fires while its node rests",
        "engine/_kernel_node.py",
        "return self.is_resting and not self.is_ended",
        "return self.is_resting and self.is_ended",
        "B",
    ),
    Mutant(
        "6: in virtual time a timer does not wait until all is quiet",
        "engine/drivers/_flow.py",
        "if self._is_virtual:  # a timer",
        "if self._rounds is self._calls:  # a timer",
        "A",
    ),
    Mutant(
        "7: a node that has ended leaves those above blocked",
        "engine/_point.py",
        "        if self.blocked and not self.is_resting and not self.absorbs:\n            unblock_all(self.up)",
        "        if self.blocked < 0:\n            unblock_all(self.up)",
        "B",
    ),
    Mutant(
        "7: what comes to a node that has ended is in no book",
        "engine/_kernel_node.py",
        "        if self.is_ended:\n            self.unread += 1\n            return\n        if self.marks.some_idle:",
        "        if self.is_ended:\n            return\n        if self.marks.some_idle:",
        "B",
    ),
    Mutant(
        "8: what is no Exception unwinds through the nodes above",
        "operators/elementwise/_call_kernels.py",
        "            value = self.fn(item)\n        except BaseException as error:",
        "            value = self.fn(item)\n        except Exception as error:",
        "B",
    ),
    Mutant(
        "8: emit stays open behind its method",
        "engine/_emit.py",
        "        if self.given < 0:\n            raise RuntimeError(",
        "        if self.given < -1:\n            raise RuntimeError(",
        RULES,
    ),
    Mutant(
        "9: a source does not look whether it must stop",
        "engine/_source_feed.py",
        "while i < n and not self.blocked and not domain.stop:",
        "while i < n and not self.blocked:",
        RULES,
    ),
    Mutant(
        "9: the pump of a gate does not look whether it must stop",
        "engine/_pump.py",
        "            if self.blocked or domain.stop:",
        "            if self.blocked:",
        RULES,
    ),
    Mutant(
        "9: all outputs of an item go out in one turn",
        "engine/_step_node.py",
        "if self.blocked > free or n >= _TURN or (n and self.domain.must_give_back()):",
        "if self.blocked > free:",
        RULES,
    ),
    Mutant(
        "9: all that rests goes on in one turn",
        "engine/_point.py",
        "while pending and self.can_resume() and n < 1024 and not (n and self.domain.must_give_back()):",
        "while pending and self.can_resume():",
        RULES,
    ),
    Mutant(
        "9: all panes that are due fire in one turn",
        "engine/_emit.py",
        "        return node.blocked > node.free or node.domain.must_give_back()",
        "        return node.blocked > node.free",
        RULES,
    ),
    Mutant(
        "10: long chains are not cut",
        "runtime/_wiring.py",
        "_DEEPEST: Final = 100\n",
        "_DEEPEST: Final = 100_000\n",
        RULES,
    ),
    Mutant(
        "11: a time of numpy stays one",
        "engine/_emit.py",
        "        value = index(ts)\n",
        "        value: int = ts\n",
        RULES,
    ),
    Mutant(
        "11: a time may be a sentinel",
        "engine/_emit.py",
        "if not MIN < value < MAX:",
        "if not MIN <= value <= MAX:",
        RULES,
    ),
    Mutant(
        "12: the state of a kernel is not taken up",
        "engine/_snapshot.py",
        '        node.kernel.restore(saved["kernel"])',
        "        node.kernel.restore(node.kernel.snapshot())",
        "S",
    ),
    Mutant(
        "14: a source that was edited after it was compiled goes unnoticed",
        "_build_info.py",
        "if _hash_of(home.parent / file) != known",
        "if _hash_of(home.parent / file) is None",
        BUILDS,
    ),
    Mutant(
        "15: kernels are called with parameters that they do not take",
        "engine/_calling_node.py",
        "forms.get(names, 3)",
        "forms.get(names, 2)",
        "A",
    ),
    Mutant(
        "16: of a chunk in which an expression fails nothing is run again",
        "engine/_shortcut.py",
        "            return None\n        n = len(items)",
        "            return []\n        n = len(items)",
        RULES,
    ),
    Mutant(
        "what rests in nodes is not saved",
        "engine/_snapshot.py",
        "[_with_ports(node, entry) for entry in node.pending]",
        "[_with_ports(node, entry) for entry in list(node.pending)[1:]]",
        "S",
    ),
    Mutant(
        "how far the inputs of a node are is not saved",
        "engine/_snapshot.py",
        '        node.marks.restore(saved["marks"])',
        "        node.marks.restore(node.marks.snapshot())",
        "S",
    ),
    Mutant(
        "what a source has read and not handed on is not saved",
        "engine/_snapshot.py",
        '        if saved["chunk"] is not None:',
        '        if saved["chunk"] == 0:',
        "S",
    ),
    Mutant(
        "a drain waits for inputs that nothing can open",
        "engine/_kernel_node.py",
        "            self.is_drained = True",
        "            self.is_drained = False",
        "B",
    ),
    Mutant(
        "race: a driver falls asleep though it was told to look again",
        "engine/drivers/_flow.py",
        "or self.is_stopped or self.kicks != kicks:",
        "or self.is_stopped:",
        LOOM,
    ),
    Mutant(
        "race: one look finds that all is quiet",
        "runtime/_stall.py",
        "    if all_quiet(schedulers) and not run.has_tasks() and epochs == [scheduler.epoch for scheduler in schedulers]:",
        "    if all(scheduler.is_quiet() for scheduler in schedulers) and not run.has_tasks():",
        LOOM,
    ),
    Mutant(
        "race: a gate that gets full does not look whether its reader was quicker",
        "engine/_gate.py",
        "            self.reopen()  # the reader may have taken some in between",
        "            pass  # the reader may have taken some in between",
        LOOM,
    ),
    Mutant(
        "race: work is neither queued nor running for a moment",
        "engine/drivers/_flow.py",
        "        with self.lock:\n            self.running = True\n            job, wait = self._pop(fires=fires)\n            if job is None:",
        "        with self.lock:\n            job, wait = self._pop(fires=fires)\n        with self.lock:\n            self.running = True\n            if job is None:",
        LOOM,
    ),
)
QUICK: Final = tuple(each for each in MUTANTS if each.rule[:2] in ("1:", "2:"))
"""Those that are found at once."""


def text_of(mutant: Mutant) -> str:
    """Return the text of the file that a mutant changes."""
    return (ROOT / "src" / "rxdag" / mutant.file).read_text()


def killed(mutant: Mutant) -> str | None:
    """Run the torture on the changed source; return what it has found, or None if nothing."""
    with tempfile.TemporaryDirectory(prefix="rxdag-mutant-") as folder:
        source = Path(folder) / "src"
        # Compiled modules would be imported in place of what is changed.
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
        path = source / "rxdag" / mutant.file
        text = path.read_text()
        if text.count(mutant.old) != 1:
            raise ValueError(
                f"{mutant.file}: must hold the text of mutant {mutant.rule!r} once, not {text.count(mutant.old)} times"
            )
        path.write_text(text.replace(mutant.old, mutant.new))
        env = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
        if mutant.hunt.endswith(".py"):
            env["RXDAG_SCHEDULES"] = "600"
            command = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutant.hunt]
        else:
            command = ["-m", "tests.engine.mutants", "--hunt", mutant.hunt]
        try:
            run = subprocess.run(
                [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=LONGEST_S
            )
        except subprocess.TimeoutExpired:
            return "it hangs"
        if run.returncode == 0:
            return None
        lines = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "found:"))]
        if not lines:
            raise RuntimeError(f"the hunt must find something or nothing, got {run.stdout[-500:]}{run.stderr[-2000:]}")
        return lines[0][:200]


def hunt(kinds: str) -> int:
    """Run graphs until one fails; return 1 if one has."""
    import logging

    from tests.engine.kinds import KINDS, Tally

    logging.disable(logging.CRITICAL)
    for seed in range(GRAPHS):
        for kind in kinds:
            try:
                KINDS[kind](seed, Tally())
            except BaseException as error:
                print(f"found: {kind} {seed}: {error!r}")
                return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="mutants")
    parser.add_argument("--hunt", help="kinds of graphs to run until one fails; as the mutants do")
    parser.add_argument("--only", default="", help="part of the rule of the mutants to try")
    args = parser.parse_args()
    if args.hunt:
        return hunt(args.hunt)
    alive = 0
    for mutant in MUTANTS:
        if args.only in mutant.rule:
            found = killed(mutant)
            alive += found is None
            print(f"{'ALIVE ' if found is None else 'killed'} {mutant.rule}: {found or ''}", flush=True)
    print(f"{alive} are alive")
    return 1 if alive else 0


if __name__ == "__main__":
    raise SystemExit(main())
