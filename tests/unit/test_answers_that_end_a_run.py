"""Recorded answers of a run that a call has ended: the replay ends alike, and a run that continues makes the call again."""

import asyncio
import threading

import pytest

import rxdag
from rxdag import checkpoints, sinks, sources, testing
from rxdag import operators as ops
from rxdag.journal import Cursor, Kind

KINDS = ("ordered", "unordered", "lookup")


class Panic(BaseException):
    """An error of a library, as of Rust code, that is no Exception."""


def asking(kind, answer, folder=None, concurrency=16):
    if kind == "lookup":
        return ops.lookup(answer, key=lambda x: x % 10, into=lambda x, y: y, concurrency=concurrency, record=folder)
    return ops.map_async(answer, ordered=kind == "ordered", concurrency=concurrency, record=folder)


def job(source, operator, policy="raise"):
    asked = rxdag.from_source(source, name="ticks").pipe(operator, name="asked", on_error=policy)
    return rxdag.Dag(asked.to(sinks.collect(), name="out"), name="job")


def ended(dag, run=rxdag.run, **options):
    """Return how a run of a graph ends, as its caller sees it."""
    try:
        return run(dag, **options)["out"]
    except BaseException as error:
        return type(error), str(error), getattr(error, "code", None)


def live(items, folder):
    return sources.journal(sources.iterable(items, replay=True), folder)


def records(folder):
    cursor, found = Cursor(str(folder)), []
    while (record := cursor.next()) is not None:
        found.append(record.kind)
    cursor.close()
    return found


@pytest.mark.parametrize("policy", ["raise", "skip", "dead"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (SystemExit(3), (SystemExit, "3", 3)),
        (SystemExit("bye"), (SystemExit, "bye", "bye")),
        (KeyboardInterrupt(), (KeyboardInterrupt, "", None)),
        (Panic("boom"), (rxdag.NodeError, 'node "asked" failed on 3: Panic: boom', None)),
        (GeneratorExit("left"), (rxdag.NodeError, 'node "asked" failed on 3: GeneratorExit: left', None)),
    ],
)
def test_a_replay_ends_with_the_error_that_is_no_exception(raised, seen, kind, policy, tmp_path):
    async def answer(x):
        await asyncio.sleep(0.001 if x == 3 else 0.05)
        if x == 3:
            raise raised
        return x

    assert ended(job(live(range(6), tmp_path), asking(kind, answer, tmp_path), policy)) == seen
    assert ended(job(sources.journal_reader(tmp_path), asking(kind, answer, tmp_path), policy)) == seen


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_cancels_its_own_call_fails_the_item_in_the_replay_too(kind, tmp_path):
    async def answer(x):
        if x == 3:
            raise asyncio.CancelledError("by the client")
        return x

    operator = asking(kind, answer, tmp_path)
    was = rxdag.run(job(live(range(6), tmp_path), operator, "skip"))
    again = testing.run(job(sources.journal_reader(tmp_path), operator, "skip"))
    assert sorted(was["out"]) == [0, 1, 2, 4, 5]
    assert again["out"] == was["out"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_failure_that_ends_a_run_is_its_last_answer_though_the_call_failed_before_others_returned(kind, tmp_path):
    async def answer(x):
        await asyncio.sleep(0.001 if x == 2 else 0.01 + x * 0.001)
        if x == 2:
            raise ValueError("no answer")
        return x

    seen = (rxdag.NodeError, 'node "asked" failed on 2: ValueError: no answer', None)
    assert ended(job(live(range(4), tmp_path), asking(kind, answer, tmp_path)), testing.run_virtual) == seen
    assert records(tmp_path).count(Kind.ANSWER) == (1 if kind == "unordered" else 3)
    assert records(tmp_path)[-1] is Kind.ANSWER
    assert ended(job(sources.journal_reader(tmp_path), asking(kind, answer, tmp_path))) == seen


@pytest.mark.parametrize("kind", ["ordered", "lookup"])
def test_no_item_is_taken_once_a_call_has_failed_that_will_end_the_run(kind):
    asked = []

    async def answer(x):
        asked.append(x)
        await asyncio.sleep(0.001 if x % 10 == 2 else 1)
        if x % 10 == 2:
            raise ValueError("no answer")
        return x

    moments = [("n", 0, 1), ("n", 0, 2), ("n", 500, 12), ("n", 500, 3), ("c", 2000)]
    run = testing.start(job(testing.recording(moments), asking(kind, answer)))
    run.advance("2s")
    assert asked == [1, 2]
    assert run.seen("out") == [1]
    assert str(run.finish().error) == 'node "asked" failed on 2: ValueError: no answer'


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_continues_asks_again_for_all_items_of_a_key_whose_failure_ended_the_run(kind, tmp_path):
    """Items 2 and 12 have one key in the lookup."""
    fails, calls = [True], []

    async def answer(x):
        calls.append(x)
        await asyncio.sleep(0.02 if x == 1 else 0.001)
        if x % 10 == 2 and fails[0]:
            raise ValueError("no answer")
        return x

    def life():
        return ended(
            job(live([1, 2, 12, 3], tmp_path / "j"), asking(kind, answer, tmp_path / "j")), checkpoints=tmp_path / "s"
        )

    assert life()[0] is rxdag.NodeError
    fails[0] = False
    calls.clear()
    expected = [1, 2, 2, 3] if kind == "lookup" else [1, 2, 12, 3]
    assert sorted(life()) == sorted(expected)
    assert 2 in calls
    calls.clear()
    reader = sources.journal_reader(tmp_path / "j", source="ticks")
    assert sorted(testing.run(job(reader, asking(kind, answer, tmp_path / "j")))["out"]) == sorted(expected)
    assert calls == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_run_that_continues_with_less_concurrency_makes_no_more_calls_at_once(kind, is_recorded, tmp_path):
    open_calls, most, folder = [], [], tmp_path / "j" if is_recorded else None
    all_wait = threading.Event()

    async def answer(x):
        open_calls.append(x)
        most.append(len(open_calls))
        try:
            if len(most) <= 6:
                asyncio.get_running_loop().call_soon(all_wait.set if len(most) == 6 else int)
                await asyncio.Event().wait()
            await asyncio.sleep(0)
        finally:
            open_calls.remove(x)
        return x

    def start(concurrency):
        source = sources.iterable(range(6), replay=True)
        return rxdag.start(job(source, asking(kind, answer, folder, concurrency)), checkpoints=store)

    store = checkpoints.memory()
    first = start(6)
    assert all_wait.wait(30)
    first.checkpoint()
    first.cancel()
    first.wait()
    assert sorted(start(2).wait()["out"]) == [0, 1, 2, 3, 4, 5]
    assert max(most[6:]) == 2
