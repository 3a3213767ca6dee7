"""The reference is what the operators do and say; `make reference` writes it."""

import inspect
import re
import xml.etree.ElementTree as ET

import pytest

import rxdag
from rxdag import aggregates, market, operators, windows
from rxdag.operators import joining
from tests.public import exported, public_packages
from tests.reference.pages import FOLDER, PICTURE, pages
from tests.reference.picture import picture
from tests.reference.specs import DIAGRAMS, FAMILIES

# The oldest typer that is allowed, with the newest click, uses what click is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")


@pytest.fixture(scope="module")
def made():
    return pages()


@pytest.mark.skipif(rxdag.build_info().form == "compiled", reason="compiled classes have no docstrings")
def test_the_reference_is_what_is_made_of_the_operators_now(made):
    assert {path.name for path in FOLDER.glob("*.md")} == {path.name for path in made}
    for path, text in made.items():
        assert path.read_text() == text, f"{path.name} is out of date: make reference"


def test_the_picture_of_the_readme_is_that_of_a_run_now():
    def texts(svg):  # where they stand is for the layout, which differs between versions of igraph
        return sorted(element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))

    assert texts(PICTURE.read_text()) == texts(picture()), "docs/bars.svg is out of date: make reference"


def described(text, names):
    """Return the names that have a section of their own, or a row of a table."""
    return {name for name in names if re.search(rf"^## ([\w.]+\.)?{name}\b", text, re.M) or f"| `{name}` |" in text}


VALUES = {"col", "element"}
"""With which expressions.md begins."""


def test_every_public_name_is_on_a_page(made):
    text = "\n".join(made.values())
    packages = {name for name in rxdag.__all__ if inspect.ismodule(getattr(rxdag, name))}
    assert set(rxdag.__all__) - packages - described(text, rxdag.__all__) == VALUES


@pytest.mark.parametrize("package", sorted(name for name in rxdag.__all__ if inspect.ismodule(getattr(rxdag, name))))
def test_every_name_of_a_public_package_is_on_a_page(made, package):
    text = "\n".join(made.values())
    names = getattr(rxdag, package).__all__
    assert set(names) - described(text, names) - VALUES == set()


def test_every_public_operator_is_on_a_page_and_every_diagram_is_used():
    listed = {name for _, _, names in FAMILIES.values() for name in names}
    homes = (operators, joining)
    public = {name for home in homes for name in home.__all__ if inspect.isfunction(getattr(home, name))}
    assert public <= listed
    helpers = {"as_bar", "by_venue", "iso_utc"}
    assert {name for name in market.__all__ if inspect.isfunction(getattr(market, name))} - helpers <= listed
    assert set(DIAGRAMS) <= listed


def test_every_aggregate_and_assigner_is_on_its_page(made):
    text = made[FOLDER / "aggregates.md"]
    for prefix, module in (("agg", aggregates), ("windows", windows)):
        for name in module.__all__:
            if inspect.isfunction(getattr(module, name)):
                assert f"## {prefix}.{name}\n" in text


WITHOUT = ("rxdag.adapters.market_data", "rxdag.cli")
"""Their functions need a service, another package or a terminal."""


@pytest.mark.skipif(rxdag.build_info().form == "compiled", reason="compiled classes have no docstrings")
def test_every_public_function_has_an_example():
    bare = {
        f"{package}.{name}"
        for package in public_packages()
        if package not in WITHOUT
        for name, thing in exported(package).items()
        if inspect.isfunction(thing) and "Example:" not in (thing.__doc__ or "")
    }
    assert bare == {
        "rxdag.adapters.service",  # needs a service of market-data-pipeline
        "rxdag.testing.strategies.dags",  # whose user is `testing.explore`
    }
