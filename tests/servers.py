"""Real servers, started by the tests on free ports, and gone behind them."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


def binary(*names: str, package: str = "postgresql") -> str:
    """The path of a program of a Debian package; without it the test is skipped, and in CI fails."""
    for name in names:
        for found in (shutil.which(name), *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)):
            if found:
                return str(found)
    missing = f"{names[0]} is not installed (Debian: apt-get install {package})"
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


class Postgresql:
    """A PostgreSQL server of its own, with an empty database at `address`, on a port that it keeps."""

    def __init__(self, folder: str) -> None:
        self._folder, self._data, self._port = folder, f"{folder}/data", free_port()
        self._initdb, self._pg_ctl = binary("initdb"), binary("pg_ctl")
        self.address = f"postgresql://rxdag@127.0.0.1:{self._port}/postgres"
        self._run(self._initdb, "-U", "rxdag", "--auth=trust", "--no-sync")
        self.start()

    def _run(self, program: str, *args: str) -> None:
        said: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": self._folder}
        subprocess.run([program, "-D", self._data, *args], **said | as_user())

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run(self._pg_ctl, "-o", options, "-l", f"{self._folder}/log", "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: at once as a crash does ("immediate"), or in order ("fast")."""
        self._run(self._pg_ctl, "-m", mode, "stop")


@contextlib.contextmanager
def postgresql_server() -> Iterator[Postgresql]:
    """A PostgreSQL server of its own, which can be stopped and started."""
    binary("initdb")
    folder = tempfile.mkdtemp(prefix="rxdag-pg-")
    if os.getuid() == 0:
        os.chown(folder, as_user()["user"], as_user()["group"])
    try:
        server = Postgresql(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of its own, with an empty database; gives its address."""
    with postgresql_server() as server:
        yield server.address


class Prometheus:
    """A Prometheus server; `query` asks it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, query: str) -> list[tuple[dict[str, str], float]]:
        """The elements of an instant query: labels and value."""
        data = urllib.parse.urlencode({"query": query}).encode()
        with urllib.request.urlopen(f"{self.url}/api/v1/query", data, timeout=30) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return [(each["metric"], float(each["value"][1])) for each in found["data"]["result"]]

    def wait_for(self, query: str, holds: Callable[[float], bool], timeout_s: float = 60) -> float:
        """The value of a query of one element, as soon as it is as it should be."""
        end = time.monotonic() + timeout_s
        seen: list[tuple[dict[str, str], float]] = []
        while time.monotonic() < end:
            seen = self.query(query)
            if len(seen) == 1 and holds(seen[0][1]):
                return seen[0][1]
            time.sleep(0.2)
        raise AssertionError(f"{query}: {seen}")


@contextlib.contextmanager
def prometheus(target: int, rules: str | None = None) -> Iterator[Prometheus]:
    """A Prometheus server of its own, which scrapes a port every 200 ms as a pod of the namespace "default"."""
    program = binary("prometheus", package="prometheus")
    folder = Path(tempfile.mkdtemp(prefix="rxdag-prometheus-"))
    port = free_port()
    config: dict[str, Any] = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "1s"},
        "scrape_configs": [
            {
                "job_name": "rxdag",
                "static_configs": [{"targets": [f"127.0.0.1:{target}"], "labels": {"namespace": "default"}}],
            }
        ],
    }
    if rules is not None:
        (folder / "rules.yaml").write_text(rules)
        config["rule_files"] = [str(folder / "rules.yaml")]
    (folder / "prometheus.json").write_text(json.dumps(config))  # which is YAML
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            program,
            f"--config.file={folder}/prometheus.json",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    try:
        end = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, "it does not start"
                time.sleep(0.1)
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
