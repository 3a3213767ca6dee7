"""The support policy says what pyproject.toml, the tests and the security policy say."""

import re
import tomllib

import pytest

from tests.docs.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TEXT = (ROOT / "docs" / "support.md").read_text()
NOT_FOR_USERS = {"test", "docs", "dev", "siblings"}


def rows():
    """The rows that the table of dependencies should have."""
    extras = {name: each for name, each in PROJECT["optional-dependencies"].items() if name not in NOT_FOR_USERS}
    for name, requirements in {"": PROJECT["dependencies"], **extras}.items():
        for text in requirements:
            if not text.startswith("rxdag["):
                package, least, _, below = re.fullmatch(r"([\w.-]+)>=([\d.]+)(,<([\d.]+))?(?:; .*)?", text).groups()
                versions = f"{least}, below {below}" if below else least
                yield f"| `{package}` | {versions} | {f'extra `{name}`' if name else 'always'} |"


def test_the_table_of_dependencies_is_that_of_the_project():
    assert re.findall(r"^\| `.*$", TEXT, re.M) == list(rows())


def test_the_versions_of_python_are_those_of_the_project():
    prefix = "Programming Language :: Python :: "
    versions = [each.removeprefix(prefix) for each in PROJECT["classifiers"] if re.fullmatch(prefix + r"3\.\d+", each)]
    assert f"supports Python {', '.join(versions[:-1])} and {versions[-1]}." in TEXT
    assert PROJECT["requires-python"] == f">={versions[0]}"
    others = re.search(r"foreach v,([\d. ]+),\.ci", (ROOT / "Makefile").read_text())[1].split()
    assert versions[1:] == others


@pytest.mark.parametrize("line", ["The latest minor", "You get an answer within a"])
def test_security_fixes_are_promised_alike_in_both_places(line):
    assert line in TEXT
    assert line in (ROOT / ".github" / "SECURITY.md").read_text()


def test_the_policy_is_linked_from_the_first_pages():
    assert "(docs/support.md)" in (ROOT / "README.md").read_text()
    assert "(support.md)" in (ROOT / "docs" / "index.md").read_text()
