"""Tasks that end as cancelled though nobody has cancelled them: the error is that of the code they run."""

from __future__ import annotations

import asyncio
from typing import Any


def failed_by_itself(task: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """Return a cancelled task as one that has failed with its CancelledError."""
    failed: asyncio.Future[Any] = task.get_loop().create_future()
    try:
        task.result()
    except asyncio.CancelledError as error:
        if not error.args:
            error.args = ("a task was cancelled, and not by the run",)
        failed.set_exception(error)
        failed.exception()  # it is looked at, or nobody cares: asyncio need not warn
    return failed
