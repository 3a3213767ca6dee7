"""What tests share: the folder of real data, and nothing left running behind a test."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.servers import Postgresql

ROOT = Path(__file__).parent.parent

# No example is timed: how long one takes depends on what else the machine does.
hypothesis.settings.register_profile("untimed", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_configure() -> None:
    """What a shell starts in the background ignores Ctrl-C; tests and the programs that they start do not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make quick` leaves out."""
    slow = set((ROOT / "tests" / "slow.txt").read_text().split())
    for item in items:
        name = item.nodeid.partition("[")[0]
        if name in slow or name.partition("::")[0] in slow:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real market data; `RXDAG_DATA` names another."""
    folder = Path(os.environ.get("RXDAG_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set RXDAG_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """A PostgreSQL server, which tests may stop and start."""
    from tests.servers import postgresql_server  # not on Windows

    with postgresql_server() as server:
        yield server


@pytest.fixture
def dsn(postgresql: Postgresql) -> Iterator[str]:
    """The address of an empty database of the server."""
    from tests.postgres import database

    with database(postgresql.address) as address:
        yield address


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every thread of rxdag that a test started has ended with it."""
    before = set(threading.enumerate())
    yield
    left = [t for t in threading.enumerate() if t not in before and t.name.startswith("rxdag")]
    for thread in left:
        thread.join(5)
    assert not [t.name for t in left if t.is_alive()]
