import subprocess
import sys

import pytest

import rxdag


def test_import_loads_nothing_heavy():
    code = "import sys, rxdag; print(sorted({'reactivex', 'numpy', 'typer', 'rich', 'prometheus_client', 'mmh3', 'asyncio'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_defining_a_graph_loads_no_reactivex_and_no_numpy():
    code = """
import sys, rxdag
from rxdag import graph, contract, errors, expressions
assert not {'reactivex', 'numpy', 'threading'} & (set(sys.modules) - before), sys.modules
"""
    code = "import sys; before = set(sys.modules)\n" + code
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", rxdag.__all__)
def test_every_public_name_is_there(name):
    assert getattr(rxdag, name) is not None
    assert name in dir(rxdag)


def test_a_misspelt_name_offers_the_nearest():
    with pytest.raises(AttributeError, match="module 'rxdag' has no attribute 'merg'; did you mean \"merge\"?"):
        rxdag.merg
