"""Errors: every one survives pickle, and none is lost because a text cannot be made."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import threading

import pytest

import rxdag
from rxdag import errors


def error_classes():
    """Every class of the library that can be raised, private ones too."""
    found = {}
    for module in pkgutil.walk_packages(rxdag.__path__, "rxdag."):
        if module.name.endswith("__main__"):
            continue
        for thing in vars(importlib.import_module(module.name)).values():
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
