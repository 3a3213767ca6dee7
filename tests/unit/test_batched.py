"""Batches: full ones and old ones, tried again whole, split to find the item that fails them; the books balance."""

import asyncio
import contextlib
import threading
from contextlib import asynccontextmanager, contextmanager

import pytest

import rxdag
from rxdag import on_error, sinks, sources, testing
from rxdag import operators as ops
from rxdag.errors import GraphError, NodeError

S = 10**9


class Table:
    """A target that takes a while, and fails on some items or for some calls."""

    def __init__(self, *, takes=0.0, poison=(), fails=(), on_open=None):
        self.takes, self.poison, self.fails, self.on_open = takes, set(poison), dict(fails), on_open
        self.batches = []
        self.calls = []
        self.opened = 0
        self.left_with = []
        self.at_once = self.most_at_once = 0

    @asynccontextmanager
    async def __call__(self):
        self.opened += 1
        if self.on_open is not None:
            raise self.on_open
        try:
            yield self.write
        except BaseException as error:
            self.left_with.append(error)
            raise
        else:
            self.left_with.append(None)

    async def write(self, batch):
        self.calls.append(list(batch))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.takes)
            error = self.fails.get(len(self.calls))
            if error is not None:
                raise error
            bad = [item for item in batch if item in self.poison]
            if bad:
                raise ValueError(f"bad {bad[0]}")
            self.batches.append(list(batch))
        finally:
            self.at_once -= 1


def written(table, source, *, policy=on_error.retry(3, base="1s", then=on_error.dead), **how):
    stream = rxdag.from_source(source, name="in")
    out = stream.to(sinks.batched(table, on_error=policy, **how), name="db")
    dead = out.dead.to(sinks.collect())
    run = testing.start(out, dead)
    result = run.finish()
    assert result.problems == ()
    return result, out, [letter.item for letter in run[dead]], run


def test_batches_are_full_and_the_last_is_what_is_left():
    table = Table()
    result, out, dead, _ = written(table, sources.range(10), max_items=4)
    assert table.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert result[out] == 10
    assert dead == []
    assert (table.opened, table.left_with) == (1, [None])


def test_a_batch_that_is_not_full_is_written_when_it_is_old():
    table = Table()
    items = testing.timeline(("1s", "a"), ("2s", "b"), ("4s", "c"), ("20s", "d"))
    stamps = []

    async def note(batch):
        stamps.append((run.now // S, batch))

    @asynccontextmanager
    async def target():
        yield note

    run = testing.start(rxdag.from_source(items).to(sinks.batched(target, max_items=100, max_wait="2s")))
    run.finish()
    assert stamps == [(3, ["a", "b"]), (6, ["c"]), (20, ["d"])]
    assert table.batches == []


def test_without_a_longest_wait_a_batch_waits_until_it_is_full():
    table = Table()
    items = testing.timeline(("1s", 1), ("100s", 2), ("1000s", 3))
    written(table, items, max_items=2, max_wait=None)
    assert table.batches == [[1, 2], [3]]


def test_the_next_batch_is_gathered_while_one_is_written_and_no_two_at_once():
    table = Table(takes=1.0)
    result, *_ = written(table, sources.range(1000), max_items=100)
    assert [len(batch) for batch in table.batches] == [100] * 10
    assert table.most_at_once == 1


def test_what_comes_faster_waits_in_a_bounded_gate():
    table = Table(takes=1.0)
    result, *_ = written(table, sources.range(5000), max_items=10)
    (gate,) = [gate for name, gate in result.stats.gates.items() if name == "in -> db"]
    assert gate.high_water <= gate.capacity == 1024
    assert sum(map(len, table.batches)) == 5000


def test_a_failing_batch_is_tried_again_whole():
    table = Table(fails={1: OSError("down"), 2: OSError("down")})
    result, out, dead, run = written(table, sources.range(4), max_items=4)
    assert table.calls == [[0, 1, 2, 3]] * 3
    assert table.batches == [[0, 1, 2, 3]]
    assert (result[out], dead) == (4, [])
    assert run.now == 3 * S


def test_a_poison_item_is_found_and_the_others_are_written_in_order():
    table = Table(poison=[5])
    result, out, dead, _ = written(table, sources.range(10), max_items=8)
    assert dead == [5]
    assert [item for batch in table.batches for item in batch] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert result[out] == 9
    assert table.calls[:3] == [list(range(8))] * 3
    assert table.calls[3:] == [[0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [4], [5], [6, 7], [8, 9]]


@pytest.mark.parametrize("poison", [[0], [7], [0, 7], [3, 4], list(range(8))])
def test_every_poison_item_is_found_wherever_it_is(poison):
    table = Table(poison=poison)
    result, out, dead, _ = written(table, sources.range(8), max_items=8, policy=on_error.dead)
    assert dead == poison
    assert sorted(item for batch in table.batches for item in batch) == [x for x in range(8) if x not in poison]
    assert result.stats.nodes["db"].dead == len(poison)


def test_by_default_a_poison_item_fails_the_run_and_is_shown():
    table = Table(poison=[3])
    out = rxdag.from_source(sources.range(6)).to(sinks.batched(table, max_items=6), name="db")
    run = testing.start(out)
    result = run.finish()
    assert str(result.error) == 'node "db" failed on 3: ValueError: bad 3'
    assert len([call for call in table.calls if call == list(range(6))]) == 3
    assert [item for batch in table.batches for item in batch] == [0, 1, 2]
    assert result.stats.nodes["db"].discarded == 2
    assert result.problems == ()
    assert isinstance(table.left_with[0], NodeError)


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), TimeoutError("slow")])
def test_a_line_that_is_down_is_no_items_fault(error):
    table = Table(fails={1: error, 2: error})
    result, out, dead, _ = written(
        table, sources.range(6), max_items=4, policy=on_error.retry(2, base="1s", then=on_error.dead)
    )
    assert table.calls == [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5]]
    assert dead == [0, 1, 2, 3]
    assert result[out] == 2


def test_a_write_that_takes_too_long_is_given_up():
    table = Table(takes=100.0)
    out = rxdag.from_source(sources.range(2)).to(
        sinks.batched(table, timeout="5s", on_error=on_error.raise_), name="db"
    )
    run = testing.start(out)
    result = run.finish()
    assert 'node "db" failed on 0: TimeoutError' in str(result.error)
    assert run.now == 5 * S


def test_a_target_that_cannot_be_opened_fails_the_run_at_the_start():
    table = Table(on_open=OSError("no such host"))
    run = testing.start(rxdag.from_source(sources.range(2)).to(sinks.batched(table), name="db"))
    result = run.finish()
    assert str(result.error) == 'sink "db": could not be opened: no such host'
    assert result.problems == ()


def test_a_target_is_opened_and_closed_though_nothing_comes():
    table = Table()
    written(table, sources.range(0))
    assert (table.opened, table.left_with, table.calls) == (1, [None], [])


def test_a_drain_writes_what_is_gathered_and_a_cancel_does_not():
    for stop, batches, discarded in (("drain", [[1, 2]], 0), ("cancel", [], 2)):
        table = Table()
        feed = sources.ingress()
        run = testing.start(rxdag.from_source(feed).to(sinks.batched(table, max_wait="1h"), name="db"))
        feed.push(1)
        feed.push(2)
        run.settle()
        getattr(run, stop)()
        result = run.finish()
        assert table.batches == batches
        assert result.stats.nodes["db"].discarded == discarded
        assert result.problems == ()
        assert (table.left_with[0] is None) == (stop == "drain")


def test_a_failure_elsewhere_is_told_to_the_target():
    def boom(item):
        raise ValueError("elsewhere")

    table = Table(takes=1.0)
    source = rxdag.from_source(sources.range(2))
    run = testing.start(source.to(sinks.batched(table)), source.to(sinks.call(boom), name="other"))
    result = run.finish()
    assert table.left_with == [result.error]
    assert result.problems == ()


def test_the_policy_of_the_edge_goes_before_that_of_the_sink():
    table = Table(poison=[1])
    out = rxdag.from_source(sources.range(3)).to(sinks.batched(table), on_error=on_error.skip, name="db")
    result = testing.start(out).finish()
    assert result.stats.nodes["db"].dropped == {"skipped": 1}
    assert [item for batch in table.batches for item in batch] == [0, 2]


def test_it_runs_on_a_real_loop():
    table = Table()
    out = rxdag.from_source(sources.range(2500)).to(sinks.batched(table, max_items=1000))
    assert rxdag.run(out)[out] == 2500
    assert [len(batch) for batch in table.batches] == [1000, 1000, 500]


POLICIES = "on_error must be one of raise, skip, dead, or a policy of rxdag.on_error"


@pytest.mark.parametrize(
    ("args", "how", "said"),
    [
        ((3,), {}, "batched: target must be an object with write(batch), or a function that makes one, got 3"),
        (
            (lambda batch: None,),
            {},
            "batched: target must take no argument; got <lambda>(batch); give its other parameters a default, or bind them "
            "with functools.partial; a function of a batch goes into an object, as its method write(batch)",
        ),
        ((Table(),), {"max_items": 0}, "batched: max_items must be 1 or more, got 0"),
        ((Table(),), {"max_wait": "0s"}, "batched: max_wait must be more than 0, got '0s'"),
        ((Table(),), {"on_error": "deed"}, f"batched: {POLICIES}, got 'deed'; did you mean \"dead\"?"),
    ],
)
def test_bad_arguments_are_said_at_once(args, how, said):
    with pytest.raises(GraphError) as raised:
        sinks.batched(*args, **how)
    assert str(raised.value) == said


def test_full_batches_leave_no_timers_behind():
    table, most, lengths = Table(), 2500, []

    def look(item):
        lengths.append(len(run.execution.main._timers))
        return item

    numbers = rxdag.from_source(sources.range(most)).pipe(ops.map(look))
    rare = numbers.pipe(ops.filter(lambda x: x == 0)).to(sinks.batched(Table(), max_wait="1m"))
    run = testing.start(numbers.to(sinks.batched(table, max_items=1, max_wait="1h")), rare)
    result = run.finish()
    assert (result.state, len(table.batches)) == ("completed", most)
    assert max(lengths) <= 1100


# ---- objects with write(batch)


class Plain:
    """Notes what is called, and on which thread."""

    def __init__(self, *, fails=()):
        self.told, self.threads, self.fails = [], set(), list(fails)

    def _note(self, what):
        self.told.append(what)
        self.threads.add(threading.current_thread().name)

    def write(self, batch):
        self._note(list(batch))
        if self.fails:
            raise self.fails.pop()


class PlainOpened(Plain):
    def open(self):
        self._note("open")

    def close(self):
        self._note("close")


class PlainEntered(PlainOpened):
    def __enter__(self):
        self._note("enter")
        return self

    def __exit__(self, kind, error, trace):
        self._note(("exit", error))


class Client:
    """The same with coroutine functions."""

    def __init__(self):
        self.told = []

    async def write(self, batch):
        self.told.append(list(batch))


class ClientOpened(Client):
    async def open(self):
        self.told.append("open")

    async def close(self):
        self.told.append("close")


class ClientEntered(ClientOpened):
    async def __aenter__(self):
        self.told.append("enter")
        return self

    async def __aexit__(self, kind, error, trace):
        self.told.append(("exit", error))


BATCHES = [[0, 1], [2]]
TARGETS = pytest.mark.parametrize(
    ("make", "told"),
    [
        (Plain, BATCHES),
        (PlainOpened, ["open", *BATCHES, "close"]),
        (PlainEntered, ["enter", *BATCHES, ("exit", None)]),
        (Client, BATCHES),
        (ClientOpened, ["open", *BATCHES, "close"]),
        (ClientEntered, ["enter", *BATCHES, ("exit", None)]),
    ],
)


@TARGETS
@pytest.mark.parametrize("runs", [rxdag.run, testing.run_virtual])
@pytest.mark.parametrize("is_made", [False, True])
def test_an_object_is_opened_written_and_closed(make, told, runs, is_made):
    target = make()
    out = rxdag.from_source(sources.range(3)).to(sinks.batched((lambda: target) if is_made else target, max_items=2))
    assert runs(out)[out] == 3
    assert target.told == told


def test_a_class_makes_a_target_for_each_run():
    made = []

    class Noted(Client):
        def __init__(self):
            super().__init__()
            made.append(self)

    out = rxdag.from_source(sources.range(3)).to(sinks.batched(Noted, max_items=2))
    assert [rxdag.run(out)[out], rxdag.run(out)[out]] == [3, 3]
    assert [target.told for target in made] == [BATCHES, BATCHES]


def test_plain_methods_are_called_on_one_thread_which_is_not_that_of_the_run():
    target = PlainOpened()
    out = rxdag.from_source(sources.range(300)).to(sinks.batched(target, max_items=2))
    rxdag.run(out)
    assert len(target.threads) == 1
    assert threading.current_thread().name not in target.threads
    for thread in threading.enumerate():
        if thread.name in target.threads:
            thread.join(60)
            assert not thread.is_alive()


@pytest.mark.parametrize("make", [PlainEntered, ClientEntered])
def test_a_context_manager_is_told_the_error_of_the_run(make):
    def boom(item):
        raise ValueError("elsewhere")

    target, source = make(), rxdag.from_source(sources.range(2))
    result = testing.start(source.to(sinks.batched(target)), source.to(sinks.call(boom))).finish()
    assert ("exit", result.error) in target.told


def test_a_plain_write_that_fails_is_tried_again():
    target = Plain(fails=[OSError("busy")])
    out = rxdag.from_source(sources.range(2)).to(sinks.batched(target))
    assert testing.run_virtual(out)[out] == 2
    assert target.told == [[0, 1], [0, 1]]


def test_what_a_context_manager_gives_may_be_an_object():
    target = Plain()

    @asynccontextmanager
    async def opened():
        yield target

    @contextmanager
    def opened_plainly():
        yield target

    for make in (opened, opened_plainly):
        out = rxdag.from_source(sources.range(3)).to(sinks.batched(make, max_items=2))
        assert rxdag.run(out)[out] == 3
    assert target.told == BATCHES * 2


def test_a_plain_method_may_return_an_awaitable():
    client = Client()

    class Wrapped:
        def write(self, batch):
            return client.write(batch)

    out = rxdag.from_source(sources.range(3)).to(sinks.batched(Wrapped(), max_items=2))
    assert rxdag.run(out)[out] == 3
    assert client.told == BATCHES


def test_the_thread_of_a_target_that_cannot_be_opened_ends():
    class Refuses(PlainOpened):
        def open(self):
            super().open()
            raise OSError("no such host")

    target = Refuses()
    with pytest.raises(NodeError, match="could not be opened: no such host"):
        rxdag.run(rxdag.from_source(sources.range(2)).to(sinks.batched(target)))
    for thread in threading.enumerate():
        if thread.name in target.threads:
            thread.join(60)
            assert not thread.is_alive()


def test_a_flag_called_open_is_not_called():
    client = Client()
    client.open = client.close = True
    out = rxdag.from_source(sources.range(3)).to(sinks.batched(client, max_items=2))
    assert rxdag.run(out)[out] == 3
    assert client.told == BATCHES


class TakesNothing:
    def write(self):
        return None


class Yields:
    def write(self, batch):
        yield batch


class OpensFile(Plain):
    def open(self, path):
        return path


class Names:
    write = "w"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (TakesNothing(), "batched: target.write must take one argument, the batch; got write()"),
        (OpensFile(), "batched: target.open must take no argument; got open(path)"),
        (Yields(), "batched: target.write must be a plain function, got the generator function "),
        (Names(), "batched: target must be an object with write(batch), or a function that makes one, got "),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_object_that_cannot_be_a_target_is_refused_at_once(target, said):
    with pytest.raises(GraphError) as raised:
        sinks.batched(target)
    assert str(raised.value).startswith(said)


def test_an_object_that_a_function_makes_is_refused_when_it_is_opened():
    out = rxdag.from_source(sources.range(2)).to(sinks.batched(lambda: OpensFile()), name="db")
    result = testing.start(out).finish()
    assert str(result.error) == (
        'sink "db": could not be opened: batched: target.open must take no argument; got open(path); give its other '
        "parameters a default, or bind them with functools.partial"
    )


def test_a_thread_takes_no_virtual_time():
    async def doubled(item):
        await asyncio.sleep(1)
        return await asyncio.to_thread(lambda: item * 2)

    out = rxdag.from_source(sources.range(3)).pipe(ops.map_async(doubled, concurrency=1)).to(sinks.collect())
    run = testing.start(out)
    run.finish()
    assert (run[out], run.now) == ([0, 2, 4], 3 * S)


@pytest.mark.parametrize("where", ["open", "write", "close"])
@pytest.mark.parametrize(
    "error",
    [StopIteration("done"), StopAsyncIteration("done"), asyncio.CancelledError("done"), GeneratorExit("done")],
    ids=lambda error: type(error).__name__,
)
def test_no_error_of_a_plain_function_is_taken_for_the_end_of_a_future(where, error):
    class Plain:
        def _act(self, name):
            if name == where:
                raise error

        def open(self):
            self._act("open")

        def write(self, batch):
            self._act("write")

        def close(self):
            self._act("close")

    out = rxdag.from_source(sources.range(3)).to(sinks.batched(Plain(), on_error="raise"), name="db")
    with pytest.raises(NodeError, match='sink "db"|node "db"'):
        asyncio.run(asyncio.wait_for(rxdag.run_async(out), 5))


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("where", ["write", "close"])
def test_a_target_is_closed_before_a_write_ends_the_process(where, is_async):
    class Exits:
        def __init__(self):
            self.calls = []

        def _act(self, name):
            self.calls.append(name)
            if name == where:
                raise SystemExit(5)

        if is_async:

            async def write(self, batch):
                self._act("write")

            async def close(self):
                self._act("close")

        else:

            def write(self, batch):
                self._act("write")

            def close(self):
                self._act("close")

    table = Exits()
    with pytest.raises(SystemExit, match="5"):
        rxdag.run(rxdag.from_source(sources.range(3)).to(sinks.batched(table)))
    assert table.calls == ["write", "close"]


def test_a_target_is_closed_before_another_nodes_coroutine_ends_the_process():
    async def leave(item):
        raise SystemExit(5)

    numbers = rxdag.from_source(sources.range(3))
    table = Table()
    with pytest.raises(SystemExit, match="5"):
        rxdag.run(numbers.to(sinks.batched(table)), numbers.to(sinks.acall(leave)))
    assert len(table.left_with) == 1


@pytest.mark.parametrize("is_ordered", [False, True])
def test_a_coroutine_that_ends_the_process_fails_a_run_on_its_own_threads(is_ordered):
    async def leave(item):
        raise SystemExit(5)

    run = rxdag.start(
        rxdag.from_source(sources.range(3))
        .pipe(ops.map_async(leave, ordered=is_ordered), name="call")
        .to(sinks.collect())
    )
    with pytest.raises(NodeError, match='node "call" failed on 0: SystemExit: 5'):
        run.wait(5)


class Panic(BaseException):
    """As of a library in native code."""


@pytest.mark.parametrize(
    ("cause", "n", "state"),
    [
        (ConnectionError("away"), 3, "completed"),
        (ValueError("bad"), 1, "completed"),
        (rxdag.BadItem("bad"), 1, "completed"),
        (Panic("in native code"), 1, "failed"),
    ],
)
def test_the_cause_of_an_item_that_failed_decides_on_further_attempts(cause, n, state):
    tried = []

    class Refusing:
        def write(self, batch):
            if 1 in batch:
                tried.append(list(batch))
                raise rxdag.WriteFailed(batch.index(1), cause)

    policy = on_error.retry(3, base="0s", on=(ConnectionError, rxdag.BadItem), then=on_error.dead)
    out = rxdag.wrap([0, 1, 2]).to(sinks.batched(Refusing(), on_error=policy), name="db")
    dead = out.dead.to(sinks.collect())
    run = rxdag.start(out, dead)
    with contextlib.suppress(NodeError):
        run.wait()
    assert (run.result.state, run.result.problems) == (state, ())
    assert tried == [[0, 1, 2], *[[1, 2]] * (n - 1)]
    if state == "completed":
        assert (run.result[out], [letter.item for letter in run.result[dead]]) == (2, [1])
    else:
        assert str(run.result.error) == 'node "db" failed on 1: Panic: in native code'


def test_each_item_that_failed_has_attempts_of_its_own_and_what_was_written_stays():
    tried = []

    class Refusing:
        def write(self, batch):
            tried.append(list(batch))
            at = next((at for at, item in enumerate(batch) if item in (1, 2)), None)
            if at is not None:
                raise rxdag.WriteFailed(at, ConnectionError("away"))

    policy = on_error.retry(2, base="0s", then=on_error.dead)
    out = rxdag.wrap([0, 1, 2, 3]).to(sinks.batched(Refusing(), on_error=policy), name="db")
    dead = out.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert tried == [[0, 1, 2, 3], [1, 2, 3], [2, 3], [2, 3], [3]]
    assert (result[out], [(letter.item, letter.attempts) for letter in result[dead]]) == (2, [(1, 2), (2, 2)])
    assert (result.stats.nodes["db"].passed, result.problems) == (2, ())
