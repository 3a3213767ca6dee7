"""`.on(name)`: a node runs on one thread, so its inputs must not name several."""

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows
from rxdag.errors import CompileError


def numbers(thread=None):
    stream = rxdag.from_source(sources.range(3)).pipe(ops.event_time(lambda x: x))
    return stream if thread is None else stream.on(thread)


def keyed(thread):
    return rxdag.from_source(sources.range(3)).pipe(ops.event_time(lambda x: x), ops.key_by(lambda x: x)).on(thread)


JOINS = {
    "merge": lambda a, b: rxdag.merge(numbers(a), numbers(b)),
    "merge_sorted": lambda a, b: rxdag.merge_sorted(numbers(a), numbers(b)),
    "concat": lambda a, b: rxdag.concat(numbers(a), numbers(b)),
    "catch": lambda a, b: rxdag.catch(numbers(a), numbers(b)),
    "zip": lambda a, b: rxdag.zip(numbers(a), numbers(b)),
    "combine_latest": lambda a, b: rxdag.combine_latest(numbers(a), numbers(b)),
    "with_latest_from": lambda a, b: rxdag.with_latest_from(numbers(a), numbers(b)),
    "join_asof": lambda a, b: rxdag.join_asof(numbers(a), numbers(b)),
    "join_window": lambda a, b: rxdag.join_window(keyed(a), keyed(b), windows.tumbling("1s")),
    "join_interval": lambda a, b: rxdag.join_interval(keyed(a), keyed(b), lower="-1s", upper="1s"),
    "take_until": lambda a, b: numbers(a).pipe(ops.take_until(numbers(b))),
    "skip_until": lambda a, b: numbers(a).pipe(ops.skip_until(numbers(b))),
}


def compiled(stream):
    return rxdag.compile(rxdag.Dag(stream.to(sinks.null(), name="out")))


@pytest.mark.parametrize(("a", "b"), [("x", "y"), ("x", "main"), ("main", "x")])
@pytest.mark.parametrize("join", JOINS)
def test_inputs_on_several_threads_are_refused(join, a, b):
    with pytest.raises(CompileError) as raised:
        compiled(JOINS[join](a, b))
    assert (
        f'its inputs must be .on(...) the same thread, got "{a}", "{b}"; '
        "use the same name for each, or put .on(...) after it" in str(raised.value)
    )


def test_each_name_is_said_once_and_the_node_by_its_name():
    merged = rxdag.merge(*(numbers(thread) for thread in ("x", "y", "x", "z"))).named("meet")
    with pytest.raises(CompileError, match='node "meet": its inputs .* got "x", "y", "z";'):
        compiled(merged)


@pytest.mark.parametrize("join", JOINS)
def test_inputs_on_one_thread_are_taken(join):
    plan = compiled(JOINS[join]("x", "x"))
    assert plan.domains["out"] == "thread x"


def test_one_input_that_names_a_thread_says_it_for_all():
    plan = compiled(rxdag.merge(numbers("x"), numbers()))
    assert plan.domains["merge"] == "thread x"


def test_what_came_over_several_threads_meets_on_the_main_one():
    a, b = (numbers(thread).pipe(ops.map(lambda x: x)) for thread in "xy")
    plan = compiled(rxdag.merge(a, b))
    assert plan.domains["merge"] == "main"
    out = rxdag.merge(a, b).pipe(ops.sum(lambda x: x), ops.last()).to(sinks.collect(), name="out")
    assert rxdag.run(out)["out"] == [6]


def test_a_thread_of_its_own_is_named_behind_the_node_where_inputs_meet():
    merged = rxdag.merge(numbers(), numbers()).on("z").pipe(ops.window_all(windows.tumbling("1s"), agg.count()))
    plan = compiled(merged)
    assert plan.domains["window_all"] == "thread z"
