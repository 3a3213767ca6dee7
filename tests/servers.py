"""Real servers, started by the tests on free ports, and gone behind them."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def binary(*names: str) -> str:
    """The path of a program; without it the test is skipped, and in CI fails."""
    for name in names:
        for found in (shutil.which(name), *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)):
            if found:
                return str(found)
    missing = f"{names[0]} is not installed (Debian: apt-get install postgresql)"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def as_user() -> dict[str, Any]:
    """How to start a program that refuses to be run by root."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of its own, with an empty database; gives its address."""
    initdb, pg_ctl = binary("initdb"), binary("pg_ctl")
    folder = tempfile.mkdtemp(prefix="rxdag-pg-")
    if os.getuid() == 0:
        os.chown(folder, as_user()["user"], as_user()["group"])
    data, port = f"{folder}/data", free_port()
    said: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder} | as_user()
    try:
        subprocess.run([initdb, "-D", data, "-U", "rxdag", "--auth=trust", "--no-sync"], **said)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        subprocess.run([pg_ctl, "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start"], **said)
        try:
            yield f"postgresql://rxdag@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([pg_ctl, "-D", data, "-m", "immediate", "stop"], **said)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
