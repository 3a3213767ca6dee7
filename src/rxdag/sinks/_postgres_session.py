"""The connection of a sink to PostgreSQL, re-established when it is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any, Final, TypeVar

from rxdag.contract import Delays, PostgresServer, SinkContext

T = TypeVar("T")

_DELAYS: Final = Delays(100_000_000, 2.0, 5_000_000_000, 0.2)
_ATTEMPTS: Final = 10
"""Maximum number of attempts if other transactions cause rollbacks."""


class PostgresSession:
    """Calls functions with the connection.

    Args:
        server: The database.
        what: What is written, for messages: `table "bars" of `.
        patience_s: Maximum time without a connection, s.
        context: The run; once it has failed, a lost connection is not re-established.
    """

    def __init__(self, server: PostgresServer, what: str, patience_s: float, context: SinkContext) -> None:
        self._server = server
        self._what = what
        self._patience_s = patience_s
        self._context = context
        self._random = Random(0)
        self._db: Any = None

    def connect(self) -> None:
        """Open the connection, in a single attempt.

        Raises:
            SourceError: If there is no connection.
        """
        try:
            self._db = self._server.connect()
        except self._server.psycopg.Error as error:
            raise self._server.explained(error, self._what) from error

    def do(self, work: Callable[[Any], T]) -> T:
        """Call a function with the connection; if the connection is lost, call it again with a new one.

        The function must be idempotent. A loss is logged once, and so is its end.

        Raises:
            SourceError: If the database refuses the statement, or there is no connection for too long.
        """
        lost_at: float | None = None
        failures = 0
        while True:
            try:
                if self._db is None:
                    self._db = self._server.connect()
                    if lost_at is not None:
                        self._context.log("sink.connected", lost_s=time.monotonic() - lost_at)
                    lost_at = None
                return work(self._db)
            except self._server.psycopg.Error as error:
                failures += 1
                now = time.monotonic()
                is_lost = self._db is None or self._server.is_lost(error, self._db)
                if is_lost:
                    if lost_at is None:
                        lost_at = now
                        self._context.log("sink.disconnected", error=error)
                    self.close()
                waits_on = lost_at is not None and now - lost_at < self._patience_s and self._context.error is None
                is_undone = self._server.may_work_again(error) and failures < _ATTEMPTS
                if not (waits_on if is_lost else is_undone):
                    raise self._server.explained(error, self._what) from error
            time.sleep(_DELAYS.wait_ns(failures, self._random) / 1e9)

    def close(self) -> None:
        """Close the connection, if any."""
        db, self._db = self._db, None
        if db is not None:
            db.close()
