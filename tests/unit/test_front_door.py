import importlib
import re
import subprocess
import sys
import traceback

import pytest
from tests.public import public_packages

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows
from rxdag._other_names import OTHER_NAMES
from rxdag.errors import plain_name
from rxdag.operators import joining


@pytest.mark.parametrize("package", public_packages())
def test_an_unknown_name_of_any_package_is_an_attribute_error(package):
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'pytest_plugins'"):
        getattr(module, "pytest_plugins")


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


def test_looking_up_run_async_loads_only_what_a_run_needs():
    code = """
import sys, rxdag
rxdag.run_async
print(sorted({'rxdag.aggregates', 'rxdag.market', 'rxdag.operators.joining', 'rxdag.spec', 'numpy'} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_run_async_imports_nothing_while_the_loop_runs():
    code = """
import asyncio, sys, rxdag
from rxdag import operators as ops, sinks, sources
run_async = rxdag.run_async
doubled = rxdag.from_source(sources.range(9)).pipe(ops.map(lambda x: 2 * x)).pipe(ops.filter(lambda x: x > 4))

async def main():
    before = set(sys.modules)
    await run_async(doubled.to(sinks.call(lambda x: None)))
    print(sorted(set(sys.modules) - before))

asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", rxdag.__all__)
def test_every_public_name_is_there(name):
    assert getattr(rxdag, name) is not None
    assert name in dir(rxdag)


def test_functions_of_streams_are_no_operators():
    for name in joining.__all__:
        streams = "left, right" if name.startswith("join_") else "a, b"
        with pytest.raises(AttributeError) as caught:
            getattr(ops, name)
        said = f"use rxdag.{name}({streams}), which takes streams and goes into no pipe"
        assert str(caught.value) == f"module 'rxdag.operators' has no attribute '{name}'; {said}"
        assert name not in ops.__all__
        assert getattr(rxdag, name) is getattr(joining, name)


@pytest.mark.parametrize(
    ("room", "name", "hint"),
    [
        (rxdag, "merg", '; did you mean "merge"?'),
        (rxdag, "map", "; use ops.map"),
        (rxdag, "csv", "; use sources.csv or sinks.csv"),
        (rxdag, "ops", "; use from rxdag import operators as ops"),
        (ops, "mapp", '; did you mean "map"?'),
        (ops, "flatMap", '; did you mean "flat_map"?'),
        (ops, "fold", "; use ops.reduce(initial, fn)"),
        (ops, "groupby", "; use ops.key_by(key)"),
        (ops, "group_by", "; use ops.key_by(key)"),
        (ops, "distinct", '; use ops.dedupe(key, within="5s"), or ops.distinct_until_changed()'),
        (ops, "flatten", "; use ops.explode(fn)"),
        (ops, "mean", "; use agg.mean"),
        (ops, "tumbling", "; use windows.tumbling"),
        (agg, "avg", "; use agg.mean(value)"),
        (agg, "ohlcvv", '; did you mean "ohlcv"?'),
        (windows, "tumble", "; use windows.tumbling(size)"),
        (windows, "hopping", "; use windows.sliding(size, slide)"),
        (sources, "websockets", '; did you mean "websocket"?'),
        (sources, "stdout", "; use sinks.stdout"),
        (sinks, "print", "; use sinks.stdout()"),
        (sinks, "batch", "; use sinks.batched(target)"),
        (ops, "xyzzy", ""),
        (ops, "_private", ""),
    ],
)
def test_a_name_that_is_not_there_says_what_is(room, name, hint):
    with pytest.raises(AttributeError) as caught:
        getattr(room, name)
    assert str(caught.value) == f"module '{room.__name__}' has no attribute '{name}'{hint}"
    assert not hasattr(room, name)


@pytest.mark.parametrize("name", ["mapp", "fold"])
def test_python_adds_no_second_guess(name):
    with pytest.raises(AttributeError) as caught:
        getattr(ops, name)
    said = "".join(traceback.format_exception(caught.value)).lower()
    assert said.count("did you mean") + said.count("; use ") == 1


@pytest.mark.parametrize(("room", "names"), OTHER_NAMES.items())
def test_what_other_libraries_call_it_leads_to_what_there_is(room, names):
    rooms = {"ops": ops, "agg": agg, "windows": windows, "sources": sources, "sinks": sinks, "rxdag": rxdag}
    known = {plain_name(name) for name in importlib.import_module(room).__all__}
    for name, hint in names.items():
        assert name == plain_name(name)
        assert name not in known
        for short, used in re.findall(r"\b(ops|agg|windows|sources|sinks|rxdag)\.(\w+)", hint):
            assert used in rooms[short].__all__, hint
