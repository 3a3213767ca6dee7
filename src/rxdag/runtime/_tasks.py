"""Tasks of user code: those that end the process, and those that are cancelled, but not by the run."""

from __future__ import annotations

import asyncio
from typing import Any

from rxdag.contract import EndsProcess


def ended_by(task: asyncio.Future[Any], *, is_cut: bool) -> asyncio.Future[Any]:
    """Return a task that has ended, with the result or error of the given one.

    Args:
        task: The task.
        is_cut: True if the run cancelled it.
    """
    if task.cancelled():
        return task if is_cut else failed_by_itself(task)
    error = task.exception()
    if not isinstance(error, EndsProcess):
        return task
    failed: asyncio.Future[Any] = task.get_loop().create_future()
    failed.set_exception(error.error)
    failed.exception()  # as below
    return failed


def failed_by_itself(task: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """Return a cancelled task as one that has failed with its CancelledError."""
    failed: asyncio.Future[Any] = task.get_loop().create_future()
    try:
        task.result()
    except asyncio.CancelledError as error:
        if not error.args:
            error.args = ("a task was cancelled, and not by the run",)
        failed.set_exception(error)
        failed.exception()  # marks it as retrieved, so that asyncio does not warn
    return failed
