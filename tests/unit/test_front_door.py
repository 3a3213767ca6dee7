import subprocess
import sys

import pytest

import rxdag
from rxdag import operators as ops
from rxdag.operators import joining


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


def test_functions_of_streams_are_no_operators():
    for name in joining.__all__:
        streams = "left, right" if name.startswith("join_") else "a, b"
        with pytest.raises(AttributeError) as caught:
            getattr(ops, name)
        said = f"ops.{name}: takes streams and cannot be used in a pipe; use rxdag.{name}({streams})"
        assert str(caught.value) == said
        assert name not in ops.__all__
        assert getattr(rxdag, name) is getattr(joining, name)


def test_another_name_that_is_no_operator_is_an_ordinary_error():
    with pytest.raises(AttributeError, match=r"^module 'rxdag.operators' has no attribute 'mapp'$") as caught:
        ops.mapp
    assert (caught.value.name, caught.value.obj) == ("mapp", ops)


def test_a_misspelt_name_offers_the_nearest():
    with pytest.raises(AttributeError, match="module 'rxdag' has no attribute 'merg'; did you mean \"merge\"?"):
        rxdag.merg
