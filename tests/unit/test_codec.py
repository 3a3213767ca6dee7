"""State as bytes: each value returns equal and of the same type, and what cannot be saved is named."""

import dataclasses
import enum
import math
import random
import struct
import sys
import types
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rxdag
from rxdag import aggregates as agg
from rxdag.codec import Codec
from rxdag.contract import Pane
from rxdag.errors import StateError


class Side(enum.Enum):
    BUY = "b"
    SELL = "s"
    ALSO_BUY = BUY


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Flags(enum.Flag):
    A = 1
    B = 2


class Trade(msgspec.Struct, frozen=True):
    ts: int
    side: Side
    price: Any = None


class Keyword(msgspec.Struct, kw_only=True):
    a: int
    b: Any = 2


class Doubling(msgspec.Struct):
    n: Any

    def __post_init__(self):
        self.n = self.n * 2


class Loose(msgspec.Struct, dict=True):
    n: Any


class Empty(msgspec.Struct): ...


class Quote(NamedTuple):
    bid: Any
    ask: Any = None


class RichQuote(Quote):
    """A NamedTuple that can have attributes."""


@dataclasses.dataclass
class Counted:
    n: Any
    seen: Any = dataclasses.field(default_factory=list)
    total: Any = dataclasses.field(init=False, default=0)

    def __post_init__(self):
        self.total = 7


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: Any
    y: Any


class Slotted:
    __slots__ = ("__hidden", "left")

    def __init__(self):
        self.__hidden = 3


@dataclasses.dataclass
class Mixed(Slotted):
    n: Any

    def __post_init__(self):
        super().__init__()


@dataclasses.dataclass
class NotOnlyFields(dict):
    n: int


class Lambdas:
    pass


def same(a, b):
    """Equal in value and type, all the way down; NaN is itself, and -0.0 is not 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, enum.Enum):
        return a is b
    if isinstance(a, dict):
        if isinstance(a, defaultdict) and a.default_factory is not b.default_factory:
            return False
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    if isinstance(a, set | frozenset):
        return len(a) == len(b) and all(any(same(x, y) for y in b) for x in a)
    if isinstance(a, deque) and a.maxlen != b.maxlen:
        return False
    if isinstance(a, list | tuple | deque):
        are_alike = len(a) == len(b) and all(map(same, a, b))
        return are_alike and (type(a) is not RichQuote or same(attributes(a), attributes(b)))
    if isinstance(a, msgspec.Struct) or dataclasses.is_dataclass(a):
        return same(attributes(a), attributes(b))
    if isinstance(a, datetime | time):
        return (a, a.fold, str(a.tzinfo), a.tzname()) == (b, b.fold, str(b.tzinfo), b.tzname())
    return repr(a) == repr(b)


def attributes(value):
    names = [*getattr(value, "__struct_fields__", ())]
    names += [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    found = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return {**found, **getattr(value, "__dict__", {})}


def round_trip(value, codec=Codec()):
    return codec.decode(codec.encode(value))


# ---- every type

ANY_TEXT = st.text(st.characters(), max_size=5)  # lone surrogates too
ZONES = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=-3, seconds=1)), timezone(timedelta(0), "X")]
) | st.sampled_from(["Europe/Berlin", "America/St_Johns"]).map(zoneinfo.ZoneInfo)
HASHABLE_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(1 << 70), 1 << 70),
    st.sampled_from([-(1 << 63), -(1 << 63) - 1, (1 << 64) - 1, 1 << 64]),
    st.floats(allow_nan=False),
    ANY_TEXT,
    st.binary(max_size=5),
    st.complex_numbers(allow_nan=False),
    st.datetimes(timezones=ZONES, allow_imaginary=True),
    st.dates(),
    st.times(timezones=st.sampled_from([None, UTC])),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.sampled_from([Side.BUY, Side.ALSO_BUY, Level.HIGH, Flags.A, Flags.A | Flags.B, Flags(0), msgspec.UNSET]),
    st.builds(range, st.integers(), st.integers(), st.integers(1, 9)),
    st.sampled_from(
        [
            np.int32(3),
            np.float64(1.5),
            np.str_("a\0"),
            np.bytes_(b"a\0"),
            np.bool_(True),
            np.datetime64("2024-01-01", "D"),
        ]
    ),
)
LEAVES = st.one_of(
    HASHABLE_LEAVES,
    st.floats(),
    st.decimals(),
    st.binary(max_size=3).map(bytearray),
    st.sampled_from(
        [
            np.arange(6).reshape(2, 3),
            np.array(["2024-01-01", "NaT"], "M8[ns]"),
            np.array([(1, (2.0, 3.0))], dtype=[("a", ">i4"), ("b", "<f8", (2,))]),
            np.zeros(0, np.bool_),
            np.array(5.0),
            np.datetime64("NaT", "ns"),
        ]
    ),
)
HASHABLE = st.recursive(
    HASHABLE_LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Quote, inner, inner),
        st.builds(Point, inner, inner),
    ),
    max_leaves=4,
)


def loose(n, other):
    made = Loose(n)
    made.other = other
    return made


def rich(bid, other):
    made = RichQuote(bid)
    made.other = other
    return made


def containers(inner):
    dicts = st.dictionaries(HASHABLE, inner, max_size=6)
    return st.one_of(
        st.lists(inner, max_size=6),
        st.lists(inner, max_size=6).map(tuple),
        st.builds(lambda values, most: deque(values, most), st.lists(inner, max_size=6), st.sampled_from([None, 2, 9])),
        dicts,
        dicts.map(OrderedDict),
        dicts.map(Counter),
        st.builds(defaultdict, st.sampled_from([None, int, list, dict]), dicts),
        st.frozensets(HASHABLE, max_size=6).map(set),
        st.builds(Trade, inner, st.sampled_from(Side), inner),
        st.builds(Keyword, a=inner, b=inner),
        st.builds(Quote, inner, inner),
        st.builds(Counted, inner, inner),
        st.builds(Point, inner, inner),
        st.builds(Mixed, inner),
        st.builds(loose, inner, inner),
        st.builds(rich, inner, inner),
        # alike, and so in columns
        st.lists(st.tuples(inner, HASHABLE), min_size=4, max_size=6),
        st.lists(st.lists(inner, max_size=3), min_size=4, max_size=6),
        st.lists(st.builds(Trade, inner, st.sampled_from(Side)), min_size=4, max_size=6),
        st.lists(st.builds(Counted, inner), min_size=4, max_size=6),
        st.lists(st.builds(Point, inner, inner), min_size=4, max_size=6),
        st.lists(st.builds(Quote, inner, inner), min_size=4, max_size=6),
        st.lists(st.fixed_dictionaries({"a": inner, "b": inner}), min_size=4, max_size=6),
    )


VALUES = st.recursive(LEAVES, containers, max_leaves=12)


@settings(max_examples=400, deadline=None)
@given(value=VALUES)
def test_any_value_returns_equal_and_of_the_same_type(value):
    assert same(round_trip(value), value)


@settings(max_examples=200, deadline=None)
@given(leaf=HASHABLE_LEAVES, n=st.integers(4, 9))
def test_a_column_of_any_one_type_returns_as_it_was(leaf, n):
    for values in ([leaf] * n, [(leaf, i) for i in range(n)], [[leaf, [leaf] * (i % 3)] for i in range(n)]):
        assert same(round_trip(values), values)
    assert same(round_trip({(leaf, i): leaf for i in range(n)}), {(leaf, i): leaf for i in range(n)})


@settings(max_examples=200, deadline=None)
@given(value=VALUES, data=st.data())
def test_damaged_bytes_are_a_state_error_or_another_value_and_never_anything_else(value, data):
    whole = bytearray(Codec().encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    for damaged in (whole, whole[: data.draw(st.integers(0, len(whole)))]):
        try:
            Codec().decode(damaged)
        except StateError:
            continue


def test_encoding_is_the_same_bytes_for_equal_data():
    state = {"rows": [["a", 1], ["b", 2]], "wake": 5}
    assert Codec().encode(state) == Codec().encode({"rows": [["a", 1], ["b", 2]], "wake": 5})
    assert Codec().encode(state) != Codec().encode({"wake": 5, "rows": [["a", 1], ["b", 2]]})


def test_a_heap_stays_a_heap():
    import heapq

    heap = []
    for n in (5, 1, 4, 2, 3, 9, 0):
        heapq.heappush(heap, (n, -n, ("a", n)))
    back = round_trip(heap)
    assert back == heap
    assert [heapq.heappop(back)[0] for _ in range(7)] == [0, 1, 2, 3, 4, 5, 9]


def test_a_nan_keeps_its_bits():
    odd = struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf8\xff")[0]
    assert struct.pack("<d", round_trip([odd])[0]) == b"\x01\x00\x00\x00\x00\x00\xf8\xff"


def test_a_large_int_needs_time_that_grows_with_its_size():
    assert round_trip(7**20_000) == 7**20_000  # Python refuses to write it in digits


def python_calls(fn):
    """How often code in Python was called, of rxdag's and of classes."""
    n = 0

    def count(frame, event, arg):
        nonlocal n
        n += event == "call"

    sys.setprofile(count)
    try:
        fn()
    finally:
        sys.setprofile(None)
    return n


@pytest.mark.parametrize(
    "rows",
    [
        [[f"key {i}", i] for i in range(5_000)],
        [[(i, f"key {i}"), 1.5, [i] * (i % 3)] for i in range(5_000)],
        [[i, [["a", [1.0, 2.0, i]]]] for i in range(5_000)],
        [Trade(i, Side.BUY, 1.5) for i in range(5_000)],
        [Quote(1.0, i) for i in range(5_000)],
    ],
    ids=["rows", "tuples in rows", "rows in rows", "Structs", "NamedTuples"],
)
def test_a_long_list_of_what_is_alike_costs_no_call_for_each(rows):
    codec = Codec()
    data = codec.encode(rows)
    assert codec.decode(data) == rows
    alike = 5_000 if isinstance(rows[0], Trade) else 0  # an enum is asked for its name
    assert python_calls(lambda: codec.encode(rows)) < 200 + alike
    assert python_calls(lambda: codec.decode(data)) < 200 + alike


# ---- references


def test_an_object_that_occurs_twice_returns_as_two_equal_ones():
    shared = [1]
    back = round_trip([shared, shared])
    assert back == [[1], [1]]
    assert back[0] is not back[1]


def test_an_object_that_contains_itself_is_refused():
    inner: list = [1]
    inner.append({"again": inner})
    with pytest.raises(StateError, match=r"^state\['x'\]\[1\]\['again'\]: must not contain itself, got \[1, "):
        Codec().encode({"x": inner})


def test_what_is_nested_too_deep_is_refused():
    deep: Any = 0
    for _ in range(5_000):
        deep = (deep,)
    with pytest.raises(StateError, match="^kept: must be nested at most a few hundred levels deep"):
        Codec().encode(deep, where="kept")
    with pytest.raises(StateError, match="^state: must be complete, got damaged bytes: RecursionError"):
        Codec().decode(b"\x02\x92\x80" + b"\x91" * 100_000)


# ---- records


def test_a_record_returns_as_it_was_though_its_init_changes_what_it_is_given():
    doubling = Doubling(4)
    assert doubling.n == 8
    assert round_trip([doubling] * 5) == [doubling] * 5
    assert round_trip(doubling).n == 8
    counted = Counted(1)
    counted.total = 99
    assert round_trip(counted).total == 99


def test_an_attribute_that_is_no_field_is_kept():
    counted = Counted(5)
    counted.extra = (6,)
    back = round_trip([loose(1, 2), rich(3, 4), counted])
    assert (back[0].other, back[1].other, back[2].extra) == (2, 4, (6,))


def test_a_field_without_a_value_stays_without():
    mixed = Mixed(1)
    back = round_trip([mixed] * 4)[0]
    assert back._Slotted__hidden == 3
    assert not hasattr(back, "left")


def known(**fields):
    """A module's class `Row`, as a version of a program has it."""
    return msgspec.defstruct("Row", list(fields.items()), module="a_program")


def test_a_new_field_takes_its_default_and_a_lost_one_is_dropped():
    old = msgspec.defstruct("Row", [("a", int), ("b", int)], module="a_program")
    new = msgspec.defstruct("Row", [("b", int), ("c", int, 5)], module="a_program")
    data = Codec([old]).encode([[old(1, 2)], [old(i, i) for i in range(5)]])
    assert Codec([new]).decode(data) == [[new(2, 5)], [new(i, 5) for i in range(5)]]
    first = dataclasses.make_dataclass("Row", ["a", "b"])
    second = dataclasses.make_dataclass("Row", ["b", ("c", list, dataclasses.field(default_factory=list))])
    first.__module__ = second.__module__ = "a_program"
    (back,) = Codec([second]).decode(Codec([first]).encode([first(1, 2)]))
    assert (back.b, back.c) == (2, [])
    pair, triple = (NamedTuple("Row", [(name, int) for name in names]) for names in ("ab", "abc"))
    pair.__module__ = triple.__module__ = "a_program"
    with pytest.raises(StateError, match="^state: must have the field 'c' of Row, got none; give the field a default"):
        Codec([triple]).decode(Codec([pair]).encode(pair(1, 2)))
    with pytest.raises(StateError, match="^state: must fit Row: .*; give new fields a default"):
        Codec([known(a=int, b=int, c=int)]).decode(data)


CHANGED = [
    (int, float, [1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0]),
    (int, int | None, [1, 2, 3, 4], [1, 2, 3, 4]),
    (list[int], tuple[float, ...], [[1]] * 4, [(1.0,)] * 4),
    (str, Any, ["a"] * 4, ["a"] * 4),
    (datetime, datetime | None, [datetime(2026, 1, 1, tzinfo=UTC)] * 4, [datetime(2026, 1, 1, tzinfo=UTC)] * 4),
]


@pytest.mark.parametrize(("was", "now", "saved", "back"), CHANGED, ids=[str(now) for _, now, *_ in CHANGED])
@pytest.mark.parametrize("n", [1, 4])
def test_values_of_a_field_become_those_of_its_new_type(was, now, saved, back, n):
    old, new = known(a=int, x=was), known(x=now)
    found = Codec([new]).decode(Codec([old]).encode([old(0, x) for x in saved[:n]]))
    assert [(type(row.x), row.x) for row in found] == [(type(x), x) for x in back[:n]]


@pytest.mark.parametrize(
    ("was", "now", "value", "message"),
    [
        (int, str, 7, "Row.x must be str, got a saved int; undo the change from int"),
        (str, int, "7", "Row.x must be int, got a saved str; undo the change from str"),
        (str, bytes, "abcd", "Row.x must be bytes, got a saved str; undo the change from str"),
        (str, datetime, "2026-01-01", "Row.x must be datetime.datetime, got a saved str; undo the change from str"),
        (
            list[int],
            list[str],
            [1],
            r"Row.x\[0\] must be list\[str\], got a saved int; undo the change from list\[int\]",
        ),
    ],
)
@pytest.mark.parametrize("n", [1, 4])
def test_a_field_whose_new_type_does_not_take_its_values_is_an_error(was, now, value, message, n):
    old, new = known(x=was), known(x=now)
    data = Codec([old]).encode([old(value)] * n)
    with pytest.raises(StateError, match=f"^once: {message}$"):
        Codec([new]).decode(data, where="once")


def test_a_field_of_the_same_type_keeps_values_of_another():
    old = known(x=float)
    assert repr(Codec([old]).decode(Codec([old]).encode([old(1)] * 4))) == repr([old(1)] * 4)


def test_the_type_of_a_field_that_cannot_be_resolved_must_stay():
    old, new = known(x="Unknown"), known(x="Other")
    data = Codec([old]).encode(old(1))
    assert Codec([old]).decode(data) == old(1)
    with pytest.raises(
        StateError, match=r"^state: Row.x must be Unknown, as when it was saved, got Other; undo that change$"
    ):
        Codec([new]).decode(data)


def test_names_of_rxdags_own_records_do_not_depend_on_private_modules():
    pane = Pane("AAPL", 0, 10, 0, agg.Ohlcv(1.0, 2.0, 0.5, 1.5, 10, None, 3), "watermark")
    data = Codec().encode([pane])
    assert b"rxdag.contract:Pane" in data
    assert b"rxdag.aggregates:Ohlcv" in data
    assert b"._" not in data
    assert round_trip([pane] * 6) == [pane] * 6


# ---- what is known of classes


def test_a_local_class_is_refused_unless_it_is_given():
    class Local(NamedTuple):
        n: int

    name = r"test_codec:test_a_local_class_is_refused_unless_it_is_given.<locals>.Local"
    with pytest.raises(
        StateError,
        match=rf"^state\[0\]: must be of a class that can be imported by name, got an instance of .*{name}; move",
    ):
        Codec().encode([Local(1)])
    assert round_trip([Local(1)], Codec([Local])) == [Local(1)]


def test_a_class_that_is_not_known_is_an_error_and_no_import():
    codec = Codec()
    module = types.ModuleType("a_module_of_this_test")
    sys.modules[module.__name__] = module
    module.Gone = NamedTuple("Gone", [("n", int)])
    module.Gone.__module__ = module.__name__
    data = codec.encode(module.Gone(1))
    del sys.modules[module.__name__]
    with pytest.raises(StateError, match="^state: must name known enums and records, got 'a_module_of_this_test:Gone'"):
        Codec().decode(data)
    assert module.__name__ not in sys.modules


@pytest.mark.parametrize(
    "name", ["os:system", "subprocess:Popen", "builtins:dict", "test_codec:Lambdas", "this:x", ":", "os:"]
)
def test_a_name_in_the_bytes_finds_enums_and_records_only(name):
    before = set(sys.modules)
    for code, payload in ((40, [name, {}, {}]), (41, [name, "A"]), (66, [name, ["a"], [[1]]]), (68, [name, ["A"]])):
        data = msgspec.msgpack.encode(msgspec.msgpack.Ext(code, msgspec.msgpack.encode(payload)))
        with pytest.raises(StateError, match="^state: must name known enums and records"):
            Codec().decode(b"\x02\x92\x80" + data)
    assert set(sys.modules) == before


def test_no_class_but_those_given_is_known_if_imported_is_false():
    codec = Codec([Trade, Side], imported=False)
    assert round_trip([Trade(1, Side.BUY)], codec) == [Trade(1, Side.BUY)]
    with pytest.raises(
        StateError, match=r"^state: must be of a class that can be imported by name, got an instance of .*:Point"
    ):
        codec.encode(Point(1, 2))
    with pytest.raises(StateError, match="^state: must name known enums and records, got '.*:Point'; import"):
        codec.decode(Codec().encode(Point(1, 2)))


def test_types_must_be_enums_or_records():
    with pytest.raises(
        StateError, match="^types: must be enums, Structs, dataclasses or NamedTuples, got <class .*Lambdas"
    ):
        Codec([Lambdas])


# ---- what cannot be saved


class Refused(Exception):
    """An exception with parts of its own, and a constructor that must not be called again."""

    def __init__(self, code, *, given=None):
        super().__init__(f"refused: {code}")
        self.code, self.given = code, given


class Made(Exception):
    def __new__(cls, *args):
        return super().__new__(cls, *args)


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (ValueError("no"), {}),
        (KeyError("\udcff", 1 << 70), {}),
        (OSError(2, "no such file"), {}),
        (UnicodeDecodeError("utf-8", b"a", 0, 1, "bad"), {}),
        (Refused(7), {"code": 7, "given": None}),
        (rxdag.NodeError("node: no", node="node", item=(1, "a")), {"node": "node", "item": (1, "a")}),
        (ExceptionGroup("both", [ValueError("a"), KeyError("b")]), {}),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_error_of_a_known_class_returns_as_itself(error, attributes):
    back = round_trip(rxdag.DeadLetter("node", 1, error, 1, "")).error
    assert (type(back), str(back), repr(back.args), vars(back)) == (
        type(error),
        str(error),
        repr(error.args),
        attributes,
    )


@pytest.mark.parametrize(
    ("error", "kind", "text", "kinds"),
    [
        (
            rxdag.NodeError("node: no", node="node", item=len),
            "NodeError",
            "NodeError: node: no",
            ("rxdag.errors.NodeError", "rxdag.errors.RxDagError", "builtins.Exception"),
        ),
        (rxdag.SavedError("X", "no", ["a.X"]), "X", "X: no", ("a.X",)),
        (ValueError(len), "ValueError", f"ValueError: {len}", ("builtins.ValueError", "builtins.Exception")),
        (Made("no"), "Made", "Made: no", (f"{__name__}.Made", "builtins.Exception")),
    ],
    ids=["NodeError", "SavedError", "ValueError", "Made"],
)
def test_an_error_that_cannot_be_rebuilt_returns_as_its_text_and_the_names_of_its_classes(error, kind, text, kinds):
    back = round_trip(rxdag.DeadLetter("node", 1, error, 1, "")).error
    assert (type(back), back.kind, str(back), back.kinds) == (rxdag.SavedError, kind, text, kinds)


def test_an_error_of_a_class_that_is_not_known_any_more_returns_as_its_text():
    module = types.ModuleType("errors_of_this_test")
    sys.modules[module.__name__] = module
    module.Gone = type("Gone", (ValueError,), {"__module__": module.__name__})
    data = Codec().encode(module.Gone("no"))
    del sys.modules[module.__name__]
    back = Codec().decode(data)
    assert (type(back), back.kinds[:2]) == (rxdag.SavedError, ("errors_of_this_test.Gone", "builtins.ValueError"))


def test_an_error_returns_with_its_causes():
    error = rxdag.NodeError("node: no", node="node", item=len)
    error.__cause__ = ValueError("no")
    error.__cause__.__cause__ = error
    assert repr(round_trip(error).__cause__) == "ValueError('no')"


def test_a_class_of_errors_in_the_bytes_is_never_another_class():
    for name in ("builtins:dict", "os:system", "builtins:KeyboardInterrupt", "subprocess:Popen"):
        payload = [[["a.X"], ["X", "no"], name, [[1], {}]]]
        data = msgspec.msgpack.encode(msgspec.msgpack.Ext(44, msgspec.msgpack.encode(payload)))
        assert type(Codec().decode(b"\x02\x92\x80" + data)) is rxdag.SavedError


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"seen": {(1, object): 2}},
            r"a key of state\['seen'\]\[1\]: must be plain data to be saved, got <class 'object'>; keep it on the "
            r"operator, "
            r"and only its data in the state",
        ),
        (
            {"f": [1, len]},
            r"state\['f'\]\[1\]: must be plain data to be saved, got <built-in function len>; keep it on",
        ),
        ([Lambdas()], r"state\[0\]: must be plain data .*; make Lambdas a dataclass, a NamedTuple or a msgspec.Struct"),
        (
            [Trade(1, Side.BUY, iter([]))],
            r"state\[0\].price: must be plain data .*; leave it out, and create it again in restore",
        ),
        (
            [Counted(KeyboardInterrupt())],
            r"state\[0\].n: must be plain data to be saved, got KeyboardInterrupt\(\); save its text",
        ),
        (NotOnlyFields(1), r"state: must be plain data to be saved, got .*; save it as a dict"),
        (
            {frozenset([len]): 1},
            r"a member of a key of state: must be plain data to be saved, got <built-in function len>",
        ),
        (defaultdict(lambda: 1), r"state: a defaultdict must have a builtin type as its factory, got <function"),
        (np.array([object()]), r"state: an array must hold no Python objects, got dtype object; save its \.tolist\(\)"),
        (np.ma.array([1]), r"state: an array must be a plain numpy.ndarray, got MaskedArray"),
        (
            deque([Lambdas]),
            r"state\[0\]: must be plain data to be saved, got <class '.*Lambdas'>; keep it on the operator",
        ),
    ],
)
def test_what_cannot_be_saved_is_named_with_its_place_and_a_fix(value, message):
    with pytest.raises(StateError, match=f"^{message}"):
        Codec().encode(value)


def test_a_value_whose_repr_fails_is_named_all_the_same():
    class Shy:
        def __repr__(self):
            raise RuntimeError("no")

    with pytest.raises(
        StateError, match="^state: must be plain data to be saved, got a Shy whose repr raises RuntimeError; make"
    ):
        Codec().encode(Shy())


def test_bytes_of_another_version_or_of_a_new_tag_are_refused():
    with pytest.raises(StateError, match=r"^state: must be state of version 2, got version 9; use a newer rxdag$"):
        Codec().decode(b"\x09\xc0")
    with pytest.raises(StateError, match="^node 'x': must be state of version 2, got no bytes$"):
        Codec().decode(b"", where="node 'x'")
    with pytest.raises(StateError, match="^state: must have tags that this version knows, got 99"):
        Codec().decode(b"\x02\x92\x80\xc7\x01\x63\xc0")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x01\x81\xa1n\x03", id="{'n': 3}"),
        pytest.param(b"\x01\x92\x80\x05", id="[{}, 5], which would be read as 5"),
        pytest.param(b"\x01\x92\x81\xa1a\x81\xa1b\xa1c\x81\xa1n\x03", id="[{'a': {'b': 'c'}}, {'n': 3}]"),
    ],
)
def test_bytes_of_the_version_without_the_types_of_fields_are_refused(data):
    with pytest.raises(StateError) as raised:
        Codec().decode(data, where="bars")
    assert str(raised.value) == (
        "bars: must be state of version 2, got version 1; use the older rxdag that wrote it, or start over"
    )


# ---- accumulators

READINGS = [(random.Random(i).random() * 9 + 1, i % 4) for i in range(12)]
VALUE = lambda e: e[0]  # noqa: E731
AGGREGATES = {
    "count": agg.count(),
    "sum": agg.sum(VALUE),
    "sum of ints": agg.sum(lambda e: e[1] * 10**20),
    "mean": agg.mean(VALUE),
    "var": agg.var(VALUE),
    "min": agg.min(VALUE),
    "max": agg.max(VALUE),
    "first": agg.first(VALUE),
    "last": agg.last(VALUE),
    "ohlcv": agg.ohlcv(VALUE, lambda e: e[1]),
    "vwap": agg.vwap(VALUE, lambda e: e[1]),
    "collect": agg.collect(),
    "fold": agg.fold((), lambda kept, e: (*kept, e)),
    "reduce": agg.reduce(max),
    "quantile": agg.quantile(VALUE, 0.5),
    "count_distinct": agg.count_distinct(lambda e: e[1]),
    "named": agg.named(n=agg.count(), all=agg.collect(), total=agg.sum(VALUE)),
}


def test_every_aggregate_is_here():
    made = {name for name in agg.__all__ if callable(getattr(agg, name)) and name[0].islower()}
    assert made - {"std"} <= set(AGGREGATES)


@pytest.mark.parametrize("name", AGGREGATES)
@pytest.mark.parametrize("at", [0, 1, 7])
def test_an_accumulator_goes_on_from_its_bytes_as_if_nothing_had_happened(name, at):
    whole, before, after = (AGGREGATES[name].accumulator() for _ in range(3))
    for i, item in enumerate(READINGS):
        whole.add_at(item, i, 0)
        if i < at:
            before.add_at(item, i, 0)
    after.restore(round_trip(before.snapshot()))
    for i, item in enumerate(READINGS[at:], at):
        after.add_at(item, i, 0)
    assert same(after.result(), whole.result())
    assert math.isfinite(len(Codec().encode(after.snapshot())))
