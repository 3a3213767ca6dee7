"""What is public: every package says it, and what users read names nothing else."""

import collections
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.public import INTERNAL, PUBLIC, exported, packages, public_packages, said_of

import rxdag

ROOT = Path(__file__).parent.parent.parent
READ = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").iterdir()])
NAMED = re.compile(r"\b(?:from|import) (rxdag(?:\.\w+)*)|\b(rxdag(?:\.[a-z]\w*)+)|\[(rxdag(?:\.\w+)*)\]")


@pytest.mark.parametrize("name", packages())
def test_every_package_says_whether_it_is_public(name):
    assert said_of(name) in (PUBLIC, INTERNAL)


@pytest.mark.parametrize("name", public_packages())
def test_a_public_package_is_not_in_an_internal_one(name):
    parent = name.rpartition(".")[0]
    assert not parent or said_of(parent) == PUBLIC


@pytest.mark.parametrize("name", [name for name in public_packages() if name.count(".") < 2])
def test_a_public_package_is_there_once_rxdag_is_imported(name):
    code = f"import rxdag; {name}.__all__"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("path", READ, ids=lambda path: path.name)
def test_what_users_read_names_no_internal_package(path):
    internal = {name for name in packages() if said_of(name) == INTERNAL}
    loggers = r"\| `rxdag\.\w+` \| (INFO|WARNING|ERROR) \|"
    text = re.sub(rf"`?Internal: .*|{loggers}", "", path.read_text())
    found = {re.match(r"rxdag(\.[a-z]\w*)*", "".join(match))[0] for match in NAMED.findall(text)}
    assert not {name for name in found if any(name == each or name.startswith(f"{each}.") for each in internal)}


def test_a_type_has_one_meaning_in_all_public_packages():
    found = collections.defaultdict(set)
    for package in public_packages():
        for name, thing in exported(package).items():
            if not name[0].islower():
                found[name].add(id(thing))
    assert [name for name, things in found.items() if len(things) > 1] == []


def test_a_class_of_contract_shares_its_name_with_no_other_class():
    homes = collections.defaultdict(set)
    for path in (ROOT / "src").rglob("*.py"):
        for name in re.findall(r"^class ([A-Z]\w+)", path.read_text(), re.M):
            homes[name].add(path.parent.name)
    assert {name: found for name, found in homes.items() if "contract" in found and len(found) > 1} == {}


def test_what_a_run_tells_of_itself_is_exported_by_rxdag():
    for owner in (rxdag.RunStats, rxdag.RuntimeSettings, rxdag.RuntimeStatus):
        for text in owner.__annotations__.values():
            for name in re.findall(r"\b[A-Z]\w+(?:Stats|Settings|Status)\b", str(text)):
                assert name in rxdag.__all__, f"{owner.__name__} has {name}"


@pytest.mark.skipif(rxdag.build_info().form == "compiled", reason="compiled classes have no docstrings at run time")
def test_every_public_name_has_a_docstring():
    bare = [
        f"{package}.{name}"
        for package in public_packages()
        for name, thing in exported(package).items()
        if (inspect.isclass(thing) or inspect.isfunction(thing))
        and str(thing.__module__).startswith("rxdag")
        and not inspect.getdoc(thing)
    ]
    assert bare == []


def test_the_page_lists_every_public_package():
    text = (ROOT / "docs" / "reference" / "public.md").read_text()
    assert re.findall(r"^\| `(rxdag[\w.]*)` \|", text, re.M) == public_packages()
