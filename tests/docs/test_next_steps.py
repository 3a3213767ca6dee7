"""Every command that the demo suggests is valid where the demo ran."""

import shlex
import shutil
import subprocess
import sys

import pytest

from rxdag.cli._next_steps import next_steps
from tests.docs.pages import ROOT, Code
from tests.docs.test_commands import problems


def commands(text):
    return [line.partition("  # ")[0].strip() for line in text.partition("try next:\n")[2].splitlines()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


@pytest.fixture(scope="module")
def suggested(checkout):
    demo = [sys.executable, "-m", "rxdag.cli", "demo", "--trades", "500"]
    done = subprocess.run(demo, cwd=checkout, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return commands(done.stdout)


def test_the_demo_ends_with_commands_that_exist(suggested):
    program = f"{sys.executable} -m rxdag.cli"
    own = [command.replace(program, "rxdag") for command in suggested if command.startswith(program)]
    assert [shlex.split(command)[1] for command in own] == ["demo", "explain", "graph", "run", "top", "nodes"]
    assert [problem for command in own for problem in problems(Code(command, "demo"))] == []
    others = [command.split()[0] for command in suggested if command not in own and not command.startswith(program)]
    assert others in (["python3"], ["python3", "jupyter"])


@pytest.mark.parametrize("name", ["explain", "graph", "nodes"])
def test_a_suggested_command_runs_as_it_is_pasted(suggested, checkout, name):
    (command,) = [each for each in suggested if f"rxdag.cli {name}" in each]
    done = subprocess.run(command, shell=True, cwd=checkout, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_suggested_run_is_that_of_the_spec(suggested, checkout):
    (command,) = [each for each in suggested if "rxdag.cli run" in each]
    at_once = command.replace("trades.speed=1", "trades.trades=500").replace("9464", "0")
    done = subprocess.run(at_once, shell=True, cwd=checkout, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_chart_is_opened_by_its_address(suggested, checkout):
    (command,) = [each for each in suggested if "webbrowser" in each]
    assert command == f"python3 -m webbrowser {(checkout / 'out' / 'bars.html').as_uri()}"
    assert (checkout / "out" / "bars.html").exists()


def test_elsewhere_no_file_is_suggested_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert commands(next_steps(None, called="no/rxdag")) == ["no/rxdag demo --data trades.csv.gz", "no/rxdag nodes"]


def test_a_notebook_is_suggested_where_there_is_one_and_jupyter(tmp_path, monkeypatch):
    jupyter = tmp_path / "jupyter"
    jupyter.write_text("#!/bin/sh\n")
    jupyter.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert "jupyter" not in next_steps(None, called="no/rxdag")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "first.ipynb").write_text("{}")
    assert commands(next_steps(None, called="no/rxdag"))[1] == "jupyter lab examples/first.ipynb"


def test_a_program_in_the_path_is_called_by_its_name(tmp_path, monkeypatch):
    program = tmp_path / "rxdag"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert commands(next_steps(None, called=str(program)))[1] == "rxdag nodes"
