"""Every operator and aggregate has a line in tests/typing that says how it must type."""

import inspect
import re
from pathlib import Path

import pytest

from rxdag import aggregates, market, operators

FOLDER = Path(__file__).parent.parent / "typing"
WRITTEN = "\n".join((FOLDER / name).read_text() for name in ("exact.py", "operators.py"))
PUBLIC = [
    (prefix, name)
    for prefix, module in (("ops|rxdag", operators), ("agg", aggregates), ("market", market))
    for name in module.__all__
    if inspect.isfunction(getattr(module, name)) and not name.startswith(("iso_", "as_", "by_"))
]


@pytest.mark.parametrize(("prefix", "name"), PUBLIC)
def test_a_public_function_has_its_types_asserted(prefix, name):
    assert re.search(rf"\b({prefix})\.{name}\(", WRITTEN), f"tests/typing has no line for {prefix}.{name}"
