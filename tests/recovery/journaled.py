"""A job with a journal in front of a live source, which kills itself: `python -m tests.recovery.journaled FOLDER URL [POINT N]`.

The points are items of the output, appends to the journal and commits of checkpoints. It prints 1 if it continued from one, else 0.
"""

from __future__ import annotations

import sys
from pathlib import Path

import rxdag
from rxdag import checkpoints, sinks, sources
from rxdag import operators as ops
from rxdag.checkpoints._session import SqliteSession
from rxdag.journal import JournalWriter
from tests.recovery.job import Killer

POINTS = ("item", "append", "appended", "commit", "committed")


def main() -> None:
    folder, url = Path(sys.argv[1]), sys.argv[2]
    killer = Killer(sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 3 else Killer("", 0)
    killer.around(SqliteSession, "commit", "commit", "committed")
    killer.around(JournalWriter, "append", "append", "appended")

    def seen(tick: dict[str, int]) -> dict[str, int]:
        killer.reached("item")
        return tick

    live = sources.websocket(url, of=dict, reconnect=None)
    ticks = rxdag.from_source(sources.journal(live, folder / "journal"), name="ticks")
    out = ticks.pipe(ops.map(seen), name="seen").to(sinks.jsonl(folder / "out.jsonl"), name="out")
    store = checkpoints.sqlite(folder / "state.db")
    run = rxdag.start(rxdag.Dag(out, name="journaled"), checkpoints=store, every="5ms", require="exactly")
    stats = run.stats().checkpoints
    print(int(stats is not None and stats.resumed_from is not None), flush=True)
    run.wait()


if __name__ == "__main__":
    main()
