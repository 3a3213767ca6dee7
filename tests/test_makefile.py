"""What the Makefile says to people without the right Python."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def make(tmp_path, *args, python=None):
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    if python is not None:
        fake = tmp_path / "fake-python"
        fake.write_text(python)
        fake.chmod(0o755)
        args = (*args, f"PYTHON={fake}")
    env = {**os.environ, "MAKEFLAGS": ""}
    return subprocess.run(
        ["make", "--no-print-directory", *args], cwd=tmp_path, capture_output=True, text=True, env=env, timeout=60
    )


def test_make_alone_lists_the_targets(tmp_path):
    out = make(tmp_path).stdout
    for target in ("setup", "demo", "test", "check", "floor", "stress"):
        assert f"make {target}" in out


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        (
            '#!/bin/sh\ncase "$*" in *version_info*) exit 1;; *) echo Python 3.8.0;; esac\n',
            "python3 must be 3.11 or newer, got Python 3.8.0",
        ),
        (
            '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; *) exit 0;; esac\n',
            "python3 lacks its venv module; install it (Debian: apt-get install python3-venv)",
        ),
    ],
)
def test_an_old_python_or_one_without_venv_gets_a_line(tmp_path, python, expected):
    done = make(tmp_path, "setup", python=python)
    assert done.returncode != 0
    assert expected in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_missing_python_gets_a_line(tmp_path):
    done = make(tmp_path, "setup", "PYTHON=no-such-python")
    assert "python3 is missing; install Python 3.11 or newer" in done.stdout
