"""Forks: the threads and locks of a run do not survive in a forked child."""

from __future__ import annotations

import os

from rxdag.errors import RxDagError


def is_forked(pid: int) -> bool:
    """Return True in a child that was forked from process `pid`."""
    return os.getpid() != pid


def refuse_fork(pid: int, what: str) -> None:
    """Raise RxDagError in a child that was forked from process `pid`, where `what` was opened."""
    if is_forked(pid):
        raise RxDagError(
            f"{what}: belongs to process {pid}, and this is a fork of it, without its threads; start runs behind the fork, "
            f'or have children spawned: multiprocessing.get_context("spawn")'
        )
