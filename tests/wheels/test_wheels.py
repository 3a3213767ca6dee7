"""Both wheels, each in an environment of its own: `make test-wheels` builds them first. Needs the network."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = os.environ.get("RXDAG_WHEELS")
FORMS = ("plain", "compiled")

pytestmark = [
    pytest.mark.skipif(FOLDER is None, reason="installs packages from the network; say make test-wheels"),
    pytest.mark.timeout(600),
]


def wheel(form):
    found = [path for path in (ROOT / FOLDER).glob("*.whl") if path.stem.endswith("-py3-none-any") == (form == "plain")]
    assert len(found) == 1, found
    return found[0]


def run(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RXDAG"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The folder with the programs of each form."""
    folders = {}
    for form in FORMS:
        home = tmp_path_factory.mktemp(form)
        run(sys.executable, "-m", "venv", str(home), cwd=home)
        pip = (str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "-c", str(ROOT / "constraints.txt"), f"{wheel(form)}[cli]", cwd=home)
        folders[form] = home / "bin"
    return folders


def test_the_plain_wheel_holds_nothing_that_was_compiled():
    names = zipfile.ZipFile(wheel("plain")).namelist()
    assert [name for name in names if not name.endswith((".py", "/py.typed")) and ".dist-info/" not in name] == []


def test_the_compiled_wheel_holds_the_sources_too():
    plain, compiled = ({n for n in zipfile.ZipFile(wheel(form)).namelist() if n.endswith(".py")} for form in FORMS)
    assert plain == compiled


@pytest.mark.parametrize("form", FORMS)
def test_it_says_which_form_runs(programs, form, tmp_path):
    said = run(str(programs[form] / "rxdag"), "--version", cwd=tmp_path)
    assert said.startswith(f"rxdag {wheel(form).name.split('-')[1]} ({form}")
    assert "not of these sources" not in said


def test_a_copy_without_git_builds_with_the_fallback_version(tmp_path):
    project = tmp_path / "rxdag"
    project.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project / name)
    shutil.copytree(ROOT / "src", project / "src", ignore=shutil.ignore_patterns("*.so", "*.pyd", "_compiled.*.json"))
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", str(project), cwd=tmp_path)
    fallback = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["version"]["fallback-version"]
    assert [path.name for path in (tmp_path / "dist").iterdir()] == [f"rxdag-{fallback}-py3-none-any.whl"]


@pytest.mark.parametrize("form", FORMS)
def test_no_compiler_comes_with_it(programs, form, tmp_path):
    listed = run(str(programs[form] / "python"), "-m", "pip", "list", "--format=freeze", cwd=tmp_path).split()
    assert {line.split("==")[0] for line in listed} & {"rxdag", "mypy", "hatchling"} == {"rxdag"}


def test_both_write_the_same_bytes(programs, tmp_path):
    written = {}
    for form, folder in programs.items():
        out = tmp_path / form
        run(str(folder / "rxdag"), "demo", "--trades", "20000", "--seed", "7", "--out", str(out), cwd=tmp_path)
        written[form] = {path.name: path.read_bytes() for path in out.iterdir()}
    assert written["plain"] == written["compiled"]
    assert written["plain"]["bars.csv"].count(b"\n") > 100
    assert "late.jsonl" in written["plain"]


def test_both_are_of_the_same_sources(programs, tmp_path):
    code = "import rxdag; print(rxdag.build_info().sources)"
    plain, compiled = (run(str(programs[form] / "python"), "-c", code, cwd=tmp_path) for form in FORMS)
    assert plain == compiled
