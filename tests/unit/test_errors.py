"""Errors: every one survives pickle, and none is lost because a text cannot be made."""

from __future__ import annotations

import ast
import importlib
import pathlib
import pickle
import pkgutil
import threading
import warnings

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import errors, sinks, sources, windows
from rxdag import operators as ops
from rxdag.errors import shown, text_of, trace_of


def error_classes():
    """Every class of the library that can be raised, private ones too."""
    found = {}
    for module in pkgutil.walk_packages(rxdag.__path__, "rxdag."):
        if module.name.endswith("__main__"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of old libraries that import what is newer
            members = vars(importlib.import_module(module.name))
        for thing in members.values():
            if isinstance(thing, type) and issubclass(thing, BaseException) and thing.__module__.startswith("rxdag"):
                found[f"{thing.__module__}.{thing.__qualname__}"] = thing
    return found


CLASSES = error_classes()
ARGUMENTS = {
    "NodeError": lambda cls: cls("said", node="clean", item={"price": 1}),
    "Terminated": lambda cls: cls({"bars": 7}),
    "RowFailed": lambda cls: cls(3, ValueError("cut")),
    "WriteFailed": lambda cls: cls(3, ValueError("cut")),
    "Enough": lambda cls: cls(3),
    "_Answer": lambda cls: cls(500, "said", "text/plain"),
    "_BadRow": lambda cls: cls("said", ["1", "x"]),
    "SavedError": lambda cls: cls("ValueError", "said"),
}


def test_all_error_classes_are_found():
    names = {cls.__name__ for cls in CLASSES.values()}
    assert set(errors.__all__) <= names
    assert {"BadItem", "CircuitOpen", "LawBroken", "VirtualDeadlockError", "InjectedFault"} <= names
    assert set(ARGUMENTS) <= names


def parts(error):
    """What an error says, with errors inside as texts, since they have no equality."""
    return {name: repr(value) for name, value in vars(error).items()}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_survives_pickle(name):
    cls = CLASSES[name]
    error = ARGUMENTS.get(cls.__name__, lambda cls: cls("said"))(cls)
    error.add_note("then: this")
    got = pickle.loads(pickle.dumps(error))
    assert type(got) is cls
    assert str(got) == str(error)
    assert repr(got) == repr(error)
    assert parts(got) == parts(error)
    assert got.__notes__ == ["then: this"]


class Wanting(Exception):
    """Cannot be unpickled: its constructor wants what pickle does not give."""

    def __init__(self, *, code):
        super().__init__(f"code {code}")


def failed(error, item):
    made = rxdag.NodeError("said", node="clean", item=item)
    made.__cause__ = error
    return made


def test_causes_of_causes_survive_pickle():
    cause = ValueError("middle")
    cause.__cause__ = KeyError("root")
    got = pickle.loads(pickle.dumps(failed(cause, 1)))
    assert [repr(got.__cause__), repr(got.__cause__.__cause__)] == ["ValueError('middle')", "KeyError('root')"]
    assert got.__cause__.__cause__.__cause__ is None


def test_an_item_that_cannot_be_pickled_arrives_as_its_text():
    lock = threading.Lock()
    got = pickle.loads(pickle.dumps(failed(None, lock)))
    assert (str(got), got.node, got.item) == ("said", "clean", repr(lock))


@pytest.mark.parametrize("cause", [Wanting(code=5), ValueError(threading.Lock())])
def test_a_cause_that_cannot_be_pickled_arrives_as_its_text(cause):
    cause.__cause__ = KeyError("root")
    got = pickle.loads(pickle.dumps(failed(cause, 1)))
    assert type(got.__cause__) is rxdag.RxDagError
    assert str(got.__cause__) == f"{type(cause).__name__}: {cause}"
    assert repr(got.__cause__.__cause__) == "KeyError('root')"


class Fatal(BaseException):
    """An error outside of Exception, as some libraries raise."""


class Unpicklable(Exception):
    """Raises when it is pickled."""

    def __reduce__(self):
        raise Fatal("no pickle")


def test_a_part_that_raises_anything_while_it_is_pickled_arrives_as_its_text():
    got = pickle.loads(pickle.dumps(failed(Unpicklable("cause"), Unpicklable("item"))))
    assert (str(got.__cause__), got.item) == ("Unpicklable: cause", "Unpicklable('item')")


class Secretive(Exception):
    """Refuses to tell its cause."""

    @property
    def __cause__(self):
        raise ValueError("none of your business")


def test_an_error_that_does_not_tell_its_cause_survives_pickle():
    got = pickle.loads(pickle.dumps(failed(Secretive("shy"), 1)))
    assert (str(got), type(got.__cause__), str(got.__cause__)) == ("said", Secretive, "shy")


def test_a_class_that_the_other_process_does_not_know_arrives_as_text(monkeypatch):
    local = type("Local", (ValueError,), {"__module__": __name__})
    monkeypatch.setitem(globals(), "Local", local)
    sent = pickle.dumps(failed(local("gone"), local("item")))
    monkeypatch.delitem(globals(), "Local")
    got = pickle.loads(sent)
    assert (str(got.__cause__), got.item) == ("Local: gone", "Local('item')")


def test_causes_that_go_round_end():
    first, second = rxdag.RxDagError("first"), rxdag.RxDagError("second")
    first.__cause__, second.__cause__ = second, first
    got = pickle.loads(pickle.dumps(first))
    assert (str(got), str(got.__cause__), got.__cause__.__cause__) == ("first", "second", None)


def test_an_own_error_with_a_constructor_of_its_own_survives_pickle():
    got = pickle.loads(pickle.dumps(Own(3)))
    assert (type(got), str(got), got.n) == (Own, "n is 3", 3)


class Own(rxdag.GraphError):
    def __init__(self, n):
        super().__init__(f"n is {n}")
        self.n = n


def test_the_exit_code_of_terminated_survives_pickle():
    got = pickle.loads(pickle.dumps(rxdag.Terminated(None)))
    assert (got.code, got.result) == (143, None)


# ---- texts of foreign objects


class Mute(Exception):
    """Its text cannot be made."""

    def __str__(self):
        return self.args[5]


class Panic(BaseException):
    """As libraries of other languages raise it."""


class Shy:
    """An item that shows nothing of itself."""

    def __init__(self, error=ValueError):
        self._error = error

    def __repr__(self):
        raise self._error("no")


class Odd(Exception):
    """Its text is no text."""

    def __str__(self):
        return 5


class Noted(Mute):
    """Not even its notes can be read."""

    @property
    def __notes__(self):
        raise ValueError("no")


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (1.5, "1.5"),
        (Shy(), "a Shy whose repr raises ValueError"),
        (Shy(Panic), "a Shy whose repr raises Panic"),
        ([Shy()], "a list whose repr raises ValueError"),
        ("x" * 400, "'" + "x" * 296 + "..."),
    ],
)
def test_the_text_of_an_item_is_always_made(item, text):
    assert shown(item) == text


def test_the_text_of_an_item_is_as_long_as_told():
    assert shown("x" * 400, most=10) == "'xxxxxx..."
    assert shown("x" * 8, most=10) == "'xxxxxxxx'"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("cut"), "cut"),
        (ValueError(), ""),
        (Mute(), "an error whose text raises IndexError"),
        (Odd(), "an error whose text raises TypeError"),
        (ValueError(Shy(Panic)), "an error whose text raises Panic"),
        (ValueError("x" * 20_000), "x" * 9_997 + "..."),
    ],
)
def test_the_text_of_an_error_is_always_made(error, text):
    assert text_of(error) == text


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_goes_through(stop):
    with pytest.raises(stop):
        shown(Shy(stop))
    with pytest.raises(stop):
        text_of(ValueError(Shy(stop)))


def test_a_traceback_is_always_made():
    with pytest.raises(Mute) as caught:
        raises_mute(1)
    assert "in raises_mute" in trace_of(caught.value)
    assert "Noted" in trace_of(Noted())


def raises_mute(item):
    raise Mute()


async def awaits_mute(item):
    raise Mute()


def mute_source():
    yield 1
    raise Mute()


async def mute_feed():
    yield 1
    raise Mute()


class MuteAccumulator(rxdag.Accumulator):
    def add(self, item, ts, sequence):
        raise Mute()

    def result(self):
        return None


def numbers():
    return rxdag.from_source(sources.range(3), name="numbers")


def timed():
    return numbers().pipe(ops.event_time(lambda x: x, unit="s"))


FAILING = {
    "map": lambda: numbers().pipe(ops.map(raises_mute), name="bad").to(sinks.null()),
    "filter": lambda: numbers().pipe(ops.filter(raises_mute), name="bad").to(sinks.null()),
    "tap": lambda: numbers().pipe(ops.tap(raises_mute), name="bad").to(sinks.null()),
    "key_by": lambda: numbers().pipe(ops.key_by(raises_mute), name="bad").to(sinks.null()),
    "event_time": lambda: numbers().pipe(ops.event_time(raises_mute), name="bad").to(sinks.null()),
    "into": lambda: (
        timed().pipe(ops.window_all(windows.tumbling("1s"), agg.count(), into=raises_mute), name="bad").to(sinks.null())
    ),
    "map_async": lambda: numbers().pipe(ops.map_async(awaits_mute), name="bad").to(sinks.null()),
    "flat_map": lambda: numbers().pipe(ops.flat_map(raises_mute), name="bad").to(sinks.null()),
    "call": lambda: numbers().to(sinks.call(raises_mute), name="bad"),
    "acall": lambda: numbers().to(sinks.acall(awaits_mute), name="bad"),
    "iterable": lambda: rxdag.from_source(sources.iterable(mute_source()), name="bad").to(sinks.null()),
    "async_iterable": lambda: rxdag.from_source(sources.async_iterable(mute_feed), name="bad").to(sinks.null()),
}


@pytest.mark.parametrize("name", sorted(FAILING))
def test_a_node_whose_error_has_no_text_is_named(name):
    with pytest.raises(rxdag.NodeError) as caught:
        rxdag.run(FAILING[name]())
    error = caught.value
    assert (error.node, type(error.__cause__)) == ("bad", Mute)
    assert "an error whose text raises IndexError" in str(error)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_dead_letter_whose_error_has_no_text_is_written(form, tmp_path):
    path = tmp_path / f"dead.{form}"
    bad = numbers().pipe(ops.map(raises_mute), name="bad", on_error=rxdag.on_error.dead)
    seen = bad.dead.to(sinks.collect(), name="seen")
    result = rxdag.run(bad.to(sinks.null()), bad.dead.to(getattr(sinks, form)(path)), seen)
    assert [letter.item for letter in result[seen]] == [0, 1, 2]
    assert all("Mute" in letter.traceback for letter in result[seen])
    assert path.read_text().count("Mute: an error whose text raises IndexError") == 3


def test_books_balance_where_an_error_has_no_text():
    run = rxdag.start(numbers().pipe(ops.map(raises_mute), name="bad").to(sinks.null()))
    with pytest.raises(rxdag.NodeError):
        run.wait(10)
    assert run.result.problems == ()
    assert run.result.stats.nodes["bad"].failed == 1
    assert 'error: node "bad" failed on 0: Mute: an error whose text raises IndexError' in str(run.result)


async def test_a_runtime_tells_of_an_error_without_a_text():
    async with rxdag.PipelineRuntime() as runtime:
        runtime.add_pipeline("mute", Pipeline(), restart="never")
        with pytest.raises(rxdag.RxDagError, match="mute: an error whose text raises IndexError"):
            await runtime.run_until_complete()
        assert "an error whose text raises IndexError" in str(runtime.status())


class Pipeline:
    async def run(self):
        raise Mute()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ops.take(Shy()),
        lambda: ops.map(Shy()),
        lambda: ops.throttle_first(Shy()),
        lambda: sinks.call(Shy()),
        lambda: sources.iterable(Shy()),
        lambda: windows.count(Shy()),
        lambda: rxdag.from_source(Shy()),
        lambda: rxdag.run(Shy()),
        lambda: numbers().to(Shy()),
        lambda: numbers().pipe(Shy()),
        lambda: rxdag.merge(numbers(), Shy()),
        lambda: rxdag.wrap(Shy()),
        lambda: numbers().buffered(max_items=Shy()),
    ],
)
def test_an_argument_without_a_text_is_refused_as_any_other(wrong):
    with pytest.raises(rxdag.GraphError, match="Shy whose repr raises ValueError"):
        wrong()


def test_a_dag_with_a_value_that_shows_nothing_is_described():
    dag = rxdag.Dag(numbers().pipe(ops.start_with(Shy())).to(sinks.null()))
    assert "repr raises ValueError" in dag.describe()


def test_messages_make_no_text_of_foreign_objects_unguarded():
    texts_of_our_own = {"cli/_app.py", "testing/_play.py", "contract/_line_file.py", "__init__.py"}
    root = pathlib.Path(rxdag.__file__).parent
    unguarded = [
        f"{path.relative_to(root)}:{value.lineno}"
        for path in sorted(root.rglob("*.py"))
        if str(path.relative_to(root)) not in texts_of_our_own
        for raised in ast.walk(ast.parse(path.read_text()))
        if isinstance(raised, ast.Raise)
        for value in ast.walk(raised)
        if isinstance(value, ast.FormattedValue) and value.conversion == ord("r")
    ]
    assert unguarded == []
