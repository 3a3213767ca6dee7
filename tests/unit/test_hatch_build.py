"""What the build compiles, and what it says where it cannot."""

import importlib.util
import sys
import sysconfig
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="hatchling is not installed; it comes with make setup")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def build():
    """A copy of the module of its own, as hatchling loads it."""
    spec = importlib.util.spec_from_file_location("hatch_build_of_a_test", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(build, tmp_path):
    """Another source tree."""
    build.SRC = tmp_path
    build.PACKAGE = tmp_path / "rxdag"
    for name in (
        "engine/__init__",
        "engine/_node",
        "engine/drivers/_thread",
        "contract/_time",
        "contract/_kernel",
        "errors",
        "spec/_dump",
    ):
        path = build.PACKAGE / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return build.PACKAGE


def test_patterns_leave_out_what_stays_plain_and_every_init(build, project):
    settings = build.Settings(("rxdag/engine/**/*.py", "rxdag/err*.py"), ("rxdag/engine/drivers/**/*.py",), ())
    assert settings.files() == ["rxdag/engine/_node.py", "rxdag/errors.py"]


def test_a_package_that_is_not_there_yet_is_no_mistake(build, project):
    assert build.Settings(("rxdag/nowhere/**/*.py",), (), ()).files() == []


def test_the_record_holds_what_compiled_modules_import(build, project):
    (project / "engine" / "_node.py").write_text(
        "import sys\nfrom typing import TYPE_CHECKING\nfrom rxdag.contract import MAX\nif TYPE_CHECKING:\n    import rxdag.errors\n"
    )
    assert build.files_behind(["rxdag/engine/_node.py"]) == [
        "rxdag/contract/_kernel.py",
        "rxdag/contract/_time.py",
        "rxdag/engine/_node.py",
        "rxdag/errors.py",
    ]


def test_the_hook_is_off_unless_it_is_asked_for(build, project, monkeypatch, tmp_path):
    monkeypatch.delenv("RXDAG_COMPILE", raising=False)
    hook = build.CompileHook(
        str(tmp_path), {"modules": [], "plain": [], "requires": ["mypy"]}, None, None, str(tmp_path), "wheel"
    )
    data = {"pure_python": True, "infer_tag": False, "force_include": {}}
    hook.initialize("standard", data)
    hook.finalize("standard", data, "")
    assert hook.dependencies() == []
    assert data == {"pure_python": True, "infer_tag": False, "force_include": {}}


def test_a_missing_compiler_gets_a_line(build, project, monkeypatch):
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: "no-such-cc -pthread" if name == "CC" else None)
    with pytest.raises(SystemExit) as failed:
        build.compile_into(project, ["rxdag/engine/_node.py"])
    assert str(failed.value) == "compile: no-such-cc is missing; install a C compiler (Debian: apt-get install gcc)"


def test_missing_headers_get_a_line(build, project, monkeypatch):
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: sys.executable if name == "CC" else None)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: "/nowhere")
    with pytest.raises(SystemExit) as failed:
        build.compile_into(project, ["rxdag/engine/_node.py"])
    assert str(failed.value) == (
        "compile: /nowhere/Python.h is missing; install Python's headers (Debian: apt-get install python3-dev)"
    )


def test_a_failed_build_leaves_what_was_compiled_before(build, project, monkeypatch):
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    before = project / "engine" / f"_node{suffix}"
    before.write_text("")

    def fail(*_):
        raise SystemExit("no")

    build.compile_into = fail
    with pytest.raises(SystemExit):
        build.compile_in_place()
    assert before.exists()


def test_a_build_in_place_replaces_all_that_was_there(build, project, monkeypatch):
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    (project / "engine" / f"_gone{suffix}").write_text("")

    def fake(target, files):
        assert files == ["rxdag/aggregates/accumulators/_bar.py"]
        (target / "rxdag" / "engine").mkdir(parents=True)
        (target / "rxdag" / "engine" / f"_node{suffix}").write_text("new")

    build.compile_into = fake
    build.Settings.load = classmethod(lambda cls: cls(("rxdag/aggregates/accumulators/_bar.py",), (), ()))
    (project / "aggregates" / "accumulators").mkdir(parents=True)
    (project / "aggregates" / "accumulators" / "_bar.py").write_text("")
    build.compile_in_place()
    assert sorted(path.name for path in project.rglob(f"*{suffix}")) == [f"_node{suffix}"]
