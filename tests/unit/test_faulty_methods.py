"""Methods of kernels, readers and observers that raise: the run fails and names the node, and the books balance."""

import contextlib
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from types import MappingProxyType

import pytest

import rxdag
from rxdag import NodeError, sinks, sources, testing
from rxdag import operators as ops
from rxdag.contract import END, MAX, Chunk, FanIn, FanInKernel, Kernel, Operator, Reader, Source
from rxdag.graph import fan_in


class Broken(Exception):
    """What the methods raise."""


# ---- kernels


class Swallows(Kernel):
    """Hands items on, whatever comes of it."""

    def on_item(self, item, emit):
        with contextlib.suppress(BaseException):
            emit(item)


def asked(kernel, method):
    """Count a call of a kernel's method, and raise in the one that is to fail."""
    kernel.asked += 1
    if method == kernel.method and kernel.asked > kernel.after:
        raise Broken(method)


class Passes(Kernel):
    """Hands items on; of its methods that the engine asks one raises, after so many calls."""

    may_park = True

    def __init__(self, method, after):
        self.method, self.after, self.asked = method, after, 0

    def on_item(self, item, emit):
        emit(item)


class Joins(FanInKernel):
    """The same with several inputs."""

    may_park = True
    __init__ = Passes.__init__
    on_item = Passes.on_item


def kernel_with(method, answer, base=Passes):
    """The class of a kernel that has this method of its own."""

    def ask(self, *_):
        asked(self, method)
        return answer

    return type(f"Has_{method}", (base,), {method: ask})


KINDS = MappingProxyType(
    {
        "on_start": kernel_with("on_start", None),
        "want": kernel_with("want", None),
        "is_finished": kernel_with("is_finished", False),
        "low": kernel_with("low", MAX),
        "held": kernel_with("held", 0),
        "on_watermark": kernel_with("on_watermark", None),
        "on_end": kernel_with("on_end", None),
    }
)
ONCE = {"on_start", "on_watermark", "on_end", "held"}


@dataclass(frozen=True)
class Op(Operator):
    make: object
    label = "op"

    def kernel(self):
        return self.make()


@dataclass(frozen=True)
class In(FanIn):
    make: object
    label = "in"

    def kernel(self):
        return self.make()

    def merged(self, shapes):
        return shapes[0]


def timed():
    return rxdag.from_source(sources.range(5)).pipe(ops.event_time(lambda x: x))


def ended(*sinks_of_it):
    """The result of a run in virtual time, which ends whatever happens."""
    plan = rxdag.compile(rxdag.Dag(*sinks_of_it))
    return testing.settle_virtual(testing.virtual(plan))


def check_failure(result, node, said):
    assert result.state == "failed"
    assert isinstance(result.error, NodeError)
    assert (result.error.node, str(result.error)) == (node, f'node "{node}" failed: Broken: {said}')
    assert isinstance(result.error.__cause__, Broken)
    assert result.problems == ()


PLACES = {
    "alone": lambda op: timed().pipe(op, name="broken"),
    "behind user code that swallows": lambda op: timed().pipe(Op(Swallows)).pipe(op, name="broken"),
    "behind a fork": lambda op: rxdag.merge(*(lambda s: (s.pipe(op, name="broken"), s.pipe(ops.map(str))))(timed())),
    "behind a gate": lambda op: timed().buffered(max_items=2).pipe(op, name="broken"),
    "before a gate": lambda op: timed().pipe(op, name="broken").buffered(max_items=2).pipe(ops.map(str)),
    "before a window": lambda op: timed().pipe(op, name="broken").pipe(ops.batch(2)),
    "behind an await": lambda op: timed().pipe(ops.map_async(same)).pipe(op, name="broken"),
}


async def same(item):
    return item


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("method", "after"), [(method, after) for method in KINDS for after in (0, 1, 3) if not (after and method in ONCE)]
)
def test_a_kernel_whose_method_raises_fails_the_run_and_is_named(method, after, place):
    stream = PLACES[place](Op(lambda: KINDS[method](method, after)))
    check_failure(ended(stream.to(sinks.null(), name="out")), "broken", method)


JOINED = {"want_from": None, "is_finished": False, "low": MAX, "on_input_end": None}


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("method", JOINED)
def test_of_a_kernel_with_several_inputs_as_well(method, after):
    kind = kernel_with(method, JOINED[method], Joins)
    after = min(after, 1) if method == "on_input_end" else after
    stream = fan_in(In(lambda: kind(method, after)), (timed(), timed()))
    check_failure(ended(stream.to(sinks.null(), name="out")), "in", method)


class Catches(Joins):
    """Goes on with the second input when the first one has failed, it says; and raises instead."""

    may_catch = 1

    def catches(self, input, error):
        asked(self, "catches")
        return True


def test_catches_that_raises_is_a_failure_of_its_node_and_the_first_one_is_told():
    def fail(item):
        raise ValueError("first")

    failing = timed().pipe(ops.map(fail))
    stream = fan_in(In(lambda: Catches("catches", 0)), (failing, timed()))
    result = ended(stream.to(sinks.null(), name="out"))
    check_failure(result, "in", "catches")


def test_catches_that_raises_is_caught_by_a_catch_behind_it_as_a_failure_of_its_node():
    def fail(item):
        raise ValueError("first")

    failing = timed().pipe(ops.map(fail))
    stream = fan_in(In(lambda: Catches("catches", 0)), (failing, timed()))
    behind = rxdag.catch(stream, rxdag.from_source(sources.iterable([7])), on=(Broken,))
    result = ended(behind.to(sinks.collect(), name="out"))
    assert (result.state, result.problems) == ("completed", ())
    assert result["out"] == [7]


@pytest.mark.parametrize("method", ["want", "is_finished", "low", "on_watermark", "on_end"])
def test_a_method_that_raises_is_caught_by_a_catch_behind_it(method):
    broken = timed().pipe(Op(lambda: KINDS[method](method, 0)))
    stream = rxdag.catch(broken, rxdag.from_source(sources.iterable([7])), on=(Broken,))
    result = ended(stream.to(sinks.collect(), name="out"))
    assert (result.state, result.problems) == ("completed", ())
    assert result["out"][-1] == 7


def test_a_kernel_that_cannot_say_what_it_holds_fails_a_run_that_is_cancelled():
    run = testing.start(timed().pipe(Op(lambda: KINDS["held"]("held", 0)), name="broken").to(sinks.null(), name="out"))
    run.settle()
    run.cancel()
    check_failure(run.finish(), "broken", "held")


# ---- readers


class Read(Reader):
    """Gives two items, then the end, unless it is to go on; one of its methods raises."""

    def __init__(self, source):
        self._source = source
        self._has_read = False

    def _ask(self, method, answer):
        self._source.calls.append(method)
        if method == self._source.method:
            raise Broken(method)
        return answer

    def read(self, max_items):
        if self._has_read:
            return END if self._source.ends else None
        self._has_read = True
        return Chunk([1, 2])

    def held(self):
        return self._ask("held", 0)

    def dropped(self):
        return self._ask("dropped", 0)

    def close(self):
        self._ask("close", None)


@dataclass(frozen=True)
class Reads(Source):
    method: str
    where: str = "inline"
    ends: bool = True
    calls: list = field(default_factory=list)
    label = "reads"

    def open(self, context):
        return Read(self)


def result_of(run):
    try:
        return run.wait(60)
    except NodeError:
        return run.result


ENDS = {
    "by itself": lambda run: None,
    "drained": lambda run: run.begin_drain(),
    "cancelled": lambda run: run.cancel(),
}


@pytest.mark.parametrize("where", ["inline", "blocking", "async"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", ["held", "dropped", "close"])
def test_a_reader_whose_method_raises_at_the_end_fails_the_run_and_is_closed(method, end, where):
    source = Reads(method, where, end == "by itself", [])
    came = threading.Event()
    run = rxdag.start(rxdag.from_source(source, name="in").to(sinks.call(lambda item: came.set()), name="out"))
    assert came.wait(60)
    ENDS[end](run)
    check_failure(result_of(run), "in", method)
    assert source.calls.count("close") == 1


@pytest.mark.parametrize("where", ["inline", "blocking", "async"])
@pytest.mark.parametrize("method", ["held", "dropped", "close"])
def test_the_failure_that_came_first_is_told_with_that_of_the_reader_behind_it(method, where):
    source = Reads(method, where, False, [])

    def fail(item):
        raise Broken("first")

    run = rxdag.start(rxdag.from_source(source, name="in").pipe(ops.map(fail), name="first").to(sinks.null()))
    result = result_of(run)
    assert str(result.error) == 'node "first" failed on 1: Broken: first'
    assert any(f'node "in" failed: Broken: {method}' in note for note in result.error.__notes__)
    assert (source.calls.count("close"), result.problems) == (1, ())


class Leaves:
    """A resource that cannot be left."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        raise Broken("leave")


def test_a_resource_that_cannot_be_left_fails_the_run_and_names_the_node():
    async def ask(resource, item):
        return item

    stream = rxdag.from_source(sources.range(3)).pipe(ops.map_async(ask, resource=Leaves), name="asks")
    check_failure(ended(stream.to(sinks.null(), name="out")), "asks", "leave")


@pytest.mark.parametrize(("where", "on"), [("inline", " on 0"), ("async", "")])
def test_a_reader_of_a_stream_within_that_cannot_be_closed_fails_the_node_that_made_it(where, on):
    stream = rxdag.from_source(sources.range(1)).pipe(ops.concat_map(lambda _: Reads("close", where)), name="inner")
    result = ended(stream.to(sinks.null(), name="out"))
    assert str(result.error) == f'node "inner" failed{on}: Broken: close'
    assert (result.error.node, result.problems) == ("inner", ())


# ---- observers


def observed():
    """A plan with a source, a map, a map behind a gate, and a sink."""
    stream = rxdag.from_source(sources.range(5), name="in").pipe(ops.map(lambda x: x + 1), name="map")
    behind = stream.buffered(max_items=2).pipe(ops.map(str), name="behind")
    return rxdag.compile(rxdag.Dag(behind.to(sinks.collect(), name="out")))


class Told:
    """What an observer hears, until it raises."""

    def __init__(self, after):
        self.items, self.errors, self.ends = [], [], 0
        self._after = after

    def on_next(self, item):
        self.items.append(item)
        if len(self.items) > self._after:
            raise Broken("observer")

    def on_end(self):
        self.ends += 1


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("name", ["in", "map", "behind", "out"])
def test_an_observer_that_raises_fails_the_run_and_is_told_so_once(name, after):
    told = Told(after)
    observed().observable(name).subscribe(told.on_next, told.errors.append, told.on_end)
    (error,) = told.errors
    assert isinstance(error, NodeError)
    assert (error.node, str(error)) == (name, f'observer of "{name}" failed: observer')
    assert isinstance(error.__cause__, Broken)
    assert (len(told.items), told.ends) == (after + 1, 0)


class Watches:
    """A watcher of a run, which raises at an item or at the end."""

    def __init__(self, at):
        self.at = at
        self.calls = []

    def on_next(self, chunk, /):
        self._note("item", len(chunk.items))

    def end(self, error, /):
        self._note("end", 1)

    def _note(self, kind, n):
        if n:
            self.calls.append(kind)
            if kind == self.at:
                raise Broken("observer")


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("at", ["item", "end"])
@pytest.mark.parametrize("name", ["in", "map", "behind", "out"])
def test_the_books_balance_where_an_observer_has_raised(name, at, columns):
    plan = rxdag.compile(observed().dag, columns=columns)
    execution, watches = testing.virtual(plan), Watches(at)
    execution.program.observe(name, watches, execution)
    result = testing.settle_virtual(execution)
    assert (result.state, str(result.error)) == ("failed", f'observer of "{name}" failed: observer')
    assert watches.calls.count(at) == 1
    assert result.problems == ()


FRESH = """
import rxdag
from rxdag import operators as ops, sinks, sources
plan = rxdag.compile(rxdag.Dag(rxdag.from_source(sources.range(3)).pipe(ops.map(str)).to(sinks.null(), name="out")))
"""
FACES = {
    "observable": "plan.observable('map').subscribe(print, print, lambda: print('end'))",
    "publisher": """
import threading
class Reads:
    over = threading.Event()
    def on_subscribe(self, subscription): subscription.request(9)
    def on_next(self, item): print(item)
    def on_error(self, error): print(error); self.over.set()
    def on_complete(self): print('end'); self.over.set()
plan.publisher('map').subscribe(Reads())
Reads.over.wait(60)
""",
}


@pytest.mark.parametrize("face", FACES)
def test_a_plan_has_its_faces_in_a_process_that_has_run_nothing(face):
    done = subprocess.run(  # our own program
        [sys.executable, "-c", FRESH + FACES[face]], capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.stdout, done.stderr) == ("0\n1\n2\nend\n", "")


# ---- long chains

N = 2000
CHAINS = {
    "maps": lambda stream: stream.pipe(ops.map(lambda x: x)),
    "scans": lambda stream: stream.pipe(ops.scan(0, lambda _, x: x)),
    "taps with dead letters": lambda stream: stream.pipe(ops.tap(lambda x: None), on_error=rxdag.on_error.dead),
}


@pytest.mark.parametrize("what", CHAINS)
def test_an_error_at_the_head_of_a_long_chain_keeps_its_message_and_the_books_balance(what):
    def fail(item):
        if item == 1:
            raise Broken("head")
        return item

    stream = rxdag.from_source(sources.range(3)).pipe(ops.map(fail), name="head")
    for _ in range(N):
        stream = CHAINS[what](stream)
    result = ended(stream.to(sinks.collect(), name="out"))
    assert str(result.error) == 'node "head" failed on 1: Broken: head'
    assert (result.problems, getattr(result.error, "__notes__", [])) == ((), [])


def test_an_error_at_the_head_of_a_long_chain_is_caught_at_its_end():
    def fail(item):
        raise Broken("head")

    stream = rxdag.from_source(sources.range(3)).pipe(ops.map(fail), name="head")
    for _ in range(N):
        stream = stream.pipe(ops.map(lambda x: x))
    caught = rxdag.catch(stream, rxdag.from_source(sources.iterable([7])), on=(Broken,))
    result = ended(caught.to(sinks.collect(), name="out"))
    assert (result["out"], result.problems) == ([7], ())
