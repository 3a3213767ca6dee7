from itertools import pairwise

import pytest

import rxdag
from rxdag import GraphError, sinks, sources
from rxdag import operators as ops


def problems(builder):
    with pytest.raises(GraphError) as caught:
        builder.build()
    return str(caught.value)


def test_a_dag_by_names_runs_like_one_by_pipes():
    d = rxdag.DagBuilder("x")
    d.node("numbers", sources.range(6)).node("split", ops.route({"even": lambda x: x % 2 == 0}, default="odd"))
    d.node("even", sinks.collect()).node("odd", sinks.collect())
    d.edge("numbers", "split").edge("split", "even", port="even").edge("split", "odd", port="odd")
    result = rxdag.run(d.build())
    assert (result["even"], result["odd"]) == ([0, 2, 4], [1, 3, 5])


def test_all_problems_come_at_once_each_naming_its_nodes():
    d = rxdag.DagBuilder("x")
    d.node("a", sources.range(3)).node("b", ops.map(lambda x: x)).node("b", ops.take(1)).node("lonely", ops.take(1))
    d.node("what", 3)
    d.edge("a", "b").edge("a", "b").edge("a", "out").edge("b", "a")
    text = problems(d)
    for expected in (
        'dag "x"',
        'node "b" is defined twice',
        'node "what" must be a source, an operator or a sink, got 3',
        'node "out" is not known',
        'edge "a" -> "b" is given twice',
        'source "a" takes no input, got 1',
        '"lonely" takes exactly one input, got 0',
        '"lonely" must lead to a sink, got no outgoing edge',
        "must have no cycle, got",
    ):
        assert expected in text


def test_a_cycle_is_shown_with_its_path():
    d = rxdag.DagBuilder("x")
    for name in "abc":
        d.node(name, ops.map(lambda x: x))
    d.edge("a", "b").edge("b", "c").edge("c", "a")
    text = problems(d)
    path = text.split("must have no cycle, got ")[1].split("; ")[0].split(" -> ")
    assert path[0] == path[-1]
    assert set(path) == {"a", "b", "c"}
    for producer, consumer in pairwise(path):
        assert (producer, consumer) in {("a", "b"), ("b", "c"), ("c", "a")}


def test_an_empty_dag_and_one_without_a_sink_are_errors():
    assert "must have a node, got none" in problems(rxdag.DagBuilder("x"))
    assert '"a" must lead to a sink' in problems(rxdag.DagBuilder("x").node("a", sources.range(1)))


def test_an_unknown_port_or_a_misfit_is_an_error_of_the_dag():
    d = rxdag.DagBuilder("x").node("a", sources.range(1)).node("b", sinks.null()).edge("a", "b", port="late")
    assert 'has no port "late"' in problems(d)


def test_a_near_name_is_offered():
    d = rxdag.DagBuilder("x").node("dedupe", sources.range(1)).node("b", sinks.null()).edge("dedup", "b")
    assert 'node "dedup" is not known; did you mean "dedupe"?' in problems(d)


def test_a_merge_takes_its_inputs_in_order():
    merge = rxdag.merge(rxdag.from_source(sources.range(1))).node.thing
    d = rxdag.DagBuilder("x").node("a", sources.range(2)).node("b", ops.map(lambda x: -x - 1)).node("m", merge)
    d.node("out", sinks.collect())
    d.edge("a", "b").edge("a", "m", input="1").edge("b", "m", input="0").edge("m", "out")
    assert rxdag.run(d.build())["out"] in ([-1, 0, -2, 1], [0, -1, 1, -2])
    bad = rxdag.DagBuilder("x").node("a", sources.range(2)).node("m", merge).node("out", sinks.collect())
    bad.edge("a", "m", input="7").edge("m", "out")
    assert '"m": inputs must be 0 to 0, each once, got 7' in problems(bad)
