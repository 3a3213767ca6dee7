"""Which form runs, and that a compiled module which is not of its source is noticed."""

import hashlib
import importlib.machinery
import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import rxdag
from rxdag._build_info import read_build

ROOT = Path(__file__).parents[2]
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
TAG = sys.implementation.cache_tag


@pytest.fixture
def home(tmp_path):
    """A package of two modules, in the plain form."""
    folder = tmp_path / "src" / "rxdag"
    (folder / "engine").mkdir(parents=True)
    (folder / "engine" / "_node.py").write_text("x = 1\n")
    (folder / "_other.py").write_text("y = 1\n")
    return folder


def compiled(home, *modules, others=()):
    """Put in what compiling those modules leaves."""
    for module in modules:
        (home / f"{module}{SUFFIX}").write_text("")
    (home / f"_native__mypyc{SUFFIX}").write_text("")
    files = [f"rxdag/{module}.py" for module in (*modules, *others)]
    record = {
        "modules": [f"rxdag.{module.replace('/', '.')}" for module in modules],
        "sources": {file: hashlib.sha256((home.parent / file).read_bytes()).hexdigest() for file in files},
    }
    (home / f"_compiled.{TAG}.json").write_text(json.dumps(record))


def python(*args, home):
    return subprocess.run(
        [sys.executable, *args], cwd=home.parents[1], env={"PYTHONPATH": str(home.parent)},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def test_a_package_without_extensions_is_plain(home):
    info = read_build(home, "1.2.3")
    assert (info.form, info.compiled, info.changed) == ("plain", (), ())
    assert str(info) == f"rxdag 1.2.3 (plain, {info.python})"


def test_compiled_modules_are_listed_without_the_library_they_share(home):
    compiled(home, "engine/_node")
    info = read_build(home, "1.2.3")
    assert (info.form, info.compiled, info.changed) == ("compiled", ("rxdag.engine._node",), ())
    assert str(info) == f"rxdag 1.2.3 (compiled: 1 modules, {info.python})"


def test_modules_compiled_for_another_python_do_not_count(home):
    (home / "engine" / "_node.cpython-27-x86_64-linux-gnu.so").write_text("")
    assert read_build(home, "1").form == "plain"


@pytest.mark.parametrize("file", ["rxdag/engine/_node.py", "rxdag/_other.py"])
def test_a_source_that_was_edited_since_is_told(home, file):
    compiled(home, "engine/_node", others=["_other"])
    (home.parent / file).write_text("x = 2\n")
    info = read_build(home, "1.2.3")
    assert info.changed == (file,)
    assert str(info) == f"rxdag 1.2.3 (compiled: 1 modules, not of these sources, {info.python})"


def test_a_source_that_is_gone_is_told(home):
    compiled(home, "engine/_node")
    (home / "engine" / "_node.py").unlink()
    assert read_build(home, "1").changed == ("rxdag/engine/_node.py",)


def test_a_compiled_module_without_a_record_is_told(home):
    (home / "engine" / f"_node{SUFFIX}").write_text("")
    assert read_build(home, "1").changed == ("rxdag/engine/_node.py",)


def test_a_record_without_its_compiled_module_is_told(home):
    compiled(home, "engine/_node", "_other")
    (home / f"_other{SUFFIX}").unlink()
    assert read_build(home, "1").changed == ("rxdag/_other.py",)


def test_both_forms_of_the_same_sources_have_the_same_hash_and_an_edit_another(home):
    plain = read_build(home, "1").sources
    compiled(home, "engine/_node")
    assert read_build(home, "1").sources == plain
    (home / "_other.py").write_text("y = 2\n")
    assert read_build(home, "1").sources != plain


def test_the_hash_tells_the_names_of_files_too(home):
    before = read_build(home, "1").sources
    (home / "_other.py").rename(home / "_another.py")
    assert read_build(home, "1").sources != before


def test_what_is_tested_here_is_of_its_sources():
    info = rxdag.build_info()
    assert info.changed == ()
    assert info.version == rxdag.__version__
    assert info.form == ("compiled" if (ROOT / "src" / "rxdag" / f"_compiled.{TAG}.json").exists() else "plain")


def test_the_version_is_that_of_the_installed_package():
    assert rxdag.__version__ == metadata.version("rxdag")


def test_sources_that_are_not_installed_have_an_unknown_version(home):
    for name in ("__init__.py", "_build_info.py"):
        shutil.copy(ROOT / "src" / "rxdag" / name, home / name)
    done = python("-S", "-c", "import rxdag; print(rxdag.__version__, rxdag.build_info().version)", home=home)
    assert (done.stdout, done.stderr) == ("0+unknown 0+unknown\n", "")


def test_a_build_without_a_tag_is_at_or_after_the_newest_release_of_the_changelog():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    fallback = project["tool"]["hatch"]["version"]["fallback-version"]
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "docs" / "changelog.md").read_text(), re.M)[1]
    assert re.fullmatch(r"\d+\.\d+\.\d+\.dev0", fallback)
    assert [int(part) for part in fallback.split(".")[:3]] >= [int(part) for part in newest.split(".")]


class TestAStaleCheckout:
    """A small copy of rxdag, compiled in place, one of whose sources was edited afterwards."""

    @pytest.fixture
    def stale(self, home):
        for name in ("__init__.py", "_build_info.py"):
            shutil.copy(ROOT / "src" / "rxdag" / name, home / name)
        for name in ("hatch_build.py", "conftest.py"):
            shutil.copy(ROOT / name, home.parents[1] / name)
        compiled(home, "engine/_node")
        (home / "engine" / "_node.py").write_text("x = 2\n")
        return home

    def test_import_warns_with_the_file_and_the_fix(self, stale):
        done = python("-c", "import rxdag", home=stale)
        assert done.returncode == 0
        assert done.stderr.splitlines()[0] == (
            "<string>:1: RuntimeWarning: rxdag: rxdag/engine/_node.py differ from what was compiled, and the compiled modules "
            "run; run `make compiled` again, or `make plain`"
        )

    def test_import_is_silent_when_compiled_again(self, stale):
        compiled(stale, "engine/_node")
        assert python("-W", "error", "-c", "import rxdag", home=stale).returncode == 0

    def test_import_of_an_installed_package_does_not_look(self, stale):
        (stale.parents[1] / "hatch_build.py").unlink()
        assert python("-W", "error", "-c", "import rxdag", home=stale).returncode == 0

    def test_pytest_refuses_to_run(self, stale):
        (stale.parents[1] / "test_it.py").write_text("def test_it(): pass\n")
        done = python("-m", "pytest", "-q", "test_it.py", home=stale)
        assert done.returncode == 4
        assert "rxdag/engine/_node.py: not what was compiled" in done.stderr
        assert "`make compiled`" in done.stderr
        assert "`make plain`" in done.stderr
        assert "1 passed" not in done.stdout

    def test_pytest_runs_when_compiled_again(self, stale):
        compiled(stale, "engine/_node")
        (stale.parents[1] / "test_it.py").write_text("def test_it(): pass\n")
        done = python("-m", "pytest", "test_it.py", home=stale)
        assert done.returncode == 0, done.stdout + done.stderr
        assert str(read_build(stale, rxdag.__version__)) in done.stdout
