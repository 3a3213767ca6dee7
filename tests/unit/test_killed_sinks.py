"""Sinks whose process is killed by SIGKILL, at named points and at lines of their modules, leave what others leave."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")


@pytest.mark.parametrize(
    "kind",
    [
        "csv",
        "jsonl",
        "gz",
        "sqlite",
        "upsert",
        "parquet",
        "parquets",
        "arrow files",
        "size",
        "checkpoint",
        "divided",
        "divided parquet",
        "postgres",
        "postgres upsert",
    ],
)
def test_a_sink_that_is_killed_and_continued_leaves_the_same_and_nothing_else(tmp_path, kind, request, monkeypatch):
    if "postgres" in kind:
        monkeypatch.setenv("DATABASE", request.getfixturevalue("dsn"))
    # numpy has threads of its own; the children call nothing that waits for those.
    quiet = "ignore:This process:DeprecationWarning"
    command = [sys.executable, "-W", quiet, "-m", "tests.unit.killed_sinks", kind, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    *differences, killed = done.stdout.splitlines()
    assert differences == []
    assert int(killed.split()[0]) >= 36
