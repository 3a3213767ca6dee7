"""Wrong calls of public functions: the message says what is wrong and shows the right call."""

import inspect
from typing import NamedTuple

import pytest

import rxdag
from rxdag import GraphError, market, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.operators import joining

ROOMS = {"ops": ops, "agg": agg, "windows": windows, "sources": sources, "sinks": sinks, "joining": joining}
FUNCTIONS = {
    f"{room}.{name}": getattr(module, name)
    for room, module in ROOMS.items()
    for name in module.__all__
    if inspect.isfunction(getattr(module, name))
} | {f"market.{name}": getattr(market, name) for name in ("book_top", "imbalance", "tick_rule", "twap")}
EMPTY = inspect.Parameter.empty


def parameters(fn):
    return inspect.signature(fn).parameters.values()


def takes_any(fn, kind):
    return any(each.kind is kind for each in parameters(fn))


NEEDY = [
    name
    for name, fn in FUNCTIONS.items()
    if any(p.default is EMPTY and p.kind.value in (0, 1, 3) for p in parameters(fn))
]
STRICT = [name for name, fn in FUNCTIONS.items() if not takes_any(fn, inspect.Parameter.VAR_KEYWORD)]
SHORT = [name for name, fn in FUNCTIONS.items() if not takes_any(fn, inspect.Parameter.VAR_POSITIONAL)]


class Trade(NamedTuple):
    price: float


@pytest.mark.parametrize("name", NEEDY)
def test_a_call_without_arguments_says_which_must_be_given(name):
    with pytest.raises(GraphError, match=rf"^{name.partition('.')[2]}: .*(must be given, got nothing|takes )"):
        FUNCTIONS[name]()


@pytest.mark.parametrize("name", STRICT)
def test_an_unknown_keyword_is_named(name):
    with pytest.raises(GraphError, match=rf'^{name.partition(".")[2]}: argument "nonsense" is not known'):
        FUNCTIONS[name](nonsense=1)


@pytest.mark.parametrize("name", SHORT)
def test_too_many_positional_arguments_are_counted(name):
    n = len(inspect.signature(FUNCTIONS[name]).parameters) + 1
    with pytest.raises(
        GraphError, match=rf"^{name.partition('.')[2]}: at most \d arguments? can go without a name, got {n}; call"
    ):
        FUNCTIONS[name](*range(n))


CSV = "call csv(path, /, of, *, tz=..., dialect=...)"
OF = "of is: Type of the items: a msgspec.Struct, dataclass, NamedTuple or TypedDict"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sources.csv("x"), f"csv: of must be given, got nothing; {OF}; {CSV}"),
        (
            lambda: sources.csv(),
            'csv: path and of must be given, got nothing; path is: Path of the file, UTF-8; "-" '
            f"for stdin; {OF}; {CSV}",
        ),
        (lambda: sources.csv("x", Trade, zone="UTC"), f'csv: argument "zone" is not known; {CSV}'),
        (lambda: sources.csv("x", Trade, t="UTC"), f'csv: argument "t" is not known; did you mean "tz"?; {CSV}'),
        (lambda: sources.csv(path="x", of=Trade), f"csv: path must be given without its name, got path='x'; {CSV}"),
        (lambda: sources.csv("x", Trade, "UTC"), f"csv: at most 2 arguments can go without a name, got 3; {CSV}"),
        (lambda: sources.csv("x", Trade, of=Trade), f"csv: of must be given once, got it twice; {CSV}"),
        (
            lambda: ops.scan(),
            "scan: fn must be given, got nothing; fn is: A function of the value and the item that returns the next "
            "value; call scan(initial, fn=..., /, *, ttl=..., clock=...)",
        ),
        (
            lambda: ops.batch(10, "1s"),
            "batch: at most 1 argument can go without a name, got 2; "
            "call batch(max_items=..., /, *, max_wait=..., emit_empty=..., skip=..., ttl=..., clock=...)",
        ),
        (
            lambda: rxdag.merge(numbers(), max_drif="1s"),
            'merge: argument "max_drif" is not known; did you mean "max_drift"?; call merge(*streams, max_drift=...)',
        ),
    ],
)
@pytest.mark.skipif(not (sources.csv.__doc__ or ""), reason="docstrings are stripped")
def test_the_message_shows_the_right_call(call, message):
    with pytest.raises(GraphError) as caught:
        call()
    assert str(caught.value) == message


def numbers():
    return rxdag.from_source(sources.range(3))


def test_an_error_of_the_users_own_code_is_not_taken_for_a_wrong_call():
    class Odd:
        def __iter__(self):
            raise TypeError("of the user")

    with pytest.raises(TypeError, match="of the user"):
        ops.route_by("price", Odd())
