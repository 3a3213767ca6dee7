"""A process of `rxdag run --workers`: `rxdag run`, drained if the process that has started it is killed."""

from __future__ import annotations

import os
import signal
import sys
import threading

from rxdag.cli._main import main


def _drain_without(alive: int) -> None:
    """Send this process a SIGTERM once the other end of a pipe is closed."""
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_drain_without, args=(int(sys.argv[1]),), daemon=True).start()
    main(["run", *sys.argv[2:]])
